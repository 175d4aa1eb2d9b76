"""What the strategies wish for, given a view that a test sets up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from tests.builders import AT, NAN, sessions
from tradewright.core.errors import InvalidInput, UnknownName
from tradewright.core.frames import FloatArray
from tradewright.core.ids import InstrumentId
from tradewright.core.positions import Position
from tradewright.core.session import Session, Timeframe
from tradewright.strategies.momentum import Momentum
from tradewright.strategies.moving_average import MovingAverageCross
from tradewright.strategies.registry import STRATEGIES, strategy_of
from tradewright.strategies.strategy import MarketView, Rebalance, Strategy

NAMES = tuple(InstrumentId(name) for name in ("AAA", "BBB", "CCC", "DDD"))
JANUARY_30, JANUARY_31, FEBRUARY_1 = sessions(3, date(2024, 1, 30))


@dataclass
class StillView:
    """A view that stands still: every number is given."""

    values: Sequence[float]
    holdings: Mapping[InstrumentId, Decimal] = field(default_factory=dict)
    closes: Sequence[float] = (1.0, 1.0, 1.0, 1.0)
    positions: Mapping[InstrumentId, Position] = field(default_factory=dict)
    session: Session = JANUARY_31
    next_session: Session = FEBRUARY_1
    equity: Decimal | None = Decimal(1000)
    at: datetime = AT

    @property
    def universe(self) -> tuple[InstrumentId, ...]:
        return NAMES[: len(self.values)]

    def rows_since(self, at: datetime) -> int:
        return (self.at - at).days

    def sessions(self, lookback: int) -> tuple[Session, ...]:
        return (self.session,) * lookback

    def feature(self, name: str) -> FloatArray:
        assert name
        return np.array(self.values)

    def value(self, name: str, column: int = 0) -> float:
        return float(self.feature(name)[column])

    def window(self, name: str, lookback: int) -> FloatArray:
        assert name
        return np.ones((lookback, len(self.values)))

    def tradable(self) -> FloatArray:
        return np.array(self.closes[: len(self.values)])


def held(*names: str) -> dict[InstrumentId, Decimal]:
    return {InstrumentId(name): Decimal(1) for name in names}


def wishes(strategy: Strategy, view: MarketView) -> dict[str, float]:
    targets = strategy.decide(view)
    assert all((t.strategy, t.at) == (strategy.id, AT) and t.reason for t in targets)
    assert len({t.instrument for t in targets}) == len(targets)
    return {t.instrument: t.weight for t in targets}


TWO = Momentum(top=2, invested=0.8)


@pytest.mark.parametrize(
    ("scores", "holdings", "wanted"),
    [
        ((0.1, 0.4, 0.3, 0.2), (), {"BBB": 0.4, "CCC": 0.4}),
        ((0.1, 0.4, 0.3, 0.2), ("AAA", "BBB"), {"BBB": 0.4, "CCC": 0.4, "AAA": 0.0}),
        ((-0.1, -0.4, -0.3, -0.2), (), {"AAA": 0.4, "DDD": 0.4}),
        ((0.2, 0.2, 0.2, 0.2), (), {"AAA": 0.4, "BBB": 0.4}),
        ((NAN, NAN, 0.1, NAN), (), {"CCC": 0.4}),
        ((NAN, NAN, NAN, NAN), ("AAA",), {}),
    ],
)
def test_momentum_holds_the_winners_in_equal_weights(
    scores: Sequence[float], holdings: Sequence[str], wanted: dict[str, float]
) -> None:
    assert wishes(TWO, StillView(scores, held(*holdings))) == wanted


def test_momentum_does_not_buy_what_did_not_trade() -> None:
    view = StillView((0.1, 0.4, 0.3, 0.2), closes=(1.0, NAN, 1.0, 1.0))
    assert wishes(TWO, view) == {"CCC": 0.4, "DDD": 0.4}


def test_momentum_waits_for_the_end_of_the_month_unless_it_holds_nothing() -> None:
    within = {"session": JANUARY_30, "next_session": JANUARY_31}
    scores = (0.1, 0.4, 0.3, 0.2)
    assert wishes(TWO, StillView(scores, held("AAA"), **within)) == {}  # type: ignore[arg-type]
    assert wishes(TWO, StillView(scores, **within)) == {"BBB": 0.4, "CCC": 0.4}  # type: ignore[arg-type]


def test_momentum_says_the_rank() -> None:
    (first, second) = TWO.decide(StillView((0.1, 0.4, 0.3, 0.2)))
    assert (first.reason, second.reason) == ("rank 1 of 4", "rank 2 of 4")


@pytest.mark.parametrize(
    ("session", "following", "due"),
    [
        (date(2024, 1, 30), date(2024, 1, 31), {"day"}),
        (date(2024, 1, 31), date(2024, 2, 1), {"day", "month"}),
        (date(2024, 2, 2), date(2024, 2, 5), {"day", "week"}),
        (date(2024, 3, 28), date(2024, 4, 1), {"day", "week", "month"}),
        # The last days of 2024 belong to the first week of 2025.
        (date(2024, 12, 31), date(2025, 1, 2), {"day", "month"}),
        (date(2023, 1, 31), date(2024, 1, 31), {"day", "week", "month"}),
    ],
)
def test_the_last_session_of_a_period(session: date, following: date, due: set[str]) -> None:
    now, then = sessions(1, session)[0], sessions(1, following)[0]
    assert {r.value for r in Rebalance if r.is_due(now, then)} == due


CROSS = MovingAverageCross(invested=0.8, band=0.5)


@pytest.mark.parametrize(
    ("gap", "holds", "wanted"),
    [
        (1.0, False, {"AAA": 0.8}),
        (1.0, True, {}),
        (-1.0, True, {"AAA": 0.0}),
        (-1.0, False, {}),
        (0.5, False, {}),
        (-0.5, True, {}),
        (0.0, True, {}),
        (NAN, True, {}),
        (NAN, False, {}),
    ],
)
def test_a_cross_is_asked_for_only_when_its_state_changes(
    gap: float, holds: bool, wanted: dict[str, float]
) -> None:
    holdings = held("AAA") if holds else {}
    assert wishes(CROSS, StillView([gap], holdings)) == wanted
    # Several names, each by itself.
    others = {"BBB": 0.4} if wanted == {} else {k: v / 2 for k, v in wanted.items()} | {"BBB": 0.4}
    assert wishes(CROSS, StillView([gap, 9.0], holdings)) == others


def test_averages_that_cannot_cross_and_weights_nobody_carries_are_refused() -> None:
    for wrong in ({"fast": 30}, {"fast": 0}, {"invested": 0.0}, {"invested": 1.01}):
        with pytest.raises(InvalidInput):
            MovingAverageCross(**wrong)
    for wrong in ({"top": 0}, {"invested": 0.0}, {"invested": 1.01}, {"skip": 252}):
        with pytest.raises(InvalidInput):
            Momentum(**wrong)


def test_strategies_say_what_they_need() -> None:
    assert [f.name for f in Momentum(lookback=10, skip=2).needs.features] == ["momentum_10_2"]
    minutes = MovingAverageCross(timeframe=Timeframe.MINUTE).needs
    assert (minutes.timeframe, minutes.features[0].name) == (Timeframe.MINUTE, "sma_gap_10_30")
    assert Momentum().needs.timeframe is Timeframe.DAY


@pytest.mark.parametrize(
    ("name", "parameters", "strategy"),
    [
        ("momentum", {}, Momentum()),
        (
            "momentum",
            {"top": "5", "lookback": "126", "invested": "0.5", "rebalance": "week"},
            Momentum(top=5, lookback=126, invested=0.5, rebalance=Rebalance.WEEK),
        ),
        (
            "sma-cross",
            {"fast": "5", "slow": "20", "timeframe": "minute"},
            MovingAverageCross(fast=5, slow=20, timeframe=Timeframe.MINUTE),
        ),
    ],
)
def test_a_strategy_is_built_by_name_from_text(
    name: str, parameters: Mapping[str, str], strategy: Any
) -> None:
    built: Any = strategy_of(name, parameters)
    names = [f for f in type(strategy).__slots__ if f not in ("needs", "_gap")]
    assert type(built) is type(strategy)
    assert [getattr(built, f) for f in names] == [getattr(strategy, f) for f in names]
    assert [f.name for f in built.needs.features] == [f.name for f in strategy.needs.features]


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("martingale", {}, "choose one of: breakout, ensemble, mean-reversion"),
        ("momentum", {"botom": "1"}, "momentum parameter: 'botom' is not known"),
        ("momentum", {"needs": "1"}, "'needs' is not known"),
        ("momentum", {"id": "mine"}, "'id' is not known"),
        ("momentum", {"top": "many"}, r"momentum\.top: 'many' is not a whole number"),
        ("momentum", {"rebalance": "year"}, "choose one of: day, week, month"),
        ("momentum", {"top": "0"}, "top: 0 must be at least 1"),
    ],
)
def test_what_is_no_strategy_or_no_parameter_of_it_is_refused(
    name: str, parameters: Mapping[str, str], said: str
) -> None:
    with pytest.raises((UnknownName, InvalidInput), match=said):
        strategy_of(name, parameters)


def test_every_strategy_keeps_its_registered_name_in_its_orders() -> None:
    assert {name: strategy_of(name, {}).id for name in STRATEGIES} == {n: n for n in STRATEGIES}
