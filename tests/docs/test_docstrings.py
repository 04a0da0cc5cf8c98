"""Every module, and every public function, class and method, says what it is."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.documents import PROJECT

SOURCE = PROJECT / "src" / "affineur"
Documented = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def public(tree: ast.Module) -> Iterator[tuple[str, Documented]]:
    """What `__all__` names, and the public methods of those classes that are no protocols (their attributes are)."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            names = set(ast.literal_eval(node.value))
    for node in tree.body:
        if not isinstance(node, Documented) or node.name not in names:
            continue
        yield node.name, node
        if isinstance(node, ast.ClassDef) and not any("Protocol" in ast.unparse(base) for base in node.bases):
            for member in node.body:
                if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef) and not member.name.startswith("_"):
                    yield f"{node.name}.{member.name}", member


@pytest.mark.parametrize(
    "path", [pytest.param(path, id=path.relative_to(SOURCE).as_posix()) for path in sorted(SOURCE.rglob("*.py"))]
)
def test_public_names_are_documented(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), "the module has no docstring"
    missing = [name for name, node in public(tree) if not ast.get_docstring(node)]
    assert missing == []


def test_a_missing_docstring_is_noticed() -> None:
    tree = ast.parse('__all__ = ["f"]\ndef f(): pass\ndef g(): pass\n')
    assert [name for name, node in public(tree) if not ast.get_docstring(node)] == ["f"]
