"""What a book is worth: equity and exposures from marks.

A held instrument without a mark makes the equity unknown (None), never zero or its cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tradewright.core.money import ZERO

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from decimal import Decimal

    from tradewright.core.ids import InstrumentId


@dataclass(frozen=True, slots=True)
class Valuation:
    """Exact values in currency: `long` and `short` are both positive, `equity` may be None."""

    cash: Decimal
    long: Decimal
    short: Decimal
    missing: tuple[InstrumentId, ...] = ()

    @property
    def equity(self) -> Decimal | None:
        """Cash and positions, None while a mark is missing."""
        return None if self.missing else self.cash + self.long - self.short

    @property
    def gross(self) -> Decimal:
        """Sum of absolute position values."""
        return self.long + self.short

    @property
    def net(self) -> Decimal:
        """Long less short."""
        return self.long - self.short


def valuation(
    cash: Decimal,
    quantities: Mapping[InstrumentId, Decimal],
    mark: Callable[[InstrumentId], Decimal | None],
) -> Valuation:
    """Value signed quantities at their marks (price × multiplier)."""
    long, short = ZERO, ZERO
    missing: list[InstrumentId] = []
    for instrument, quantity in quantities.items():
        price = mark(instrument)
        if price is None:
            missing.append(instrument)
        elif quantity > 0:
            long += quantity * price
        else:
            short -= quantity * price
    return Valuation(cash, long, short, tuple(missing))
