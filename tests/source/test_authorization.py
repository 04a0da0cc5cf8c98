"""Challenges answered, tokens kept and renewed: distribution, docs/spec/auth/{token,oauth}.md; RFC 6749; RFC 7617."""

import time
from collections.abc import Iterator

import pytest

from affineur.errors import Denied, InvalidSettings, MalformedDocument, SourceError
from affineur.http.addresses import Reach
from affineur.http.client import Client
from affineur.image.image import open_image
from affineur.oci.reference import parse_reference
from affineur.source.auth import Challenge
from affineur.source.authorization import Authorization
from affineur.source.credentials import Found, KnownLogins, Login
from affineur.source.registry import RegistrySource
from affineur.source.tokens import Tokens
from support.registry import Answer, Registry, tar_of
from support.token_service import TokenService

PASSWORD = Login("user", "s3cret:with:colons")
IDENTITY = Login("<token>", "", "refresh-me")
MANIFEST, TAGS = "/v2/team/app/manifests/1", "/v2/team/app/tags/list"


@pytest.fixture
def service() -> Iterator[TokenService]:
    with TokenService() as served:
        yield served


@pytest.fixture
def guarded(registry: Registry, service: TokenService) -> Registry:
    registry.push("team/app", "1", [tar_of({"a": b"b"})])
    service.guard(registry, MANIFEST, TAGS)
    return registry


@pytest.fixture
def reached(registry: Registry, client: Client) -> Registry:
    """Asked once: only then is it known that it may name services on this machine."""
    client.get(f"{registry.url}/v2/", limit=100, reach=Reach.OWN)
    return registry


def opened(registry: Registry, client: Client, login: Login | None = None) -> RegistrySource:
    logins = KnownLogins({registry.host: Found(login, "/a/file, key k")} if login else {})
    return RegistrySource(parse_reference(f"{registry.host}/team/app:1"), client, logins)


def test_the_first_request_brings_nothing(guarded: Registry, client: Client, service: TokenService) -> None:
    service.logins = {PASSWORD.username: PASSWORD.password}
    opened(guarded, client, PASSWORD).manifest()
    assert "Authorization" not in guarded.seen_headers[0]
    assert [asked.method for asked in service.asked] == ["GET"]
    assert service.asked[0].authorization == PASSWORD.basic()
    assert service.asked[0].fields == {"service": ["tests"], "scope": ["repository:team/app:pull"]}


def test_no_login_is_looked_for_before_one_is_wanted(registry: Registry, client: Client) -> None:
    class Refuses:
        def find(self, registry: str, repository: str) -> Found | None:
            raise InvalidSettings("looked")

    registry.push("team/app", "1", [])
    source = RegistrySource(parse_reference(f"{registry.host}/team/app:1"), client, Refuses())
    source.manifest()
    registry.bearer = True
    with pytest.raises(InvalidSettings, match="looked"):
        source.manifest()


