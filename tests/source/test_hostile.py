"""A registry that wants harm: each trick it may try, and the error that it gets."""

import itertools
import json
import time
from collections.abc import Callable, Mapping

import pytest

from affineur.errors import (
    ContentError,
    Denied,
    DigestMismatch,
    Error,
    ForbiddenAddress,
    LimitExceeded,
    MalformedDocument,
    SizeMismatch,
    SourceError,
    Unreachable,
    UnsupportedContent,
)
from affineur.image.image import open_image
from affineur.oci.descriptor import Descriptor
from affineur.oci.digest import Digest
from affineur.source.auth import check_realm
from affineur.source.registry import RegistrySource
from support.registry import Answer, Registry, tar_of

OpenSource = Callable[..., RegistrySource]
MANIFEST = "/v2/team/app/manifests/1"
TAGS = "/v2/team/app/tags/list"
OCI = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture
def digest(registry: Registry) -> str:
    return registry.push("team/app", "1", [tar_of({"a": b"b" * 1000})])


def altered(registry: Registry, change: Callable[[dict[str, object]], object]) -> None:
    """Serve the manifest of the tag after a change, under its own true digest."""
    content, media_type = registry.manifest("team/app", "1") or (b"", "")
    manifest = json.loads(content)
    change(manifest)
    registry.add_manifest("team/app", "1", manifest, media_type)


def test_other_bytes_than_the_digest_asked_for(registry: Registry, source: OpenSource, digest: str) -> None:
    content, media_type = registry.manifest("team/app", digest) or (b"", "")
    registry.misbehave[f"/v2/team/app/manifests/{digest}"] = Answer(
        headers=[("Content-Type", media_type), ("Docker-Content-Digest", digest)], body=content + b" "
    )
    with pytest.raises(DigestMismatch):
        source(f"team/app@{digest}").manifest()


def test_the_registrys_own_word_for_a_tags_digest_counts_for_nothing(
    registry: Registry, source: OpenSource, digest: str
) -> None:
    registry.headers = [("Docker-Content-Digest", "sha256:" + "0" * 64)]
    assert source().manifest().digest == digest


@pytest.mark.parametrize("change", [-1, 1], ids=["too few", "too many"])
def test_a_config_of_another_size(registry: Registry, source: OpenSource, digest: str, change: int) -> None:
    def shift(manifest: dict[str, object]) -> None:
        manifest["config"]["size"] += change  # type: ignore[index]

    altered(registry, shift)
    with pytest.raises(SizeMismatch):
        open_image(source())


def test_a_config_of_another_digest(registry: Registry, source: OpenSource, digest: str) -> None:
    config = json.loads((registry.manifest("team/app", digest) or (b"", ""))[0])["config"]
    registry.misbehave[f"/v2/team/app/blobs/{config['digest']}"] = Answer(
        body=b"{" + b" " * (config["size"] - 2) + b"}"
    )
    with pytest.raises(DigestMismatch):
        open_image(source())


def test_a_config_that_is_said_to_be_huge(registry: Registry, source: OpenSource, digest: str) -> None:
    altered(registry, lambda manifest: manifest["config"].update(size=2**62))  # type: ignore[attr-defined]
    with pytest.raises(MalformedDocument):
        open_image(source())
    assert len(registry.requests) == 1


def test_an_endless_manifest(registry: Registry, source: OpenSource) -> None:
    registry.misbehave[MANIFEST] = Answer(headers=[("Content-Type", OCI)], body=itertools.repeat(b" " * 65536))
    with pytest.raises(LimitExceeded):
        source().manifest()


def test_an_endless_blob(registry: Registry, source: OpenSource, digest: str) -> None:
    opened = source()
    layer = open_image(opened).layers[0]
    registry.misbehave[f"/v2/team/app/blobs/{layer.digest}"] = Answer(body=itertools.repeat(b"x" * 65536))
    with pytest.raises(SizeMismatch):
        list(opened.blob(layer))


def test_a_blob_by_a_digest_that_nobody_can_check(source: OpenSource, registry: Registry) -> None:
    with pytest.raises(UnsupportedContent):
        list(source().blob(Descriptor("a/b", Digest("md5:" + "0" * 32), 1)))
    assert registry.requests == []


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"schemaVersion": 2, "layers": [], "layers": []}', MalformedDocument),
        (b'{"a":' * 100_000, LimitExceeded),
        (b"<html>not found</html>", MalformedDocument),
        (b"", MalformedDocument),
        (b"\xff\xfe{}", MalformedDocument),
        (b"{}", UnsupportedContent),
        (b"[]", MalformedDocument),
    ],
    ids=["a key twice", "deep", "HTML", "nothing", "no UTF-8", "an empty object", "a list"],
)
def test_a_manifest_that_is_none(registry: Registry, source: OpenSource, body: bytes, error: type[Error]) -> None:
    registry.misbehave[MANIFEST] = Answer(headers=[("Content-Type", "text/html")], body=body)
    with pytest.raises(error):
        open_image(source())


