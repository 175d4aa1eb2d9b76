"""History: the past as it was known, and the guard against looking ahead.

The whole frame stands behind it, but nothing past the current row comes out. Prices are
adjusted when they are read, by what had happened by then: the newest price is always raw, and
older ones are in today's shares with dividends reinvested.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tradewright.core.errors import InvalidInput, LookAhead
from tradewright.core.frames import to_decimal, to_nanos
from tradewright.data.adjust import growth, split_growth

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    from tradewright.core.frames import BarFrame, FloatArray, IntArray
    from tradewright.core.ids import InstrumentId
    from tradewright.core.instrument import Instrument
    from tradewright.core.market import CorporateAction
    from tradewright.core.session import Calendar
    from tradewright.data.quality import Finding


@dataclass(frozen=True, slots=True, eq=False)
class Detail:
    """The finer bars of some rows of a longer frame, and where the two disagree.

    Every one of `rows` has at least one finer row, which may be blank. `bounds` has shape
    (rows + 1,): the finer bars of the row at place i are those from `bounds[i]` up to, not
    including, `bounds[i + 1]`.
    """

    frame: BarFrame
    rows: range
    bounds: IntArray
    findings: tuple[Finding, ...]

    def of(self, row: int) -> range:
        """Return the finer rows of a row."""
        place = self.rows.index(row)
        return range(self.bounds.item(place), self.bounds.item(place + 1))


@dataclass(frozen=True, slots=True)
class MarketData:
    """A market as loaded: bars, what they are bars of, what happened to them, and when it opens.

    `label` says where it comes from, and whether it is simulated, wherever it is shown. `detail`
    are finer bars of the same, where orders fill on those (see `data.detail`).
    """

    frame: BarFrame
    instruments: Mapping[InstrumentId, Instrument]
    actions: tuple[CorporateAction, ...]
    calendar: Calendar
    label: str
    simulated: bool = False
    detail: Detail | None = None


_PRICES = ("open", "high", "low", "close")


class History:
    """A frame with its corporate actions, known up to and including `row`."""

    def __init__(self, frame: BarFrame, actions: Sequence[CorporateAction] = ()) -> None:
        """Stand before the first row: nothing is known yet."""
        self.frame = frame
        self.actions = tuple(actions)
        self.growth = growth(frame, actions)
        self._splits = split_growth(frame, actions)
        self._adjusted: dict[str, FloatArray] = {}
        self._rows = len(frame)
        self.row = -1

    def advance(self, row: int) -> None:
        """Let `row` be known; time does not go back."""
        if row < self.row or row >= self._rows:
            raise InvalidInput("row", row, f"is not between {self.row} and {len(self.frame) - 1}")
        self.row = row

    def until(self, at: datetime) -> History:
        """Return the history that was known at `at`, ending there."""
        known = int(np.searchsorted(self.frame.known_at, to_nanos(at), side="right"))
        if known - 1 > self.row:
            raise LookAhead("history", f"{at.isoformat()} is later than what is known")
        cut = History(self.frame.rows(0, known), self.actions)
        cut.row = known - 1
        return cut

    def columns(self) -> Mapping[str, FloatArray]:
        """Return whole adjusted columns, for features, which look back only.

        Prices [row, instrument] are multiplied by the growth up to their own row: raw in the
        first row, a total-return index later. Volume is in shares of the first row.
        """
        if not self._adjusted:
            for name in _PRICES:
                self._adjusted[name] = getattr(self.frame, name) * self.growth
            self._adjusted["volume"] = self.frame.volume / self._splits
            for column in self._adjusted.values():
                column.flags.writeable = False
        return self._adjusted

    def window(self, name: str, lookback: int) -> FloatArray:
        """Return the last `lookback` rows of a column, adjusted to the current row.

        Shape (rows, instruments), oldest first; fewer rows where history is shorter; NaN where
        an instrument did not trade.
        """
        first = max(self.row + 1 - lookback, 0)
        rows = self.columns()[name][first : self.row + 1]
        if name == "volume":
            return np.asarray(rows * self._splits[self.row])
        return np.asarray(rows / self.growth[self.row])

    def price(self, column: int) -> tuple[Decimal, int] | None:
        """Return the last close in today's shares and its age in rows; None before the first."""
        row = self.row
        if row < 0:
            return None
        close = self.frame.close
        value = close.item(row, column)
        if value == value:  # noqa: PLR0124 - not NaN
            return to_decimal(value), 0
        last = self.frame.last_price(row, column)
        if last is None:
            return None
        price, at = last
        ratio = self._splits.item(row, column) / self._splits.item(at, column)
        return (price if ratio == 1 else to_decimal(float(price) / ratio)), row - at
