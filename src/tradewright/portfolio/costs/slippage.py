"""How much worse than the market's price a fill is, as a fraction of that price.

A model is a function of the quantity that fills at once and of what was known before; the same
function plans, fills and judges. An input that is not known makes the fill worse by
`unknown_bps`, which is meant to hurt: no data is no reason for free trading. The price is rounded
against us to 0.0001, and a sale never goes below that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from tradewright.core.errors import InvalidInput
from tradewright.core.money import ZERO, Price

if TYPE_CHECKING:
    from tradewright.core.orders import Side
    from tradewright.portfolio.costs.conditions import Conditions

BASIS_POINT: Final = Decimal("0.0001")
_PRICE_STEP: Final = Decimal("0.0001")
_FRACTION_STEP: Final = Decimal("0.00000001")
_ONE: Final = Decimal(1)
_FIFTY: Final = Decimal(50)
_WHOLE: Final = 1 / BASIS_POINT


class Slippage(Protocol):
    """How much worse than the market's price a fill is."""

    @property
    def sized(self) -> bool:
        """Whether it grows with the quantity."""
        ...

    def fraction(self, quantity: Decimal, conditions: Conditions) -> Decimal:
        """Return the part of the price that filling `quantity` at once loses, at least 0."""
        ...


def worse(side: Side, price: Price, fraction: Decimal) -> Price:
    """Return the price that loses a fraction, rounded against us to 0.0001."""
    if not fraction:
        return price
    if side.sign > 0:
        return Price((price * (_ONE + fraction)).quantize(_PRICE_STEP, ROUND_CEILING))
    return Price(max((price * (_ONE - fraction)).quantize(_PRICE_STEP, ROUND_FLOOR), _PRICE_STEP))


@dataclass(frozen=True, slots=True)
class BasisPoints:
    """Fills are worse by a fixed number of basis points, rounded against us to 0.0001."""

    bps: Decimal = Decimal(2)
    sized: ClassVar[bool] = False
    _buy: Decimal = field(init=False, repr=False)
    _sell: Decimal = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse slippage that would gain, or take more than everything."""
        if not 0 <= self.bps < _WHOLE:
            raise InvalidInput("slippage_bps", self.bps, "must lie in [0, 10000)")
        object.__setattr__(self, "_buy", _ONE + self.bps * BASIS_POINT)
        object.__setattr__(self, "_sell", _ONE - self.bps * BASIS_POINT)

    def fraction(self, quantity: Decimal, conditions: Conditions) -> Decimal:  # noqa: ARG002
        """Return the basis points as a fraction."""
        return self.bps * BASIS_POINT

    def fill_price(self, side: Side, price: Price) -> Price:
        """Return the worse price."""
        if not self.bps:
            return price
        if side.sign > 0:
            return Price((price * self._buy).quantize(_PRICE_STEP, ROUND_CEILING))
        lower = (price * self._sell).quantize(_PRICE_STEP, ROUND_FLOOR)
        return Price(max(lower, _PRICE_STEP))


@dataclass(frozen=True, slots=True)
class HalfSpread:
    """multiple · s / 2: a market order pays the far side of the quote.

    s is the spread as a fraction of the price: `spread_bps` if it is given, else as known.
    """

    multiple: Decimal = _ONE
    spread_bps: Decimal | None = None
    unknown_bps: Decimal = _FIFTY
    sized: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse what could gain."""
        check_numbers(self.multiple, self.spread_bps, self.unknown_bps)

    def fraction(self, quantity: Decimal, conditions: Conditions) -> Decimal:  # noqa: ARG002
        """Return the fraction lost."""
        half = half_spread(self.spread_bps, conditions)
        return self.unknown_bps * BASIS_POINT if half is None else rounded(self.multiple * half)


