"""Where text goes: stdout or a file; how wide, and whether in colour."""

import os
import sys
from pathlib import Path
from typing import TypedDict

import click

from affineur.errors import InvalidSettings

__all__ = ["Page", "page", "write"]

WIDTH = 80
NARROWEST = 40
WIDEST = 120


class Page(TypedDict):
    """What a text report needs to know of the place where it will be read."""

    width: int
    colour: bool


def page(file: Path | None = None) -> Page:
    """80 columns without colour, unless stdout is a terminal: then as wide as it is (up to 120).

    Colour is left out where NO_COLOR (no-color.org) or TERM=dumb says so.
    """
    if file is not None or not sys.stdout.isatty():
        return Page(width=WIDTH, colour=False)
    import shutil  # it loads every compression there is: not for a pipe

    columns = shutil.get_terminal_size((WIDTH, 24)).columns
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return Page(width=min(max(columns, NARROWEST), WIDEST), colour=not plain)


def write(text: str, file: Path | None = None) -> None:
    """Print, or write a file; an empty text prints nothing.

    A reader that has seen enough (`| head`) is no error: the exit code still has its say.

    Raises:
        InvalidSettings: the file, or standard output, cannot be written.
    """
    text = text if text.endswith("\n") or not text else text + "\n"
    if file is None:
        try:
            click.echo(text, nl=False)
        except BrokenPipeError:
            _give_up_stdout()
        except OSError as error:  # a full disk
            _give_up_stdout()
            raise InvalidSettings(f"standard output cannot be written: {error.strerror}") from error
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InvalidSettings(f"{file}: cannot be written: {error.strerror}") from error


def _give_up_stdout() -> None:
    """Have what is still buffered go nowhere, so that it fails no second time at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
