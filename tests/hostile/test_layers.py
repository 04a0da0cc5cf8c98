"""Layers: bombs, floods of members, frames and entries; maps, paths and links made to cost much."""

import gzip
import io
import json
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from support.bending import STATUS, member, plain
from support.hostile import HostileRegistry
from support.hostile_victim import Victim
from support.registry import Layer, digest_of, tar_of
from support.world import World

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MIB = 1 << 20
MOST_RESIDENT = 300 * MIB
"""Of a process of its own at its peak: Python, its modules, a decoder's window of 128 MiB, and pieces."""
READING_LAYERS = ("packages", "assess")


def zipped(content: bytes) -> Layer:
    """These bytes, said to be gzip."""
    return Layer(content, digest_of(b""), "gzip")


def bomb(path: str, compression: str) -> Layer:
    """A file of 8 GiB from less than 1/200 of that: a header, and the same compressed zeros again and again."""
    head = member(path, size=8 << 30).tobuf(tarfile.GNU_FORMAT)
    compress = gzip.compress if compression == "gzip" else zstd.compress
    again = compress(bytes(MIB)) * 8192
    return Layer(compress(head) + again, digest_of(b""), "gzip" if compression == "gzip" else "zstd")


class Measured(NamedTuple):
    """How a process of its own ended; peak in bytes."""

    code: int
    err: str
    peak: int


CHILD = """
import sys
from affineur.cli.main import run
code = run(sys.argv[2:])
for line in open("/proc/self/status"):
    if line.startswith("VmHWM:"):
        open(sys.argv[1], "w").write(line.split()[1])
sys.exit(code)
"""


def measured(registry: HostileRegistry, folder: Path) -> Measured:
    """`affineur packages` in a process of its own, with the memory that decoders take outside of Python's eyes."""
    settings, peak = folder / "config.toml", folder / "peak"
    settings.write_text(f'cache = "{folder / "cache"}"\n[network]\nallow = ["127.0.0.0/8"]\n')
    words = ["packages", "--json", "--settings", str(settings), f"{registry.host}/team/app:1"]
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(peak), *words], capture_output=True, text=True, check=False, timeout=120
    )
    return Measured(done.returncode, done.stderr, int(peak.read_text()) * 1024)


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_a_bomb(registry: HostileRegistry, good: World, tmp_path: Path, compression: str) -> None:
    registry.image([good.layer(), bomb("usr/share/zeros", compression)])
    done = measured(registry, tmp_path)
    assert done.code == 5
    assert "not unpacked further" in done.err
    assert done.peak < MOST_RESIDENT


@pytest.mark.parametrize("log", [28, 31])
def test_a_zstd_window_of_more_than_128_megabytes(victim: Victim, good: World, log: int) -> None:
    """RFC 8878 § 3.1.1.1.2: the frame's header asks for it, with an exponent over 10 in its upper five bits."""
    frame = b"\x28\xb5\x2f\xfd\x00" + bytes([(log - 10) << 3]) + b"\x01\x00\x00"
    victim.registry.image([good.layer(), Layer(frame, digest_of(b""), "zstd")])
    victim.refuse(5, "zstd", commands=READING_LAYERS)


def test_two_million_members_of_gzip(registry: HostileRegistry, good: World, tmp_path: Path) -> None:
    """Each of 20 bytes, each unpacks to nothing."""
    registry.image([good.layer(), zipped(gzip.compress(b"", 1, mtime=0) * 2_000_100)])
    done = measured(registry, tmp_path)
    assert (done.code, done.peak < MOST_RESIDENT) == (5, True)
    assert "members" in done.err


def test_hundreds_of_thousands_of_skippable_frames_of_zstd(
    registry: HostileRegistry, good: World, tmp_path: Path
) -> None:
    """RFC 8878 § 3.1.2. They hold nothing: an empty layer, or one that is refused."""
    frames = b"\x50\x2a\x4d\x18\x00\x00\x00\x00" * 300_000 + zstd.compress(tar_of({}))
    registry.image([good.layer(), Layer(frames, digest_of(b""), "zstd")])
    done = measured(registry, tmp_path)
    assert done.code in (0, 3, 5)
    assert done.peak < MOST_RESIDENT


def test_a_skippable_frame_of_four_gigabytes(victim: Victim, good: World) -> None:
    victim.registry.image(
        [good.layer(), Layer(b"\x50\x2a\x4d\x18\xff\xff\xff\xff" + bytes(1000), digest_of(b""), "zstd")]
    )
    victim.refuse(5, "ends too early", commands=READING_LAYERS)


def test_ten_million_entries(registry: HostileRegistry, good: World, tmp_path: Path) -> None:
    """5 GB of headers from some MB: the ratio ends it long before their number does."""
    block = gzip.compress(member("usr/share/x").tobuf() * 2048, 6)
    registry.image([good.layer(), zipped(block * 4883)])
    done = measured(registry, tmp_path)
    assert (done.code, done.peak < MOST_RESIDENT) == (5, True)


