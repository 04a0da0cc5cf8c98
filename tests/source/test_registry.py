import os
import threading
from collections.abc import Callable, Mapping

import pytest

from affineur.errors import Denied, NotFound, RateLimited, Unreachable
from affineur.http.addresses import AddressPolicy, Reach
from affineur.http.client import Client
from affineur.http.mirrors import MirrorMap
from affineur.image.image import open_image
from affineur.oci.digest import Digest
from affineur.oci.reference import parse_reference
from affineur.source.credentials import Found, KnownLogins, Login
from affineur.source.registry import RegistrySource
from support.registry import Answer, Registry, layer, tar_of

OpenSource = Callable[..., RegistrySource]
USER = ("user", "secret")


def test_opens_what_was_pushed(registry: Registry, source: OpenSource) -> None:
    digest = registry.push("team/app", "1", [tar_of({"etc/os-release": b"ID=debian\n"})])
    image = open_image(source())
    assert (image.digest, len(image.layers)) == (digest, 1)


def test_asks_once_for_each_document(registry: Registry, source: OpenSource) -> None:
    registry.push("team/app", "1", [tar_of({"a": b"b"})])
    image = open_image(source())
    paths = [path for _, path in registry.requests]
    assert paths == ["/v2/team/app/manifests/1", f"/v2/team/app/blobs/{Digest.of(image.config_bytes)}"]


def test_every_type_of_manifest_is_asked_for(registry: Registry, source: OpenSource) -> None:
    registry.push("team/app", "1", [])
    source().manifest()
    accepted = registry.seen_headers[0]["Accept"]
    for kind in (
        "vnd.oci.image.index.v1",
        "vnd.oci.image.manifest.v1",
        "manifest.list.v2",
        "manifest.v2",
        "v1+prettyjws",
    ):
        assert kind in accepted


def test_pages_of_tags_are_followed(registry: Registry, source: OpenSource) -> None:
    for number in range(7):
        registry.push("team/app", f"t{number}", [])
    registry.page_size = 3
    assert list(source().tags()) == [f"t{number}" for number in range(7)]
    assert len(registry.requests) == 3


def test_a_page_comes_only_when_it_is_asked_for(registry: Registry, source: OpenSource) -> None:
    for number in range(7):
        registry.push("team/app", f"t{number}", [])
    registry.page_size = 3
    assert next(source().tags()) == "t0"
    assert len(registry.requests) == 1


def test_a_repository_without_tags_has_none(registry: Registry, source: OpenSource) -> None:
    registry.misbehave["/v2/team/app/tags/list"] = Answer(body=b'{"name": "team/app", "tags": null}')
    assert list(source().tags()) == []


def test_an_unknown_tag_is_named(registry: Registry, source: OpenSource) -> None:
    registry.push("team/app", "1", [])
    with pytest.raises(NotFound, match=r"team/app:2.*MANIFEST_UNKNOWN"):
        source("team/app:2").manifest()


def test_warnings_are_kept_once(registry: Registry, source: OpenSource) -> None:
    registry.push("team/app", "1", [])
    registry.warnings = ["this image will go", "this image will go", "so\x1bon"]
    opened = source()
    open_image(opened)
    assert opened.warnings == ("this image will go", "so on")


def test_a_rate_limits_budget_is_shown(registry: Registry, source: OpenSource) -> None:
    registry.push("team/app", "1", [])
    registry.headers = [("RateLimit-Limit", "100;w=21600"), ("RateLimit-Remaining", "76;w=21600")]
    opened = source()
    opened.manifest()
    assert opened.rate_limit == "76;w=21600 of 100;w=21600"


def test_too_many_requests(registry: Registry, source: OpenSource) -> None:
    registry.misbehave["/v2/team/app/manifests/1"] = Answer(429, [("Retry-After", "600")])
    with pytest.raises(RateLimited, match="600 s"):
        source().manifest()


def test_what_was_asked_is_named(registry: Registry, source: OpenSource) -> None:
    registry.push("team/app", "1", [])
    opened = source()
    opened.manifest()
    assert (opened.hosts, opened.access.reach()) == ((registry.host,), Reach.LOOPBACK)


@pytest.mark.parametrize("ranges", [True, False], ids=["with Range", "without Range"])
def test_a_transfer_that_breaks_is_taken_up_where_it_broke(
    registry: Registry, source: OpenSource, ranges: bool
) -> None:
    registry.push("team/app", "1", [layer(os.urandom(3_000_000), "none")])
    opened = source()
    promised = open_image(opened).layers[0]
    content = registry.blob("team/app", promised.digest) or b""
    asked: list[str] = []

    def breaking(headers: Mapping[str, str]) -> Answer:
        asked.append(headers.get("Range", ""))
        start = int(asked[-1].removeprefix("bytes=").rstrip("-") or 0) if ranges else 0
        status, told = (
            (206, [("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")]) if start else (200, [])
        )
        rest = content[start:]
        return Answer(status, told, rest[: 1_100_000 * len(asked)], length=len(rest))

    registry.misbehave[f"/v2/team/app/blobs/{promised.digest}"] = breaking
    assert b"".join(opened.blob(promised)) == content
    assert asked[0] == ""
    assert 1 < len(asked) <= 4


