"""What the papers show as Python runs as it stands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def blocks(page: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return [part.split("```")[0] for part in text.split("```python\n")[1:]]


def ran(folder: Path, *words: str) -> str:
    told = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    return told.stdout


@pytest.mark.parametrize("page", ["docs/backtest.md"])
def test_every_block_of_a_page_runs_by_itself(page: str, tmp_path: Path) -> None:
    found = blocks(page)
    assert found
    for block in found:
        ran(tmp_path, "-c", block)


def test_the_strategy_of_the_readme_runs_from_a_file(tmp_path: Path) -> None:
    (block,) = blocks("README.md")
    (tmp_path / "buy_and_hold.py").write_text(block, encoding="utf-8")
    asked = ("--strategy", "./buy_and_hold.py", "--from", "2016-01-04", "--json")
    assert '"fills": 10' in ran(tmp_path, "-m", "tradewright", "backtest", *asked)
