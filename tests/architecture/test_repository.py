"""What lies at the root, and what tests may not do."""

from __future__ import annotations

import ast
import fnmatch
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT

# A new entry at the root is a decision, taken here.
# fmt: off
ROOT_ENTRIES = {
    ".ci", ".env.example", ".git", ".gitignore", ".pre-commit-config.yaml",
    "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md",
    "deploy", "docs", "examples", "pyproject.toml", "src", "tests", "uv.lock",
}
# fmt: on


def generated(name: str) -> bool:
    """Whether git ignores a name at the root."""
    patterns = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    return any(fnmatch.fnmatch(name, p.strip("/")) for p in patterns if p and p[0] != "#")


def test_nothing_new_at_the_root() -> None:
    found = {path.name for path in ROOT.iterdir() if not generated(path.name)}
    assert found <= ROOT_ENTRIES


def test_one_conftest_at_the_top() -> None:
    found = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("conftest.py")}
    assert found <= {"tests/conftest.py"}


def replaced_parts(tree: ast.AST) -> list[int]:
    """Lines that swap a part for a mock instead of passing in a fake."""
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module="unittest", names=names):
                found += [node.lineno for alias in names if alias.name == "mock"]
            case ast.Import(names=names):
                found += [node.lineno for alias in names if alias.name == "unittest.mock"]
            case ast.ImportFrom(module="unittest.mock"):
                found.append(node.lineno)
            case ast.Attribute(value=ast.Name(id="monkeypatch"), attr="setattr" | "setitem"):
                found.append(node.lineno)
    return found


def test_no_test_replaces_a_part() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for line in replaced_parts(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not found


@pytest.mark.parametrize(
    "text",
    [
        "from unittest.mock import MagicMock",
        "from unittest import mock",
        "import unittest.mock",
        "def test(monkeypatch):\n    monkeypatch.setattr('a.b', 1)",
    ],
)
def test_replaced_parts_are_seen(text: str) -> None:
    assert replaced_parts(ast.parse(text))


def test_a_stray_file_is_seen() -> None:
    assert not generated("NOTES.md")
    assert generated(".venv")


def test_ci_runs_the_local_verbs(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.rootpath == ROOT
    assert "make ci-local" in Path(ROOT / ".ci" / "run").read_text(encoding="utf-8")
