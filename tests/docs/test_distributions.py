"""The table of distributions says what the data files say: each has a row, and each row is of one that is known."""

import tomllib
from functools import cache
from typing import Any

import pytest

from affineur.errata.publishers import errata_from
from affineur.errata.unfixed.vendors import VENDORS
from affineur.settings import Settings
from affineur.trust.lifecycle import _look_up, _name
from support.documents import PROJECT

SOURCE = PROJECT / "src" / "affineur"
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in (PROJECT / "docs/reference/distributions.md").read_text("utf-8").splitlines()
    if line.startswith("| `") and not line.startswith("| `ID`")
]
each_row = pytest.mark.parametrize("row", ROWS, ids=[row[0].strip("` ") for row in ROWS])


def identifier(row: list[str]) -> str:
    return row[0].strip("` ")


def table(path: str) -> dict[str, Any]:
    return tomllib.loads((SOURCE / path).read_text("utf-8"))


@cache
def references() -> dict[str, set[str]]:
    """ID → versions of the releases with references; `*` for any, the codename of one without a version."""
    found: dict[str, set[str]] = {}
    for room in ("", "rpmmd/", "apk/"):
        for each in table(f"repositories/{room}reference.toml")["distribution"]:
            releases = each.get("release", [{"version": "*"}])
            found[each["id"]] = {release.get("version") or release["codename"] for release in releases}
    return found


def test_each_distribution_that_is_known_has_a_row_and_no_other() -> None:
    named = [identifier(row) for row in ROWS]
    assert sorted(named) == sorted(table("errata/publishers.toml"))
    assert len(set(named)) == len(named)
    assert references().keys() <= set(named)
    assert {len(row) for row in ROWS} == {11}


@each_row
def test_the_releases_are_those_with_references(row: list[str]) -> None:
    known = references().get(identifier(row), set())
    told = row[1].partition(" (")[0]
    if not known:
        assert told == "none"
    elif told.startswith("up to "):
        assert "*" in known
        assert told == f"up to {max(int(version) for version in known if version != '*')}"
    elif "*" in known and not known & set(told.split(", ")):
        assert told.split(",")[0] == "all"
    else:
        assert {"1" if version == "*" else version for version in known} == set(told.split(", "))


@each_row
def test_the_errata_are_where_they_are_read(row: list[str]) -> None:
    name = identifier(row)
    silent = {each["id"] for each in table("repositories/rpmmd/reference.toml")["distribution"] if each.get("silent")}
    read = errata_from(name)
    if name in table("errata/secdb.toml"):
        assert row[4] == "secdb"
    elif read == "osv":
        assert row[4] == "OSV: " + ", ".join(
            each.strip("-") for each in table("errata/publishers.toml")[name]["notices"]
        )
    elif read == "updateinfo" and name not in silent:
        assert row[4] == "updateinfo.xml"
    else:
        assert row[4] == "none"
    assert (row[4] == "none") == (row[5] == "none") == (row[6] == "none")


@each_row
def test_flaws_without_a_fix_are_told_by_those_who_are_read(row: list[str]) -> None:
    vendor = VENDORS.get(identifier(row))
    if vendor is None:
        assert row[7] == "not told"
        return
    assert row[7].startswith(vendor.called)
    place = getattr(Settings().feeds.unfixed, vendor.name)
    assert ("if you have it" in row[7]) == (not place)
    assert ("else OSV" in row[7]) == (errata_from(identifier(row)) == "osv")


@each_row
def test_support_is_known_from_the_table_that_is_named(row: list[str]) -> None:
    name = identifier(row)
    lines = (SOURCE / "trust" / "releases.csv").read_text("utf-8").splitlines()
    known = {line.partition(",")[0] for line in lines if not line.startswith("#")}
    found = _name({"ID": name})
    if found not in known:
        assert row[8] == "none"
        return
    version = next(line.split(",")[1] for line in lines if line.startswith(f"{found},"))
    release, source = _look_up(found, {"ID": name, "VERSION_ID": version})
    assert release is not None
    assert row[8].partition(",")[0] == ("rolling" if release.rolling else source.partition(" of ")[0])
