"""Short sales under Rule 201, and when shares can no longer be borrowed."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.unit.exchange.asking import heard, refusal, shown, status, submit
from tests.unit.exchange.builders import a_market, an_exchange, closed, opened
from tests.unit.exchange.minutes import AAA, DAYS, MINUTES, minute, minute_exchange, minute_market
from tradewright.core.market import Split
from tradewright.exchange.exchange import Exchange

SHORT = {"side": "sell", "position_intent": "sell_to_open"}
# The first day closes at 100; on the second the price falls through 90 in the eleventh minute.
FALL = [100.0] * (MINUTES + 10) + [91.0 - 0.2 * i for i in range(MINUTES - 10)]
CALM = [20.0] * (2 * MINUTES)


def falling() -> Exchange:
    exchange = minute_exchange(minute_market({"AAA": FALL, "BBB": CALM}))
    exchange.advance(minute(1, 5))
    return exchange


def is_restricted(exchange: Exchange) -> bool:
    return exchange.account.permissions.shorting.is_restricted(AAA)


def restrictions(exchange: Exchange) -> list[Any]:
    rows: list[Any] = exchange.events.read(0, 10_000)
    return [row for row in rows if row["kind"] == "ssr"]


def told(exchange: Exchange) -> list[tuple[str, bool]]:
    return [(row["data"]["symbol"], row["data"]["on"]) for row in restrictions(exchange)]


def test_a_fall_of_a_tenth_restricts_short_sales_from_that_trade_on() -> None:
    exchange = falling()
    exchange.advance(minute(1, 11))
    assert not is_restricted(exchange)
    exchange.advance(minute(1, 20))
    assert is_restricted(exchange)
    assert told(exchange) == [("AAA", True)]
    first = restrictions(exchange)[0]["at"]
    trade = exchange.market.tape.trade(AAA, minute(1, 20))
    assert trade is not None
    assert minute(1, 11).isoformat() < first < trade.at.isoformat()
    assert "short sale restriction" in refusal(exchange, **SHORT).message
    assert status(exchange, submit(exchange, symbol="BBB", **SHORT)) == "filled"


def test_a_limit_above_the_bid_is_taken_and_met() -> None:
    exchange = falling()
    exchange.advance(minute(1, 20))
    quote = exchange.market.tape.quote(AAA, exchange.market.now)
    assert quote is not None
    limits = {"type": "limit", "time_in_force": "day"}
    refused = refusal(exchange, **SHORT, **limits, limit_price=str(quote.bid))
    assert refused.status == 403
    order = submit(exchange, **SHORT, **limits, limit_price=str(quote.bid + Decimal("0.01")))
    assert status(exchange, order) == "new"


def test_what_is_sold_and_held_is_no_short_sale() -> None:
    exchange = falling()
    submit(exchange)
    exchange.advance(minute(1, 20))
    assert is_restricted(exchange)
    assert status(exchange, submit(exchange, side="sell")) == "filled"


def test_an_open_short_sale_waits_instead_of_taking_the_bid() -> None:
    exchange = falling()
    stop = submit(exchange, **SHORT, type="stop", stop_price="88.5", time_in_force="gtc")
    exchange.advance(minute(1, MINUTES - 1))
    assert is_restricted(exchange)
    trade = exchange.market.tape.trade(AAA, exchange.market.now)
    assert trade is not None
    assert trade.price < Decimal("88.5")
    assert status(exchange, stop) == "new"
    exchange.perform("ssr", {"symbol": "AAA", "on": False})
    exchange.advance(minute(1, MINUTES - 0.5))
    assert status(exchange, stop) == "filled"


def test_a_limit_that_comes_below_the_bid_is_not_met_before_it_stood_above() -> None:
    prices = [100.0] * (MINUTES + 10) + [89.0] * 5 + [89.5] * 5 + [88.0] * 5 + [90.5] * 5
    exchange = minute_exchange(minute_market({"AAA": prices, "BBB": CALM}))
    exchange.advance(minute(1, 14.5))
    assert is_restricted(exchange)
    exchange.perform("halt", {"symbol": "AAA"})
    order = submit(exchange, **SHORT, type="limit", limit_price="89.20", time_in_force="day")
    exchange.advance(minute(1, 17.5))
    exchange.perform("resume", {"symbol": "AAA"})
    exchange.advance(minute(1, 19.5))
    assert status(exchange, order) == "new"
    exchange.advance(minute(1, 24.5))
    assert status(exchange, order) == "new"
    exchange.advance(minute(1, 28))
    assert shown(exchange, order)["filled_avg_price"] == "89.2"


def test_the_restriction_lasts_to_the_end_of_the_next_session() -> None:
    flat = (100.0, 100.0, 100.0, 100.0, 1e5)
    fallen = (95.0, 96.0, 89.0, 95.0, 1e5)
    exchange = an_exchange(
        a_market({"AAA": [flat, fallen, (95.0, 96.0, 94.0, 95.0, 1e5)] + [flat] * 2}),
        leverage=Decimal(2),
    )
    exchange.advance(opened(1))
    assert not is_restricted(exchange)
    exchange.advance(closed(1))
    assert is_restricted(exchange)
    exchange.advance(closed(2) - timedelta(seconds=1))
    assert is_restricted(exchange)
    exchange.advance(closed(2))
    assert not is_restricted(exchange)
    assert told(exchange) == [("AAA", True), ("AAA", False)]


def test_a_second_fall_begins_the_restriction_anew() -> None:
    flat = (100.0, 100.0, 100.0, 100.0, 1e5)
    rows = [flat, (95.0, 95.0, 89.0, 95.0, 1e5), (90.0, 91.0, 80.0, 90.0, 1e5)]
    exchange = an_exchange(a_market({"AAA": rows + [(90.0, 90.0, 90.0, 90.0, 1e5)] * 2}))
    exchange.advance(closed(2))
    assert is_restricted(exchange)
    exchange.advance(closed(3))
    assert not is_restricted(exchange)


def test_one_that_was_ordered_by_hand_lasts_until_it_is_lifted() -> None:
    exchange = falling()
    exchange.perform("ssr", {"symbol": "AAA"})
    exchange.advance(minute(1, MINUTES))
    assert is_restricted(exchange)
    exchange.perform("ssr", {"symbol": "AAA", "on": False})
    assert not is_restricted(exchange)


def test_a_split_is_no_fall() -> None:
    halved = [100.0] * MINUTES + [50.0] * MINUTES
    split = Split(AAA, DAYS[1], Fraction(2))
    exchange = minute_exchange(minute_market({"AAA": halved, "BBB": CALM}, (split,)))
    exchange.advance(minute(1, MINUTES))
    assert not is_restricted(exchange)


def test_a_fall_after_a_split_is_measured_in_new_shares() -> None:
    fallen = [100.0] * MINUTES + [50.0] * 10 + [44.0] * (MINUTES - 10)
    split = Split(AAA, DAYS[1], Fraction(2))
    exchange = minute_exchange(minute_market({"AAA": fallen, "BBB": CALM}, (split,)))
    exchange.advance(minute(1, 9))
    assert not is_restricted(exchange)
    exchange.advance(minute(1, 12))
    assert is_restricted(exchange)


def test_a_restart_keeps_the_restriction(tmp_path: Path) -> None:
    exchange = falling()
    exchange.keep(tmp_path, {"data": "falling"})
    exchange.advance(minute(1, 20))
    exchange.close()
    again = minute_exchange(minute_market({"AAA": FALL, "BBB": CALM}))
    again.keep(tmp_path, {"data": "falling"})
    assert again.events.read(0, 1000) == exchange_log(falling_to(20))
    assert is_restricted(again)
    again.close()


def falling_to(number: float) -> Exchange:
    exchange = falling()
    exchange.advance(minute(1, number))
    return exchange


def exchange_log(exchange: Exchange) -> list[Any]:
    return exchange.events.read(0, 1000)


@pytest.mark.parametrize("when", ["in the session", "in the night"])
def test_open_short_sales_are_canceled_before_the_next_open(when: str) -> None:
    exchange = minute_exchange()
    exchange.advance(minute(0, 5))
    submit(exchange, **SHORT)
    limit = {"type": "limit", "limit_price": "120", "time_in_force": "gtc"}
    order = submit(exchange, **SHORT, **limit)
    cover = submit(exchange, type="limit", limit_price="60", time_in_force="gtc")
    if when == "in the night":
        exchange.advance(minute(0, MINUTES) + timedelta(hours=3))
    exchange.perform("borrow", {"symbol": "AAA", "status": "hard_to_borrow"})
    night = minute(1, 0) - timedelta(hours=5, minutes=31)
    exchange.advance(night)
    assert status(exchange, order) == "new"
    with heard(exchange) as updates:
        exchange.advance(night + timedelta(minutes=1))
    assert [(row["event"], row["reason"]) for row in updates] == [("canceled", "hard to borrow")]
    assert (status(exchange, order), status(exchange, cover)) == ("canceled", "new")
    assert exchange.market.brokerage.ledger.quantities[AAA] == -10
    exchange.perform("cancel", {"order": cover})
    assert "cannot be sold short" in refusal(exchange, **SHORT).message


def test_what_can_be_borrowed_again_by_the_morning_stays() -> None:
    exchange = minute_exchange()
    exchange.advance(minute(0, 5))
    order = submit(exchange, **SHORT, type="limit", limit_price="120", time_in_force="gtc")
    exchange.perform("borrow", {"symbol": "AAA", "status": "hard_to_borrow"})
    exchange.perform("borrow", {"symbol": "AAA", "status": "easy_to_borrow"})
    exchange.advance(minute(1, 1))
    assert status(exchange, order) == "new"
