"""Positions and their lots, folded from fills: first in, first out.

`quantity` is signed. Realised profit leaves fees out, since the ledger keeps them by themselves.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING, Final

from tradewright.core.frozen import frozen
from tradewright.core.money import ZERO

if TYPE_CHECKING:
    from datetime import datetime
    from fractions import Fraction

    from tradewright.core.ids import InstrumentId
    from tradewright.core.orders import Fill

_SHARE_STEP: Final = Decimal("1e-9")


@frozen
class Lot:
    """Shares opened together: signed quantity and price of one share."""

    opened_at: datetime
    quantity: Decimal
    price: Decimal


@frozen
class Position:
    """What is held of one instrument. `cost` is the sum of quantity × price over the lots."""

    instrument: InstrumentId
    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    realised: Decimal = ZERO
    lots: tuple[Lot, ...] = ()

    @property
    def average(self) -> Decimal:
        """Average price of what is held, 0 when flat."""
        return self.cost / self.quantity if self.quantity else ZERO

    def apply(self, fill: Fill) -> Position:
        """Return the position after a fill; a fill that crosses zero closes, then opens."""
        signed = fill.quantity if fill.side.sign > 0 else -fill.quantity
        held = self.quantity
        if not held or (held > 0) == (signed > 0):
            return Position(
                self.instrument,
                held + signed,
                self.cost + signed * fill.price,
                self.realised,
                (*self.lots, Lot(fill.at, signed, fill.price)),
            )
        closing = signed if abs(signed) <= abs(held) else -held
        closed = self._close(closing, fill.price)
        opening = signed - closing
        if not opening:
            return closed
        return Position(
            self.instrument,
            opening,
            opening * fill.price,
            closed.realised,
            (Lot(fill.at, opening, fill.price),),
        )

    def _close(self, signed: Decimal, price: Decimal) -> Position:
        left, realised, cost = signed, self.realised, self.cost
        lots = list(self.lots)
        while left:
            lot = lots[0]
            if abs(lot.quantity) <= abs(left):
                taken = -lot.quantity
                lots.pop(0)
            else:
                taken = left
                lots[0] = Lot(lot.opened_at, lot.quantity + left, lot.price)
            realised -= taken * (price - lot.price)
            cost += taken * lot.price
            left -= taken
        return Position(self.instrument, self.quantity + signed, cost, realised, tuple(lots))

    def reduced(self, quantity: Decimal, price: Decimal) -> Position:
        """Return the position with a signed `quantity` of it closed at `price`."""
        return self._close(-quantity, price)

    def split(self, ratio: Fraction, lot_size: Decimal = Decimal(1)) -> tuple[Position, Decimal]:
        """Return the position after a split and the signed fraction of new shares cashed in.

        Each lot's quantity is multiplied by the ratio, and its cost stays; the fraction that no
        whole lot covers is still in the returned position.
        """
        num, den = Decimal(ratio.numerator), Decimal(ratio.denominator)
        exact = _shares(self.quantity * num / den)
        whole = (exact / lot_size).to_integral_value(ROUND_DOWN) * lot_size
        lots: list[Lot] = []
        before = after = ZERO
        for lot in self.lots:
            # Cut from running sums, so that rounded lots still add up to the whole.
            before += lot.quantity
            grown = _shares(before * num / den) - after
            after += grown
            if grown:
                lots.append(Lot(lot.opened_at, grown, lot.quantity * lot.price / grown))
        split = Position(self.instrument, exact, self.cost, self.realised, tuple(lots))
        return split, exact - whole


def _shares(quantity: Decimal) -> Decimal:
    # A ratio such as 1:3 leaves no end of decimals, and sums of those would not be exact.
    return quantity.quantize(_SHARE_STEP) if quantity % _SHARE_STEP else quantity
