"""Lifecycle: dates from the distributions' own announcements and Debian's distro-info as the second witness."""

import csv
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from affineur.packages.osrelease import parsed
from affineur.trust.lifecycle import age_days, lifecycle
from affineur.trust.model import Lifecycle, Support

DEBIAN_12 = {"ID": "debian", "VERSION_ID": "12", "VERSION_CODENAME": "bookworm"}
SUPPORTED, LONG_TERM, PAID, ENDED, UNKNOWN = Support


@pytest.mark.parametrize(
    ("day", "support", "last", "following"),
    [  # www.debian.org/releases, wiki.debian.org/LTS, wiki.debian.org/LTS/Extended
        (date(2023, 6, 9), UNKNOWN, None, None),
        (date(2023, 6, 10), SUPPORTED, date(2026, 7, 11), LONG_TERM),
        (date(2026, 7, 11), SUPPORTED, date(2026, 7, 11), LONG_TERM),
        (date(2026, 7, 12), LONG_TERM, date(2028, 6, 30), PAID),
        (date(2028, 7, 1), PAID, date(2033, 6, 30), ENDED),
        (date(2033, 7, 1), ENDED, None, None),
    ],
)
def test_debian_12_through_its_life(day: date, support: Support, last: date | None, following: Support | None) -> None:
    found = lifecycle(DEBIAN_12, day)
    assert (found.support, found.until, found.then) == (support, last, following)
    assert found.source == "distro-info-data of 2026-04-25"


@pytest.mark.parametrize(
    ("os_release", "day", "support"),
    [
        ({"ID": "ubuntu", "VERSION_ID": "14.04"}, date(2019, 4, 25), SUPPORTED),
        ({"ID": "ubuntu", "VERSION_ID": "14.04"}, date(2019, 4, 26), PAID),
        ({"ID": "ubuntu", "VERSION_ID": "14.04"}, date(2026, 4, 29), ENDED),
        ({"ID": "ubuntu", "VERSION_ID": "23.10"}, date(2024, 7, 12), ENDED),  # no LTS: nothing to pay for
        ({"ID": "rhel", "VERSION_ID": "9.4"}, date(2026, 1, 1), SUPPORTED),
        ({"ID": "rhel", "VERSION_ID": "7.9"}, date(2026, 1, 1), PAID),
        ({"ID": "centos", "VERSION_ID": "7", "NAME": "CentOS Linux"}, date(2024, 7, 1), ENDED),
        ({"ID": "centos", "VERSION_ID": "8", "NAME": "CentOS Linux"}, date(2022, 1, 1), ENDED),
        ({"ID": "centos", "VERSION_ID": "8", "NAME": "CentOS Stream"}, date(2022, 1, 1), SUPPORTED),
        ({"ID": "alpine", "VERSION_ID": "3.22.1"}, date(2026, 1, 1), SUPPORTED),
        ({"ID": "sles", "VERSION_ID": "15"}, date(2021, 1, 1), PAID),  # 15.0 in the table
        ({"ID": "sles", "VERSION_ID": "15.9"}, date(2026, 1, 1), UNKNOWN),  # and not 15.0
        ({"ID": "opensuse", "VERSION_ID": "42.3"}, date(2018, 1, 1), SUPPORTED),
        ({"ID": "ol", "VERSION_ID": "10.0"}, date(2026, 1, 1), SUPPORTED),
        ({"ID": "rhel", "VERSION_ID": "8.4"}, date(2029, 5, 31), SUPPORTED),
        ({"ID": "rhel", "VERSION_ID": "8.4"}, date(2029, 6, 1), PAID),  # Extended Life Cycle Support, an add-on
        ({"ID": "centos", "VERSION_ID": "5", "NAME": "CentOS"}, date(2017, 4, 1), ENDED),
        ({"ID": "centos", "VERSION_ID": "6", "NAME": "CentOS"}, date(2020, 11, 30), SUPPORTED),
        ({"ID": "centos", "VERSION_ID": "9", "NAME": "CentOS Stream"}, date(2027, 6, 1), ENDED),
        ({"ID": "almalinux", "VERSION_ID": "9.4"}, date(2032, 5, 31), SUPPORTED),
        ({"ID": "rocky", "VERSION_ID": "9.4"}, date(2032, 6, 1), ENDED),
        ({"ID": "ol", "VERSION_ID": "7.9"}, date(2026, 1, 1), PAID),  # Extended Support
        ({"ID": "amzn", "VERSION_ID": "2018.03"}, date(2024, 1, 1), ENDED),
        ({"ID": "amzn", "VERSION_ID": "2"}, date(2026, 7, 1), ENDED),
        ({"ID": "amzn", "VERSION_ID": "2023", "SUPPORT_END": "2028-03-15"}, date(2028, 3, 15), ENDED),
        ({"ID": "opensuse-leap", "VERSION_ID": "15.6"}, date(2026, 4, 30), SUPPORTED),
        ({"ID": "sles", "VERSION_ID": "15.4"}, date(2026, 11, 24), PAID),  # LTSS
        ({"ID": "sles", "VERSION_ID": "15.7"}, date(2026, 11, 24), SUPPORTED),
        ({"ID": "mariner", "VERSION_ID": "2.0"}, date(2025, 7, 31), SUPPORTED),
        ({"ID": "mariner", "VERSION_ID": "2.0.20240117"}, date(2025, 8, 1), ENDED),
        ({"ID": "azurelinux", "VERSION_ID": "3.0"}, date(2026, 11, 24), SUPPORTED),
        ({"ID": "azurelinux", "VERSION_ID": "4.0"}, date(2026, 11, 24), UNKNOWN),  # in preview
        ({"ID": "photon", "VERSION_ID": "5.0"}, date(2026, 11, 24), SUPPORTED),
        ({"ID": "photon", "VERSION_ID": "3.0"}, date(2025, 10, 3), ENDED),
        ({"ID": "alpine", "VERSION_ID": "3.16.2"}, date(2024, 5, 23), SUPPORTED),
        ({"ID": "chainguard", "VERSION_ID": "20230214"}, date(2026, 11, 24), SUPPORTED),
        ({"ID": "scientific", "VERSION_ID": "7.6"}, date(2026, 1, 1), UNKNOWN),
        ({"ID": "rhel", "NAME": "Scientific Linux", "VERSION_ID": "7.5"}, date(2026, 1, 1), UNKNOWN),
    ],
)
def test_other_distributions(os_release: dict[str, str], day: date, support: Support) -> None:
    assert lifecycle(os_release, day).support is support


