"""What trading costs: commission and slippage, one formula for planning, trading and judging.

A commission with a minimum is charged by order, not by fill: a fill costs what the order has
become dearer by, so that the parts of an order add up to the whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, Final, Protocol

from tradewright.core.errors import InvalidInput, UnknownName
from tradewright.core.money import ZERO, Price, to_cents

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradewright.core.orders import Side

_BASIS_POINT: Final = Decimal("0.0001")
_PRICE_STEP: Final = Decimal("0.0001")
_ONE: Final = Decimal(1)


class Commission(Protocol):
    """What the broker takes for an order."""

    def fee(self, before: Decimal, quantity: Decimal, price: Decimal) -> Decimal:
        """Return the fee in currency, to the cent, of filling `quantity` more after `before`."""
        ...


class Slippage(Protocol):
    """How much worse than the market's price a fill is."""

    def fill_price(self, side: Side, price: Price) -> Price:
        """Return the price that an order of `side` gets where the market shows `price`."""
        ...


@dataclass(frozen=True, slots=True)
class PerShare:
    """A rate a share with a minimum an order, rounded half up to the cent.

    Reference:
        Interactive Brokers, US stocks, fixed pricing: USD 0.005 a share, minimum USD 1.00.
    """

    rate: Decimal = Decimal("0.005")
    minimum: Decimal = Decimal("1.00")

    def __post_init__(self) -> None:
        """Refuse a negative rate or minimum."""
        if self.rate < 0 or self.minimum < 0:
            raise InvalidInput("commission", (self.rate, self.minimum), "must not be negative")

    def fee(self, before: Decimal, quantity: Decimal, price: Decimal) -> Decimal:
        """Return what the order has become dearer by."""
        if not before:
            fee = self.rate * quantity
            if fee > self.minimum:
                return to_cents(fee)
            return to_cents(self.minimum)
        return self.fee(ZERO, before + quantity, price) - self.fee(ZERO, before, price)


@dataclass(frozen=True, slots=True)
class PercentOfValue:
    """A fraction of the traded value (0.001 is 0.1 %), rounded half up to the cent."""

    rate: Decimal

    def __post_init__(self) -> None:
        """Refuse a rate outside [0, 1]."""
        if not 0 <= self.rate <= 1:
            raise InvalidInput("commission", self.rate, "must be a fraction in [0, 1]")

    def fee(self, before: Decimal, quantity: Decimal, price: Decimal) -> Decimal:  # noqa: ARG002
        """Return the fraction of this fill's value."""
        return to_cents(self.rate * quantity * price)


@dataclass(frozen=True, slots=True)
class NoCommission:
    """Trading is free, as at brokers who live on order flow."""

    def fee(self, before: Decimal, quantity: Decimal, price: Decimal) -> Decimal:  # noqa: ARG002
        """Return nothing."""
        return ZERO


@dataclass(frozen=True, slots=True)
class BasisPoints:
    """Fills are worse by a fixed number of basis points, rounded against us to 0.0001."""

    bps: Decimal = Decimal(2)
    _buy: Decimal = field(init=False, repr=False)
    _sell: Decimal = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse slippage that would gain, or take more than everything."""
        if not 0 <= self.bps < 1 / _BASIS_POINT:
            raise InvalidInput("slippage_bps", self.bps, "must lie in [0, 10000)")
        object.__setattr__(self, "_buy", _ONE + self.bps * _BASIS_POINT)
        object.__setattr__(self, "_sell", _ONE - self.bps * _BASIS_POINT)

    def fill_price(self, side: Side, price: Price) -> Price:
        """Return the worse price."""
        if not self.bps:
            return price
        if side.sign > 0:
            return Price((price * self._buy).quantize(_PRICE_STEP, ROUND_CEILING))
        worse = (price * self._sell).quantize(_PRICE_STEP, ROUND_FLOOR)
        return Price(max(worse, _PRICE_STEP))


@dataclass(frozen=True, slots=True)
class TradingCosts:
    """Commission and slippage together."""

    commission: Commission = field(default_factory=PerShare)
    slippage: Slippage = field(default_factory=BasisPoints)


COMMISSIONS: Final[Mapping[str, Commission]] = {
    "ib-fixed": PerShare(),
    "none": NoCommission(),
    "per-share": PerShare(minimum=ZERO),
    "percent": PercentOfValue(Decimal("0.001")),
}


def commission(name: str) -> Commission:
    """Return the commission model of a name; an unknown name is refused."""
    if name not in COMMISSIONS:
        raise UnknownName("commission", name, list(COMMISSIONS))
    return COMMISSIONS[name]
