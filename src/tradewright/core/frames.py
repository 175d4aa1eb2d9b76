"""BarFrame: read-only float64 columns, and the one bridge between columns and exact scalars.

A row is one stretch of time for all instruments (a session for daily bars); a NaN close means
that the instrument did not trade in it. Prices are raw: as they were, never adjusted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tradewright.core.errors import InvalidInput, MissingData
from tradewright.core.market import Bar
from tradewright.core.money import Price

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewright.core.ids import InstrumentId
    from tradewright.core.session import Session, Timeframe

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]
SignArray: TypeAlias = NDArray[np.int8]

FIELDS: Final = ("open", "high", "low", "close", "volume")
NANOSECONDS: Final = 1_000_000_000
_NANOS_PER_MICRO: Final = 1000


def to_nanos(at: datetime) -> int:
    """Turn an aware UTC time into nanoseconds since 1970."""
    whole = int(at.replace(microsecond=0).timestamp())
    return whole * NANOSECONDS + at.microsecond * _NANOS_PER_MICRO


# The same instant is asked for by several at once, and then no more: a cache that is small stays
# in the processor's own.
@lru_cache(maxsize=32)
def from_nanos(nanos: int) -> datetime:
    """Turn nanoseconds since 1970 into an aware UTC time (microseconds)."""
    seconds, rest = divmod(nanos, NANOSECONDS)
    at = datetime.fromtimestamp(seconds, UTC)
    return at.replace(microsecond=rest // _NANOS_PER_MICRO) if rest else at


@lru_cache(maxsize=65536)
def to_decimal(value: float) -> Decimal:
    """Turn a number, numpy's too, into the shortest decimal that means the same number."""
    return Decimal(repr(float(value)))


@dataclass(frozen=True, slots=True, eq=False)
class BarFrame:
    """Columns [row, instrument] of raw prices, volumes and the times of each row.

    `start`, `end` and `known_at` are nanoseconds since 1970, shape (rows,); a row is known at
    its end unless told. `session` is the index into `sessions` of each row. The arrays are
    made read-only.
    """

    timeframe: Timeframe
    instruments: tuple[InstrumentId, ...]
    sessions: tuple[Session, ...]
    session: IntArray
    start: IntArray
    end: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    known_at: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    _index: dict[InstrumentId, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check shapes and order, freeze the arrays, index the instruments."""
        if not len(self.known_at):
            object.__setattr__(self, "known_at", self.end)
        shape = (len(self.end), len(self.instruments))
        for name in FIELDS:
            column = np.ascontiguousarray(getattr(self, name), dtype=np.float64)
            if column.shape != shape:
                raise InvalidInput(name, column.shape, f"is not the frame's shape {shape}")
            column.flags.writeable = False
            object.__setattr__(self, name, column)
        for name in ("session", "start", "end", "known_at"):
            times = np.ascontiguousarray(getattr(self, name), dtype=np.int64)
            if times.shape != shape[:1]:
                raise InvalidInput(name, times.shape, f"is not the frame's length {shape[:1]}")
            times.flags.writeable = False
            object.__setattr__(self, name, times)
        if np.any(np.diff(self.end) <= 0):
            raise InvalidInput("end", self.timeframe, "rows are not in order of time")
        if np.any(self.session[1:] < self.session[:-1]):
            raise InvalidInput("session", self.timeframe, "rows are not in order of session")
        if len(set(self.instruments)) != len(self.instruments):
            raise InvalidInput("instruments", self.instruments, "are not unique")
        index = {instrument: i for i, instrument in enumerate(self.instruments)}
        object.__setattr__(self, "_index", index)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.end)

    def index(self, instrument: InstrumentId) -> int:
        """Return the column of an instrument."""
        try:
            return self._index[instrument]
        except KeyError:
            raise MissingData("frame", f"has no column for {instrument}") from None

    def find(self, instrument: InstrumentId) -> int | None:
        """Return the column of an instrument, None if it has none."""
        return self._index.get(instrument)

    def __contains__(self, instrument: object) -> bool:
        """Say whether the instrument has a column."""
        return instrument in self._index

    def known(self, row: int) -> datetime:
        """Return when a row could be known."""
        return from_nanos(self.known_at.item(row))

    def started(self, row: int) -> datetime:
        """Return when a row began."""
        return from_nanos(self.start.item(row))

    def session_of(self, row: int) -> Session:
        """Return the session a row belongs to."""
        return self.sessions[self.session.item(row)]

    def price(self, row: int, column: int, name: str = "close") -> Price | None:
        """Return an exact price, None where the instrument did not trade."""
        value = getattr(self, name).item(row, column)
        return None if value != value else Price(to_decimal(value))  # noqa: PLR0124 - NaN

    def last_price(self, row: int, column: int) -> tuple[Price, int] | None:
        """Return the last close at or before a row and the row it stands in, if there is one."""
        # Back in steps that grow: most traded in this row, and some not for years.
        stop, length = row + 1, 1
        while stop > 0:
            first = max(stop - length, 0)
            traded = np.flatnonzero(~np.isnan(self.close[first:stop, column]))
            if len(traded):
                last = first + int(traded[-1])
                return Price(to_decimal(self.close.item(last, column))), last
            stop, length = first, length * 8
        return None

    def shares(self, row: int, column: int) -> Decimal:
        """Return the volume of a bar, 0 where the instrument did not trade."""
        value = float(self.volume[row, column])
        return to_decimal(value) if value > 0 else Decimal(0)

    def row(self, row: int, column: int) -> Bar | None:
        """Return one bar, None where the instrument did not trade."""
        open_, high, low, close = (self.price(row, column, name) for name in FIELDS[:4])
        if open_ is None or high is None or low is None or close is None:
            return None
        return Bar(
            instrument=self.instruments[column],
            timeframe=self.timeframe,
            start=self.started(row),
            end=from_nanos(int(self.end[row])),
            open=open_,
            high=high,
            low=low,
            close=close,
            volume=self.shares(row, column),
            known_at=self.known(row),
        )

    def rows(self, first: int, stop: int) -> BarFrame:
        """Return the rows from `first` up to, not including, `stop`; no copy is made."""
        cut = slice(first, stop)
        return BarFrame(
            self.timeframe,
            self.instruments,
            self.sessions,
            self.session[cut],
            self.start[cut],
            self.end[cut],
            **{name: getattr(self, name)[cut] for name in FIELDS},
            known_at=self.known_at[cut],
        )

    def row_at(self, at: datetime) -> int:
        """Return the last row known at `at`, -1 before the first."""
        return int(np.searchsorted(self.known_at, to_nanos(at), side="right")) - 1

    def columns(self, instruments: Sequence[InstrumentId]) -> BarFrame:
        """Return the same rows for some of the instruments."""
        chosen = [self.index(instrument) for instrument in instruments]
        return BarFrame(
            self.timeframe,
            tuple(instruments),
            self.sessions,
            self.session,
            self.start,
            self.end,
            **{name: getattr(self, name)[:, chosen] for name in FIELDS},
            known_at=self.known_at,
        )
