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


def _worst(high: Decimal, low: Decimal) -> Decimal:
    # The larger of two absolute values, where `high` is never below `low`. Said without `max`
    # and `abs`, which cost more than the sums around them.
    short = -low
    if high > short:
        return high
    return short


class Exposure:
    """Worst-case exposure of an account, kept up to date as orders are approved.

    `equity` is cash and positions at their marks. `unpriced` names what is held or working
    without a price: while it is not empty, exposure is not known and `equity` is None.
    """

    __slots__ = ("_legs", "_price", "equity", "gross", "highest", "lowest", "unpriced")

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
        gross = net = ZERO
        unpriced: list[InstrumentId] = []
        for name, quantity in held.items():
            mark = price(name)
            legs[name] = _Leg(quantity, mark)
            if mark is None:
                unpriced.append(name)
                continue
            value = quantity * mark
            net += value
            gross += abs(value)
        self.gross, self.highest, self.lowest = gross, net, net
        for name, side, quantity in working:
            if name not in legs and self._leg(name).price is None:
                unpriced.append(name)
            self.add(name, side, quantity)
        self.unpriced = tuple(unpriced)
        self.equity = None if unpriced else cash + net

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
        if left > ZERO:
            return left
        return ZERO

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
        return _worst(high, low)

    def after(
        self, instrument: InstrumentId, side: Side, quantity: Decimal
    ) -> tuple[Decimal, Decimal, Decimal]:
        """Return worst-case gross, and highest and lowest net value, with one more order."""
        leg = self._leg(instrument)
        price = leg.price
        if price is None:
            return self.gross, self.highest, self.lowest
        high, low = (leg.held + leg.buys) * price, (leg.held - leg.sells) * price
        others = self.gross - _worst(high, low)
        value = quantity * price
        if side.sign > 0:
            return others + _worst(high + value, low), self.highest + value, self.lowest
        return others + _worst(high, low - value), self.highest, self.lowest - value

    def add(self, instrument: InstrumentId, side: Side, quantity: Decimal) -> None:
        """Reserve for an approved order."""
        self.gross, self.highest, self.lowest = self.after(instrument, side, quantity)
        leg = self._leg(instrument)
        if side.sign > 0:
            leg.buys += quantity
        else:
            leg.sells += quantity

    def _leg(self, instrument: InstrumentId) -> _Leg:
        leg = self._legs.get(instrument)
        if leg is None:
            leg = self._legs[instrument] = _Leg(ZERO, self._price(instrument))
        return leg
