"""What is published, by os-release."""

from pathlib import Path
from typing import NamedTuple

import pytest

from affineur.errata.publishers import Ecosystems, ecosystems, errata_from, publishes


class Named(NamedTuple):
    id: str
    version_id: str = ""
    codename: str = ""


@pytest.mark.parametrize(
    ("identifier", "word"),
    [
        ("debian", "notices with CVEs"),
        ("ubuntu", "notices with CVEs"),
        ("rhel", "notices with CVEs"),
        ("alpine", "updates"),
        ("centos", "nothing"),
        ("hannah-montana-linux", "unknown"),
        ("", "unknown"),
    ],
)
def test_each_distribution_has_its_word_and_strangers_are_unknown(identifier: str, word: str) -> None:
    found, sentence = publishes(identifier)
    assert found == word
    assert sentence.endswith(".")


@pytest.mark.parametrize(
    ("identifiers", "place"),
    [
        ("debian ubuntu", "osv"),
        ("rhel fedora almalinux rocky ol amzn photon mariner azurelinux", "updateinfo"),
        ("opensuse-leap sles sled sl-micro", "updateinfo"),
        ("centos opensuse-tumbleweed kali hannah-montana-linux", "none"),
    ],
)
def test_errata_are_read_where_the_distribution_has_them(identifiers: str, place: str) -> None:
    assert {errata_from(identifier) for identifier in identifiers.split()} == {place}


@pytest.mark.parametrize(
    ("release", "free", "paid"),
    [
        (Named("debian", "12", "bookworm"), ("Debian:12",), ()),
        (Named("debian", "9.13"), ("Debian:9",), ()),
        (
            Named("ubuntu", "14.04", "trusty"),
            ("Ubuntu:14.04:LTS", "Ubuntu:14.04"),
            ("Ubuntu:Pro:14.04:LTS", "Ubuntu:Pro:14.04"),
        ),
        (
            Named("ubuntu", "23.10", "mantic"),
            ("Ubuntu:23.10:LTS", "Ubuntu:23.10"),
            ("Ubuntu:Pro:23.10:LTS", "Ubuntu:Pro:23.10"),
        ),
    ],
)
def test_releases_have_their_own_ecosystems(release: Named, free: tuple[str, ...], paid: tuple[str, ...]) -> None:
    found = ecosystems(release)
    assert isinstance(found, Ecosystems)
    assert (found.free, found.paid) == (free, paid)


def test_a_release_without_notices_says_why() -> None:
    assert "trixie" in str(ecosystems(Named("debian", "", "trixie")))
    assert "no errata of alpine" in str(ecosystems(Named("alpine", "3.19")))
    assert "not known" in str(ecosystems(Named("hannah-montana-linux", "1")))
    # a derivative has versions of its own, whatever it is like
    assert isinstance(ecosystems(Named("linuxmint", "21.1", "vera")), str)


@pytest.mark.corpus
def test_every_real_os_release_gets_an_answer(corpus: Path) -> None:
    words = {"nothing", "updates", "notices", "notices with CVEs", "unknown"}
    seen = 0
    for path in (corpus / "os-release").rglob("*"):
        if not path.is_file():
            continue
        lines = path.read_text(errors="replace").splitlines()
        identifier = next((line[3:].strip("\"'") for line in lines if line.startswith("ID=")), None)
        if identifier is not None:
            seen += 1
            assert publishes(identifier)[0] in words
    assert seen > 100
