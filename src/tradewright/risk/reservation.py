"""Exposure held between approval and fill.

Each instrument counts at its worst case: for the long side what is held plus every working buy,
for the short side what is held less every working sell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradewright.core.money import ZERO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from decimal import Decimal

    from tradewright.core.ids import InstrumentId
    from tradewright.core.orders import Side


class _Leg:
    __slots__ = ("buys", "held", "price", "sells")

    def __init__(self, held: Decimal, price: Decimal | None) -> None:
        self.held = held
        self.buys = ZERO
        self.sells = ZERO
        self.price = price

    def worst(self) -> tuple[Decimal, Decimal, Decimal]:
        """Return worst-case gross, and the highest and lowest net value."""
        if self.price is None:
            return ZERO, ZERO, ZERO
        high = (self.held + self.buys) * self.price
        low = (self.held - self.sells) * self.price
        return max(abs(high), abs(low)), high, low


class Exposure:
    """Worst-case exposure of an account, kept up to date as orders are approved.

    `equity` is cash and positions at their marks. `unpriced` names what is held or working
    without a price: while it is not empty, exposure is not known and `equity` is None.
    """

    def __init__(
        self,
        cash: Decimal,
        held: Mapping[InstrumentId, Decimal],
        working: Iterable[tuple[InstrumentId, Side, Decimal]],
        price: Callable[[InstrumentId], Decimal | None],
    ) -> None:
        """Take stock: signed holdings, working remainders and marks."""
        self._price = price
        legs: dict[InstrumentId, _Leg] = {}
        self._legs = legs
        equity = cash
        for name, quantity in held.items():
            mark = price(name)
            legs[name] = _Leg(quantity, mark)
            if mark is not None:
                equity += quantity * mark
        for name, side, quantity in working:
            self._reserve(self._leg(name), side, quantity)
        gross = highest = lowest = ZERO
        unpriced: list[InstrumentId] = []
        for name, leg in legs.items():
            if leg.price is None:
                unpriced.append(name)
                continue
            worst = leg.worst()
            gross += worst[0]
            highest += worst[1]
            lowest += worst[2]
        self.unpriced = tuple(unpriced)
        self.equity = None if unpriced else equity
        self.gross, self.highest, self.lowest = gross, highest, lowest

    def held(self, instrument: InstrumentId) -> Decimal:
        """Return the signed quantity held."""
        leg = self._legs.get(instrument)
        return leg.held if leg else ZERO

    def reducible(self, instrument: InstrumentId, side: Side) -> Decimal:
        """Return how much of `side` only reduces: what is held less what is working off it."""
        leg = self._legs.get(instrument)
        if leg is None:
            return ZERO
        left = -leg.held - leg.buys if side.sign > 0 else leg.held - leg.sells
        return max(left, ZERO)

    def worst_position(self, instrument: InstrumentId, side: Side, quantity: Decimal) -> Decimal:
        """Return the largest absolute position that could follow one more order."""
        leg = self._legs.get(instrument)
        if leg is None:
            return quantity
        high, low = leg.held + leg.buys, leg.held - leg.sells
        if side.sign > 0:
            high += quantity
        else:
            low -= quantity
        return max(abs(high), abs(low))

    def after(
        self, instrument: InstrumentId, side: Side, quantity: Decimal
    ) -> tuple[Decimal, Decimal, Decimal]:
        """Return worst-case gross, and highest and lowest net value, with one more order."""
        leg = self._leg(instrument)
        price = leg.price
        if price is None:
            return self.gross, self.highest, self.lowest
        gross, high, low = leg.worst()
        later_high, later_low = high, low
        if side.sign > 0:
            later_high += quantity * price
        else:
            later_low -= quantity * price
        later = max(abs(later_high), abs(later_low))
        return (
            self.gross + later - gross,
            self.highest + later_high - high,
            self.lowest + later_low - low,
        )

    def add(self, instrument: InstrumentId, side: Side, quantity: Decimal) -> None:
        """Reserve for an approved order."""
        self.gross, self.highest, self.lowest = self.after(instrument, side, quantity)
        self._reserve(self._leg(instrument), side, quantity)

    def _leg(self, instrument: InstrumentId) -> _Leg:
        leg = self._legs.get(instrument)
        if leg is None:
            leg = self._legs[instrument] = _Leg(ZERO, self._price(instrument))
        return leg

    @staticmethod
    def _reserve(leg: _Leg, side: Side, quantity: Decimal) -> None:
        if side.sign > 0:
            leg.buys += quantity
        else:
            leg.sells += quantity
