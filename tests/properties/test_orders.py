"""Whatever comes in whatever order, an order's state stays legal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import AT, MOMENT, a_context, a_fill, an_order, dec
from tradewright.core.errors import InvalidTransition
from tradewright.core.events import (
    Accepted,
    CancelAsked,
    Canceled,
    CancelRefused,
    Expired,
    Failed,
    Filled,
    OrderEvent,
    Rejected,
    Replaced,
    Reported,
    Submitted,
    Unconfirmed,
)
from tradewright.core.ids import FillId, OrderId, VenueOrderId
from tradewright.core.orders import (
    OrderState,
    OrderStatus,
    Source,
    StatusReport,
    Verdict,
    merged,
    verdict,
)
from tradewright.execution.desk import Desk
from tradewright.risk.gate import PreTradeGate

S = OrderStatus
ID = OrderId("order-1")

times = st.integers(-5, 5).map(lambda n: AT + n * MOMENT)
working = st.sampled_from([s for s in S if not s.is_terminal])


def a_filled(quantity: int, cents: int, number: int) -> Filled:
    price = str(dec(cents) / 100)
    return Filled(ID, AT, a_fill(quantity=quantity, price=price, id=FillId(f"fill-{number}")))


fills = st.builds(a_filled, st.integers(1, 60), st.integers(1, 10**5), st.integers(0, 10**9))
events: st.SearchStrategy[OrderEvent] = st.one_of(
    fills,
    fills,
    times.map(lambda at: Submitted(ID, at)),
    times.map(lambda at: Unconfirmed(ID, at, "lost")),
    times.map(lambda at: Accepted(ID, at, VenueOrderId("v"))),
    st.builds(lambda at, status: Reported(ID, at, status), times, working),
    times.map(lambda at: CancelAsked(ID, at, "")),
    times.map(lambda at: CancelRefused(ID, at, "")),
    times.map(lambda at: Canceled(ID, at)),
    times.map(lambda at: Rejected(ID, at, "")),
    times.map(lambda at: Expired(ID, at)),
    times.map(lambda at: Replaced(ID, at, OrderId("order-2"))),
    times.map(lambda at: Failed(ID, at, "")),
)
histories = st.lists(events, max_size=15)


def is_legal(state: OrderState) -> None:
    assert 0 <= state.filled <= state.order.quantity
    assert (state.status is S.FILLED) == (state.filled == state.order.quantity)
    assert 0 <= state.remaining <= state.order.quantity - state.filled
    assert (state.average_price is None) == (state.filled == 0)


def follows(before: OrderState, event: OrderEvent, after: OrderState) -> None:
    assert after.order is before.order
    assert after.version == before.version + 1
    assert after.at == max(before.at, event.at)
    assert after.filled >= before.filled
    assert before.venue_id is None or after.venue_id == before.venue_id
    if not isinstance(event, Filled):
        assert (after.filled, after.notional) == (before.filled, before.notional)
    if after.status is before.status:
        return
    if before.status.is_terminal:
        found_again = before.status is S.FAILED and isinstance(event, Accepted)
        late = isinstance(event, Filled) and after.status is S.FILLED
        assert found_again or late
    elif after.status.rank < before.status.rank:
        assert (before.status, type(event)) == (S.PENDING_CANCEL, CancelRefused)


@given(histories)
def test_any_order_of_events_keeps_a_legal_state(history: list[OrderEvent]) -> None:
    state = OrderState(an_order(), S.PENDING_NEW, AT)
    for event in history:
        try:
            after = state.apply(event)
        except InvalidTransition:
            continue
        follows(state, event, after)
        is_legal(after)
        state = after


@given(histories)
def test_the_average_price_lies_among_the_prices_paid(history: list[OrderEvent]) -> None:
    state = OrderState(an_order(), S.PENDING_NEW, AT)
    paid = []
    for event in history:
        try:
            state = state.apply(event)
        except InvalidTransition:
            continue
        if isinstance(event, Filled):
            paid.append(event.fill.price)
    if state.average_price is not None:
        slack = dec("1e-20")
        assert min(paid) - slack <= state.average_price <= max(paid) + slack


def through(history: Sequence[OrderEvent]) -> Desk:
    desk = Desk(PreTradeGate())
    desk.place(an_order(), a_context(an_order()))
    for event in history:
        try:
            desk.apply(event)
        except InvalidTransition:
            continue
        state = desk.states[ID]
        is_legal(state)
        assert (ID in desk.open) is not state.status.is_terminal
        assert sum(fill.quantity for fill in desk.fills) == state.filled
    return desk


@given(histories)
def test_the_desk_books_what_its_states_say(history: list[OrderEvent]) -> None:
    through(history)


parts = st.lists(st.integers(1, 25), min_size=1, max_size=4).map(
    lambda sizes: [a_filled(size, 100 + n, n) for n, size in enumerate(sizes)]
)


@given(parts, st.data())
def test_fills_may_come_in_any_order_and_more_than_once(
    fills: list[Filled], data: st.DataObject
) -> None:
    once = through(fills).states[ID]
    repeated = [*fills, *data.draw(st.lists(st.sampled_from(fills), max_size=4))]
    shuffled = data.draw(st.permutations(repeated))
    again = through(shuffled).states[ID]
    assert (again.filled, again.notional, again.status) == (once.filled, once.notional, once.status)


@given(parts, st.permutations([Accepted(ID, AT, VenueOrderId("v")), Canceled(ID, AT)]), st.data())
def test_no_fill_is_lost_to_a_cancel(
    fills: list[Filled], others: list[OrderEvent], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations([*fills, *others]))
    desk = through(shuffled)
    assert desk.states[ID].filled == sum(event.fill.quantity for event in fills)
    assert desk.states[ID].status in (S.CANCELED, S.FILLED)


reports = st.builds(
    StatusReport,
    st.sampled_from(S),
    st.none() | times,
    st.integers(0, 5).map(dec),
    st.sampled_from(Source),
    st.none() | st.integers(1, 9).map(dec),
)


@given(st.lists(reports, min_size=1, max_size=8))
def test_whatever_is_reported_fills_grow_and_what_ended_stays(reported: list[StatusReport]) -> None:
    stored = StatusReport(S.PENDING_NEW, None, dec(0), Source.RECONCILIATION)
    for incoming in reported:
        said = verdict(stored, incoming)
        if said is not Verdict.APPLY:
            continue
        after = merged(stored, incoming)
        assert after.filled >= stored.filled
        assert not stored.status.is_terminal or stored.status is S.FILLED
        assert stored.at is None or (incoming.at is not None and incoming.at >= stored.at)
        stored = after


@given(reports)
def test_the_same_report_again_is_never_news(report: StatusReport) -> None:
    if report.at is not None:
        assert verdict(report, replace(report)) is not Verdict.APPLY
