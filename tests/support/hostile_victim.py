"""The program in the hands of a hostile registry: what it printed, asked, read and held; and what must hold each time.

Each run is of `affineur COMMAND --timings … IMAGE` in this process, with the network replaced, on an empty cache,
for a user whose settings restrict nothing: what is refused is refused by the built-in rules. Pauses are noted, and not
made. Memory is measured in runs with a login, which do all that the others do.
"""

import io
import itertools
import json
import re
import shutil
import tracemalloc
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from affineur.cli.main import run
from affineur.http.client import Client
from support.hostile import Demand, HostileRegistry
from support.hostile_network import Network
from support.world import World

__all__ = ["MOST_HELD", "MOST_READ", "READING", "Outcome", "Victim", "in_place"]

READING = ("inspect", "packages", "assess")
"""Commands that open an image."""
MOST_READ = 16 << 20
"""Bytes from the network; a document may have 8 MiB."""
MOST_HELD = 64 << 20
"""Bytes of Python's own memory at its peak, the servers' of the test included."""
MOST_REQUESTS = 120
MOST_PAUSED_S = 150.0
MOST_SAID = 4000
"""Characters of a refusal."""
_FOR_PEOPLE = "\n"
_ENDINGS = (0, 1, 2, 3, 4, 5)
_PROGRESS = re.compile(
    r" *\d+ s  .*| *\d+\.\d{3} .*| *seconds +bytes  stage|affineur: [^ ]+: .*; trying again in \d+ s"
)


@dataclass(frozen=True)
class Outcome:
    """What a run left."""

    command: str
    demand: Demand
    code: int
    out: str
    err: str
    read: int
    held: int
    paused_s: float

    @property
    def document(self) -> dict[str, Any]:
        """What `--json` printed."""
        found: dict[str, Any] = json.loads(self.out)
        return found

    def refused(self, code: int | tuple[int, ...], *words: str) -> str:
        """Assert one sentence, nothing on stdout, this exit code, and these words in it; return the sentence."""
        assert self.code in (code if isinstance(code, tuple) else (code,)), self
        assert self.out == "", self
        *before, sentence = self.err.splitlines() or [""]
        assert all(_PROGRESS.fullmatch(line) for line in before), self.err
        assert sentence.startswith("affineur: "), self.err
        assert len(sentence) <= MOST_SAID, sentence
        for word in words:
            assert word in sentence, sentence
        return sentence

    def told(self, *words: str) -> dict[str, Any]:
        """Assert that the image was read and each word found in what could not be told; return the document."""
        document = self.document
        inner = document["unassessed"] if "unassessed" in document else document["affineur"]["unassessed"]
        said = json.dumps(inner)
        for word in words:
            assert word in said, said
        return document


