"""What may be asked: an order request against the vendor's rules, in the vendor's messages.

What this exchange cannot do (options, routing instructions) is refused by name: an exchange that
takes a request and does less would rehearse the wrong thing. What depends on the account or on
the time is not decided here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final

from tradewright.core.frozen import frozen, maker
from tradewright.core.ids import InstrumentId, OrderId, StrategyId
from tradewright.core.instrument import Instrument
from tradewright.core.money import ZERO, Price, Quantity
from tradewright.core.orders import Order, OrderKind, Side, TimeInForce
from tradewright.exchange.fields import (
    MOST_PLACES,
    client_id_of,
    decimal_of,
    decimal_places,
    flag_of,
    go_together,
    percent_of,
    price_of,
    refuse,
    word,
)
from tradewright.exchange.trading.classes import Exits, exits_of, keep_prices, own_limit
from tradewright.exchange.words import FORBIDDEN, NOT_ALLOWED, NOT_TRADABLE, asset_id

STRATEGY: Final = StrategyId("exchange")
SIDES: Final = {side.value: side for side in Side}
KINDS: Final = {kind.value: kind for kind in OrderKind}
FORCES: Final = {force.value: force for force in TimeInForce}
_CLASSES: Final = {"": "", "simple": "", "bracket": "bracket", "oco": "oco", "oto": "oto"}
_LASTING: Final = (TimeInForce.DAY, TimeInForce.GTC)
_PLAIN: Final = (OrderKind.MARKET, OrderKind.LIMIT)
_HUNDRED: Final = Decimal(100)
_DOLLAR: Final = Decimal(1)
_CENT_PLACES: Final = 2
_SHARE_QUANTUM: Final = Decimal(10) ** -MOST_PLACES
_MARKET: Final = OrderKind.MARKET
_LIMIT: Final = OrderKind.LIMIT
_DAY: Final = TimeInForce.DAY
_PRICED: Final = frozenset({"limit_price", "stop_price", "trail_price", "trail_percent"})
_NO_PRICES: Final = (None, None, None, None)
_NOT_HERE: Final = ("legs", "advanced_instructions")
_TAKEN: Final = frozenset(
    {
        "symbol",
        "qty",
        "notional",
        "side",
        "type",
        "time_in_force",
        "limit_price",
        "stop_price",
        "trail_price",
        "trail_percent",
        "extended_hours",
        "client_order_id",
        "order_class",
        "take_profit",
        "stop_loss",
        "position_intent",
        "asset_class",
    }
)


@frozen
class Request:
    """An order request that keeps the rules, as far as they can be told without the account.

    Of a request by `notional`, `quantity` is zero until it is sized at a price.
    """

    symbol: str
    instrument: InstrumentId
    side: Side
    quantity: Quantity
    kind: OrderKind
    time_in_force: TimeInForce
    limit: Price | None
    stop: Price | None
    trail_price: Price | None
    trail_fraction: Decimal | None
    client_id: str | None
    intent: str | None
    notional: Decimal | None = None
    extended_hours: bool = False
    order_class: str = ""
    exits: Exits | None = None

    @property
    def is_fractional(self) -> bool:
        """Say whether it asks for part of a share."""
        return self.notional is not None or bool(self.quantity % 1)

    def sized(self, price: Decimal) -> Request:
        """Return it with the quantity that its notional buys at a price."""
        if self.notional is None:
            return self
        shares = (self.notional / price).quantize(_SHARE_QUANTUM, ROUND_DOWN)
        return replace(self, quantity=Quantity(shares))

    def order(self, identifier: str, at: datetime) -> Order:
        """Return the order that is asked for, under the exchange's id."""
        return Order(
            id=OrderId(identifier),
            strategy=STRATEGY,
            instrument=self.instrument,
            side=self.side,
            quantity=self.quantity,
            kind=self.kind,
            time_in_force=self.time_in_force,
            decided_at=at,
            limit=self.limit,
            stop=self.stop,
            trail_price=self.trail_price,
            trail_fraction=self.trail_fraction,
        )


_request: Final = maker(Request)


def read_request(body: Mapping[str, Any], instruments: Mapping[str, Instrument]) -> Request:
    """Read an order request; raise Refused with the vendor's words for the rule it breaks."""
    order_class = _class(body)
    client_id = client_id_of(body)
    instrument = _instrument(body.get("symbol"), instruments)
    side = word(body, "side", SIDES)
    kind = word(body, "type", KINDS)
    force = word(body, "time_in_force", FORCES)
    fits(kind, force)
    quantity, notional = _size(body, instrument)
    exits = exits_of(body, order_class, instrument)
    limit, stop, trail, fraction = _prices(body, kind, instrument, order_class, exits)
    request = _request(
        instrument.symbol,
        instrument.id,
        side,
        quantity,
        kind,
        force,
        limit,
        stop,
        trail,
        fraction,
        client_id,
        _intent(body, side),
        notional,
        flag_of(body, "extended_hours"),
        order_class,
        exits,
    )
    _keep_together(request)
    return request