class TestLifetime:
    def test_a_token_is_used_until_it_runs_out(self, guarded: Registry, client: Client, service: TokenService) -> None:
        service.expires_in = 1
        source = opened(guarded, client)
        source.manifest()
        source.manifest()
        assert len(service.asked) == 1
        time.sleep(1.1)
        source.manifest()
        assert len(service.asked) == 2
        refused = len([path for _, path in guarded.requests]) - 3
        assert refused == 1  # the very first: a token that has run out is renewed, not tried

    def test_one_that_is_refused_on_the_way_is_replaced_once(
        self, guarded: Registry, client: Client, service: TokenService
    ) -> None:
        source = opened(guarded, client)
        source.manifest()
        service.revoke()
        source.manifest()
        assert len(service.asked) == 2
        service.refuse = Answer(200, body=b'{"token": "never-good"}')
        service.revoke()
        with pytest.raises(Denied, match="asked without a login"):
            source.manifest()
        assert len(service.asked) == 3

    @pytest.mark.parametrize(
        ("extra", "seconds"),
        [
            ({"expires_in": None}, 60 - 10),  # token.md: "When omitted, this defaults to 60 seconds"
            ({"expires_in": 0}, 60 - 10),
            ({"expires_in": -1e300}, 60 - 10),
            ({"expires_in": 300}, 300 - 10),
            ({"expires_in": 4}, 4 - 1),
            ({"expires_in": 1e300}, 24 * 3600 - 10),
            ({"expires_in": 300, "issued_at": "2001-01-01T00:00:00Z"}, -(10**8)),
            ({"expires_in": 300, "issued_at": "2999-01-01T00:00:00Z"}, 300 - 10),
            ({"expires_in": 300, "issued_at": "yesterday"}, 300 - 10),
            ({"expires_in": 300, "issued_at": 5}, 300 - 10),
        ],
    )
    def test_how_long(
        self, reached: Registry, client: Client, service: TokenService, extra: dict[str, object], seconds: float
    ) -> None:
        service.extra = extra
        bearer = Challenge("bearer", {"realm": service.url})
        token = Tokens(client).get(bearer, reached.url, "repository:team/app:pull", None)
        left = token.until - time.monotonic()
        assert left < 0 if seconds < 0 else seconds - 2 < left <= seconds

    def test_one_is_kept_for_each_registry_scope_and_user(
        self, reached: Registry, client: Client, service: TokenService
    ) -> None:
        tokens = Tokens(client)
        bearer = Challenge("bearer", {"realm": service.url, "service": "s"})
        found = Found(PASSWORD, "x")
        with Registry() as other:
            client.get(f"{other.url}/v2/", limit=100, reach=Reach.OWN)
            asked = [
                (reached.url, "repository:a:pull", None),
                (reached.url, "repository:b:pull", None),
                (reached.url, "repository:a:pull", found),
                (other.url, "repository:a:pull", None),
            ]
            values = {tokens.get(bearer, base, scope, login).value for base, scope, login in asked * 2}
            assert len(values) == len(service.asked) == 4

    def test_not_more_are_kept_than_a_hundred(self, reached: Registry, client: Client, service: TokenService) -> None:
        """A registry may ask for another scope each time."""
        tokens = Tokens(client)
        bearer = Challenge("bearer", {"realm": service.url})
        for number in range(110):
            tokens.get(bearer, reached.url, f"repository:{number}:pull", None)
        for number, asked in ((109, 110), (10, 110), (0, 111)):
            tokens.get(bearer, reached.url, f"repository:{number}:pull", None)
            assert len(service.asked) == asked


class TestChallenges:
    def test_bearer_goes_before_basic(self, reached: Registry, client: Client, service: TokenService) -> None:
        service.logins = {PASSWORD.username: PASSWORD.password}
        scope = "repository:h:5/x:pull repository:y:pull"
        line = f'Basic realm="x", Bearer realm="{service.url}",service="a, b",scope="{scope}"'
        authorization = Authorization(client, reached.url, "h", "x", KnownLogins({"h": Found(PASSWORD, "x")}))
        authorization.answer([line], reached.url, "x", authorization.headers())
        assert authorization.headers() == {"Authorization": "Bearer token-1"}
        assert service.asked[0].fields == {
            "service": ["a, b"],
            "scope": ["repository:h:5/x:pull", "repository:y:pull"],  # token.md: once for each
        }

    def test_without_a_scope_it_is_the_repositorys_own(
        self, reached: Registry, client: Client, service: TokenService
    ) -> None:
        for repository, scope in (("team/app", ["repository:team/app:pull,push"]), ("", None)):
            authorization = Authorization(client, reached.url, "h", repository, KnownLogins({}), "pull,push")
            authorization.answer([f'Bearer realm="{service.url}"'], reached.url, "x", {})
            assert service.asked[-1].fields.get("scope") == scope

    @pytest.mark.parametrize(
        ("lines", "login", "message"),
        [
            (['Basic realm="x"'], None, "there is no login for h; `affineur login h` keeps one"),
            (['Basic realm="x"'], IDENTITY, "the login from /a/file is not accepted"),
            (["Negotiate, NTLM"], PASSWORD, r"offered: negotiate, ntlm"),
            ([], PASSWORD, r"offered: none"),
        ],
    )
    def test_without_an_answer(self, client: Client, lines: list[str], login: Login | None, message: str) -> None:
        logins = KnownLogins({"h": Found(login, "/a/file")} if login else {})
        authorization = Authorization(client, "https://h", "h", "x", logins)
        with pytest.raises(Denied, match=message):
            authorization.answer(lines, "https://h/x", "what", {})

    def test_basic_is_tried_once(self, client: Client) -> None:
        authorization = Authorization(client, "https://h", "h", "x", KnownLogins({"h": Found(PASSWORD, "/a/file")}))
        authorization.answer(['Basic realm="x"'], "https://h:443/x", "what", {})
        sent = authorization.headers()
        assert sent == {"Authorization": PASSWORD.basic()}
        with pytest.raises(Denied, match=r"/a/file.*not accepted; `affineur login h` keeps another") as caught:
            authorization.answer(['Basic realm="x"'], "https://h:443/x", "what", sent)
        assert PASSWORD.password not in str(caught.value)


