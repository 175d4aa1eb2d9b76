"""Bars of single instruments, and the one way to put them side by side as a frame.

Rows are matched by their end, so bars that end together must have started together and belong
to the same session; where they did not, the sources cannot be read as one frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tradewright.core.errors import QualityFailure
from tradewright.core.frames import FIELDS, BarFrame, FloatArray, IntArray, from_nanos, to_nanos

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from tradewright.core.ids import InstrumentId
    from tradewright.core.session import Session, Timeframe


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


@dataclass(frozen=True, slots=True, eq=False)
class BarSeries:
    """One instrument's bars: times, and open, high, low, close, volume of shape (5, rows)."""

    times: Times
    values: FloatArray


def daily_times(sessions: Sequence[Session]) -> Times:
    """The times of daily bars, one a session."""
    start = np.array([to_nanos(s.open) for s in sessions], dtype=np.int64)
    end = np.array([to_nanos(s.close) for s in sessions], dtype=np.int64)
    return Times(tuple(sessions), np.arange(len(end)), start, end, end)


def assemble(
    timeframe: Timeframe, series: Mapping[InstrumentId, BarSeries], rows: Times | None = None
) -> BarFrame:
    """Put series side by side over the union of their times and of `rows`, NaN where none.

    Raises:
        QualityFailure: Bars that end together differ in start, session or when they are known.
    """
    parts = [one.times for one in series.values()] + ([] if rows is None else [rows])
    union = _union(parts)
    columns = np.full((len(FIELDS), len(union), len(series)), np.nan)
    for column, (instrument, one) in enumerate(series.items()):
        place = np.searchsorted(union.end, one.times.end)
        if one.times is not union:
            _agree(instrument, one.times, union, place)
        columns[:, place, column] = one.values
    used, session = np.unique(union.session, return_inverse=True)
    sessions = tuple(union.sessions[i] for i in used.tolist())
    times = (session, union.start, union.end)
    return BarFrame(timeframe, tuple(series), sessions, *times, *columns, known_at=union.known_at)


def cut(frame: BarFrame, column: int) -> BarSeries:
    """One instrument's bars from its first to its last, rows between without a bar as NaN."""
    traded = np.flatnonzero(~np.isnan(frame.close[:, column]))
    rows = slice(int(traded[0]), int(traded[-1]) + 1) if traded.size else slice(0, 0)
    times = Times(
        frame.sessions,
        frame.session[rows],
        frame.start[rows],
        frame.end[rows],
        frame.known_at[rows],
    )
    return BarSeries(times, np.stack([getattr(frame, name)[rows, column] for name in FIELDS]))


def _union(parts: Sequence[Times]) -> Times:
    longest = max(parts, key=len)
    if all(part is longest or _is_part(part, longest) for part in parts):
        return longest
    end, first = np.unique(np.concatenate([part.end for part in parts]), return_index=True)
    start = np.concatenate([part.start for part in parts])[first]
    known_at = np.concatenate([part.known_at for part in parts])[first]
    sessions = _all_sessions(parts)
    days = _days(sessions)
    session = np.concatenate(
        [np.searchsorted(days, _days(part.sessions))[part.session] for part in parts]
    )
    return Times(sessions, session[first], start, end, known_at)


def _is_part(part: Times, whole: Times) -> bool:
    return part.sessions is whole.sessions and bool(np.isin(part.end, whole.end).all())


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


def _days(sessions: Sequence[Session]) -> NDArray[np.datetime64]:
    return np.array([session.date for session in sessions], dtype="datetime64[D]")


def _agree(instrument: InstrumentId, times: Times, union: Times, place: IntArray) -> None:
    differ = (times.start != union.start[place]) | (times.known_at != union.known_at[place])
    if differ.any():
        at = from_nanos(int(times.end[np.argmax(differ)]))
        raise QualityFailure(
            f"{instrument} at {at.isoformat()}",
            "its bar ends with those of other instruments but does not start with them",
            "read these instruments apart, or import them again from one source",
        )