def fits(kind: OrderKind, force: TimeInForce) -> None:
    """Refuse a kind of order with a time in force that it does not take."""
    if force not in _LASTING and kind not in _PLAIN:
        refuse(f"{force} orders must be market or limit orders", NOT_TRADABLE)


def _class(body: Mapping[str, Any]) -> str:
    if not _TAKEN.issuperset(body):
        for field, value in body.items():
            if field not in _TAKEN and (field not in _NOT_HERE or value is not None):
                refuse(f"{field} is not supported by this exchange")
    asked = body.get("order_class")
    if asked == "mleg":
        refuse("order_class mleg is not supported by this exchange")
    return "" if asked is None else word(body, "order_class", _CLASSES)


def _instrument(symbol: object, instruments: Mapping[str, Instrument]) -> Instrument:
    if not isinstance(symbol, str) or not symbol:
        refuse("symbol is required")
    instrument = instruments.get(symbol)
    if instrument is None:
        # The vendor takes the asset's id too.
        instrument = next((it for it in instruments.values() if asset_id(it.id) == symbol), None)
    if instrument is None:
        refuse(f'asset "{symbol}" not found', NOT_TRADABLE)
    if not instrument.tradable:
        refuse(f'asset "{symbol}" is not tradable', NOT_TRADABLE)
    return instrument


def _size(body: Mapping[str, Any], instrument: Instrument) -> tuple[Quantity, Decimal | None]:
    quantity, notional = decimal_of(body, "qty"), decimal_of(body, "notional")
    if quantity is not None and notional is not None:
        refuse("only one of qty or notional is accepted")
    if notional is not None:
        _fractionable(instrument)
        if decimal_places(notional) > _CENT_PLACES:
            refuse("notional value must be limited to 2 decimal places")
        if notional < _DOLLAR:
            refuse("notional must be >= 1.00", NOT_ALLOWED, FORBIDDEN)
        return Quantity(ZERO), notional
    if quantity is None:
        refuse("qty or notional is required")
    if quantity <= 0:
        refuse("qty must be > 0")
    if quantity % 1:
        _fractionable(instrument)
        if decimal_places(quantity) > MOST_PLACES:
            refuse("qty must be limited to 9 decimal places")
    return Quantity(quantity), None


def _prices(
    body: Mapping[str, Any],
    kind: OrderKind,
    instrument: Instrument,
    order_class: str,
    exits: Exits | None,
) -> tuple[Price | None, Price | None, Price | None, Decimal | None]:
    # Limit, stop, and by how much it trails, in dollars or as a fraction.
    if kind is _MARKET and not order_class and _PRICED.isdisjoint(body):
        return _NO_PRICES
    limit = price_of(body, "limit_price", instrument)
    if order_class == "oco" and exits is not None:
        limit = own_limit(kind, exits)
    stop = price_of(body, "stop_price", instrument)
    trail = price_of(body, "trail_price", instrument)
    percent = percent_of(body, "trail_percent")
    go_together(kind, limit, stop, (trail, percent))
    return limit, stop, trail, None if percent is None else percent / _HUNDRED


def _fractionable(instrument: Instrument) -> None:
    if not instrument.is_fractionable:
        refuse(f'asset "{instrument.symbol}" is not fractionable', NOT_ALLOWED, FORBIDDEN)


def _intent(body: Mapping[str, Any], side: Side) -> str | None:
    intent = body.get("position_intent")
    if intent is None:
        return None
    if intent not in (f"{side.value}_to_open", f"{side.value}_to_close"):
        refuse(f"position_intent {intent} does not go with side {side.value}")
    return str(intent)


def _keep_together(request: Request) -> None:
    kind, force = request.kind, request.time_in_force
    if request.extended_hours and (kind is not _LIMIT or force not in _LASTING):
        refuse("extended hours order must be DAY or GTC limit orders", NOT_TRADABLE)
    if request.is_fractional:
        if force is not _DAY:
            refuse("fractional orders must be DAY orders", NOT_TRADABLE)
        if request.order_class:
            refuse("fractional orders must be simple orders", NOT_TRADABLE)
        if kind is OrderKind.TRAILING_STOP:
            refuse("fractional orders cannot be trailing stop orders", NOT_TRADABLE)
        if request.notional is not None and kind not in _PLAIN:
            refuse("notional orders must be market or limit orders", NOT_TRADABLE)
    if request.exits is not None:
        keep_prices(request.order_class, request.side, request.exits)
        if force not in _LASTING:
            refuse(f"{request.order_class} orders must be DAY or GTC orders", NOT_TRADABLE)
        if request.extended_hours:
            message = f"{request.order_class} orders are not supported in extended hours"
            refuse(message, NOT_TRADABLE)
        if request.order_class != "oco" and kind is OrderKind.TRAILING_STOP:
            refuse(f"{request.order_class} orders cannot be trailing stop orders", NOT_TRADABLE)
