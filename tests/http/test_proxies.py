"""The rules of golang.org/x/net/http/httpproxy, which podman and docker follow."""

import pytest

from affineur.http.proxies import proxy_for

BOTH = {"HTTPS_PROXY": "http://p.example:3128", "HTTP_PROXY": "http://q.example:3128"}


@pytest.mark.parametrize(
    ("scheme", "host", "environment", "proxy"),
    [
        ("https", "registry.example", BOTH, "http://p.example:3128"),
        ("http", "registry.example", BOTH, "http://q.example:3128"),
        ("https", "registry.example", {"https_proxy": "p.example:3128"}, "http://p.example:3128"),
        ("https", "registry.example", {"ALL_PROXY": "http://a.example:1"}, "http://a.example:1"),
        ("https", "registry.example", {}, None),
        ("https", "localhost", BOTH, None),
        ("http", "127.0.0.1", BOTH, None),
        ("http", "::1", BOTH, None),
        ("https", "registry.example", {**BOTH, "NO_PROXY": "registry.example"}, None),
        ("https", "a.registry.example", {**BOTH, "NO_PROXY": "registry.example"}, None),
        ("https", "a.registry.example", {**BOTH, "no_proxy": " .registry.example , x"}, None),
        ("https", "a.registry.example", {**BOTH, "no_proxy": "*.registry.example"}, None),
        ("https", "notregistry.example", {**BOTH, "NO_PROXY": "registry.example"}, "http://p.example:3128"),
        ("https", "registry.example", {**BOTH, "NO_PROXY": "registry.example:8443"}, "http://p.example:3128"),
        ("https", "registry.example", {**BOTH, "NO_PROXY": "registry.example:443"}, None),
        ("https", "registry.example", {**BOTH, "NO_PROXY": "*"}, None),
        ("https", "10.1.2.3", {**BOTH, "NO_PROXY": "10.0.0.0/8"}, None),
        ("https", "10.1.2.3", {**BOTH, "NO_PROXY": "10.1.2.4,fd00::/8"}, "http://p.example:3128"),
        ("http", "registry.example", {**BOTH, "REQUEST_METHOD": "GET"}, None),
    ],
)
def test_which_proxy(scheme: str, host: str, environment: dict[str, str], proxy: str | None) -> None:
    found = proxy_for(scheme, host, 443 if scheme == "https" else 80, environment)
    assert (found and str(found)) == proxy
