"""Whatever a stream lost, repeated or told in disorder, the lists give the rest exactly once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tradewright.adapters.alpaca.blotter import Blotter
from tradewright.core.events import (
    Accepted,
    Canceled,
    CancelRefused,
    Expired,
    Filled,
    FillReversed,
    OrderEvent,
    Reported,
)
from tradewright.core.ids import FillId, InstrumentId, OrderId, VenueOrderId, inferred_fill_id
from tradewright.core.money import Money, Price, Quantity
from tradewright.core.orders import Fill, OrderStatus, Side
from tradewright.core.reports import VenueOrder

AT = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
QUANTITY = Decimal(10)


@dataclass(frozen=True, slots=True)
class Truth:
    """What happened to one order: its executions in order, and how it stands."""

    name: OrderId
    sizes: tuple[int, ...]
    status: OrderStatus
    submitted: bool

    @property
    def known(self) -> VenueOrder:
        filled = Decimal(sum(self.sizes))
        price = Decimal(100) if filled else None
        venue_id = VenueOrderId(f"v-{self.name}")
        return VenueOrder(self.name, venue_id, self.status, self.status.value, filled, price, AT)

    @property
    def fills(self) -> list[tuple[Fill, Decimal]]:
        found, total = [], Decimal(0)
        for size in self.sizes:
            total += size
            fill_id = FillId(f"e-{self.name}-{total}")
            found.append((a_fill(self.name, fill_id, size, total), total))
        return found

    @property
    def told(self) -> list[OrderEvent]:
        """All that a perfect stream would have told."""
        venue_id = self.known.venue_id
        events: list[OrderEvent] = [Reported(self.name, AT, OrderStatus.NEW, venue_id)]
        events += [Filled(self.name, f.at, f, total, venue_id=venue_id) for f, total in self.fills]
        if self.status is OrderStatus.CANCELED:
            events.append(Canceled(self.name, AT, "", venue_id))
        if self.status is OrderStatus.EXPIRED:
            events.append(Expired(self.name, AT, "", venue_id))
        return events


def a_fill(order: OrderId, fill_id: FillId, size: int, total: Decimal) -> Fill:
    return Fill(
        fill_id,
        order,
        InstrumentId("AAPL"),
        Side.BUY,
        Quantity(Decimal(size)),
        Price(Decimal(100)),
        Money(Decimal(0)),
        AT + timedelta(seconds=int(total)),
    )


@st.composite
def truths(draw: st.DrawFn) -> list[Truth]:
    found = []
    for number in range(draw(st.integers(1, 4))):
        sizes: list[int] = []
        while sum(sizes) < QUANTITY and draw(st.booleans()):
            sizes.append(draw(st.integers(1, int(QUANTITY) - sum(sizes))))
        status = OrderStatus.FILLED
        if sum(sizes) < QUANTITY:
            standing = OrderStatus.PARTIALLY_FILLED if sizes else OrderStatus.NEW
            ends = [standing, OrderStatus.CANCELED, OrderStatus.EXPIRED]
            status = draw(st.sampled_from(ends))
        name = OrderId(f"o{number}")
        found.append(Truth(name, tuple(sizes), status, draw(st.booleans())))
    return found


def asked(blotter: Blotter, orders: list[Truth]) -> list[OrderEvent]:
    """What the lists give that has not been told, looked at until that is all."""
    events, whole = looked(blotter, orders)
    if whole:
        return events
    rest, whole = looked(blotter, orders)
    assert whole
    return [*events, *rest]


def looked(blotter: Blotter, orders: list[Truth]) -> tuple[list[OrderEvent], bool]:
    """One look at the lists."""
    working = [truth.known for truth in orders if not truth.status.is_terminal]
    listed = {known.id for known in working}
    by_name = {truth.name: truth for truth in orders}
    gone = [by_name[name].known for name in blotter.open if name not in listed]
    fills = sorted((f for truth in orders for f in truth.fills), key=lambda pair: pair[0].at)
    events, whole = blotter.news(working, gone, fills)
    return list(events), whole


def heard(blotter: Blotter, event: OrderEvent, orders: list[Truth]) -> None:
    filled = {truth.name for truth in orders if truth.status is OrderStatus.FILLED}
    last = isinstance(event, Filled) and event.cumulative == QUANTITY and event.order in filled
    blotter.heard(event, ended=last)


@given(truths(), st.data())
def test_stream_and_lists_together_tell_everything_and_the_lists_nothing_twice(
    orders: list[Truth], data: st.DataObject
) -> None:
    blotter = Blotter()
    for truth in orders:
        if truth.submitted:
            venue_id = truth.known.venue_id
            fresh = VenueOrder(
                truth.name, venue_id, OrderStatus.ACCEPTED, "accepted", Decimal(0), None, AT
            )
            blotter.submitted(fresh, QUANTITY)
    every = [event for truth in orders for event in truth.told]
    streamed = data.draw(st.lists(st.sampled_from(every), max_size=2 * len(every)))
    for event in streamed:
        heard(blotter, event, orders)
    mended = asked(blotter, orders)
    by_stream = {event.fill.id for event in streamed if isinstance(event, Filled)}
    by_lists = [event.fill.id for event in mended if isinstance(event, Filled)]
    assert len(by_lists) == len(set(by_lists))
    assert not by_stream & set(by_lists)
    assert by_stream | set(by_lists) == {f.id for truth in orders for f, _ in truth.fills}
    seen = [*streamed, *mended]
    for truth in orders:
        met = truth.submitted or any(event.order == truth.name for event in seen)
        ended = any(e.order == truth.name and isinstance(e, Canceled | Expired) for e in seen)
        if met and truth.status in (OrderStatus.CANCELED, OrderStatus.EXPIRED):
            assert ended or truth.name not in blotter.open
        if not truth.status.is_terminal:
            assert truth.name in blotter.open
    assert asked(blotter, orders) == []


def test_an_end_that_its_fills_have_not_reached_is_not_told_yet() -> None:
    truth = Truth(OrderId("a"), (3,), OrderStatus.CANCELED, submitted=True)
    blotter = Blotter()
    fresh = VenueOrder(truth.name, VenueOrderId("v"), None, "?", Decimal(0), None, AT)
    blotter.submitted(fresh, QUANTITY)
    assert blotter.news([], [truth.known], []) == ([], False)
    events, whole = blotter.news([], [truth.known], truth.fills)
    assert [type(event) for event in events] == [Filled, Canceled]
    assert whole


def test_one_execution_under_two_names_is_told_once() -> None:
    truth = Truth(OrderId("a"), (3,), OrderStatus.PARTIALLY_FILLED, submitted=True)
    blotter = Blotter()
    inferred = inferred_fill_id(truth.name, Decimal(3), Decimal(100))
    fill = a_fill(truth.name, inferred, 3, Decimal(3))
    blotter.heard(Filled(truth.name, AT, fill, Decimal(3), venue_id=truth.known.venue_id))
    assert blotter.news([truth.known], [], truth.fills) == ([], True)


def test_a_cancel_that_was_refused_makes_the_next_one_news() -> None:
    order, venue_id = OrderId("a"), VenueOrderId("v")
    known = VenueOrder(
        order, venue_id, OrderStatus.PENDING_CANCEL, "pending_cancel", Decimal(0), None, AT
    )
    blotter = Blotter()
    first, _ = blotter.news([known], [], [])
    assert first == [Accepted(order, AT, venue_id, reason="found at the venue")]
    again, _ = blotter.news([known], [], [])
    assert [type(event) for event in again] == [Reported]
    assert blotter.news([known], [], []) == ([], True)
    blotter.heard(CancelRefused(order, AT, "too late", venue_id))
    assert len(blotter.news([known], [], [])[0]) == 1


def test_an_order_whose_status_means_nothing_is_open_and_makes_no_news() -> None:
    known = VenueOrder(OrderId("a"), VenueOrderId("v"), None, "frozen", Decimal(0), None, AT)
    blotter = Blotter()
    blotter.submitted(known, QUANTITY)
    assert blotter.news([known], [], []) == ([], True)
    assert blotter.news([], [known], []) == ([], True)
    assert blotter.open == ("a",)


def test_after_a_fill_was_taken_back_the_same_count_is_another_fill() -> None:
    truth = Truth(OrderId("a"), (4,), OrderStatus.PARTIALLY_FILLED, submitted=True)
    blotter = Blotter()
    blotter.submitted(truth.known, QUANTITY)
    for event in truth.told:
        blotter.heard(event)
    ((first, total),) = truth.fills
    corrected = FillId("corrected")
    blotter.heard(
        FillReversed(
            truth.name, AT, first.id, instead=corrected, quantity=first.quantity, price=first.price
        )
    )
    second = a_fill(truth.name, FillId("e-other"), 4, total)
    third = a_fill(truth.name, corrected, 4, total)
    listed = [(first, total), (third, total), (second, total)]
    news, whole = blotter.news([truth.known], [], listed)
    assert whole
    assert [event.fill.id for event in news if isinstance(event, Filled)] == ["e-other"]
