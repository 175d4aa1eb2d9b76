"""How a weight becomes a number of shares.

A weight is of the strategy's equity. Every sizing returns an exact signed number of shares that
has not been rounded to lots yet; `Instrument.to_lot` does that towards zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from tradewright.core.errors import InvalidInput
from tradewright.core.money import ZERO


class Sizing(Protocol):
    """A rule from weight to shares."""

    @property
    def volatility_window(self) -> int:
        """Sessions of returns that the rule wants as volatility, 0 for none."""
        ...

    def shares(
        self, weight: Decimal, equity: Decimal, price: Decimal, volatility: Decimal | None
    ) -> Decimal | None:
        """Return signed shares; None where a number that the rule needs is missing."""
        ...


@dataclass(frozen=True, slots=True)
class FixedFraction:
    """Hold `fraction` of the weight: weight × fraction × equity / price."""

    fraction: Decimal = Decimal(1)
    volatility_window: int = 0

    def __post_init__(self) -> None:
        """Refuse a fraction that is not positive."""
        if self.fraction <= 0:
            raise InvalidInput("fraction", self.fraction, "must be positive")

    def shares(
        self,
        weight: Decimal,
        equity: Decimal,
        price: Decimal,
        volatility: Decimal | None,  # noqa: ARG002
    ) -> Decimal | None:
        """Return signed shares."""
        return weight * self.fraction * equity / price


@dataclass(frozen=True, slots=True)
class VolatilityTarget:
    """Scale each weight so that a full weight would show `annual` volatility, up to a cap.

    shares = weight × min(annual / σ, cap) × equity / price, σ the annualised volatility of
    daily log returns over `volatility_window` sessions; no shares where σ is not known.
    """

    annual: Decimal = Decimal("0.10")
    cap: Decimal = Decimal(1)
    volatility_window: int = 63

    def __post_init__(self) -> None:
        """Refuse what cannot be a volatility, a cap or a window."""
        if self.annual <= 0 or self.cap <= 0 or self.volatility_window <= 1:
            raise InvalidInput(
                "volatility target",
                (self.annual, self.cap, self.volatility_window),
                "needs annual > 0, cap > 0 and a window above 1",
            )

    def shares(
        self, weight: Decimal, equity: Decimal, price: Decimal, volatility: Decimal | None
    ) -> Decimal | None:
        """Return signed shares, None while the volatility is not known."""
        if volatility is None:
            return None
        scale = min(self.annual / volatility, self.cap) if volatility > 0 else self.cap
        return weight * scale * equity / price


@dataclass(frozen=True, slots=True)
class FixedShares:
    """Hold a fixed number of shares for any weight: its sign is all that counts."""

    number: Decimal
    volatility_window: int = 0

    def __post_init__(self) -> None:
        """Refuse a number that is not positive."""
        if self.number <= 0:
            raise InvalidInput("shares", self.number, "must be positive")

    def shares(
        self,
        weight: Decimal,
        equity: Decimal,  # noqa: ARG002
        price: Decimal,  # noqa: ARG002
        volatility: Decimal | None,  # noqa: ARG002
    ) -> Decimal | None:
        """Return signed shares."""
        if not weight:
            return ZERO
        return self.number if weight > 0 else -self.number
