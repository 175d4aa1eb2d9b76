"""Every kind that the journal keeps comes back from JSON as it was written."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewright.core import events
from tradewright.core.decisions import Approved, Refusal, RefusalCode
from tradewright.core.ids import FillId, InstrumentId, OrderId, StrategyId, VenueOrderId
from tradewright.core.market import CashDividend, Delisting, Split
from tradewright.core.money import Money
from tradewright.core.orders import Fill, Order, OrderKind, OrderStatus, Side, TimeInForce
from tradewright.core.records import KINDS, Note, from_body, note, recall, to_body

times = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the zone is given
days = st.dates(date(1990, 1, 1), date(2100, 1, 1))
words = st.text(max_size=12)
numbers = st.integers(0, 10**9)
positive = st.decimals("0.000000001", "1e12", allow_nan=False, allow_infinity=False)
signed = st.decimals("-1e12", "1e12", allow_nan=False, allow_infinity=False)
names = words.map(InstrumentId)
orders_ids = words.map(OrderId)
venue_ids = words.map(VenueOrderId)
ratios = st.fractions(min_value=1, max_value=100) | st.fractions(1, 100).map(lambda f: 1 / f)
money = signed.map(Money)

PRICED: dict[OrderKind, tuple[str, ...]] = {
    OrderKind.MARKET: (),
    OrderKind.LIMIT: ("limit",),
    OrderKind.STOP: ("stop",),
    OrderKind.STOP_LIMIT: ("limit", "stop"),
    OrderKind.TRAILING_STOP: ("trail_fraction",),
}


@st.composite
def orders(draw: st.DrawFn) -> Order:
    kind = draw(st.sampled_from(OrderKind))
    prices: dict[str, Any] = {name: draw(positive) for name in PRICED[kind]}
    return Order(
        id=draw(orders_ids),
        strategy=StrategyId(draw(words)),
        instrument=draw(names),
        side=draw(st.sampled_from(Side)),
        quantity=draw(positive),  # type: ignore[arg-type]
        kind=kind,
        time_in_force=draw(st.sampled_from(TimeInForce)),
        decided_at=draw(times),
        reduce_only=draw(st.booleans()),
        intent=draw(words),
        parent=draw(st.none() | orders_ids),
        **prices,
    )


fills = st.builds(
    Fill,
    words.map(FillId),
    orders_ids,
    names,
    st.sampled_from(Side),
    positive,
    positive,
    money,
    times,
    words,
)
splits = st.builds(Split, names, days, ratios)
dividends = st.builds(CashDividend, names, days, positive)
delistings = st.builds(Delisting, names, days)

changes = (words.map(FillId), positive, positive, st.none() | venue_ids, numbers, words)

# Positional: each strategy makes one field, in the order of the fields.
FACTS: dict[type, tuple[st.SearchStrategy[Any], ...]] = {
    events.Submitted: (orders_ids, times, numbers),
    events.Unconfirmed: (orders_ids, times, words, numbers),
    events.Accepted: (orders_ids, times, st.none() | venue_ids, numbers, words),
    events.Reported: (orders_ids, times, st.sampled_from(OrderStatus), st.none() | venue_ids),
    events.Filled: (orders_ids, times, fills, st.none() | positive, numbers),
    events.CancelAsked: (orders_ids, times, words, numbers),
    events.CancelRefused: (orders_ids, times, words, st.none() | venue_ids),
    events.Canceled: (orders_ids, times, words, st.none() | venue_ids, numbers),
    events.Rejected: (orders_ids, times, words, st.none() | venue_ids),
    events.Expired: (orders_ids, times, words, st.none() | venue_ids),
    events.Replaced: (orders_ids, times, orders_ids, st.none() | venue_ids),
    events.Failed: (orders_ids, times, words, numbers),
    events.FillReversed: (orders_ids, times, words.map(FillId), *changes),
    events.SplitApplied: (splits, positive, times, numbers),
    events.DividendPaid: (dividends, times, numbers),
    events.Delisted: (delistings, positive, times, numbers),
    events.CashMoved: (money, times, words, numbers),
    events.FinancingCharged: (money, times, words, numbers),
    events.SwitchChanged: (words, st.none() | st.booleans(), times, words, numbers),
    events.VenueChanged: (st.booleans(), times, words, numbers),
    events.TradabilityChanged: (names, st.booleans(), times, words, numbers),
    Approved: (orders(), times, words, st.lists(words).map(tuple)),
    Refusal: (
        orders(),
        st.sampled_from(RefusalCode),
        times,
        st.dictionaries(words, words, max_size=3),
    ),
}


def test_every_kept_kind_is_tried() -> None:
    assert {kind.__name__ for kind in FACTS} == set(KINDS)


@pytest.mark.parametrize("kind", FACTS, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_a_fact_comes_back_as_it_was(kind: type, data: st.DataObject) -> None:
    fact = kind(*(data.draw(strategy) for strategy in FACTS[kind]))
    written = json.loads(json.dumps(to_body(fact)))
    again = from_body(kind, written)
    assert again == fact
    assert to_body(again) == written
    for field in fields(kind):
        assert type(getattr(again, field.name)) is type(getattr(fact, field.name))
    if hasattr(fact, "at"):
        kept = note(fact, actor="runner")
        assert recall(Note(kept.at, "runner", kept.kind, written)) == fact


@given(orders(), st.dictionaries(words, signed, max_size=3), times)
def test_the_numbers_of_a_refusal_come_back_as_their_text(
    order: Order, numbers: dict[str, Decimal], at: datetime
) -> None:
    refusal = Refusal(order, RefusalCode.ORDER_SIZE, at, dict(numbers))
    again = recall(note(refusal, actor="gate"))
    assert {key: Decimal(text) for key, text in again.context.items()} == numbers
    assert (again.order, again.code, again.at) == (order, refusal.code, at)
