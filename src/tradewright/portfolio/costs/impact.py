"""What our own trading does to the price: permanently, and while it lasts.

A replayed market does not move because of us: what an order pays counts, what it would have
changed for later ones does not. A slippage model that grows with size has counted impact already
and does not go with one of these.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Protocol

from tradewright.core.errors import InvalidInput
from tradewright.portfolio.costs.slippage import (
    BASIS_POINT,
    check_numbers,
    participation,
    rounded,
)

if TYPE_CHECKING:
    from tradewright.portfolio.costs.conditions import Conditions

_QUARTER: Final = Decimal("0.25")


class Impact(Protocol):
    """What an order does to the price it gets."""

    def fraction(self, quantity: Decimal, conditions: Conditions) -> Decimal:
        """Return the part of the price that filling `quantity` at once loses, at least 0."""
        ...


@dataclass(frozen=True, slots=True)
class Almgren:
    """Half the permanent impact I plus the temporary impact K.

    I = γ σ (X / V) (Θ / V)^(1/4) and K = η σ (X / (V T))^β, with X the shares, V the mean shares
    a day, σ the standard deviation of a day's return, Θ / V the days in which all shares
    outstanding would trade (`turnover_days`) and T the part of a day over which the order is
    worked (`duration`). An order pays I / 2 + K on average.

    Shares outstanding are not in the data: `turnover_days` is one number for all; to the power
    1/4 it matters little.

    Reference:
        Almgren, Thum, Hauptmann and Li, Direct Estimation of Equity Market Impact, Risk 18
        (2005): γ = 0.314 ± 0.041, η = 0.142 ± 0.0062, β = 0.600 ± 0.038.
    """

    gamma: Decimal = Decimal("0.314")
    eta: Decimal = Decimal("0.142")
    beta: Decimal = Decimal("0.6")
    turnover_days: Decimal = Decimal(200)
    duration: Decimal = Decimal("0.1")
    unknown_bps: Decimal = Decimal(25)

    def __post_init__(self) -> None:
        """Refuse what could gain or has no meaning."""
        check_numbers(self.gamma, self.eta, self.unknown_bps)
        for name in ("beta", "turnover_days", "duration"):
            if getattr(self, name) <= 0:
                raise InvalidInput(name, getattr(self, name), "must be positive")

    def permanent(self, quantity: Decimal, conditions: Conditions) -> Decimal | None:
        """Return I as a fraction of the price, None where an input is not known."""
        share, daily = participation(quantity, conditions), conditions.volatility
        if share is None or daily is None:
            return None
        return self.gamma * daily * share * self.turnover_days**_QUARTER

    def temporary(self, quantity: Decimal, conditions: Conditions) -> Decimal | None:
        """Return K as a fraction of the price, None where an input is not known."""
        share, daily = participation(quantity, conditions), conditions.volatility
        if share is None or daily is None:
            return None
        return self.eta * daily * (share / self.duration) ** self.beta

    def fraction(self, quantity: Decimal, conditions: Conditions) -> Decimal:
        """Return I / 2 + K, or `unknown_bps` where an input is not known."""
        lasting = self.permanent(quantity, conditions)
        passing = self.temporary(quantity, conditions)
        if lasting is None or passing is None:
            return self.unknown_bps * BASIS_POINT
        return rounded(lasting / 2 + passing)
