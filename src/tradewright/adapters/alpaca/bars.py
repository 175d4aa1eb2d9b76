"""Alpaca's history as a BarReader: raw bars that belong to sessions of the calendar.

Daily bars are stamped with New York's midnight, 04:00 or 05:00 UTC: the session they belong to
is the local date's. Hours are merged here from minutes, since the vendor's hours count from the
full hour and mix the minutes before the open into the first. A bar that has not ended is never
served, and bars outside the session's hours are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from tradewright.adapters.alpaca.access import Access, Manners, Timeouts
from tradewright.adapters.alpaca.data import Source, bars, corporate_actions, read_actions
from tradewright.adapters.alpaca.mapping import Symbols, time_of
from tradewright.adapters.alpaca.reading import Json, Parking
from tradewright.adapters.alpaca.transport import BlockingTransport
from tradewright.core.clock import SystemClock
from tradewright.core.errors import InvalidInput, MissingData, QualityFailure
from tradewright.core.frames import FIELDS, NANOSECONDS, BarFrame, FloatArray, IntArray, to_nanos
from tradewright.core.ids import InstrumentId
from tradewright.core.instrument import Instrument
from tradewright.core.market import CorporateAction
from tradewright.core.money import parse_decimal
from tradewright.core.session import Calendar, Session, Span, Timeframe
from tradewright.data.assembly import BarSeries, Times, assemble, daily_times
from tradewright.data.calendars import market_calendar
from tradewright.data.quality import first_fault
from tradewright.ports import Clock

NEW_YORK: Final = ZoneInfo("America/New_York")
FIRST_DAY: Final = date(2016, 1, 4)
"""The vendor has no bars before this day."""

_KEYS: Final = ("o", "h", "l", "c", "v")
_WORDS: Final = {Timeframe.DAY: "1Day", Timeframe.MINUTE: "1Min", Timeframe.HOUR: "1Min"}
_MINUTE: Final = timedelta(minutes=1)
# More than the way from New York's midnight to the open, less than to the session before.
_BEFORE_OPEN: Final = timedelta(hours=12)


class AlpacaBars:
    """The bars and corporate actions that one data subscription may read."""

    def __init__(
        self,
        access: Access,
        instruments: Sequence[Instrument],
        *,
        source: Source | None = None,
        calendar: Calendar | None = None,
        timeouts: Timeouts | None = None,
        manners: Manners | None = None,
        clock: Clock | None = None,
        parking: Parking | None = None,
    ) -> None:
        """Read `instruments` from the data host at `access`; sessions are XNYS's if None."""
        self.parking = parking or Parking()
        self._instruments = {instrument.id: instrument for instrument in instruments}
        self._symbols = Symbols.of(instruments)
        self._source = source or Source()
        self._given = calendar
        self._clock = clock or SystemClock()
        self._transport = BlockingTransport(access, timeouts=timeouts, manners=manners, clock=clock)

    def instruments(self) -> Sequence[Instrument]:
        """List what may be read, by symbol."""
        if not self._instruments:
            raise MissingData("alpaca", "no instruments are given", "name some to read")
        return sorted(self._instruments.values(), key=lambda instrument: instrument.symbol)

    def read(
        self, instruments: Sequence[InstrumentId], timeframe: Timeframe, span: Span | None = None
    ) -> BarFrame:
        """Read raw bars as one frame over the union of their times, NaN where none.

        Raises:
            MissingData: An instrument is not ours, or there is nothing in the span.
            QualityFailure: A bar breaks a rule or belongs to no session; nothing is returned.
            VenueUnavailable: No readable answer.
        """
        for name in instruments:
            if name not in self._instruments:
                raise MissingData("alpaca", f"{name} is not among the instruments", "name it")
        sessions = self._ended(span, timeframe)
        start, end = sessions[0].open - _BEFORE_OPEN, sessions[-1].close
        if timeframe is not Timeframe.DAY:
            start, end = sessions[0].open, min(end, self._latest) - _MINUTE
        names = [self._symbols.symbol(name) for name in instruments]
        ask = bars(names, _WORDS[timeframe], start, end, self._source)
        found = self._transport.run(ask)
        return assemble(
            timeframe,
            {
                name: self._series(name, timeframe, found[symbol], end)
                for name, symbol in zip(instruments, names, strict=True)
            },
        )

    def actions(self, instruments: Sequence[InstrumentId]) -> Sequence[CorporateAction]:
        """Read splits and dividends of the instruments, by date then instrument.

        Raises:
            VenueUnavailable: No readable answer.
        """
        names = [self._symbols.symbol(name) for name in instruments]
        span = Span(FIRST_DAY, self._latest.date())
        found = self._transport.run(corporate_actions(names, span))
        return read_actions(found, self._symbols, self.parking)

    def close(self) -> None:
        """Let go of the connections."""
        self._transport.close()

    @property
    def _latest(self) -> datetime:
        return self._clock.now() - self._source.delay

    @cached_property
    def _calendar(self) -> Calendar:
        return self._given or market_calendar("XNYS")

    @cached_property
    def _times(self) -> Times:
        return daily_times(self._calendar.sessions)

    @cached_property
    def _days(self) -> Mapping[int, int]:
        # New York's midnight of each session, in nanoseconds, to its place.
        midnights = (
            datetime.combine(session.date, time(), NEW_YORK).astimezone(UTC)
            for session in self._calendar.sessions
        )
        return {to_nanos(at): place for place, at in enumerate(midnights)}

    def _ended(self, span: Span | None, timeframe: Timeframe) -> Sequence[Session]:
        latest = self._latest
        wanted = span or Span(FIRST_DAY, max(FIRST_DAY, latest.date()))
        begun = timeframe is not Timeframe.DAY
        sessions = [
            session
            for session in self._calendar.within(wanted)
            if (session.open + _MINUTE if begun else session.close) <= latest
        ]
        if not sessions:
            told = f"no session of {wanted.start}..{wanted.end} has ended"
            raise MissingData("alpaca", told, "ask for other dates")
        return sessions

    def _series(
        self, name: InstrumentId, timeframe: Timeframe, rows: Sequence[Json], end: datetime
    ) -> BarSeries:
        stamps, values = _columns(name, rows)
        if timeframe is Timeframe.DAY:
            return BarSeries(self._daily(name, stamps), values)
        times, kept = self._within_sessions(stamps, end)
        minutes = BarSeries(times, values[:, kept])
        return minutes if timeframe is Timeframe.MINUTE else self._hours(minutes)

    def _daily(self, name: InstrumentId, stamps: IntArray) -> Times:
        every = self._times
        place = np.array([self._days.get(stamp, -1) for stamp in stamps.tolist()], dtype=np.int64)
        if (place < 0).any():
            at = np.datetime64(int(stamps[np.argmax(place < 0)]), "ns")
            raise QualityFailure(
                f"{name} at {at}Z", "its daily bar belongs to no session", "look at the calendar"
            )
        start, end = every.start[place], every.end[place]
        return Times(every.sessions, place, start, end, end)

    def _within_sessions(self, stamps: IntArray, end: datetime) -> tuple[Times, IntArray]:
        every = self._times
        session = (np.searchsorted(every.start, stamps, side="right") - 1).clip(min=0)
        inside = (stamps >= every.start[session]) & (stamps < every.end[session])
        kept = np.flatnonzero(inside & (stamps <= to_nanos(end)))
        start = stamps[kept]
        closing = start + Timeframe.MINUTE.seconds * NANOSECONDS
        return Times(every.sessions, session[kept], start, closing, closing), kept

    def _hours(self, minutes: BarSeries) -> BarSeries:
        hours = _merged(minutes)
        ended = int(np.searchsorted(hours.times.end, to_nanos(self._latest), side="right"))
        return BarSeries(hours.times.rows(0, ended), hours.values[:, :ended])


