"""What may be asked: an order request against the vendor's rules, in the vendor's messages.

Whatever this exchange cannot do (brackets, notional and fractional orders, extended hours) is
refused by name: an exchange that takes a request and does less would rehearse the wrong thing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NoReturn

from tradewright.core.errors import InvalidInput
from tradewright.core.ids import InstrumentId, OrderId, StrategyId
from tradewright.core.instrument import Instrument
from tradewright.core.money import Price, Quantity, parse_decimal
from tradewright.core.orders import Order, OrderKind, Side, TimeInForce
from tradewright.exchange.words import (
    BROKEN_RULE,
    FORBIDDEN,
    NOT_ALLOWED,
    NOT_TRADABLE,
    UNPROCESSABLE,
    Refused,
)

LONGEST_ID: Final = 128
STRATEGY: Final = StrategyId("exchange")
_HUNDRED: Final = Decimal(100)
_LEAST_TRAIL_PERCENT: Final = Decimal("0.1")
_AUCTION_OR_AT_ONCE: Final = frozenset({"opg", "cls", "ioc", "fok"})
_NOT_HERE: Final = ("take_profit", "stop_loss", "legs", "advanced_instructions", "notional")
_KNOWN: Final = frozenset(
    {
        "symbol",
        "qty",
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
        "position_intent",
        "asset_class",
        *_NOT_HERE,
    }
)


@dataclass(frozen=True, slots=True)
class Request:
    """An order request that keeps the rules, as far as they can be told without the account."""

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


def _refuse(message: str, code: int = BROKEN_RULE, status: int = UNPROCESSABLE) -> NoReturn:
    raise Refused(status, code, message)


def read_request(body: Mapping[str, Any], instruments: Mapping[str, Instrument]) -> Request:
    """Read an order request; raise Refused with the vendor's words for the rule it breaks."""
    _only_what_is_here(body)
    client_id = body.get("client_order_id") or None
    if client_id is not None and not isinstance(client_id, str):
        _refuse("client_order_id must be a string")
    if client_id is not None and len(client_id) > LONGEST_ID:
        _refuse(f"client_order_id must be no more than {LONGEST_ID} characters")
    instrument = _instrument(body.get("symbol"), instruments)
    side = Side(_one_of(body, "side", [side.value for side in Side]))
    kind = OrderKind(_one_of(body, "type", [kind.value for kind in OrderKind]))
    force = _time_in_force(body, kind)
    prices = _prices(body, kind, instrument)
    return Request(
        symbol=instrument.symbol,
        instrument=instrument.id,
        side=side,
        quantity=_quantity(body, instrument),
        kind=kind,
        time_in_force=force,
        limit=_as_price(prices["limit_price"]),
        stop=_as_price(prices["stop_price"]),
        trail_price=_as_price(prices["trail_price"]),
        trail_fraction=_fraction(prices["trail_percent"]),
        client_id=client_id,
        intent=_intent(body, side),
    )


def _only_what_is_here(body: Mapping[str, Any]) -> None:
    if body.get("order_class") not in {None, "", "simple"}:
        _refuse(f"order_class {body['order_class']} is not supported by this exchange")
    if body.get("notional") is not None and body.get("qty") is not None:
        _refuse("only one of qty or notional is accepted")
    for field in _NOT_HERE:
        if body.get(field) is not None:
            _refuse(f"{field} is not supported by this exchange")
    if body.get("extended_hours") not in {None, False}:
        _refuse("extended_hours is not supported by this exchange", NOT_TRADABLE)
    for field in body:
        if field not in _KNOWN:
            _refuse(f"{field} is not supported by this exchange")


def _instrument(symbol: object, instruments: Mapping[str, Instrument]) -> Instrument:
    if not isinstance(symbol, str) or not symbol:
        _refuse("symbol is required")
    instrument = instruments.get(symbol)
    if instrument is None:
        _refuse(f'asset "{symbol}" not found', NOT_TRADABLE)
    if not instrument.tradable:
        _refuse(f'asset "{symbol}" is not tradable', NOT_TRADABLE)
    return instrument


def _one_of(body: Mapping[str, Any], field: str, allowed: list[str]) -> str:
    value = body.get(field)
    if value is None:
        _refuse(f"{field} is required")
    if value not in allowed:
        _refuse(f"invalid {field}: {value}; allowed: {', '.join(allowed)}")
    return str(value)


