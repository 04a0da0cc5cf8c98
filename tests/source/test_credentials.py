import pytest

from affineur.source.credentials import Found, KnownLogins, Login

KNOWN = KnownLogins(
    {
        "registry.example": Found(Login("host", "1"), "the test"),
        "registry.example/team/app": Found(Login("app", "2"), "the test"),
    }
)


@pytest.mark.parametrize(
    ("registry", "repository", "name"),
    [
        ("registry.example", "team/app", "app"),
        ("registry.example", "team/app/sub", "app"),
        ("registry.example", "team", "host"),
        ("registry.example", "", "host"),
        ("other.example", "team/app", None),
    ],
)
def test_the_most_specific_login_is_taken(registry: str, repository: str, name: str | None) -> None:
    found = KNOWN.find(registry, repository)
    assert (found.login.username if found else None) == name


def test_a_login_does_not_show_itself() -> None:
    for login in (Login("name", "secret"), Login("", "", "secret")):
        assert "secret" not in repr(login)
        assert "secret" not in f"{login} {Found(login, 'x')}"


def test_basic() -> None:
    """The example of RFC 7617 § 2."""
    assert Login("Aladdin", "open sesame").basic() == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
