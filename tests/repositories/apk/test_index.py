"""APKINDEX: the records that are wanted, and what breaks the format."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.errors import ContentError, LimitExceeded, MalformedDocument
from affineur.repositories.apk.index import parse_index, unpacked
from affineur.repositories.apk.model import Offer
from support.apk import packed_index, record

TEXT = "\n".join(
    [
        record("busybox", "1.35.0-r17", 1_660_000_000, more="D:so:libc.musl-x86_64.so.1\np:cmd:sh=1 /bin/sh\nk:100\n"),
        record("ssl_client", "1.35.0-r17", 1_660_000_001, origin="busybox", more="i:busybox=1.35.0-r17 libssl\n"),
        record("zlib", "1.2.12-r3", 0),
    ]
)


def offers(text: str, *names: str) -> list[Offer]:
    return list(parse_index(text.encode(), names or None, "index"))


def test_records() -> None:
    busybox, client, zlib = offers(TEXT)
    assert (busybox.name, busybox.version, busybox.architecture, busybox.source, busybox.size) == (
        "busybox",
        "1.35.0-r17",
        "x86_64",
        "busybox",
        1000,
    )
    assert busybox.checksum.startswith("Q1")
    assert busybox.filename == "busybox-1.35.0-r17.apk"
    assert client.source == "busybox"
    assert (client.built and client.built.timestamp(), zlib.built) == (1_660_000_001, None)


def test_only_what_is_wanted() -> None:
    assert [offer.name for offer in offers(TEXT, "zlib", "other")] == ["zlib"]
    assert offers("") == offers("\n\n\n") == []


def test_what_the_whole_index_says() -> None:
    contents = unpacked(packed_index(TEXT.split("\n\n"), "v3.16.3-13-g4d933a1fa3\n"), "index")
    assert (contents.description, contents.count) == ("v3.16.3-13-g4d933a1fa3", 3)
    assert contents.newest is not None
    assert contents.newest.timestamp() == 1_660_000_001
    assert contents.names("zlib")
    assert not contents.names("zli")
    assert not contents.names("z.ib")


@pytest.mark.parametrize(
    "text",
    [
        "V:1\n",
        "P:a\nA:x\n",
        "P:a\nV:1\nnonsense\n",
        "P:a\nV:1\nV:2\n",
        "P:a\nV:1\nS:-1\n",
        "P:a\nV:1\nt:soon\n",
        "P:a b\nV:1\n",
        "P:a\nV:1\x1b\n",
    ],
)
def test_broken_records(text: str) -> None:
    with pytest.raises(MalformedDocument):
        offers(text)


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("affineur.repositories.apk.index.RECORDS_MAX", 2)
    with pytest.raises(LimitExceeded):
        offers(TEXT)
    monkeypatch.setattr("affineur.repositories.apk.index.RECORD_MAX", 50)
    with pytest.raises(LimitExceeded):
        offers(TEXT, "zlib")


@given(st.binary(max_size=100), st.integers(0, len(TEXT)))
def test_any_bytes_end_in_offers_or_in_our_error(noise: bytes, at: int) -> None:
    whole = TEXT.encode()
    for text in (noise, whole[:at] + noise + whole[at:], whole[:at]):
        try:
            for offer in parse_index(text, None, "index"):
                assert offer.name
                assert offer.version
        except ContentError:
            pass
