"""Documents of three vendors about flaws without a fix, in the shapes that they really have.

The statements expected are those of the documents' own tables and guides; Red Hat's are the facts of its VEX documents
CVE-2023-0051, CVE-2023-0045 and CVE-2022-38752 (CC-BY-4.0, Red Hat, Inc.), Ubuntu's of CVE-2024-2236 and CVE-2002-2439
(CC-BY-SA-4.0, Canonical), Debian's shapes are the security tracker's.
"""

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.errata.unfixed import csaf, debiantracker, ubuntuvex
from affineur.errata.unfixed.debiantracker import tracked
from affineur.errata.unfixed.flaws import Flaw
from affineur.errata.unfixed.osvopen import left_open
from affineur.errata.unfixed.statements import Statement, Status
from affineur.errors import LimitExceeded, MalformedDocument
from support.unfixed import TRACKER, red_hat_document, ubuntu_document


def table(found: Iterator[tuple[str, str, Statement]]) -> dict[tuple[str, str, str], tuple[Status, str]]:
    """(release, package, CVE) → status and reason."""
    return {(release, package, one.cve): (one.status, one.reason) for release, package, one in found}


def test_debians_tracker_tells_what_is_open_and_why() -> None:
    found = table(tracked(json.dumps(TRACKER).encode(), "tracker"))
    assert found == {
        ("bullseye", "openssl", "CVE-2024-4741"): (Status.NO_ADVISORY, "Minor issue"),
        ("bookworm", "openssl", "CVE-2024-13176"): (Status.DEFERRED, "Minor issue; can be fixed in next update"),
        ("bookworm", "tar", "CVE-2005-2541"): (Status.AFFECTED, "unimportant"),
        ("bookworm", "binutils", "CVE-2018-20673"): (Status.WILL_NOT_FIX, "ignored"),
        ("bookworm", "libxml2", "CVE-2026-1000"): (Status.AFFECTED, ""),
        ("bookworm", "libxml2", "CVE-2026-1001"): (Status.UNDER_INVESTIGATION, ""),
        ("bullseye", "chromium", "CVE-2024-5830"): (Status.OUT_OF_SUPPORT, "end-of-life"),
    }


def test_debians_statement_holds_for_the_versions_of_the_release() -> None:
    statements = {one.cve: one for _, _, one in tracked(json.dumps(TRACKER).encode(), "tracker")}
    assert statements["CVE-2024-13176"].until == "3.0.15-1~deb12u1"  # the newer of two suites'
    assert statements["CVE-2005-2541"].word == "unimportant"


def test_a_tracker_larger_than_any_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debiantracker, "MAX_TRACKER_BYTES", 10)
    with pytest.raises(LimitExceeded):
        list(tracked(b'{"a": {}, "b": {}}', "tracker"))


@pytest.mark.parametrize("form", ["old", "new"])
def test_ubuntus_documents_tell_the_four_states_without_a_fix_apart(form: str) -> None:
    """The table of Ubuntu's documentation: needed, ignored, needs-triage, deferred."""
    found = table(ubuntuvex.stated(ubuntu_document(form)))
    assert {key: status for key, (status, _) in found.items()} == {
        ("jammy", "libgcrypt20", "CVE-2024-2236"): Status.AFFECTED,
        ("focal", "libgcrypt20", "CVE-2024-2236"): Status.WILL_NOT_FIX,
        ("noble", "libgcrypt20", "CVE-2024-2236"): Status.UNDER_INVESTIGATION,
        ("xenial", "libgcrypt20", "CVE-2024-2236"): Status.DEFERRED,
    }
    assert found["jammy", "libgcrypt20", "CVE-2024-2236"][1] == "The package is vulnerable and needs fixing."


