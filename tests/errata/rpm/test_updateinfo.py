"""updateinfo.xml as vendors write it: dates, severities, types and references in all forms; and what is none."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.errata.erratum import Build, Erratum, Severity
from affineur.errata.rpm import updateinfo as module
from affineur.errata.rpm.updateinfo import moment_of, read_updateinfo
from affineur.errors import ContentError, LimitExceeded, MalformedDocument
from support.rpm_world import notice, updateinfo

HELLO = [("hello", "1.1-1", "x86_64", "hello-1.1-1.src.rpm")]


def read(document: str | bytes, publisher: str = "almalinux", **more: object) -> list[Erratum]:
    content = document.encode() if isinstance(document, str) else document
    return list(read_updateinfo([content], publisher, "https://repo.example/updateinfo.xml", **more))  # type: ignore[arg-type]


def only(*arguments: object, publisher: str = "almalinux", **more: object) -> Erratum:
    (found,) = read(updateinfo(notice("X-1", *(arguments or (HELLO,)), **more)), publisher)  # type: ignore[arg-type]
    return found


def test_reads_everything_that_a_notice_says() -> None:
    packages = [*HELLO, ("lib", "2:1.0-3.el9", "noarch", "")]
    cves = ["CVE-2026-1234", "CVE-2026-1235"]
    found = only(packages, cves=cves, severity="Critical", issued="2026-05-01 12:30:00")
    moment = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)
    assert found == Erratum(
        id="X-1",
        kind="security",
        severity=Severity.CRITICAL,
        issued=moment,
        cves=("CVE-2026-1234", "CVE-2026-1235"),
        title="X-1: an update",
        source="https://repo.example/updateinfo.xml",
        fixes=(),
        rated_by="severity=Critical",
        builds=(Build("hello", "x86_64", "1.1-1"), Build("lib", "noarch", "2:1.0-3.el9")),
        updated=moment,
        severity_word="Critical",
    )


def test_builds_of_a_module_carry_its_label_and_others_of_the_notice_do_not() -> None:
    text = updateinfo(notice("X-1", HELLO, module="mm:1:2:c3"))
    package = '<package name="lib" epoch="None" version="1" release="2" arch="i686"/>'
    text = text.replace("</pkglist>", f"<collection>{package}</collection></pkglist>")
    (found,) = read(text)
    assert found.builds == (Build("hello", "x86_64", "1.1-1", "mm:1:2:c3"), Build("lib", "i686", "1-2"))


@pytest.mark.parametrize(
    ("publisher", "word", "severity"),
    [
        ("rhel", "Critical", "critical"),
        ("rhel", "Important", "important"),
        ("almalinux", "Moderate", "moderate"),
        ("rocky", "Low", "low"),
        ("ol", "IMPORTANT", "important"),
        ("fedora", "Urgent", "critical"),
        ("fedora", "High", "important"),
        ("fedora", "Medium", "moderate"),
        ("fedora", "None", None),
        ("amzn", "medium", "moderate"),
        ("amzn", "important", "important"),
        ("sles", "moderate", "moderate"),
        ("opensuse-leap", "important", "important"),
        ("rhel", "urgent", None),  # no word of its vendor's: nothing is guessed
        ("", "Important", "important"),
        ("rhel", "", None),
        ("ol", "N/A", None),
    ],
)
def test_severity_words_of_each_vendor(publisher: str, word: str, severity: str | None) -> None:
    found = only(severity=word, publisher=publisher)
    assert found.severity == severity
    assert found.severity_word == word
    assert found.rated_by == (f"severity={word}" if severity else "")


def test_a_notice_without_a_severity_is_unrated() -> None:
    (found,) = read(updateinfo(notice("X-1", HELLO, severity="")).replace("<severity></severity>", ""))
    assert found.severity is None
    assert found.severity_word is None


@pytest.mark.parametrize(
    ("kind", "ours"),
    [
        ("security", "security"),
        ("Security", "security"),
        ("bugfix", "bugfix"),
        ("recommended", "bugfix"),
        ("enhancement", "enhancement"),
        ("feature", "enhancement"),
        ("newpackage", "newpackage"),
        ("optional", "other"),
        ("unspecified", "other"),
        ("", "other"),
    ],
)
def test_kinds(kind: str, ours: str) -> None:
    assert only(kind=kind).kind == ours


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2019-04-02 08:12:00", (2019, 4, 2, 8, 12)),
        ("2019-04-02 08:12", (2019, 4, 2, 8, 12)),
        ("2019-04-02", (2019, 4, 2)),
        ("2019-04-02 08:12:00 UTC", (2019, 4, 2, 8, 12)),
        ("2019-04-02T08:12:00Z", (2019, 4, 2, 8, 12)),
        ("2019-04-02T08:12:00.123456", (2019, 4, 2, 8, 12)),
        ("2019-04-02 08:12:00+02:00", (2019, 4, 2, 6, 12)),
        ("2019-04-02 08:12:00 -0130", (2019, 4, 2, 9, 42)),
        ("1554192720", (2019, 4, 2, 8, 12)),
        (" 1554192720\n", (2019, 4, 2, 8, 12)),
    ],
)
def test_dates_in_every_form(text: str, moment: tuple[int, ...]) -> None:
    assert moment_of(text) == datetime(*moment, tzinfo=UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "yesterday",
        "2019-13-02",
        "2019-02-30 08:12:00",
        "999999999999",
        "0000-01-01",
        "2019-04-02 25:00:00",
        "2019-04-02 08:12:00 CEST\n",
        "0001-01-01 00:00:00+23:59",
        "2019-04-02 08:12:00+99:99",
        "１９99-04-02",
    ],
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert moment_of(text) is None


@given(st.text(max_size=40) | st.from_regex(r"\d{1,4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d([+-]\d\d:?\d\d)?", fullmatch=True))
def test_no_date_ends_in_an_exception(text: str) -> None:
    found = moment_of(text)
    assert found is None or found.tzinfo is UTC


def test_the_severity_of_a_notice_is_that_of_its_only_cve() -> None:
    assert only(cves=["CVE-2026-1234"], severity="Low").cve_severities == (Severity.LOW,)
    assert only(cves=["CVE-2026-1234", "CVE-2026-1235"], severity="Low").cve_severities == ()
    assert only(cves=["CVE-2026-1234"], severity="None").cve_severities == ()


def test_a_notice_without_an_issue_date_has_its_latest_change_as_a_bound() -> None:
    text = updateinfo(notice("X-1", HELLO)).replace('<issued date="2026-05-01 12:00:00"/>', "<issued/>")
    (found,) = read(text)
    assert found.issued is None
    assert found.issued_at_latest == datetime(2026, 5, 1, 12, tzinfo=UTC)


def reference(**attributes: str) -> str:
    return f"<reference {' '.join(f'{name}={value!r}' for name, value in attributes.items())}/>"


@pytest.mark.parametrize(
    ("references", "cves"),
    [
        ([{"type": "cve", "id": "CVE-2019-3855"}], ("CVE-2019-3855",)),
        ([{"type": "CVE", "id": "1", "title": "CVE-2019-3855 libssh2"}], ("CVE-2019-3855",)),
        ([{"type": "cve", "id": "cve-2019-3855"}], ("CVE-2019-3855",)),
        ([{"type": "bugzilla", "id": "1", "title": "CVE-2019-3855 in x"}], ("CVE-2019-3855",)),
        ([{"type": "bugzilla", "title": "CVE-2019-1111 CVE-2019-2222"}], ("CVE-2019-1111", "CVE-2019-2222")),
        # where the vendor lists CVEs as such, bugs that mention others are not asked
        (
            [{"type": "bugzilla", "id": "1", "title": "CVE-2018-1111"}, {"type": "cve", "id": "CVE-2019-3855"}],
            ("CVE-2019-3855",),
        ),
        ([{"type": "self", "id": "RHSA-2019:0679"}], ()),
    ],
)  # fmt: skip
def test_cves_of_references(references: list[dict[str, str]], cves: tuple[str, ...]) -> None:
    shown = "".join(reference(**each) for each in references)
    (found,) = read(updateinfo(notice("X-1", HELLO)).replace("<references>", f"<references>{shown}"))
    assert found.cves == cves


def test_a_bug_fix_that_mentions_a_cve_fixes_none() -> None:
    shown = reference(type="bugzilla", id="1", title="CVE-2019-3855 broke it")
    (found,) = read(updateinfo(notice("X-1", HELLO, kind="bugfix")).replace("<references>", f"<references>{shown}"))
    assert found.cves == ()


@pytest.mark.parametrize(
    ("status", "kept"),
    [
        *(("final", ""), ("stable", ""), ("", ""), ("released", "")),
        *(("testing", "testing"), ("Testing", "testing"), ("retracted", "retracted")),
    ],
)
def test_what_is_not_final_says_so(status: str, kept: str) -> None:
    (found,) = read(updateinfo(notice("X-1", HELLO)).replace('status="final"', f'status="{status}"'))
    assert found.status == kept


def test_builds_of_packages_that_nobody_asks_about_are_left_out_and_notices_are_not() -> None:
    text = updateinfo(notice("X-1", HELLO), notice("X-2", [*HELLO, ("lib", "1-1", "x86_64", "")]))
    found = read(text, names=["lib"])
    assert [[build.name for build in each.builds] for each in found] == [[], ["lib"]]


def test_an_empty_document_has_no_notices() -> None:
    assert read('<?xml version="1.0" encoding="UTF-8"?>\n<updates/>') == []
    assert read(updateinfo()) == []


@pytest.mark.parametrize(
    "document",
    [
        "",
        "no xml",
        "<updates>",
        "<updates><update></updates>",
        "<metadata/>",
        '<!DOCTYPE updates [<!ENTITY a "b">]><updates/>',
        updateinfo(notice("", HELLO)),
        updateinfo(notice("X-1", [("", "1-1", "noarch", "")])),
        updateinfo(notice("X-1", [("a", "1-1", "", "")])),
        updateinfo(notice("X-1", [("a", "-1", "noarch", "")])),
        updateinfo(notice("X-1", HELLO)).replace('epoch="0"', 'epoch="one"'),
        updateinfo(notice("X-1", HELLO)).replace('epoch="0"', 'epoch="99999999999"'),
    ],
)
def test_what_is_no_updateinfo_is_refused(document: str | bytes) -> None:
    with pytest.raises(MalformedDocument):
        read(document)


@pytest.mark.parametrize(
    ("limit", "document"),
    [
        ("MAX_NOTICES", updateinfo(*[notice(f"X-{n}", HELLO) for n in range(5)])),
        ("MAX_BUILDS", updateinfo(notice("X-1", [(f"p{n}", "1-1", "noarch", "") for n in range(5)]))),
        ("MAX_BUILDS_KEPT", updateinfo(*[notice(f"X-{n}", HELLO) for n in range(5)])),
        ("MAX_REFERENCES", updateinfo(notice("X-1", HELLO, cves=[f"CVE-2026-{n}" for n in range(1000, 1005)]))),
    ],
)
def test_more_than_a_limit_is_refused(limit: str, document: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, limit, 4)
    with pytest.raises(LimitExceeded):
        read(document)


@pytest.mark.parametrize(
    "document",
    [
        updateinfo(notice("X" * 5000, HELLO)),
        updateinfo(notice("X-1", HELLO, severity="s" * 5000)),
        updateinfo(notice("X-1", [("a" * 5000, "1-1", "noarch", "")])),
        updateinfo(notice("X-1", HELLO, issued="2" * 5000)),
        updateinfo(notice("X-1", HELLO, module="m" * 5000)),
        "<updates>" + "<update>" * 100,
    ],
)
def test_long_texts_and_deep_documents_are_refused(document: str) -> None:
    with pytest.raises(LimitExceeded):
        read(document)


def test_a_long_description_is_passed_over() -> None:
    text = updateinfo(notice("X-1", HELLO)).replace(
        "<severity>", f"<description>{'d' * 100_000}</description><severity>"
    )
    assert [found.id for found in read(text)] == ["X-1"]


@given(st.binary(max_size=300), st.integers(0, 2000))
def test_damage_ends_in_our_errors(junk: bytes, at: int) -> None:
    whole = updateinfo(notice("X-1", HELLO, cves=["CVE-2026-1234"], module="a:b:1:c")).encode()
    for document in (junk, whole[:at] + junk + whole[at:], whole[:at]):
        try:
            read(document)
        except ContentError:
            continue


def test_the_pieces_in_which_it_comes_do_not_matter() -> None:
    content = updateinfo(*[notice(f"X-{n}", HELLO, cves=["CVE-2026-1234"]) for n in range(20)]).encode()
    pieces = [content[n : n + 7] for n in range(0, len(content), 7)]
    assert list(read_updateinfo(pieces, "rhel", "x")) == list(read_updateinfo([content], "rhel", "x"))
