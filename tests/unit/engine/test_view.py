"""A view shows the past as of its row, in today's shares, and lets nobody write."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from tests.builders import AAA, NAN, a_calendar, a_market, dec, flat_bars, sessions
from tradewright.core.errors import MissingData
from tradewright.core.market import CashDividend, Split
from tradewright.core.positions import Position
from tradewright.core.session import Calendar
from tradewright.data.history import History
from tradewright.engine.view import InstantView, Served
from tradewright.features.returns import momentum
from tradewright.features.trend import sma
from tradewright.strategies.strategy import MarketView

DAYS = sessions(4)
SPLIT = Split(AAA, DAYS[2].date, Fraction(4))
DIVIDEND = CashDividend(AAA, DAYS[2].date, dec(10))
MARKET = a_market(
    {"AAA": flat_bars([100.0, 120.0, 30.0, 33.0]), "BBB": flat_bars([1.0, NAN, 2.0, 2.0])}, SPLIT
)


def a_view(row: int, calendar: Calendar | None = None) -> MarketView:
    history = History(MARKET.frame, MARKET.actions)
    history.advance(row)
    served = Served(history, calendar or a_calendar(), [sma(2), momentum(1, 0)])
    return InstantView(served, row, {AAA: Decimal(7)}, lambda: Decimal(5))


def test_a_view_says_when_it_is_and_what_is_held() -> None:
    view = a_view(1)
    assert (view.at, view.session, view.next_session) == (DAYS[1].close, DAYS[1], DAYS[2])
    assert view.universe == ("AAA", "BBB")
    assert (view.holdings, view.equity) == ({AAA: dec(7)}, dec(5))


def test_a_view_moves_on_and_keeps_no_past() -> None:
    history = History(MARKET.frame, MARKET.actions)
    history.advance(2)
    view = InstantView(Served(history, a_calendar(), [sma(2)]), 1, {}, lambda: None)
    assert (view.at, view.value("sma_2")) == (DAYS[1].close, 110.0)
    view.row = 2
    assert (view.at, view.value("sma_2")) == (DAYS[2].close, 30.0)
    np.testing.assert_array_equal(view.tradable(), [30.0, 2.0])


def test_a_view_says_since_when_something_is_held() -> None:
    history = History(MARKET.frame, MARKET.actions)
    history.advance(2)
    held = {AAA: Position(AAA, dec(7))}
    view = InstantView(Served(history, a_calendar(), []), 2, {AAA: dec(7)}, lambda: None, held)
    assert view.positions is held
    opened = [DAYS[0].open, DAYS[0].close, DAYS[1].open, DAYS[2].open, DAYS[2].close]
    assert [view.rows_since(at) for at in opened] == [3, 2, 2, 1, 0]


def test_the_next_session_may_be_unknown() -> None:
    with pytest.raises(MissingData):
        _ = a_view(3, Calendar("SHORT", DAYS)).next_session


def test_features_in_price_units_are_in_todays_shares() -> None:
    assert [a_view(row).value("sma_2") for row in (1, 2, 3)] == [110.0, 30.0, 31.5]
    assert a_view(1).value("sma_2", 1) != a_view(1).value("sma_2", 1)  # NaN


def test_features_without_a_unit_do_not_feel_a_split() -> None:
    assert a_view(2).value("momentum_1_0") == 0.0
    np.testing.assert_array_equal(a_view(3).feature("momentum_1_0"), [33.0 / 30.0 - 1, 0.0])


def test_a_window_ends_now_and_is_in_todays_shares() -> None:
    np.testing.assert_allclose(a_view(2).window("close", 2)[:, 0], [30.0, 30.0])
    np.testing.assert_allclose(a_view(2).window("volume", 2)[:, 0], [4e6, 1e6])
    np.testing.assert_allclose(a_view(1).window("close", 9)[:, 0], [100.0, 120.0])
    assert a_view(2).window("close", 2)[0, 1] != a_view(2).window("close", 2)[0, 1]  # NaN


def test_what_traded_is_shown_raw() -> None:
    np.testing.assert_array_equal(a_view(1).tradable(), [120.0, NAN])


def test_dividends_are_reinvested_in_older_prices() -> None:
    frame = a_market({"AAA": flat_bars([100.0, 100.0, 90.0])}).frame
    history = History(frame, [DIVIDEND])
    history.advance(2)
    np.testing.assert_allclose(history.window("close", 3)[:, 0], [90.0, 90.0, 90.0])
    np.testing.assert_allclose(history.window("volume", 3)[:, 0], [1e6] * 3)


@pytest.mark.parametrize("name", ["sma_2", "momentum_1_0"])
def test_a_strategy_cannot_write_to_what_it_is_shown(name: str) -> None:
    with pytest.raises(ValueError, match="read-only"):
        a_view(1).feature(name)[0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        a_view(1).tradable()[0] = 1.0