def test_a_gzip_stream_of_other_bytes_after_it(victim: Victim, good: World) -> None:
    victim.registry.image([good.layer(), zipped(gzip.compress(tar_of({"x": b""})) + b"more")])
    victim.refuse(5, "gzip", commands=READING_LAYERS)


@pytest.mark.parametrize("cut", [1, 5, 17, 100, -8, -1])
def test_a_gzip_stream_that_ends_too_early(victim: Victim, good: World, cut: int) -> None:
    whole = gzip.compress(tar_of({"usr/bin/x": bytes(range(256)) * 64}), mtime=0)
    victim.registry.image([good.layer(), zipped(whole[:cut])])
    victim.refuse(5, "layer sha256:", commands=READING_LAYERS)


def test_a_wrong_checksum(victim: Victim, good: World) -> None:
    whole = bytearray(gzip.compress(tar_of({"usr/bin/x": b"x" * 5000}), mtime=0))
    assert int.from_bytes(whole[-8:-4], "little") == zlib.crc32(tar_of({"usr/bin/x": b"x" * 5000}))
    whole[-8] ^= 1
    victim.registry.image([good.layer(), zipped(bytes(whole))])
    victim.refuse(5, "layer sha256:", commands=READING_LAYERS)


def pax(records: bytes, name: str = STATUS, content: bytes = b"", kind: bytes = tarfile.REGTYPE) -> bytes:
    """An entry with this extended header before it, and an end."""
    head = member("x", b"x", size=len(records)).tobuf(tarfile.USTAR_FORMAT)
    own = member(name, kind, size=len(content)).tobuf(tarfile.USTAR_FORMAT)
    return head + records + bytes(-len(records) % 512) + own + content + bytes(-len(content) % 512 + 1024)


def record(key: str, value: bytes) -> bytes:
    """`length key=value`, whose length counts itself."""
    rest = b" " + key.encode() + b"=" + value + b"\n"
    length = len(rest) + 1
    while len(str(length)) + len(rest) != length:
        length += 1
    return str(length).encode() + rest


def sparse(size: bytes, content: bytes) -> bytes:
    """The database as a sparse file of pax 1.0, whose map stands before the data."""
    said = {"major": b"1", "minor": b"0", "name": STATUS.encode(), "realsize": size}
    return pax(b"".join(record(f"GNU.sparse.{key}", value) for key, value in said.items()), content=content)


