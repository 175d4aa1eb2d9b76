"""What a rehearsal does to its market: splits, dividends, renames, delistings, what is shown."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from tests.unit.exchange.minutes import (
    AAA,
    BBB,
    MINUTES,
    minute,
    minute_exchange,
    standing,
    submit,
)
from tradewright.exchange.exchange import Exchange
from tradewright.exchange.words import Refused


@pytest.fixture
def exchange() -> Exchange:
    """Ten AAA are held, and a limit for ten more waits; the first day has closed."""
    made = minute_exchange()
    made.advance(minute(0, 10.5))
    submit(made)
    submit(made, type="limit", limit_price="90", time_in_force="gtc", client_order_id="waits")
    made.advance(minute(0, MINUTES) + timedelta(hours=2))
    return made


def held(exchange: Exchange) -> Decimal:
    return exchange.market.brokerage.ledger.quantities.get(AAA, Decimal(0))


@pytest.mark.parametrize(("ratio", "shares"), [("4:1", 40), (2, 20), ("1/2", 5), ("1:4", 2)])
def test_a_split_changes_shares_and_prices_and_no_value(
    exchange: Exchange, ratio: object, shares: int
) -> None:
    worth = exchange.market.brokerage.equity()
    before = exchange.market.data.frame
    exchange.perform("split", {"symbol": "AAA", "ratio": ratio})
    assert held(exchange) == shares
    assert exchange.market.brokerage.equity() == worth
    waits = exchange.orders.ticket_of_client("waits")
    assert waits.status == ("replaced" if shares > 10 else "canceled")
    after = exchange.market.data.frame
    assert (after.close[:MINUTES] == before.close[:MINUTES]).all()
    exchange.advance(minute(1, 2.5))
    assert abs(exchange.market.brokerage.equity() - worth) < 15
    quote = exchange.market.tape.quote(AAA, exchange.market.now)
    assert quote is not None
    assert abs(float(quote.ask) * 10 * float(Fraction(str(ratio).replace(":", "/"))) - 1002) < 10
    assert held(exchange) == shares
    (action,) = exchange.market.data.actions
    assert action.ex_date == minute(1, 0).date()


def test_a_split_while_the_market_is_open_holds_from_the_bar_that_is_under_way() -> None:
    exchange = minute_exchange()
    exchange.advance(minute(0, 10.5))
    submit(exchange)
    worth = exchange.market.brokerage.equity()
    exchange.perform("split", {"symbol": "AAA", "ratio": 2})
    # Half of an odd cent is no price.
    assert abs(exchange.market.brokerage.equity() - worth) <= Decimal("0.1")
    _, price = standing(exchange, submit(exchange))
    assert 49 < Decimal(str(price)) < 52
    exchange.advance(minute(0, 20))
    assert abs(exchange.market.brokerage.equity() - worth) < 15


def test_a_dividend_is_paid_on_what_is_held(exchange: Exchange) -> None:
    cash = exchange.market.brokerage.ledger.cash
    exchange.perform("dividend", {"symbol": "AAA", "amount": "0.25"})
    exchange.perform("dividend", {"symbol": "BBB", "amount": Decimal("1.5")})
    assert exchange.market.brokerage.ledger.cash == cash + Decimal("2.5")
    assert len(exchange.market.data.actions) == 2


@pytest.mark.parametrize("price", [None, "0", "55.5"])
def test_a_delisting_pays_holders_and_ends_the_tape(exchange: Exchange, price: object) -> None:
    cash = exchange.market.brokerage.ledger.cash
    last = exchange.market.brokerage.price(AAA)
    assert last is not None
    exchange.perform("delist", {"symbol": "AAA", "price": price})
    paid = last if price is None else Decimal(str(price))
    assert exchange.market.brokerage.ledger.cash == cash + 10 * paid
    assert held(exchange) == 0
    assert standing(exchange, exchange.orders.ticket_of_client("waits").id)[0] == "canceled"
    with pytest.raises(Refused, match="is not tradable"):
        submit(exchange)
    with pytest.raises(Refused, match="is not tradable"):
        exchange.perform("delist", {"symbol": "AAA"})
    exchange.advance(minute(1, 5))
    assert not exchange.market.tape.trades(AAA, minute(1, 0), minute(1, 5))
    assert exchange.market.tape.trades(BBB, minute(1, 0), minute(1, 5))


def test_a_new_name_takes_the_position_along_and_no_order(exchange: Exchange) -> None:
    exchange.perform("rename", {"symbol": "AAA", "to": "NEWS"})
    assert held(exchange) == 10
    assert sorted(exchange.market.instruments) == ["BBB", "NEWS"]
    assert standing(exchange, exchange.orders.ticket_of_client("waits").id)[0] == "canceled"
    exchange.advance(minute(1, 3))
    assert standing(exchange, submit(exchange, symbol="NEWS"))[0] == "filled"
    assert held(exchange) == 20


def test_what_is_shown_may_be_wrong_and_the_market_is_not(exchange: Exchange) -> None:
    market = exchange.market
    exchange.perform("skew", {"seconds": Decimal("-2.5")})
    exchange.perform("close_market", {})
    exchange.perform("freeze", {"symbol": "AAA"})
    exchange.perform("corrupt", {"symbol": "BBB", "kind": "crossed"})
    assert (market.skew, market.closed_by_fault) == (timedelta(seconds=-2.5), True)
    assert market.now == minute(0, MINUTES) + timedelta(hours=2)
    assert (market.frozen, market.corrupted) == ({AAA: market.now}, {BBB: "crossed"})
    exchange.perform("close_market", {"closed": False})
    exchange.perform("freeze", {"frozen": False})
    exchange.perform("corrupt", {"kind": None})
    assert (market.closed_by_fault, market.frozen, market.corrupted) == (False, {}, {})


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("split", {"ratio": 2}, "symbol is required"),
        ("split", {"symbol": "ZZZ", "ratio": 2}, 'asset "ZZZ" not found'),
        ("split", {"symbol": "AAA"}, "invalid ratio: None"),
        ("split", {"symbol": "AAA", "ratio": "0:1"}, "must be positive"),
        ("split", {"symbol": "AAA", "ratio": "1:0"}, "write it as 4, 4:1"),
        ("split", {"symbol": "AAA", "ratio": 1}, "not 1"),
        ("dividend", {"symbol": "AAA"}, "amount is required"),
        ("dividend", {"symbol": "AAA", "amount": "-1"}, "above 0"),
        ("dividend", {"symbol": "AAA", "amount": "much"}, "invalid amount: much is not a number"),
        ("delist", {"symbol": "AAA", "price": "-1"}, "is less than 0"),
        ("rename", {"symbol": "AAA"}, "to is required"),
        ("rename", {"symbol": "AAA", "to": "BBB"}, "another instrument"),
        ("rename", {"symbol": "AAA", "to": "Ä"}, "to is required"),
        ("halt", {"symbol": 5}, "symbol is required"),
        ("halt", {"symbol": "AAA", "seconds": -1}, "is less than 0"),
        ("halt", {"symbol": "AAA", "seconds": "1e300"}, "too far away"),
        ("halt", {"symbol": "AAA", "code": 7}, "must be a string"),
        ("skew", {}, "seconds is required"),
        ("close_market", {"closed": "yes"}, "must be true or false"),
        ("corrupt", {"symbol": "AAA", "kind": "odd"}, "invalid kind: odd"),
        ("conjure", {}, "unknown command conjure"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    exchange: Exchange, name: str, given: dict[str, Any], words: str
) -> None:
    before = (len(exchange.events), exchange.market.data, dict(exchange.market.instruments))
    with pytest.raises(Refused, match=words):
        exchange.perform(name, given)
    assert before == (
        len(exchange.events),
        exchange.market.data,
        dict(exchange.market.instruments),
    )
