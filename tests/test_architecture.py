"""The arrows between rooms point one way, and few modules may touch the world."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "affineur"

# A room may import from itself and from the rooms before it: the way of the data (docs/explanation/architecture.md).
ORDER = [
    {"__init__", "errors", "evidence", "progress"},
    {"oci", "streams", "openpgp", "settings", "strictyaml"},
    {"http"},
    {"source"},
    {"target"},
    {"image"},
    {"packages"},
    {"repositories"},
    {"store"},
    {"errata"},
    {"signatures"},
    {"trust"},
    {"assessment"},
    {"engines"},
    {"move"},
    {"report"},
    {"cli"},
    {"__main__"},
]
# Modules of the standard library and elsewhere that reach the network, files, processes, databases or the clock's now.
WORLD = {"socket", "ssl", "sqlite3", "subprocess", "urllib3", "tempfile", "shutil"}
MAY_TOUCH_THE_WORLD = {"http", "store", "source", "target", "engines", "settings", "openpgp", "cli"}
PURE = {"trust"}
NEVER_IN_PURE = WORLD | {"time", "os", "pathlib", "threading", "http"}
# What a command may import before it knows that it needs it: start-up time is felt at every call.
HEAVY = {"yaml", "cryptography", "pysequoia", "urllib3", "asyncio", "xml.etree", "html", "jsonschema", "sqlite3"}


def modules() -> Iterator[tuple[str, Path, ast.Module]]:
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        yield parts[0], path, ast.parse(path.read_text())


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""


def rank(room: str) -> int:
    return next(index for index, rooms in enumerate(ORDER) if room in rooms)


def test_every_room_has_its_place() -> None:
    known = set().union(*ORDER)
    assert {room for room, _, _ in modules()} <= known


@pytest.mark.parametrize(
    ("room", "path", "tree"), [pytest.param(*m, id=str(m[1].relative_to(SOURCE))) for m in modules()]
)
def test_no_arrow_points_back(room: str, path: Path, tree: ast.Module) -> None:
    for name in imported(tree):
        if name == "affineur" or not name.startswith("affineur."):
            continue
        other = name.split(".")[1]
        allowed = other == room or rank(other) < rank(room)
        assert allowed, f"{path.name} of {room}/ imports {name}: from a later room"


@pytest.mark.parametrize(
    ("room", "path", "tree"), [pytest.param(*m, id=str(m[1].relative_to(SOURCE))) for m in modules()]
)
def test_few_modules_touch_the_world(room: str, path: Path, tree: ast.Module) -> None:
    names = {name.split(".")[0] for name in imported(tree)}
    if room not in MAY_TOUCH_THE_WORLD:
        assert not names & WORLD, f"{path} imports {names & WORLD}"
        calls = {
            node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert "open" not in calls, f"{path} opens files"
    if room in PURE:
        assert not names & NEVER_IN_PURE, f"{path} imports {names & NEVER_IN_PURE}"
        clock = {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and node.attr in {"now", "today", "utcnow", "monotonic"}
        }
        assert not clock, f"{path} asks the clock"


@pytest.mark.parametrize(
    "command",
    [
        *("assess", "age", "inspect", "tags", "packages", "updates", "cves", "copy", "sync", "pull"),
        *("login", "logout", "policy", "config"),
    ],
)
def test_a_command_starts_without_what_it_may_not_need(command: str) -> None:
    script = (
        "import sys; from affineur.cli.main import run; run([sys.argv[1], '--help']);"
        "print('\\n'.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script, command], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert done.stdout.startswith("Usage: affineur")
    assert not loaded & HEAVY, f"`{command} --help` imports {sorted(loaded & HEAVY)}"