HEADERS: dict[str, bytes] = {
    "a header of two megabytes": pax(record("comment", b"x" * (2 * MIB))),
    "said to have 8 GB": member("x", b"x", size=8 << 30).tobuf(tarfile.GNU_FORMAT),
    "200,000 records": pax(b"4 =\n" * 200_000),
    "a record of no length": pax(b"0 path=x\n"),
    "a record longer than all": pax(b"99999999999 path=x\n"),
    "a length of 1,000 digits": pax(b"9" * 1000 + b" path=x\n"),
    "a negative size": pax(record("size", b"-1")),
    "a size beyond numbers": pax(record("size", b"9" * 64)),
    "a size beyond the archive": pax(record("size", b"9" * 15)),
    "a name of a megabyte": pax(record("path", b"x/" * (MIB // 2 + 100))),
    "a sparse file of a terabyte": sparse(b"1099511627776", b"0\n" + bytes(510)),
    "a sparse map of a million regions": sparse(b"100", b"1000000\n" + b"0\n" * 500_000),
    "a sparse map without an end": sparse(b"100", b"5\n0\n"),
    "regions that overlap": pax(
        record("GNU.sparse.map", b"0,10,5,10") + record("GNU.sparse.size", b"20"), content=bytes(20)
    ),
    "a wrong checksum": bytes(member("x").tobuf()[:148]) + b"0000000\0" + bytes(member("x").tobuf()[156:]),
    "no tar": bytes(range(256)) * 100,
    "zeros and then more": bytes(512) + member("x").tobuf(),
    "a path that leads out": tar_of({"../../etc/x": b"x"}),
    "a path that leads out later": tar_of({"usr/../../x": b"x"}),
    "a hard link that leads out": tar_of({STATUS: member(STATUS, tarfile.LNKTYPE, "../../etc/passwd")}),
}  # fmt: skip


@pytest.mark.parametrize("content", HEADERS.values(), ids=HEADERS)
def test_an_archive_made_to_cost_much(victim: Victim, good: World, content: bytes) -> None:
    victim.registry.image([good.layer(), plain(content)])
    victim.refuse(5, "layer sha256:", commands=READING_LAYERS)


LINKS = {
    "a link to itself": {STATUS: member(STATUS, tarfile.SYMTYPE, f"/{STATUS}")},
    "two that lead to each other": {
        STATUS: member(STATUS, tarfile.SYMTYPE, "/srv/a"),
        "srv/a": member("srv/a", tarfile.SYMTYPE, f"/{STATUS}"),
    },
    "two hard links that lead to each other": {
        STATUS: member(STATUS, tarfile.LNKTYPE, "srv/a"),
        "srv/a": member("srv/a", tarfile.LNKTYPE, STATUS),
    },
    "a chain of 1,000": {
        STATUS: member(STATUS, tarfile.SYMTYPE, "/srv/0"),
        **{f"srv/{n}": member(f"srv/{n}", tarfile.SYMTYPE, f"/srv/{n + 1}") for n in range(1000)},
    },
    "a folder that is its own parent": {
        "var/lib/dpkg": member("var/lib/dpkg", tarfile.SYMTYPE, "/var/lib/dpkg/x"),
    },
    "a target outside": {STATUS: member(STATUS, tarfile.SYMTYPE, "../" * 50 + "etc/shadow")},
    "a target of 50,000 folders": {STATUS: member(STATUS, tarfile.SYMTYPE, "/x" * 50_000)},
}


@pytest.mark.parametrize("files", LINKS.values(), ids=LINKS)
def test_links(victim: Victim, good: World, files: dict[str, bytes | tarfile.TarInfo]) -> None:
    """The database is nowhere then: refused, or not complete; never accepted, never a file of this host."""
    victim.registry.image([good.layer(), tar_of(files)])
    for outcome in victim.every(*READING_LAYERS):
        assert outcome.code in (3, 5)
        assert "root:" not in outcome.out + outcome.err


def test_a_hard_link_to_itself(victim: Victim, good: World) -> None:
    """It changes nothing: what the layer below has is there still."""
    victim.acceptable = True
    victim.registry.image([good.layer(), tar_of({STATUS: member(STATUS, tarfile.LNKTYPE, STATUS)})])
    for outcome in victim.every("packages"):
        assert len(outcome.document["packages"]) == len(good.status)


DEEP = {
    "files": lambda number: member(f"etc/apt/{number}/" + "a/" * 1000 + "x"),
    "links": lambda number: member(f"etc/apt/{number}", tarfile.SYMTYPE, f"/{number}/" + "a/" * 1000 + "x"),
    "one file after the other": lambda number: member(f"etc/apt/{number}/" + "a/" * (number % 1000) + "x"),
}


@pytest.mark.parametrize("make", DEEP.values(), ids=DEEP)
def test_thousands_of_deep_paths(victim: Victim, good: World, make: Callable[[int], tarfile.TarInfo]) -> None:
    """Each folder on the way is held when layers are merged: 5,000 paths of 1,000 folders would be gigabytes."""
    tar = b"".join(make(number).tobuf(tarfile.GNU_FORMAT) for number in range(5000))
    victim.registry.image([good.layer(), zipped(gzip.compress(tar + bytes(1024), 1))])
    victim.most_held, victim.logins = 256 * MIB, ("bearer",)
    victim.refuse(5, "as deep as no image", commands=("assess",))


@pytest.mark.parametrize("where", ["usr/share/x", "etc/apt/x"])
def test_tens_of_thousands_of_entries(victim: Victim, good: World, where: str) -> None:
    out = io.BytesIO()
    for number in range(10_000):
        out.write(member(f"{where}{number}").tobuf(tarfile.USTAR_FORMAT))
    victim.registry.image([good.layer(), zipped(gzip.compress(out.getvalue() + bytes(1024), 1))])
    victim.acceptable, victim.most_held, victim.logins = True, 128 * MIB, ("bearer",)
    for outcome in victim.every("packages"):
        assert outcome.code in (0, 3, 5)


def test_a_database_above_every_limit(victim: Victim, good: World) -> None:
    victim.registry.image([good.layer(), plain(member(STATUS, size=10 << 30).tobuf(tarfile.GNU_FORMAT) + bytes(512))])
    victim.refuse(5, STATUS, commands=READING_LAYERS)


def test_hundreds_of_equal_layers(victim: Victim, good: World) -> None:
    """The same small layer 300 times: fetched once, since its digest is known then."""
    empty = victim.registry.image([tar_of({"etc/x": b""})])["layers"][0]
    diff = digest_of(tar_of({"etc/x": b""}))
    diff_ids = [digest_of(good.layer())] + [diff] * 300
    victim.registry.image(
        [good.layer()],
        change=lambda m: m["layers"].extend([empty] * 300),
        rootfs={"type": "layers", "diff_ids": diff_ids},
    )
    victim.acceptable, victim.logins, victim.most_requests = True, ("bearer",), 320
    for outcome in victim.every("packages"):
        assert outcome.code in (0, 3)
        assert json.loads(outcome.out)["packages"]
