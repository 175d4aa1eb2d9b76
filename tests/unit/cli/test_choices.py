"""`--set name=value`: what is ours, and what is the strategy's."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tradewright.cli.parse import planned
from tradewright.core.errors import InvalidInput, UnknownName
from tradewright.portfolio.construct import Construction
from tradewright.portfolio.sizing import FixedFraction, VolatilityTarget

CASH = Decimal(1000)


def test_without_choices_the_weight_is_held_whole() -> None:
    assert planned("momentum", CASH, {}).construction == Construction(FixedFraction(Decimal(1)))


@pytest.mark.parametrize(
    ("choices", "sizing"),
    [
        ({"fraction": "0.5"}, FixedFraction(Decimal("0.5"))),
        ({"sizing": "volatility"}, VolatilityTarget(Decimal("0.10"))),
        (
            {"sizing": "volatility", "target_volatility": "0.2"},
            VolatilityTarget(Decimal("0.2")),
        ),
    ],
)
def test_sizing_is_chosen_by_name(choices: dict[str, str], sizing: object) -> None:
    assert planned("momentum", CASH, choices).construction.sizing == sizing


def test_what_is_not_ours_is_the_strategys() -> None:
    plan = planned("momentum", CASH, {"top": "5", "min_trade": "100", "commission": "none"})
    assert plan.parameters == {"top": "5"}
    assert plan.construction.min_trade == 100
    assert plan.costs.commission == "none"


@pytest.mark.parametrize(
    "choices",
    [
        {"sizing": "volatility", "fraction": "2"},
        {"target_volatility": "0.2"},
        {"fraction": "0"},
        {"min_trade": "-1"},
    ],
)
def test_choices_that_do_not_go_together_are_refused(choices: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        planned("momentum", CASH, choices)


def test_an_unknown_sizing_names_those_that_are_known() -> None:
    with pytest.raises(UnknownName, match="fraction, volatility"):
        planned("momentum", CASH, {"sizing": "kelly"})
