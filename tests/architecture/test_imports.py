"""Every module imports; the contracts hold, cover the tree and catch what they forbid."""

from __future__ import annotations

import ast
import importlib
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from tests.architecture.rules import Source
from tests.architecture.tree import (
    PACKAGE,
    ROOT,
    RUN_BY_ALEMBIC,
    configuration,
    contracts,
    module_name,
    sources,
)

# What a contract must name as soon as it exists.
PURE = [
    *("core", "features", "universe", "portfolio", "strategies", "risk", "execution"),
    *("compliance", "analytics", "data.history", "data.adjust", "data.detail", "data.resample"),
    *("data.quality", "data.freshness", "engine.engine", "engine.view"),
    *("backtest.detail", "backtest.replay"),
]
COMPOSITE_STRATEGIES = {
    *("strategy", "registry", "exits"),
    *("audition", "ensemble", "regime", "volatility_target"),
}
FUTURE_CONTRACTS = {"features/labels.py": "labels", "services": "services", "console": "console"}


MODULES = {module_name(source): source for source in sources()}


@pytest.mark.parametrize("name", sorted(MODULES.keys() - RUN_BY_ALEMBIC))
def test_module_imports(name: str) -> None:
    importlib.import_module(name)


def imported(source: Source) -> set[str]:
    """The top-level names that a module imports from elsewhere."""
    found: set[str] = set()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found - sys.stdlib_module_names - {"tradewright"}


def declared() -> set[str]:
    """The distributions that pyproject.toml asks for; `a[b]` brings `a` and `a-b`."""
    project = configuration()["project"]
    found: set[str] = set()
    for need in sum(project["optional-dependencies"].values(), project["dependencies"]):
        name, _, extras = re.split(r"[;<>=\]]", need)[0].partition("[")
        found |= {name, *(f"{name}-{extra}" for extra in extras.split(",") if extra)}
    return found


def test_what_is_imported_is_declared() -> None:
    brings = metadata.packages_distributions()
    undeclared = {
        f"{name} imports {part}"
        for name, source in MODULES.items()
        for part in imported(source)
        if not declared().intersection(n.lower().replace("_", "-") for n in brings.get(part, []))
    }
    assert not undeclared


def test_no_unused_imports() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--select", "F401", "--no-cache", "src", "tests"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )


def test_contracts_are_kept() -> None:
    found = lint_imports(ROOT)
    assert found.returncode == 0, found.stdout + found.stderr


def exists(module: str) -> bool:
    path = PACKAGE / module.replace(".", "/")
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def test_pure_contract_names_every_pure_module() -> None:
    expected = {f"tradewright.{module}" for module in PURE if exists(module)}
    assert set(contracts()["pure"]["source_modules"]) == expected


def test_strategies_contract_names_every_plain_strategy() -> None:
    files = {path.stem for path in (PACKAGE / "strategies").glob("[!_]*.py")}
    expected = {f"tradewright.strategies.{name}" for name in files - COMPOSITE_STRATEGIES}
    assert set(contracts()["strategies"]["modules"]) == expected


def test_adapters_contract_names_every_adapter() -> None:
    # The wildcard takes in each adapter as it arrives; a list could forget one.
    assert contracts()["adapters"]["modules"] == ["tradewright.adapters.*"]


@pytest.mark.parametrize(("path", "contract"), FUTURE_CONTRACTS.items())
def test_contract_stands_when_its_subject_does(path: str, contract: str) -> None:
    assert contract in contracts() or not (PACKAGE / path).exists()


PLANTED = [
    ("layers", "core/planted.py", "import tradewright.data.history"),
    ("layers", "portfolio/planted.py", "import tradewright.features.feature"),
    ("layers", "engine/planted.py", "import tradewright.backtest.replay"),
    ("layers", "execution/planted.py", "import tradewright.strategies.strategy"),
    ("layers", "exchange/planted.py", "import tradewright.cli.main"),
    ("layers", "utils/__init__.py", "VALUE = 1"),
    ("pure", "risk/planted.py", "import tradewright.ports"),
    ("pure", "execution/planted.py", "import asyncio"),
    ("pure", "strategies/planted.py", "import polars"),
    ("pure", "engine/engine.py", "import os"),
    ("pure", "backtest/replay.py", "import pydantic"),
    ("core", "core/planted.py", "import scipy"),
    ("adapters", "adapters/csv.py", "import tradewright.adapters.parquet"),
    ("adapters", "adapters/planted.py", "import tradewright.adapters.memory"),
    ("chosen-once", "cli/planted.py", "import tradewright.settings"),
    ("chosen-once", "exchange/planted.py", "import tradewright.adapters.memory"),
    ("strategies", "strategies/momentum.py", "import tradewright.strategies.moving_average"),
]


@pytest.mark.parametrize(("contract", "path", "line"), PLANTED)
def test_contract_catches_a_planted_import(
    contract: str, path: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(
        PACKAGE, tmp_path / "src" / "tradewright", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    planted = tmp_path / "src" / "tradewright" / path
    planted.parent.mkdir(exist_ok=True)
    with planted.open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "src"))
    found = lint_imports(tmp_path)
    assert found.returncode == 1, found.stdout + found.stderr
    assert f"{contracts()[contract]['name']} BROKEN" in found.stdout
