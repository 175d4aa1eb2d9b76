"""What was known of liquidity before a moment, and that nothing later changes it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from tests.builders import AAA, NO_BAR, Row, a_frame, an_instrument
from tradewright.core.frames import BarFrame
from tradewright.core.ids import InstrumentId
from tradewright.core.market import Split
from tradewright.portfolio.costs import UNKNOWN, Backdrop
from tradewright.portfolio.costs.conditions import daily_volatility, estimated_spread

SESSIONS = 30


def bars(count: int = SESSIONS, seed: int = 3) -> list[Row]:
    noise = np.random.default_rng(seed)
    closes = np.round(100 * np.exp(np.cumsum(noise.normal(0, 0.02, count))), 2)
    volumes = noise.integers(1_000, 9_000, count).astype(float)
    return [(c, c + 1, c - 1, c, v) for c, v in zip(closes, volumes, strict=True)]


def test_numbers_are_those_of_the_twenty_sessions_before() -> None:
    rows = bars()
    frame = a_frame({"AAA": rows})
    known = Backdrop(frame).at(AAA, frame.started(25))
    closes = np.array([row[3] for row in rows])
    returns = np.diff(np.log(closes[4:25]))
    assert float(known.volatility or 0) == pytest.approx(np.std(returns, ddof=1), rel=1e-12)
    assert float(known.volume or 0) == pytest.approx(np.mean([row[4] for row in rows[5:25]]))
    spread = estimated_spread(*(np.array([row[k] for row in rows[5:25]]) for k in (1, 2, 3)))
    assert float(known.spread or 0) == pytest.approx(max(spread, 0.01 / closes[24]), rel=1e-12)


@pytest.mark.parametrize("per_session", [1, 3])
def test_nothing_of_the_session_or_later_counts(per_session: int) -> None:
    frame = a_frame({"AAA": bars(SESSIONS * per_session)}, per_session)
    row = 20 * per_session + per_session // 2
    changed = {name: getattr(frame, name).copy() for name in ("open", "high", "low", "close")}
    for column in changed.values():
        column[20 * per_session :] *= 7
    volume = frame.volume.copy()
    volume[20 * per_session :] = 1.0
    other = replace(frame, **changed, volume=volume)
    for at in (frame.started(row), frame.known(row)):
        known = Backdrop(frame).at(AAA, at)
        assert known == Backdrop(other).at(AAA, at)
        assert None not in (known.spread, known.volatility, known.volume)
    # The day after, it counts.
    after = frame.started(21 * per_session)
    assert Backdrop(frame).at(AAA, after) != Backdrop(other).at(AAA, after)


def test_a_frame_that_is_cut_knows_the_same() -> None:
    frame = a_frame({"AAA": bars()})
    whole, cut = Backdrop(frame), Backdrop(frame.rows(0, 20))
    assert whole.at(AAA, frame.started(20)) == cut.at(AAA, frame.started(20))


def test_minutes_and_days_know_the_same_volume_and_volatility() -> None:
    minutes = a_frame({"AAA": bars(60)}, per_session=3)

    def daily(name: str, how: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        by_day = getattr(minutes, name).reshape(20, 3, 1)
        found: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = getattr(by_day, how)(axis=1)
        return found

    days = BarFrame(
        minutes.timeframe,
        minutes.instruments,
        minutes.sessions,
        np.arange(20),
        minutes.start[::3],
        minutes.end[2::3],
        open=minutes.open[::3],
        high=daily("high", "max"),
        low=daily("low", "min"),
        close=minutes.close[2::3],
        volume=daily("volume", "sum"),
    )
    at = minutes.started(59)
    assert Backdrop(days).at(AAA, at) == Backdrop(minutes).at(AAA, at)


def test_too_little_is_unknown() -> None:
    frame = a_frame({"AAA": bars(12)})
    assert Backdrop(frame).at(AAA, frame.started(9)) == UNKNOWN
    early = Backdrop(frame).at(AAA, frame.started(10))
    # Ten sessions have nine returns.
    assert early.volatility is None
    assert early.volume is not None
    assert Backdrop(frame).at(AAA, frame.started(11)).volatility is not None
    assert Backdrop(frame).at(AAA, frame.started(0) - timedelta(days=9)) == UNKNOWN


def test_what_is_not_in_the_frame_is_unknown() -> None:
    frame = a_frame({"AAA": bars()})
    assert Backdrop(frame).at(InstrumentId("ZZZ"), frame.started(25)) == UNKNOWN


def test_sessions_without_a_trade_count_as_no_volume() -> None:
    rows = bars()
    rows[20] = NO_BAR
    frame = a_frame({"AAA": rows})
    known = Backdrop(frame).at(AAA, frame.started(25))
    assert float(known.volume or 0) == pytest.approx(
        np.sum([row[4] for i, row in enumerate(rows[5:25]) if i != 15]) / 20
    )
    assert known.volatility is not None


def test_what_never_traded_is_unknown() -> None:
    frame = a_frame({"AAA": bars(), "BBB": [NO_BAR] * SESSIONS})
    assert Backdrop(frame).at(InstrumentId("BBB"), frame.started(25)) == UNKNOWN


def test_volumes_are_in_shares_of_the_day_and_a_split_is_no_return() -> None:
    plain = bars()
    halved = [(o / 2, h / 2, low / 2, c / 2, v * 2) for o, h, low, c, v in plain]
    split = [*plain[:20], *halved[20:]]
    frame = a_frame({"AAA": split})
    action = Split(an_instrument().id, frame.sessions[20].date, Fraction(2))
    before = Backdrop(a_frame({"AAA": plain})).at(AAA, frame.started(25))
    known = Backdrop(frame, [action]).at(AAA, frame.started(25))
    assert known.volatility == before.volatility
    assert float(known.volume or 0) == pytest.approx(2 * float(before.volume or 0))
    # On the morning of the split itself, the sessions before are in its shares too.
    morning = Backdrop(frame, [action]).at(AAA, frame.started(20))
    old = Backdrop(a_frame({"AAA": plain})).at(AAA, frame.started(20))
    assert float(morning.volume or 0) == pytest.approx(2 * float(old.volume or 0))
    assert Backdrop(frame).at(AAA, frame.started(25)).volatility != before.volatility


def test_the_spread_is_a_cent_at_least() -> None:
    rows = [(50.0, 50.0, 50.0, 50.0, 10.0)] * SESSIONS
    frame = a_frame({"AAA": rows})
    assert Backdrop(frame).at(AAA, frame.started(25)).spread == Decimal("0.0002")


def test_the_spread_of_bounces_is_found() -> None:
    # A price that stands still, shown at bid or ask: ranges are the whole spread.
    noise, half = np.random.default_rng(1), 0.01
    close = 100 * (1 + half * noise.choice([-1.0, 1.0], 4_000))
    high, low = np.full(4_000, 100 * (1 + half)), np.full(4_000, 100 * (1 - half))
    assert estimated_spread(high, low, close) == pytest.approx(2 * half, rel=0.01)


def test_volatility_of_a_known_sample() -> None:
    close = np.exp(np.cumsum([0.0, *([0.01, -0.01] * 5)]))
    # Deviations of 0.01 each: sqrt(10 · 0.0001 / 9).
    assert daily_volatility(close) == pytest.approx(0.01 * np.sqrt(10 / 9))
    assert np.isnan(daily_volatility(close[:10]))


def test_dates_of_the_test_are_sessions() -> None:
    assert a_frame({"AAA": bars()}).sessions[0].date == date(2024, 1, 2)
