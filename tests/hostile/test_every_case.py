"""The list of cases in README.md: each is a test, and each file of tests is in the list."""

import ast
import re
from pathlib import Path

FOLDER = Path(__file__).parent
CASE = re.compile(r"`(test_\w+\.py)::([\w:]+)`")


def names_in(file: Path) -> set[str]:
    """`test_x` and `TestX::test_y`, as pytest names them."""
    found: set[str] = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
    return found


def test_each_named_case_is_a_test() -> None:
    listed = CASE.findall((FOLDER / "README.md").read_text())
    assert len(listed) > 70
    known = {file.name: names_in(file) for file in FOLDER.glob("test_*.py")}
    assert not [(file, name) for file, name in listed if name not in known.get(file, ())]


def test_each_file_is_in_the_list() -> None:
    listed = {file for file, _ in CASE.findall((FOLDER / "README.md").read_text())}
    assert {file.name for file in FOLDER.glob("test_*.py")} - {Path(__file__).name} == listed