@pytest.mark.parametrize(
    "os_release",
    [
        {"ID": "debian", "PRETTY_NAME": "Debian GNU/Linux forky/sid", "VERSION_CODENAME": "forky"},
        {"ID": "wolfi", "VERSION_ID": "20230201"},
        {"ID": "opensuse-tumbleweed", "VERSION_ID": "20260101"},
        {"ID": "opensuse", "VERSION": "20150725 (Tumbleweed)", "VERSION_ID": "20150725"},
        {"ID": "opensuse", "NAME": "openSUSE Tumbleweed", "VERSION_ID": "20170726"},
        {"ID": "arch"},
        {"ID": "alpine", "VERSION_ID": "3.25_alpha20260901"},
        {"ID": "fedora", "VERSION_ID": "99", "REDHAT_SUPPORT_PRODUCT_VERSION": "rawhide"},
    ],
)
def test_rolling_releases_are_supported_with_a_note(os_release: dict[str, str]) -> None:
    found = lifecycle(os_release, date(2026, 11, 1))
    assert (found.support, found.until) == (SUPPORTED, None)
    assert "rolling" in found.note


@pytest.mark.parametrize(
    ("os_release", "why"),
    [
        ({}, "does not say which distribution"),
        ({"ID": "debian", "VERSION_ID": "14", "VERSION_CODENAME": "forky"}, "debian 14 is not in the table"),
        ({"ID": "ubuntu", "VERSION_ID": "99.04"}, "may be newer"),
        ({"ID": "nexus", "VERSION_ID": "7"}, "no table of the releases of nexus"),
        ({"ID": "debian"}, "a release without a version"),
        ({"ID": "fedora", "VERSION_ID": "60"}, "may be newer"),
    ],
)
def test_what_no_table_knows_is_unknown_and_never_ended(os_release: dict[str, str], why: str) -> None:
    found = lifecycle(os_release, date(2040, 1, 1))
    assert found.support is UNKNOWN
    assert why in found.note


def test_support_end_is_the_first_day_without_support() -> None:
    """os-release(5): "the first day on which support is not provided"."""
    os_release = {"ID": "someos", "SUPPORT_END": "2001-01-01"}
    expected = Lifecycle(
        SUPPORTED, date(2000, 12, 31), ENDED, "os-release SUPPORT_END", "only the image itself says so"
    )
    assert lifecycle(os_release, date(2000, 12, 31)) == expected
    assert lifecycle(os_release, date(2001, 1, 1)).support is ENDED


def test_support_that_ends_before_it_begins_does_not_exist() -> None:
    """The long term support of SLES 11.0 ended with the general one."""
    found = lifecycle({"ID": "sles", "VERSION_ID": "11.0"}, date(2010, 1, 1))
    assert (found.until, found.then) == (date(2010, 12, 31), ENDED)


def test_an_image_cannot_prolong_its_own_life() -> None:
    found = lifecycle({**DEBIAN_12, "SUPPORT_END": "2099-01-01"}, date(2026, 7, 12))
    assert found.support is LONG_TERM
    assert "2098-12-31" in found.note


def test_an_earlier_support_end_holds_and_leaves_what_comes_after() -> None:
    found = lifecycle({**DEBIAN_12, "SUPPORT_END": "2025-01-01"}, date(2025, 1, 1))
    assert (found.support, found.until) == (LONG_TERM, date(2028, 6, 30))


@pytest.mark.parametrize("value", ["", "soon", "2026-13-01", "0001-01-01", "99999-01-01"])
def test_a_support_end_that_is_no_date_counts_for_nothing(value: str) -> None:
    assert lifecycle({**DEBIAN_12, "SUPPORT_END": value}, date(2026, 1, 1)) == lifecycle(DEBIAN_12, date(2026, 1, 1))