def test_special_builds_of_ubuntu_are_not_the_release_itself() -> None:
    """CVE-2024-2236 lists `distro=fips/bionic` and `fips-updates/bionic` among its products."""
    document = ubuntu_document("old").replace(b"distro=ubuntu/jammy", b"distro=fips/jammy")
    assert not [1 for release, _, _ in ubuntuvex.stated(document) if release == "jammy"]


def test_a_document_without_statements_says_nothing() -> None:
    assert list(ubuntuvex.stated(b'{"@context": "https://openvex.dev/ns/v0.2.0", "statements": []}')) == []


def test_red_hats_documents_tell_what_becomes_of_a_flaw_in_each_release() -> None:
    document = red_hat_document(
        "CVE-2023-0051",
        affected={"6:vim": "Out of support scope", "7:vim": "Out of support scope", "9:vim": "Will not fix"},
        not_affected=["8:vim"],
    )
    found = list(csaf.stated(document))
    assert table(iter(found)) == {
        ("6", "vim", "CVE-2023-0051"): (Status.OUT_OF_SUPPORT, "Out of support scope"),
        ("7", "vim", "CVE-2023-0051"): (Status.OUT_OF_SUPPORT, "Out of support scope"),
        ("9", "vim", "CVE-2023-0051"): (Status.WILL_NOT_FIX, "Will not fix"),
    }
    assert {one.word for _, _, one in found} == {"Low"}


@pytest.mark.parametrize(
    ("details", "status"),
    [
        ("Affected", Status.AFFECTED),
        ("Fix deferred", Status.DEFERRED),
        ("Will not fix", Status.WILL_NOT_FIX),
        ("Out of support scope", Status.OUT_OF_SUPPORT),
        ("Words that are new", Status.AFFECTED),  # shown as they stand
    ],
)
def test_red_hats_words(details: str, status: Status) -> None:
    ((_, _, one),) = csaf.stated(red_hat_document("CVE-2023-0045", affected={"8:kernel-rt": details}))
    assert (one.status, one.reason) == (status, details)


def test_what_red_hat_still_looks_into() -> None:
    ((_, _, one),) = csaf.stated(red_hat_document("CVE-2026-1111", asked=["9:curl"]))
    assert (one.status, one.reason) == (Status.UNDER_INVESTIGATION, "")


@pytest.mark.parametrize(
    ("component", "package", "module"),
    [
        ("httpd", "httpd", ""),
        ("nodejs:18/nodejs", "nodejs", "nodejs:18"),
        ("nginx::nginx:1.26", "nginx", "nginx:1.26"),
    ],
)
def test_packages_and_modules_of_red_hat(component: str, package: str, module: str) -> None:
    ((release, name, one),) = csaf.stated(red_hat_document("CVE-2026-1111", affected={f"8:{component}": "Affected"}))
    assert (release, name, one.module) == ("8", package, module)


@pytest.mark.parametrize(
    "component", ["rhel8/buildah", "io.quarkus/quarkus-vertx-http", "openshift4/ose@sha256:00", ""]
)
def test_images_and_jars_of_red_hat_are_no_packages(component: str) -> None:
    assert list(csaf.stated(red_hat_document("CVE-2026-1111", affected={f"8:{component}": "Affected"}))) == []


@pytest.mark.parametrize(
    "cpe",
    [
        "cpe:/a:redhat:rhel_eus:9.0::appstream",
        "cpe:/a:redhat:openshift:4",
        "cpe:/a:redhat:jboss_fuse:7",
        "cpe:/o:redhat:enterprise_linux:9.4",
        "",
    ],
)
def test_other_products_are_not_red_hat_enterprise_linux(cpe: str) -> None:
    document = red_hat_document("CVE-2026-1111", affected={"9:curl": "Affected"}, cpe=cpe)
    assert list(csaf.stated(document)) == []


V3 = "CVSS:3.0/AV:N/AC:H/PR:N/UI:R/S:U/C:H/I:H/A:H"  # of CVE-2019-3855: Red Hat has computed 7.5
LOW = "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N"  # 6.1, an example of the specification's


