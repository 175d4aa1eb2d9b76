"""Finer bars beside the bars that are decided on: whole, cut to them and held against them.

Orders fill on the finer bars and everything else is of the longer ones, so both have to be of
the same market in the same prices. An instrument that prints nothing in a session's first or
last finer bar has a flat bar of no volume there, at its first open or its last close: the auction.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from tradewright.core.errors import MissingData
from tradewright.core.frames import FIELDS, BarFrame, FloatArray, IntArray
from tradewright.data.history import Detail, MarketData
from tradewright.data.quality import BoolArray, Finding, QualityReport, Rule, require
from tradewright.data.resample import LongBars, merged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tradewright.core.ids import InstrumentId
    from tradewright.core.session import Timeframe

_NAMED: Final = 3
_VOLUME_APART: Final = 0.05
_PRICE_APART: Final = 1e-6
_OFF: Final = (Rule.DETAIL_OPEN, Rule.DETAIL_HIGH, Rule.DETAIL_LOW, Rule.DETAIL_CLOSE)


class _Cut(NamedTuple):
    # Finer bars in order of time, `place` being that of each one's row among those wanted.
    place: IntArray
    start: IntArray
    end: IntArray
    columns: dict[str, FloatArray]

    def merged(self, column: int) -> LongBars:
        traded = np.flatnonzero(~np.isnan(self.columns["close"][:, column]))
        values = np.stack([self.columns[name][traded, column] for name in FIELDS])
        return merged(values, self.place[traded])


def detailed(market: MarketData, bars: BarFrame, rows: range) -> MarketData:
    """Return the market with the finer bars of some of its rows beside it.

    Bars outside the rows' own hours are left out, and so are those of an instrument in a row in
    which it has no bar itself.

    Raises:
        MissingData: An instrument that trades in one of the rows has no finer bar in it.
        QualityFailure: Finer bars and longer ones are not in the same prices.
    """
    frame = market.frame
    cut = _cut(frame, bars, rows)
    longer = [cut.merged(column) for column in range(len(frame.instruments))]
    _refuse_gaps(market, longer, rows, bars.timeframe)
    findings = [
        finding
        for column, one in enumerate(longer)
        for finding in _differences(frame, rows, column, one)
    ]
    findings.sort(key=lambda finding: (finding.row, finding.instrument or ""))
    require(QualityReport(tuple(findings)))
    bounds = np.searchsorted(cut.place, np.arange(len(rows) + 1))
    absent = np.isnan(frame.close[rows.start : rows.stop])
    for column, one in enumerate(longer):
        for values in cut.columns.values():
            values[absent[cut.place, column], column] = np.nan
        _print_auctions(cut, column, one, bounds, absent[one.at, column])
    opens, highs, lows, closes, volumes = (cut.columns[name] for name in FIELDS)
    finer = BarFrame(
        bars.timeframe,
        frame.instruments,
        frame.sessions,
        frame.session[rows.start : rows.stop][cut.place],
        cut.start,
        cut.end,
        opens,
        highs,
        lows,
        closes,
        volumes,
    )
    return replace(market, detail=Detail(finer, rows, bounds, tuple(findings)))


def _cut(frame: BarFrame, bars: BarFrame, rows: range) -> _Cut:
    starts, ends = (times[rows.start : rows.stop] for times in (frame.start, frame.end))
    place = np.searchsorted(ends, bars.end)
    within = place < len(rows)
    within[within] = bars.start[within] >= starts[place[within]]
    kept = np.flatnonzero(within)
    # A row in which nothing traded still ends the orders of its day.
    blank = np.setdiff1d(np.arange(len(rows)), place[kept])
    end = np.concatenate([bars.end[kept], ends[blank]])
    order = np.argsort(end, kind="stable")
    known = [frame.index(name) for name in bars.instruments if name in frame]
    theirs = np.array([c for c, name in enumerate(bars.instruments) if name in frame], np.int64)
    columns = {}
    for name in FIELDS:
        values = np.full((len(order), len(frame.instruments)), np.nan)
        values[: len(kept), known] = getattr(bars, name)[np.ix_(kept, theirs)]
        columns[name] = values[order]
    return _Cut(
        np.concatenate([place[kept], blank])[order],
        np.concatenate([bars.start[kept], starts[blank]])[order],
        end[order],
        columns,
    )


def _refuse_gaps(
    market: MarketData, longer: Sequence[LongBars], rows: range, timeframe: Timeframe
) -> None:
    frame = market.frame
    lacks = ~np.isnan(frame.close[rows.start : rows.stop])
    for column, one in enumerate(longer):
        lacks[one.at, column] = False
    if not lacks.any():
        return
    dates = [frame.session_of(row).date for row in rows]
    columns = np.flatnonzero(lacks.any(axis=0)).tolist()
    told = [_told(frame.instruments[c], lacks[:, c], dates) for c in columns[:_NAMED]]
    if len(columns) > _NAMED:
        told.append(f"{len(columns) - _NAMED} more symbols lack some")
    whole = _longest(np.logical_not(np.logical_or.reduce(lacks, axis=1)))
    remedy = "import them, leave those symbols out, or run without detail"
    if whole is not None:
        remedy = f"give --from {dates[whole[0]]} --to {dates[whole[1]]}, {remedy}"
    raise MissingData(f"{timeframe} bars in {market.label}", "; ".join(told), remedy)


def _told(name: InstrumentId, lacks: BoolArray, dates: Sequence[date]) -> str:
    stretches = [
        f"{dates[first]}" if first == last else f"{dates[first]}..{dates[last]}"
        for first, last in _stretches(lacks)
    ]
    more = f" and {len(stretches) - _NAMED} more gaps" if len(stretches) > _NAMED else ""
    days = int(np.count_nonzero(lacks))
    those = "a day" if days == 1 else f"{days} days"
    return f"{name} has none on {those} that it trades: {', '.join(stretches[:_NAMED])}{more}"


def _stretches(chosen: BoolArray) -> Iterator[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(chosen, prepend=False, append=False)).tolist()
    return ((first, stop - 1) for first, stop in zip(edges[::2], edges[1::2], strict=True))


def _longest(chosen: BoolArray) -> tuple[int, int] | None:
    return max(_stretches(chosen), key=lambda ends: ends[1] - ends[0], default=None)


def _differences(frame: BarFrame, rows: range, column: int, finer: LongBars) -> Iterator[Finding]:
    name = frame.instruments[column]
    for place, theirs, first, stop in zip(
        finer.at.tolist(), finer.values.T.tolist(), finer.first, finer.stop, strict=True
    ):
        row = rows[place]
        ours = [getattr(frame, field).item(row, column) for field in FIELDS]
        for rule, value in _apart(ours, theirs, int(stop - first)):
            yield Finding(rule, name, row, frame.started(row), value)


def _apart(
    ours: Sequence[float], theirs: Sequence[float], bars: int
) -> Iterator[tuple[Rule, float]]:
    _, high, low, close, volume = ours
    if np.isnan(close):
        yield Rule.DETAIL_ALONE, float(bars)
        return
    _, their_high, their_low, their_close, their_volume = theirs
    if their_low > high or their_high < low:
        yield Rule.DETAIL_PRICES, their_close / close
        return
    for rule, mine, other in zip(_OFF, ours, theirs, strict=False):
        if abs(other - mine) > _PRICE_APART * mine:
            yield rule, round(other - mine, 6)
    if abs(their_volume - volume) > _VOLUME_APART * volume:
        yield Rule.DETAIL_VOLUME, their_volume / volume if volume else float("inf")


def _print_auctions(
    cut: _Cut, column: int, finer: LongBars, bounds: IntArray, absent: BoolArray
) -> None:
    # The venue's auctions are in the first and the last row of a session.
    opens, closes = finer.values[0], finer.values[3]
    for rows, prices in ((bounds[finer.at], opens), (bounds[finer.at + 1] - 1, closes)):
        silent = np.isnan(cut.columns["close"][rows, column]) & ~absent
        for name in FIELDS:
            printed = np.zeros(1) if name == "volume" else prices[silent]
            cut.columns[name][rows[silent], column] = printed
