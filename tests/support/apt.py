"""The real apt as a second witness: a root of its own, lists as `apt-get update` would have left them, its answer.

Nothing is fetched: Release and Packages files are written where apt keeps what it fetched, so that any URI can be
named. `updated` does run `apt-get update`, over `file:` URIs only.
"""

import dataclasses
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from support.leaving_out import leave_out

__all__ = ["Answer", "AptRoot", "Line", "needs_apt", "stanza"]

TIMEOUT_S = 120


@dataclasses.dataclass(frozen=True, order=True)
class Line:
    """One line of `apt list --upgradable`."""

    name: str
    suites: str
    available: str
    architecture: str
    installed: str


@dataclasses.dataclass(frozen=True)
class Answer:
    """What apt said: its lines, or that it refused (then `errors` is not empty)."""

    lines: list[Line]
    errors: list[str]
    warnings: list[str]


def needs_apt() -> None:
    """Leave the test out where there is no apt."""
    if not shutil.which("apt"):
        leave_out("needs apt")


def stanza(fields: Mapping[str, object]) -> str:
    """A stanza of fields that are not None, and the empty line behind it."""
    return "".join(f"{name}: {value}\n" for name, value in fields.items() if value is not None) + "\n"


class AptRoot:
    """A folder that apt takes for `/`.

    Args:
        folder: empty or absent.
        files: what lies in it, by path relative to it (`etc/apt/sources.list`, `var/lib/dpkg/status`, …).
    """

    def __init__(self, folder: Path, files: Mapping[str, bytes], architecture: str = "amd64") -> None:
        self.folder = folder
        for path in (
            "etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/apt/sources.list.d", "etc/apt/trusted.gpg.d",
            "var/lib/apt/lists/partial", "var/lib/dpkg", "var/cache/apt/archives/partial", "usr/bin",
        ):  # fmt: skip
            (folder / path).mkdir(parents=True, exist_ok=True)
        (folder / "var/lib/dpkg/status").touch()
        for path, content in files.items():
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        dpkg = folder / "usr/bin/dpkg"
        dpkg.write_text(
            f'#!/bin/sh\ncase "$*" in *--print-foreign-architectures*)'
            f" grep -sv '^{architecture}$' {folder}/var/lib/dpkg/arch;; esac\ntrue\n"
        )
        dpkg.chmod(0o755)
        (folder / "apt.conf").write_text(
            f'Dir "{folder}/";\nDir::State::status "{folder}/var/lib/dpkg/status";\nDir::Bin::dpkg "{dpkg}";\n'
            f'APT::Architecture "{architecture}";\nDir::Cache::pkgcache "";\nDir::Cache::srcpkgcache "";\n'
            f'Dir::Etc::trusted "{folder}/etc/apt/trusted.gpg";\nAPT::Sandbox::User "root";\n'
            f'Dir::Log "{folder}/";\n'
        )

    def put_list(self, uri: str, suite: str, file: str, content: bytes) -> None:
        """Leave a file as if it had been fetched: `file` is Release, InRelease or an index's path below the suite."""
        below = f"{suite}" if suite.endswith("/") else f"dists/{suite}/"
        address = uri + ("" if suite == "/" else below) + file
        name = re.sub(r"^[a-z+]+:(//)?([^/@]*@)?", "", address)
        name = name.replace("_", "%5f").replace("/", "_")
        (self.folder / "var/lib/apt/lists" / name).write_bytes(content)

    def upgradable(self) -> Answer:
        """`apt list --upgradable`."""
        return self._answer(self._run("apt", "list", "--upgradable"))

    def asked(self) -> tuple[set[str], list[str]]:
        """The Packages files, without their compression's ending, that `apt-get update` would ask for; its errors."""
        done = self._run("apt-get", "update", "--print-uris", "-o", "Acquire::CompressionTypes::Order::=gz")
        uris = [line.split("'")[1] for line in done.stdout.splitlines() if "/Packages" in line]
        return {re.sub(r"/Packages\.\w+$", "/Packages", uri) for uri in uris}, _errors(done)

    def options(self, *names: str) -> tuple[list[tuple[str, str]], list[str]]:
        """`apt-config dump`: (name, value) of everything below some names; its errors."""
        done = self._run("apt-config", "dump", "--format", "%F|%v%n", *names)
        pairs = [(name, value) for name, _, value in (line.partition("|") for line in done.stdout.splitlines())]
        return pairs, _errors(done)

    def updated(self) -> str:
        """`apt-get update`, over `file:` URIs; its output."""
        done = self._run("apt-get", "update")
        return done.stdout + done.stderr

    def _run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        environment = {"LC_ALL": "C", "PATH": os.environ["PATH"], "APT_CONFIG": f"{self.folder}/apt.conf"}
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, cwd=self.folder
        )

    def _answer(self, done: "subprocess.CompletedProcess[str]") -> Answer:
        lines = [_LINE.fullmatch(text) for text in done.stdout.splitlines() if "/" in text]
        assert all(lines), done.stdout
        warnings = [text for text in done.stderr.splitlines() if text.startswith("W: ")]
        return Answer([Line(*match.groups()) for match in _matched(lines)], _errors(done), warnings)


def _errors(done: "subprocess.CompletedProcess[str]") -> list[str]:
    return [text for text in done.stderr.splitlines() if text.startswith("E: ")]


_LINE = re.compile(r"([^/]+)/(\S*) (\S+) (\S+) \[upgradable from: (\S+)\]")


def _matched(lines: Iterable[re.Match[str] | None]) -> list[re.Match[str]]:
    return [match for match in lines if match is not None]