@dataclass
class Victim:
    """Somebody who runs the program on a reference into `registry`.

    Attributes:
        others: further servers, that no secret of the registry may reach.
        most_*: what a run may take at the most; a test with a reason may raise them.
        arguments: further ones of every command.
        image: the reference; None for `team/app:1` of the registry.
        logins: what the registry demands, one after the other.
        acceptable: the image may be accepted, since the registry's trick changes nothing of it.
    """

    registry: HostileRegistry
    network: Network
    world: World
    folder: Path
    others: list[HostileRegistry] = field(default_factory=list)
    most_read: int = MOST_READ
    most_held: int = MOST_HELD
    most_requests: int = MOST_REQUESTS
    arguments: list[str] = field(default_factory=list)
    image: str | None = None
    logins: tuple[Demand, ...] = ("nothing", "bearer")
    pauses: list[float] = field(default_factory=list)
    acceptable: bool = False

    def __post_init__(self) -> None:
        self._runs = itertools.count()

    @property
    def reference(self) -> str:
        """What is asked for."""
        return self.image or f"{self.registry.host}/team/app:1"

    def every(self, *commands: str) -> Iterator[Outcome]:
        """Run these commands (all that open an image, if none is named) with the last login, the first with each."""
        chosen = commands or READING
        for number, demand in enumerate(self.logins, 1):
            for command in chosen if number == len(self.logins) else chosen[:1]:
                self.registry.demands = demand
                yield self.run(command)

    def refuse(self, code: int | tuple[int, ...], *words: str, commands: tuple[str, ...] = READING) -> None:
        """Assert that every run of these commands is `Outcome.refused`."""
        for outcome in self.every(*commands):
            outcome.refused(code, *words)

    def run(self, command: str, *arguments: str) -> Outcome:
        """One run, and what must hold whatever the registry does."""
        self.registry.forget()
        self.network.forget()
        self.pauses.clear()
        words = [command, *self._options(command), *arguments, self.reference]
        if "--format" not in words:
            words.insert(1, "--json")
        out, err = io.StringIO(), io.StringIO()
        if traced := self.registry.demands != "nothing" or len(self.logins) == 1:  # it takes half of the time
            tracemalloc.start()
        try:
            with redirect_stdout(out), redirect_stderr(err):
                code = run(words)
            _, held = tracemalloc.get_traced_memory()
        finally:
            if traced:
                tracemalloc.stop()
        outcome = Outcome(
            command, self.registry.demands, code, out.getvalue(), err.getvalue(), self.network.read, held,
            sum(self.pauses),
        )  # fmt: skip
        self._bounded(outcome)
        self._clean(outcome)
        self._kept(outcome)
        return outcome

    def _options(self, command: str) -> list[str]:
        place = self.folder / f"run{next(self._runs)}"
        place.mkdir()
        if command == "assess":  # three files that are made slowly, and copied fast
            shutil.copytree(self.world.folder / "empty", place / "cache")
        settings = place / "config.toml"
        text = self.world.configuration().read_text()
        settings.write_text(text.replace(f'cache = "{self.world.folder / "cache"}"', f'cache = "{place / "cache"}"'))
        options = ["--settings", str(settings), "--timings", *self.arguments]
        logins = place / "auth.json"
        named = self.reference.partition("/")[0]
        known = {} if self.registry.demands == "nothing" else {named: {"auth": self.registry.basic}}
        logins.write_text(json.dumps({"auths": known}))
        return [*options, "--authfile", str(logins)]

    def _bounded(self, outcome: Outcome) -> None:
        servers = [self.registry, *self.others]
        assert not [fault for server in servers for fault in server.faults]
        assert not any(server.overrun for server in servers), "an endless answer was read to its end"
        assert outcome.read <= self.most_read, outcome.read
        assert outcome.held <= self.most_held, outcome.held
        assert sum(len(server.asked) for server in servers) <= self.most_requests
        assert outcome.paused_s <= MOST_PAUSED_S

    def _clean(self, outcome: Outcome) -> None:
        assert outcome.code in _ENDINGS, outcome
        assert "Traceback" not in outcome.out + outcome.err, outcome
        assert outcome.command != "assess" or outcome.code != 0 or self.acceptable, "accepted"
        for text in (outcome.out, outcome.err):
            assert all(c.isprintable() or c in _FOR_PEOPLE for c in text), outcome

    def _kept(self, outcome: Outcome) -> None:
        for secret in self.registry.secrets:
            assert secret not in outcome.out, "a secret in the output"
            assert secret not in outcome.err, "a secret in the messages"
            for server in self.others:
                assert not any(secret.encode() in asked.raw for asked in server.asked), "a secret sent elsewhere"
        assert not self.network.forbidden, "a forbidden address was connected to"


def in_place(monkeypatch: pytest.MonkeyPatch, network: Network, pauses: list[float]) -> None:
    """Have every client use this network, and note its pauses instead of making them."""
    defaults = {**(Client.__init__.__kwdefaults__ or {}), "connector": network, "sleep": pauses.append}
    monkeypatch.setattr(Client.__init__, "__kwdefaults__", defaults)
