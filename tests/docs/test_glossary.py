"""The glossary and the code name the same things."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re

import pytest

from tests.architecture.tree import PACKAGE, ROOT

ROW = re.compile(r"^\| `(\w+)` \| `([\w.]+)` \| (.+) \|$", re.MULTILINE)
ROWS = ROW.findall((ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("name", "module", "meaning"), ROWS, ids=[row[0] for row in ROWS])
def test_glossary_word_exists(name: str, module: str, meaning: str) -> None:
    assert hasattr(importlib.import_module(f"tradewright.{module}"), name)
    assert meaning[0] == meaning[0].lower()


def public_classes(module: str) -> set[str]:
    """Names of the data classes and Protocols that a module defines."""
    found = importlib.import_module(f"tradewright.{module}")
    return {
        name
        for name, value in inspect.getmembers(found, inspect.isclass)
        if value.__module__ == found.__name__
        and not name.startswith("_")
        and (dataclasses.is_dataclass(value) or getattr(value, "_is_protocol", False))
    }


CORE = [f"core.{path.stem}" for path in sorted((PACKAGE / "core").glob("[!_]*.py"))]


@pytest.mark.parametrize("module", [*CORE, "ports"])
def test_every_word_of_the_core_is_explained(module: str) -> None:
    explained = {name for name, where, _ in ROWS if where == module}
    assert public_classes(module) <= explained


def test_no_word_is_explained_twice() -> None:
    names = [name for name, _, _ in ROWS]
    assert len(names) == len(set(names))
