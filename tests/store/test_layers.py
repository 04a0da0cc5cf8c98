"""Facts by layer: what is remembered is exactly what was put, or nothing."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from affineur.store import layers
from affineur.store.layers import LayerStore

KEY = "sha256:" + "0" * 64, "dpkg", 1, "var/lib/dpkg/status"


def test_gives_back_what_was_put_under_the_same_key_only(tmp_path: Path) -> None:
    store = LayerStore(tmp_path)
    assert store.get(*KEY) is None
    store.put(*KEY, b"facts" * 1000)
    store.close()
    store = LayerStore(tmp_path)
    assert store.get(*KEY) == b"facts" * 1000
    layer, reader, version, globs = KEY
    assert store.get(layer, reader, version + 1, globs) is None
    assert store.get(layer, reader, version, globs + "\netc/os-release") is None
    assert store.get(layer, "os-release", version, globs) is None
    store.close()


def test_changed_content_is_not_believed(tmp_path: Path) -> None:
    store = LayerStore(tmp_path)
    store.put(*KEY, b"facts")
    store.close()
    changed = sqlite3.connect(tmp_path / "layers.sqlite")
    changed.execute("UPDATE facts SET content = x'789c030000000001'")  # zlib's empty stream
    changed.commit()
    changed.close()
    store = LayerStore(tmp_path)
    assert store.get(*KEY) is None
    store.put(*KEY, b"facts")
    assert store.get(*KEY) == b"facts"
    store.close()


def test_damage_within_the_file_costs_the_memory_only(tmp_path: Path) -> None:
    store = LayerStore(tmp_path)
    for number in range(50):
        store.put(f"sha256:{number:064}", *KEY[1:], bytes(range(256)) * 40)
    store.close()
    path = tmp_path / "layers.sqlite"
    content = path.read_bytes()
    path.write_bytes(content[:8192] + b"\xa5" * (len(content) - 8192))
    store = LayerStore(tmp_path)
    found = [store.get(f"sha256:{number:064}", *KEY[1:]) for number in range(50)]
    assert set(found) <= {None, bytes(range(256)) * 40}
    store.put(*KEY, b"facts")  # says nothing, whether it can or not
    store.close()


def test_stays_below_its_size_and_keeps_what_was_used_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "BYTES_MAX", 400_000)
    store = LayerStore(tmp_path)
    clock = sqlite3.connect(tmp_path / "layers.sqlite")
    noise = [os.urandom(20_000) for _ in range(40)]
    for number, facts in enumerate(noise):
        store.put(f"sha256:{number:064}", *KEY[1:], facts)
        clock.execute("UPDATE facts SET used = ? WHERE layer = ?", (number, f"sha256:{number:064}"))
        clock.commit()
    kept = [number for number in range(40) if store.get(f"sha256:{number:064}", *KEY[1:]) is not None]
    assert 10 < len(kept) < 22
    assert kept == list(range(40 - len(kept), 40))
    assert (tmp_path / "layers.sqlite").stat().st_size < 600_000
    clock.close()
    store.close()


def test_processes_share_one_memory(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from affineur.store.layers import LayerStore
store = LayerStore(Path(sys.argv[1]))
for number in range(15):
    store.put(f"sha256:{sys.argv[2]}{number}", "dpkg", 1, "", b"x" * 5000)
    assert store.get(f"sha256:{sys.argv[2]}{number}", "dpkg", 1, "") == b"x" * 5000
"""
    running = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path), str(name)]) for name in range(4)]
    assert [process.wait(60) for process in running] == [0] * 4
    store = LayerStore(tmp_path)
    assert all(store.get(f"sha256:{name}{number}", "dpkg", 1, "") for name in range(4) for number in range(15))
    store.close()
