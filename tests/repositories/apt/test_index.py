"""Packages indexes as streams."""

import time
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affineur.errors import LimitExceeded, MalformedDocument
from affineur.packages.relations import relations
from affineur.repositories.apt.index import MAX_STANZA_BYTES, parse_packages
from affineur.repositories.apt.model import Offer

STANZA = b"""Package: libssl3
Source: openssl (3.0.15-1)
Version: 3.0.15-1~deb12u1
Installed-Size: 6020
Architecture: amd64
Depends: libc6 (>= 2.34)
Multi-Arch: same
Description: Secure Sockets Layer toolkit
 of two lines
Phased-Update-Percentage: 30
Filename: pool/main/o/openssl/libssl3_3.0.15-1~deb12u1_amd64.deb
Size: 2021508
SHA256: AB41AB41AB41AB41AB41AB41AB41AB41AB41AB41AB41AB41AB41AB41AB41AB41
"""
OTHER = b"Package: zlib1g\nVersion: 1:1.2\nArchitecture: amd64\n"
LIBSSL3 = Offer(
    name="libssl3",
    version="3.0.15-1~deb12u1",
    architecture="amd64",
    source="openssl",
    source_version="3.0.15-1",
    filename="pool/main/o/openssl/libssl3_3.0.15-1~deb12u1_amd64.deb",
    size=2021508,
    sha256="ab41" * 16,
    phased=30,
    component="main",
    index_architecture="amd64",
    multi_arch="same",
    relations=relations({"installed-size": "6020", "depends": "libc6 (>= 2.34)"}.get),
)


def test_a_stanza_becomes_an_offer() -> None:
    assert list(parse_packages([STANZA], {"libssl3"}, "main", "amd64")) == [LIBSSL3]


def test_only_wanted_names_and_all_without_names() -> None:
    data = OTHER + b"\n" + STANZA + b"\n\n\n" + OTHER.replace(b"1:1.2", b"1:1.3")
    assert [offer.version for offer in parse_packages([data], {"zlib1g"})] == ["1:1.2", "1:1.3"]
    assert [offer.name for offer in parse_packages([data], None)] == ["zlib1g", "libssl3", "zlib1g"]
    assert list(parse_packages([data], set())) == []


@given(st.lists(st.integers(0, 2 * len(STANZA) + len(OTHER)), max_size=8))
def test_how_the_bytes_are_cut_does_not_matter(cuts: list[int]) -> None:
    data = STANZA + b"\n" + OTHER + b"\n" + STANZA
    places = [0, *sorted(cuts), len(data)]
    chunks = [data[start:end] for start, end in pairwise(places)]
    assert list(parse_packages(chunks, {"libssl3"}, "main", "amd64")) == [LIBSSL3, LIBSSL3]


def test_the_name_may_stand_anywhere_and_lines_may_end_as_in_windows() -> None:
    moved = b"Version: 2\nArchitecture: all\nPackage: a\n\n"
    assert [offer.version for offer in parse_packages([moved], {"a"})] == ["2"]
    assert [offer.version for offer in parse_packages([moved.replace(b"\n", b"\r\n")], {"a"})] == ["2"]


def test_names_are_folded_as_dpkg_folds_them() -> None:
    assert [
        offer.name for offer in parse_packages([b"Package: LibFoo\nVersion: 1\nArchitecture: all\n"], {"libfoo"})
    ] == ["libfoo"]


@pytest.mark.parametrize(
    "stanza",
    [
        b"Package: a\n",
        b"Package: a\nVersion: 1\nnonsense\n",
        b" continuation\nPackage: a\nVersion: 1\n",
        b"Package: a\nVersion: 1\nSize: many\n",
        b"Package: a\nVersion: 1\nSize: -1\n",
        b"Package: a\nVersion: 1\nPhased-Update-Percentage: half\n",
        b"Version: 1\n",
        b"\x00\xff\xfe garbage",
    ],
)
def test_broken_stanzas_are_refused(stanza: bytes) -> None:
    with pytest.raises(MalformedDocument):
        list(parse_packages([OTHER, b"\n", stanza], {"a"}))


def test_empty_indexes_offer_nothing() -> None:
    for chunks in ([], [b""], [b"\n\n\n"]):
        assert list(parse_packages(chunks, None)) == []


def test_an_endless_stanza_is_refused_and_not_kept() -> None:
    endless = (b"Description: x\n " + b"x" * 65536 for _ in range(10_000))
    tracemalloc.start()
    with pytest.raises(LimitExceeded):
        list(parse_packages(endless, {"a"}))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * MAX_STANZA_BYTES


def test_a_large_index_needs_little_memory() -> None:
    block = (OTHER + b"Description: " + b"x" * 700 + b"\n\n") * 100
    tracemalloc.start()
    start = time.process_time()
    assert list(parse_packages((block for _ in range(300)), {"a"})) == []
    assert time.process_time() - start < 10
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 << 20
