"""Signatures put where those who pull look for them. Real readers: tests/system/test_lookaside.py."""

import errno
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from affineur.oci.digest import Digest
from affineur.oci.place import AnyReference, parse_place
from affineur.oci.reference import parse_reference
from affineur.source.configuration.registriesd import RegistriesD
from affineur.target import lookaside
from affineur.target.lookaside import LookasideTarget, Stored

DIGEST = Digest("sha256:" + "ab" * 32)
FOLDER = "team/app@sha256=" + "ab" * 32
ONE, TWO, THREE = b"\x90\r\x03one", b"\xc4\x0d\x03two", b"\x90\r\x03three"
REFERENCE = parse_reference("registry.example:5000/team/app:1")

Make = Callable[[str], LookasideTarget]


@pytest.fixture
def made(tmp_path: Path) -> Make:
    def make(text: str) -> LookasideTarget:
        folder = tmp_path / "etc/containers/registries.d"
        folder.mkdir(parents=True)
        (folder / "a.yaml").write_text(text)
        return LookasideTarget(RegistriesD.read({}, tmp_path, 1000))

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "staging" / FOLDER


@pytest.fixture
def staging(tmp_path: Path, made: Make) -> LookasideTarget:
    return made(
        f"default-docker: {{lookaside: 'https://a.example', lookaside-staging: 'file://{tmp_path}/deep/staging'}}"
    )


def lying(folder: Path) -> list[bytes]:
    names = [f"signature-{number}" for number in range(1, len(list(folder.iterdir())) + 1)]
    return [(folder / name).read_bytes() for name in names]


def test_the_folder_is_made(staging: LookasideTarget, folder: Path) -> None:
    assert staging.store(REFERENCE, DIGEST, [ONE, TWO]) == Stored(2, 0, str(folder))
    assert lying(folder) == [ONE, TWO]
    assert stat.S_IMODE((folder / "signature-1").stat().st_mode) & 0o444 == 0o444, "a web server's user reads it"


def test_what_lies_there_stays(staging: LookasideTarget, folder: Path) -> None:
    staging.store(REFERENCE, DIGEST, [TWO])
    assert staging.store(REFERENCE, DIGEST, [ONE, TWO, THREE, ONE]) == Stored(2, 2, str(folder))
    assert lying(folder) == [TWO, ONE, THREE]
    assert staging.store(REFERENCE, DIGEST, [ONE, TWO, THREE]) == Stored(0, 3, str(folder))


def test_several_writers(staging: LookasideTarget, folder: Path) -> None:
    signatures = [b"\x90" + bytes([number]) for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        stored = list(pool.map(lambda number: staging.store(REFERENCE, DIGEST, signatures[number % 24 :]), range(48)))
    assert not any(each.why for each in stored)
    assert sorted(lying(folder)) == signatures
    assert sum(each.written for each in stored) == 24


def test_without_signatures_nothing_happens(staging: LookasideTarget, folder: Path) -> None:
    assert staging.store(REFERENCE, DIGEST, []) == Stored()
    assert not folder.exists()


def test_no_place_is_told_with_what_to_write(tmp_path: Path, made: Make) -> None:
    """The engines write into a folder of this machine then: nobody who pulls elsewhere finds that."""
    stored = made("").store(REFERENCE, DIGEST, [ONE])
    assert stored == Stored(
        why="registries.d names no lookaside-staging for registry.example:5000/team/app;"
        ' write `docker: {"registry.example:5000/team/app": {lookaside-staging: file:///FOLDER}}`'
        f" into {tmp_path}/etc/containers/registries.d/registry.example-5000.yaml"
    )


def test_a_server_cannot_be_written(tmp_path: Path, made: Make) -> None:
    stored = made("docker:\n  registry.example:5000:\n    lookaside: https://me.example/x").store(
        REFERENCE, DIGEST, [ONE]
    )
    path = f"{tmp_path}/etc/containers/registries.d/a.yaml"
    assert stored.why == (
        f"https://me.example/x ({path}:3) cannot be written, only read;"
        f" add `lookaside-staging: file:///FOLDER` to the section at {path}:2"
    )


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, staging: LookasideTarget) -> None:
    (tmp_path / "deep").write_text("a file")
    stored = staging.store(REFERENCE, DIGEST, [ONE])
    assert "cannot be made" in stored.why
    assert stored.written == 0


def test_a_link_that_leads_nowhere_is_told(staging: LookasideTarget, folder: Path) -> None:
    staging.store(REFERENCE, DIGEST, [ONE])
    (folder / "signature-2").symlink_to("missing")
    stored = staging.store(REFERENCE, DIGEST, [ONE, TWO, THREE])
    assert (stored.written, stored.present) == (0, 1)
    assert stored.why == f"{folder}: signature-2 is there, and leads nowhere"


def test_a_full_disk_is_told_and_leaves_nothing(
    staging: LookasideTarget, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert "No space left" in staging.store(REFERENCE, DIGEST, [ONE]).why
    assert list(folder.iterdir()) == []


def test_a_file_system_without_hard_links(
    staging: LookasideTarget, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(new: str, name: str) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    assert staging.store(REFERENCE, DIGEST, [ONE, TWO]) == Stored(2, 0, str(folder))
    assert lying(folder) == [ONE, TWO]
    assert sorted(path.name for path in folder.iterdir()) == ["signature-1", "signature-2"]


def test_no_more_than_readers_read(staging: LookasideTarget, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookaside, "MAX_SIGNATURES", 2)
    stored = staging.store(REFERENCE, DIGEST, [ONE, TWO, THREE])
    assert (stored.written, stored.why) == (2, f"{folder}: holds 2, and no more are read")


def place(text: str) -> AnyReference:
    found = parse_place(text)
    assert found is not None
    return found


def test_a_folder_of_skopeo(tmp_path: Path, made: Make) -> None:
    """containers/image, directory/directory_transport.go, signaturePath."""
    target = made("")
    there = place(f"dir:{tmp_path}")
    assert target.store(there, DIGEST, [ONE]) == Stored(1, 0, str(tmp_path))
    assert target.store(there, DIGEST, [TWO], child=True) == Stored(1, 0, str(tmp_path))
    assert (tmp_path / "signature-1").read_bytes() == ONE
    assert (tmp_path / f"{DIGEST.encoded}.signature-1").read_bytes() == TWO


@pytest.mark.parametrize("text", ["oci:x:1", "oci-archive:x", "docker-archive:x"])
def test_other_places_hold_none(made: Make, text: str) -> None:
    assert "has no place for signatures" in made("").store(place(text), DIGEST, [ONE]).why
