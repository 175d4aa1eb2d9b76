"""The desk takes nothing twice and forgets nothing."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.builders import AAA, AT, BBB, MOMENT, a_context, a_fill, an_order, dec
from tradewright.core.decisions import Approved, Refusal, RefusalCode
from tradewright.core.errors import DuplicateOrder, InvalidInput, InvalidTransition
from tradewright.core.events import (
    Accepted,
    Canceled,
    Failed,
    Filled,
    FillReversed,
    OrderEvent,
    Rejected,
    Reported,
    Submitted,
    Unconfirmed,
)
from tradewright.core.ids import FillId, OrderId, StrategyId, VenueOrderId, inferred_fill_id
from tradewright.core.money import Price, Quantity
from tradewright.core.orders import Order, OrderKind, OrderState, OrderStatus, Side, TimeInForce
from tradewright.execution.desk import Applied, Desk
from tradewright.risk.gate import PreTradeGate

BUY, SELL = Side.BUY, Side.SELL
ID = OrderId("order-1")
ACCEPTED = Accepted(ID, AT, VenueOrderId("v-1"))
CANCELED = Canceled(ID, AT)


def a_desk(*orders: Order) -> Desk:
    desk = Desk(PreTradeGate())
    for order in orders or (an_order(),):
        assert isinstance(desk.place(order, a_context(order)), Approved)
    return desk


def fill(number: int, quantity: int, cumulative: int | None = None, **changes: Any) -> Filled:
    made = a_fill(quantity=quantity, id=FillId(f"fill-{number}"), **changes)
    return Filled(made.order, made.at, made, None if cumulative is None else Decimal(cumulative))


def inferred(quantity: int, cumulative: int) -> Filled:
    name = inferred_fill_id(ID, Decimal(cumulative), dec(100))
    return Filled(ID, AT, a_fill(quantity=quantity, id=name), Decimal(cumulative))


def applied(desk: Desk, *events: OrderEvent) -> list[tuple[int | None, str]]:
    """What each event booked, and what was odd about it."""
    told: list[tuple[int | None, str]] = []
    for event in events:
        answer = desk.apply(event)
        assert isinstance(answer, Applied)
        told.append((int(answer.booked.quantity) if answer.booked else None, answer.oddity))
    return told


def test_an_approved_order_is_kept_and_works() -> None:
    order = an_order()
    desk = a_desk(order)
    assert desk.states == desk.open == {ID: OrderState(order, OrderStatus.PENDING_NEW, AT)}
    assert list(desk.working()) == [(AAA, BUY, dec(100))]


def test_a_refused_order_is_not_kept() -> None:
    desk = Desk(PreTradeGate())
    order = an_order()
    answer = desk.place(order, a_context(order, stopped=True))
    assert isinstance(answer, Refusal)
    assert answer.code is RefusalCode.SWITCH_ENGAGED
    assert not desk.states
    assert isinstance(desk.place(order, a_context(order)), Approved)


def test_the_same_order_again_is_answered_with_its_state_and_not_checked() -> None:
    order = an_order()
    desk = a_desk(order)
    desk.apply(ACCEPTED)
    answer = desk.place(order, a_context(order, stopped=True))
    assert answer is desk.states[ID]
    assert len(desk.states) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"quantity": 101}, "quantity is 100, was asked as 101"),
        ({"side": SELL}, "side is buy, was asked as sell"),
        ({"instrument": BBB}, "instrument is AAA, was asked as BBB"),
        ({"strategy": StrategyId("other")}, "strategy is test, was asked as other"),
        ({"kind": OrderKind.LIMIT, "limit": "100"}, "kind is market, was asked as limit"),
        ({"time_in_force": TimeInForce.GTC}, "time_in_force is day, was asked as gtc"),
        ({"decided_at": AT + MOMENT}, "prices or time of decision differ"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_another_order_under_a_known_id_is_an_error(changes: dict[str, Any], said: str) -> None:
    desk = a_desk()
    other = an_order(**changes)
    with pytest.raises(DuplicateOrder, match=said):
        desk.place(other, a_context(other))
    with pytest.raises(DuplicateOrder, match=said):
        desk.admit(Approved(other, AT, "v", ()))
    assert desk.states[ID].order == an_order()


def test_an_order_is_admitted_from_the_journal_once() -> None:
    desk = Desk(PreTradeGate())
    approved = Approved(an_order(), AT, "v", ())
    desk.admit(approved)
    desk.apply(ACCEPTED)
    desk.admit(approved)
    assert desk.states[ID].status is OrderStatus.ACCEPTED


def test_an_order_that_is_here_can_be_checked_again() -> None:
    order = an_order()
    desk = a_desk(order)
    assert isinstance(desk.review(order, a_context(order)), Approved)
    assert isinstance(desk.review(order, a_context(order, price=None)), Refusal)


def test_strangers_orders_are_not_ours() -> None:
    desk = a_desk()
    assert desk.apply(Canceled(OrderId("theirs"), AT)) is None
    assert desk.apply(fill(1, 100, order=OrderId("theirs"))) is None
    assert desk.is_news(Canceled(OrderId("theirs"), AT))
    assert desk.fills == ()


def test_fills_are_booked_once_each_by_their_execution_id() -> None:
    desk = a_desk()
    told = applied(desk, ACCEPTED, fill(1, 40), fill(1, 40), fill(2, 60), fill(2, 60))
    assert told == [
        (None, ""),
        (40, ""),
        (None, "repeated fill"),
        (60, ""),
        (None, "repeated fill"),
    ]
    assert desk.states[ID].status is OrderStatus.FILLED
    assert [f.id for f in desk.fills] == ["fill-1", "fill-2"]
    assert desk.knows_fill(FillId("fill-2"))
    assert not desk.knows_fill(FillId("fill-3"))


def test_what_is_filled_no_longer_works() -> None:
    desk = a_desk(an_order(), an_order(SELL, id=OrderId("order-2"), instrument=BBB))
    applied(desk, fill(1, 40))
    assert list(desk.working()) == [(AAA, BUY, dec(60)), (BBB, SELL, dec(100))]
    applied(desk, fill(2, 60))
    assert list(desk.working()) == [(BBB, SELL, dec(100))]
    assert set(desk.states) == {"order-1", "order-2"}


def test_a_late_fill_after_a_cancel_counts_and_is_odd() -> None:
    desk = a_desk()
    told = applied(desk, ACCEPTED, fill(1, 40), CANCELED, fill(2, 10))
    assert told[-1] == (10, "fill after canceled")
    state = desk.states[ID]
    assert (state.status, state.filled) == (OrderStatus.CANCELED, dec(50))
    assert not desk.open


def test_a_late_fill_of_the_rest_makes_a_canceled_order_filled() -> None:
    desk = a_desk()
    assert applied(desk, CANCELED, fill(1, 100))[-1] == (100, "fill after canceled")
    assert desk.states[ID].status is OrderStatus.FILLED


def test_real_fills_after_an_inferred_one_count_only_what_they_add() -> None:
    desk = a_desk()
    told = applied(
        desk, inferred(60, 60), fill(1, 30, 30), fill(2, 30, 60), fill(3, 40, 100), fill(3, 40, 100)
    )
    assert told == [
        (60, ""),
        (None, "fill already counted"),
        (None, "repeated fill"),
        (40, ""),
        (None, "repeated fill"),
    ]
    assert desk.states[ID].filled == 100


def test_an_inferred_fill_after_the_real_ones_counts_nothing() -> None:
    desk = a_desk()
    told = applied(desk, fill(1, 60, 60), inferred(60, 60), inferred(40, 100), fill(2, 40, 100))
    assert [booked for booked, _ in told] == [60, None, 40, None]


def test_after_an_inferred_fill_one_without_a_running_count_is_not_trusted() -> None:
    desk = a_desk()
    assert applied(desk, inferred(60, 60), fill(1, 40))[-1] == (None, "fill already counted")
    assert desk.states[ID].filled == 60


@pytest.mark.parametrize("changes", [{"side": SELL}, {"instrument": BBB}], ids=["side", "name"])
def test_a_fill_of_something_else_than_its_order_stops(changes: dict[str, Any]) -> None:
    desk = a_desk()
    with pytest.raises(InvalidInput, match="not of the order order-1"):
        desk.apply(fill(1, 40, **changes))
    assert desk.fills == ()


def test_more_than_was_asked_stops_and_is_not_kept() -> None:
    desk = a_desk()
    applied(desk, fill(1, 60))
    with pytest.raises(InvalidTransition):
        desk.apply(fill(2, 41))
    assert desk.states[ID].filled == 60
    assert not desk.knows_fill(FillId("fill-2"))


def test_an_attempt_is_marked_once() -> None:
    desk = a_desk()
    applied(desk, Submitted(ID, AT))
    with pytest.raises(InvalidTransition, match="submitted cannot follow status submitted"):
        desk.apply(Submitted(ID, AT))


def test_an_order_that_was_given_up_and_is_found_works_again() -> None:
    desk = a_desk()
    applied(desk, Submitted(ID, AT), Unconfirmed(ID, AT, "timed out"), Failed(ID, AT, "not there"))
    assert not desk.open
    applied(desk, ACCEPTED)
    assert set(desk.open) == {ID}


@pytest.mark.parametrize(
    ("event", "news"),
    [
        (ACCEPTED, False),
        (replace(ACCEPTED, venue_id=VenueOrderId("v-2")), False),
        (Reported(ID, AT, OrderStatus.NEW), False),
        (Reported(ID, AT, OrderStatus.PARTIALLY_FILLED), False),
        (Reported(ID, AT, OrderStatus.DONE_FOR_DAY), True),
        (CANCELED, True),
        (fill(1, 40), False),
        (fill(2, 10), True),
    ],
    ids=str,
)
def test_what_is_news_of_an_order_that_is_accepted_and_partly_filled(
    event: OrderEvent, news: bool
) -> None:
    desk = a_desk()
    applied(desk, ACCEPTED, fill(1, 40))
    assert desk.is_news(event) is news


def test_late_news_of_an_ended_order_is_none() -> None:
    desk = a_desk()
    applied(desk, ACCEPTED, CANCELED)
    assert not desk.is_news(Rejected(ID, AT, "late"))
    assert not desk.is_news(ACCEPTED)
    assert desk.is_news(fill(1, 10))


def test_an_inferred_fill_adds_nothing_to_real_ones_that_told_no_running_count() -> None:
    desk = a_desk()
    assert applied(desk, fill(1, 60), inferred(60, 60))[-1] == (None, "fill already counted")
    assert desk.states[ID].filled == 60


def reversed_fill(number: int, **changes: Any) -> FillReversed:
    return FillReversed(ID, AT, FillId(f"fill-{number}"), reason="bust", **changes)


def corrected(number: int, instead: int, quantity: int, price: int) -> FillReversed:
    return reversed_fill(
        number,
        instead=FillId(f"fill-{instead}"),
        quantity=Quantity(Decimal(quantity)),
        price=Price(Decimal(price)),
    )


def test_a_fill_that_is_taken_back_is_told_once_and_leaves_room_for_the_same_count() -> None:
    desk = a_desk()
    applied(desk, fill(1, 40, 40))
    assert desk.is_news(reversed_fill(1))
    answer = desk.apply(reversed_fill(1))
    assert answer is not None
    assert (answer.booked, answer.oddity) == (None, "bust")
    assert answer.reversal == desk.reversals[0]
    assert not desk.is_news(reversed_fill(1))
    assert applied(desk, reversed_fill(1)) == [(None, "repeated reversal")]
    assert [quantity for _, _, quantity in desk.working()] == [60]
    assert desk.states[ID].filled == 0
    # Another execution brings the order to the count that it had come to before.
    assert applied(desk, fill(2, 40, 40), fill(1, 40, 40)) == [(40, ""), (None, "repeated fill")]


def test_a_fill_may_be_corrected_more_than_once_and_keeps_its_fee() -> None:
    desk = a_desk()
    applied(desk, fill(1, 100, 100, fee="1"), corrected(1, 2, 90, 99))
    applied(desk, corrected(2, 3, 80, 98))
    (first, second) = desk.reversals
    assert (first.instead, second.fill.id) == (second.fill, "fill-2")
    assert second.instead is not None
    assert [second.instead.quantity, second.instead.fee.amount] == [80, 1]
    assert [desk.states[ID].filled, desk.states[ID].undone] == [80, 20]
    assert [desk.knows_fill(FillId(f"fill-{n}")) for n in (1, 2, 3, 4)] == [True] * 3 + [False]
    assert applied(desk, fill(3, 80, 80)) == [(None, "repeated fill")]
    assert len(desk.fills) == 1


def test_a_fill_that_is_not_known_cannot_be_taken_back() -> None:
    desk = a_desk()
    told = "reversal of fill fill-7, which does not stand"
    assert applied(desk, reversed_fill(7)) == [(None, told)]
    assert desk.states[ID].version == 0
    with pytest.raises(InvalidInput, match="goes with a quantity and a price"):
        reversed_fill(7, instead=FillId("fill-8"))
