"""Margin: what a position must be covered with, and what the account may still buy.

Regulation T asks for half of a position when it is opened; the house asks for its own share for
as long as it is held, more for cheap shares. A short's value is negative everywhere but in the
requirements, which are positive for both sides.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from tradewright.core.frozen import frozen
from tradewright.core.money import ZERO

if TYPE_CHECKING:
    from tradewright.core.ids import InstrumentId
    from tradewright.exchange.market.market import ReplayMarket

LEAST_EQUITY: Final = Decimal(2_000)
_ONE: Final = Decimal(1)
_TWO: Final = Decimal(2)
_REGULATION_T: Final = Decimal("0.5")
_HOUSE: Final = Decimal("0.3")
_CHEAP_LONG: Final = Decimal("2.50")
_CHEAP_SHORT: Final = Decimal(5)
_LEAST_SHORT: Final = Decimal(5)
_LEAST_CHEAP_SHORT: Final = Decimal("2.50")
_DAY_TRADING: Final = Decimal(4)


@frozen
class Standing:
    """What the account is worth and what it must be covered with, at the last prices."""

    cash: Decimal
    long_value: Decimal
    short_value: Decimal
    initial: Decimal
    maintenance: Decimal

    @property
    def equity(self) -> Decimal:
        """Cash and positions."""
        return self.cash + self.long_value + self.short_value

    @property
    def gross(self) -> Decimal:
        """Sum of absolute position values."""
        return self.long_value - self.short_value

    @property
    def excess(self) -> Decimal:
        """What Regulation T leaves of the equity, never below zero."""
        return max(self.equity - self.initial, ZERO)


def house_rate(price: Decimal, *, short: bool) -> Decimal:
    """Return the house's maintenance requirement as a fraction of the position's value."""
    if price <= 0:
        return _ONE
    if not short:
        return _HOUSE if price >= _CHEAP_LONG else _ONE
    if price >= _CHEAP_SHORT:
        return max(_LEAST_SHORT / price, _HOUSE)
    return max(_LEAST_CHEAP_SHORT / price, _ONE)


def initial_rate(price: Decimal, *, short: bool) -> Decimal:
    """Return what must be there to open a position: Regulation T's half, or the house's more."""
    return max(_REGULATION_T, house_rate(price, short=short))


def standing(market: ReplayMarket) -> Standing:
    """Value the account at the last prices; what was never priced counts at cost."""
    ledger = market.brokerage.ledger
    long_value = short_value = initial = maintenance = ZERO
    for name, position in ledger.positions.items():
        size = market.data.instruments[name].multiplier
        value, begun, kept = _covered(price_of(market, name), position.quantity, size)
        if value < 0:
            short_value += value
        else:
            long_value += value
        initial += begun
        maintenance += kept
    return Standing(ledger.cash, long_value, short_value, initial, maintenance)


@lru_cache(maxsize=1024)
def _covered(price: Decimal, quantity: Decimal, size: Decimal) -> tuple[Decimal, Decimal, Decimal]:
    # Its value and both requirements: between two orders most positions are what they were.
    value = price * quantity * size
    short = value < 0
    begun = abs(value) * initial_rate(price, short=short)
    return value, begun, abs(value) * house_rate(price, short=short)


def price_of(market: ReplayMarket, name: InstrumentId) -> Decimal:
    """Return the last price of an instrument that is held, else what it cost; 0 without both."""
    price = market.brokerage.price(name)
    if price is not None:
        return price
    held = market.brokerage.ledger.positions.get(name)
    return held.average if held is not None else ZERO


def power(now: Standing, began: Standing, multiplier: Decimal) -> Decimal:
    """Return buying power before what open orders reserve; it may be below zero.

    A cash account (1) can spend its cash, and a margin account (2) its equity twice over less
    what Regulation T asks for. A day-trading account (4) is measured at the close before: four
    times what the house left over, less what has been opened since.
    """
    if multiplier <= _ONE:
        return now.cash
    if multiplier < _DAY_TRADING:
        return multiplier * now.equity - _TWO * now.initial
    return day_trading_power(now, began, multiplier)


def day_trading_power(now: Standing, began: Standing, multiplier: Decimal) -> Decimal:
    """Return how much may be opened today, measured at the close before; 0 below four times."""
    if multiplier < _DAY_TRADING:
        return ZERO
    left = multiplier * (began.equity - began.maintenance)
    return max(left - max(now.gross - began.gross, ZERO), ZERO)


def weight(price: Decimal, *, short: bool, multiplier: Decimal) -> Decimal:
    """Return how much buying power a dollar of a position takes: more than one if it is cheap."""
    if multiplier <= _ONE:
        return _ONE
    return _TWO * initial_rate(price, short=short)
