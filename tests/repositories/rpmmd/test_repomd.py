"""repomd.xml, as createrepo_c writes it and as it must not be."""

import contextlib
import hashlib
import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.errors import ContentError, LimitExceeded, MalformedDocument
from affineur.repositories.rpmmd.repomd import MAX_DATA, read_repomd
from support.leaving_out import leave_out
from support.rpms import build, repository

HEAD = '<?xml version="1.0"?>\n<repomd xmlns="http://linux.duke.edu/metadata/repo">'
# What CentOS 5's createrepo wrote: SHA-1 by its old name, a time with a fraction, no sizes.
OLD = f"""{HEAD}
  <data type="primary">
    <location href="repodata/primary.xml.gz"/>
    <checksum type="sha">{"a" * 40}</checksum>
    <timestamp>1349100000.25</timestamp>
    <open-checksum type="sha">{"b" * 40}</open-checksum>
  </data>
</repomd>""".encode()


@pytest.mark.system
def test_createrepos_own_reader_reads_the_same(tmp_path: Path) -> None:
    folder = repository(
        tmp_path / "repo", [build(tmp_path, "a", "1", "1")], updateinfo="<updates/>", modules="---\n", zck=True
    )
    script = (
        "import createrepo_c as cr, json, sys; r = cr.Repomd(sys.argv[1]);"
        "json.dump([r.revision, {x.type: [x.location_href, x.checksum_type + ':' + x.checksum, x.size,"
        " x.checksum_open, x.size_open, x.timestamp] for x in r.records}], sys.stdout)"
    )
    path = folder / "repodata/repomd.xml"
    done = subprocess.run(["/usr/bin/python3", "-c", script, path], capture_output=True, text=True, check=False)
    if "No module named" in done.stderr:
        leave_out("needs python3-createrepo-c")
    revision, records = json.loads(done.stdout)
    found = read_repomd(path.read_bytes(), "here")
    assert found.revision == revision
    assert set(found.data) == set(records)
    assert {"primary", "primary_zck", "updateinfo", "modules"} <= set(records)
    for kind, (href, checksum, size, open_checksum, open_size, timestamp) in records.items():
        file = found.data[kind]
        assert (file.href, file.checksum, file.size) == (href, checksum, size)
        assert file.open_checksum.partition(":")[2] == (open_checksum or "")
        assert (file.open_size or -1) == open_size
        assert file.timestamp == datetime.fromtimestamp(timestamp, UTC)
        assert hashlib.sha256((folder / href).read_bytes()).hexdigest() == checksum.partition(":")[2]
    assert found.made == max(file.timestamp for file in found.data.values() if file.timestamp)


def test_what_createrepo_wrote_long_ago() -> None:
    found = read_repomd(OLD, "here")
    file = found.data["primary"]
    assert (file.checksum, file.open_checksum) == (f"sha1:{'a' * 40}", f"sha1:{'b' * 40}")
    assert (file.size, file.open_size) == (None, None)
    assert found.made == file.timestamp == datetime(2012, 10, 1, 14, 0, tzinfo=UTC)


def test_a_revision_may_be_a_time_or_a_word() -> None:
    assert read_repomd(f"{HEAD}<revision>1717200000</revision></repomd>".encode(), "").made == datetime(
        2024, 6, 1, tzinfo=UTC
    )
    assert read_repomd(f"{HEAD}<revision>8.5.2111</revision></repomd>".encode(), "").made is None


def test_what_cannot_be_checked_is_left_out() -> None:
    assert read_repomd(OLD.replace(b'"sha"', b'"md5"'), "").data == {}
    assert read_repomd(OLD.replace(b"<location", b"<x"), "").data == {}


def test_where_there_is_zchunk_alone_it_is_the_file() -> None:
    found = read_repomd(OLD.replace(b'"primary"', b'"primary_zck"'), "")
    assert found.data["primary"] == found.data["primary_zck"]


def test_of_two_entries_the_first_counts() -> None:
    entry = OLD[OLD.index(b"<data") : OLD.index(b"</repomd>")]
    text = OLD.replace(b"</repomd>", entry.replace(b"primary.xml", b"second.xml") + b"</repomd>")
    assert read_repomd(text, "").data["primary"].href == "repodata/primary.xml.gz"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<x/>",
        OLD[:200],
        OLD.replace(b"a" * 40, b"z" * 40),
        OLD.replace(b"a" * 40, b"a" * 39),
        OLD.replace(b"<timestamp>", b"<size>-1</size><timestamp>"),
        OLD.replace(b"<timestamp>", b"<size>" + b"9" * 16 + b"</size><timestamp>"),
        OLD.replace(b"primary.xml", b"p" * 5000),
        OLD.replace(b"1349100000.25", b"1" * 5000),
        OLD.replace(HEAD.encode(), b"<!DOCTYPE a><repomd xmlns='http://linux.duke.edu/metadata/repo'>"),
    ],
)
def test_what_is_no_repomd(text: bytes) -> None:
    with pytest.raises(ContentError):
        read_repomd(text, "here")


def test_another_document_is_named() -> None:
    with pytest.raises(MalformedDocument, match="not rpm-md's repomd"):
        read_repomd(b"<html/>", "here")


def test_too_many_entries() -> None:
    entry = OLD[OLD.index(b"<data") : OLD.index(b"</repomd>")]
    with pytest.raises(LimitExceeded):
        read_repomd(OLD.replace(b"</repomd>", entry * MAX_DATA + b"</repomd>"), "here")


@given(st.binary(max_size=200), st.integers(0, len(OLD)), st.integers(0, len(OLD)))
def test_damage_ends_in_our_errors(noise: bytes, start: int, end: int) -> None:
    with contextlib.suppress(ContentError):
        read_repomd(OLD[:start] + noise + OLD[end:], "here")
