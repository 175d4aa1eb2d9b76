"""A folder of market data in the format of QuantConnect's LEAN engine, for reading.

A zip file belongs to a ticker and not to a company: a security's bars lie under the ticker that
it had at the time, which its map file tells, and rows from other times are somebody else's.
Dates and times are New York's, prices are in ten-thousandths of a dollar.
"""

from __future__ import annotations

import zipfile
import zlib
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import polars as pl

from tradewright.adapters.lean.reference import (
    MEND_LINE,
    Listing,
    read_actions,
    read_map,
    to_date,
    unmapped,
)
from tradewright.core.errors import ChecksumMismatch, MissingData, QualityFailure
from tradewright.core.frames import FIELDS, NANOSECONDS, FloatArray, IntArray
from tradewright.core.ids import InstrumentId
from tradewright.core.instrument import Instrument
from tradewright.core.market import CorporateAction, Delisting
from tradewright.core.session import Span, Timeframe
from tradewright.data.assembly import BarSeries, Times, assemble, daily_times, session_days
from tradewright.data.calendars import market_calendar
from tradewright.data.quality import BoolArray, first_fault

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tradewright.core.frames import BarFrame
    from tradewright.core.session import Calendar

_FOLDERS: Final = {Timeframe.DAY: "daily", Timeframe.HOUR: "hour", Timeframe.MINUTE: "minute"}
_NUMBERS: Final = dict.fromkeys(FIELDS, pl.Float64)
_PRICE_SCALE: Final = 10_000
_NANOS_PER_MILLI: Final = 1_000_000
_ZONE: Final = "America/New_York"
_SHOWN: Final = 20
_EPOCH: Final = date(1970, 1, 1).toordinal()
_DAY: Final = 86_400 * NANOSECONDS


class _Lines(NamedTuple):
    """The lines of one file: local dates, nanoseconds since midnight, numbers of shape (5, lines).

    `number` is each line's place in the file, counted from 1.
    """

    where: str
    day: IntArray
    clock: IntArray
    values: FloatArray
    number: IntArray

    def keep(self, chosen: IntArray) -> _Lines:
        return _Lines(
            self.where,
            self.day[chosen],
            self.clock[chosen],
            self.values[:, chosen],
            self.number[chosen],
        )


