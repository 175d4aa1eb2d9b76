"""Where the repository stands, and its source files as the tests read them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from tests.architecture.rules import Source

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "tradewright"

# Alembic runs its entry itself, inside a migration: it cannot be imported.
RUN_BY_ALEMBIC = frozenset({"tradewright.adapters.postgres.migrations.env"})


def sources() -> list[Source]:
    """Every module of the package."""
    return [
        Source(path.relative_to(PACKAGE).as_posix(), path.read_text(encoding="utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
    ]


def module_name(source: Source) -> str:
    """The dotted name by which a module is imported."""
    parts = ["tradewright", *source.path.removesuffix(".py").split("/")]
    return ".".join(parts[:-1] if source.is_init else parts)


def configuration() -> dict[str, Any]:
    """What stands in pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def contracts() -> dict[str, dict[str, Any]]:
    """The import contracts by their id."""
    return {c["id"]: c for c in configuration()["tool"]["importlinter"]["contracts"]}
