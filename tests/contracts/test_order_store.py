"""The promise of the OrderStore port, kept by the one in memory and the one in PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product

import pytest

from tradewright.adapters.memory import MemoryOrderStore
from tradewright.adapters.postgres import PostgresOrderStore, open_pool
from tradewright.core.errors import ConflictError
from tradewright.core.events import Accepted, Canceled, Filled, OrderEvent, Submitted
from tradewright.core.ids import FillId, InstrumentId, OrderId, StrategyId, VenueOrderId
from tradewright.core.money import Money, Price, Quantity
from tradewright.core.orders import (
    Fill,
    Order,
    OrderKind,
    OrderState,
    OrderStatus,
    Side,
    Source,
    StatusReport,
    TimeInForce,
    Verdict,
    merged,
    verdict,
)
from tradewright.ports import OrderStore

AT = datetime(2024, 3, 4, 14, 30, 0, 123456, tzinfo=UTC)
LATER = AT + timedelta(seconds=1)
ORDER = Order(
    id=OrderId("o-1"),
    strategy=StrategyId("momentum"),
    instrument=InstrumentId("AAPL"),
    side=Side.BUY,
    quantity=Quantity(Decimal(10)),
    kind=OrderKind.STOP_LIMIT,
    time_in_force=TimeInForce.GTC,
    decided_at=AT,
    limit=Price(Decimal("171.2500")),
    stop=Price(Decimal("170.123456789")),
    reduce_only=True,
    intent="run-1/AAPL",
    parent=OrderId("o-0"),
)
TRAILING = replace(
    ORDER,
    id=OrderId("o-2"),
    side=Side.SELL,
    kind=OrderKind.TRAILING_STOP,
    limit=None,
    stop=None,
    trail_fraction=Decimal("0.015"),
    reduce_only=False,
    intent="",
    parent=None,
)


@pytest.fixture(params=["memory", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[OrderStore]:
    if request.param == "memory":
        yield MemoryOrderStore()
        return
    pool = await open_pool(request.getfixturevalue("database_url"), min_size=1, max_size=8)
    yield PostgresOrderStore(pool)
    await pool.close()


def a_fill(
    number: int = 1,
    quantity: str = "4",
    price: str = "171.10",
    at: datetime = AT,
    order: OrderId = ORDER.id,
) -> Fill:
    return Fill(
        FillId(f"x-{number}"),
        order,
        ORDER.instrument,
        Side.BUY,
        Quantity(Decimal(quantity)),
        Price(Decimal(price)),
        Money(Decimal("0.35")),
        at,
        "maker",
    )


@pytest.mark.parametrize("order", [ORDER, TRAILING], ids=lambda order: order.kind.value)
async def test_an_inserted_order_is_read_back(store: OrderStore, order: Order) -> None:
    assert await store.get(order.id) is None
    inserted = await store.insert(order, OrderStatus.PENDING_NEW, AT)
    assert inserted == OrderState(order, OrderStatus.PENDING_NEW, AT)
    found = await store.get(order.id)
    assert found == inserted
    assert found.at.utcoffset() == timedelta(0)
    assert found.order.decided_at.utcoffset() == timedelta(0)


async def test_inserting_again_returns_what_is_there(store: OrderStore) -> None:
    first = await store.insert(ORDER, OrderStatus.PENDING_NEW, AT)
    moved = first.apply(Submitted(ORDER.id, LATER))
    await store.put(moved, expected=0)
    assert await store.insert(ORDER, OrderStatus.PENDING_NEW, LATER) == moved
    assert await store.get(ORDER.id) == moved


async def test_of_many_inserts_at_once_there_is_one_order(store: OrderStore) -> None:
    states = await asyncio.gather(
        *(
            store.insert(ORDER, OrderStatus.PENDING_NEW, AT + timedelta(seconds=n))
            for n in range(12)
        )
    )
    assert len({state.at for state in states}) == 1
    assert len(await store.open_orders()) == 1


async def test_a_life_is_written_step_by_step(store: OrderStore) -> None:
    state = await store.insert(ORDER, OrderStatus.PENDING_NEW, AT)
    fills = [a_fill(1, "4", "171.10"), a_fill(2, "3", "171.2"), a_fill(3, "3", "171.25")]
    steps: list[OrderEvent] = [
        Submitted(ORDER.id, AT),
        Accepted(ORDER.id, LATER, VenueOrderId("v-1")),
        *(Filled(ORDER.id, LATER, fill) for fill in fills),
    ]
    for event in steps:
        following = state.apply(event)
        await store.put(following, expected=state.version)
        assert await store.get(ORDER.id) == following
        state = following
    assert state.status is OrderStatus.FILLED
    assert state.notional == Decimal("1711.75")
    assert not await store.open_orders()


async def test_writing_over_another_version_is_a_conflict(store: OrderStore) -> None:
    state = await store.insert(ORDER, OrderStatus.PENDING_NEW, AT)
    submitted = state.apply(Submitted(ORDER.id, AT))
    await store.put(submitted, expected=0)
    with pytest.raises(ConflictError) as caught:
        await store.put(submitted, expected=0)
    assert (caught.value.expected, caught.value.found) == (0, 1)
    assert await store.get(ORDER.id) == submitted


async def test_writing_an_order_that_is_not_there_is_a_conflict(store: OrderStore) -> None:
    state = OrderState(ORDER, OrderStatus.SUBMITTED, AT, version=1)
    with pytest.raises(ConflictError) as caught:
        await store.put(state, expected=0)
    assert caught.value.found is None
    with pytest.raises(ConflictError):
        await store.update_status(
            ORDER.id, StatusReport(OrderStatus.NEW, AT, Decimal(0), Source.WEBHOOK)
        )
    assert await store.get(ORDER.id) is None


async def test_open_orders_are_those_that_have_not_ended(store: OrderStore) -> None:
    kept = await store.insert(ORDER, OrderStatus.PENDING_NEW, AT)
    ended = await store.insert(TRAILING, OrderStatus.ACCEPTED, AT)
    await store.insert(replace(ORDER, id=OrderId("o-3")), OrderStatus.BLOCKED_KILL_SWITCH, AT)
    await store.put(ended.apply(Canceled(TRAILING.id, LATER)), expected=0)
    assert tuple(await store.open_orders()) == (kept,)


async def test_a_fill_is_booked_once(store: OrderStore) -> None:
    assert await store.add_fill(a_fill())
    assert not await store.add_fill(a_fill())
    assert tuple(await store.fills()) == (a_fill(),)


async def test_of_many_bookings_at_once_one_counts(store: OrderStore) -> None:
    booked = await asyncio.gather(*(store.add_fill(a_fill()) for _ in range(12)))
    assert sum(booked) == 1
    assert len(await store.fills()) == 1


async def test_fills_come_in_order_of_time_and_id(store: OrderStore) -> None:
    late = a_fill(1, at=LATER)
    early, same_time = a_fill(2), a_fill(3)
    other = a_fill(4, order=OrderId("unknown"), at=LATER)
    for fill in (other, late, same_time, early):
        assert await store.add_fill(fill)
    assert tuple(await store.fills()) == (early, same_time, late, other)
    assert tuple(await store.fills(ORDER.id)) == (early, same_time, late)
    assert tuple(await store.fills(OrderId("unknown"))) == (other,)
    assert not await store.fills(OrderId("none"))


def a_report(
    status: OrderStatus = OrderStatus.NEW,
    at: datetime | None = AT,
    filled: str = "0",
    source: Source = Source.RECONCILIATION,
    price: str | None = None,
) -> StatusReport:
    return StatusReport(
        status, at, Decimal(filled), source, None if price is None else Decimal(price)
    )


NEW, PART, FILLED, CANCELED = (
    OrderStatus.NEW,
    OrderStatus.PARTIALLY_FILLED,
    OrderStatus.FILLED,
    OrderStatus.CANCELED,
)
# What stands, what comes, and what becomes of it, each row one clause of the rule.
RULE = [
    (a_report(), a_report(at=LATER), Verdict.APPLY),
    (a_report(at=LATER), a_report(), Verdict.TIMESTAMP),
    (a_report(), a_report(at=None), Verdict.TIMESTAMP),
    (a_report(at=LATER), a_report(PART, filled="4", price="171.1"), Verdict.TIMESTAMP),
    (a_report(), a_report(PART, filled="4", price="171.1"), Verdict.APPLY),
    (a_report(PART, filled="4", price="171.1"), a_report(NEW), Verdict.RANK),
    (
        a_report(PART, filled="4", price="171.1"),
        a_report(PART, filled="6", price="171.15"),
        Verdict.APPLY,
    ),
    (
        a_report(PART, filled="6", price="171.1"),
        a_report(PART, filled="4", price="9"),
        Verdict.FILL_QTY,
    ),
    (a_report(), a_report(source=Source.WEBHOOK), Verdict.APPLY),
    (a_report(), a_report(source=Source.RECONCILIATION), Verdict.SOURCE_PRIORITY),
    (a_report(), a_report(source=Source.MANUAL), Verdict.SOURCE_PRIORITY),
    (a_report(CANCELED), a_report(NEW, LATER), Verdict.TERMINAL_LOCK),
    (a_report(CANCELED), a_report(FILLED, LATER, "10", price="1"), Verdict.TERMINAL_LOCK),
    (
        a_report(FILLED, filled="8", price="171.1"),
        a_report(FILLED, LATER, "10", price="171.3"),
        Verdict.APPLY,
    ),
    (
        a_report(FILLED, filled="10", price="171.1"),
        a_report(FILLED, LATER, "10", Source.WEBHOOK),
        Verdict.TERMINAL_LOCK,
    ),
    (
        a_report(FILLED, LATER, "8", price="171.1"),
        a_report(FILLED, AT, "10", price="171.3"),
        Verdict.TIMESTAMP,
    ),
    (
        a_report(PART, filled="6", price="171.1"),
        a_report(CANCELED, LATER, "0", price="5"),
        Verdict.APPLY,
    ),
    (a_report(OrderStatus.PENDING_CANCEL), a_report(CANCELED), Verdict.APPLY),
]


def rule_id(value: object) -> str:
    if not isinstance(value, StatusReport):
        return str(value)
    clock = "-" if value.at is None else value.at.strftime("%S")
    return f"{value.status}@{clock}:{value.filled}:{value.source}"


@pytest.mark.parametrize(("stored", "incoming", "expected"), RULE, ids=rule_id)
def test_the_pure_rule(stored: StatusReport, incoming: StatusReport, expected: Verdict) -> None:
    assert verdict(stored, incoming) is expected


async def check_against_the_rule(
    store: OrderStore, order: Order, stored: StatusReport, incoming: StatusReport
) -> None:
    await store.insert(order, OrderStatus.PENDING_NEW, AT)
    assert await store.update_status(order.id, stored) is Verdict.APPLY
    before = await store.get(order.id)
    assert before is not None
    assert before.version == 1
    decided = verdict(stored, incoming)
    assert await store.update_status(order.id, incoming) is decided
    after = await store.get(order.id)
    assert after is not None
    if decided is not Verdict.APPLY:
        assert after == before
        return
    left = merged(stored, incoming)
    assert after.version == 2
    assert (after.status, after.filled, after.average_price) == (
        left.status,
        left.filled,
        left.price if left.filled else None,
    )
    # A report just applied is the one that stands: a second time it changes nothing.
    assert await store.update_status(order.id, incoming) is not Verdict.APPLY


@pytest.mark.parametrize(("stored", "incoming"), [row[:2] for row in RULE], ids=rule_id)
async def test_a_report_is_applied_by_the_rule(
    store: OrderStore, stored: StatusReport, incoming: StatusReport
) -> None:
    await check_against_the_rule(store, ORDER, stored, incoming)


async def test_every_pair_of_reports_is_decided_by_the_rule(store: OrderStore) -> None:
    reports = [
        a_report(status, at, filled, source, "171.1" if filled == "4" else "172")
        for status, at, filled, source in product(
            (OrderStatus.PENDING_NEW, NEW, PART, CANCELED, FILLED),
            (AT, LATER),
            ("4", "10"),
            (Source.MANUAL, Source.WEBHOOK),
        )
    ]
    for number, (stored, incoming) in enumerate(product(reports[::3], reports)):
        order = replace(ORDER, id=OrderId(f"pair-{number}"))
        await check_against_the_rule(store, order, stored, incoming)


async def test_of_many_reports_at_once_the_last_stands(store: OrderStore) -> None:
    await store.insert(ORDER, OrderStatus.PENDING_NEW, AT)
    reports = [
        a_report(PART, AT + timedelta(seconds=n), str(n), Source.WEBHOOK, "171") for n in range(10)
    ]
    await asyncio.gather(*(store.update_status(ORDER.id, report) for report in reports))
    state = await store.get(ORDER.id)
    assert state is not None
    assert state.filled == 9
    assert state.at == AT + timedelta(seconds=9)


async def test_a_report_moves_the_version_under_a_writer(store: OrderStore) -> None:
    state = await store.insert(ORDER, OrderStatus.PENDING_NEW, AT)
    assert await store.update_status(ORDER.id, a_report(PART, LATER, "4", price="171")) == "apply"
    with pytest.raises(ConflictError):
        await store.put(state.apply(Submitted(ORDER.id, AT)), expected=0)
    found = await store.get(ORDER.id)
    assert found is not None
    assert (found.filled, found.notional) == (Decimal(4), Decimal(684))


async def test_what_our_fold_wrote_is_not_undone_by_an_earlier_report(store: OrderStore) -> None:
    state = await store.insert(ORDER, OrderStatus.PENDING_NEW, AT)
    accepted = state.apply(Accepted(ORDER.id, LATER, VenueOrderId("v-1")))
    await store.put(accepted, expected=0)
    report = a_report(OrderStatus.PENDING_CANCEL, AT, source=Source.RECONCILIATION)
    assert await store.update_status(ORDER.id, report) is Verdict.TIMESTAMP
    assert await store.get(ORDER.id) == accepted