class LeanStore:
    """Bars, instruments and corporate actions of `folder`, which holds `equity/usa/`."""

    def __init__(
        self, folder: Path, *, calendar: Calendar | None = None, extended: bool = False
    ) -> None:
        """Read from `folder`; `extended` keeps hour and minute bars outside the session."""
        self.folder = folder
        self._root = folder / "equity" / "usa"
        self._extended = extended
        self._given = calendar

    def instruments(self) -> Sequence[Instrument]:
        """List the securities that have bars of any time frame, by today's ticker."""
        return [
            Instrument(
                listing.id,
                str(listing.id),
                listed=listing.listed,
                delisted=listing.delisted,
                former=listing.former,
            )
            for listing in self._listings.values()
        ]

    def read(
        self, instruments: Sequence[InstrumentId], timeframe: Timeframe, span: Span | None = None
    ) -> BarFrame:
        """Read raw bars as one frame, NaN where none; every session has its row in daily bars.

        Raises:
            MissingData: An instrument or time frame is not stored, or nothing is in the span.
            QualityFailure: A line breaks a rule or lies on no session; names file and line.
            ChecksumMismatch: A zip file is torn.
        """
        listings = [self._listing(i, timeframe) for i in instruments]
        files: dict[Path, _Lines] = {}
        series = {
            listing.id: self._series(self._lines(listing, timeframe, span, files), timeframe)
            for listing in listings
        }
        days = [int(s.times.session[i]) for s in series.values() if len(s.times) for i in (0, -1)]
        every = self._session_times
        whole = timeframe is Timeframe.DAY and days
        rows = every.rows(min(days), max(days) + 1) if whole else None
        return assemble(timeframe, series, rows)

    def actions(self, instruments: Sequence[InstrumentId]) -> Sequence[CorporateAction]:
        """Read splits, dividends and delistings from factor and map files, by date.

        An ex-date is the session after a factor row's date. Rows from before the security's
        first date give nothing; securities without a factor file have no actions.

        Raises:
            MissingData: An instrument is not stored.
            QualityFailure: A line cannot be read or makes no sense; names file and line.
        """
        found: list[CorporateAction] = []
        for listing in map(self._listing, instruments):
            path = self._root / "factor_files" / f"{listing.stem}.csv"
            first, last = listing.periods[0].first, listing.periods[-1].last
            if path.is_file():
                actions = read_actions(listing.id, path, self._calendar)
                found += [a for a in actions if first < a.ex_date <= last]
            final = self._calendar.within(Span(first, last))
            if listing.delisted and final:
                found.append(Delisting(listing.id, final[-1].date))
        return sorted(found, key=lambda action: (action.ex_date, action.instrument))

    @cached_property
    def _calendar(self) -> Calendar:
        return self._given or market_calendar("XNYS")

    @cached_property
    def _session_times(self) -> Times:
        return daily_times(self._calendar.sessions)

    @cached_property
    def _session_days(self) -> IntArray:
        return session_days(self._calendar.sessions).astype(np.int64)

    @cached_property
    def _tickers(self) -> Mapping[Timeframe, frozenset[str]]:
        minute = (p.parent for p in (self._root / "minute").glob("*/*_trade.zip"))
        stored = {Timeframe.MINUTE: frozenset(folder.name for folder in minute)}
        for timeframe in (Timeframe.DAY, Timeframe.HOUR):
            zips = (self._root / _FOLDERS[timeframe]).glob("*.zip")
            stored[timeframe] = frozenset(path.stem for path in zips)
        if not any(stored.values()):
            raise MissingData(
                str(self.folder),
                "holds no market data in LEAN format",
                "name a folder that holds equity/usa/daily, hour or minute",
            )
        return stored

    @cached_property
    def _listings(self) -> Mapping[InstrumentId, Listing]:
        stored = frozenset[str]().union(*self._tickers.values())
        mapped = [read_map(path) for path in sorted((self._root / "map_files").glob("*.csv"))]
        claimed = {period.ticker for listing in mapped for period in listing.periods}
        mapped += map(unmapped, stored - claimed)
        listings: dict[InstrumentId, Listing] = {}
        for listing in sorted(mapped):
            if stored.isdisjoint(period.ticker for period in listing.periods):
                continue
            if listing.id in listings:
                stems = f"{listings[listing.id].stem}.csv and {listing.stem}.csv"
                where = str(self._root / "map_files")
                raise QualityFailure(where, f"{stems} both end as {listing.id}", "remove one")
            listings[listing.id] = listing
        return listings

    def _listing(self, instrument: InstrumentId, timeframe: Timeframe | None = None) -> Listing:
        known = self._listings
        if instrument not in known:
            raise self._lacks(f"instrument {instrument}", list(known))
        if timeframe is None:
            return known[instrument]
        tickers = self._tickers[timeframe]
        have = [
            listing.id
            for listing in known.values()
            if any(period.ticker in tickers for period in listing.periods)
        ]
        if instrument not in have:
            raise self._lacks(f"{timeframe} bars of {instrument}", have)
        return known[instrument]

    def _lacks(self, what: str, have: Sequence[InstrumentId]) -> MissingData:
        listed = ", ".join(have[:_SHOWN]) + (", …" if len(have) > _SHOWN else "")
        return MissingData(str(self.folder), f"has no {what}", f"choose from: {listed or 'none'}")

    def _lines(
        self, listing: Listing, timeframe: Timeframe, span: Span | None, files: dict[Path, _Lines]
    ) -> list[_Lines]:
        found = []
        for first, last, ticker in listing.periods:
            start, end = (
                (first, last) if span is None else (max(first, span.start), min(last, span.end))
            )
            if timeframe is Timeframe.MINUTE:
                found += self._minutes(ticker, start, end)
                continue
            path = self._root / _FOLDERS[timeframe] / f"{ticker}.zip"
            if start <= end and path.is_file():
                if path not in files:
                    files[path] = _dated_lines(path)
                lines = files[path]
                chosen = (lines.day >= _day_number(start)) & (lines.day <= _day_number(end))
                found.append(lines.keep(np.flatnonzero(chosen)))
        return found

    def _minutes(self, ticker: str, start: date, end: date) -> list[_Lines]:
        found = []
        for path in sorted((self._root / "minute" / ticker).glob("*_trade.zip")):
            day = to_date(path.name.partition("_")[0], str(path))
            if start <= day <= end:
                found.append(_day_lines(path, day))
        return found

    def _series(self, parts: Sequence[_Lines], timeframe: Timeframe) -> BarSeries:
        placed = [self._placed(part, timeframe) for part in parts]
        session, start, end = (
            np.concatenate([np.zeros(0, dtype=np.int64), *(part[i] for part in placed)])
            for i in range(3)
        )
        values = np.concatenate([np.zeros((len(FIELDS), 0)), *(part[3] for part in placed)], axis=1)
        return BarSeries(Times(self._calendar.sessions, session, start, end, end), values)

    def _placed(
        self, lines: _Lines, timeframe: Timeframe
    ) -> tuple[IntArray, IntArray, IntArray, FloatArray]:
        session = np.searchsorted(self._session_days, lines.day)
        session = np.minimum(session, len(self._session_days) - 1)
        closed = self._session_days[session] != lines.day
        _refuse_line(lines, closed, f"lies on no session of {self._calendar.name}")
        start = lines.day * _DAY + lines.clock
        unordered = np.concatenate([[False], start[1:] <= start[:-1]]) if len(start) else closed
        _refuse_line(lines, unordered, "does not come after the line before it")
        fault = first_fault(lines.values)
        if fault is not None:
            raise QualityFailure(
                f"{lines.where} line {lines.number[fault[0]]}", fault[1], MEND_LINE
            )
        opens, closes = self._session_times.start[session], self._session_times.end[session]
        if timeframe is Timeframe.DAY:
            return session, opens, closes, lines.values
        start = _to_utc(start)
        end = start + timeframe.seconds * NANOSECONDS
        if self._extended:
            return session, start, end, lines.values
        inside = (end > opens) & (start < closes)
        start, end = np.maximum(start, opens), np.minimum(end, closes)
        return session[inside], start[inside], end[inside], lines.values[:, inside]


