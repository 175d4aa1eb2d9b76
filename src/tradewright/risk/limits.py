"""Limits: one frozen table; an approved order remembers which version let it pass."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from decimal import Decimal
from functools import cached_property

from tradewright.core.errors import InvalidInput
from tradewright.core.money import down_to_cents


@dataclass(frozen=True)
class Limits:
    """What one account may do. Amounts are in currency (None: any), exposures multiples of equity.

    Exposures are worst cases: every working order that would enlarge them is taken as filled,
    and none that would reduce them.
    """

    max_order_notional: Decimal | None = None
    max_position_notional: Decimal | None = None
    max_position_shares: Decimal | None = None
    max_position_weight: Decimal = Decimal(1)
    """A position's worst case as a multiple of equity; this one is never without limit."""
    max_gross: Decimal = Decimal(2)
    max_net: Decimal = Decimal(2)
    leverage: Decimal = Decimal(2)
    """Equity times this is what the account can pay for (2: Regulation T, 1: a cash account)."""
    price_band: Decimal = Decimal("0.5")
    """How far a limit or stop price may lie from the last price, as a fraction of it."""
    max_price_age_rows: int = 0
    """Rows of bars since the last price; 0 wants a price in the row that is decided on."""

    def __post_init__(self) -> None:
        """Refuse limits that limit nothing or forbid everything by mistake."""
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and value < 0:
                raise InvalidInput(f"limits.{field.name}", value, "must not be negative")

    @classmethod
    def of_capital(cls, capital: Decimal, *, share: Decimal = Decimal(2)) -> Limits:
        """Limit an order and a position to a multiple of the opening capital."""
        most = down_to_cents(capital * share)
        return cls(max_order_notional=most, max_position_notional=most)

    @cached_property
    def version(self) -> str:
        """Twelve hex digits that change with any limit."""
        text = "|".join(f"{field.name}={getattr(self, field.name)}" for field in fields(self))
        return hashlib.sha256(text.encode()).hexdigest()[:12]
