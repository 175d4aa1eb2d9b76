"""Builders of small frames on real sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np

from tradewright.core.frames import FIELDS, BarFrame, IntArray
from tradewright.core.ids import InstrumentId
from tradewright.core.session import Session, Span, Timeframe
from tradewright.data.calendars import market_calendar
from tradewright.data.sample import bar_times

# Monday; Thanksgiving lies in the fourth week, and 2013-11-29 closes early.
FIRST = date(2013, 11, 4)


def sessions(count: int, first: date = FIRST) -> Sequence[Session]:
    return market_calendar().within(Span(first, date(2020, 1, 1)))[:count]


def frame_of(
    closes: Mapping[str, Sequence[float]],
    *,
    first: date = FIRST,
    timeframe: Timeframe = Timeframe.DAY,
    columns: Mapping[str, Mapping[str, Sequence[float]]] | None = None,
) -> BarFrame:
    """A frame of flat bars at the closes, 1,000 shares each; `columns` replace whole fields."""
    rows = len(next(iter(closes.values())))
    days = sessions(rows, first)
    times = bar_times(days, timeframe)
    count = len(times) if timeframe is Timeframe.DAY else rows
    close = np.array(list(closes.values()), dtype=np.float64).T
    values = {name: close.copy() for name in FIELDS}
    values["volume"] = np.where(np.isnan(close), np.nan, 1000.0)
    for name, given in (columns or {}).items():
        for column, instrument in enumerate(closes):
            if instrument in given:
                values[name][:, column] = given[instrument]
    used = times.rows(0, count)
    ids = tuple(InstrumentId(name) for name in closes)
    return BarFrame(
        timeframe,
        ids,
        tuple(days),
        used.session,
        used.start,
        used.end,
        values["open"],
        values["high"],
        values["low"],
        values["close"],
        values["volume"],
    )


def picked(frame: BarFrame, rows: Sequence[int], start: IntArray | None = None) -> BarFrame:
    """Some rows of a frame, with other starts if given."""
    chosen = np.array(rows)
    return BarFrame(
        frame.timeframe,
        frame.instruments,
        frame.sessions,
        frame.session[chosen],
        frame.start[chosen] if start is None else start,
        frame.end[chosen],
        *(getattr(frame, name)[chosen] for name in FIELDS),
    )