@pytest.mark.parametrize(
    ("impact", "vectors", "flaw"),
    [
        ("Important", [V3], Flaw("Important", 7.5)),
        ("Low", [LOW, V3], Flaw("Low", 7.5)),  # of several products' the highest
        ("", [V3], Flaw("", 7.5)),
        ("Moderate", [], Flaw("Moderate", None)),
        ("Moderate", ["CVSS:3.1/AV:N"], Flaw("Moderate", None)),
        ("Moderate", ["AV:N/AC:L/Au:N/C:P/I:P/A:P", ""], Flaw("Moderate", None)),
        ("x" * 5000, [], Flaw("x" * 40, None)),
        ("", ["CVSS:3.1/" + "x" * 5000], None),
        ("", [], None),
    ],
)
def test_how_bad_red_hat_calls_a_flaw(impact: str, vectors: list[str], flaw: Flaw | None) -> None:
    """Also of one that is fixed everywhere, of which nothing is stated."""
    document = red_hat_document("CVE-2019-3855", impact=impact, vectors=vectors)
    assert list(csaf.stated(document)) == []
    assert list(csaf.rated(document)) == ([("CVE-2019-3855", flaw)] if flaw else [])


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"\xff", b'{"vulnerabilities": 1}', b'{"document": {"aggregate_severity": []}}', b"[" * 100_000],
)
def test_what_rates_nothing_since_it_is_no_document(content: bytes) -> None:
    with pytest.raises(MalformedDocument):
        list(csaf.rated(content))


def test_of_several_flaws_none_has_the_documents_word() -> None:
    document = json.loads(red_hat_document("CVE-2019-3855", impact="Critical", vectors=[V3]))
    document["vulnerabilities"].append({"cve": "CVE-2019-3856"})
    assert list(csaf.rated(json.dumps(document).encode())) == [("CVE-2019-3855", Flaw("", 7.5))]


def osv(identifier: str, *affected: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"id": identifier, "affected": affected, **more}).encode()


def of(ecosystem: str, source: str, *events: dict[str, str], **more: Any) -> dict[str, Any]:
    ranges = [{"type": "ECOSYSTEM", "events": list(events)}]
    return {"package": {"ecosystem": ecosystem, "name": source}, "ranges": ranges, **more}


BEGUN = {"introduced": "0"}


def test_a_range_without_an_end_is_a_flaw_without_a_fix() -> None:
    record = osv(
        "DEBIAN-CVE-2024-2236",
        of("Debian:12", "libgcrypt20", BEGUN, ecosystem_specific={"urgency": "unimportant"}),
        of("Debian:13", "libgcrypt20", BEGUN, {"fixed": "1.11.0-1"}),
        of("Debian:11", "libgcrypt20", BEGUN, ecosystem_specific={"urgency": "end-of-life"}),
    )
    assert list(left_open(record)) == [
        ("Debian:12", "libgcrypt20", Statement("CVE-2024-2236", Status.AFFECTED, "unimportant", "unimportant")),
        ("Debian:11", "libgcrypt20", Statement("CVE-2024-2236", Status.OUT_OF_SUPPORT, "end-of-life", "end-of-life")),
    ]


CUSTOMERS = Status.CUSTOMERS_ONLY


