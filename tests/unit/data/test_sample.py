from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from tests.frames import sessions
from tradewright.core.errors import InvalidInput, MissingData
from tradewright.core.frames import FIELDS, from_nanos
from tradewright.core.market import CashDividend, Delisting, Split
from tradewright.core.session import Timeframe
from tradewright.data.adjust import growth
from tradewright.data.quality import Rule, inspect
from tradewright.data.sample import SampleMarket, bar_times, sample_market


@pytest.fixture(scope="module")
def market() -> SampleMarket:
    return sample_market()


def test_same_arguments_give_the_same_market(market: SampleMarket) -> None:
    again = sample_market()
    assert again.actions == market.actions
    assert again.instruments == market.instruments
    for name in FIELDS:
        assert np.array_equal(
            getattr(again.frame, name), getattr(market.frame, name), equal_nan=True
        )


def test_other_seed_gives_another_market(market: SampleMarket) -> None:
    assert not np.array_equal(sample_market(seed=8).frame.close, market.frame.close, equal_nan=True)


def test_bars_keep_every_rule(market: SampleMarket) -> None:
    report = inspect(market.frame, calendar=market.calendar, actions=market.actions)
    assert report.errors == ()
    assert {finding.rule for finding in report.findings} == {Rule.MISSING_SESSIONS}


def test_no_row_is_empty_and_the_ends_are_whole(market: SampleMarket) -> None:
    traded = ~np.isnan(market.frame.close)
    assert traded.any(axis=1).all()
    assert traded[0, :-1].all()
    assert traded[-1, -1]


def test_raw_prices_drop_by_the_split_ratio(market: SampleMarket) -> None:
    splits = [action for action in market.actions if isinstance(action, Split)]
    assert {split.ratio for split in splits} >= {2, 4}
    days = [session.date for session in market.frame.sessions]
    for split in splits:
        column = market.frame.index(split.instrument)
        row = days.index(split.ex_date)
        before, after = market.frame.close[row - 1, column], market.frame.open[row, column]
        assert before / after == pytest.approx(float(split.ratio), rel=0.15)


def test_dividends_are_quarterly_and_small(market: SampleMarket) -> None:
    paid = [a for a in market.actions if isinstance(a, CashDividend) and a.instrument == "SIM01"]
    assert 11 <= len(paid) <= 12
    assert growth(market.frame, paid)[-1, 0] == pytest.approx(1.06, abs=0.05)


def test_one_lists_late_and_one_is_delisted(market: SampleMarket) -> None:
    gone, late = market.instruments[-2:]
    assert late.listed is not None
    assert gone.delisted is not None
    assert Delisting(gone.id, gone.delisted) in market.actions
    days = [session.date for session in market.frame.sessions]
    closes = market.frame.close
    assert np.isnan(closes[: days.index(late.listed), -1]).all()
    assert np.isnan(closes[days.index(gone.delisted) + 1 :, -2]).all()
    assert not np.isnan(closes[days.index(late.listed), -1])


def test_half_days_are_there(market: SampleMarket) -> None:
    early = [s.date for s in market.frame.sessions if s.early_close]
    assert date(2014, 11, 28) in early


def test_prices_are_in_cents(market: SampleMarket) -> None:
    closes = market.frame.close[~np.isnan(market.frame.close)]
    assert np.array_equal(closes, closes.round(2))


def test_market_moves_together(market: SampleMarket) -> None:
    wealth = np.log(market.frame.close[:, :3] * growth(market.frame, market.actions)[:, :3])
    moves = np.diff(wealth, axis=0)
    correlation = np.corrcoef(moves[~np.isnan(moves).any(axis=1)].T)
    assert correlation[np.triu_indices(3, 1)].min() > 0.1


def test_last_day_or_number_of_sessions_ends_it() -> None:
    by_date = sample_market(symbols=1, first=date(2014, 1, 2), last=date(2014, 1, 8))
    by_count = sample_market(symbols=1, first=date(2014, 1, 2), sessions=5)
    assert np.array_equal(by_date.frame.close, by_count.frame.close)
    with pytest.raises(InvalidInput, match="give one of them"):
        sample_market(last=date(2014, 1, 8), sessions=5)


@pytest.mark.parametrize(("timeframe", "bars"), [(Timeframe.MINUTE, 390), (Timeframe.HOUR, 7)])
def test_shorter_bars_fill_the_session(timeframe: Timeframe, bars: int) -> None:
    market = sample_market(symbols=2, sessions=3, timeframe=timeframe)
    assert np.bincount(market.frame.session).tolist() == [bars] * 3
    assert inspect(market.frame, actions=market.actions).errors == ()


def test_hour_bars_run_by_the_clock_and_end_with_a_half_day() -> None:
    half = bar_times(sessions(1, date(2013, 11, 29)), Timeframe.HOUR)
    assert [f"{from_nanos(nanos):%H:%M}" for nanos in half.start.tolist()] == [
        "14:30",
        "15:00",
        "16:00",
        "17:00",
    ]
    assert f"{from_nanos(int(half.end[-1])):%H:%M}" == "18:00"


def test_impossible_markets_are_refused() -> None:
    with pytest.raises(InvalidInput, match="symbols: 0"):
        sample_market(symbols=0)
    with pytest.raises(InvalidInput, match="sessions: 1"):
        sample_market(sessions=1)
    with pytest.raises(MissingData, match="start earlier"):
        sample_market(sessions=100_000)
