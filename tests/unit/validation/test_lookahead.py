from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np
import pytest

from tests.unit.validation.cheats import (
    CENTRED,
    HONEST,
    MINUTELY,
    NORMALISED,
    ROWS,
    SHIFTED,
    PastTheEnd,
    Restated,
    Survivors,
    TodaysClose,
    Weighed,
    Woken,
)
from tradewright.backtest.choice import Way
from tradewright.backtest.validation.lookahead import Examination, Kind, find_leaks
from tradewright.backtest.validation.worlds import Future, with_future
from tradewright.core.errors import ArraysRefused, InvalidInput, MissingData
from tradewright.core.frames import FIELDS
from tradewright.core.session import Timeframe
from tradewright.data.history import MarketData
from tradewright.data.sample import sample_market
from tradewright.engine.run import RunSpec
from tradewright.risk.limits import Limits

CUTS = 4


@cache
def market(timeframe: Timeframe = Timeframe.DAY, sessions: int = ROWS) -> MarketData:
    symbols = 6 if timeframe is Timeframe.DAY else 1
    made = sample_market(symbols=symbols, sessions=sessions, timeframe=timeframe)
    names = {one.id: one for one in made.instruments}
    return MarketData(made.frame, names, made.actions, made.calendar, "sample", simulated=True)


def a_run(first: int = 20) -> RunSpec:
    days = [session.date for session in market().frame.sessions]
    return RunSpec("cheat", {}, days[first], days[-1], Decimal(100_000), Limits())


def examined(build: Callable[[MarketData], Any], way: Way = Way.EVENTS) -> Examination:
    return find_leaks(a_run(), market(), way=way, build=build, cuts=CUTS)


@pytest.mark.parametrize(
    ("cheat", "kind", "subject"),
    [
        (SHIFTED.made, Kind.FEATURE, "tomorrow"),
        (CENTRED.made, Kind.FEATURE, "centred"),
        (NORMALISED.made, Kind.FEATURE, "normalised"),
        (TodaysClose, Kind.TARGET, "target"),
        (Restated, Kind.TARGET, "target"),
        (Survivors, Kind.TARGET, "target"),
    ],
    ids=["shifted", "centred", "normalised", "close", "restated", "survivors"],
)
def test_a_planted_leak_is_found_and_named(
    cheat: Callable[[MarketData], Any], kind: Kind, subject: str
) -> None:
    found = examined(cheat)
    assert not found.clean
    assert (kind, subject) in {(leak.kind, leak.subject) for leak in found.leaks}
    # What leaks into a feature leaks into what is decided, and so into orders.
    assert {Kind.TARGET, Kind.ORDER} <= {leak.kind for leak in found.leaks}
    for leak in found.leaks:
        assert leak.at <= leak.cut
        assert leak.kind is Kind.FAILURE or leak.instrument in market().frame.instruments
        assert leak.was != leak.became
        assert leak.changed >= 1


def test_how_far_back_a_leak_reaches_is_told() -> None:
    reach = {}
    for cheat in (SHIFTED, CENTRED):
        leaks = find_leaks(a_run(), market(), way=Way.EVENTS, build=cheat.made, cuts=CUTS).leaks
        reach[cheat.signal.name] = {leak.rows for leak in leaks if leak.kind is Kind.FEATURE}
    assert reach == {"tomorrow": {0}, "centred": {1}}


def test_every_future_shows_a_plain_leak() -> None:
    assert {leak.future for leak in examined(SHIFTED.made).leaks} == set(Future)


def test_an_honest_rule_is_clean() -> None:
    found = examined(HONEST.made)
    assert found.clean
    assert found.decisions > 20
    assert len(found.cuts) == CUTS
    assert found.runs == 1 + CUTS * len(Future)
    assert found.ways == (Way.EVENTS,)


def test_what_reads_past_the_end_fails_and_that_is_a_leak() -> None:
    kinds = {leak.kind for leak in examined(PastTheEnd).leaks}
    assert Kind.FAILURE in kinds
    failed = next(leak for leak in examined(PastTheEnd).leaks if leak.kind is Kind.FAILURE)
    assert failed.became.startswith("IndexError")
    assert failed.future is Future.NOTHING


def test_weights_over_columns_are_looked_at_too() -> None:
    assert examined(lambda _: Weighed()).clean
    found = examined(lambda _: Weighed(), Way.AUTO)
    assert found.ways == (Way.EVENTS, Way.ARRAYS)
    assert {leak.way for leak in found.leaks} == {Way.ARRAYS}
    assert {leak.subject for leak in found.leaks if leak.kind is Kind.TARGET} == {"weights"}


