"""What holding costs by the day: borrowed shares and borrowed cash.

Both are simple interest over calendar days with a year of 360, charged at a session's close for
the days until the next, so that a Friday pays for the weekend. Cash is as traded, not as settled,
and proceeds of short sales count as cash. Nothing is paid on cash that is left over.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from tradewright.core.errors import InvalidInput
from tradewright.core.money import ZERO, to_cents

DAYS_A_YEAR: Final = 360


@dataclass(frozen=True, slots=True)
class Borrow:
    """rate · short market value · days / 360, to the cent, half up.

    One rate holds for every name: a hard-to-borrow one costs far more. The default is an
    assumption.
    """

    rate: Decimal = Decimal("0.03")

    def __post_init__(self) -> None:
        """Refuse a rate outside [0, 10]."""
        _check(self.rate, "borrow")

    def charge(self, short_value: Decimal, days: int) -> Decimal:
        """Return the amount for positions worth -`short_value` over `days` calendar days."""
        return _interest(self.rate, short_value, days)


@dataclass(frozen=True, slots=True)
class MarginInterest:
    """rate · borrowed cash · days / 360, to the cent, half up; the default is an assumption."""

    rate: Decimal = Decimal("0.08")

    def __post_init__(self) -> None:
        """Refuse a rate outside [0, 10]."""
        _check(self.rate, "margin")

    def charge(self, cash: Decimal, days: int) -> Decimal:
        """Return the amount for a balance of `cash`: nothing unless it is negative."""
        return _interest(self.rate, -cash, days)


def _interest(rate: Decimal, owed: Decimal, days: int) -> Decimal:
    return to_cents(rate * owed * days / DAYS_A_YEAR) if owed > 0 else ZERO


def _check(rate: Decimal, field: str) -> None:
    if not 0 <= rate <= 10:  # noqa: PLR2004 - 1000 % a year
        raise InvalidInput(field, rate, "must be a fraction a year in [0, 10]", "write 3 % as 0.03")
