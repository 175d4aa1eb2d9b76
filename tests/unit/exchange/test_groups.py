"""Orders that hang together: brackets, OCO and OTO orders and their legs."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.unit.exchange.asking import (
    NINE_PLACES,
    THIN,
    fractionable,
    heard,
    refusal,
    shown,
    submit,
    take,
)
from tests.unit.exchange.builders import Row, a_market, an_exchange, closed, opened
from tests.unit.exchange.minutes import MINUTES, minute, minute_exchange, minute_market
from tradewright.core.ids import InstrumentId
from tradewright.exchange.exchange import Exchange

FLAT: Row = (100.0, 100.0, 100.0, 100.0, 1000.0)
EXITS: dict[str, Any] = {
    "take_profit": {"limit_price": "110"},
    "stop_loss": {"stop_price": "90"},
}
BRACKET: dict[str, Any] = {"order_class": "bracket", "time_in_force": "gtc", **EXITS}
OCO: dict[str, Any] = {
    "order_class": "oco",
    "side": "sell",
    "type": "limit",
    "time_in_force": "gtc",
    **EXITS,
}


def days(*rows: Row) -> Exchange:
    """An exchange in which AAA is flat at 100 on the first day and then does `rows`."""
    return an_exchange(a_market({"AAA": [FLAT, *rows, *[FLAT] * (4 - len(rows))]}))


def held(exchange: Exchange) -> Decimal:
    """The position in AAA."""
    return exchange.orders.floor.held(InstrumentId("AAA"))


def legs(exchange: Exchange, order: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The take profit and the stop loss of a bracket."""
    profit, loss = shown(exchange, order)["legs"]
    return profit, loss


def states(exchange: Exchange, order: str) -> tuple[str, ...]:
    """The statuses of an order and its legs."""
    row = shown(exchange, order)
    return (row["status"], *(leg["status"] for leg in row["legs"]))


def test_the_legs_of_a_bracket_are_held_until_the_entry_has_filled() -> None:
    exchange = days(FLAT)
    answer = take(exchange, **BRACKET)
    order = str(answer["id"])
    profit, loss = answer["legs"]
    assert [leg["status"] for leg in answer["legs"]] == ["held", "held"]
    assert (profit["type"], profit["limit_price"], profit["side"]) == ("limit", "110", "sell")
    assert (loss["type"], loss["stop_price"], loss["order_class"]) == ("stop", "90", "bracket")
    assert loss["position_intent"] == "sell_to_close"
    with heard(exchange) as told:
        exchange.advance(opened(1))
    assert [each["event"] for each in told] == ["new", "fill", "new", "new"]
    assert states(exchange, order) == ("filled", "new", "new")


@pytest.mark.parametrize(
    ("row", "ended"),
    [
        ((100.0, 112.0, 99.0, 111.0, 1000.0), ("filled", "canceled")),
        ((100.0, 101.0, 88.0, 89.0, 1000.0), ("canceled", "filled")),
        # A bar that reaches both exits says nothing of their order: the worse comes first.
        ((100.0, 112.0, 88.0, 100.0, 1000.0), ("canceled", "filled")),
    ],
)
def test_the_fill_of_one_exit_cancels_the_other(row: Row, ended: tuple[str, str]) -> None:
    exchange = days(FLAT, row)
    order = submit(exchange, **BRACKET)
    exchange.advance(closed(2))
    assert states(exchange, order) == ("filled", *ended)
    assert held(exchange) == 0


def test_a_stop_loss_with_a_limit_is_a_stop_limit_order() -> None:
    exchange = days(FLAT)
    exits = {**BRACKET, "stop_loss": {"stop_price": "90", "limit_price": "89.5"}}
    _, loss = legs(exchange, submit(exchange, **exits))
    assert (loss["type"], loss["stop_price"], loss["limit_price"]) == ("stop_limit", "90", "89.5")


def test_a_partly_filled_exit_shrinks_the_other_and_the_last_fill_ends_both() -> None:
    rows = [FLAT, FLAT, (100.0, 112.0, 100.0, 110.0, 500.0), (100.0, 100.0, 88.0, 90.0, 1000.0)]
    exchange = an_exchange(a_market({"AAA": [*rows, FLAT]}), model=THIN)
    order = submit(exchange, **{**BRACKET, "qty": "100"})
    exchange.advance(closed(2))
    profit, loss = legs(exchange, order)
    # A tenth of the day's volume traded at the profit.
    assert (profit["status"], profit["filled_qty"]) == ("partially_filled", "50")
    assert (loss["status"], loss["qty"]) == ("new", "50")
    exchange.advance(closed(3))
    profit, loss = legs(exchange, order)
    assert (profit["status"], profit["filled_qty"]) == ("canceled", "50")
    assert (loss["status"], loss["filled_qty"], loss["filled_avg_price"]) == ("filled", "50", "90")
    assert held(exchange) == 0


