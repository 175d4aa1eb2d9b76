"""Positions and their lots, folded from fills: first in, first out.

`quantity` is signed. Realised profit leaves fees out, since the ledger keeps them by themselves.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING, Final

from tradewright.core.frozen import frozen, maker
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
        price, held = fill.price, self.quantity
        buys = fill.side.sign > 0
        signed = fill.quantity if buys else -fill.quantity
        if not held or (held > ZERO) is buys:
            return _position(
                self.instrument,
                held + signed,
                self.cost + signed * price,
                self.realised,
                (*self.lots, _lot(fill.at, signed, price)),
            )
        left = held + signed
        if not left or (left > ZERO) is not buys:
            return self._close(signed, price)
        closed = self._close(-held, price)
        lot = Lot(fill.at, left, price)
        return Position(self.instrument, left, left * price, closed.realised, (lot,))

    def _close(self, signed: Decimal, price: Decimal) -> Position:
        left, realised, cost = signed, self.realised, self.cost
        lots = self.lots
        while left:
            lot = lots[0]
            taken = -lot.quantity
            if abs(taken) <= abs(left):
                lots = lots[1:]
            else:
                taken = left
                lots = (Lot(lot.opened_at, lot.quantity + left, lot.price), *lots[1:])
            realised -= taken * (price - lot.price)
            cost += taken * lot.price
            left -= taken
        return _position(self.instrument, self.quantity + signed, cost, realised, lots)

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


_position: Final = maker(Position)
_lot: Final = maker(Lot)


def _shares(quantity: Decimal) -> Decimal:
    # A ratio such as 1:3 leaves no end of decimals, and sums of those would not be exact.
    return quantity.quantize(_SHARE_STEP) if quantity % _SHARE_STEP else quantity
