from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.frames import frame_of, sessions
from tradewright.core.errors import InvalidInput, MissingData, QualityFailure
from tradewright.core.ids import InstrumentId
from tradewright.core.session import Span, Timeframe
from tradewright.data.assembly import BarSeries, assemble, cut, daily_times

A, B = InstrumentId("A"), InstrumentId("B")
NAN = float("nan")


def series(rows: slice) -> BarSeries:
    times = daily_times(sessions(6)[rows])
    return BarSeries(times, np.full((5, len(times)), 10.0))


def test_rows_are_the_union_of_times() -> None:
    frame = assemble(Timeframe.DAY, {A: series(slice(0, 2)), B: series(slice(1, 4))})
    assert [s.date.day for s in frame.sessions] == [4, 5, 6, 7]
    assert np.isnan(frame.close).tolist() == [
        [False, True],
        [False, False],
        [True, False],
        [True, False],
    ]


def test_given_rows_are_kept_without_bars() -> None:
    rows = daily_times(sessions(6))
    frame = assemble(Timeframe.DAY, {A: series(slice(2, 3))}, rows)
    assert len(frame) == 6
    assert np.flatnonzero(~np.isnan(frame.close[:, 0])).tolist() == [2]


def test_sessions_are_those_of_the_rows_alone() -> None:
    one = series(slice(0, 6))
    frame = assemble(Timeframe.DAY, {A: one.within(Span(sessions(6)[2].date, sessions(6)[3].date))})
    assert frame.sessions == tuple(sessions(6)[2:4])
    assert frame.session.tolist() == [0, 1]


def test_cut_runs_from_the_first_bar_to_the_last() -> None:
    frame = frame_of({"A": [NAN, 1.0, NAN, 3.0, NAN], "B": [1.0] * 5, "C": [NAN] * 5})
    part = cut(frame, 0)
    assert part.times.end.tolist() == frame.end[1:4].tolist()
    assert len(cut(frame, 2).times) == 0


def test_cut_and_assemble_give_the_frame_again() -> None:
    frame = frame_of({"A": [NAN, 1.0, NAN, 3.0, NAN], "B": [1.0] * 5})
    again = assemble(Timeframe.DAY, {A: cut(frame, 0), B: cut(frame, 1)})
    assert np.array_equal(again.close, frame.close, equal_nan=True)


def test_bars_that_end_together_must_start_together() -> None:
    odd = series(slice(0, 2))
    times = replace(odd.times, start=odd.times.start + 1)
    with pytest.raises(QualityFailure, match="B at 2013-11-04T21:00:00"):
        assemble(Timeframe.DAY, {A: series(slice(0, 2)), B: BarSeries(times, odd.values)})


def test_sessions_with_other_hours_do_not_mix() -> None:
    odd = series(slice(0, 2))
    early = replace(odd.times.sessions[0], early_close=True)
    times = replace(odd.times, sessions=(early, *odd.times.sessions[1:]))
    with pytest.raises(QualityFailure, match="session 2013-11-04"):
        assemble(Timeframe.DAY, {A: series(slice(0, 2)), B: BarSeries(times, odd.values)})


def test_nothing_asked_for_and_nothing_there_are_told_apart() -> None:
    with pytest.raises(InvalidInput, match="name at least one"):
        assemble(Timeframe.DAY, {})
    with pytest.raises(MissingData, match="day bars of A: there are none"):
        assemble(Timeframe.DAY, {A: series(slice(0, 0))})