def test_canceling_one_of_a_group_cancels_all_of_it() -> None:
    for name in ("parent", "profit"):
        exchange = days(FLAT)
        order = submit(exchange, **BRACKET)
        target = order if name == "parent" else legs(exchange, order)[0]["id"]
        exchange.perform("cancel", {"order": target})
        assert states(exchange, order) == ("canceled", "canceled", "canceled")
    exchange = days(FLAT)
    order = submit(exchange, **BRACKET)
    exchange.advance(opened(1))
    exchange.perform("cancel", {"order": legs(exchange, order)[1]["id"]})
    assert states(exchange, order) == ("filled", "canceled", "canceled")
    assert refusal(exchange, "cancel", order=order).message == (
        'order is already in "filled" state'
    )


def test_legs_of_an_entry_that_runs_out_run_out_with_it() -> None:
    exchange = days(FLAT)
    order = submit(
        exchange, **{**BRACKET, "time_in_force": "day", "type": "limit", "limit_price": "95"}
    )
    exchange.advance(closed(1))
    assert states(exchange, order) == ("expired", "expired", "expired")


def test_an_entry_that_filled_in_part_leaves_it_unprotected() -> None:
    exchange = an_exchange(model=THIN)
    entry = {**BRACKET, "qty": "150", "stop_loss": {"stop_price": "80"}}
    order = submit(exchange, **entry)
    exchange.advance(opened(1))
    assert states(exchange, order) == ("partially_filled", "held", "held")
    exchange.perform("cancel", {"order": order})
    assert states(exchange, order) == ("canceled", "canceled", "canceled")
    assert shown(exchange, order)["filled_qty"] == "100"


def test_exits_for_the_day_end_with_it() -> None:
    exchange = days(FLAT)
    order = submit(exchange, **{**BRACKET, "time_in_force": "day"})
    exchange.advance(closed(1))
    assert states(exchange, order) == ("filled", "expired", "expired")


def test_an_oco_order_is_its_own_take_profit_and_both_work_at_once() -> None:
    exchange = days(FLAT, (100.0, 111.0, 99.0, 110.0, 1000.0))
    submit(exchange)
    exchange.advance(opened(1))
    answer = take(exchange, **OCO)
    order = str(answer["id"])
    assert (answer["limit_price"], answer["order_class"]) == ("110", "oco")
    assert len(answer["legs"]) == 1
    assert states(exchange, order) == ("new", "new")
    exchange.advance(closed(2))
    assert states(exchange, order) == ("filled", "canceled")


def test_the_limit_price_of_an_oco_order_is_not_looked_at() -> None:
    exchange = days(FLAT)
    submit(exchange)
    exchange.advance(opened(1))
    assert take(exchange, **{**OCO, "limit_price": "1"})["limit_price"] == "110"


def test_an_oco_order_taken_while_closed_waits_whole() -> None:
    exchange = days(FLAT)
    submit(exchange)
    exchange.advance(closed(1))
    order = submit(exchange, **OCO)
    assert states(exchange, order) == ("accepted", "accepted")
    exchange.advance(opened(2))
    assert states(exchange, order) == ("new", "new")
    exchange.perform("cancel", {"order": order})
    assert states(exchange, order) == ("canceled", "canceled")


def test_an_oto_order_has_one_leg() -> None:
    exchange = days(FLAT, (100.0, 100.0, 89.0, 95.0, 1000.0))
    order = submit(exchange, order_class="oto", stop_loss={"stop_price": "90"}, time_in_force="gtc")
    exchange.advance(opened(1))
    assert states(exchange, order) == ("filled", "new")
    exchange.advance(closed(2))
    assert states(exchange, order) == ("filled", "filled")


def test_a_short_entry_takes_its_profit_below() -> None:
    data = a_market({"AAA": [FLAT, FLAT, (100.0, 100.0, 89.0, 95.0, 1000.0), FLAT, FLAT]})
    exchange = an_exchange(data, leverage=Decimal(2))
    order = submit(
        exchange,
        side="sell",
        order_class="bracket",
        time_in_force="gtc",
        take_profit={"limit_price": "90"},
        stop_loss={"stop_price": "110"},
    )
    exchange.advance(closed(2))
    assert states(exchange, order) == ("filled", "filled", "canceled")


