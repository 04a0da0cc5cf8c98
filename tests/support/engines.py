"""Stand-ins for container engines: programs that write down what they were told, and say what the test gave them.

What they say has the form that the tools' own documentation shows: docker's and podman's `info` and `image inspect`
(docs.docker.com/reference/cli/docker, podman-info(1), podman-image-inspect(1)), nerdctl's the same as docker's, ctr's
tables as ctr 1.6 prints them.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["StandIn", "docker_image", "docker_info", "podman_image", "podman_info"]

SCRIPT = r"""#!{python} -SE
import json, os, signal, sys, time
folder = {folder!r}
words = sys.argv[1:]
with open(folder + "/calls", "a") as calls:
    calls.write(json.dumps(words) + "\n")
answers = json.load(open(folder + "/answers"))
with open(folder + "/pid", "w") as file:
    file.write(str(os.getpid()))
line = " ".join(words)
fitting = [key for key in answers if line == key or line.startswith(key + " ")]
answer = answers[max(fitting, key=len)] if fitting else {{"status": 125, "err": "Error: unexpected: " + line}}
for name in answer.get("takes", []):
    answers[name[0]] = name[1]
    json.dump(answers, open(folder + "/answers", "w"))
for name, what in answer.get("signals", []):
    signal.signal(getattr(signal, name), lambda *_: (open(folder + "/" + what, "w").close(), os._exit(143)))
sys.stdout.buffer.write(answer.get("out", "").encode("latin-1"))
sys.stdout.flush()
sys.stderr.buffer.write(answer.get("err", "").encode("latin-1"))
sys.stderr.flush()
if "touch" in answer:
    open(answer["touch"], "w").close()
time.sleep(answer.get("sleep", 0))
sys.exit(answer.get("status", 0))
"""


class StandIn:
    """One program, in a folder that can be a PATH of its own.

    Attributes:
        answers: words of the command line, as far as they are the same → `status`, `out`, `err`; `sleep` in seconds;
            `touch` a file once it has spoken; `takes`: [words, answer] that hold from then on; `signals`: [name, file]
            to be touched when it comes. The longest words that fit count.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder / f"{name}-said"
        self.folder.mkdir(parents=True)
        self.bin = folder / "bin"
        self.bin.mkdir(exist_ok=True)
        self.path = self.bin / name
        self.path.write_text(SCRIPT.format(python=sys.executable, folder=str(self.folder)))
        self.path.chmod(0o755)
        self.answers: dict[str, dict[str, Any]] = {}

    @property
    def environment(self) -> dict[str, str]:
        """A PATH with nothing but the stand-ins of this folder."""
        return {"PATH": str(self.bin)}

    def say(self, words: str, out: Any = "", *, status: int = 0, err: str = "", **more: Any) -> None:
        """Have it answer from now on; what is no text is said as JSON."""
        text = out if isinstance(out, str) else json.dumps(out)
        self.answers[words] = {"out": text, "status": status, "err": err, **more}
        (self.folder / "answers").write_text(json.dumps(self.answers))

    @property
    def pid(self) -> int:
        """Of the process that ran last."""
        return int((self.folder / "pid").read_text())

    @property
    def calls(self) -> list[list[str]]:
        """The words of each call so far."""
        file = self.folder / "calls"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def called(self, *words: str) -> list[list[str]]:
        """Those calls that begin so."""
        return [call for call in self.calls if call[: len(words)] == list(words)]


def docker_info(root: str = "", driver: str = "overlay2") -> dict[str, Any]:
    """As docker says it of this machine."""
    own = os.uname()
    told = {"ID": "7TRN:IPZB", "Containers": 0, "Driver": driver, "DockerRootDir": root, "Name": own.nodename}
    return told | {"KernelVersion": own.release, "ServerVersion": "28.2.2", "OSType": "linux"}


def podman_info(root: str = "", driver: str = "overlay", temporary: str = "/var/tmp") -> dict[str, Any]:
    """As podman says it of this machine."""
    own = os.uname()
    host = {"hostname": own.nodename, "kernel": own.release, "serviceIsRemote": False}
    store = {"graphDriverName": driver, "graphRoot": root, "imageCopyTmpDir": temporary}
    return {"host": host, "store": store, "version": {"APIVersion": "5.4.2", "Version": "5.4.2"}}


def docker_image(
    name: str, digest: str, layers: Sequence[str], *, identity: str = "sha256:" + "1d" * 32, **more: Any
) -> list[dict[str, Any]]:
    """`docker image inspect` of an image that was pulled by its digest: no tag, and familiar names for Docker Hub's."""
    told = {
        "Id": identity,
        "RepoTags": [],
        "RepoDigests": [f"{name}@{digest}"],
        "Created": "2026-01-02T03:04:05Z",
        "Architecture": "amd64",
        "Os": "linux",
        "RootFS": {"Type": "layers", "Layers": list(layers)},
    }
    return [told | more]


def podman_image(name: str, digest: str, layers: Sequence[str], **more: Any) -> list[dict[str, Any]]:
    """`podman image inspect` likewise; an id without its algorithm."""
    return docker_image(name, digest, layers, identity="1d" * 32, Digest=digest, NamesHistory=[], **more)
