"""Alpaca's words to ours and back: statuses, orders, trade updates, positions, executions.

Pure. What the vendor adds (a field, an event, a status) is never fatal: an unknown status is
None with its raw word kept, an unknown event is Parked for people. Only a missing fact that
nothing can stand in for (an id, a quantity of an execution) is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, TypeAlias

from tradewright.adapters.alpaca.reading import Json, Parked, as_object
from tradewright.core.errors import InvalidInput
from tradewright.core.events import (
    Accepted,
    Canceled,
    CancelRefused,
    Expired,
    Filled,
    FillReversed,
    OrderEvent,
    Rejected,
    Replaced,
    Reported,
)
from tradewright.core.ids import FillId, InstrumentId, OrderId, VenueOrderId, inferred_fill_id
from tradewright.core.instrument import Instrument
from tradewright.core.money import ZERO, Money, Price, Quantity, parse_decimal, price, quantity
from tradewright.core.orders import Fill, Order, OrderKind, OrderStatus, Side
from tradewright.core.reports import VenueAccount, VenueOrder

FeeRule: TypeAlias = Callable[[OrderId, Decimal, Quantity, Price, Side, datetime], Money]
"""The fee of one execution: order, filled before, quantity, price, side and time."""

_HUNDRED: Final = Decimal(100)
_ACTIVE: Final = "ACTIVE"
_BLOCKS: Final = ("trading_blocked", "account_blocked", "trade_suspended_by_user")

# fmt: off
ORDER_FIELDS: Final = frozenset({
    "id", "client_order_id", "created_at", "updated_at", "submitted_at", "filled_at",
    "expired_at", "expires_at", "canceled_at", "failed_at", "replaced_at", "replaced_by",
    "replaces", "asset_id", "symbol", "asset_class", "notional", "qty", "filled_qty",
    "filled_avg_price", "order_class", "order_type", "type", "side", "position_intent",
    "time_in_force", "limit_price", "stop_price", "status", "extended_hours", "legs",
    "trail_percent", "trail_price", "hwm", "ratio_qty", "subtag", "source", "commission",
    "reject_reason", "cancel_requested_at", "advanced_instructions",
})
# fmt: on
"""Every field of an order that is known; another one is told of, once."""

STATUSES: Final[Mapping[str, OrderStatus]] = {
    "new": OrderStatus.NEW,
    "partially_filled": OrderStatus.PARTIALLY_FILLED,
    "filled": OrderStatus.FILLED,
    "done_for_day": OrderStatus.DONE_FOR_DAY,
    "canceled": OrderStatus.CANCELED,
    "expired": OrderStatus.EXPIRED,
    "replaced": OrderStatus.REPLACED,
    "pending_cancel": OrderStatus.PENDING_CANCEL,
    "pending_replace": OrderStatus.PENDING_REPLACE,
    "accepted": OrderStatus.ACCEPTED,
    # Their pending_new is an order they have and have not routed; ours has not left us.
    "pending_new": OrderStatus.ACCEPTED,
    "accepted_for_bidding": OrderStatus.ACCEPTED_FOR_BIDDING,
    "stopped": OrderStatus.STOPPED,
    "rejected": OrderStatus.REJECTED,
    "suspended": OrderStatus.SUSPENDED,
    "calculated": OrderStatus.CALCULATED,
    "held": OrderStatus.HELD,
    "pending_review": OrderStatus.HELD,
}
_Ending: TypeAlias = Callable[[OrderId, datetime, str, VenueOrderId], OrderEvent]
_ENDS: Final[Mapping[str, _Ending]] = {
    "canceled": Canceled,
    "expired": Expired,
    "rejected": Rejected,
    "order_cancel_rejected": CancelRefused,
}
_WORKING_EVENTS: Final = frozenset(
    {
        "new",
        "done_for_day",
        "stopped",
        "pending_cancel",
        "pending_replace",
        "calculated",
        "suspended",
        "held",
        "accepted_for_bidding",
    }
)

_BUST: Final = "trade_bust"
_CORRECTED: Final = "trade_correct"
# What of the order is changed is not said: books that it touches are compared and mended by people.
_RESTATED: Final = "restated"


def no_fee(
    _order: OrderId,
    _before: Decimal,
    _quantity: Quantity,
    _price: Price,
    _side: Side,
    _at: datetime,
) -> Money:
    """Charge nothing: the vendor's messages carry no fee."""
    return Money(ZERO)


@dataclass(frozen=True, slots=True)
class Symbols:
    """The vendor's symbols and our instruments; a symbol that is not listed is its own id."""

    symbols: Mapping[InstrumentId, str] = field(default_factory=dict)
    instruments: Mapping[str, InstrumentId] = field(default_factory=dict)

    @classmethod
    def of(cls, instruments: Sequence[Instrument]) -> Symbols:
        """Index instruments both ways."""
        return cls(
            {instrument.id: instrument.symbol for instrument in instruments},
            {instrument.symbol: instrument.id for instrument in instruments},
        )

    def symbol(self, instrument: InstrumentId) -> str:
        """Return the vendor's symbol."""
        return self.symbols.get(instrument, instrument)

    def instrument(self, symbol: str) -> InstrumentId:
        """Return our id."""
        return self.instruments.get(symbol, InstrumentId(symbol))


