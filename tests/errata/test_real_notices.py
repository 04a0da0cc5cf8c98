"""Real notices against real package lists: the article's Ubuntu image, and Debian 12."""

import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from affineur.assessment.model import Distribution
from affineur.errata.feeds import Feeds
from affineur.errata.match import cves, errata_of_updates, match, summary
from affineur.packages.inventory import Package
from affineur.repositories.update import Update
from affineur.store.feeds import FeedStore
from support.feeds import debian_records, packed, told
from support.leaving_out import leave_out

TRUSTY = Distribution("ubuntu", "14.04", "trusty", "Ubuntu 14.04.5 LTS", "notices with CVEs", "")
BOOKWORM = Distribution("debian", "12", "bookworm", "Debian GNU/Linux 12 (bookworm)", "notices with CVEs", "")

COVERED = 36  # packages of the transcript with a notice: the README of the corpus
NOTICES = 34


def transcript(corpus: Path) -> list[dict[str, str]]:
    table = corpus.parent / "article" / "ubuntu-trusty-upgradable.tsv"
    if not table.is_file():
        leave_out("needs the article's transcript beside the corpus")
    with table.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def trusty(corpus: Path) -> tuple[Path, list[dict[str, str]], dict[str, str]]:
    """The notices, the transcript, and the source of each binary, as the notices themselves name it."""
    notices = corpus / "errata" / "ubuntu-trusty-usn-osv.json"
    sources = {
        binary["binary_name"]: affected["package"]["name"]
        for notice in json.loads(notices.read_bytes())
        for affected in notice["affected"]
        for binary in affected["ecosystem_specific"]["binaries"]
    }
    return notices, transcript(corpus), sources


def updates_of(rows: list[dict[str, str]], sources: dict[str, str]) -> list[Update]:
    return [
        Update(
            name=row["package"],
            architecture=row["architecture"],
            installed=row["installed"],
            available=row["available"],
            suites=tuple(row["suites"].split(",")),
            security=None,
            source=sources.get(row["package"], row["package"]),
            source_version=row["available"],
            installed_source_version=row["installed"],
        )
        for row in rows
    ]


@pytest.mark.corpus
def test_the_articles_ubuntu_updates_bring_the_notices_known_to_lie_in_them(corpus: Path, tmp_path: Path) -> None:
    notices, rows, sources = trusty(corpus)
    feeds = Feeds(FeedStore(tmp_path), None, base=str(notices))
    updates = updates_of(rows, sources)

    errata, unassessed, evidence = told(feeds.errata_for(TRUSTY, {update.source for update in updates}))
    found = errata_of_updates(updates, errata)

    assert len(updates) == 55
    assert unassessed == []
    assert f"{NOTICES} notices" in evidence[0].statement
    assert sum(bool(update.errata) for update in found) == COVERED
    assert {erratum.id for erratum in errata} == {erratum_id for update in found for erratum_id in update.errata}
    # all of the covered come from the security suite too, save for what only a bug fix mends: shadow's regression
    assert {u.name for u in found if u.errata and not u.security} == {"login", "passwd"}


@pytest.mark.corpus
def test_the_articles_ubuntu_image_lacks_all_of_them_and_the_updated_one_none(corpus: Path, tmp_path: Path) -> None:
    notices, rows, sources = trusty(corpus)
    feeds = Feeds(FeedStore(tmp_path), None, base=str(notices))
    updates = updates_of(rows, sources)
    before = [Package(u.name, u.installed, u.architecture, u.source, u.installed) for u in updates]
    after = [Package(u.name, u.available, u.architecture, u.source, u.available) for u in updates]
    errata, _, _ = told(feeds.errata_for(TRUSTY, {update.source for update in updates}))

    lacking = match(before, errata)

    assert {finding.erratum.id for finding in lacking} == {erratum.id for erratum in errata}
    assert len({finding.erratum.id for finding in lacking}) == NOTICES
    assert len({name for finding in lacking for name in finding.packages}) == COVERED
    assert match(after, errata) == []
    assert summary(errata).security + summary(errata).bugfix == NOTICES


@pytest.mark.corpus
def test_dates_are_those_of_the_first_publication(corpus: Path, tmp_path: Path) -> None:
    feeds = Feeds(FeedStore(tmp_path), None, base=str(corpus / "errata" / "ubuntu-trusty-usn-osv.json"))
    errata, _, _ = told(feeds.errata_for(TRUSTY, ["bash"]))
    assert [erratum.id for erratum in errata] == ["USN-3294-1"]
    assert errata[0].issued == datetime(2017, 5, 17, 17, 6, 15, 319787, UTC)  # `modified` says 2025-07-16
    assert errata[0].cves == ("CVE-2016-0634", "CVE-2016-7543", "CVE-2016-9401", "CVE-2017-5932")


@pytest.mark.corpus
def test_every_debian_advisory_of_the_table_is_lacking_just_below_its_fix(corpus: Path, tmp_path: Path) -> None:
    table = corpus / "errata" / "debian-bookworm-advisories.tsv"
    rows = [line.split("\t") for line in table.read_text().splitlines()[1:]]
    archive = tmp_path / "given" / "Debian" / "all.zip"
    archive.parent.mkdir(parents=True)
    archive.write_bytes(packed(debian_records(table)))
    feeds = Feeds(FeedStore(tmp_path / "store"), None, base=(tmp_path / "given").as_uri())

    errata, unassessed, _ = told(feeds.errata_for(BOOKWORM, {row[2] for row in rows}))

    assert unassessed == []
    by_id = {erratum.id: erratum for erratum in errata}
    assert len(by_id) == len({row[0] for row in rows})
    for identifier, date, source, fixed, named in rows:
        erratum = by_id[identifier]
        below, at = (Package(source, v, "amd64", source, v) for v in (f"{fixed}~", fixed))
        assert [f.fixed for f in match([below], [erratum])] == [fixed]
        assert match([at], [erratum]) == []
        assert erratum.issued == datetime.fromisoformat(f"{date}T00:00:00+00:00")
        assert set(filter(None, named.split(","))) <= set(erratum.cves)
        assert {row.id for row in cves(match([below], [erratum]))} == set(erratum.cves)
