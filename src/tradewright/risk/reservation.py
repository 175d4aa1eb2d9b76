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

    `unpriced` names what is held or working without a price: while it is not empty, neither
    equity nor exposure is known.
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
        self._equity = equity
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
        self.gross, self.highest, self.lowest = gross, highest, lowest

    @property
    def equity(self) -> Decimal | None:
        """Cash and positions at their marks, None while a mark is missing."""
        return None if self.unpriced else self._equity

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
        buys, sells = leg.buys, leg.sells
        if side.sign > 0:
            buys += quantity
        else:
            sells += quantity
        return max(abs(leg.held + buys), abs(leg.held - sells))

    def after(
        self, instrument: InstrumentId, side: Side, quantity: Decimal
    ) -> tuple[Decimal, Decimal, Decimal]:
        """Return worst-case gross, and highest and lowest net value, with one more order."""
        leg = self._leg(instrument)
        before = leg.worst()
        self._reserve(leg, side, quantity)
        after = leg.worst()
        self._reserve(leg, side, -quantity)
        return (
            self.gross + after[0] - before[0],
            self.highest + after[1] - before[1],
            self.lowest + after[2] - before[2],
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
