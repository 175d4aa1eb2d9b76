"""Bars to longer bars, session aware: which longer bar each row belongs to, and the bars merged.

A longer bar never reaches over the end of a session unless it is of days, and minutes and hours
count from the local midnight, so that a day begins anew. Its time is where it would begin by the
clock, which may lie before the session's open.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from tradewright.core.errors import InvalidInput
from tradewright.core.frames import NANOSECONDS, to_nanos
from tradewright.core.session import Span

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from tradewright.core.frames import BarFrame, FloatArray, IntArray
    from tradewright.core.session import Calendar, Session

_MONTHS = 12
_HOURS = 24
_MINUTES = 60


class Unit(StrEnum):
    """What the length of a bar is counted in."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class BarLength:
    """The length of a bar: 1 to 59 minutes, 1 to 23 hours, a day, a week, or a part of a year."""

    count: int
    unit: Unit

    def __post_init__(self) -> None:
        """Refuse a length that does not divide what it is part of into whole bars."""
        allowed = {
            Unit.MINUTE: range(1, _MINUTES),
            Unit.HOUR: range(1, _HOURS),
            Unit.DAY: (1,),
            Unit.WEEK: (1,),
            Unit.MONTH: [n for n in range(1, _MONTHS + 1) if _MONTHS % n == 0],
        }[self.unit]
        if self.count not in allowed:
            raise InvalidInput("length", f"{self.count} {self.unit}", "is no length of a bar")

    @property
    def seconds(self) -> int:
        """Length in seconds; nominal from a day on, since sessions decide."""
        return self.count * _SECONDS[self.unit]


_SECONDS = {
    Unit.MINUTE: 60,
    Unit.HOUR: 3600,
    Unit.DAY: 86_400,
    Unit.WEEK: 7 * 86_400,
    Unit.MONTH: 30 * 86_400,
}


@dataclass(frozen=True, slots=True, eq=False)
class Buckets:
    """For each row of a frame the time of its longer bar and when that bar closes.

    Nanoseconds since 1970, shape (rows,).
    """

    at: IntArray
    closes: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class LongBars:
    """Longer bars of one instrument by time: values are open, high, low, close, volume (5, bars).

    `first` and `stop` are the places of each bar's rows among those that were merged.
    """

    at: IntArray
    values: FloatArray
    first: IntArray
    stop: IntArray


def buckets(frame: BarFrame, length: BarLength, calendar: Calendar, zone: tzinfo) -> Buckets:
    """Say which longer bar each row of a frame belongs to.

    A bar of days is closed when the last session that the calendar has in it is.

    Raises:
        InvalidInput: The rows are longer than the bars would be.
    """
    if length.seconds < frame.timeframe.seconds:
        rule = f"is finer than the stored bars of one {frame.timeframe}"
        raise InvalidInput("length", f"{length.count} {length.unit}", rule)
    if length.unit in (Unit.MINUTE, Unit.HOUR):
        return _within_day(frame, length.seconds * NANOSECONDS, zone)
    at, closes = _of_days(frame.sessions, length, calendar, zone)
    return Buckets(at[frame.session], closes[frame.session])


def merged(values: FloatArray, at: IntArray) -> LongBars:
    """Merge bars of one instrument, values of shape (5, bars) without NaN, by their bucket."""
    if not len(at):
        none = np.zeros(0, dtype=np.int64)
        return LongBars(at, values, none, none)
    first = np.flatnonzero(np.diff(at, prepend=at[0] - 1))
    stop = np.append(first[1:], len(at))
    opens, highs, lows, closes, volumes = values
    columns = [
        opens[first],
        np.maximum.reduceat(highs, first),
        np.minimum.reduceat(lows, first),
        closes[stop - 1],
        np.add.reduceat(volumes, first),
    ]
    return LongBars(at[first], np.stack(columns), first, stop)


def midnight(day: date, zone: tzinfo) -> int:
    """Return the nanoseconds since 1970 at which a local date begins."""
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) * NANOSECONDS


def _within_day(frame: BarFrame, step: int, zone: tzinfo) -> Buckets:
    days = np.array([midnight(s.date, zone) for s in frame.sessions], dtype=np.int64)
    ends = np.array([to_nanos(s.close) for s in frame.sessions], dtype=np.int64)
    begun, ended = days[frame.session], ends[frame.session]
    at = begun + (frame.start - begun) // step * step
    cut = frame.end <= ended
    return Buckets(at, np.where(cut, np.minimum(at + step, ended), at + step))


def _of_days(
    sessions: Sequence[Session], length: BarLength, calendar: Calendar, zone: tzinfo
) -> tuple[IntArray, IntArray]:
    at, closes = [], []
    for begun, group in groupby(sessions, key=lambda s: _begun(s.date, length)):
        own = list(group)
        known = calendar.within(Span(begun, _last_day(begun, length)))
        last = max([own[-1], *known[-1:]], key=lambda s: s.date)
        at += [midnight(begun, zone)] * len(own)
        closes += [to_nanos(last.close)] * len(own)
    return np.array(at, dtype=np.int64), np.array(closes, dtype=np.int64)


def _begun(day: date, length: BarLength) -> date:
    if length.unit is Unit.DAY:
        return day
    if length.unit is Unit.WEEK:
        return day - timedelta(days=day.weekday())
    return date(day.year, (day.month - 1) // length.count * length.count + 1, 1)


def _last_day(begun: date, length: BarLength) -> date:
    if length.unit is Unit.DAY:
        return begun
    if length.unit is Unit.WEEK:
        return begun + timedelta(days=6)
    month = begun.month + length.count
    following = date(begun.year + (month > _MONTHS), (month - 1) % _MONTHS + 1, 1)
    return following - timedelta(days=1)