def test_a_content_type_that_lies(registry: Registry, source: OpenSource, digest: str) -> None:
    content, _ = registry.manifest("team/app", digest) or (b"", "")
    kind = "application/vnd.oci.image.index.v1+json"
    registry.misbehave[MANIFEST] = Answer(headers=[("Content-Type", kind)], body=content)
    with pytest.raises(MalformedDocument, match="served as"):
        open_image(source())


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data/iam/",
        "http://[fd00:ec2::254]/",
        "file:///etc/passwd",
        "http://10.0.0.1/",
        "http://internal.example/",
    ],
)
def test_a_blob_that_redirects_to_where_nobody_may_go(
    registry: Registry, source: OpenSource, digest: str, target: str
) -> None:
    opened = source()
    layer = open_image(opened).layers[0]
    registry.misbehave[f"/v2/team/app/blobs/{layer.digest}"] = Answer(307, [("Location", target)])
    with pytest.raises(ForbiddenAddress):
        list(opened.blob(layer))


def test_a_blob_that_redirects_for_ever(registry: Registry, source: OpenSource, digest: str) -> None:
    opened = source()
    layer = open_image(opened).layers[0]
    path = f"/v2/team/app/blobs/{layer.digest}"
    registry.misbehave[path] = Answer(307, [("Location", path)])
    with pytest.raises(SourceError, match="circle"):
        list(opened.blob(layer))


@pytest.mark.parametrize("link", ["http://169.254.169.254/v2/", "https://127.0.0.1/v2/", "http://[::1", "file:///x"])
def test_a_next_page_elsewhere(registry: Registry, source: OpenSource, link: str) -> None:
    registry.misbehave[TAGS] = Answer(headers=[("Link", f'<{link}>; rel="next"')], body=b'{"tags": ["a"]}')
    with pytest.raises(MalformedDocument, match="next page"):
        list(source().tags())
    assert len(registry.requests) == 1


def test_a_next_page_that_is_the_same(registry: Registry, source: OpenSource) -> None:
    registry.misbehave[TAGS] = Answer(headers=[("Link", f'<{TAGS}>; rel="next"')], body=b'{"tags": ["a"]}')
    with pytest.raises(MalformedDocument, match="itself"):
        list(source().tags())


def test_a_link_made_to_take_long(registry: Registry, source: OpenSource) -> None:
    registry.misbehave[TAGS] = Answer(
        headers=[("Link", "<" * 60_000), ("Warning", "299 " * 15_000)], body=b'{"tags": []}'
    )
    started = time.process_time()
    assert list(source().tags()) == []
    assert time.process_time() - started < 2


def test_pages_without_end(registry: Registry, source: OpenSource, monkeypatch: pytest.MonkeyPatch) -> None:
    from affineur.source import registry as module

    monkeypatch.setattr(module, "MAX_TAG_PAGES", 20)
    count = itertools.count()

    def page(headers: Mapping[str, str]) -> Answer:
        return Answer(headers=[("Link", f'<{TAGS}?last={next(count)}>; rel="next"')], body=b'{"tags": ["a"]}')

    registry.misbehave[TAGS] = page
    with pytest.raises(LimitExceeded, match="20 pages"):
        list(source().tags())


def test_headers_of_a_megabyte(registry: Registry, source: OpenSource, digest: str) -> None:
    registry.headers = [("X-Large", "x" * 1_000_000)]
    with pytest.raises(Unreachable):
        source().manifest()


def test_a_thousand_warnings(registry: Registry, source: OpenSource, digest: str) -> None:
    registry.warnings = [f"warning {number} " + "x" * 1000 for number in range(50)]
    opened = source()
    opened.manifest()
    assert len(opened.warnings) <= 20
    assert max(map(len, opened.warnings)) <= 500


def test_tags_of_the_wrong_kind(registry: Registry, source: OpenSource) -> None:
    registry.misbehave[TAGS] = Answer(body=b'{"tags": [1, 2]}')
    with pytest.raises(MalformedDocument):
        list(source().tags())


