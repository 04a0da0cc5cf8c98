"""Which .debs are fetched for their changelogs, and what comes of them."""

import gzip
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from affineur.errata import plan as module
from affineur.errata.erratum import Erratum, Fix
from affineur.errata.plan import Described, described, plan
from affineur.errors import LimitExceeded, NotFound
from affineur.repositories.update import Update
from affineur.store.feeds import Texts
from support.debs import data_tar, deb, entry

BASE = "http://archive.example/debian/"


def update(name: str, source: str = "", **more: Any) -> Update:
    given: dict[str, Any] = {
        "installed": "1", "available": "2", "installed_source_version": "1", "source_version": "2", "security": False,
        "filename": f"pool/{name}.deb", "size": 1000, "sha256": hashlib.sha256(name.encode()).hexdigest(),
        "base_uri": BASE, "suites": ("stable",), "architecture": "amd64",
    }  # fmt: skip
    return Update(name=name, source=source or name, **{**given, **more})


def notice(source: str, version: str, **more: Any) -> Erratum:
    return Erratum("DSA-1", "security", None, datetime.now(UTC), (), "", "feed", (Fix(source, version),), **more)


def test_the_smallest_package_of_each_source_is_asked_first() -> None:
    updates = [update("liba", "a", size=900), update("a-data", "a", size=100), update("b")]
    wanted, problems = plan(updates)
    assert [[u.name for u in one.candidates] for one in wanted] == [["a-data", "liba"], ["b"]]
    assert problems == []


def test_the_lowest_installed_version_is_where_reading_ends() -> None:
    updates = [update("liba", "a", installed_source_version="1.5"), update("a", installed_source_version="1.10")]
    assert [(one.installed, one.available) for one in plan(updates)[0]] == [("1.5", "2")]


def test_what_a_notice_explains_needs_no_changelog() -> None:
    assert plan([update("a")], [notice("a", "2")]) == ([], [])
    assert len(plan([update("a")], [notice("a", "1.5")])[0]) == 1
    assert len(plan([update("a")], [notice("a", "2", paid_only=True)])[0]) == 1


def test_security_updates_come_first_and_the_budget_ends_the_list() -> None:
    updates = [update("small", size=10), update("large", size=900, security=True), update("medium", size=500)]
    wanted, problems = plan(updates, byte_budget=1000)
    assert [one.source for one in wanted] == ["large", "small"]
    assert [one.what for one in problems] == ["changelog of medium 2"]


def test_a_rebuild_of_the_installed_source_has_nothing_to_read() -> None:
    assert plan([update("a", available="2+b1", installed_source_version="2")]) == ([], [])


@pytest.mark.parametrize("lacking", [{"filename": ""}, {"sha256": ""}, {"base_uri": ""}, {"size": 0}, {"size": 10**9}])
def test_a_deb_that_cannot_be_checked_or_is_huge_is_not_fetched(lacking: dict[str, Any]) -> None:
    wanted, problems = plan([update("a", **lacking)])
    assert wanted == []
    assert [one.what for one in problems] == ["changelog of a 2"]


TEXT = entry("a", "2", "* Fix CVE-2024-1000.", distribution="bookworm-security") + entry("a", "1")


def offered(name: str, content: bytes, **more: Any) -> Update:
    return update(name, "a", size=len(content), sha256=hashlib.sha256(content).hexdigest(), **more)


def with_changelog(name: str, text: str = TEXT) -> bytes:
    return deb(data_tar({f"usr/share/doc/{name}/changelog.Debian.gz": gzip.compress(text.encode())}))


def run(updates: list[Update], files: dict[str, bytes], **more: Any) -> tuple[Described, list[str]]:
    asked: list[str] = []

    def fetch(url: str, limit: int) -> bytes:
        asked.append(url)
        name = url.removeprefix(f"{BASE}pool/").removesuffix(".deb")
        if name not in files:
            raise NotFound(f"{url}: not there (HTTP 404)")
        if len(files[name]) > limit:
            raise LimitExceeded(f"{url}: more than {limit} bytes")
        return files[name]

    wanted, problems = plan(updates)
    assert problems == []
    return described(wanted, fetch, **more), asked


