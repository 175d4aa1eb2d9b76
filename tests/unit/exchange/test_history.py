"""The history of the portfolio: windows, labels, baselines, and what cannot be asked."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.unit.exchange.builders import a_market, an_exchange, closed, opened
from tradewright.core.ids import InstrumentId
from tradewright.core.market import CashDividend
from tradewright.exchange.account.history import history
from tradewright.exchange.exchange import Exchange
from tradewright.exchange.words import Refused

NEW_YORK = ZoneInfo("America/New_York")
MARKET = {"symbol": "AAA", "qty": "10", "side": "buy", "type": "market", "time_in_force": "day"}


def label(day: int, hour: int, minute: int = 0) -> int:
    """The epoch second of a New York time in January 2024."""
    return int(datetime(2024, 1, day, hour, minute, tzinfo=NEW_YORK).timestamp())


def an_invested_exchange(day: int = 3) -> Exchange:
    """Ten shares bought at 101, then closes of 104, 99 and 95: 100,030, 99,980 and 99,940."""
    dividend = CashDividend(InstrumentId("AAA"), date(2024, 1, 5), Decimal(1))
    exchange = an_exchange(a_market(actions=(dividend,)))
    exchange.orders.submit(MARKET)
    exchange.advance(closed(day))
    return exchange


def asked(exchange: Exchange, **query: str) -> dict[str, Any]:
    return dict(history(exchange, query))


def test_days_are_labelled_at_eight_and_measured_from_the_day_before() -> None:
    body = asked(an_invested_exchange(), timeframe="1D")
    assert body == {
        "timestamp": [label(3, 20), label(4, 20), label(5, 20)],
        "equity": [100_030.0, 99_980.0, 99_950.0],
        "profit_loss": [30.0, -50.0, -30.0],
        "profit_loss_pct": [0.0003, -0.0005, -0.0003],
        "base_value": 100_000.0,
        "base_value_asof": "2024-01-02",
        "timeframe": "1D",
    }


def test_without_a_reset_profit_is_measured_from_the_beginning() -> None:
    body = asked(an_invested_exchange(), timeframe="1D", pnl_reset="no_reset")
    assert body["profit_loss"] == [30.0, -20.0, -50.0]


def test_windows_of_a_day_are_labelled_with_their_beginning() -> None:
    body = asked(an_invested_exchange(2), period="1D", timeframe="1H")
    assert body["timestamp"] == [label(4, 9 + hour, 30) for hour in range(7)]
    # Bought yesterday, and these bars are of days: it is worth 104 a share until the close.
    assert body["equity"] == [100_030.0] * 6 + [99_980.0]
    assert body["profit_loss"] == [0.0] * 6 + [-50.0]
    assert (body["base_value"], body["base_value_asof"]) == (100_030.0, "2024-01-03")


def test_each_day_of_minutes_has_its_own_baseline_unless_told_otherwise() -> None:
    exchange = an_invested_exchange(2)
    last = {}
    for reset in ("per_day", "no_reset"):
        body = asked(exchange, period="2D", timeframe="15Min", pnl_reset=reset)
        assert len(body["timestamp"]) == 2 * 26
        last[reset] = body["profit_loss"][-1]
    assert last == {"per_day": -50.0, "no_reset": -20.0}


@pytest.mark.parametrize(
    ("reporting", "count", "first", "final"),
    [
        ("market_hours", 26, label(3, 9, 30), label(3, 15, 45)),
        ("extended_hours", 48, label(3, 4), label(3, 16)),
        ("continuous", 65, label(3, 0), label(3, 16)),
    ],
)
def test_the_hours_that_are_reported(reporting: str, count: int, first: int, final: int) -> None:
    exchange = an_invested_exchange(1)
    query = {"period": "1D", "timeframe": "15Min", "intraday_reporting": reporting}
    stamps = asked(exchange, **query)["timestamp"]
    # The market stands at four in the afternoon: a window that begins then is the last.
    expected = range(first, final + 1, 900)
    assert stamps == list(expected)
    assert abs(len(stamps) - count) <= 1


def test_the_old_word_for_extended_hours_is_understood() -> None:
    query = {"period": "1D", "timeframe": "1H", "extended_hours": "True"}
    assert asked(an_invested_exchange(1), **query)["timestamp"][0] == label(3, 4)


@pytest.mark.parametrize(
    ("query", "timeframe"),
    [
        ({}, "1D"),
        ({"period": "1D"}, "1Min"),
        ({"period": "6D"}, "1Min"),
        ({"period": "1W"}, "15Min"),
        ({"period": "29D"}, "15Min"),
        ({"period": "1A"}, "1D"),
        ({"start": "2024-01-03"}, "1Min"),
    ],
)
def test_the_timeframe_follows_from_the_period(query: dict[str, str], timeframe: str) -> None:
    assert asked(an_invested_exchange(), **query)["timeframe"] == timeframe


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ({"period": "1D"}, [5]),
        ({"period": "2D"}, [4, 5]),
        ({"period": "1W"}, [3, 4, 5]),
        ({"start": "2024-01-04"}, [4, 5]),
        ({"start": "2024-01-03", "end": "2024-01-04T21:00:00Z"}, [3, 4]),
        ({"end": "2024-01-04T21:00:00Z", "period": "1D"}, [4]),
        ({"start": "2024-01-03T12:00:00Z", "period": "2D"}, [3, 4]),
        ({"date_end": "2024-01-04T21:00:00Z", "period": "1D"}, [4]),
        ({"start": "2024-02-01"}, []),
        ({"end": "2023-06-01"}, []),
        ({"start": "1900-01-01", "end": "1900-02-01"}, []),
    ],
)
def test_start_end_and_period(query: dict[str, str], days: list[int]) -> None:
    body = asked(an_invested_exchange(), timeframe="1D", **query)
    assert body["timestamp"] == [label(day, 20) for day in days]
    assert len(body["equity"]) == len(body["profit_loss"]) == len(days)


def test_a_day_asked_for_on_a_sunday_is_the_friday() -> None:
    exchange = an_invested_exchange(3)
    exchange.advance(datetime(2024, 1, 7, 12, tzinfo=NEW_YORK).astimezone(ZoneInfo("UTC")))
    body = asked(exchange, period="1D", timeframe="1D")
    assert body["timestamp"] == [label(5, 20)]


def test_the_day_that_runs_shows_what_the_account_is_worth_now() -> None:
    exchange = an_invested_exchange(1)
    exchange.advance(opened(2))
    body = asked(exchange, timeframe="1D")
    assert body["timestamp"] == [label(3, 20), label(4, 20)]
    assert body["equity"][-1] == float(exchange.account.standing.equity)


@pytest.mark.parametrize(
    ("words", "flows"),
    [
        ("NONE", None),
        ("ALL", {"DIV": [0.0, 0.0, 10.0]}),
        ("DIV,FEE", {"DIV": [0.0, 0.0, 10.0], "FEE": [0.0, 0.0, 0.0]}),
    ],
)
def test_cash_that_moved_is_told_by_window(words: str, flows: dict[str, object] | None) -> None:
    body = asked(an_invested_exchange(), timeframe="1D", cashflow_types=words)
    assert body.get("cashflow") == flows


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"start": "2024-01-03", "end": "2024-01-04", "period": "1D"}, "only two of"),
        ({"period": "D"}, "invalid period"),
        ({"period": "0D"}, "invalid period"),
        ({"period": "1Y"}, "invalid period"),
        ({"timeframe": "2Min"}, "invalid timeframe"),
        ({"timeframe": "1Min", "period": "2M"}, "only 1D timeframe"),
        ({"timeframe": "1H", "start": "2023-01-03"}, "only 1D timeframe"),
        ({"intraday_reporting": "always"}, "invalid intraday_reporting"),
        ({"pnl_reset": "never"}, "invalid pnl_reset"),
        ({"cashflow_types": "GIFT"}, "invalid activity type"),
        ({"start": "soon"}, "invalid start"),
        ({"start": "2024-01-05", "end": "2024-01-03"}, "end must not be before start"),
        ({"end": "9999-12-31"}, "invalid end"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(query: dict[str, str], message: str) -> None:
    with pytest.raises(Refused, match=message) as refused:
        asked(an_invested_exchange(), **query)
    assert (refused.value.status, refused.value.code) == (422, 40010001)