def test_arrays_that_cannot_run_it_are_refused() -> None:
    with pytest.raises(ArraysRefused, match="does not say its targets"):
        examined(HONEST.made, Way.ARRAYS)


def minutely(build: Callable[[MarketData], Any]) -> Examination:
    minutes = market(Timeframe.MINUTE, 2)
    days = [session.date for session in minutes.frame.sessions]
    spec = replace(a_run(), first=days[1], last=days[1], timeframe=Timeframe.MINUTE)
    return find_leaks(spec, minutes, build=build, way=Way.EVENTS, cuts=CUTS)


def test_on_minute_bars_a_cut_lies_within_a_session() -> None:
    found = minutely(MINUTELY.made)
    assert found.clean
    assert len({at.date() for at in found.cuts}) < len(found.cuts)


def test_a_rule_that_wakes_where_the_market_will_rise_is_found() -> None:
    woken = Woken(MINUTELY.signal, MINUTELY.rebalance, MINUTELY.timeframe)
    assert {Kind.TARGET, Kind.ORDER} <= {leak.kind for leak in minutely(woken.made).leaks}


def test_what_the_arrays_refuse_on_the_way_is_looked_at_by_the_events() -> None:
    parameters = {"sides": "both", "window": "10"}
    spec = replace(a_run(), strategy="mean-reversion", parameters=parameters)
    found = find_leaks(spec, market(), cuts=1)
    assert found.clean
    assert found.ways == (Way.EVENTS,)
    assert found.runs == 1 + len(Future)
    with pytest.raises(ArraysRefused, match="by the side it holds"):
        find_leaks(spec, market(), way=Way.ARRAYS, cuts=1)


def test_finer_bars_to_fill_on_change_nothing_that_is_decided() -> None:
    fine = replace(a_run(), detail=Timeframe.MINUTE)
    found = find_leaks(fine, market(), way=Way.EVENTS, build=HONEST.made, cuts=1)
    plain = find_leaks(a_run(), market(), way=Way.EVENTS, build=HONEST.made, cuts=1)
    assert found == plain


def test_progress_counts_every_run() -> None:
    told: list[tuple[int, int]] = []
    found = find_leaks(
        a_run(),
        market(),
        way=Way.EVENTS,
        build=HONEST.made,
        cuts=2,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told[-1] == (found.runs, found.runs)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_a_run_that_decides_nothing_cannot_be_judged() -> None:
    class Silent:
        id, needs = HONEST.id, HONEST.needs

        def decide(self, _view: Any) -> tuple[()]:
            return ()

    with pytest.raises(MissingData, match="nothing is decided"):
        examined(lambda _: Silent())


def test_no_cut_is_refused() -> None:
    with pytest.raises(InvalidInput, match="cuts: 0 must be at least 1"):
        find_leaks(a_run(), market(), build=HONEST.made, cuts=0)


@pytest.mark.parametrize("future", Future)
@pytest.mark.parametrize("row", [0, 110, ROWS - 2])
def test_a_world_is_the_same_up_to_the_row_and_another_after_it(future: Future, row: int) -> None:
    real = market()
    world = with_future(real, row, future, seed=1)
    day = real.frame.session_of(row).date
    for name in FIELDS:
        one, other = getattr(real.frame, name), getattr(world.frame, name)
        assert other[: row + 1].tobytes() == one[: row + 1].tobytes()
        assert not np.array_equal(other[row + 1 :], one[row + 1 : len(other)], equal_nan=True)
    past = [action for action in real.actions if action.ex_date <= day]
    assert [action for action in world.actions if action.ex_date <= day] == past
    assert all(one.delisted is None or one.delisted <= day for one in world.instruments.values())
    assert world.frame.instruments == real.frame.instruments
    prices = world.frame.close[row + 1 :]
    if future is not Future.NOTHING:
        assert np.nanmin(prices) > 0
        assert np.all(np.nan_to_num(world.frame.high - world.frame.low) >= 0)


def test_another_future_depends_on_its_seed_alone() -> None:
    worlds = [with_future(market(), 100, Future.ANOTHER, seed) for seed in (1, 1, 2)]
    closes = [world.frame.close.tobytes() for world in worlds]
    assert closes[0] == closes[1] != closes[2]
    assert worlds[0].actions == worlds[1].actions != worlds[2].actions
