"""Pins as text; what they do is in test_choose.py and, asked of apt, in tests/system."""

import pytest

from affineur.repositories.apt.configuration import read_configuration
from affineur.repositories.apt.model import NEVER, AptConfiguration, PinRule


def read(text: str, name: str = "preferences") -> AptConfiguration:
    return read_configuration({f"etc/apt/{name}": text.encode()}, "amd64")


def test_records_in_order_of_the_files() -> None:
    files = {
        "etc/apt/preferences.d/b.pref": b"Package: b\nPin: version 1*\nPin-Priority: 500\n",
        "etc/apt/preferences.d/a": b'Package: *\nPin: origin "archive.example"\nPin-Priority: never\n',
        "etc/apt/preferences.d/c.bak": b"Package: c\nPin: version 1\nPin-Priority: 1\n",
        "etc/apt/preferences": (
            b"# a comment\nExplanation: why\nPackage: a src:b /c.*/\nPin: RELEASE a=stable, n=bookworm\n"
            b"Pin-Priority: -10\n"
        ),
    }
    assert read_configuration(files, "amd64").pins == (
        PinRule(("a", "src:b", "/c.*/"), "release", "a=stable, n=bookworm", -10, "etc/apt/preferences", 2),
        PinRule(("*",), "origin", '"archive.example"', NEVER, "etc/apt/preferences.d/a", 1),
        PinRule(("b",), "version", "1*", 500, "etc/apt/preferences.d/b.pref", 1),
    )


@pytest.mark.parametrize(
    "text",
    [
        "Pin: version 1\nPin-Priority: 1\n",
        "Package: a\nPin: version 1\n",
        "Package: a\nPin: version 1\nPin-Priority: 0\n",
        "Package: a\nPin: version 1\nPin-Priority: 32768\n",
        "Package: a\nPin: version 1\nPin-Priority: never\n",
        "Package: a\nPin: version 1\nPin-Priority: often\n",
    ],
)
def test_what_apt_refuses_makes_the_answer_unknown(text: str) -> None:
    configuration = read(f"\n{text}")
    assert configuration.pins == ()
    assert len(configuration.unanswerable) == 1
    assert configuration.unanswerable[0].startswith("etc/apt/preferences:2: ")


def test_what_apt_leaves_out_with_a_warning_is_named() -> None:
    configuration = read(
        "Package: *\nPin: version 1\nPin-Priority: 1\n\nPackage: a\nPin: codename x\nPin-Priority: 1\n"
    )
    assert configuration.pins == ()
    assert configuration.unanswerable == ()
    assert [problem.split(" ")[0] for problem in configuration.problems] == [
        "etc/apt/preferences:1:",
        "etc/apt/preferences:5:",
    ]


def test_a_number_may_have_a_sign_and_a_tail() -> None:
    assert [pin.priority for pin in read("Package: a\nPin: version 1\nPin-Priority: +5x\n").pins] == [5]
    assert [pin.priority for pin in read("Package: a\nPin: version 1\nPin-Priority: -32768\n").pins] == [NEVER + 1]
