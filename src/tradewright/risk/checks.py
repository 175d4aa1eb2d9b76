"""The checks: each a pure function of an order and what is known, to a Refusal or None.

What is not known refuses. An order that only reduces a position, proven on what is held and
working, passes the switch and the exposure limits, so that flattening is always possible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from tradewright.core.decisions import Refusal, RefusalCode
from tradewright.core.frozen import frozen
from tradewright.core.money import ZERO
from tradewright.core.orders import OrderKind, Side, TimeInForce

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, datetime
    from decimal import Decimal

    from tradewright.core.instrument import Instrument
    from tradewright.core.orders import Order
    from tradewright.portfolio.costs import Commission
    from tradewright.risk.limits import Limits
    from tradewright.risk.reservation import Exposure


@frozen
class RiskContext:
    """All that the checks may look at; None means that it is not known.

    `stopped` is the kill switch; `market_open` the state of the market now; `trades_on` the
    date of the session in which the order would trade; `price` the last price, `price_age` in
    rows of bars.
    """

    at: datetime
    limits: Limits
    stopped: bool | None
    market_open: bool | None
    trades_on: date | None
    instrument: Instrument | None
    halted: bool
    price: Decimal | None
    price_age: int
    exposure: Exposure
    commission: Commission
    reduces: bool
    """Proven on what is held and working: the order can only bring a position nearer to zero."""
    venue_fit: bool = True
    """Whether the venue is heard and can be relied on."""


Check: TypeAlias = "Callable[[Order, RiskContext], Refusal | None]"
"""A check's shape."""

_AT_ONCE: Final = frozenset((TimeInForce.IOC, TimeInForce.FOK))
_AT_THE_OPEN: Final = TimeInForce.OPG
_SELL: Final = Side.SELL


def switches_clear(order: Order, context: RiskContext) -> Refusal | None:
    """Refuse while the kill switch is engaged or cannot be read, or the venue is unfit."""
    if (context.stopped is False and context.venue_fit) or context.reduces:
        return None
    if context.stopped is False:
        return Refusal(order, RefusalCode.VENUE_UNFIT, context.at)
    if context.stopped is None:
        return Refusal(order, RefusalCode.SWITCH_UNKNOWN, context.at)
    return Refusal(order, RefusalCode.SWITCH_ENGAGED, context.at)


def market_takes(order: Order, context: RiskContext) -> Refusal | None:
    """Refuse what the market could not trade, now or in its next session."""
    if context.market_open is None or context.trades_on is None:
        return Refusal(order, RefusalCode.MARKET_UNKNOWN, context.at)
    force = order.time_in_force
    if (force in _AT_ONCE and not context.market_open) or (
        force is _AT_THE_OPEN and context.market_open
    ):
        numbers = {"time_in_force": force.value, "open": str(context.market_open).lower()}
        return Refusal(order, RefusalCode.MARKET_CLOSED, context.at, numbers)
    return None


def instrument_tradable(order: Order, context: RiskContext) -> Refusal | None:
    """Refuse unknown, halted, unlisted and delisted instruments, and shorts of what cannot be."""
    instrument = context.instrument
    if instrument is None:
        return Refusal(order, RefusalCode.INSTRUMENT_UNKNOWN, context.at)
    on = context.trades_on
    if context.halted or not instrument.tradable or (on and not instrument.is_listed(on)):
        numbers = {"on": str(on), "halted": str(context.halted).lower()}
        return Refusal(order, RefusalCode.INSTRUMENT_NOT_TRADABLE, context.at, numbers)
    if not instrument.shortable and order.side is _SELL and not context.reduces:
        held = context.exposure.held(order.instrument)
        return Refusal(order, RefusalCode.NOT_SHORTABLE, context.at, {"held": held})
    return None


def quantity_sane(order: Order, context: RiskContext) -> Refusal | None:
    """Refuse quantities that are not positive whole lots."""
    lot = context.instrument.lot if context.instrument else None
    if order.quantity <= ZERO or (lot and order.quantity % lot):
        numbers: dict[str, Decimal | str] = {"quantity": order.quantity, "lot": str(lot)}
        return Refusal(order, RefusalCode.QUANTITY_INVALID, context.at, numbers)
    return None


def price_sane(order: Order, context: RiskContext) -> Refusal | None:
    """Refuse without a fresh price, and prices off the tick or far from the last one."""
    last = context.price
    if last is None:
        # A market order out of a position must not wait for a price that may never come.
        if order.kind is OrderKind.MARKET and context.reduces:
            return None
        return Refusal(order, RefusalCode.PRICE_MISSING, context.at)
    if context.price_age > context.limits.max_price_age_rows and not context.reduces:
        numbers: dict[str, Decimal | str] = {"age_rows": str(context.price_age)}
        return Refusal(order, RefusalCode.PRICE_STALE, context.at, numbers)
    if order.limit is None and order.stop is None:
        return None
    instrument = context.instrument
    for asked in (order.limit, order.stop):
        if asked is None:
            continue
        off_tick = instrument is not None and asked % instrument.tick_at(asked) != 0
        if off_tick or abs(asked / last - 1) > context.limits.price_band:
            numbers = {"price": asked, "last": last}
            return Refusal(order, RefusalCode.PRICE_INSANE, context.at, numbers)
    return None