def test_both_exits_fill_if_that_is_what_is_rehearsed() -> None:
    exchange = days(FLAT, (100.0, 112.0, 99.0, 111.0, 1000.0))
    order = submit(exchange, **BRACKET)
    exchange.perform("both_legs", {"order": order})
    exchange.advance(closed(2))
    assert states(exchange, order) == ("filled", "filled", "filled")
    profit, loss = legs(exchange, order)
    assert (profit["filled_avg_price"], loss["filled_avg_price"]) == ("110", "90")
    assert held(exchange) == -10


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"order_class": "bracket", "stop_loss": None}, "bracket orders require stop_loss.stop_pr"),
        ({"order_class": "bracket", "take_profit": None}, "bracket orders require take_profit.li"),
        ({"order_class": "oto"}, "oto orders require either take_profit or stop_loss"),
        (
            {"order_class": "oto", "take_profit": None, "stop_loss": None},
            "oto orders require either take_profit or stop_loss",
        ),
        ({"order_class": "oco"}, "oco orders must be limit orders"),
        ({"order_class": "oco", "type": "limit"}, "take_profit.limit_price must be < stop_loss"),
        (
            {"order_class": "oco", "type": "limit", "side": "sell"},
            "oco orders must be exit orders",
        ),
        ({"order_class": "mleg"}, "order_class mleg is not supported"),
        ({"order_class": "iceberg"}, "invalid order_class: iceberg"),
        ({"order_class": ""}, "simple orders take no take_profit or stop_loss"),
        ({"time_in_force": "ioc"}, "bracket orders must be DAY or GTC orders"),
        (
            {"type": "limit", "limit_price": "100", "extended_hours": True},
            "bracket orders are not supported in extended hours",
        ),
        (
            {"type": "trailing_stop", "trail_price": "1"},
            "bracket orders cannot be trailing stop orders",
        ),
        ({"qty": "0.5"}, "fractional orders must be simple orders"),
        ({"take_profit": {"limit_price": "89"}}, "take_profit.limit_price must be > stop_loss."),
        ({"take_profit": {"limit_price": "100"}}, "take_profit.limit_price must be >= base_price"),
        ({"stop_loss": {"stop_price": "100"}}, "stop_loss.stop_price must be <= base_price - 0.01"),
        ({"stop_loss": {"stop_price": "90.001"}}, "invalid stop_loss.stop_price 90.001. sub-penny"),
        ({"stop_loss": "90"}, "stop_loss must be an object"),
        (
            {
                "order_class": "oto",
                "take_profit": {"limit_price": "110"},
                "stop_loss": {"limit_price": "89"},
            },
            "stop_loss.limit_price requires stop_loss.stop_price",
        ),
    ],
)
def test_a_group_that_makes_no_sense_is_refused(changes: dict[str, Any], message: str) -> None:
    body = {"order_class": "bracket", **EXITS, **changes}
    refused = refusal(an_exchange(fractionable(), leverage=Decimal(2)), **body)
    assert refused.status == 422
    assert refused.message.startswith(message)


def test_the_exits_of_a_limit_entry_are_measured_from_its_limit() -> None:
    exchange = days(FLAT)
    entry = {**BRACKET, "type": "limit", "limit_price": "95"}
    refused = refusal(exchange, **{**entry, "stop_loss": {"stop_price": "95"}})
    assert refused.facts == {"base_price": "95"}
    assert submit(exchange, **{**entry, "take_profit": {"limit_price": "95.01"}})


def test_a_bracket_cannot_leave_a_position() -> None:
    exchange = days(FLAT)
    submit(exchange)
    exchange.advance(opened(1))
    refused = refusal(
        exchange,
        side="sell",
        order_class="bracket",
        take_profit={"limit_price": "90"},
        stop_loss={"stop_price": "110"},
    )
    assert refused.message == "bracket orders must be entry orders"


def climb(*closes: float) -> Exchange:
    """An exchange on quotes, ten minutes in, in which AAA stays at 100 and then does `closes`."""
    after = [*closes, *[closes[-1]] * (2 * MINUTES - 12 - len(closes))]
    exchange = minute_exchange(minute_market({"AAA": [100.0] * 12 + after}))
    exchange.advance(minute(0, 10))
    return exchange


@pytest.mark.parametrize(
    ("closes", "ended"),
    [
        ((105.0, 108.0, 112.0, 85.0), ("filled", "canceled")),
        ((95.0, 92.0, 88.0, 115.0), ("canceled", "filled")),
    ],
)
def test_on_quotes_the_exit_that_comes_first_cancels_the_other(
    closes: tuple[float, ...], ended: tuple[str, str]
) -> None:
    exchange = climb(*closes)
    order = submit(exchange, **BRACKET)
    assert states(exchange, order) == ("filled", "new", "new")
    exchange.advance(minute(0, 20))
    assert states(exchange, order) == ("filled", *ended)
    assert held(exchange) == 0


def test_on_quotes_a_value_buys_what_the_ask_gives_for_it() -> None:
    data = minute_market()
    parts = {name: replace(item, lot=NINE_PLACES) for name, item in data.instruments.items()}
    exchange = minute_exchange(replace(data, instruments=parts))
    exchange.advance(minute(0, 10))
    row = shown(exchange, submit(exchange, qty=None, notional="500"))
    spent = Decimal(row["filled_qty"]) * Decimal(row["filled_avg_price"])
    assert row["status"] == "filled"
    assert Decimal(500) - spent < Decimal("0.000001")
