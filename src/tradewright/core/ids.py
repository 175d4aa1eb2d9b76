"""Identifiers, and how they follow from facts.

The identifier of anything that may be replayed is a hash of its facts, so that doing it again
is doing the same thing. Two equal orders of one UTC day are one order unless an intent key
tells them apart.
"""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple, NewType

if TYPE_CHECKING:
    from datetime import date, datetime

InstrumentId = NewType("InstrumentId", str)
StrategyId = NewType("StrategyId", str)
OrderId = NewType("OrderId", str)
VenueOrderId = NewType("VenueOrderId", str)
FillId = NewType("FillId", str)
RunId = NewType("RunId", str)

ABSENT = "-"
_PRICE_QUANTUM = Decimal("0.0001")
_ID_LENGTH = 24
_TWO_DIGITS = tuple(f"{number:02}" for number in range(60))


def _digest(*facts: str) -> str:
    return sha256("|".join(facts).encode()).hexdigest()[:_ID_LENGTH]


@lru_cache(maxsize=16)
def _date_fact(day: date) -> str:
    return day.isoformat()


def instant_fact(at: datetime) -> str:
    """Write an instant as `at.isoformat()` does, at a quarter of the cost for whole seconds."""
    if at.tzinfo is not UTC or at.microsecond:
        return at.isoformat()
    hour, minute, second = _TWO_DIGITS[at.hour], _TWO_DIGITS[at.minute], _TWO_DIGITS[at.second]
    return f"{_date_fact(at.date())}T{hour}:{minute}:{second}+00:00"


def _quantity_fact(value: Decimal) -> str:
    # Of a whole number without an exponent, the shortest text is its plain one.
    text = str(value)
    return text if text.isdigit() else format(value.normalize(), "f")


def _price_fact(value: Decimal) -> str:
    return format(value.quantize(_PRICE_QUANTUM), "f")


class Terms(NamedTuple):
    """Kind, time in force and prices of an order: words as the venue has them."""

    kind: str
    time_in_force: str
    limit: Decimal | None = None
    stop: Decimal | None = None


@lru_cache(maxsize=64)
def _terms_fact(terms: Terms) -> str:
    # Most orders are of the same few terms: market orders for the day.
    prices = (ABSENT if price is None else _price_fact(price) for price in terms[2:])
    return "|".join((*prices, terms.kind, terms.time_in_force))


def order_id(
    symbol: str,
    side: str,
    quantity: Decimal,
    terms: Terms,
    strategy: str,
    on: date,
    intent: str = "",
) -> OrderId:
    """Derive the id that the venue knows as the client order id.

    The first 24 hex digits of SHA-256 over the facts joined by `|`: symbol, side, quantity,
    limit, stop, kind, time in force, strategy, date. `on` is the UTC date and `intent` tells
    equal orders of one day apart. The same asking gives the same id.
    """
    shares, how, day = _quantity_fact(quantity), _terms_fact(terms), _date_fact(on)
    if intent:
        return OrderId(_digest(symbol, side, shares, how, strategy, day, intent))
    return OrderId(_digest(symbol, side, shares, how, strategy, day))


def child_order_id(parent: OrderId, number: int, *facts: str) -> OrderId:
    """Derive the id of slice `number` of `parent`, so that equal slices differ."""
    return OrderId(_digest(parent, str(number), *facts))


def inferred_fill_id(order: OrderId, cumulative: Decimal, price: Decimal) -> FillId:
    """Derive the id of a fill that is known only from the order's new cumulative quantity."""
    facts = (order, format(cumulative.normalize(), "f"), format(price.normalize(), "f"))
    return FillId("inferred-" + _digest(*facts))


def run_id(spec_hash: str, started: str) -> RunId:
    """Derive a run's id from the hash of its spec and its start, readable first."""
    return RunId(f"{started}-{_digest(spec_hash, started)[:8]}")
