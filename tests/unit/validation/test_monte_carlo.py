from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewright.analytics.drawdown import max_drawdown
from tradewright.analytics.returns import sharpe
from tradewright.analytics.round_trips import RoundTrip
from tradewright.backtest.validation.monte_carlo import (
    LEVELS,
    Draw,
    block_places,
    session_paths,
    trade_contributions,
    trade_paths,
    usual_block,
)
from tradewright.core.errors import InvalidInput
from tradewright.core.frames import FloatArray, to_nanos
from tradewright.core.ids import InstrumentId
from tradewright.core.orders import Side

RETURNS = 0.0005 + 0.01 * np.random.default_rng(4).standard_normal(250)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_shuffling_keeps_what_was_earned_and_changes_how_deep_it_fell() -> None:
    found = trade_paths(RETURNS, rng(), paths=200, shuffle=True)
    assert found.draw is Draw.SHUFFLE
    earned = float(np.prod(1 + RETURNS) - 1)
    assert found.total_return == pytest.approx(np.full(200, earned))
    assert len(np.unique(found.max_drawdown)) > 150
    assert found.happened[-1] == pytest.approx(1 + earned)


def test_drawing_trades_changes_what_was_earned_around_what_was() -> None:
    found = trade_paths(RETURNS, rng(), paths=4000)
    expected = (1 + RETURNS.mean()) ** len(RETURNS) - 1
    error = found.total_return.std() / math.sqrt(4000)
    assert found.total_return.mean() == pytest.approx(expected, abs=4 * error)
    assert found.loss == np.mean(found.total_return < 0)
    assert np.isnan(found.sharpe).all()


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_seed_gives_the_same_paths_again(shuffle: bool) -> None:
    one, again, other = (
        trade_paths(RETURNS, rng(seed), paths=50, shuffle=shuffle) for seed in (1, 1, 2)
    )
    assert np.array_equal(one.max_drawdown, again.max_drawdown)
    assert not np.array_equal(one.max_drawdown, other.max_drawdown)
    same = session_paths(RETURNS, rng(1), paths=50)
    assert np.array_equal(same.bands, session_paths(RETURNS, rng(1), paths=50).bands)


def test_numbers_of_a_path_are_those_of_its_curve() -> None:
    # One block as long as the record is the record turned around some session.
    found = session_paths(RETURNS, rng(), paths=20, block=float(len(RETURNS)))
    turned = [np.roll(RETURNS, -shift) for shift in range(len(RETURNS))]
    deepest = {round(max_drawdown(curve(one)).depth, 12) for one in turned}
    whole = [path for path in found.max_drawdown.tolist() if round(path, 12) in deepest]
    assert len(whole) > 5
    assert any(value == pytest.approx(sharpe(RETURNS)) for value in found.sharpe)


def curve(returns: FloatArray) -> FloatArray:
    return np.cumprod(np.append(1.0, 1 + returns))


def test_bands_are_quantiles_of_growth_step_by_step() -> None:
    found = session_paths(RETURNS, rng(), paths=300)
    assert found.bands.shape == (len(LEVELS), len(RETURNS) + 1)
    assert np.all(np.diff(found.bands, axis=0) >= 0)
    ends = np.quantile(1 + found.total_return, LEVELS)
    assert found.bands[:, -1] == pytest.approx(ends, rel=1e-5)
    assert found.bands[:, 0].tolist() == [1.0] * len(LEVELS)


def test_where_what_happened_stands_among_the_paths() -> None:
    found = trade_paths(RETURNS, rng(), paths=100)
    worst = float(found.max_drawdown.max())
    assert found.place(found.max_drawdown, worst + 1) == 1
    assert found.place(found.max_drawdown, worst) == pytest.approx(0.995)
    assert math.isnan(found.place(found.max_drawdown, math.nan))


def test_an_account_that_lost_everything_stays_there() -> None:
    found = trade_paths(np.array([0.5, -1.5, 0.5]), rng(), paths=20, shuffle=True)
    assert found.total_return.tolist() == [-1.0] * 20
    assert found.max_drawdown.tolist() == [1.0] * 20


@given(st.integers(2, 60), st.floats(1.0, 30.0), st.integers(0, 50))
def test_blocks_go_on_from_session_to_session(count: int, block: float, seed: int) -> None:
    places = block_places(count, 5, block, rng(seed))
    assert places.shape == (5, count)
    assert places.min() >= 0
    assert places.max() < count


def test_blocks_are_as_long_as_they_should_be_on_average() -> None:
    places = block_places(1000, 200, 8.0, rng())
    goes_on = (places[:, 1:] - places[:, :-1]) % 1000 == 1
    assert 1 / (1 - goes_on.mean()) == pytest.approx(8.0, rel=0.03)


def test_the_usual_block_grows_slowly() -> None:
    assert [usual_block(count) for count in (1, 27, 250, 2520)] == [1, 3, 6, 14]


@pytest.mark.parametrize("block", [0.5, 251.0])
def test_a_block_that_is_none_is_refused(block: float) -> None:
    with pytest.raises(InvalidInput, match=r"^block: "):
        session_paths(RETURNS, rng(), block=block)


@pytest.mark.parametrize("values", [[0.1], [0.1, math.nan]])
def test_what_cannot_be_drawn_from_is_refused(values: list[float]) -> None:
    with pytest.raises(InvalidInput):
        trade_paths(np.array(values), rng())
    with pytest.raises(InvalidInput):
        session_paths(np.array(values), rng())


def test_no_path_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"^paths: 0"):
        trade_paths(RETURNS, rng(), paths=0)


def test_a_trade_adds_to_the_account_that_it_was_opened_in() -> None:
    days = [datetime(2024, 1, day, 21, tzinfo=UTC) for day in (1, 2, 3, 4)]
    ends = np.array([to_nanos(day) for day in days])
    equity = np.array([1000.0, 2000.0, 4000.0, 0.0])
    opened = [days[0] + timedelta(hours=17), days[1] + timedelta(hours=17), days[2]]
    trips = [
        RoundTrip(
            InstrumentId("AAA"), Side.BUY, at, days[3], Decimal(100), Decimal(100), Decimal(0)
        )
        for at in opened
    ]
    # The first was opened in the session after 1,000, the second after 2,000; one that is opened
    # at a close is opened in that session.
    assert trade_contributions(trips, ends, equity).tolist() == [0.1, 0.05, 0.05]
