"""What every BarStore promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.frames import frame_of, sessions
from tradewright.adapters.csv import CsvStore
from tradewright.adapters.memory import MemoryBarStore
from tradewright.adapters.parquet import ParquetStore
from tradewright.core.errors import InvalidInput, MissingData, QualityFailure
from tradewright.core.frames import FIELDS, BarFrame
from tradewright.core.ids import InstrumentId
from tradewright.core.instrument import Instrument
from tradewright.core.market import CashDividend, Delisting, Split
from tradewright.core.session import Span, Timeframe
from tradewright.data.sample import SampleMarket, sample_market
from tradewright.ports import BarStore

A, B = InstrumentId("A"), InstrumentId("B")
INSTRUMENTS = [Instrument(A, "A"), Instrument(B, "B", venue="XNAS", listed=date(2013, 11, 5))]
NAN = float("nan")
# A half day.
BLACK_FRIDAY = date(2014, 11, 28)

MAKERS: dict[str, Callable[[Path], BarStore]] = {
    "memory": lambda _: MemoryBarStore(),
    "csv": CsvStore,
    "parquet": ParquetStore,
}


@pytest.fixture(params=list(MAKERS))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BarStore:
    return MAKERS[request.param](tmp_path / "market")


def assert_same(one: BarFrame, other: BarFrame) -> None:
    assert one.timeframe is other.timeframe
    assert one.instruments == other.instruments
    for name in (*FIELDS, "start", "end", "known_at"):
        assert np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True), name
    rows = range(len(one))
    assert [one.session_of(i) for i in rows] == [other.session_of(i) for i in rows]


@pytest.mark.parametrize(
    "market",
    [
        sample_market(sessions=60),
        sample_market(symbols=3, first=BLACK_FRIDAY, sessions=3, timeframe=Timeframe.HOUR),
        sample_market(symbols=2, first=BLACK_FRIDAY, sessions=2, timeframe=Timeframe.MINUTE),
    ],
    ids=list(Timeframe)[::-1],
)
def test_what_is_written_is_read_bit_by_bit(store: BarStore, market: SampleMarket) -> None:
    store.write(market.frame, market.instruments, market.actions)
    ids = market.frame.instruments
    assert_same(store.read(ids, market.frame.timeframe), market.frame)
    assert tuple(store.actions(ids)) == market.actions
    assert tuple(store.instruments()) == market.instruments


def test_awkward_numbers_come_back(store: BarStore) -> None:
    closes = [0.0001, 0.1 + 0.2, 123456.789, 1e-7]
    frame = frame_of({"A": closes}, columns={"volume": {"A": [1, 1e15, 0, 123456789.5]}})
    store.write(frame, INSTRUMENTS, [])
    assert_same(store.read([A], Timeframe.DAY), frame)


def test_some_instruments_in_another_order(store: BarStore) -> None:
    frame = frame_of({"A": [1.0, 2.0], "B": [3.0, 4.0]})
    store.write(frame, INSTRUMENTS, [])
    assert_same(store.read([B, A], Timeframe.DAY), frame.columns([B, A]))
    assert_same(store.read([B], Timeframe.DAY), frame.columns([B]))


def test_span_includes_both_ends(store: BarStore) -> None:
    frame = frame_of({"A": [1.0, 2.0, 3.0, 4.0]})
    store.write(frame, INSTRUMENTS, [])
    days = sessions(4)
    assert_same(store.read([A], Timeframe.DAY, Span(days[1].date, days[2].date)), frame.rows(1, 3))


def test_span_without_bars_is_missing(store: BarStore) -> None:
    store.write(frame_of({"A": [1.0]}), INSTRUMENTS, [])
    with pytest.raises(MissingData):
        store.read([A], Timeframe.DAY, Span(date(2015, 1, 1), date(2015, 2, 1)))


def test_rows_are_the_union_of_what_was_written(store: BarStore) -> None:
    store.write(frame_of({"A": [1.0, 2.0]}), INSTRUMENTS, [])
    store.write(frame_of({"B": [3.0, 4.0]}, first=date(2013, 11, 5)), INSTRUMENTS, [])
    frame = store.read([A, B], Timeframe.DAY)
    assert np.nan_to_num(frame.close, nan=-1).tolist() == [[1, -1], [2, 3], [-1, 4]]


def test_write_replaces_its_instruments_and_no_others(store: BarStore) -> None:
    old = Split(A, date(2013, 11, 5), Fraction(2))
    kept = Delisting(B, date(2013, 11, 6))
    store.write(frame_of({"A": [1.0, 2.0, 3.0], "B": [4.0, 5.0, 6.0]}), INSTRUMENTS, [old, kept])
    new = CashDividend(A, date(2013, 11, 6), Decimal("0.10"))
    renamed = replace(INSTRUMENTS[0], venue="ARCX")
    store.write(frame_of({"A": [9.0]}), [renamed], [new])
    assert store.read([A], Timeframe.DAY).close.tolist() == [[9.0]]
    assert store.read([B], Timeframe.DAY).close[:, 0].tolist() == [4, 5, 6]
    assert list(store.actions([A, B])) == [new, kept]
    assert list(store.instruments()) == [renamed, INSTRUMENTS[1]]


def test_timeframes_stand_beside_each_other(store: BarStore) -> None:
    store.write(frame_of({"A": [1.0]}), INSTRUMENTS, [])
    store.write(frame_of({"A": [2.0]}, timeframe=Timeframe.MINUTE), INSTRUMENTS, [])
    assert store.read([A], Timeframe.DAY).close.tolist() == [[1.0]]
    assert store.read([A], Timeframe.MINUTE).close.tolist() == [[2.0]]


def test_writing_twice_is_writing_once(store: BarStore) -> None:
    market = sample_market(sessions=20)
    for _ in range(2):
        store.write(market.frame, market.instruments, market.actions)
    assert_same(store.read(market.frame.instruments, Timeframe.DAY), market.frame)
    assert tuple(store.actions(market.frame.instruments)) == market.actions


def test_nothing_stored_is_missing(store: BarStore) -> None:
    with pytest.raises(MissingData):
        store.instruments()
    with pytest.raises(MissingData):
        store.read([A], Timeframe.DAY)


def test_unknown_instrument_and_timeframe_are_missing(store: BarStore) -> None:
    store.write(frame_of({"A": [1.0]}), INSTRUMENTS, [])
    with pytest.raises(MissingData, match="B"):
        store.read([A, B], Timeframe.DAY)
    with pytest.raises(MissingData, match="A"):
        store.read([A], Timeframe.HOUR)


def test_no_instrument_is_refused(store: BarStore) -> None:
    store.write(frame_of({"A": [1.0]}), INSTRUMENTS, [])
    with pytest.raises(InvalidInput):
        store.read([], Timeframe.DAY)


@pytest.mark.parametrize(
    ("field", "value"), [("high", 0.5), ("low", NAN), ("close", -1.0), ("volume", -1.0)]
)
def test_bad_bar_leaves_everything_as_it_was(store: BarStore, field: str, value: float) -> None:
    good = frame_of({"A": [1.0, 2.0], "B": [3.0, 4.0]})
    action = Split(A, date(2013, 11, 5), Fraction(2))
    store.write(good, INSTRUMENTS, [action])
    bad = frame_of({"A": [7.0, 8.0], "B": [9.0, 9.0]}, columns={field: {"B": [9.0, value]}})
    with pytest.raises(QualityFailure, match="B at 2013-11-05"):
        store.write(bad, INSTRUMENTS, [])
    assert_same(store.read([A, B], Timeframe.DAY), good)
    assert list(store.actions([A, B])) == [action]


def test_bars_of_an_instrument_that_is_not_described_are_refused(store: BarStore) -> None:
    with pytest.raises(InvalidInput, match="'B' has bars but is not among the instruments"):
        store.write(frame_of({"A": [1.0], "B": [1.0]}), INSTRUMENTS[:1], [])
    with pytest.raises(MissingData):
        store.instruments()
