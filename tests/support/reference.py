"""The parts of the reference that are made from the program itself: help texts, and the values of limits."""

import importlib
import re
from collections.abc import Iterator

import click

from affineur.cli.main import cli

__all__ = ["LIMIT", "command_line", "commands", "help_of", "limits", "readme"]

INTRODUCTION = """\
# The command line

`affineur [--version] [--help] COMMAND [OPTIONS] …`

`REFERENCE` is an image's name as podman and skopeo take it: `registry.example/team/app:1`, or with a digest,
`registry.example/team/app@sha256:…`; `docker://` may stand before it. Without a tag, `latest` is meant; without a
registry, `docker.io`.

The report goes to stdout (or to a file, with `-o`), progress and warnings to stderr. Text is 80 columns wide, on a
terminal as wide as that (up to 120) and in colour. [Exit codes](exit-codes.md) ·
[configuration and environment](configuration.md) · [JSON documents](json.md)
"""


def commands(group: click.Group = cli, name: str = "affineur") -> Iterator[tuple[str, click.Command]]:
    """(`affineur policy show`, command) for every command, in the order of the help."""
    context = click.Context(group, info_name=name)
    for each in group.list_commands(context):
        command = group.get_command(context, each)
        assert command is not None, each
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {each}")
        else:
            yield f"{name} {each}", command


def help_of(name: str, command: click.Command) -> str:
    """What `NAME --help` prints."""
    context = click.Context(command, info_name=name, help_option_names=["-h", "--help"], max_content_width=80)
    return command.get_help(context) + "\n"


def command_line() -> str:
    """The whole document: the help of each command, word for word."""
    parts = [INTRODUCTION]
    for name, command in commands():
        parts.append(f"## {name}\n\n```text\n{help_of(name, command)}```\n")
    return "\n".join(parts)


def readme(text: str) -> str:
    """README.md with the block below `$ affineur --help` as it is now."""
    pattern = re.compile(r"(?<=^\$ affineur --help\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
    return pattern.sub(lambda _: help_of("affineur", cli), text, count=1)


def limits(text: str) -> str:
    """docs/reference/limits.md with each value as the constant of its row has it, in the unit that it is written in."""

    def row(found: re.Match[str]) -> str:
        module = importlib.import_module("affineur." + found["module"].replace("/", "."))
        value = _value(getattr(module, found["name"]), found["unit"])
        return f"{found['before']}{value}{found['after']}"

    return LIMIT.sub(row, text)


LIMIT = re.compile(
    r"^(?P<before>\| .*? \| )[\d,.]+ ?(?P<unit>\w*)(?P<after> \| `(?P<module>[\w/]+)\.py`, `(?P<name>\w+)` \|)$",
    re.MULTILINE,
)


def _value(value: float, unit: str) -> str:
    if not unit:
        return f"{value:,}"
    if unit == "s":
        return f"{value:,.0f} s"
    for name, size in (("GiB", 1 << 30), ("MiB", 1 << 20)):
        if value % size == 0:
            return f"{int(value) // size} {name}"
    return f"{int(value) // 1024} KiB"
