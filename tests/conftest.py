"""Fixtures for every room: where the corpus is, and a socket that reaches loopback only."""

import os
import socket
import sys
from pathlib import Path
from typing import Any

import hypothesis
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from support.leaving_out import leave_out

# In CI one commit passes or fails alike each time; new examples are found wherever else the tests run.
hypothesis.settings.register_profile("repeatable", derandomize=True)
if os.environ.get("CI"):
    hypothesis.settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real data described in CONTRIBUTING.md; the test is left out where there is none."""
    named = os.environ.get("AFFINEUR_CORPUS")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        leave_out("needs the corpus (AFFINEUR_CORPUS, or ../shared/data)")
    return folder


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test that tries to reach anything but loopback, before a packet is sent; names are not looked up."""
    connect, lookup = socket.socket.connect, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else address
        if self.family in (socket.AF_INET, socket.AF_INET6) and not str(host).startswith(("127.", "::1")):
            pytest.fail(f"a connection to {host} was tried")
        connect(self, address)

    def guarded_lookup(host: Any, *rest: Any, **named: Any) -> Any:
        if host not in (None, "localhost", "::1") and not str(host).startswith("127."):
            pytest.fail(f"the name {host} was looked up")
        return lookup(host, *rest, **named)

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(socket, "getaddrinfo", guarded_lookup)


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Name bytes by their argument: made ones differ from process to process, and workers must agree on every name."""
    return argname if isinstance(val, bytes) else None
