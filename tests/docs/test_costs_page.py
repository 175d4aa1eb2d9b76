"""The page of costs names every model, every preset and what each of them is made of."""

from __future__ import annotations

import re

import pytest

from tests.architecture.tree import ROOT
from tradewright.portfolio.costs.names import COMMISSIONS, IMPACTS, SLIPPAGES
from tradewright.portfolio.costs.presets import PRESETS

PAGE = (ROOT / "docs" / "backtest.md").read_text(encoding="utf-8")


def first_cells(heading: str) -> set[str]:
    """The names in the first column of the table whose first heading is given."""
    (table,) = re.findall(rf"^\| `{heading}` \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return set(re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE))


@pytest.mark.parametrize(
    ("heading", "known"),
    [
        ("commission", set(COMMISSIONS)),
        ("slippage", set(SLIPPAGES)),
        ("impact", set(IMPACTS) - {"none"}),
        ("--costs", set(PRESETS)),
    ],
)
def test_every_model_and_preset_is_in_its_table(heading: str, known: set[str]) -> None:
    assert first_cells(heading) == known


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_presets_models_are_in_its_row(name: str) -> None:
    names = PRESETS[name].names
    (row,) = re.findall(
        rf"^\| `{name}` \| (.*) \|$", PAGE.partition("`--costs` |")[2], re.MULTILINE
    )
    assert ("fees on sales" in row) is (names.fees == "us-sales")
    assert ("almgren" in row) is (names.impact == "almgren")
    for kind, chosen in (("borrow", names.borrow), ("margin", names.margin)):
        rate = chosen.partition("rate=")[2]
        said = re.findall(rf"{kind} ([\d.]+) %", row)
        assert said == ([f"{float(rate) * 100:g}"] if rate else [])
    slipped = names.slippage if names.slippage != "fixed" else f"{names.slippage_bps} bp"
    assert slipped in row
