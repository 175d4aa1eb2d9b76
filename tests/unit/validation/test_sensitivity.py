from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import product

import numpy as np
import pytest

from tradewright.backtest.search.evaluation import Outcome
from tradewright.backtest.search.trials import State
from tradewright.backtest.validation.sensitivity import (
    around,
    numbers_of,
    own_values,
    sensitivity,
)
from tradewright.core.errors import InvalidInput, UnknownName
from tradewright.engine.run import RunSpec
from tradewright.risk.limits import Limits

GRID = [{"fast": str(f), "slow": str(s)} for f, s in product((5, 10, 15), (20, 30, 40))]


def a_run(strategy: str = "sma-cross", **parameters: str) -> RunSpec:
    return RunSpec(
        strategy, parameters, date(2015, 1, 2), date(2016, 1, 4), Decimal(10_000), Limits()
    )


class Surface:
    """A known objective over two parameters; a set without a value is refused."""

    def __init__(self, values: Mapping[tuple[str, str], float | None]) -> None:
        self._values = values

    def __call__(self, _spec: RunSpec, sets: Sequence[Mapping[str, str]]) -> list[Outcome]:
        found = []
        for one in sets:
            value = self._values.get((one["fast"], one["slow"]), 0.1)
            if value is None:
                found.append(Outcome(State.REFUSED, reason="fast: not below slow"))
            else:
                measures = {"sharpe": value, "max_drawdown": value}
                found.append(Outcome(State.DONE, measures, np.zeros(3)))
        return found


def test_a_plateau_has_neighbours_as_good() -> None:
    level = {("5", "30"): 0.9, ("15", "30"): 1.1, ("10", "20"): 1.0, ("10", "40"): 1.0}
    known = sensitivity(a_run(fast="10", slow="30"), GRID, Surface({**level, ("10", "30"): 1.0}))
    assert known.sets[known.own] == {"fast": "10", "slow": "30"}
    neighbours = [tuple(known.sets[place].values()) for place in known.neighbours]
    assert sorted(neighbours) == sorted(level)
    assert known.plateau == pytest.approx(1.0)
    assert known.rank == pytest.approx(7 / 8)
    assert known.positive == 1


def test_a_needle_has_none() -> None:
    known = sensitivity(a_run(fast="10", slow="30"), GRID, Surface({("10", "30"): 2.0}))
    assert known.plateau == pytest.approx(0.05)
    assert known.rank == 1


def test_refused_sets_keep_their_reason_and_count_nowhere() -> None:
    values: dict[tuple[str, str], float | None] = {("15", "20"): None, ("10", "20"): -1.0}
    known = sensitivity(a_run(fast="10", slow="30"), GRID, Surface(values))
    place = known.sets.index({"fast": "15", "slow": "20"})
    assert known.values[place] is None
    assert known.reasons[place] == "fast: not below slow"
    assert known.positive == 7 / 8


def test_the_own_set_is_tried_where_the_grid_leaves_it_out() -> None:
    known = sensitivity(a_run(fast="7"), GRID, Surface({("7", "30"): 0.5}))
    assert known.sets[0] == {"fast": "7", "slow": "30"}
    assert known.own == 0
    assert len(known.sets) == 10
    # One step of fast is to 5 and to 10, of slow nowhere: the grid has no other with 7.
    assert sorted(known.sets[place]["fast"] for place in known.neighbours) == ["10", "5"]


@pytest.mark.parametrize("own", [0.0, -1.0])
def test_an_own_value_that_is_not_above_zero_has_no_plateau(own: float) -> None:
    known = sensitivity(a_run(fast="10", slow="30"), GRID, Surface({("10", "30"): own}))
    assert math.isnan(known.plateau)


def test_a_number_that_is_better_when_lower_ranks_the_other_way() -> None:
    surface = Surface({("10", "30"): 0.05})
    known = sensitivity(a_run(fast="10", slow="30"), GRID, surface, objective="max_drawdown")
    assert known.values[known.own] == 0.05
    assert known.rank == 1
    assert math.isnan(known.plateau)


def test_an_own_that_is_refused_has_no_rank() -> None:
    known = sensitivity(a_run(fast="10", slow="30"), GRID, Surface({("10", "30"): None}))
    assert math.isnan(known.rank)
    assert math.isnan(known.plateau)


def test_progress_counts_sets() -> None:
    told: list[tuple[int, int]] = []
    sensitivity(a_run(), GRID, Surface({}), progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (9, 9)


def test_around_a_strategy_each_number_moves_alone() -> None:
    sets = around(a_run(fast="8"))
    own = {"fast": "8", "slow": "30", "invested": "0.98", "band": "1e-06"}
    assert sets[0] == own
    for one in sets[1:]:
        assert sum(one[name] != own[name] for name in own) == 1
    assert {one["fast"] for one in sets} == {"8", "4", "6", "7", "9", "10", "12"}
    assert {Decimal(one["band"]) / Decimal("1e-6") for one in sets} == {
        Decimal(text) for text in ("1", "0.5", "0.75", "0.9", "1.1", "1.25", "1.5")
    }


def test_small_whole_numbers_move_by_one() -> None:
    assert {one["top"] for one in around(a_run("momentum", top="1"))} >= {"0", "1", "2"}


def test_numbers_are_those_that_the_strategy_uses() -> None:
    known = numbers_of(a_run("momentum", top="5"))
    assert known["top"] == "5"
    assert known["lookback"] == "252"
    assert "rebalance" not in known


def test_a_parameter_without_a_value_of_its_own_must_be_given() -> None:
    assert own_values(a_run("momentum", rebalance="week"), ["rebalance"]) == {"rebalance": "week"}
    with pytest.raises(InvalidInput, match="give it as --set rebalance=VALUE"):
        own_values(a_run("momentum"), ["rebalance"])


def test_what_makes_no_map_is_refused() -> None:
    with pytest.raises(UnknownName):
        sensitivity(a_run(), GRID, Surface({}), objective="luck")
    with pytest.raises(InvalidInput, match=r"^sets: 0"):
        sensitivity(a_run(), [], Surface({}))
    with pytest.raises(InvalidInput, match="do not all name the same"):
        sensitivity(a_run(), [*GRID, {"fast": "5"}], Surface({}))