def test_a_transfer_that_always_breaks_comes_to_an_end(registry: Registry, source: OpenSource) -> None:
    registry.push("team/app", "1", [layer(os.urandom(3_000_000), "none")])
    opened = source()
    promised = open_image(opened).layers[0]
    registry.misbehave[f"/v2/team/app/blobs/{promised.digest}"] = Answer(body=bytes(600_000), length=3_000_000)
    with pytest.raises(Unreachable):
        list(opened.blob(promised))
    assert len(registry.requests) < 12


class TestMirror:
    """A registry that is asked in place of another."""

    @pytest.mark.parametrize("prefix", ["https://registry-1.docker.io", "https://docker.io"])
    def test_of_docker_hub(self, registry: Registry, prefix: str) -> None:
        digest = registry.push("library/debian", "12", [])
        with Client(
            addresses=AddressPolicy(["127.0.0.0/8"]), mirrors=MirrorMap([f"{prefix}={registry.url}"]), environment={}
        ) as client:
            mirrored = RegistrySource(parse_reference("debian:12"), client)
            assert (mirrored.manifest().digest, mirrored.hosts) == (digest, (registry.host,))

    def test_does_not_get_the_other_ones_login(self, registry: Registry) -> None:
        registry.push("team/app", "1", [])
        registry.login = USER
        mirrors = MirrorMap([f"https://registry.example={registry.url}"])
        logins = {"registry.example": Found(Login("other", "hunter2"), "the test")}
        with Client(addresses=AddressPolicy(["127.0.0.0/8"]), mirrors=mirrors, environment={}) as client:
            mirrored = RegistrySource(parse_reference("registry.example/team/app:1"), client, KnownLogins(logins))
            with pytest.raises(Denied):
                mirrored.manifest()
            assert all("Authorization" not in headers for headers in registry.seen_headers)
            own = KnownLogins({**logins, registry.host: Found(Login(*USER), "the test")})
            RegistrySource(parse_reference("registry.example/team/app:1"), client, own).manifest()


class TestLogin:
    @pytest.fixture(autouse=True)
    def pushed(self, registry: Registry) -> None:
        registry.push("team/app", "1", [tar_of({"a": b"b"})])

    @pytest.mark.parametrize("login", [None, USER])
    def test_a_token_is_fetched_once(
        self, registry: Registry, source: OpenSource, login: tuple[str, str] | None
    ) -> None:
        registry.bearer, registry.login = True, login
        image = open_image(source(login=login))
        list(source(login=login).blob(image.layers[0]))
        tokens = [path for _, path in registry.requests if path.startswith("/token")]
        assert tokens[0] == "/token?service=tests&scope=repository%3Ateam%2Fapp%3Apull"
        assert len(tokens) == 2  # one for each source

    def test_threads_that_are_refused_together_fetch_one_token(self, registry: Registry, source: OpenSource) -> None:
        registry.bearer, registry.latency_s = True, 0.05
        opened = source()
        other = threading.Thread(target=lambda: list(opened.tags()))
        other.start()
        opened.manifest()
        other.join()
        assert sum(path.startswith("/token") for _, path in registry.requests) == 1

    def test_basic(self, registry: Registry, source: OpenSource) -> None:
        registry.login = USER
        opened = source(login=USER)
        assert len(list(opened.blob(open_image(opened).layers[0]))) == 1

    @pytest.mark.parametrize("bearer", [False, True])
    def test_without_a_login_it_is_said(self, registry: Registry, source: OpenSource, bearer: bool) -> None:
        registry.login, registry.bearer = USER, bearer
        with pytest.raises(Denied):
            source().manifest()

    @pytest.mark.parametrize("bearer", [False, True])
    def test_a_wrong_login_is_said_and_never_shown(self, registry: Registry, source: OpenSource, bearer: bool) -> None:
        registry.login, registry.bearer = USER, bearer
        with pytest.raises(Denied) as caught:
            source(login=("user", "hunter2")).manifest()
        assert "hunter2" not in str(caught.value)

    def test_credentials_are_not_sent_before_they_are_asked_for(self, registry: Registry, source: OpenSource) -> None:
        source(login=USER).manifest()
        assert "Authorization" not in registry.seen_headers[0]

    def test_a_blob_elsewhere_does_not_get_the_token(
        self, registry: Registry, source: OpenSource, client: Client
    ) -> None:
        registry.bearer = True
        opened = source()
        layer = open_image(opened).layers[0]
        content = registry.blob("team/app", layer.digest)
        assert content is not None
        with Registry() as storage:
            storage.misbehave["/blob"] = Answer(body=content)
            registry.misbehave[f"/v2/team/app/blobs/{layer.digest}"] = Answer(
                307, [("Location", f"{storage.url}/blob")]
            )
            assert b"".join(opened.blob(layer)) == content
            assert "Authorization" not in storage.seen_headers[0]
            assert opened.hosts == (registry.host, storage.host)

    def test_a_refused_request_says_that_it_may_not_exist(self, registry: Registry, source: OpenSource) -> None:
        registry.misbehave["/v2/team/app/manifests/1"] = Answer(
            403, body=b'{"errors":[{"code":"DENIED","message":"no\\u001b"}]}'
        )
        with pytest.raises(Denied, match=r"does not exist or there is no access.*DENIED no  \(asked without a login"):
            source().manifest()
