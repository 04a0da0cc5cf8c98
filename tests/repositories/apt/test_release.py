"""Release files; what apt 2.6 does with the odd ones was tried with a trusted `file:` repository of one file each."""

import contextlib
import hashlib
import lzma
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.errors import ContentError, LimitExceeded, MalformedDocument, UnsupportedContent
from affineur.openpgp import signed_text
from affineur.repositories.apt.release import moment, parse_release, untimely

NOW = datetime(2026, 11, 24, 4, 30, tzinfo=UTC)
HASH = "0" * 64
LISTED = f"SHA256:\n {HASH} 7 main/binary-amd64/Packages\n"


def release(*fields: str) -> bytes:
    return ("".join(f"{field}\n" for field in fields) + LISTED).encode()


@pytest.mark.corpus
def test_debians_own(corpus: Path) -> None:
    found = parse_release(signed_text((corpus / "apt" / "bookworm-security_InRelease").read_bytes()))
    assert (found.origin, found.label, found.suite) == ("Debian", "Debian-Security", "oldstable-security")
    assert (found.codename, found.version) == ("bookworm-security", "12")
    assert found.date == datetime(2026, 11, 21, 0, 53, 2, tzinfo=UTC)
    assert found.valid_until == datetime(2026, 11, 28, 0, 53, 2, tzinfo=UTC)
    assert found.architectures == ("amd64", "arm64", "armhf", "i386", "ppc64el")
    assert found.components == ("updates/main", "updates/contrib", "updates/non-free-firmware", "updates/non-free")
    assert found.acquire_by_hash
    assert not found.not_automatic
    index = lzma.decompress((corpus / "apt" / "bookworm-security_main_binary-amd64_Packages.xz").read_bytes())
    assert found.hashes["main/binary-amd64/Packages"] == (hashlib.sha256(index).hexdigest(), len(index))
    assert untimely(found, NOW) is None
    assert "expired" in (untimely(found, datetime(2026, 11, 28, 0, 53, 2, tzinfo=UTC)) or "")


def test_flags_and_lists() -> None:
    found = parse_release(
        release("Suite: experimental", "NotAutomatic: yes", "ButAutomaticUpgrades: yes", "Architectures: all amd64")
        .replace(b"SHA256:", b"No-Support-for-Architecture-all: Packages\nSHA256:")
    )  # fmt: skip
    assert found.not_automatic
    assert found.but_automatic_upgrades
    assert not found.acquire_by_hash
    assert found.architectures == ("all", "amd64")
    assert found.no_all_for == ("Packages",)
    assert found.hashes == {"main/binary-amd64/Packages": (HASH, 7)}


@pytest.mark.parametrize(
    ("text", "hour"),
    [  # the hour as `date` has it; None where apt says: Invalid 'Date' entry
        ("Tue, 24 Nov 2026 01:00:00 UTC", 1),
        ("Tue, 24 Nov 2026 01:00:00 GMT", 1),
        ("Tue, 24 Nov 2026 01:00:00 +0000", 1),
        ("Tue, 24 Nov 2026 01:00:00 -0000", 1),
        ("Tue, 24 Nov 2026 1:00:00 UTC", 1),
        ("Tue, 24 Nov 2026 01:00:00 +0100", None),
        ("24 Nov 2026 01:00:00 UTC", None),
        ("Tue, 24 Nov 2026 01:00:00", None),
        ("Tue, 31 Feb 2026 01:00:00 UTC", None),
        ("Tue, 24 Foo 2026 01:00:00 UTC", None),
        ("2026-11-24T01:00:00Z", None),
        ("", None),
    ],
)
def test_dates_as_apt_reads_them(text: str, hour: int | None) -> None:
    assert moment(text) == (None if hour is None else datetime(2026, 11, 24, hour, tzinfo=UTC))
    assert parse_release(release(f"Date: {text}")).date == moment(text)


def test_a_valid_until_that_cannot_be_read_is_not_passed_over() -> None:
    with pytest.raises(MalformedDocument, match="Valid-Until"):
        parse_release(release("Valid-Until: tomorrow"))


def test_a_date_in_the_future() -> None:
    assert untimely(parse_release(release("Date: Tue, 24 Nov 2026 04:31:00 UTC")), NOW) is None  # clocks differ
    assert "future" in (untimely(parse_release(release("Date: Wed, 25 Nov 2026 04:31:00 UTC")), NOW) or "")
    assert untimely(parse_release(release("Suite: stable")), NOW) is None


def test_of_two_equal_fields_the_last_counts_and_of_two_stanzas_the_first() -> None:
    assert parse_release(release("Suite: one", "Suite: two")).suite == "two"
    assert parse_release(release("Suite: one") + b"\nSuite: two\n").suite == "one"
    with pytest.raises(UnsupportedContent, match="no files"):
        parse_release(b"Suite: one\n\n" + LISTED.encode())


def test_weak_digests_alone_are_refused() -> None:
    weak = f"MD5Sum:\n {'0' * 32} 7 Packages\nSHA1:\n {'0' * 40} 7 Packages\n".encode()
    with pytest.raises(UnsupportedContent, match="MD5Sum and SHA1"):
        parse_release(b"Suite: stable\n" + weak)
    assert parse_release(b"Suite: stable\n" + weak + LISTED.encode()).hashes


def test_sha512_counts_where_it_is_alone() -> None:
    strong = f"SHA512:\n {'1' * 128} 7 main/binary-amd64/Packages\n"
    assert parse_release(strong.encode()).hashes == {"main/binary-amd64/Packages": ("1" * 128, 7)}
    assert parse_release((strong + LISTED).encode()).hashes == {"main/binary-amd64/Packages": (HASH, 7)}


@pytest.mark.parametrize(
    "text",
    [
        "Suite stable\n",
        " continued\n",
        "# a comment\n",
        f"SHA256:\n {HASH} 7\n",
        f"SHA256:\n {HASH} -7 Packages\n",
        f"SHA256:\n {HASH} {'9' * 40} Packages\n",
        f"SHA256:\n {'0' * 63} 7 Packages\n",
        f"SHA256:\n {'g' * 64} 7 Packages\n",
        f"SHA256:\n {HASH} 7 /etc/passwd\n",
        f"SHA256:\n {HASH} 7 main/../../../other/Packages\n",
    ],
)
def test_malformed(text: str) -> None:
    with pytest.raises(MalformedDocument):
        parse_release(text.encode())


@pytest.mark.parametrize(("name", "limit"), [("ENTRY_LIMIT", 1), ("LINE_LIMIT", 1), ("RELEASE_LIMIT", 10)])
def test_limits(name: str, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"affineur.repositories.apt.release.{name}", limit)
    with pytest.raises(LimitExceeded):
        parse_release(release("Suite: stable") + f" {HASH} 7 more\n".encode())


@given(st.binary(max_size=400))
def test_any_bytes_are_a_release_or_a_content_error(content: bytes) -> None:
    with contextlib.suppress(ContentError):
        assert parse_release(content + LISTED.encode()).hashes


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31)))
def test_a_date_survives_writing_and_reading(written: datetime) -> None:
    names = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    second = written.replace(microsecond=0, tzinfo=UTC)
    text = f"Mon, {second.day:02} {names[second.month - 1]} {second.year:04} {second:%H:%M:%S} UTC"
    assert moment(text) == second
    assert (moment(text) or second) - second == timedelta(0)
