"""The reference says all, and nothing else: every option, key, variable, exit code; limits with their true values."""

import re
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from affineur.settings import Settings
from support.documents import DOCUMENTS, PROJECT, blocks
from support.reference import LIMIT, command_line, commands, limits, readme

REFERENCE = PROJECT / "docs" / "reference"
CONFIGURATION = (REFERENCE / "configuration.md").read_text("utf-8")


def test_the_command_line_is_that_of_the_commands() -> None:
    assert (REFERENCE / "cli.md").read_text("utf-8") == command_line(), "scripts/update-reference writes it anew"


def test_the_readme_shows_the_help_that_there_is() -> None:
    text = (PROJECT / "README.md").read_text("utf-8")
    assert text == readme(text), "scripts/update-reference writes it anew"


def test_the_readme_names_every_command() -> None:
    text = (PROJECT / "README.md").read_text("utf-8")
    assert {name for name, _ in commands() if not re.search(rf"`{name}\b", text)} <= {"affineur policy check"}


def keys(struct: Any, prefix: str = "") -> list[tuple[str, object]]:
    """(key as it stands in the file, default) of a struct and of those in it."""
    found: list[tuple[str, object]] = []
    hints = get_type_hints(struct)
    for each in msgspec.structs.fields(struct):
        kind = hints[each.name]
        inner = next(
            (k for k in (kind, *get_args(kind)) if isinstance(k, type) and issubclass(k, msgspec.Struct)), None
        )
        name = f"{prefix}{each.encode_name}"
        found += keys(inner, f"{name}.") if inner else [(name, each.default)]
    return found


@pytest.mark.parametrize(("name", "default"), keys(Settings), ids=lambda value: str(value))
def test_every_setting_is_explained(name: str, default: object) -> None:
    row = re.search(rf"^\| `{re.escape(name)}` \| (.*?) \| (.*?) \|", CONFIGURATION, re.MULTILINE)
    assert row, f"{name} has no row"
    if default is msgspec.NODEFAULT:
        assert row[2] == "required"
    elif default in (None, "", ()):
        assert row[2] == "none"
    else:
        assert row[2] == f"`{str(default).lower() if isinstance(default, bool) else default}`"


def test_no_setting_is_invented() -> None:
    named = re.findall(r"^\| `([a-z_.-]+)` \|", CONFIGURATION, re.MULTILINE)
    assert sorted(named) == sorted(name for name, _ in keys(Settings))


def test_every_exit_code_is_explained() -> None:
    from affineur.cli import main

    codes = {value for name, value in vars(main).items() if name.startswith("EXIT_")} | {0, 1, 3}
    text = (REFERENCE / "exit-codes.md").read_text("utf-8")
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)} == codes


def test_limits_have_their_true_values() -> None:
    text = (REFERENCE / "limits.md").read_text("utf-8")
    rows = [line for line in text.splitlines() if line.endswith("` |")]
    assert len(rows) == len(LIMIT.findall(text)) > 40
    assert text == limits(text), "scripts/update-reference writes them anew"


TOML = [
    pytest.param(block.body, id=f"{document.relative_to(PROJECT).as_posix()}:{block.line}")
    for document in DOCUMENTS
    for block in blocks(document)
    if block.language == "toml"
]


@pytest.mark.parametrize("text", TOML)
def test_configuration_files_in_documents_are_sound(text: str) -> None:
    assert msgspec.toml.decode(text, type=Settings) != Settings()
