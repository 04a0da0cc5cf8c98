"""URLs that a hostile server may send us to: what is asked is what was checked, or nothing is.

Second witness for the host of a URL: RFC 3986 Appendix B's own expression, and inet_aton(3) as the resolver's reading.
"""

import re
import socket
from collections.abc import Callable
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.errors import ForbiddenAddress
from affineur.http.addresses import IPAddress, Reach, literal
from affineur.http.client import Client
from affineur.http.connector import Connector
from affineur.http.urls import MAX_URL, joined, origin_of, shown
from support.registry import Answer, Registry

MakeClient = Callable[..., Client]


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://registry.example/v2/", ("https", "registry.example", 443)),
        ("HTTPS://Registry.EXAMPLE:5000/v2/", ("https", "registry.example", 5000)),
        ("http://registry.example", ("http", "registry.example", 80)),
        ("http://registry.example:/x", ("http", "registry.example", 80)),
        ("http://registry.example.:80/x", ("http", "registry.example.", 80)),
        ("http://my_registry:5000/x?a=@b#c", ("http", "my_registry", 5000)),
        ("http://[2001:DB8::1]:5000/", ("http", "2001:db8::1", 5000)),
        ("http://[::ffff:127.0.0.1]/", ("http", "::ffff:127.0.0.1", 80)),
        ("http://192.0.2.1/", ("http", "192.0.2.1", 80)),
        ("http://1.example/", ("http", "1.example", 80)),
        ("http://xn--mnchen-3ya.example/", ("http", "xn--mnchen-3ya.example", 80)),
    ],
)
def test_what_may_be_asked(url: str, origin: tuple[str, str, int]) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://user@registry.example/", "carries a login"),
        ("http://user:secret@registry.example/", "carries a login"),
        ("http://@registry.example/", "carries a login"),
        ("http://registry.example\\@127.0.0.1/", "carries a login"),
        ("http://registry.example\\.evil.example/", "no host"),
        ("http://registry.example\\/x", "no host"),
        ("http:\\\\registry.example/", "no http or https"),
        ("http://registry.example\t/", "spaces"),
        ("http://regis\ttry.example/", "spaces"),
        ("ht\ntp://registry.example/", "spaces"),
        ("http://registry.example/\r\nHost: evil.example", "spaces"),
        ("http://registry.example/a b", "spaces"),
        ("http://registry.example/\x00", "spaces"),
        ("http://m\u00fcnchen.example/", "ASCII"),
        ("http://127\u30020\u30020\u30021/", "ASCII"),
        ("http://\uff11\uff12\uff17.0.0.1/", "ASCII|no usable URL"),
        ("http://%31%32%37.0.0.1/", "no host"),
        ("http://localhost%00.example/", "no host"),
        ("http://[fe80::1%25eth0]/", "no host"),
        ("http://[::1%25lo]/", "no host"),
        ("http://[::1%lo]/", "no host"),
        ("http://[::1]evil.example/", "no usable URL|no host"),
        ("http://[127.0.0.1]/", "no usable URL|no host"),
        ("http://[v1.x]/", "no usable URL|no host"),
        ("http://registry..example/", "no host"),
        ("http://.registry.example/", "no host"),
        ("http://registry.example../", "no host"),
        ("http://regi;stry.example/", "no host"),
        ("http://" + "a" * 300 + ".example/", "no host"),
        ("http://registry.example:0/", "port 0"),
        ("http://registry.example:65536/", "no usable URL"),
        ("http://registry.example:-1/", "no usable URL"),
        ("http://registry.example:80:80/", "no usable URL|no host"),
        ("http://registry.example:\u0668\u0660/", "ASCII|no usable URL"),
        ("http://2130706433/", "hides an address"),
        ("http://017700000001/", "hides an address"),
        ("http://0177.0.0.1/", "hides an address"),
        ("http://0x7f000001/", "hides an address"),
        ("http://0x7f.1/", "hides an address"),
        ("http://127.1/", "hides an address"),
        ("http://127.0.0.1./", "hides an address"),
        ("http://0/", "hides an address"),
        ("http://1.2.3.4.5/", "hides an address"),
        ("http://256.256.256.256/", "hides an address"),
        ("http://127.0.0.01/", "hides an address"),
        ("http:///x", "no http or https"),
        ("http:registry.example", "no http or https"),
        ("//registry.example/", "no http or https"),
        ("", "no http or https"),
        ("file:///etc/passwd", "no http or https"),
        ("javascript:alert(1)", "no http or https"),
        ("ws://registry.example/", "no http or https"),
        ("http://registry.example/" + "x" * MAX_URL, "characters"),
    ],
)  # fmt: skip
def test_what_may_not(url: str, words: str) -> None:
    with pytest.raises(ForbiddenAddress, match=words) as caught:
        origin_of(url, "https://first.example/")
    assert "secret" not in str(caught.value)
    assert "https://first.example/ leads there" in str(caught.value)
    assert len(str(caught.value)) < 1000


