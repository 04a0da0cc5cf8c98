import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.errors import ForbiddenAddress
from affineur.source.auth import Challenge, challenges, check_realm

BEARER = Challenge(
    "bearer",
    {"realm": "https://auth.example/token", "service": "registry.example", "scope": "repository:a/b:pull,push"},
)


@pytest.mark.parametrize(
    "line",
    [
        'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push"',
        'bearer  Realm="https://auth.example/token" , SERVICE="registry.example",scope="repository:a/b:pull,push"',
        'Bearer realm="https:\\/\\/auth.example/token",service=registry.example,scope="repository:a/b:pull,push"',
    ],
)
def test_one_challenge(line: str) -> None:
    assert challenges([line]) == [BEARER]


def test_several_in_one_line_and_in_several() -> None:
    """RFC 9110 § 11.6.1, with its own example."""
    line = 'Basic realm="simple", Newauth realm="apps", type=1, title="Login to \\"apps\\""'
    assert challenges([line, 'Bearer realm="x"']) == [
        Challenge("basic", {"realm": "simple"}),
        Challenge("newauth", {"realm": "apps", "type": "1", "title": 'Login to "apps"'}),
        Challenge("bearer", {"realm": "x"}),
    ]


TOKEN = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-._~+", min_size=1).filter(lambda text: text[0].isalpha())
VALUE = st.text(st.characters(min_codepoint=32, max_codepoint=126))


@given(
    st.lists(st.tuples(TOKEN, st.dictionaries(TOKEN.map(str.lower), VALUE, min_size=1)), min_size=1, max_size=4),
    st.data(),
)
def test_what_is_written_by_the_rules_is_read(offered: list[tuple[str, dict[str, str]]], data: st.DataObject) -> None:
    """RFC 9110 § 11.2: parameters are tokens or quoted strings, in which any character may be escaped."""

    def written(value: str) -> str:
        bare = value.isalnum() and data.draw(st.booleans())
        return value if bare else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    parts = [
        f"{scheme} "
        + data.draw(st.sampled_from([",", ", ", " ,"])).join(
            f"{name}={written(value)}" for name, value in parameters.items()
        )
        for scheme, parameters in offered
    ]
    expected = [Challenge(scheme.lower(), parameters) for scheme, parameters in offered]
    assert challenges([", ".join(parts)]) == expected
    assert challenges(parts) == expected


def test_without_parameters() -> None:
    assert challenges(["Negotiate"]) == [Challenge("negotiate", {})]
    assert challenges(["Negotiate, NTLM,Basic realm=x"]) == [
        Challenge("negotiate", {}),
        Challenge("ntlm", {}),
        Challenge("basic", {"realm": "x"}),
    ]


@pytest.mark.parametrize("line", [" " * 60_000, "a" * 60_000, "Bearer " + "a, " * 20_000, "Bearer a" + " " * 60_000])
def test_absurd_challenges_take_no_time(line: str) -> None:
    spent = []
    for _ in range(3):  # the best of three: a busy machine slows one of them, quadratic time all
        started = time.process_time()
        challenges([line] * 20)
        spent.append(time.process_time() - started)
        if spent[-1] < 2:
            break
    assert min(spent) < 2


@pytest.mark.parametrize(
    "line", ["", '"', "=", ",,,", 'Bearer realm="unfinished', "\x00", 'Bearer realm="' + "\\" * 100_000]
)
def test_what_is_no_challenge_is_passed_over(line: str) -> None:
    assert all(not found.parameters for found in challenges([line]))


@pytest.mark.parametrize("realm", ["https://auth.registry.example/a token", "https://auth.registry.example/\x1b[2J"])
def test_a_token_service_whose_url_could_not_be_asked_is_refused_at_once(realm: str) -> None:
    with pytest.raises(ForbiddenAddress, match="no plain URL"):
        check_realm(realm, "https://registry.example")
