"""A ticket: the exchange's own record of an order, in the vendor's words.

The order's state proper is the brokerage's; the ticket adds what only the vendor keeps: its
status words, its many times, its ids. The brokerage knows the order by the ticket's id, since
a refused request must not use up the client's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from tradewright.core.money import ZERO
from tradewright.core.orders import Order, Side
from tradewright.exchange.words import (
    identifier,
    moment,
    moment_or_none,
    number,
    number_or_none,
)

if TYPE_CHECKING:
    from tradewright.core.records import JsonValue

ENDED: Final = frozenset({"filled", "canceled", "expired", "rejected", "replaced"})
_HUNDRED: Final = Decimal(100)


@dataclass(slots=True)
class Ticket:
    """One order at the exchange; `order.id` is the exchange's id, `client_id` the client's."""

    order: Order
    symbol: str
    client_id: str
    status: str
    intent: str
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None = None
    filled: Decimal = ZERO
    paid: Decimal = ZERO
    filled_at: datetime | None = None
    canceled_at: datetime | None = None
    expired_at: datetime | None = None
    cancel_requested_at: datetime | None = None

    @property
    def id(self) -> str:
        """The exchange's id."""
        return self.order.id

    @property
    def is_open(self) -> bool:
        """Say whether it may still fill."""
        return self.status not in ENDED

    @property
    def remaining(self) -> Decimal:
        """What may still fill."""
        return self.order.quantity - self.filled if self.is_open else ZERO

    def move(self, status: str, at: datetime) -> None:
        """Take a status."""
        self.status = status
        self.updated_at = at
        if status in {"canceled", "expired", "filled"}:
            setattr(self, f"{status}_at", at)

    def fill(self, quantity: Decimal, price: Decimal, at: datetime) -> None:
        """Book an execution."""
        self.filled += quantity
        self.paid += quantity * price
        whole = self.filled == self.order.quantity
        self.move("filled" if whole else "partially_filled", at)

    def body(self) -> dict[str, JsonValue]:
        """Write the order as the vendor does."""
        order = self.order
        fraction = order.trail_fraction
        body: dict[str, JsonValue] = {
            "id": self.id,
            "client_order_id": self.client_id,
            "created_at": moment(self.created_at),
            "updated_at": moment(self.updated_at),
            "submitted_at": moment(self.created_at),
            "filled_at": moment_or_none(self.filled_at),
            "expired_at": moment_or_none(self.expired_at),
            "canceled_at": moment_or_none(self.canceled_at),
            "failed_at": None,
            "replaced_at": None,
            "replaced_by": None,
            "replaces": None,
            "asset_id": identifier("asset", self.symbol),
            "symbol": self.symbol,
            "asset_class": "us_equity",
            "notional": None,
            "qty": number(order.quantity),
            "filled_qty": number(self.filled),
            "filled_avg_price": self._average(),
            "order_class": "",
            "order_type": order.kind.value,
            "type": order.kind.value,
            "side": order.side.value,
            "position_intent": self.intent,
            "time_in_force": order.time_in_force.value,
            "limit_price": number_or_none(order.limit),
            "stop_price": number_or_none(order.stop),
            "status": self.status,
            "extended_hours": False,
            "legs": None,
            "trail_percent": None if fraction is None else number(fraction * _HUNDRED),
            "trail_price": number_or_none(order.trail_price),
            "hwm": None,
            "subtag": None,
            "source": None,
        }
        if self.expires_at is not None:
            body["expires_at"] = moment(self.expires_at)
        return body

    def streamed(self) -> dict[str, JsonValue]:
        """Write the order as the stream does."""
        return {**self.body(), "cancel_requested_at": moment_or_none(self.cancel_requested_at)}

    def _average(self) -> str | None:
        return number(round(self.paid / self.filled, 9)) if self.filled else None


def position_intent(side: Side, held: Decimal) -> str:
    """Say whether an order opens or closes what is held."""
    closes = held * side.sign < 0
    return f"{side.value}_to_{'close' if closes else 'open'}"