RFC_3986_APPENDIX_B = re.compile(r"^(([^:/?#]+):)?(//([^/?#]*))?([^?#]*)(\?([^#]*))?(#(.*))?")


@given(st.text(st.sampled_from("abz019.:/?#@[]%\\-_ \t\n\u00e9xX"), max_size=40))
def test_the_host_is_the_one_that_everybody_reads(rest: str) -> None:
    """Whatever is accepted has one host: the specification's, in the characters of names and addresses."""
    url = f"http://{rest}"
    try:
        _, host, port = origin_of(url)
    except ForbiddenAddress:
        return
    found = RFC_3986_APPENDIX_B.match(url)
    assert found is not None
    authority = found[4].lower()
    shown = f"[{host}]" if ":" in host else host
    assert authority in (shown, f"{shown}:", f"{shown}:{port}") or re.fullmatch(
        re.escape(shown) + rf":0*{port}", authority
    )
    assert re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:.]+", host)
    if literal(host) is None:
        with pytest.raises(OSError, match="illegal"):
            socket.inet_aton(host.rstrip("."))


class Elsewhere(Connector):
    """Knows one public registry, which is on loopback in truth; fails the test that looks up or connects to others."""

    def resolve(self, host: str, port: int) -> list[IPAddress]:
        if host != "registry.example":
            pytest.fail(f"{host} was looked up")
        return [ip_address("8.8.8.8")]

    def connect(self, address: IPAddress, port: int, timeout_s: float) -> socket.socket:
        if str(address) not in ("8.8.8.8", "127.0.0.1"):
            pytest.fail(f"{address} was connected to")
        return super().connect(ip_address("127.0.0.1"), port, timeout_s)


@pytest.mark.parametrize(
    "target",
    [
        "http://2130706433:{port}/",
        "http://0x7f.1:{port}/",
        "http://127.0.0.1.:{port}/",
        "http://[::1%25lo]:{port}/",
        "http://127.0.0.1:0/",
        "http://user@127.0.0.1:{port}/",
        "http://127.0.0.1:{port}\\@evil.example/",
        "//evil.example\\@127.0.0.1:{port}/",
        "http://[::ffff:169.254.169.254]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[2002:a9fe:a9fe::]/",
        "http://[::ffff:10.0.0.1]/",
        "http://[fec0::1]/",
        "http://0.0.0.0:{port}/",
        "http://[::]:{port}/",
    ],
)
@pytest.mark.parametrize("by_proxy", [False, True], ids=["direct", "by proxy"])
def test_a_redirect_to_an_address_in_disguise_is_not_followed(
    server: Registry, make_client: MakeClient, target: str, by_proxy: bool
) -> None:
    """A proxy would resolve such a host by itself, on its own network."""
    trap = Answer(302, [("Location", target.format(port=server.port))])
    url = f"http://registry.example:{server.port}/x"
    server.misbehave |= {"/x": trap, url: trap}  # a plain proxy is asked with the whole URL
    client = make_client(connector=Elsewhere(), environment={"http_proxy": server.host} if by_proxy else {})
    with pytest.raises(ForbiddenAddress):
        client.get(url, limit=10, reach=Reach.OWN)
    assert [path for _, path in server.requests] == [url if by_proxy else "/x"]


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/y", "http://registry.example/y"),
        ("y", "http://registry.example/v2/y"),
        ("../y", "http://registry.example/y"),
        ("../../../../y", "http://registry.example/y"),
        ("?z", "http://registry.example/v2/x?z"),
        ("//other.example/y", "http://other.example/y"),
        ("", "http://registry.example/v2/x"),
    ],
)
def test_a_relative_redirect(location: str, target: str) -> None:
    """RFC 3986 § 5.4."""
    assert joined("http://registry.example/v2/x", location) == target


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("https://cdn.example/blob?X-Amz-Signature=secret", "https://cdn.example/blob?…"),
        ("https://cdn.example?secret", "https://cdn.example?…"),
        ("https://me:secret@cdn.example/x", "https://…@cdn.example/x"),
        ("https://me:sec@ret@cdn.example/x@y", "https://…@cdn.example/x@y"),
        ("//secret@cdn.example", "//…@cdn.example"),
        ("/v2/x?secret", "/v2/x?…"),
        ("https://registry.example/v2/", "https://registry.example/v2/"),
        ("http://a/" + "x" * 1000, "http://a/" + "x" * 191 + "…"),
        ("", ""),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, text: str) -> None:
    assert shown(url) == text


def test_a_redirect_that_is_no_url() -> None:
    with pytest.raises(ForbiddenAddress, match="no URL"):
        joined("http://registry.example/", "http://[::1")
