"""What the venue did and we have not heard of becomes events; what is left is a difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.builders import AAA, AT, BBB, MOMENT, a_context, a_fill, an_order, dec
from tradewright.core.events import Accepted, Canceled, Filled
from tradewright.core.ids import FillId, InstrumentId, OrderId, VenueOrderId, inferred_fill_id
from tradewright.core.orders import Fill, OrderState, OrderStatus
from tradewright.core.reports import VenueOrder
from tradewright.execution.desk import Desk
from tradewright.execution.reconcile import (
    Difference,
    agrees,
    differences,
    repairs,
)
from tradewright.portfolio.costs import PerShare
from tradewright.risk.gate import PreTradeGate

S = OrderStatus
ID = OrderId("order-1")
THEIRS = VenueOrderId("v-1")
LATER = AT + MOMENT


def facts(
    status: OrderStatus | None = S.NEW, filled: int = 0, average: str | None = None, **changes: Any
) -> VenueOrder:
    if filled and average is None:
        average = "100"
    price = None if average is None else dec(average)
    return replace(
        VenueOrder(ID, THEIRS, status, str(status), Decimal(filled), price, LATER), **changes
    )


def ours(status: OrderStatus = S.ACCEPTED, filled: int = 0) -> OrderState:
    count = Decimal(filled)
    return OrderState(an_order(), status, AT, THEIRS, count, count * 100)


def listed(*quantities: int) -> list[tuple[Fill, Decimal]]:
    fills: list[tuple[Fill, Decimal]] = []
    for number, quantity in enumerate(quantities, 1):
        fill = a_fill(quantity=quantity, id=FillId(f"fill-{number}"), at=LATER)
        fills.append((fill, Decimal(sum(quantities[:number]))))
    return fills


def mended(
    state: OrderState,
    theirs: VenueOrder,
    fills: Sequence[tuple[Fill, Decimal]] = (),
    known: Sequence[str] = (),
) -> list[str]:
    events = repairs(state, theirs, fills, lambda fill: fill in known, PerShare().fee)
    assert all(event.order == ID for event in events)
    return [
        f"{e.fill.quantity} at {e.fill.price}" if isinstance(e, Filled) else e.kind.value
        for e in events
    ]


@pytest.mark.parametrize(
    ("state", "theirs", "agreed"),
    [
        (ours(), facts(S.NEW), True),
        (ours(), facts(None), True),
        (ours(S.CANCELED), facts(S.CANCELED), True),
        (ours(S.CANCELED), facts(S.EXPIRED), True),
        (ours(S.FILLED, 100), facts(S.FILLED, 100), True),
        (ours(filled=40), facts(S.PARTIALLY_FILLED, 50), False),
        (ours(), facts(S.CANCELED), False),
        (ours(S.CANCELED), facts(S.NEW), False),
        (ours(S.PENDING_NEW), facts(S.NEW), False),
        (ours(S.SUBMITTED), facts(S.NEW), False),
        (ours(S.SUBMITTED_UNCONFIRMED), facts(S.NEW), False),
    ],
)
def test_when_the_two_agree(state: OrderState, theirs: VenueOrder, agreed: bool) -> None:
    assert agrees(state, theirs) is agreed


@pytest.mark.parametrize(
    ("status", "events"),
    [
        (S.SUBMITTED, ["accepted", "reported"]),
        (S.SUBMITTED_UNCONFIRMED, ["accepted", "reported"]),
        (S.PENDING_NEW, ["accepted", "reported"]),
        (S.FAILED, ["accepted", "reported"]),
        (S.ACCEPTED, ["reported"]),
        (S.NEW, []),
    ],
)
def test_an_order_that_is_found_was_accepted(status: OrderStatus, events: list[str]) -> None:
    assert mended(ours(status), facts(S.NEW)) == events


@pytest.mark.parametrize(
    ("theirs", "ending"),
    [
        (S.CANCELED, ["canceled"]),
        (S.REPLACED, ["canceled"]),
        (S.EXPIRED, ["expired"]),
        (S.REJECTED, ["rejected"]),
        (S.PENDING_CANCEL, ["reported"]),
        (S.ACCEPTED, []),
        (S.FILLED, []),
        (None, []),
    ],
)
def test_how_it_ended_there_is_how_it_ends_here(
    theirs: OrderStatus | None, ending: list[str]
) -> None:
    assert mended(ours(), facts(theirs)) == ending


def test_a_reason_of_the_venue_is_kept_and_else_it_was_found_there() -> None:
    told = repairs(ours(), facts(S.REJECTED, reason="halted"), (), lambda _: False, PerShare().fee)
    found = repairs(ours(), facts(S.CANCELED), (), lambda _: False, PerShare().fee)
    assert [e.reason for e in (*told, *found)] == ["halted", "found at the venue"]
    assert [e.at for e in (*told, *found)] == [LATER, LATER]


@pytest.mark.parametrize(
    ("filled", "known", "wanted"),
    [
        (0, [], ["40 at 100", "60 at 100"]),
        (40, ["fill-1"], ["60 at 100"]),
        (60, ["fill-2"], ["40 at 100"]),
        (100, ["fill-1", "fill-2"], []),
    ],
)
def test_missing_fills_are_taken_by_their_own_ids(
    filled: int, known: list[str], wanted: list[str]
) -> None:
    state = ours(S.FILLED if filled == 100 else S.ACCEPTED, filled)
    assert mended(state, facts(S.FILLED, 100), listed(40, 60), known) == wanted


def test_a_count_without_executions_is_inferred_at_the_price_that_explains_the_average() -> None:
    # 40 at 100 and 60 at p average 103: p = (10300 - 4000) / 60 = 105.
    state = ours(filled=40)
    (event,) = repairs(state, facts(S.FILLED, 100, "103"), (), lambda _: False, PerShare().fee)
    assert isinstance(event, Filled)
    fill = event.fill
    assert (fill.quantity, fill.price, event.cumulative) == (dec(60), dec(105), dec(100))
    assert fill.id == inferred_fill_id(ID, Decimal(100), dec(105))
    assert fill.fee.amount == 0
    assert state.apply(event).average_price == 103


def test_an_inferred_fill_pays_what_the_order_has_become_dearer_by() -> None:
    (event,) = repairs(ours(), facts(S.NEW, 100, "50"), (), lambda _: False, PerShare().fee)[:1]
    assert isinstance(event, Filled)
    assert event.fill.fee.amount == 1


def test_what_the_listed_executions_leave_open_is_inferred() -> None:
    # Of 100 at an average of 101 the list has 40 at 100; 60 at 6100 / 60 are left.
    said = mended(ours(), facts(S.FILLED, 100, "101"), listed(40))
    assert said[0] == "40 at 100"
    assert said[1].startswith("60 at 101.66666")


def test_a_count_without_an_average_is_left_as_a_difference() -> None:
    assert mended(ours(), facts(S.PARTIALLY_FILLED, 40, average_price=None)) == ["reported"]


def test_mending_twice_changes_nothing_more() -> None:
    desk = Desk(PreTradeGate())
    desk.place(an_order(), a_context(an_order()))
    theirs = facts(S.CANCELED, 70, "100")
    for _ in range(2):
        events = repairs(desk.states[ID], theirs, listed(40), desk.knows_fill, PerShare().fee)
        for event in events:
            if desk.is_news(event):
                desk.apply(event)
    state = desk.states[ID]
    assert (state.status, state.filled, len(desk.fills)) == (S.CANCELED, dec(70), 2)
    assert agrees(state, theirs)


def test_an_order_comes_to_exist_before_it_fills_and_ends() -> None:
    events = repairs(
        ours(S.SUBMITTED_UNCONFIRMED),
        facts(S.CANCELED, 40),
        listed(40),
        lambda _: False,
        PerShare().fee,
    )
    assert [type(event) for event in events] == [Accepted, Filled, Canceled]
    assert {event.venue_id for event in events} == {THEIRS}


def test_books_that_agree_have_no_difference() -> None:
    assert differences(dec(5), {AAA: dec(1)}, dec("5.00"), {AAA: dec("1.0")}) == ()
    assert differences(dec(5), {}, dec(5), {AAA: dec(0)}) == ()


def test_every_number_that_differs_is_named_cash_first() -> None:
    zzz = InstrumentId("ZZZ")
    found = differences(
        dec(5), {zzz: dec(2), AAA: dec(1)}, dec(6), {AAA: dec(1), BBB: dec(-3), zzz: dec(1)}
    )
    assert found == (
        Difference("cash", dec(5), dec(6)),
        Difference("BBB", dec(0), dec(-3)),
        Difference("ZZZ", dec(2), dec(1)),
    )
