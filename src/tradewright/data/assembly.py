"""Bars of single instruments, and the one way to put them side by side as a frame.

Rows are matched by their end, so bars that end together must have started together and belong
to the same session; where they did not, the sources cannot be read as one frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from tradewright.core.errors import InvalidInput, MissingData, QualityFailure
from tradewright.core.frames import FIELDS, BarFrame, FloatArray, IntArray, from_nanos, to_nanos

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewright.core.ids import InstrumentId
    from tradewright.core.session import Session, Span, Timeframe


_EPOCH: Final = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True, eq=False)
class Times:
    """When rows happened: their sessions and nanoseconds since 1970, each of shape (rows,).

    `session` is the index into `sessions`, which are in order of date.
    """

    sessions: tuple[Session, ...]
    session: IntArray
    start: IntArray
    end: IntArray
    known_at: IntArray

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.end)

    def rows(self, first: int, stop: int) -> Times:
        """Return the rows from `first` up to, not including, `stop`."""
        cut = slice(first, stop)
        parts = (self.session[cut], self.start[cut], self.end[cut], self.known_at[cut])
        return Times(self.sessions, *parts)

    def within(self, span: Span) -> slice:
        """Say which rows belong to the sessions of a span."""
        days = session_days(self.sessions)[self.session]
        first = np.searchsorted(days, np.datetime64(span.start, "D"))
        stop = np.searchsorted(days, np.datetime64(span.end, "D"), side="right")
        return slice(int(first), int(stop))


@dataclass(frozen=True, slots=True, eq=False)
class BarSeries:
    """One instrument's bars: times, and open, high, low, close, volume of shape (5, rows)."""

    times: Times
    values: FloatArray

    def within(self, span: Span | None) -> BarSeries:
        """Return the bars of a span, all for None."""
        if span is None:
            return self
        rows = self.times.within(span)
        return BarSeries(self.times.rows(rows.start, rows.stop), self.values[:, rows])


def daily_times(sessions: Sequence[Session]) -> Times:
    """The times of daily bars, one a session."""
    start = np.array([to_nanos(s.open) for s in sessions], dtype=np.int64)
    end = np.array([to_nanos(s.close) for s in sessions], dtype=np.int64)
    return Times(tuple(sessions), np.arange(len(end)), start, end, end)


def session_days(sessions: Sequence[Session]) -> NDArray[np.datetime64]:
    """The local dates of sessions, by day."""
    days = np.fromiter((s.date.toordinal() for s in sessions), np.int64, len(sessions))
    return (days - _EPOCH).astype("datetime64[D]")


def assemble(
    timeframe: Timeframe, series: Mapping[InstrumentId, BarSeries], rows: Times | None = None
) -> BarFrame:
    """Put series side by side over the union of their times and of `rows`, NaN where none.

    Raises:
        InvalidInput: There is no series.
        MissingData: There are series but no bars.
        QualityFailure: Bars that end together differ in start, session or when they are known.
    """
    if not series:
        raise InvalidInput("instruments", [], "are none", "name at least one")
    if not any(len(one.times) for one in series.values()):
        names = ", ".join(series)
        raise MissingData(f"{timeframe} bars of {names}", "there are none", "ask for other dates")
    parts = [one.times for one in series.values()] + ([] if rows is None else [rows])
    union = _union(parts)
    columns = np.full((len(FIELDS), len(union), len(series)), np.nan)
    for column, (instrument, one) in enumerate(series.items()):
        place = np.searchsorted(union.end, one.times.end)
        if one.times is not union:
            _agree(instrument, one.times, union, place)
        columns[:, place, column] = one.values
    used, session = np.unique(union.session, return_inverse=True)
    return BarFrame(
        timeframe,
        tuple(series),
        tuple(union.sessions[i] for i in used.tolist()),
        session,
        union.start,
        union.end,
        **dict(zip(FIELDS, columns, strict=True)),
        known_at=union.known_at,
    )


def cut(frame: BarFrame, column: int) -> BarSeries:
    """One instrument's bars from its first to its last, rows between without a bar as NaN."""
    traded = np.flatnonzero(~np.isnan(frame.close[:, column]))
    first, stop = (int(traded[0]), int(traded[-1]) + 1) if traded.size else (0, 0)
    times = Times(frame.sessions, frame.session, frame.start, frame.end, frame.known_at)
    columns = np.stack([getattr(frame, name)[first:stop, column] for name in FIELDS])
    return BarSeries(times.rows(first, stop), columns)


def _union(parts: Sequence[Times]) -> Times:
    longest = max(parts, key=len)
    if all(part is longest or _is_part(part, longest) for part in parts):
        return longest
    end, first = np.unique(np.concatenate([part.end for part in parts]), return_index=True)
    start = np.concatenate([part.start for part in parts])[first]
    known_at = np.concatenate([part.known_at for part in parts])[first]
    sessions = _all_sessions(parts)
    days = session_days(sessions)
    session = np.concatenate(
        [np.searchsorted(days, session_days(part.sessions))[part.session] for part in parts]
    )
    return Times(sessions, session[first], start, end, known_at)


def _is_part(part: Times, whole: Times) -> bool:
    if part.sessions is not whole.sessions:
        return False
    return np.array_equal(part.end, whole.end) or bool(np.isin(part.end, whole.end).all())


def _all_sessions(parts: Sequence[Times]) -> tuple[Session, ...]:
    every: dict[date, Session] = {}
    for sessions in {id(part.sessions): part.sessions for part in parts}.values():
        for session in sessions:
            if every.setdefault(session.date, session) != session:
                raise QualityFailure(
                    f"session {session.date}",
                    "opens or closes at different times for different instruments",
                    "read the instruments of each market apart",
                )
    return tuple(every[day] for day in sorted(every))


def _agree(instrument: InstrumentId, times: Times, union: Times, place: IntArray) -> None:
    differ = (times.start != union.start[place]) | (times.known_at != union.known_at[place])
    if differ.any():
        at = from_nanos(int(times.end[np.argmax(differ)]))
        raise QualityFailure(
            f"{instrument} at {at.isoformat()}",
            "its bar ends with those of other instruments but does not start with them",
            "read these instruments apart, or import them again from one source",
        )