def _time_in_force(body: Mapping[str, Any], kind: OrderKind) -> TimeInForce:
    force = _one_of(body, "time_in_force", [force.value for force in TimeInForce])
    simple = kind in {OrderKind.MARKET, OrderKind.LIMIT}
    if force in _AUCTION_OR_AT_ONCE and not simple:
        _refuse(f"{force} orders must be market or limit orders", NOT_TRADABLE)
    return TimeInForce(force)


def _decimal(body: Mapping[str, Any], field: str) -> Decimal | None:
    value = body.get(field)
    if value is None or value == "":
        return None
    try:
        return parse_decimal(value, field)
    except InvalidInput as error:
        message = f"invalid {field}: {value} is not a number"
        raise Refused(UNPROCESSABLE, BROKEN_RULE, message) from error


def _quantity(body: Mapping[str, Any], instrument: Instrument) -> Quantity:
    quantity = _decimal(body, "qty")
    if quantity is None:
        _refuse("qty or notional is required")
    if quantity <= 0:
        _refuse("qty must be > 0")
    if quantity % instrument.lot:
        _refuse(f'asset "{instrument.symbol}" is not fractionable', NOT_ALLOWED, FORBIDDEN)
    return Quantity(quantity)


def _prices(
    body: Mapping[str, Any], kind: OrderKind, instrument: Instrument
) -> Mapping[str, Decimal | None]:
    fields = ("limit_price", "stop_price", "trail_price", "trail_percent")
    prices = {field: _decimal(body, field) for field in fields}
    limit, stop = prices["limit_price"], prices["stop_price"]
    trails = [prices[field] for field in fields[2:] if prices[field] is not None]
    if kind is OrderKind.MARKET and (limit is not None or stop is not None):
        _refuse("market orders require no stop or limit price")
    if kind is OrderKind.LIMIT and limit is None:
        _refuse("limit orders require a limit price")
    if kind is OrderKind.STOP and stop is None:
        _refuse("stop orders require a stop price")
    if kind is OrderKind.STOP_LIMIT and (limit is None or stop is None):
        _refuse("stop limit orders require both stop and limit price")
    if len(trails) != (kind is OrderKind.TRAILING_STOP):
        _refuse(
            "trailing stop orders must specify one of trail_price or trail_percent"
            if kind is OrderKind.TRAILING_STOP
            else f"{kind} orders take no trail_price or trail_percent"
        )
    _no_surplus(kind, limit, stop)
    percent = prices["trail_percent"]
    if percent is not None and percent < _LEAST_TRAIL_PERCENT:
        _refuse(f"trail_percent must be greater than or equal to {_LEAST_TRAIL_PERCENT}")
    for field in fields[:3]:
        _on_tick(field, prices[field], instrument)
    return prices


def _no_surplus(kind: OrderKind, limit: Decimal | None, stop: Decimal | None) -> None:
    if limit is not None and kind not in {OrderKind.LIMIT, OrderKind.STOP_LIMIT}:
        _refuse(f"{kind} orders require no limit price")
    if stop is not None and kind not in {OrderKind.STOP, OrderKind.STOP_LIMIT}:
        _refuse(f"{kind} orders require no stop price")


def _on_tick(field: str, value: Decimal | None, instrument: Instrument) -> None:
    if value is None:
        return
    if value <= 0:
        _refuse(f"{field} must be > 0")
    if value % instrument.tick_at(value):
        rule = "sub-penny increment does not fulfill minimum pricing criteria"
        _refuse(f"invalid {field} {value}. {rule}", NOT_TRADABLE)


def _as_price(value: Decimal | None) -> Price | None:
    return None if value is None else Price(value)


def _fraction(percent: Decimal | None) -> Decimal | None:
    return None if percent is None else percent / _HUNDRED


def _intent(body: Mapping[str, Any], side: Side) -> str | None:
    intent = body.get("position_intent")
    if intent is None:
        return None
    if intent not in {f"{side.value}_to_open", f"{side.value}_to_close"}:
        _refuse(f"position_intent {intent} does not go with side {side.value}")
    return str(intent)