@dataclass(frozen=True, slots=True)
class VolatilityMultiple:
    """s / 2 + multiple · σ, with σ the standard deviation of a day's return."""

    multiple: Decimal = Decimal("0.05")
    spread_bps: Decimal | None = None
    unknown_bps: Decimal = _FIFTY
    sized: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Refuse what could gain."""
        check_numbers(self.multiple, self.spread_bps, self.unknown_bps)

    def fraction(self, quantity: Decimal, conditions: Conditions) -> Decimal:  # noqa: ARG002
        """Return the fraction lost."""
        half, daily = half_spread(self.spread_bps, conditions), conditions.volatility
        if half is None or daily is None:
            return self.unknown_bps * BASIS_POINT
        return rounded(half + self.multiple * daily)


@dataclass(frozen=True, slots=True)
class LinearParticipation:
    """s / 2 + coefficient · Q / V: Q shares of a session's mean V.

    With the default, 1 % of a day's volume costs ten basis points besides the half spread.

    Reference:
        Kyle, Continuous Auctions and Insider Trading, Econometrica 53 (1985), for the line; the
        coefficient is an assumption.
    """

    coefficient: Decimal = Decimal("0.1")
    spread_bps: Decimal | None = None
    unknown_bps: Decimal = _FIFTY
    sized: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse what could gain."""
        check_numbers(self.coefficient, self.spread_bps, self.unknown_bps)

    def fraction(self, quantity: Decimal, conditions: Conditions) -> Decimal:
        """Return the fraction lost."""
        half, share = half_spread(self.spread_bps, conditions), participation(quantity, conditions)
        if half is None or share is None:
            return self.unknown_bps * BASIS_POINT
        return rounded(half + self.coefficient * share)


@dataclass(frozen=True, slots=True)
class SquareRoot:
    """s / 2 + coefficient · σ · sqrt(Q / V), the square-root law of what size costs.

    Reference:
        Torre, BARRA Market Impact Model Handbook, 1997; Grinold and Kahn, Active Portfolio
        Management, 2nd ed., 2000, chapter 16. Almgren, Thum, Hauptmann and Li (2005) find the
        power 3/5 for what `impact=almgren` counts.
    """

    coefficient: Decimal = _ONE
    spread_bps: Decimal | None = None
    unknown_bps: Decimal = _FIFTY
    sized: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse what could gain."""
        check_numbers(self.coefficient, self.spread_bps, self.unknown_bps)

    def fraction(self, quantity: Decimal, conditions: Conditions) -> Decimal:
        """Return the fraction lost."""
        half, share = half_spread(self.spread_bps, conditions), participation(quantity, conditions)
        daily = conditions.volatility
        if half is None or share is None or daily is None:
            return self.unknown_bps * BASIS_POINT
        return rounded(half + self.coefficient * daily * share.sqrt())


@dataclass(frozen=True, slots=True)
class Adaptive:
    """urgency · (s / 2 + volatility · σ + size · σ · sqrt(Q / V)).

    It widens with the spread, with unrest and with size; `urgency` is above 1 for who must trade
    at once and below 1 for who can wait. The weights are assumptions.
    """

    urgency: Decimal = _ONE
    volatility: Decimal = Decimal("0.02")
    size: Decimal = _ONE
    spread_bps: Decimal | None = None
    unknown_bps: Decimal = _FIFTY
    sized: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse what could gain."""
        check_numbers(self.urgency, self.spread_bps, self.unknown_bps)
        check_numbers(self.volatility, self.size, ZERO)

    def fraction(self, quantity: Decimal, conditions: Conditions) -> Decimal:
        """Return the fraction lost."""
        half, share = half_spread(self.spread_bps, conditions), participation(quantity, conditions)
        daily = conditions.volatility
        if half is None or share is None or daily is None:
            return self.unknown_bps * BASIS_POINT
        unrest = daily * (self.volatility + self.size * share.sqrt())
        return rounded(self.urgency * (half + unrest))


def half_spread(spread_bps: Decimal | None, conditions: Conditions) -> Decimal | None:
    """Return half the spread as a fraction: of `spread_bps` if given, else as known."""
    if spread_bps is not None:
        return spread_bps * BASIS_POINT / 2
    return None if conditions.spread is None else conditions.spread / 2


def participation(quantity: Decimal, conditions: Conditions) -> Decimal | None:
    """Return a quantity as a part of a session's mean volume, None if that is not known."""
    return None if conditions.volume is None else quantity / conditions.volume


def rounded(fraction: Decimal) -> Decimal:
    """Round a fraction up to 0.0001 basis points, so that it is the same wherever it is made."""
    return fraction.quantize(_FRACTION_STEP, ROUND_CEILING)


def check_numbers(number: Decimal, other: Decimal | None, unknown_bps: Decimal) -> None:
    """Refuse numbers of a model by which a fill could gain, or lose more than everything."""
    if number < 0 or (other is not None and other < 0):
        raise InvalidInput("slippage", (number, other), "must not be negative")
    if not 0 <= unknown_bps < _WHOLE:
        raise InvalidInput("unknown_bps", unknown_bps, "must lie in [0, 10000)")
