"""A containerd of the tests' own: private root, state and socket; layers are unpacked by copying; stopped by its id."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

__all__ = ["CONTAINERD", "containerd"]

CONTAINERD = shutil.which("containerd") if shutil.which("ctr") else None
STARTS_WITHIN_S = 15.0
# plugins that look at the machine instead of at this folder
UNWANTED = [
    "io.containerd.grpc.v1.cri",
    "io.containerd.internal.v1.opt",
    *(f"io.containerd.snapshotter.v1.{name}" for name in ("aufs", "btrfs", "devmapper", "overlayfs", "zfs")),
]


@contextmanager
def containerd(folder: Path) -> Iterator[dict[str, str]]:
    """Run it until the block ends; only root can.

    Yields:
        Variables of the environment by which ctr finds it.
    """
    assert CONTAINERD is not None
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as short:  # a socket's path has at most 107 characters: unix(7)
        configuration = folder / "config.toml"
        configuration.write_text(
            f'version = 2\nroot = "{folder}/root"\nstate = "{short}/state"\ndisabled_plugins = {UNWANTED}\n'
            f'[grpc]\naddress = "{short}/c.sock"\n[ttrpc]\naddress = "{short}/t.sock"\n'
        )
        environment = {"CONTAINERD_ADDRESS": f"{short}/c.sock", "CONTAINERD_SNAPSHOTTER": "native"}
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([CONTAINERD, "--config", configuration], stdout=log, stderr=log)
        try:
            _wait(process, environment)
            yield environment
        finally:
            process.terminate()
            process.wait(10)


def _wait(process: "subprocess.Popen[bytes]", environment: dict[str, str]) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    words = ["ctr", "--address", environment["CONTAINERD_ADDRESS"], "version"]
    while subprocess.run(words, capture_output=True, check=False).returncode != 0:
        assert process.poll() is None, "containerd ended at once; see its log"
        if time.monotonic() > deadline:
            raise TimeoutError("containerd did not start")
        time.sleep(0.05)
