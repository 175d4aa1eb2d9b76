"""The list of orders: filters, pages and nesting."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.exchange.asking import submit
from tests.unit.exchange.builders import an_exchange, closed, opened
from tradewright.exchange.trading import lists
from tradewright.exchange.words import Refused

BRACKET: dict[str, Any] = {
    "order_class": "bracket",
    "take_profit": {"limit_price": "120"},
    "stop_loss": {"stop_price": "80"},
    "time_in_force": "gtc",
}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["c", "b"]),
        ({"direction": "asc"}, ["b", "c"]),
        ({"status": "closed"}, ["a"]),
        ({"status": "all", "limit": "2"}, ["c", "b"]),
        ({"status": "all", "symbols": "AAA,ZZZ"}, ["b", "a"]),
        ({"status": "all", "side": "sell"}, []),
        ({"status": "all", "after": "2024-01-02T21:00:00Z"}, ["c", "b"]),
        ({"status": "all", "until": "2024-01-03T21:00:00Z"}, ["a"]),
        ({"status": "all", "asset_class": "crypto"}, []),
        ({"status": "all", "asset_class": "crypto,us_equity"}, ["c", "b", "a"]),
        ({"status": "all", "side": "buy", "symbols": "BBB"}, ["c"]),
        ({"status": "all", "after": "2024-01-02T21:00:00+00:00"}, ["c", "b"]),
    ],
)
def test_orders_are_listed_by_what_is_asked(query: dict[str, str], expected: list[str]) -> None:
    exchange = an_exchange()
    submit(exchange, client_order_id="a")
    exchange.advance(closed(1))
    submit(exchange, client_order_id="b", time_in_force="gtc")
    submit(exchange, client_order_id="c", symbol="BBB", time_in_force="gtc")
    assert [row["client_order_id"] for row in lists.orders(exchange, query)] == expected


def test_orders_are_paged_by_the_id_of_the_last_one() -> None:
    exchange = an_exchange()
    ids = [submit(exchange, client_order_id=str(number)) for number in range(3)]
    query = {"direction": "asc", "after_order_id": ids[0]}
    assert [row["id"] for row in lists.orders(exchange, query)] == ids[1:]
    query = {"direction": "asc", "before_order_id": ids[2]}
    assert [row["id"] for row in lists.orders(exchange, query)] == ids[:2]


@pytest.mark.parametrize(
    "query",
    [
        {"status": "open-ish"},
        {"nested": "perhaps"},
        {"side": "hold"},
        {"before_order_id": "x", "after_order_id": "y"},
        {"limit": "501"},
        {"limit": "0"},
        {"limit": "²"},
        {"direction": "up"},
        {"after": "yesterday"},
        {"after_order_id": "x", "after": "2024-01-02"},
        {"after_order_id": "not-there"},
    ],
)
def test_a_query_that_makes_no_sense_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(Refused):
        lists.orders(an_exchange(), query)


@pytest.mark.parametrize("word", ["true", "True", "1", "t", "TRUE"])
def test_nested_shows_legs_under_their_order_and_nowhere_else(word: str) -> None:
    exchange = an_exchange()
    parent = submit(exchange, **BRACKET)
    assert len(lists.orders(exchange, {})) == 3
    (row,) = lists.orders(exchange, {"nested": word})
    assert row["id"] == parent
    legs = row["legs"]
    assert isinstance(legs, list)
    assert len(legs) == 2


def test_nested_an_order_is_open_while_one_of_its_legs_is() -> None:
    exchange = an_exchange()
    parent = submit(exchange, **BRACKET)
    exchange.advance(opened(1))
    assert exchange.orders.ticket(parent).status == "filled"
    for query, count in (
        ({"status": "open"}, 2),
        ({"status": "closed"}, 1),
        ({"status": "open", "nested": "true"}, 1),
        ({"status": "closed", "nested": "true"}, 0),
    ):
        assert len(lists.orders(exchange, query)) == count


def test_a_page_of_open_orders_does_not_look_at_what_has_ended() -> None:
    exchange = an_exchange()
    for number in range(30):
        submit(exchange, client_order_id=str(number))
    exchange.advance(closed(1))
    last = submit(exchange)
    assert [row["id"] for row in lists.orders(exchange, {"limit": "1"})] == [last]
    assert len(lists.orders(exchange, {"status": "all"})) == 31
    assert len(lists.orders(exchange, {"status": "closed", "limit": "7"})) == 7
