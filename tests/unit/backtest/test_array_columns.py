"""Compiled passes say what the plain functions that they stand in for say, to the last bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import numba
import numpy as np
import pytest

from tests.builders import FIRST_DAY, Row, a_market, a_spec
from tradewright.backtest.arrays import compiled_seconds, sweep
from tradewright.backtest.arrays.columns import Ground, MarketColumns, sealed
from tradewright.backtest.arrays.market import pace_of
from tradewright.backtest.arrays.passes import BLOCK, crossings, running, shared
from tradewright.core.errors import InvalidInput
from tradewright.core.frames import BoolArray, FloatArray, SignArray
from tradewright.core.ids import InstrumentId
from tradewright.core.market import CashDividend, CorporateAction, Split
from tradewright.data.adjust import growth
from tradewright.data.history import History, MarketData
from tradewright.features.trend import rolling_mean, sma_gap

NAMES = [f"N{i:02d}" for i in range(30)]
ROWS = 60


def market_of(closes: FloatArray, actions: Sequence[CorporateAction] = ()) -> MarketData:
    rows: dict[str, list[Row]] = {
        name: [(c, c, c, c, 1000.0) for c in closes[:, i].tolist()]
        for i, name in enumerate(NAMES[: closes.shape[1]])
    }
    return a_market(rows, *actions)


def noisy(columns: int, seed: int = 3) -> FloatArray:
    noise = np.random.default_rng(seed)
    closes = np.round(50.0 * np.exp(np.cumsum(noise.normal(0, 0.02, (ROWS, columns)), axis=0)), 2)
    closes[noise.random(closes.shape) < 0.05] = np.nan
    return closes


def some_actions(columns: int) -> list[CorporateAction]:
    noise = np.random.default_rng(5)
    made: list[CorporateAction] = []
    for _ in range(60):
        name = InstrumentId(NAMES[noise.integers(columns)])
        day = FIRST_DAY + timedelta(days=int(noise.integers(0, ROWS)))
        if noise.random() < 0.2:
            made.append(Split(name, day, Fraction(int(noise.integers(1, 4)), 2)))
        else:
            made.append(CashDividend(name, day, Decimal(int(noise.integers(1, 200))) / 100))
    return made


def crossed(closes: FloatArray, fast: int, slow: int, band: float) -> SignArray:
    out = np.empty(len(closes), dtype=np.int8)
    room = np.empty((2, 2 * BLOCK)), np.empty(BLOCK, dtype=np.int8)
    nothing = np.empty(0)
    crossings(sealed(closes, np.float64), nothing, (fast, slow, 1), band, room, out)
    if slow <= BLOCK:
        # The same by sums that many sets share.
        blocks = -(-len(closes) // BLOCK)
        known, again = (np.empty((blocks, 2 * BLOCK)), np.empty(blocks)), np.empty_like(out)
        running(sealed(closes, np.float64), *known)
        shared(sealed(closes, np.float64), known, (fast, slow), band, room, again)
        assert again.tolist() == out.tolist()
    return out


def highest_by_sorting(scores: FloatArray, count: int) -> BoolArray:
    marked = np.zeros(scores.shape, dtype=np.bool_)
    for row, values in enumerate(scores):
        ranked = np.argsort(-values, kind="stable")[:count]
        marked[row, [i for i in ranked if not np.isnan(values[i])]] = True
    return marked


@pytest.mark.parametrize("count", [1, 3, 10, 29, 30, 40])
@pytest.mark.parametrize("steps", [1, 0], ids=["ties", "no ties"])
def test_the_highest_of_each_row_are_those_of_a_stable_sort(count: int, steps: int) -> None:
    noise = np.random.default_rng(count)
    # Rows that are like the ones before them, and some that are not, from which most falls out.
    drift = np.cumsum(noise.normal(0, 0.3, (ROWS, 30)), axis=0) * noise.choice([1, -9], (ROWS, 1))
    scores = np.round(drift, steps) if steps else drift
    scores[noise.random(scores.shape) < 0.1] = np.nan
    scores[noise.random(scores.shape) < 0.02] = np.inf
    scores[noise.random(scores.shape) < 0.02] = -np.inf
    scores[7], scores[8] = np.nan, 1.0
    columns = MarketColumns(Ground(market_of(noisy(30))), ())
    assert np.array_equal(columns.top(scores, count), highest_by_sorting(scores, count))
    traded = np.where(np.isnan(columns.closes), np.nan, scores)
    found = columns.top(scores, count, traded=True)
    assert np.array_equal(found, highest_by_sorting(traded, count))


@pytest.mark.parametrize("acts", [False, True], ids=["nothing happens", "splits and dividends"])
def test_columns_are_those_of_history(acts: bool) -> None:
    actions = some_actions(6) if acts else []
    market = market_of(noisy(6), actions)
    ground = Ground(market)
    history = History(market.frame, market.actions).columns()
    for name in ("open", "high", "low", "close", "volume"):
        assert np.array_equal(ground.column(name), history[name], equal_nan=True)
    if acts:
        assert ground.growth is not None
        assert np.array_equal(ground.growth, growth(market.frame, market.actions))
    else:
        assert ground.growth is None


@pytest.mark.parametrize("keeps", [False, True], ids=["one run", "many runs"])
@pytest.mark.parametrize(("fast", "slow"), [(1, 2), (3, 20), (8, 17), (5, 59), (5, 80)])
@pytest.mark.parametrize("band", [0.0, 1e-6, 0.4])
def test_crossings_are_those_of_the_feature(fast: int, slow: int, band: float, keeps: bool) -> None:
    for market in (market_of(noisy(5)), market_of(noisy(5), some_actions(5))):
        grown = History(market.frame, market.actions)
        gaps = sma_gap(fast, slow).compute(grown.columns()) / grown.growth
        ground = Ground(market, keeps=keeps)
        signs = ground.crossing(fast, slow, band)
        assert signs.tolist() == ((gaps > band) * 1 - (gaps < -band) * 1).tolist()


@pytest.mark.parametrize("spoiler", [0.0, np.nan, np.inf, -250.0])
@pytest.mark.parametrize(("fast", "slow"), [(10, 30), (1, 2), (1, 1), (100, 1024), (9, 1100)])
def test_crossings_of_one_name_over_many_blocks_are_those_of_the_feature(
    fast: int, slow: int, spoiler: float
) -> None:
    # In cents, so that averages are often equal, and then long the same.
    closes = np.round(100 + np.cumsum(np.random.default_rng(1).normal(0, 0.02, 6000)), 2)
    closes[3000:4500] = 99.99
    closes[[1500, 5000]] += spoiler
    column = closes.reshape(-1, 1)
    with np.errstate(invalid="ignore"):
        gaps = rolling_mean(column, fast) - rolling_mean(column, slow)
    for band in (0.0, 1e-6, 0.05, float(gaps[2500, 0])):
        signs = crossed(closes, fast, slow, band)
        assert signs.tolist() == ((gaps > band) * 1 - (gaps < -band) * 1)[:, 0].tolist()


def test_rows_say_whether_each_is_known_before_the_next_starts() -> None:
    frame = market_of(noisy(2)).frame
    assert pace_of(frame) == (True, True)
    late = replace(frame, known_at=np.append(frame.start[1:] + 1, frame.end[-1]))
    assert pace_of(late) == (True, False)
    at_once = replace(frame, known_at=np.append(frame.end[:-1], frame.end[-2] + 999))
    assert pace_of(at_once)[0] is False


def test_rows_out_of_the_order_of_sessions_are_refused() -> None:
    frame = market_of(noisy(2)).frame
    with pytest.raises(InvalidInput, match="order of session"):
        replace(frame, session=frame.session[::-1].copy())


def test_a_sweep_is_the_same_with_any_number_of_threads() -> None:
    market = market_of(noisy(4), some_actions(4))
    spec = a_spec(market, strategy="sma-cross")
    grid = {"fast": [2, 3, 4], "slow": [5, 9, 15]}
    one, three = sweep(spec, market, grid, threads=1), sweep(spec, market, grid, threads=3)
    assert one.orders.sum() > 0
    assert list(one.final_equity) == list(three.final_equity)
    assert one.fills.tolist() == three.fills.tolist()
    assert np.array_equal(one.equity, three.equity)
    assert sweep(spec, market, grid, threads=50).orders.tolist() == one.orders.tolist()


def test_what_a_set_of_a_sweep_raises_is_raised() -> None:
    market = market_of(noisy(2))
    with pytest.raises(InvalidInput, match="fast"):
        sweep(a_spec(market, strategy="sma-cross"), market, {"fast": [2, 9], "slow": [5]})


def test_seconds_of_compiling_are_counted_once() -> None:
    double = numba.njit(lambda number: 2 * number)
    before = compiled_seconds()
    assert double(2) == 4
    after = compiled_seconds()
    assert after > before
    assert double(3) == 6
    assert compiled_seconds() == after