@pytest.mark.parametrize(
    ("free", "paid", "told"),
    [
        (None, [BEGUN, {"fixed": "9+esm1"}], [("Ubuntu:Pro:22.04:LTS", CUSTOMERS, "9+esm1")]),  # universe
        ([BEGUN], [BEGUN, {"fixed": "9+esm1"}], [("Ubuntu:Pro:22.04:LTS", CUSTOMERS, "9+esm1")]),
        ([BEGUN], [BEGUN], [("Ubuntu:22.04:LTS", Status.AFFECTED, ""), ("Ubuntu:Pro:22.04:LTS", Status.AFFECTED, "")]),
        (None, [BEGUN], [("Ubuntu:Pro:22.04:LTS", Status.AFFECTED, "")]),
        ([BEGUN, {"fixed": "9"}], [BEGUN, {"fixed": "9"}], []),
        ([BEGUN, {"fixed": "9"}], None, []),
    ],
)
def test_a_fix_for_customers_is_none_for_everyone(
    free: list[dict[str, str]] | None, paid: list[dict[str, str]] | None, told: list[tuple[str, Status, str]]
) -> None:
    places = {"Ubuntu:22.04:LTS": free, "Ubuntu:Pro:22.04:LTS": paid}
    record = osv("UBUNTU-CVE-2026-1111", *(of(place, "zbar", *events) for place, events in places.items() if events))
    assert [(place, one.status, one.fixed) for place, _, one in left_open(record)] == told


@pytest.mark.parametrize(
    ("events", "since"),
    [
        ([{"fixed": "2.0"}, {"introduced": "3.0"}, {"introduced": "0"}], "3.0"),  # § Evaluation: in any order
        ([{"introduced": "1.10"}], "1.10"),
        ([{"introduced": "1.0"}, {"last_affected": "1.5"}], None),
        ([{"introduced": "1.0"}, {"fixed": "1.5"}], None),
    ],
)
def test_where_a_range_begins(events: list[dict[str, str]], since: str | None) -> None:
    found = list(left_open(osv("UBUNTU-CVE-2026-1111", of("Ubuntu:24.04:LTS", "curl", *events))))
    assert [one.since for _, _, one in found] == ([] if since is None else [since])


@pytest.mark.parametrize(
    "record",
    [
        osv("DSA-1-1", of("Debian:12", "curl", BEGUN)),
        osv("DEBIAN-CVE-2026-1111", of("Debian:12", "curl", BEGUN), withdrawn="2026-01-01T00:00:00Z"),
        osv("CVE-2026-1111", {"ranges": [{"type": "GIT", "events": [{"introduced": "0"}]}]}),
        osv("CVE-2026-1111"),
    ],
)
def test_records_that_leave_nothing_open(record: bytes) -> None:
    assert list(left_open(record)) == []


READERS: list[Callable[[bytes], Iterator[Any]]] = [
    csaf.stated,
    ubuntuvex.stated,
    left_open,
    lambda content: tracked(content, "tracker"),
]
SHAPES = st.recursive(
    st.none() | st.integers() | st.text(max_size=8) | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "statements",
                    "products",
                    "vulnerabilities",
                    "product_tree",
                    "branches",
                    "affected",
                    "ranges",
                    "known_affected",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("reader", READERS, ids=["csaf", "openvex", "osv", "tracker"])
@given(shape=SHAPES)
def test_any_json_is_read_or_refused(reader: Callable[[bytes], Iterator[Any]], shape: Any) -> None:
    for content in (json.dumps(shape).encode(), b'{"known_affected":' + json.dumps(shape).encode()):
        with contextlib.suppress(MalformedDocument):
            list(reader(content))


@pytest.mark.parametrize("reader", READERS, ids=["csaf", "openvex", "osv", "tracker"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"known_affected"' + b':{"branches":[' * 50_000,
        b'{"statements":[{"status":1}]}',
    ],
    ids=["empty", "no text", "deep", "deep branches", "other types"],
)
def test_broken_documents_are_refused(reader: Callable[[bytes], Iterator[Any]], content: bytes) -> None:
    with pytest.raises(MalformedDocument):
        list(reader(b'"known_affected"' + content if reader is csaf.stated else content))
    deep = b'{"product_tree":' + b'{"branches":[' * 3000 + b"]}" * 3000 + b',"x":"known_affected"}'
    with pytest.raises(MalformedDocument):
        list(csaf.stated(deep.replace(b'"x":', b'"known_affected":')))
