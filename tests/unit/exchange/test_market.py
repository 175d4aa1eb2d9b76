"""The replayed market: where it stands, what a day does to it, and what happens at its ends."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import Any

import pytest

from tests.unit.exchange.asking import status, submit
from tests.unit.exchange.builders import DAYS, a_market, an_exchange, closed, opened
from tradewright.core.errors import MissingData
from tradewright.core.ids import InstrumentId
from tradewright.core.market import Split
from tradewright.core.session import Span
from tradewright.exchange.account import routes as portfolio
from tradewright.exchange.account.activities import activities
from tradewright.exchange.account.positions import position as position_of


def test_time_does_not_go_back_and_standing_still_changes_nothing() -> None:
    exchange = an_exchange()
    exchange.advance(closed(1))
    lived = exchange.market.position
    for to in (opened(1), closed(1)):
        exchange.advance(to)
        assert (exchange.market.now, exchange.market.position) == (closed(1), lived)


def test_events_of_one_time_can_be_lived_through_one_by_one() -> None:
    exchange = an_exchange()
    order = submit(exchange)
    exchange.advance(closed(0))
    before = exchange.market.position
    exchange.advance(opened(1), position=before + 1)
    assert (exchange.market.position, status(exchange, order)) == (before + 1, "new")
    exchange.advance(opened(1), position=before + 2)
    assert (exchange.market.position, status(exchange, order)) == (before + 2, "filled")
    exchange.advance(opened(1), position=before + 1)
    assert exchange.market.position == before + 2


def test_a_position_that_was_reached_leaves_the_clock_at_its_event() -> None:
    exchange = an_exchange()
    exchange.advance(opened(1))
    exchange.advance(closed(1), position=exchange.market.position)
    assert exchange.market.now == opened(1)


def test_the_replay_ends() -> None:
    exchange = an_exchange()
    exchange.advance(closed(6))
    assert exchange.market.done
    assert exchange.market.next_at is None
    assert exchange.market.now == closed(6)


def test_a_split_keeps_the_value() -> None:
    split = Split(InstrumentId("AAA"), date(2024, 1, 4), Fraction(2))
    halved = [(p, p, p, p, 1000.0) for p in (100.0, 100.0, 50.0, 50.0, 50.0)]
    exchange = an_exchange(a_market({"AAA": halved}, (split,)))
    submit(exchange)
    exchange.advance(closed(1))
    order = submit(exchange, type="stop", stop_price="130", time_in_force="gtc")
    exchange.advance(opened(2))
    assert status(exchange, order) == "canceled"
    position = position_of(exchange, "AAA")
    assert (position["qty"], position["market_value"]) == ("20", "1000")
    assert (position["lastday_price"], position["change_today"]) == ("50", "0")


def test_profit_of_today_counts_from_the_entry_for_what_was_opened_today() -> None:
    exchange = an_exchange()
    submit(exchange)
    exchange.advance(closed(1))
    today = position_of(exchange, "AAA")
    assert (today["unrealized_pl"], today["unrealized_intraday_pl"]) == ("30", "30")
    exchange.advance(closed(2))
    tomorrow = position_of(exchange, "AAA")
    assert (tomorrow["unrealized_pl"], tomorrow["unrealized_intraday_pl"]) == ("-20", "-50")
    assert portfolio.account(exchange)["last_equity"] == "99980"


def test_a_span_without_bars_says_so() -> None:
    with pytest.raises(MissingData, match="choose --from and --to"):
        an_exchange(span=Span(DAYS[5], DAYS[6]))


def test_an_exchange_may_begin_with_the_first_bar_of_all() -> None:
    exchange = an_exchange(span=Span(DAYS[0], DAYS[1]))
    assert exchange.market.now < opened(0)
    exchange.advance(opened(0))
    assert exchange.market.brokerage.session is not None


def test_pages_of_executions_follow_the_token() -> None:
    exchange = an_exchange()
    for number in range(5):
        submit(exchange, client_order_id=str(number))
    exchange.advance(closed(1))
    every = activities(exchange, {"direction": "asc"}, "FILL")
    paged: list[Any] = []
    query = {"direction": "asc", "page_size": "2"}
    while page := activities(exchange, query, "FILL"):
        paged += page
        query = {**query, "page_token": str(page[-1]["id"])}
    assert paged == every
    assert len(paged) == 5
    assert activities(exchange, {}, "FILL") == every[::-1]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"after": "2024-01-03T14:30:00Z"}, 0),
        ({"after": "2024-01-03T14:29:59.999Z"}, 1),
        ({"until": "2024-01-03T14:30:00Z"}, 0),
        ({"date": "2024-01-03"}, 1),
        ({"date": "2024-01-04"}, 0),
    ],
)
def test_executions_between_times_leave_both_ends_out(query: dict[str, str], count: int) -> None:
    exchange = an_exchange()
    submit(exchange)
    exchange.advance(closed(1))
    assert len(activities(exchange, query, "FILL")) == count
