"""What the file says of registries holds for them, and for nobody else."""

from pathlib import Path

from affineur.http.pacing import Limit
from affineur.http.tls import HostTls
from affineur.move.sync.file import Registry
from affineur.move.sync.registries import FileLogins, FileTls, limits_of
from affineur.source.credentials import Found, KnownLogins, Login


def otherwise(host: str, port: int, registry: bool) -> HostTls:
    return HostTls(True, (Path("/system"),))


def test_tls_is_that_of_the_registry_named(tmp_path: Path) -> None:
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs" / "ca.crt").write_bytes(b"")
    rule = FileTls(
        otherwise,
        {
            "a.example": Registry(tls_verify=False),
            "b.example:5000": Registry(cert_dir="certs"),
            "docker.io": Registry(cert_dir="certs", tls_verify=False),
        },
        tmp_path,
    )
    usual = HostTls(True, (Path("/system"),))
    own = HostTls(True, (tmp_path / "certs" / "ca.crt",))
    assert rule("a.example", 443, True) == HostTls(False, (Path("/system"),))
    assert rule("a.example", 80, True).verify is False
    assert rule("a.example", 5000, True) == usual
    assert rule("a.example", 443, False) == usual  # a token service of that name is no registry
    assert rule("b.example", 5000, True) == own
    assert rule("b.example", 443, True) == usual
    assert rule("registry-1.docker.io", 443, True) == HostTls(False, own.authorities)
    assert rule("c.example", 443, True) == usual


def test_logins_of_the_file_go_first() -> None:
    known = KnownLogins(
        {"a.example": Found(Login("other", "x"), "auth.json"), "b.example": Found(Login("b", "y"), "there")}
    )
    logins = FileLogins(
        known, {"a.example": Registry(login=Login("john", "secret")), "c.example": Registry()}, "s.yaml"
    )
    found = logins.find("a.example", "team/app")
    assert found is not None
    assert (found.login.username, found.where) == ("john", "s.yaml, credentials of a.example")
    assert logins.find("b.example", "x") == known.find("b.example", "x")
    assert logins.find("c.example", "x") is None


def test_limits_are_by_the_host_that_is_asked() -> None:
    found = limits_of(
        {"docker.io": Registry(requests=5), "A.example:5000": Registry(requests_per_minute=7), "b.example": Registry()}
    )
    assert found == {"registry-1.docker.io": Limit(requests=5), "a.example:5000": Limit(per_minute=7)}
