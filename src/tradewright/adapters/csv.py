"""Market data as plain CSV files: one a time frame and instrument, to be made and read by hand.

`day/SPY.csv` has the header `time,open,high,low,close,volume`; time is the session's date for
daily bars and the bar's start in UTC (2013-10-08T13:30:00Z) for shorter ones. A line with a time
alone is a bar that did not happen. Hour bars run from one full hour of the clock to the next, cut
to the session; others cannot be told apart from these by their starts, and are refused.
"""

from __future__ import annotations

import csv
import io
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import quote, unquote

import numpy as np
import polars as pl

from tradewright.core.errors import InvalidInput, MissingData, QualityFailure
from tradewright.core.frames import FIELDS, NANOSECONDS, IntArray, from_nanos
from tradewright.core.ids import InstrumentId
from tradewright.core.instrument import Instrument
from tradewright.core.session import Timeframe
from tradewright.data.assembly import BarSeries, Times, assemble, cut, daily_times, session_days
from tradewright.data.calendars import market_calendar
from tradewright.data.durable import settle, write_all
from tradewright.data.quality import admit, first_fault
from tradewright.data.reference import (
    ACTION_FIELDS,
    INSTRUMENT_FIELDS,
    action_row,
    instrument_row,
    parse_action,
    parse_instrument,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tradewright.core.frames import BarFrame
    from tradewright.core.market import CorporateAction
    from tradewright.core.session import Calendar, Span

HEADER: Final = ("time", *FIELDS)
_SCHEMA: Final = {"time": pl.String, **dict.fromkeys(FIELDS, pl.Float64)}
_Parsed = TypeVar("_Parsed")
_MEND: Final = "correct the line and read again"
_FORMATS: Final = {
    Timeframe.DAY: ("%Y-%m-%d", "2013-10-08"),
    Timeframe.HOUR: ("%Y-%m-%dT%H:%M:%SZ", "2013-10-08T13:30:00Z"),
    Timeframe.MINUTE: ("%Y-%m-%dT%H:%M:%SZ", "2013-10-08T13:30:00Z"),
}


class CsvStore:
    """Bars, instruments and actions in a folder of CSV files.

    `instruments.csv` and `actions.csv` may be missing: then every file is an instrument of the
    ordinary kind, and nothing happened to any.
    """

    def __init__(self, folder: Path, *, calendar: Calendar | None = None) -> None:
        """Read and write `folder`; bars belong to the sessions of `calendar`, XNYS if None."""
        self.folder = folder
        self._given = calendar

    def instruments(self) -> Sequence[Instrument]:
        """List the instruments that have bars, by symbol."""
        stored = {i for timeframe in Timeframe for i in self._stored(timeframe)}
        if not stored:
            raise MissingData(
                str(self.folder), "holds no bars", "name a folder with day/<SYMBOL>.csv"
            )
        described = {i.id: i for i in self._described()}
        return [described.get(i) or Instrument(i, str(i)) for i in sorted(stored)]

    def read(
        self, instruments: Sequence[InstrumentId], timeframe: Timeframe, span: Span | None = None
    ) -> BarFrame:
        """Read raw bars as one frame over the union of their times, NaN where none.

        Raises:
            MissingData: An instrument or time frame is not stored, or nothing is in the span.
            QualityFailure: A line breaks a rule or lies outside all sessions.
        """
        settle(self.folder)
        have = self._stored(timeframe)
        for instrument in instruments:
            if instrument not in have:
                raise MissingData(
                    str(self.folder / timeframe),
                    f"has no bars of {instrument}",
                    f"choose from: {', '.join(sorted(have)[:20]) or 'none'}",
                )
        series = {i: self._series(i, timeframe, span) for i in instruments}
        return assemble(timeframe, series)

    def actions(self, instruments: Sequence[InstrumentId]) -> Sequence[CorporateAction]:
        """Read the corporate actions of the instruments, by date then instrument."""
        settle(self.folder)
        wanted = set(instruments)
        found = [action for action in self._actions() if action.instrument in wanted]
        return sorted(found, key=lambda action: (action.ex_date, action.instrument))

    def write(
        self,
        frame: BarFrame,
        instruments: Sequence[Instrument],
        actions: Sequence[CorporateAction],
    ) -> None:
        """Write a frame, replacing its instruments' bars of its time frame and their actions.

        Raises:
            QualityFailure: A bar breaks a rule; nothing is written.
            InvalidInput: The bars' times do not follow from their starts, or an instrument is
                not described; nothing is written.
        """
        admit(frame, instruments)
        settle(self.folder)
        mine = set(frame.instruments)
        kept = [i for i in self._described() if i.id not in mine]
        described = kept + [i for i in instruments if i.id in mine]
        happened = [a for a in self._actions() if a.instrument not in mine]
        happened += [a for a in actions if a.instrument in mine]
        files = [
            (f"{frame.timeframe}/{_file_name(instrument)}", self._lines(frame, column))
            for column, instrument in enumerate(frame.instruments)
        ]
        described.sort(key=lambda instrument: instrument.id)
        happened.sort(key=lambda action: (action.ex_date, action.instrument))
        instrument_rows, action_rows = map(instrument_row, described), map(action_row, happened)
        files.append(("instruments.csv", _table(INSTRUMENT_FIELDS, instrument_rows)))
        files.append(("actions.csv", _table(ACTION_FIELDS, action_rows)))
        write_all(self.folder, files)

    @cached_property
    def _calendar(self) -> Calendar:
        return self._given or market_calendar("XNYS")

    @cached_property
    def _session_times(self) -> Times:
        return daily_times(self._calendar.sessions)

    @cached_property
    def _midnights(self) -> IntArray:
        days = session_days(self._calendar.sessions)
        return days.astype("datetime64[ns]").astype(np.int64)

    def _stored(self, timeframe: Timeframe) -> set[InstrumentId]:
        paths = (self.folder / timeframe).glob("*.csv")
        return {InstrumentId(unquote(path.stem)) for path in paths}

    def _series(
        self, instrument: InstrumentId, timeframe: Timeframe, span: Span | None
    ) -> BarSeries:
        path = self.folder / timeframe / _file_name(instrument)
        table = _read(path)
        form, example = _FORMATS[timeframe]
        stamps = table["time"].str.to_datetime(form, time_unit="ns", strict=False)
        if stamps.null_count():
            line = stamps.is_null().arg_max() or 0
            raise _refuse(path, line, f"{table['time'][line]!r} is no time such as {example}")
        values = table.select(FIELDS).to_numpy().T.copy()
        stamp = stamps.cast(pl.Int64).to_numpy()
        for line in np.flatnonzero(np.diff(stamp) <= 0)[:1].tolist():
            raise _refuse(path, line + 1, "does not come after the line before it")
        fault = first_fault(values, blank=True)
        if fault is not None:
            raise _refuse(path, *fault)
        times, bad = self._times(stamp, timeframe)
        if bad is not None:
            raise _refuse(path, *bad)
        return BarSeries(times, values).within(span)

    def _times(self, stamp: IntArray, timeframe: Timeframe) -> tuple[Times, tuple[int, str] | None]:
        # The second value is the first row that lies on no session, and why.
        every = self._session_times
        if timeframe is Timeframe.DAY:
            session = np.searchsorted(self._midnights, stamp).clip(max=len(every) - 1)
            outside = self._midnights[session] != stamp
            start, end = every.start[session], every.end[session]
        else:
            step = timeframe.seconds * NANOSECONDS
            session = (np.searchsorted(every.start, stamp, side="right") - 1).clip(min=0)
            opens, closes = every.start[session], every.end[session]
            start, end = stamp, np.minimum(stamp - stamp % step + step, closes)
            outside = (stamp < opens) | (stamp >= closes) | ((stamp % step != 0) & (stamp != opens))
        times = Times(every.sessions, session, start, end, end)
        for row in np.flatnonzero(outside)[:1].tolist():
            at = from_nanos(int(stamp[row]))
            return times, (row, f"{at:%Y-%m-%d %H:%M} starts no {timeframe} bar of a session")
        return times, None

    def _lines(self, frame: BarFrame, column: int) -> bytes:
        series = cut(frame, column)
        times = series.times
        if frame.timeframe is Timeframe.DAY:
            days = [times.sessions[i].date for i in times.session.tolist()]
            stamps = pl.Series(days, dtype=pl.Date).cast(pl.Datetime("ns"))
        else:
            stamps = pl.Series(times.start).cast(pl.Datetime("ns"))
        same, bad = self._times(stamps.cast(pl.Int64).to_numpy(), frame.timeframe)
        for name in ("start", "end", "known_at"):
            if bad is not None or not np.array_equal(getattr(same, name), getattr(times, name)):
                raise InvalidInput(
                    "frame",
                    frame.instruments[column],
                    f"has a bar whose {name} does not follow from its start and the calendar "
                    f"{self._calendar.name}",
                    "keep it in Parquet",
                )
        form, _ = _FORMATS[frame.timeframe]
        table = pl.DataFrame(
            {
                "time": stamps.dt.strftime(form),
                **{
                    name: pl.Series(values)
                    for name, values in zip(FIELDS, series.values, strict=True)
                },
            }
        )
        return table.with_columns(pl.col(FIELDS).fill_nan(None)).write_csv().encode()

    def _described(self) -> list[Instrument]:
        return _parsed(self.folder / "instruments.csv", parse_instrument)

    def _actions(self) -> list[CorporateAction]:
        return _parsed(self.folder / "actions.csv", parse_action)


def _file_name(instrument: InstrumentId) -> str:
    return quote(instrument, safe=" ") + ".csv"


def _refuse(path: Path, row: int, what: str) -> QualityFailure:
    return QualityFailure(f"{path} line {row + 2}", what, _MEND)


def _read(path: Path) -> pl.DataFrame:
    content = path.read_bytes()
    header = content.partition(b"\n")[0].decode(errors="replace").strip()
    if tuple(header.split(",")) != HEADER:
        raise QualityFailure(
            f"{path} line 1", f"{header[:80]!r} is not the header", f"begin with {','.join(HEADER)}"
        )
    try:
        return pl.read_csv(content, schema=_SCHEMA, quote_char=None)
    except pl.exceptions.PolarsError as error:
        for row, line in enumerate(content.decode(errors="replace").splitlines()[1:]):
            _, *fields = line.split(",")
            if len(fields) != len(FIELDS) or not all(map(_is_number, fields)):
                what = f"{line[:80]!r} is not a time, four prices and a volume"
                raise _refuse(path, row, what) from error
        raise QualityFailure(str(path), f"cannot be read: {error}", _MEND) from error


def _is_number(text: str) -> bool:
    try:
        float(text or "0")
    except ValueError:
        return False
    return True


def _parsed(path: Path, parse: Callable[[dict[str, str]], _Parsed]) -> list[_Parsed]:
    if not path.is_file():
        return []
    reader = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")), restval="")
    parsed = []
    for row in reader:
        try:
            parsed.append(parse({name: text for name, text in row.items() if name is not None}))
        except InvalidInput as error:
            raise QualityFailure(f"{path} line {reader.line_num}", str(error), _MEND) from error
    return parsed


def _table(header: Sequence[str], rows: Iterable[dict[str, str]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, header, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