# IDs of real os-release files without a table of releases: unknown, and said so.
NO_TABLE = {
    *("antergos", "artix", "clear-linux-os", "clearos", "coreos", "cumulus-linux", "elementary", "elementary os"),
    *("endless", "fedora-modular", "galliumos", "ios_xr", "kaos", "korora", "linuxmint", "lirios", "mageia", "manjaro"),
    *("neon", "nexus", "nixos", "peppermint", "pop", "pop-os", "rancheros", "raspbian", "scientific", "sharklinux"),
    *("slackware", "sled", "solus", "xenenterprise", "zorin os"),
}


@pytest.mark.corpus
def test_every_real_os_release_has_a_line_or_is_unknown_by_name(corpus: Path) -> None:
    without, told = set(), 0
    for path in sorted((corpus / "os-release" / "os-release").rglob("*")):
        fields = parsed(path.read_bytes()) if path.is_file() and path.suffix != ".json" else {}
        if not fields.get("ID"):
            continue
        found = lifecycle(fields, date(2026, 11, 24))
        if found.support is UNKNOWN:
            without.add(found.note.removeprefix("no table of the releases of "))
        else:
            assert found.source, path
            told += 1
    assert without == NO_TABLE
    assert told > 120


@pytest.mark.corpus
def test_the_table_agrees_with_the_pages_of_endoflife_date(corpus: Path) -> None:
    """Each release is there under its own number, and is supported on its last day and not on the day after it."""
    checked = 0
    for product, identifier in PRODUCTS.items():
        page = (corpus / "lifecycle" / "endoflife" / "products" / f"{product}.md").read_text(encoding="utf-8")
        for version, end in re.findall(
            r'^ *- *releaseCycle: "(.*?)"$.*?^ *eol: (\S+)$', page, re.MULTILINE | re.DOTALL
        ):
            release = {"ID": identifier, "VERSION_ID": version, "NAME": product.replace("-", " ")}
            if end != "false":
                last = date.fromisoformat(end)
                assert lifecycle(release, last).support is SUPPORTED, (release, end)
                assert lifecycle(release, last + timedelta(days=1)).support in (PAID, ENDED)
            else:
                assert lifecycle(release, date(2099, 1, 1)).support is SUPPORTED
            checked += 1
    assert checked > 150


PRODUCTS = {
    "almalinux": "almalinux",
    "alpine-linux": "alpine",
    "amazon-linux": "amzn",
    "centos": "centos",
    "centos-stream": "centos",
    "fedora": "fedora",
    "opensuse": "opensuse-leap",
    "oracle-linux": "ol",
    "rhel": "rhel",
    "rocky-linux": "rocky",
    "sles": "sles",
}


@pytest.mark.corpus
def test_the_tables_agree_with_distro_info(corpus: Path) -> None:
    """On each last day and the day after it, for every release that had one."""
    checked = 0
    for name, columns in {
        "debian": ("eol", "eol-lts", "eol-elts"),
        "ubuntu": ("eol-server", "eol-esm", "eol-legacy"),
    }.items():
        for row in csv.DictReader((corpus / "lifecycle" / f"{name}.csv").read_text(encoding="utf-8").splitlines()):
            ends = sorted({row[key] for key in ("eol", *columns) if row[key]})
            if not (ends and row["version"]):
                continue
            release = {"ID": name, "VERSION_ID": row["version"].split()[0]}
            last = date.fromisoformat(ends[-1])
            assert lifecycle(release, last).support not in (ENDED, UNKNOWN)
            assert lifecycle(release, last + timedelta(days=1)).support is ENDED
            checked += 1
    assert checked > 60


AS_OF = datetime(2026, 11, 24, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("created", "days"),
    [
        ("2026-11-24T00:00:00Z", 0),
        ("2026-11-23T23:59:59.123456789Z", 1),
        ("2026-11-24T01:00:00+02:00", 1),  # 23:00 UTC of the day before
        ("2016-09-15T14:02:20.123Z", 3722),  # `date -ud 2016-09-15 +%s` and so on
    ],
)
def test_age_in_whole_utc_days(created: str, days: int) -> None:
    age = age_days(created, AS_OF)
    assert (age.days, age.why) == (days, "")


@pytest.mark.parametrize(
    ("created", "why"),
    [
        (None, "says nothing"),
        ("", "says nothing"),
        ("yesterday", "is no date"),
        ("0001-01-01T00:00:00Z", "reproducible"),  # Go's zero time
        ("0001-01-01T00:00:00+05:00", "is no date"),
        ("1970-01-01T00:00:00Z", "reproducible"),
        ("1980-01-01T00:00:01Z", "reproducible"),  # buildpacks
        ("2026-11-25T00:00:00Z", "after the day asked about"),
    ],
)
def test_dates_that_are_no_build_dates(created: str | None, why: str) -> None:
    age = age_days(created, AS_OF)
    assert age.days is None
    assert why in age.why
