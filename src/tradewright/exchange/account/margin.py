"""Margin: what a position must be covered with, and what the account may still buy.

Regulation T asks for half of a position when it is opened; the house asks for its own share for
as long as it is held, more for cheap shares. A short's value is negative everywhere but in the
requirements, which are positive for both sides.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from tradewright.core.frozen import frozen
from tradewright.core.money import ZERO
from tradewright.portfolio.valuation import Tally

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


class Margin:
    """The standing of an account in a market, worked out again only where something has changed."""

    def __init__(self, market: ReplayMarket) -> None:
        """Value what is held at the last prices; what was never priced counts at cost."""
        self._market = market
        self._tally = Tally(self._covered, 4)
        self._of: tuple[object, int] = (None, 0)
        self._standing = Standing(ZERO, ZERO, ZERO, ZERO, ZERO)

    @property
    def standing(self) -> Standing:
        """What the account is worth now."""
        brokerage = self._market.brokerage
        fills, version = brokerage.fills, brokerage.version
        if self._of != (version, len(fills)):
            ledger = brokerage.ledger
            sums = self._tally.sums(ledger.positions, fills, version)
            self._standing, self._of = Standing(ledger.cash, *sums), (version, len(fills))
        return self._standing

    def _covered(self, name: InstrumentId) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        # Its value if long and if short, and what both requirements ask for.
        market = self._market
        price = price_of(market, name)
        size = market.data.instruments[name].multiplier
        value = price * market.brokerage.ledger.quantities[name] * size
        short = value < 0
        begun = abs(value) * initial_rate(price, short=short)
        kept = abs(value) * house_rate(price, short=short)
        return (ZERO, value, begun, kept) if short else (value, ZERO, begun, kept)


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
