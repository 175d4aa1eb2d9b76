"""What is traded, and the only place where rounding to ticks and lots is decided."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from tradewright.core.errors import InvalidInput
from tradewright.core.money import Currency, Money, Price, Quantity

if TYPE_CHECKING:
    from datetime import date

    from tradewright.core.ids import InstrumentId
    from tradewright.core.orders import Side

_SUB_DOLLAR_TICK = Decimal("0.0001")
_ONE = Decimal(1)


class AssetClass(StrEnum):
    """Kinds of instruments."""

    US_EQUITY = "us_equity"


class FormerSymbol(NamedTuple):
    """A symbol that an instrument had up to `last`, which is included."""

    symbol: str
    last: date


@dataclass(frozen=True, slots=True)
class Instrument:
    """A listed security; `tick` holds from one dollar up, 0.0001 below (Rule 612).

    `former` are the symbols that it had before `symbol`, oldest first.
    """

    id: InstrumentId
    symbol: str
    asset_class: AssetClass = AssetClass.US_EQUITY
    venue: str = "XNYS"
    currency: Currency = Currency.USD
    tick: Decimal = Decimal("0.01")
    lot: Decimal = _ONE
    multiplier: Decimal = _ONE
    shortable: bool = True
    tradable: bool = True
    listed: date | None = None
    delisted: date | None = None
    former: tuple[FormerSymbol, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be traded at all."""
        for field in ("tick", "lot", "multiplier"):
            if getattr(self, field) <= 0:
                raise InvalidInput(f"{self.symbol}.{field}", getattr(self, field), "must be > 0")

    def tick_at(self, price: Decimal) -> Decimal:
        """Return the smallest price step at `price`."""
        return self.tick if price >= 1 else min(self.tick, _SUB_DOLLAR_TICK)

    def to_tick(self, price: Decimal, side: Side) -> Price:
        """Round to a valid price, never past it: a buy's limit down, a sell's up."""
        tick = self.tick_at(price)
        rounding = ROUND_FLOOR if side.sign > 0 else ROUND_CEILING
        return Price((price / tick).to_integral_value(rounding) * tick)

    def to_lot(self, quantity: Decimal) -> Quantity:
        """Round towards zero to whole lots; the result may be zero."""
        return Quantity(quantity // self.lot * self.lot)

    def notional(self, price: Decimal, quantity: Decimal) -> Money:
        """Return the exact value of `quantity` at `price`."""
        return Money(price * quantity * self.multiplier, self.currency)

    @property
    def is_fractionable(self) -> bool:
        """Say whether parts of a share can be traded."""
        return self.lot < _ONE

    def symbol_on(self, day: date) -> str:
        """Return the symbol that the instrument had on a date."""
        return next((name for name, last in self.former if day <= last), self.symbol)

    def is_listed(self, on: date) -> bool:
        """Say whether the instrument could trade on a date."""
        return (self.listed is None or self.listed <= on) and (
            self.delisted is None or on <= self.delisted
        )
