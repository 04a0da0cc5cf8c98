"""A private key that the user names: its file is read here, and its passphrase asked for."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from affineur.errors import InvalidSettings

if TYPE_CHECKING:
    from affineur.signatures.signing import SigningKey

__all__ = ["signing_key"]


def signing_key(path: Path) -> "SigningKey":
    """The key in a file of PEM.

    Encrypted ones are opened with $AFFINEUR_KEY_PASSPHRASE, else by asking on the terminal.

    Raises InvalidSettings: it cannot be read or opened, or is of no use; the message says what to do.
    """
    from affineur.signatures.signing import MAX_KEY_BYTES, read_key

    try:
        with path.open("rb") as file:
            content = file.read(MAX_KEY_BYTES + 1)
    except OSError as problem:
        raise InvalidSettings(f"{path}: the key cannot be read: {problem.strerror or problem}") from problem
    return read_key(content, str(path), lambda: _passphrase(path))


def _passphrase(path: Path) -> str:
    named = os.environ.get("AFFINEUR_KEY_PASSPHRASE")
    if named is not None:
        return named
    if not sys.stdin.isatty():
        raise InvalidSettings(
            f"{path} is encrypted: put its passphrase into $AFFINEUR_KEY_PASSPHRASE, or run on a terminal"
        )
    text: str = click.prompt(f"Passphrase of {path}", hide_input=True, err=True)
    return text
