"""What the gate says: Approved or Refusal. Only `risk.gate` makes an Approved."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING

from tradewright.core.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal

    from tradewright.core.orders import Order


class RefusalCode(StrEnum):
    """The closed list of reasons for refusing an order; stable, since users match on it."""

    SWITCH_UNKNOWN = "switch_unknown"
    SWITCH_ENGAGED = "switch_engaged"
    VENUE_UNFIT = "venue_unfit"
    MARKET_UNKNOWN = "market_unknown"
    MARKET_CLOSED = "market_closed"
    INSTRUMENT_UNKNOWN = "instrument_unknown"
    INSTRUMENT_NOT_TRADABLE = "instrument_not_tradable"
    NOT_SHORTABLE = "not_shortable"
    QUANTITY_INVALID = "quantity_invalid"
    PRICE_MISSING = "price_missing"
    PRICE_STALE = "price_stale"
    PRICE_INSANE = "price_insane"
    NOT_REDUCING = "not_reducing"
    ORDER_SIZE = "order_size"
    POSITION_SIZE = "position_size"
    EQUITY_UNKNOWN = "equity_unknown"
    GROSS_EXPOSURE = "gross_exposure"
    NET_EXPOSURE = "net_exposure"
    BUYING_POWER = "buying_power"

    @property
    def meaning(self) -> str:
        """One sentence for people."""
        return _MEANINGS[self]


_MEANINGS: Mapping[RefusalCode, str] = {
    RefusalCode.SWITCH_UNKNOWN: "The kill switch could not be read; unknown counts as engaged.",
    RefusalCode.SWITCH_ENGAGED: "The kill switch is engaged and the order does not only reduce.",
    RefusalCode.VENUE_UNFIT: "The venue cannot be heard or relied on; only reductions may pass.",
    RefusalCode.MARKET_UNKNOWN: "The calendar does not cover this instant.",
    RefusalCode.MARKET_CLOSED: "The market is closed for an order of this time in force.",
    RefusalCode.INSTRUMENT_UNKNOWN: "The instrument is not among those loaded.",
    RefusalCode.INSTRUMENT_NOT_TRADABLE: "The instrument is halted, not yet listed or delisted.",
    RefusalCode.NOT_SHORTABLE: "The order would sell more than is held and cannot be shorted.",
    RefusalCode.QUANTITY_INVALID: "The quantity is not positive or not a whole number of lots.",
    RefusalCode.PRICE_MISSING: "No price of the instrument is known.",
    RefusalCode.PRICE_STALE: "The last known price is too old.",
    RefusalCode.PRICE_INSANE: "The order's price is off the tick or too far from the last price.",
    RefusalCode.NOT_REDUCING: "A reduce-only order would open or enlarge a position.",
    RefusalCode.ORDER_SIZE: "The order is worth more than one order may be.",
    RefusalCode.POSITION_SIZE: "The position could become larger than one may be.",
    RefusalCode.EQUITY_UNKNOWN: "A held position has no price, so the equity is not known.",
    RefusalCode.GROSS_EXPOSURE: "Gross exposure could exceed its limit.",
    RefusalCode.NET_EXPOSURE: "Net exposure could exceed its limit.",
    RefusalCode.BUYING_POWER: "The account cannot pay for the order with all that is working.",
}


@frozen
class Approved:
    """An order that passed every check, when, and under which version of the limits."""

    order: Order
    at: datetime
    limits_version: str
    checks: tuple[str, ...]


@frozen
class Refusal:
    """An order that was refused, by which rule, with the numbers that decided."""

    order: Order
    code: RefusalCode
    at: datetime
    context: Mapping[str, Decimal | str] = field(default_factory=dict)