def test_the_changelog_of_the_fetched_deb_becomes_errata() -> None:
    content = with_changelog("a")
    found, asked = run([offered("a", content)], {"a": content})
    assert asked == [f"{BASE}pool/a.deb"]
    (erratum,) = found.errata
    assert (erratum.id, erratum.cves, erratum.source) == ("changelog:a/2", ("CVE-2024-1000",), f"{BASE}pool/a.deb")
    assert found.unassessed == ()
    assert found.evidence[0].digest == f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_a_link_a_missing_file_and_a_wrong_hash_lead_to_the_next_candidate() -> None:
    good = with_changelog("a-zz")
    linked = deb(data_tar({}, {"usr/share/doc/a-linked": "a"}))
    updates = [
        offered("a-linked", linked),
        update("a-forged", "a", size=len(good) - 1),
        offered("a-zz", good),
        offered("a-gone", b"x"),
    ]
    files = {"a-linked": linked, "a-forged": bytes(len(good) - 1), "a-zz": good}
    found, asked = run(updates, files)
    assert [url.rpartition("/")[2] for url in asked] == ["a-gone.deb", "a-linked.deb", "a-forged.deb", "a-zz.deb"]
    assert [erratum.id for erratum in found.errata] == ["changelog:a/2"]
    assert found.unassessed == ()


@pytest.mark.parametrize("served", [b"", b"x" * 600, with_changelog("a", TEXT + " ")])
def test_a_deb_that_is_not_what_the_index_promised_is_not_read(served: bytes) -> None:
    found, _ = run([offered("a", with_changelog("a"))], {"a": served})
    assert found.errata == ()
    assert [one.what for one in found.unassessed] == ["changelog of a 2"]


def test_a_changelog_that_is_cut_off_gives_errata_and_says_so() -> None:
    content = with_changelog("a", entry("a", "2"))
    found, _ = run([offered("a", content)], {"a": content})
    assert len(found.errata) == 1
    assert "goes back to 2 only" in found.unassessed[0].why


def test_budgets_of_bytes_and_time_end_the_fetching() -> None:
    content = with_changelog("a")
    found, asked = run([offered("a", content)], {"a": content}, byte_budget=10)
    assert (asked, found.unassessed[0].why) == ([], "over the byte budget for changelogs")
    found, asked = run([offered("a", content)], {"a": content}, time_budget_s=-1)
    assert asked == []
    assert "not read within" in found.unassessed[0].why


def test_what_is_remembered_is_not_fetched_again(tmp_path: Path) -> None:
    content = with_changelog("a")
    texts = Texts(tmp_path)
    first, asked = run([offered("a", content)], {"a": content}, remembered=texts)
    assert len(asked) == 1
    again, asked = run([offered("a", content)], {}, remembered=texts, byte_budget=0)
    assert asked == []
    assert again.errata == first.errata
    updates = [offered("a", content), update("b", size=100)]
    assert [one.source for one in plan(updates, byte_budget=100, remembered=texts)[0]] == ["b", "a"]
    texts.close()


def test_that_a_deb_has_no_changelog_is_remembered_too(tmp_path: Path) -> None:
    linked = deb(data_tar({}, {"usr/share/doc/a": "b"}))
    texts = Texts(tmp_path)
    first, _ = run([offered("a", linked)], {"a": linked}, remembered=texts)
    again, asked = run([offered("a", linked)], {}, remembered=texts)
    assert asked == []
    assert "is a link to b" in again.unassessed[0].why
    assert again.unassessed == first.unassessed
    texts.close()


def test_a_file_name_that_is_a_url_stays_below_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DEB_BYTES", 10_000)
    found, asked = run([update("a", filename="http://elsewhere.example/a.deb")], {})
    assert asked == [f"{BASE}http://elsewhere.example/a.deb"]
    assert len(found.unassessed) == 1
