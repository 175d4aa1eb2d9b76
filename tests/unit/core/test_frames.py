"""Columns are read-only, cut by time, and meet exact numbers in one place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from tests.builders import AAA, AT, BBB, NAN, NO_BAR, a_frame, dec, flat_bars
from tradewright.core.errors import InvalidInput, MissingData
from tradewright.core.frames import FIELDS, BarFrame, from_nanos, to_decimal, to_nanos
from tradewright.core.ids import InstrumentId

TICK = timedelta(microseconds=1)
ROWS = {
    "AAA": [(10.1, 11.0, 9.5, 10.5, 100.0), NO_BAR, (10.0, 10.2, 9.9, 10.0, 50.0)],
    "BBB": [NO_BAR, (5.0, 5.5, 4.5, 5.25, 0.0), NO_BAR],
}
FRAME = a_frame(ROWS)


def rebuilt(frame: BarFrame, **changes: Any) -> BarFrame:
    names = ("timeframe", "instruments", "sessions", "session", "start", "end", *FIELDS)
    return BarFrame(**({name: getattr(frame, name) for name in (*names, "known_at")} | changes))


@pytest.mark.parametrize("name", [*FIELDS, "session", "start", "end", "known_at"])
def test_columns_cannot_be_written(name: str) -> None:
    column = getattr(FRAME, name)
    with pytest.raises(ValueError, match="read-only"):
        column[0] = 1


def test_a_frame_does_not_freeze_or_share_what_a_caller_converts() -> None:
    closes = np.array([[1], [2], [3]], dtype=np.int64)
    frame = rebuilt(a_frame({"AAA": flat_bars([1.0, 2.0, 3.0])}), close=closes)
    closes[0, 0] = 9
    assert frame.close[0, 0] == 1.0


def test_exact_prices_are_the_shortest_decimals_of_the_columns() -> None:
    assert FRAME.price(0, 0, "open") == Decimal("10.1")
    assert FRAME.price(0, 0) == Decimal("10.5")
    assert to_decimal(0.1 + 0.2) == Decimal("0.30000000000000004")
    assert to_decimal(np.float64(0.1)) == to_decimal(0.1) == Decimal("0.1")


def test_a_bar_that_is_not_there_is_none() -> None:
    assert FRAME.price(1, 0) is None
    assert FRAME.row(1, 0) is None
    assert FRAME.shares(1, 0) == 0


def test_a_row_is_read_as_a_bar_with_both_clocks() -> None:
    bar = FRAME.row(0, 0)
    assert bar is not None
    prices = (bar.open, bar.high, bar.low, bar.close)
    assert prices == tuple(map(Decimal, ("10.1", "11.0", "9.5", "10.5")))
    assert (bar.instrument, bar.volume, bar.start) == (AAA, dec(100), AT)
    assert bar.end == bar.known_at == AT + timedelta(hours=6, minutes=30)


def test_a_bar_may_become_known_later_than_it_ends() -> None:
    late = rebuilt(FRAME, known_at=FRAME.end + 60 * 10**9)
    bar = late.row(0, 0)
    assert bar is not None
    assert bar.known_at - bar.end == timedelta(minutes=1)
    assert late.row_at(bar.end) == -1
    assert late.row_at(bar.known_at) == 0


def test_the_last_price_looks_back_over_missing_bars() -> None:
    assert FRAME.last_price(1, 0) == (Decimal("10.5"), 0)
    assert FRAME.last_price(2, 1) == (Decimal("5.25"), 1)
    assert FRAME.last_price(0, 1) is None
    assert FRAME.last_price(-1, 0) is None


def test_only_what_was_known_at_an_instant_is_shown() -> None:
    end = FRAME.known(0)
    assert [FRAME.row_at(at) for at in (end - TICK, end, end + TICK)] == [-1, 0, 0]
    assert FRAME.row_at(datetime(2100, 1, 1, tzinfo=UTC)) == 2


def test_a_cut_shares_memory_and_stays_read_only() -> None:
    cut = FRAME.rows(1, 3)
    assert np.shares_memory(cut.close, FRAME.close)
    assert not cut.close.flags.writeable
    assert cut.started(0) == FRAME.started(1)


def test_some_columns_keep_all_rows() -> None:
    only = FRAME.columns([BBB])
    assert only.instruments == (BBB,)
    assert only.price(1, 0) == Decimal("5.25")
    assert AAA not in only
    assert BBB in only


def test_an_unknown_instrument_is_missing() -> None:
    with pytest.raises(MissingData, match="has no column for ZZZ"):
        FRAME.index(InstrumentId("ZZZ"))


@pytest.mark.parametrize("name", FIELDS)
def test_a_column_of_another_shape_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match=rf"^{name}: \(2, 2\) is not the frame's shape \(3, 2\)"):
        rebuilt(FRAME, **{name: np.zeros((2, 2))})


@pytest.mark.parametrize("name", ["session", "start", "known_at"])
def test_times_of_another_length_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match=f"^{name}:"):
        rebuilt(FRAME, **{name: np.zeros(2, dtype=np.int64)})


def test_rows_stand_in_order_of_time() -> None:
    for end in (FRAME.end[::-1], np.repeat(FRAME.end[:1], 3)):
        with pytest.raises(InvalidInput, match="not in order of time"):
            rebuilt(FRAME, end=end)


def test_instruments_are_unique() -> None:
    with pytest.raises(InvalidInput, match="not unique"):
        rebuilt(FRAME, instruments=(AAA, AAA))


@pytest.mark.parametrize(
    "at",
    [
        datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2024, 1, 2, 14, 30, 0, 1, tzinfo=UTC),
        datetime(2261, 12, 31, tzinfo=UTC),
    ],
)
def test_times_survive_as_nanoseconds(at: datetime) -> None:
    assert from_nanos(to_nanos(at)) == at


def test_nanoseconds_below_a_microsecond_are_cut() -> None:
    assert from_nanos(to_nanos(AT) + 999) == AT


def test_a_volume_that_is_not_there_is_no_share() -> None:
    frame = a_frame({"AAA": [(1.0, 1.0, 1.0, 1.0, NAN), (1.0, 1.0, 1.0, 1.0, 12.5)]})
    assert [frame.shares(row, 0) for row in (0, 1)] == [0, Decimal("12.5")]
