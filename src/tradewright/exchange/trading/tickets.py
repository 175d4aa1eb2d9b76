"""A ticket: the exchange's own record of an order, in the vendor's words.

The order's state proper is the brokerage's; the ticket adds what only the vendor keeps: its
status words, its many times, its ids, and the legs that hang on it. The brokerage knows the
order under `venue_id`, which is the ticket's id until the exchange itself shrinks the order: the
client's id is never used there, since a refused request must not use it up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from tradewright.core.ids import InstrumentId, OrderId
from tradewright.core.instrument import Instrument
from tradewright.core.money import ZERO
from tradewright.core.orders import Order, OrderKind, Side, TimeInForce
from tradewright.exchange.wording import Wording
from tradewright.exchange.written import Written

_STOP: Final = OrderKind.STOP
_INTENTS: Final = {side: (f"{side.value}_to_open", f"{side.value}_to_close") for side in Side}
ENDED: Final = frozenset({"filled", "canceled", "expired", "rejected", "replaced"})
HELD: Final = "held"
TAKE_PROFIT: Final = "take_profit"
STOP_LOSS: Final = "stop_loss"
_TIME_OF: Final = {
    "filled": "filled_at",
    "canceled": "canceled_at",
    "expired": "expired_at",
    "rejected": "failed_at",
    "replaced": "replaced_at",
}
# A buy stop is not let run away: the vendor gives it a limit, further off for cheap shares.
_CHEAP: Final = Decimal(50)
_CHEAP_LEEWAY: Final = Decimal("1.04")
_LEEWAY: Final = Decimal("1.025")


@dataclass(slots=True, eq=False)
class Ticket:
    """One order at the exchange; `order.id` is its id, `client_id` the client's.

    `carried` is what earlier orders of a chain of replacements have filled: the brokerage's order
    counts it, the ticket does not. `busted` was filled and taken back, and does not fill again.
    `parent`, `legs` and `rival` are those of a bracket, OCO or OTO order; of two rivals that leave
    the same `whole` position only one may trade, and `role` says which exit this is.
    """

    order: Order
    symbol: str
    client_id: str
    status: str
    intent: str
    created_at: datetime
    updated_at: datetime
    order_class: str = ""
    extended_hours: bool = False
    notional: Decimal | None = None
    expires_at: datetime | None = None
    role: str = ""
    parent: Ticket | None = None
    rival: Ticket | None = None
    legs: list[Ticket] = field(default_factory=list)
    twists: dict[str, Any] = field(default_factory=dict)
    place: int = 0
    carried: Decimal = ZERO
    busted: Decimal = ZERO
    whole: Decimal = field(init=False)
    filled: Decimal = ZERO
    paid: Decimal = ZERO
    venue_id: OrderId = field(init=False)
    watermark: Decimal | None = None
    replaces: str | None = None
    replaced_by: str | None = None
    filled_at: datetime | None = None
    canceled_at: datetime | None = None
    expired_at: datetime | None = None
    failed_at: datetime | None = None
    replaced_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    _worded: Wording | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Let the brokerage know it by its own id."""
        self.venue_id = self.order.id
        self.whole = self.order.quantity

    @property
    def id(self) -> str:
        """The exchange's id."""
        return self.order.id

    @property
    def is_open(self) -> bool:
        """Say whether it may still fill."""
        return self.status not in ENDED

    @property
    def is_held(self) -> bool:
        """Say whether it waits for its parent: the brokerage does not have it yet."""
        return self.status == HELD

    @property
    def quantity(self) -> Decimal:
        """What this order may trade in all."""
        return self.order.quantity - self.carried

    @property
    def remaining(self) -> Decimal:
        """What may still fill."""
        return self.quantity - self.filled - self.busted if self.is_open else ZERO

    @property
    def reserves(self) -> Decimal:
        """What it keeps of a position: two rivals keep the same shares, and a held leg none."""
        if self.is_held or (self.role == STOP_LOSS and self.rival and self.rival.is_open):
            return ZERO
        return self.remaining

    @property
    def primary(self) -> Ticket:
        """The order under which the vendor nests this one."""
        return self.parent or self

    @property
    def family(self) -> tuple[Ticket, ...]:
        """The primary order and its legs."""
        primary = self.primary
        return (primary, *primary.legs)

    def move(self, status: str, at: datetime) -> None:
        """Take a status."""
        self.status = status
        self.updated_at = at
        when = _TIME_OF.get(status)
        if when is not None:
            setattr(self, when, at)

    def fill(self, quantity: Decimal, price: Decimal, at: datetime) -> None:
        """Book an execution: what fills is filled, whatever the status was."""
        self.filled += quantity
        self.paid += quantity * price
        if self.filled + self.busted == self.quantity:
            self.move("filled", at)
        elif self.status not in ENDED and self.status != "pending_cancel":
            self.move("partially_filled", at)
        else:
            self.updated_at = at

    def body(self) -> Written:
        """Write the order as the vendor does."""
        worded = self._worded or self._words()
        return Written(worded.text(self))

    def nested(self) -> Written:
        """Write the order with its legs under it."""
        worded = self._worded or self._words()
        return Written(worded.text(self, [leg.body().text for leg in self.legs]))

    def _words(self) -> Wording:
        self._worded = Wording(self)
        return self._worded


def venue_order(ticket: Ticket, instruments: Mapping[InstrumentId, Instrument]) -> Order:
    """Return a ticket's order as the brokerage is given it.

    The brokerage's session is the regular one: what also lives in extended hours is good until
    canceled there, and canceled from here.
    """
    order = ticket.order
    if order.kind is _STOP and order.side is Side.BUY and order.stop is not None:
        leeway = _CHEAP_LEEWAY if order.stop < _CHEAP else _LEEWAY
        limit = instruments[order.instrument].to_tick(order.stop * leeway, order.side)
        order = replace(order, kind=OrderKind.STOP_LIMIT, limit=limit)
    if ticket.extended_hours:
        order = replace(order, time_in_force=TimeInForce.GTC)
    return order


def position_intent(side: Side, held: Decimal) -> str:
    """Say whether an order opens or closes what is held."""
    return _INTENTS[side][held * side.sign < 0]
