"""Targets minus holdings to orders.

Orders are market orders for the next time the market trades. What is working already counts as
held, so that deciding twice does not order twice. Sells stand before buys, then by instrument.
"""

from __future__ import annotations

from dataclasses import field
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from tradewright.core.errors import InvalidInput
from tradewright.core.frames import to_decimal
from tradewright.core.frozen import frozen, maker
from tradewright.core.ids import Terms, instant_fact, order_id
from tradewright.core.money import ZERO, Quantity
from tradewright.core.orders import Order, OrderKind, Side, TimeInForce
from tradewright.portfolio.sizing import FixedFraction, Sizing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tradewright.core.ids import InstrumentId
    from tradewright.core.instrument import Instrument
    from tradewright.core.signals import Target

_BUY: Final = Side.BUY
_SELL: Final = Side.SELL
_MARKET: Final = OrderKind.MARKET
_made: Final = maker(Order)
_MARKET_TERMS: Final = {force: Terms(OrderKind.MARKET, force) for force in TimeInForce}


@frozen
class Construction:
    """How orders are made of targets."""

    sizing: Sizing = field(default_factory=FixedFraction)
    time_in_force: TimeInForce = TimeInForce.DAY
    min_trade: Decimal = ZERO
    """Trades worth less than this much currency are left out, unless they close a position."""


@frozen
class Holdings:
    """What construction needs to know of the account: signed quantities, exact numbers.

    `price` is of one unit as it counts in the book, multiplier included.
    """

    equity: Decimal | None
    held: Mapping[InstrumentId, Decimal]
    working: Mapping[InstrumentId, Decimal]
    price: Callable[[InstrumentId], Decimal | None]
    volatility: Callable[[InstrumentId], Decimal | None]


@frozen
class Plan:
    """The orders, and the targets that could not be sized because a number is missing."""

    orders: Sequence[Order]
    unsized: Sequence[Target]


_plan: Final = maker(Plan)


def construct(
    targets: Sequence[Target],
    holdings: Holdings,
    instruments: Mapping[InstrumentId, Instrument],
    how: Construction,
) -> Plan:
    """Return the orders that move holdings to targets.

    Raises:
        InvalidInput: Two targets are for one instrument.
    """
    if len(targets) > 1 and len({target.instrument for target in targets}) < len(targets):
        names = sorted(target.instrument for target in targets)
        raise InvalidInput("targets", names, "name an instrument twice", "give one target for each")
    orders: list[Order] = []
    unsized: list[Target] = []
    for target in targets:
        name = target.instrument
        instrument = instruments[name]
        wanted = _shares(target, holdings, how.sizing)
        if wanted is None:
            unsized.append(target)
            continue
        rounded = instrument.to_lot(wanted)
        held = holdings.held.get(name, ZERO)
        delta = rounded - held - holdings.working.get(name, ZERO)
        if not delta or (how.min_trade and rounded and _is_small(target, delta, holdings, how)):
            continue
        # Said only where nothing else works on the name: then it holds wherever the order goes.
        reduces = bool(held) and name not in holdings.working and _is_nearer(held, delta)
        orders.append(_order(target, instrument, delta, how.time_in_force, reduces=reduces))
    if len(orders) > 1:
        orders.sort(key=lambda order: (order.side.sign, order.instrument))
    return _plan(orders, unsized)


def _shares(target: Target, holdings: Holdings, sizing: Sizing) -> Decimal | None:
    if not target.weight:
        return ZERO
    price = holdings.price(target.instrument)
    if price is None or holdings.equity is None:
        return None
    volatility = holdings.volatility(target.instrument) if sizing.volatility_window else None
    return sizing.shares(to_decimal(target.weight), holdings.equity, price, volatility)


def _is_small(target: Target, delta: Decimal, holdings: Holdings, how: Construction) -> bool:
    price = holdings.price(target.instrument)
    return price is not None and abs(delta) * price < how.min_trade


def _is_nearer(held: Decimal, delta: Decimal) -> bool:
    return -held <= delta < ZERO if held > ZERO else ZERO < delta <= -held


def _order(
    target: Target,
    instrument: Instrument,
    delta: Decimal,
    time_in_force: TimeInForce,
    *,
    reduces: bool,
) -> Order:
    side, quantity = (_BUY, delta) if delta > ZERO else (_SELL, -delta)
    at = target.at
    # The instant of the decision is the intent: deciding again at the same instant is the same
    # asking, deciding later in the day is another.
    intent = instant_fact(at)
    strategy, terms = target.strategy, _MARKET_TERMS[time_in_force]
    # By place: naming arguments costs as much as making the order.
    return _made(
        order_id(instrument.symbol, side, quantity, terms, strategy, at.date(), intent),
        strategy,
        target.instrument,
        side,
        Quantity(quantity),
        _MARKET,
        time_in_force,
        at,
        None,
        None,
        None,
        None,
        reduces,
        intent,
    )
