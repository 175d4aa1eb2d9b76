"""Packages whose names are imported when they are first used.

A package that gathers names from many modules would load all of them for one. Such a package
imports its names in an `if TYPE_CHECKING:` block, where type checkers and import contracts see
them, and takes `__getattr__` and `__dir__` (PEP 562) from here.
"""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def lazily(package: str, file: str) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` of a package, by the type checker's imports in its file.

    What is missing raises AttributeError, as without this.
    """
    homes = {
        (name.asname or name.name): (node.module or "", name.name)
        for block in ast.parse(Path(file).read_text(encoding="utf-8")).body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }

    def find(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, own = homes[name]
        found = getattr(import_module(module), own)
        setattr(import_module(package), name, found)
        return found

    return find, lambda: sorted(homes)