def reduce_only_kept(order: Order, context: RiskContext) -> Refusal | None:
    """Refuse a reduce-only order that would not only reduce."""
    if not order.reduce_only or context.reduces:
        return None
    room = context.exposure.reducible(order.instrument, order.side)
    return Refusal(order, RefusalCode.NOT_REDUCING, context.at, {"reducible": room})


def _value(order: Order, context: RiskContext, quantity: Decimal) -> Decimal | None:
    price, instrument = context.price, context.instrument
    if price is None or instrument is None:
        return None
    asked = order.limit or order.stop
    if asked is not None and asked > price:
        price = asked
    return quantity * price * instrument.multiplier


def order_size(order: Order, context: RiskContext) -> Refusal | None:
    """Refuse orders that are worth more than one may be; splitting is the caller's business."""
    limit = context.limits.max_order_notional
    if limit is None or context.reduces:
        return None
    value = _value(order, context, order.quantity)
    if value is None or value <= limit:
        return None
    numbers: dict[str, Decimal | str] = {"notional": value, "limit": limit}
    return Refusal(order, RefusalCode.ORDER_SIZE, context.at, numbers)


def position_size(order: Order, context: RiskContext) -> Refusal | None:
    """Refuse what could make a position larger than one may be: currency, shares or weight."""
    if context.reduces:
        return None
    limits, equity = context.limits, context.exposure.equity
    worst = context.exposure.worst_position(order.instrument, order.side, order.quantity)
    value = _value(order, context, worst)
    if value is None:
        return None
    limit = limits.max_position_notional
    if equity is not None:
        weighed = limits.max_position_weight * equity
        if limit is None or weighed < limit:
            limit = weighed
    if limit is not None and value > limit:
        numbers: dict[str, Decimal | str] = {"notional": value, "limit": limit}
        return Refusal(order, RefusalCode.POSITION_SIZE, context.at, numbers)
    if limits.max_position_shares is not None and worst > limits.max_position_shares:
        numbers = {"shares": worst, "limit": limits.max_position_shares}
        return Refusal(order, RefusalCode.POSITION_SIZE, context.at, numbers)
    return None


def exposure_within(order: Order, context: RiskContext) -> Refusal | None:
    """Refuse what could carry gross or net exposure, or its cost, past what equity allows."""
    if context.reduces:
        return None
    exposure, limits = context.exposure, context.limits
    equity = exposure.equity
    if equity is None:
        numbers: dict[str, Decimal | str] = {"unpriced": ", ".join(exposure.unpriced)}
        return Refusal(order, RefusalCode.EQUITY_UNKNOWN, context.at, numbers)
    gross, highest, lowest = exposure.after(order.instrument, order.side, order.quantity)
    if gross > limits.max_gross * equity:
        numbers = {"gross": gross, "limit": limits.max_gross * equity}
        return Refusal(order, RefusalCode.GROSS_EXPOSURE, context.at, numbers)
    short = -lowest
    net = max(short, highest)
    if net > limits.max_net * equity:
        numbers = {"net": net, "limit": limits.max_net * equity}
        return Refusal(order, RefusalCode.NET_EXPOSURE, context.at, numbers)
    price = context.price
    fee = ZERO
    if price:
        fee = context.commission.fee(ZERO, order.quantity, price, order.side, context.at)
    if gross + fee > limits.leverage * equity:
        numbers = {"cost": gross + fee, "limit": limits.leverage * equity}
        return Refusal(order, RefusalCode.BUYING_POWER, context.at, numbers)
    return None


CHECKS: Final[tuple[Check, ...]] = (
    switches_clear,
    market_takes,
    instrument_tradable,
    quantity_sane,
    price_sane,
    reduce_only_kept,
    order_size,
    position_size,
    exposure_within,
)
"""The gate's one order."""


def first_refusal(order: Order, context: RiskContext) -> Refusal | None:
    """Ask `CHECKS` in their order, up to the first that refuses."""
    # Written out, since the interpreter makes a call cheap where it always calls the same.
    return (
        switches_clear(order, context)
        or market_takes(order, context)
        or instrument_tradable(order, context)
        or quantity_sane(order, context)
        or price_sane(order, context)
        or reduce_only_kept(order, context)
        or order_size(order, context)
        or position_size(order, context)
        or exposure_within(order, context)
    )