class TestAskedByAnother:
    """To which the registry redirects: it may not ask in the registry's name."""

    @pytest.mark.parametrize("by", ["https://other/x", "https://h:444/x", "http://h/x"])
    def test_is_no_challenge_of_ours(self, client: Client, by: str) -> None:
        authorization = Authorization(client, "https://h", "h", "x", KnownLogins({"h": Found(PASSWORD, "/a/file")}))
        with pytest.raises(Denied, match="to which the registry redirects, wants a login; it gets none"):
            authorization.answer(['Basic realm="x"'], by, "what", {})
        assert authorization.headers() == {}

    @pytest.mark.parametrize("what", ["manifest", "blob"])
    def test_no_token_is_fetched_for_it(
        self, guarded: Registry, client: Client, service: TokenService, what: str
    ) -> None:
        service.logins = {PASSWORD.username: PASSWORD.password}
        source = opened(guarded, client, PASSWORD)
        layer = open_image(source).layers[0]
        fetched = len(service.asked)
        with Registry() as other:
            service.guard(other, "/there")
            moved = Answer(307, [("Location", f"{other.url}/there")])
            guarded.misbehave[f"/v2/team/app/blobs/{layer.digest}"] = guarded.misbehave[MANIFEST] = moved
            with pytest.raises(Denied, match=f"{other.host}, to which the registry redirects"):
                list(source.blob(layer)) if what == "blob" else source.manifest()
            assert all("Authorization" not in headers for headers in other.seen_headers)
        assert len(service.asked) == fetched


class TestOAuth2:
    def test_an_identity_token_is_posted(self, guarded: Registry, client: Client, service: TokenService) -> None:
        service.identity_tokens = {"refresh-me"}
        opened(guarded, client, IDENTITY).manifest()
        assert [asked.method for asked in service.asked] == ["POST"]
        assert service.asked[0].authorization == ""
        assert service.asked[0].fields == {
            "grant_type": ["refresh_token"],
            "refresh_token": ["refresh-me"],
            "service": ["tests"],
            "client_id": ["affineur"],
            "scope": ["repository:team/app:pull"],
        }
        assert all("refresh-me" not in str(headers) for headers in guarded.seen_headers)

    def test_several_scopes_are_one_field(self, reached: Registry, client: Client, service: TokenService) -> None:
        service.identity_tokens = {"refresh-me"}
        authorization = Authorization(client, reached.url, "h", "x", KnownLogins({"h": Found(IDENTITY, "x")}))
        authorization.answer(
            [f'Bearer realm="{service.url}",scope="repository:a:pull repository:b:pull"'], reached.url, "x", {}
        )
        assert service.asked[0].fields["scope"] == ["repository:a:pull repository:b:pull"]

    def test_a_password_is_posted_to_a_service_that_wants_it_so(
        self, guarded: Registry, client: Client, service: TokenService
    ) -> None:
        service.logins, service.methods = {PASSWORD.username: PASSWORD.password}, ("POST",)
        opened(guarded, client, PASSWORD).manifest()
        assert [asked.method for asked in service.asked] == ["GET", "POST"]
        assert service.asked[1].fields["grant_type"] == ["password"]
        assert service.asked[1].fields["password"] == [PASSWORD.password]

    def test_a_service_without_it_gets_the_password_if_there_is_one(
        self, guarded: Registry, client: Client, service: TokenService
    ) -> None:
        service.logins, service.methods = {PASSWORD.username: PASSWORD.password}, ("GET",)
        both = Login(PASSWORD.username, PASSWORD.password, "refresh-me")
        opened(guarded, client, both).manifest()
        assert [asked.method for asked in service.asked] == ["POST", "GET"]
        with pytest.raises(Denied, match=r"refuses the identity token from /a/file, key k \(HTTP 405\)"):
            opened(guarded, client, IDENTITY).manifest()

    def test_a_refresh_token_is_used_for_what_is_asked_next(
        self, guarded: Registry, client: Client, service: TokenService
    ) -> None:
        service.logins, service.expires_in = {PASSWORD.username: PASSWORD.password}, 0.01
        service.identity_tokens, service.extra = {"given"}, {"refresh_token": "given"}
        source = opened(guarded, client, PASSWORD)
        authorization = source.access.authorization
        authorization.answer([f'Bearer realm="{service.url}",service="tests"'], guarded.url, "x", {})
        time.sleep(0.05)
        authorization.headers()
        assert [asked.method for asked in service.asked] == ["GET", "POST"]
        assert service.asked[1].fields["refresh_token"] == ["given"]
        service.identity_tokens = set()  # taken back: then the password again
        time.sleep(0.05)
        authorization.headers()
        assert [asked.method for asked in service.asked[2:]] == ["POST", "GET"]

    def test_a_form_is_not_sent_on(self, guarded: Registry, client: Client, service: TokenService) -> None:
        """A redirect would take the secret along: RFC 9110 § 15.4.8 keeps method and body."""
        with Registry() as other:
            service.refuse = Answer(307, [("Location", f"{other.url}/token")])
            with pytest.raises(SourceError, match="not followed"):
                opened(guarded, client, IDENTITY).manifest()
            assert other.requests == []


