"""The key that a copy signs with: where its passphrase comes from. What keys are read: tests/signatures."""

import subprocess
import sys
from pathlib import Path

import pytest

from affineur.cli.keys import signing_key
from affineur.errors import InvalidSettings
from support.leaving_out import leave_out


@pytest.fixture
def encrypted(tmp_path: Path) -> Path:
    path = tmp_path / "key.pem"
    words = ["openssl", "genpkey", "-algorithm", "Ed25519", "-aes-256-cbc", "-pass", "pass:hunter2", "-out", str(path)]
    try:
        subprocess.run(words, capture_output=True, check=True)
    except FileNotFoundError:
        leave_out("openssl is not installed")
    return path


class Terminal:
    def isatty(self) -> bool:
        return True


def test_the_variable_opens_it(encrypted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFFINEUR_KEY_PASSPHRASE", "hunter2")
    assert signing_key(encrypted).kind == "Ed25519"
    monkeypatch.setenv("AFFINEUR_KEY_PASSPHRASE", "")
    with pytest.raises(InvalidSettings, match="the passphrase is wrong"):
        signing_key(encrypted)


def test_a_terminal_is_asked(encrypted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AFFINEUR_KEY_PASSPHRASE", raising=False)
    monkeypatch.setattr(sys, "stdin", Terminal())
    asked = []

    def prompt(text: str, **how: bool) -> str:
        asked.append((text, how["hide_input"]))
        return "hunter2"

    monkeypatch.setattr("click.prompt", prompt)
    assert signing_key(encrypted).kind == "Ed25519"
    assert asked == [(f"Passphrase of {encrypted}", True)]


def test_nobody_to_ask(encrypted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AFFINEUR_KEY_PASSPHRASE", raising=False)
    with pytest.raises(InvalidSettings, match=r"is encrypted: put its passphrase into \$AFFINEUR_KEY_PASSPHRASE"):
        signing_key(encrypted)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="the key cannot be read: No such file"):
        signing_key(tmp_path / "missing")
    with pytest.raises(InvalidSettings, match="the key cannot be read: Is a directory"):
        signing_key(tmp_path)
