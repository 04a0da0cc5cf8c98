"""Whether notices may serve: never where there are none, or none that are young enough."""

import gzip
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from affineur.errata.erratum import Build, Erratum
from affineur.errata.rpm.coverage import SLACK, Held, gaps, newest_of, state, uncovered
from affineur.errata.rpm.updateinfo import read_updateinfo
from affineur.repositories.update import Update

NOW = datetime(2026, 11, 24, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("count", "notice", "build", "expected"),
    [
        (None, None, NOW, "none"),
        (0, None, NOW, "empty"),
        (5, NOW, NOW, "ok"),
        (5, NOW, NOW - 900 * DAY, "ok"),
        (5, NOW - SLACK, NOW, "ok"),
        (5, NOW - SLACK - timedelta(seconds=1), NOW, "behind"),
        (5, None, NOW, "behind"),
        (5, NOW, None, "behind"),
        (None, None, None, "none"),
    ],
)
def test_states(count: int | None, notice: datetime | None, build: datetime | None, expected: str) -> None:
    found = state(count, notice, build)
    assert found.state == expected
    assert found.serves is (expected == "ok")
    assert bool(found.why) is not found.serves


def test_the_empty_list_of_ubi_7_is_no_list() -> None:
    """The article: `updateinfo | 92 B`."""
    document = gzip.decompress(gzip.compress(b'<?xml version="1.0" encoding="UTF-8"?>\n<updates/>\n', mtime=0))
    errata = list(read_updateinfo([document], "rhel", "ubi-7"))
    assert gaps([Held("ubi-7", len(errata), newest_of(errata, NOW), NOW)]) == [
        "ubi-7 has a list of notices with nothing in it"
    ]


def erratum(issued: datetime | None, updated: datetime | None = None, status: str = "") -> Erratum:
    builds = (Build("a", "x86_64", "2-1"),)
    return Erratum("A", "bugfix", None, issued, (), "A", "x", (), builds=builds, updated=updated, status=status)


def test_the_newest_date_is_a_final_notices_and_not_in_the_future() -> None:
    assert newest_of([erratum(NOW - DAY), erratum(NOW - 5 * DAY, NOW - 2 * DAY), erratum(None)], NOW) == NOW - DAY
    assert newest_of([erratum(NOW - 5 * DAY, NOW - 2 * DAY)], NOW) == NOW - 2 * DAY
    assert newest_of([erratum(NOW + DAY), erratum(NOW, status="testing")], NOW) is None
    assert newest_of([], NOW) is None


FRESH = Held("updates", 100, NOW, NOW)


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ([FRESH], []),
        ([], ["no repository was read that could have notices"]),
        # Fedora: the repository of the release is frozen, and has no notices
        ([Held("fedora", None, None, NOW - 200 * DAY), FRESH], []),
        (
            [Held("fedora", None, None, NOW, uncovered=1), FRESH],
            ["fedora has no notices; no notice speaks of one of its updates"],
        ),
        # CentOS: nobody has any, also where there is no update today
        ([Held("base", None), Held("updates", None)], ["base has no notices", "updates has no notices"]),
        (
            [Held("stale", 9, NOW - 30 * DAY, NOW, uncovered=2), FRESH],
            [
                "stale has builds of 2026-11-24, but no notice after 2026-10-25 (30 days);"
                " no notice speaks of 2 of its updates"
            ],
        ),
        ([Held("stale", 9, NOW - 30 * DAY, NOW), FRESH], []),
        # notices that keep up: what they do not speak of is no security update
        ([msgspec.structs.replace(FRESH, uncovered=7)], []),
    ],
)
def test_gaps_are_what_no_notice_of_any_repository_speaks_of(held: list[Held], expected: list[str]) -> None:
    assert gaps(held) == expected


def test_an_update_is_covered_by_a_notice_about_its_very_version() -> None:
    def update(available: str, name: str = "a") -> Update:
        return Update(name, "x86_64", "1-1", available, ("updates",), None, name, available, "1-1", manager="rpm")

    errata = [erratum(NOW), erratum(NOW, status="retracted")]
    updates = [update("2-1"), update("0:2-1"), update("3-1"), update("2-1", "b")]
    assert uncovered(updates, errata) == updates[2:]
    assert uncovered(updates[:1], errata[1:]) == updates[:1]