def time_of(text: object, what: str = "timestamp") -> datetime:
    """Read an RFC 3339 time of up to nine decimals as aware UTC (microseconds)."""
    if isinstance(text, datetime) and text.tzinfo is not None:
        # A timestamp of msgpack is a time already.
        return text.astimezone(UTC)
    if not isinstance(text, str):
        raise InvalidInput(what, text, "is not a time")
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(what, text, "is not an RFC 3339 time") from error
    if at.tzinfo is None:
        raise InvalidInput(what, text, "has no UTC offset")
    return at.astimezone(UTC)


def number(value: Decimal) -> str:
    """Write a decimal as the vendor does: plain, without needless zeros."""
    return format(value.normalize(), "f") if value else "0"


def status_of(raw: str) -> OrderStatus | None:
    """Return our status for theirs; None for a word that is not known."""
    return STATUSES.get(raw)


def order_request(order: Order, symbol: str) -> dict[str, str]:
    """Write an order as the body of their POST; every number is a decimal string.

    An order that may only reduce says that it closes, so that the venue refuses it where the
    position has gone in the meantime and it would open one.
    """
    body = {
        "symbol": symbol,
        "qty": number(order.quantity),
        "side": order.side.value,
        "type": order.kind.value,
        "time_in_force": order.time_in_force.value,
        "client_order_id": order.id,
    }
    if order.reduce_only:
        body["position_intent"] = f"{order.side.value}_to_close"
    if order.limit is not None:
        body["limit_price"] = number(order.limit)
    if order.stop is not None:
        body["stop_price"] = number(order.stop)
    if order.trail_price is not None:
        body["trail_price"] = number(order.trail_price)
    if order.trail_fraction is not None and order.kind is OrderKind.TRAILING_STOP:
        body["trail_percent"] = number(order.trail_fraction * _HUNDRED)
    return body


def replace_request(successor: Order) -> dict[str, str]:
    """Write an order as the body of their PATCH; symbol, side and kind are those it replaces."""
    body = order_request(successor, "")
    trail = body.get("trail_price") or body.get("trail_percent")
    kept = ("qty", "time_in_force", "client_order_id", "limit_price", "stop_price")
    changed = {name: body[name] for name in kept if name in body}
    return changed if trail is None else {**changed, "trail": trail}