class TestWhatTheServiceSays:
    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (b'{"errors":[{"code":"DENIED","message":"no such user"}]}', ": DENIED no such user"),
            (b'{"error":"invalid_grant","error_description":"expired"}', ": invalid_grant; expired"),  # RFC 6749 § 5.2
            (b'{"details":"incorrect username or password"}', ": incorrect username or password"),
            (b"go\naway\x1b[2J", r": go away \[2J"),
            (b"<html>no</html>", r"\(HTTP 401\); `"),
            (b"", r"\(HTTP 401\); `"),
            (b"x" * 5000, r": x{300}; `"),
            (b'{"errors": 5}', r"\(HTTP 401\); `"),
        ],
    )
    @pytest.mark.parametrize("login", [None, PASSWORD, IDENTITY])
    def test_is_passed_on(
        self,
        guarded: Registry,
        client: Client,
        service: TokenService,
        body: bytes,
        words: str,
        login: Login | None,
    ) -> None:
        service.refuse = Answer(401, body=body)
        with pytest.raises(Denied, match=f"token service.*{words}") as caught:
            opened(guarded, client, login).manifest()
        message = str(caught.value)
        assert message.endswith(f"; `affineur login {guarded.host}` keeps {'another' if login else 'one'}")
        assert "s3cret" not in message
        assert "refresh-me" not in message
        assert ("/a/file, key k" in message) == (login is not None)

    def test_a_smaller_grant_is_no_error(self, guarded: Registry, client: Client, service: TokenService) -> None:
        service.extra = {"scope": ""}
        opened(guarded, client).manifest()

    @pytest.mark.parametrize("extra", [{"token": 5}, {"refresh_token": ["x"]}, {"expires_in": "soon"}])
    def test_what_is_no_answer(
        self, guarded: Registry, client: Client, service: TokenService, extra: dict[str, object]
    ) -> None:
        service.extra = extra
        with pytest.raises(MalformedDocument):
            opened(guarded, client).manifest()


def test_a_refusal_for_good_tells_with_which_login(client: Client) -> None:
    found = Found(PASSWORD, "/a/file")
    anonymous = Authorization(client, "https://h", "h", "x", KnownLogins({}))
    basic = Authorization(client, "https://h", "h", "x", KnownLogins({"h": found}))
    basic.answer(['Basic realm="x"'], "https://h/x", "what", {})
    said = {str(each.denied("what", status, "DENIED")) for each in (anonymous, basic) for status in (401, 403)}
    missing = "what: it does not exist or there is no access (HTTP {}): DENIED ({}; `affineur login h` keeps {})"
    assert said == {
        missing.format(401, "asked without a login", "one"),
        missing.format(403, "asked without a login", "one"),
        "what: the login from /a/file is not accepted: DENIED; `affineur login h` keeps another",
        missing.format(403, "asked with the login from /a/file", "another"),
    }
