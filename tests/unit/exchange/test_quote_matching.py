"""Orders that meet the tape: at the quote's far side, when a limit is reached, after a halt."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.unit.exchange.minutes import (
    AAA,
    MINUTES,
    ON_QUOTES,
    minute,
    minute_exchange,
    minute_market,
    standing,
    submit,
)
from tradewright.core.market import Quote
from tradewright.exchange.exchange import Exchange


def quote(exchange: Exchange) -> Quote:
    found = exchange.market.tape.quote(AAA, exchange.market.now)
    assert found is not None
    return found


@pytest.fixture
def exchange() -> Exchange:
    """An exchange ten and a half minutes into its first day."""
    made = minute_exchange()
    made.advance(minute(0, 10.5))
    return made


def test_a_market_order_fills_at_once_at_the_far_side(exchange: Exchange) -> None:
    seen = quote(exchange)
    assert standing(exchange, submit(exchange)) == ("filled", str(seen.ask))
    assert standing(exchange, submit(exchange, side="sell")) == ("filled", str(seen.bid))
    assert exchange.market.brokerage.ledger.cash == 1_000_000 + 10 * (seen.bid - seen.ask)


def test_the_first_day_is_priced_by_what_has_traded() -> None:
    exchange = minute_exchange()
    exchange.advance(minute(0, 0.5))
    assert exchange.market.brokerage.price(AAA) is not None
    assert standing(exchange, submit(exchange))[0] == "filled"


def test_a_marketable_limit_gets_the_quote_and_a_resting_one_its_price(exchange: Exchange) -> None:
    seen = quote(exchange)
    at_once = submit(exchange, type="limit", limit_price=str(seen.ask + 1))
    assert standing(exchange, at_once) == ("filled", str(seen.ask))
    data = minute_market({"AAA": [100.0] * 15 + [90.0] * 45})
    falls = minute_exchange(data)
    falls.advance(minute(0, 10))
    rests = submit(falls, type="limit", limit_price="95")
    assert standing(falls, rests) == ("new", None)
    falls.advance(minute(0, 17))
    assert standing(falls, rests) == ("filled", "95")
    ticket = falls.orders.ticket(rests)
    assert ticket.filled_at is not None
    assert minute(0, 15) < ticket.filled_at < minute(0, 16)


@pytest.mark.parametrize("steps", [1, 7, 400])
def test_how_often_time_is_moved_makes_no_difference(steps: int) -> None:
    exchange = minute_exchange()
    exchange.advance(minute(0, 5))
    for limit in ("99.96", "100.2", "100.5"):
        submit(exchange, type="limit", limit_price=limit, time_in_force="gtc")
    submit(exchange, side="sell", symbol="BBB", type="limit", limit_price="20.3")
    submit(exchange, side="sell", symbol="BBB", type="trailing_stop", trail_price="0.05")
    for step in range(steps):
        exchange.advance(minute(0, 5) + (minute(1, 9) - minute(0, 5)) * (step + 1) / steps)
    fills = [(row["transaction_time"], row["price"]) for row in exchange.orders.floor.updates.rows]
    assert len(fills) >= 3
    assert fills == _fills_in_one_go()


def _fills_in_one_go() -> list[tuple[Any, Any]]:
    exchange = minute_exchange()
    exchange.advance(minute(0, 5))
    for limit in ("99.96", "100.2", "100.5"):
        submit(exchange, type="limit", limit_price=limit, time_in_force="gtc")
    submit(exchange, side="sell", symbol="BBB", type="limit", limit_price="20.3")
    submit(exchange, side="sell", symbol="BBB", type="trailing_stop", trail_price="0.05")
    exchange.advance(minute(1, 9))
    return [(r["transaction_time"], r["price"]) for r in exchange.orders.floor.updates.rows]


def test_a_stop_is_elected_by_a_trade_and_gets_the_quote() -> None:
    exchange = minute_exchange(minute_market({"AAA": [100.0] * 15 + [90.0] * 45}))
    exchange.advance(minute(0, 10))
    submit(exchange, qty="20")
    stop = submit(exchange, side="sell", type="stop", stop_price="94")
    capped = submit(exchange, side="sell", type="stop_limit", stop_price="94", limit_price="93")
    exchange.advance(minute(0, 15))
    assert [standing(exchange, order)[0] for order in (stop, capped)] == ["new", "new"]
    exchange.advance(minute(0, 17))
    status, price = standing(exchange, stop)
    assert status == "filled"
    assert Decimal(89) < Decimal(str(price)) < 90
    # The leap went past its limit: it is a limit order now, and waits.
    assert standing(exchange, capped)[0] == "new"


def test_a_trailing_stop_follows_the_trades_up_and_sells_on_the_way_down() -> None:
    closes = [100.0 + i for i in range(15)] + [114.0 - i for i in range(45)]
    exchange = minute_exchange(minute_market({"AAA": closes}))
    exchange.advance(minute(0, 5))
    submit(exchange)
    trail = submit(exchange, side="sell", type="trailing_stop", trail_price="3")
    exchange.advance(minute(0, 15))
    assert standing(exchange, trail)[0] == "new"
    exchange.advance(minute(0, 25))
    status, price = standing(exchange, trail)
    assert status == "filled"
    assert Decimal(110) < Decimal(str(price)) < Decimal("111.1")


def test_at_once_means_against_the_size_that_is_shown() -> None:
    exchange = minute_exchange(model=replace(ON_QUOTES, sized=True))
    exchange.advance(minute(0, 10.5))
    shown = quote(exchange).ask_size
    more = str(shown + 50)
    killed = submit(exchange, qty=more, time_in_force="fok")
    assert standing(exchange, killed) == ("canceled", None)
    partly = submit(exchange, qty=more, time_in_force="ioc")
    ticket = exchange.orders.ticket(partly)
    assert (ticket.status, ticket.filled) == ("canceled", shown)
    # What we have taken is not shown twice.
    assert standing(exchange, submit(exchange, time_in_force="ioc")) == ("canceled", None)
    waits = submit(exchange)
    assert standing(exchange, waits)[0] == "new"
    exchange.advance(minute(0, 12))
    assert standing(exchange, waits)[0] == "filled"


def test_one_order_in_so_many_fills_in_two_parts_chosen_by_its_id() -> None:
    def parts(chance: str) -> list[int]:
        exchange = minute_exchange(model=replace(ON_QUOTES, partial_chance=Decimal(chance)))
        exchange.advance(minute(0, 10.5))
        orders = [submit(exchange, client_order_id=f"o{i}") for i in range(60)]
        exchange.advance(minute(0, 12))
        assert {standing(exchange, order)[0] for order in orders} == {"filled"}
        rows = exchange.orders.floor.updates.rows
        return [sum(row["order_id"] == order for row in rows) for order in orders]

    assert set(parts("0")) == {1}
    assert parts("0.1") == parts("0.1")
    assert 0 < sum(count == 2 for count in parts("0.1")) < 20
    assert sum(parts("1")) > 100


def test_before_the_open_orders_wait_and_yesterdays_quote_fills_nothing() -> None:
    exchange = minute_exchange()
    exchange.advance(minute(0, MINUTES) + timedelta(hours=3))
    order = submit(exchange)
    exchange.advance(minute(1, 0) - timedelta(seconds=1))
    assert standing(exchange, order) == ("accepted", None)
    exchange.advance(minute(1, 0))
    status, price = standing(exchange, order)
    assert (status, price) == ("filled", str(quote(exchange).ask))


def test_auctions_fill_at_the_open_print_and_the_last_close() -> None:
    data = minute_market()
    exchange = minute_exchange(data)
    exchange.advance(minute(0, MINUTES) + timedelta(hours=12))
    opening = submit(exchange, time_in_force="opg")
    closing = submit(exchange, time_in_force="cls")
    exchange.advance(minute(1, 0))
    assert standing(exchange, opening) == ("filled", str(data.frame.price(MINUTES, 0, "open")))
    assert standing(exchange, closing)[0] == "new"
    exchange.advance(minute(1, MINUTES))
    assert standing(exchange, closing) == ("filled", str(data.frame.price(2 * MINUTES - 1, 0)))


def test_day_orders_expire_at_the_close(exchange: Exchange) -> None:
    order = submit(exchange, type="limit", limit_price="50")
    exchange.advance(minute(0, MINUTES))
    assert standing(exchange, order) == ("expired", None)


def test_a_halt_refuses_nothing_and_fills_nothing(exchange: Exchange) -> None:
    exchange.perform("halt", {"symbol": "AAA", "code": "T1"})
    order = submit(exchange)
    other = submit(exchange, symbol="BBB")
    exchange.advance(minute(0, 14))
    assert standing(exchange, order) == ("new", None)
    assert standing(exchange, other)[0] == "filled"
    exchange.perform("resume", {"symbol": "AAA"})
    assert standing(exchange, order) == ("filled", str(quote(exchange).ask))
    changes = exchange.market.halts.changes(minute(0, 0), minute(0, 20))
    assert [(c.symbol, c.at, c.code, c.resumed) for c in changes] == [
        ("AAA", minute(0, 10.5), "T1", False),
        ("AAA", minute(0, 14), "T1", True),
    ]


def test_a_halt_with_an_end_ends_by_itself(exchange: Exchange) -> None:
    exchange.perform("halt", {"symbol": "AAA", "seconds": 90})
    order = submit(exchange)
    exchange.advance(minute(0, 13))
    ticket = exchange.orders.ticket(order)
    assert ticket.filled_at == minute(0, 12)


def test_without_a_symbol_the_whole_market_halts(exchange: Exchange) -> None:
    exchange.perform("halt", {})
    assert {c.code for c in exchange.market.halts.since.values()} == {"MWC1"}
    orders = [submit(exchange, symbol=name) for name in ("AAA", "BBB")]
    assert [standing(exchange, order)[0] for order in orders] == ["new", "new"]
    exchange.perform("resume", {})
    assert [standing(exchange, order)[0] for order in orders] == ["filled", "filled"]


def test_a_leap_of_the_tape_pauses_trading_for_five_minutes() -> None:
    data = minute_market({"AAA": [100.0] * 10 + [120.0] * 50})
    exchange = minute_exchange(data, luld=True)
    exchange.advance(minute(0, 12))
    assert exchange.market.halts.since[AAA].code == "LUDP"
    order = submit(exchange)
    assert standing(exchange, order)[0] == "new"
    exchange.advance(minute(0, 17))
    assert standing(exchange, order)[0] == "filled"
    paused, resumed = exchange.market.halts.changes(minute(0, 0), minute(0, 20))
    assert resumed.at - paused.at == timedelta(minutes=5)
    calm = minute_exchange(luld=True)
    calm.advance(minute(1, MINUTES))
    assert not calm.market.halts.changes(minute(0, 0), minute(1, MINUTES))