def _text(body: Json, key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not value:
        raise InvalidInput(key, value, "is missing from the venue's answer")
    return value


def _amount(body: Json, key: str) -> Decimal:
    value: Any = body.get(key)
    return parse_decimal(value, key)


def _amount_or(body: Json, key: str, absent: Decimal) -> Decimal:
    return absent if body.get(key) in (None, "") else _amount(body, key)


def _first_time(body: Json, *keys: str) -> datetime:
    for key in keys:
        if body.get(key):
            try:
                return time_of(body[key], key)
            except InvalidInput:
                # Another of them says nearly the same.
                if key == keys[-1]:
                    raise
    raise InvalidInput(keys[0], None, "is missing from the venue's answer")


def venue_order(body: Json) -> VenueOrder:
    """Read an order as the venue knows it."""
    raw = _text(body, "status")
    filled = _amount_or(body, "filled_qty", ZERO)
    average = body.get("filled_avg_price")
    return VenueOrder(
        id=OrderId(_text(body, "client_order_id")),
        venue_id=VenueOrderId(_text(body, "id")),
        status=status_of(raw),
        raw_status=raw,
        filled=filled,
        average_price=None if average is None else parse_decimal(average, "filled_avg_price"),
        updated_at=_first_time(body, "updated_at", "submitted_at", "created_at"),
        reason=str(body.get("reject_reason") or ""),
    )


def trade_update(data: Json, symbols: Symbols, fee: FeeRule = no_fee) -> OrderEvent | Parked:
    """Read one message of the trade updates; what cannot be read is Parked, never raised."""
    try:
        return _trade_update(data, symbols, fee)
    except InvalidInput as error:
        return Parked(str(error), data)


def _trade_update(  # noqa: PLR0911 - one return a kind of event
    data: Json, symbols: Symbols, fee: FeeRule
) -> OrderEvent | Parked:
    kind = _text(data, "event")
    body = as_object(data.get("order"), "order")
    order = OrderId(_text(body, "client_order_id"))
    venue_id = VenueOrderId(_text(body, "id"))
    at = _first_time({**body, **data}, "timestamp", "at", "updated_at", "submitted_at")
    reason = str(data.get("reason") or body.get("reject_reason") or "")
    if kind in {"fill", "partial_fill"}:
        return _filled(data, body, symbols, fee, at)
    if kind in _ENDS:
        return _ENDS[kind](order, at, reason or f"{kind} by the venue", venue_id)
    if kind in {"accepted", "pending_new"}:
        return Accepted(order, at, venue_id)
    if kind == "replaced":
        return Replaced(order, at, OrderId(_text(body, "replaced_by")), venue_id)
    if kind in _WORKING_EVENTS:
        return Reported(order, at, STATUSES[kind], venue_id, reason=reason)
    if kind == "order_replace_rejected":
        why = f"not replaced: {reason or 'refused by the venue'}"
        # Told of the successor, it will never work; told of the old order, it works on.
        ended = Rejected if body.get("replaces") else CancelRefused
        return ended(order, at, why, venue_id)
    if kind in {_BUST, _CORRECTED}:
        return _reversed(data, order, at, venue_id)
    if kind == _RESTATED:
        return Parked(f"order {order} has been changed afterwards", data)
    return Parked(f"event {kind!r} of order {order} is not known", data)


def _filled(data: Json, body: Json, symbols: Symbols, fee: FeeRule, at: datetime) -> Filled:
    order = OrderId(_text(body, "client_order_id"))
    cumulative = quantity(_amount(body, "filled_qty"), "filled_qty")
    traded = quantity(_amount(data, "qty"), "qty")
    paid = price(_amount(data, "price"), "price")
    side = _side(_text(body, "side"))
    execution = data.get("execution_id")
    fill = Fill(
        id=FillId(execution) if execution else inferred_fill_id(order, cumulative, paid),
        order=order,
        instrument=symbols.instrument(_text(body, "symbol")),
        side=side,
        quantity=traded,
        price=paid,
        fee=fee(order, cumulative - traded, traded, paid, side, at),
        at=at,
    )
    return Filled(order, at, fill, cumulative, venue_id=VenueOrderId(_text(body, "id")))


def _reversed(
    data: Json, order: OrderId, at: datetime, venue_id: VenueOrderId
) -> FillReversed | Parked:
    kind, named = data["event"], data.get("execution_id")
    before = data.get("previous_execution_id") or (named if kind == _BUST else None)
    if not isinstance(before, str):
        return Parked(f"{kind} of order {order} does not say of which execution", data)
    reason = f"{kind} of {before}"
    if kind == _BUST:
        return FillReversed(order, at, FillId(before), venue_id=venue_id, reason=reason)
    return FillReversed(
        order,
        at,
        FillId(before),
        instead=FillId(_text(data, "execution_id")),
        quantity=quantity(_amount(data, "qty"), "qty"),
        price=price(_amount(data, "price"), "price"),
        venue_id=venue_id,
        reason=reason,
    )


def _side(text: str) -> Side:
    # Activities also say sell_short, which sells.
    if text in {"buy", "sell", "sell_short"}:
        return Side.BUY if text == "buy" else Side.SELL
    raise InvalidInput("side", text, "is neither buy nor sell")


def execution(
    row: Json, order: OrderId, symbols: Symbols, fee: FeeRule = no_fee
) -> tuple[Fill, Decimal]:
    """Read a FILL activity of our `order`: the fill and the order's cumulative after it.

    The id of a row is a local time and the execution's id joined by `::`; the second part is
    what the trade updates call `execution_id`, and the time is never read from the first.
    """
    cumulative = _amount(row, "cum_qty")
    traded = quantity(_amount(row, "qty"), "qty")
    paid = price(_amount(row, "price"), "price")
    side = _side(_text(row, "side"))
    at = time_of(row.get("transaction_time"), "transaction_time")
    fill = Fill(
        id=FillId(_text(row, "id").rpartition("::")[2]),
        order=order,
        instrument=symbols.instrument(_text(row, "symbol")),
        side=side,
        quantity=traded,
        price=paid,
        fee=fee(order, cumulative - traded, traded, paid, side, at),
        at=at,
    )
    return fill, cumulative


def venue_account(account: Json, positions: Sequence[Any], symbols: Symbols) -> VenueAccount:
    """Read the account and its positions, signed by side.

    A position that cannot be read refuses all of it: leaving it out would be calling it flat.
    """
    held: dict[InstrumentId, Decimal] = {}
    for row in positions:
        body = as_object(row, "position")
        size = abs(_amount(body, "qty"))
        short = _text(body, "side") == "short"
        held[symbols.instrument(_text(body, "symbol"))] = -size if short else size
    return VenueAccount(
        cash=_amount(account, "cash"),
        equity=_amount(account, "equity"),
        buying_power=_amount(account, "buying_power"),
        positions=held,
        trading_blocked=bool(blocks_of(account)),
        number=str(account.get("account_number") or ""),
    )


def blocks_of(account: Json) -> Sequence[str]:
    """Return what of the account's body keeps it from trading.

    A flag of theirs that is neither absent nor false blocks trading.
    """
    blocks = [flag for flag in _BLOCKS if account.get(flag) not in (None, False)]
    status = account.get("status", _ACTIVE)
    return blocks if status == _ACTIVE else [*blocks, f"status {status}"]