def _columns(name: InstrumentId, rows: Sequence[Json]) -> tuple[IntArray, FloatArray]:
    stamps = np.empty(len(rows), dtype=np.int64)
    values = np.empty((len(FIELDS), len(rows)))
    for place, row in enumerate(rows):
        try:
            stamps[place] = to_nanos(time_of(row.get("t"), "t"))
            values[:, place] = [float(parse_decimal(row.get(key), key)) for key in _KEYS]
        except InvalidInput as error:
            where = f"{name}, bar {place + 1}"
            raise QualityFailure(where, str(error), "ask again, or for other dates") from error
    unsorted = np.flatnonzero(np.diff(stamps) <= 0)
    fault = first_fault(values)
    if unsorted.size:
        fault = (int(unsorted[0]) + 1, "does not come after the bar before it")
    if fault is not None:
        where = f"{name} at {rows[fault[0]].get('t')}"
        raise QualityFailure(where, fault[1], "ask again, or for other dates")
    return stamps, values


def _merged(minutes: BarSeries) -> BarSeries:
    times, values = minutes.times, minutes.values
    step = Timeframe.HOUR.seconds * NANOSECONDS
    hour = times.start - times.start % step
    begins = np.flatnonzero(np.diff(hour, prepend=-1) != 0)
    if not begins.size:
        return minutes
    closes = np.array([to_nanos(s.close) for s in times.sessions], dtype=np.int64)
    opens = np.array([to_nanos(s.open) for s in times.sessions], dtype=np.int64)
    session = times.session[begins]
    start = np.maximum(hour[begins], opens[session])
    end = np.minimum(hour[begins] + step, closes[session])
    ends = np.append(begins[1:], len(times)) - 1
    merged = np.stack(
        [
            values[0, begins],
            np.maximum.reduceat(values[1], begins),
            np.minimum.reduceat(values[2], begins),
            values[3, ends],
            np.add.reduceat(values[4], begins),
        ]
    )
    return BarSeries(Times(times.sessions, session, start, end, end), merged)
