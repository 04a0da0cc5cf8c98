"""Archives of records under limits."""

import io
import json
import zipfile

import pytest

from affineur.errata import archive as module
from affineur.errata.archive import listed_records, zipped_records
from affineur.errors import LimitExceeded, MalformedArchive, MalformedDocument
from support.feeds import packed, record

RECORDS = [record(f"DSA-{number}-1") for number in range(5)]


def read(content: bytes) -> list[tuple[str, bytes | str]]:
    return list(zipped_records(io.BytesIO(content), "all.zip"))


def test_every_record_is_read_in_order() -> None:
    found = read(packed(RECORDS))
    assert [name for name, _ in found] == [f"{one['id']}.json" for one in RECORDS]
    assert [json.loads(content) for _, content in found] == RECORDS


def test_other_files_are_passed_over() -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("README", "")
        archive.writestr("../../etc/x.json", "{}")  # a name is a name: nothing is unpacked to disk
    assert read(content.getvalue()) == [("../../etc/x.json", b"{}")]


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\5\6" + bytes(10), packed(RECORDS)[:-1], packed(RECORDS)[:60]])
def test_what_is_no_zip_file_is_refused(content: bytes) -> None:
    with pytest.raises(MalformedArchive):
        read(content)


@pytest.mark.parametrize(("flag", "method"), [(1, 8), (0, 99)], ids=["encrypted", "unknown compression"])
def test_a_record_that_cannot_be_unpacked_is_named(flag: int, method: int) -> None:
    content = bytearray(packed(RECORDS[:1]))
    for signature, at in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        place = content.find(signature) + at
        content[place] = flag
        content[place + 2] = method
    ((name, why),) = read(bytes(content))
    assert name == "DSA-0-1.json"
    assert isinstance(why, str)


def test_limits_on_records_bytes_and_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    content = packed(RECORDS)
    size = len(json.dumps(RECORDS[0]))
    with monkeypatch.context() as limited:
        limited.setattr(module, "MAX_RECORDS", 4)
        with pytest.raises(LimitExceeded, match="5 records"):
            read(content)
    with monkeypatch.context() as limited:
        limited.setattr(module, "MAX_UNPACKED_BYTES", 3 * size)
        with pytest.raises(LimitExceeded, match="bytes unpacked"):
            read(content)
    with monkeypatch.context() as limited:
        limited.setattr(module, "MAX_RECORD_BYTES", size - 1)
        assert {type(found) for _, found in read(content)} == {str}
    with monkeypatch.context() as limited:
        limited.setattr(module, "MAX_DIRECTORY_BYTES", 100)
        with pytest.raises(LimitExceeded, match="a directory of"):
            read(content)


def test_the_directory_of_a_zip64_file_is_limited_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 3)
    content = packed(RECORDS)
    assert b"PK\6\7" in content
    assert len(read(content)) == 5
    monkeypatch.setattr(module, "MAX_DIRECTORY_BYTES", 100)
    with pytest.raises(LimitExceeded, match="a directory of"):
        read(content)


def test_lists_are_read_and_what_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    content = json.dumps(RECORDS).encode()
    assert [json.loads(found) for _, found in listed_records(content, "list.json")] == RECORDS
    for broken in (b"", b"{}", b"[1", b"[" * 100_000):
        with pytest.raises(MalformedDocument):
            list(listed_records(broken, "list.json"))
    monkeypatch.setattr(module, "MAX_LIST_BYTES", 10)
    with pytest.raises(LimitExceeded):
        list(listed_records(content, "list.json"))
