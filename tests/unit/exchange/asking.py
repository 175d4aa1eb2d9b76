"""Asking an exchange for orders in tests, and hearing what it says of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.unit.exchange.builders import a_market
from tradewright.data.history import MarketData
from tradewright.exchange.exchange import Exchange
from tradewright.exchange.words import Refused
from tradewright.execution.venue import VenueModel
from tradewright.portfolio.costs import BasisPoints, NoCommission, TradingCosts

MARKET = {"symbol": "AAA", "qty": "10", "side": "buy", "type": "market", "time_in_force": "day"}
THIN = VenueModel(
    TradingCosts(NoCommission(), BasisPoints(Decimal(0))), volume_share=Decimal("0.1")
)
NINE_PLACES = Decimal("1e-9")


def a_body(**changes: Any) -> dict[str, Any]:
    """A market buy of ten AAA for the day with changes; None takes a field out."""
    return {name: value for name, value in {**MARKET, **changes}.items() if value is not None}


def take(exchange: Exchange, **changes: Any) -> Mapping[str, Any]:
    """Give an order and return the answer."""
    answer = exchange.perform("submit", {"body": a_body(**changes)})
    assert isinstance(answer, Mapping)
    return answer


def submit(exchange: Exchange, **changes: Any) -> str:
    """Give an order and return its id."""
    return str(take(exchange, **changes)["id"])


def refusal(exchange: Exchange, name: str = "submit", **given: Any) -> Refused:
    """Perform what is refused and return the refusal; for an order, the changes to its body."""
    arguments = {"body": a_body(**given)} if name == "submit" else given
    with pytest.raises(Refused) as refused:
        exchange.perform(name, arguments)
    return refused.value


def shown(exchange: Exchange, order: str) -> dict[str, Any]:
    """How the exchange shows an order, legs under it."""
    return dict(exchange.orders.ticket(order).nested())


def status(exchange: Exchange, order: str) -> str:
    """The status of an order."""
    return exchange.orders.ticket(order).status


@contextlib.contextmanager
def heard(exchange: Exchange) -> Iterator[list[dict[str, Any]]]:
    """Collect the data of the trade updates that are published meanwhile."""
    told: list[dict[str, Any]] = []
    with exchange.hub.listen("trade_updates") as updates:
        yield told
        told.extend(updates.get_nowait()["data"] for _ in range(updates.qsize()))


def fractionable() -> MarketData:
    """The test market with instruments that trade in parts of a share."""
    data = a_market()
    parts = {name: replace(item, lot=NINE_PLACES) for name, item in data.instruments.items()}
    return replace(data, instruments=parts)