def _dated_lines(path: Path) -> _Lines:
    where, table = _numbers(path)
    times = table["time"].str.to_datetime("%Y%m%d %H:%M", time_unit="ms", strict=False)
    _refuse_null(where, table["time"], times, "20130102 09:00")
    millis = times.cast(pl.Int64).to_numpy()
    day, clock = np.divmod(millis, 86_400_000)
    return _in_dollars(where, day, clock, table)


def _day_lines(path: Path, day: date) -> _Lines:
    where, table = _numbers(path)
    millis = table["time"].cast(pl.Int64, strict=False)
    _refuse_null(where, table["time"], millis, "34200000")
    days = np.full(len(millis), _day_number(day))
    return _in_dollars(where, days, millis.to_numpy(), table)


def _day_number(day: date) -> int:
    return day.toordinal() - _EPOCH


def _in_dollars(where: str, day: IntArray, clock: IntArray, table: pl.DataFrame) -> _Lines:
    values = table.select(FIELDS).to_numpy().T.copy()
    values[:4] /= _PRICE_SCALE
    return _Lines(where, day, clock * _NANOS_PER_MILLI, values, np.arange(1, len(day) + 1))


def _numbers(path: Path) -> tuple[str, pl.DataFrame]:
    try:
        with zipfile.ZipFile(path) as archive:
            name = archive.namelist()[0]
            content = archive.read(name)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, IndexError, RuntimeError) as error:
        raise ChecksumMismatch(str(path), f"is torn: {error}", "copy the file again") from error
    where = f"{path}:{name}"
    schema = {"time": pl.String, **_NUMBERS}
    try:
        table = pl.read_csv(content, has_header=False, schema=schema, quote_char=None)
    except pl.exceptions.PolarsError as error:
        raise _first_unreadable(where, content, error) from error
    return where, table


def _first_unreadable(
    where: str, content: bytes, error: pl.exceptions.PolarsError
) -> QualityFailure:
    for number, line in enumerate(content.decode(errors="replace").splitlines(), 1):
        _, *fields = line.split(",")
        if len(fields) != len(FIELDS) or not all(map(_is_number, fields)):
            what = f"{line[:80]!r} is not a time, four prices and a volume"
            return QualityFailure(f"{where} line {number}", what, MEND_LINE)
    return QualityFailure(where, f"cannot be read: {error}", "copy the file again")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _refuse_null(where: str, texts: pl.Series, times: pl.Series, example: str) -> None:
    if times.null_count():
        line = times.is_null().arg_max() or 0
        what = f"{texts[line]!r} is no time such as {example}"
        raise QualityFailure(f"{where} line {line + 1}", what, MEND_LINE)


def _refuse_line(lines: _Lines, fault: BoolArray, what: str) -> None:
    if fault.any():
        line = int(np.argmax(fault))
        day = date.fromordinal(int(lines.day[line]) + _EPOCH)
        raise QualityFailure(f"{lines.where} line {lines.number[line]}", f"{day} {what}", MEND_LINE)


def _to_utc(local: IntArray) -> IntArray:
    naive = pl.Series(local).cast(pl.Datetime("ns"))
    # Bars of the hour that autumn repeats or spring leaves out would be a Sunday's.
    zoned = naive.dt.replace_time_zone(_ZONE, ambiguous="earliest", non_existent="null")
    return zoned.dt.convert_time_zone("UTC").cast(pl.Int64).to_numpy()
