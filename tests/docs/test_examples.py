"""Every example runs as it stands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_runs_and_says_something(path: Path, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, str(path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip()


def test_readme_shows_the_strategy_of_the_first_example() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    example = (ROOT / "examples" / "first_strategy.py").read_text(encoding="utf-8")
    assert "class BuyAndHold:" in readme
    for line in ('id = StrategyId("buy-and-hold")', "needs = Needs()", "if view.holdings:"):
        assert line in readme
        assert line in example
