"""What a portfolio is worth: sums over its positions, kept from one look to the next.

What an account of five hundred positions is worth is asked with every order. A fill changes one
of them: that one is taken out of the sums and put in again, and the others are left alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradewright.core.money import ZERO

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Sequence
    from decimal import Decimal

    from tradewright.core.ids import InstrumentId
    from tradewright.core.orders import Fill

    Row = tuple[Decimal, ...]


class Tally:
    """Exact sums of so many columns, a row of them for each instrument held."""

    def __init__(self, row: Callable[[InstrumentId], Row], columns: int) -> None:
        """Ask `row` for the values of what is held; it gives as many as there are `columns`."""
        self._row = row
        self._rows: dict[InstrumentId, Row] = {}
        self._none: Row = (ZERO,) * columns
        self._sums = self._none
        self._version: Hashable = None
        self._seen = 0

    def sums(self, held: Collection[InstrumentId], fills: Sequence[Fill], version: Hashable) -> Row:
        """Return the sums over `held`.

        `fills` are all there ever were, and a row changes by a fill of its instrument alone while
        the `version` stays as it is; None is no version.
        """
        if version != self._version:
            self._rows = {name: self._row(name) for name in held}
            every = zip(*self._rows.values(), strict=True)
            self._sums = tuple([sum(column, ZERO) for column in every]) or self._none
            self._version = version
        else:
            for place in range(self._seen, len(fills)):
                self._change(fills[place].instrument, held)
        self._seen = len(fills)
        return self._sums

    def _change(self, name: InstrumentId, held: Collection[InstrumentId]) -> None:
        before = self._rows.pop(name, self._none)
        after = self._none
        if name in held:
            after = self._rows[name] = self._row(name)
        changes = zip(self._sums, before, after, strict=True)
        self._sums = tuple([total - old + new for total, old, new in changes])