class TestRealm:
    @pytest.mark.parametrize(
        "realm",
        [
            "http://169.254.169.254/token",
            "http://10.0.0.1/token",
            "https://evil.example/token",
            "file:///etc/passwd",
            "http://[::1",
        ],
    )
    def test_of_a_registry_without_tls_is_held_to_its_own_host(
        self, registry: Registry, source: OpenSource, digest: str, realm: str
    ) -> None:
        registry.bearer, registry.login, registry.realm = True, ("user", "secret"), realm
        with pytest.raises(ForbiddenAddress):
            source(login=("user", "secret")).manifest()

    @pytest.mark.parametrize(
        ("registry_url", "realm"),
        [
            ("https://registry.example", "https://auth.example/token"),
            ("https://registry.example", "https://registry.example:5001/token"),
            ("https://10.0.0.5:5000", "https://10.0.0.5:5000/token"),
            ("https://registry.example", "https://8.8.8.8/token"),
            ("http://registry.example", "http://registry.example/token"),
            ("http://registry.example", "https://registry.example/token"),
            ("http://127.0.0.1:5000", "http://localhost:5001/token"),
        ],
    )
    def test_that_may_be_asked(self, registry_url: str, realm: str) -> None:
        check_realm(realm, registry_url)

    @pytest.mark.parametrize(
        ("registry_url", "realm"),
        [
            ("https://registry.example", "http://registry.example/token"),
            ("https://registry.example", "https://127.0.0.1/token"),
            ("https://registry.example", "https://10.0.0.1/token"),
            ("https://registry.example", "https://[::1]/token"),
            ("https://registry.example", "https://169.254.169.254/token"),
            ("https://10.0.0.5:5000", "https://10.0.0.6:5000/token"),
            ("https://10.0.0.5:5000", "https://10.0.0.5:5001/token"),
            ("http://registry.example", "http://auth.example/token"),
            ("http://registry.example", "http://localhost/token"),
            ("http://10.0.0.5", "http://127.0.0.1/token"),
            ("https://registry.example", "https://user@auth.example/token"),
            ("https://registry.example", "/token"),
            ("https://registry.example", ""),
        ],
    )
    def test_that_may_not(self, registry_url: str, realm: str) -> None:
        with pytest.raises(ForbiddenAddress):
            check_realm(realm, registry_url)

    def test_by_name_into_the_machines_own_network(self) -> None:
        """A name passes the rule for literals; where it leads is judged when it is resolved."""
        import socket

        from affineur.http.addresses import IPAddress, literal
        from affineur.http.client import Client
        from affineur.http.connector import Connector
        from affineur.source.auth import Challenge
        from affineur.source.tokens import Tokens

        class Inside(Connector):
            def resolve(self, host: str, port: int) -> list[IPAddress]:
                found = literal("127.0.0.1")
                assert found is not None
                return [found]

            def connect(self, address: IPAddress, port: int, timeout_s: float) -> socket.socket:
                pytest.fail("a connection was tried")

        bearer = Challenge("bearer", {"realm": "https://auth.example/token"})
        with (
            Client(connector=Inside(), environment={}) as client,
            pytest.raises(ForbiddenAddress, match="this machine"),
        ):
            Tokens(client).get(bearer, "https://registry.example", "x", None)

    @pytest.mark.parametrize(
        ("body", "error"),
        [
            (b"{}", Denied),
            (b'{"token": ""}', Denied),
            (b'{"token": "a\\r\\nX-Evil: 1"}', Denied),
            (b'{"token": "\\u2603"}', Denied),
            (b"no json", ContentError),
            (b'{"token": 1}', ContentError),
            (b" " * 1_000_000, LimitExceeded),
        ],
    )
    def test_whose_answer_is_no_token(
        self, registry: Registry, source: OpenSource, digest: str, body: bytes, error: type[Error]
    ) -> None:
        registry.bearer = True
        registry.misbehave["/token"] = Answer(body=body)
        with pytest.raises(error):
            source().manifest()

    def test_that_redirects_does_not_get_the_login_elsewhere(
        self, registry: Registry, source: OpenSource, digest: str
    ) -> None:
        registry.bearer, registry.login = True, ("user", "secret")
        with Registry() as other:
            other.misbehave["/token"] = Answer(body=b'{"token": "x"}')
            registry.misbehave["/token"] = Answer(307, [("Location", f"{other.url}/token")])
            with pytest.raises(Denied):
                source(login=("user", "secret")).manifest()
            assert "Authorization" not in other.seen_headers[0]
