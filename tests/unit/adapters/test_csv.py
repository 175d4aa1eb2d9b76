from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.frames import frame_of
from tradewright.adapters.csv import CsvStore
from tradewright.core.errors import InvalidInput, MissingData, QualityFailure
from tradewright.core.ids import InstrumentId
from tradewright.core.instrument import Instrument
from tradewright.core.market import CashDividend, Delisting, Split
from tradewright.core.session import Span, Timeframe
from tradewright.data.sample import sample_market

A = InstrumentId("A")
HEADER = "time,open,high,low,close,volume\n"


def write(folder: Path, text: str, timeframe: str = "day", name: str = "A") -> None:
    (folder / timeframe).mkdir(exist_ok=True)
    (folder / timeframe / f"{name}.csv").write_text(text)


def test_files_written_by_hand_are_read(tmp_path: Path) -> None:
    write(tmp_path, HEADER + "2013-11-27,10,12,9.5,11,500\n2013-11-29,11,11,11,11,0\n")
    (tmp_path / "actions.csv").write_text(
        "date,instrument,kind,value\n"
        "2013-11-29,A,split,3/2\n2013-11-27,A,dividend,0.25\n2013-11-29,A,delisting,\n"
    )
    store = CsvStore(tmp_path)
    frame = store.read([A], Timeframe.DAY)
    assert frame.close[:, 0].tolist() == [11, 11]
    assert frame.known(1).isoformat() == "2013-11-29T18:00:00+00:00"
    assert store.instruments() == [Instrument(A, "A")]
    assert store.actions([A]) == [
        CashDividend(A, date(2013, 11, 27), Decimal("0.25")),
        Split(A, date(2013, 11, 29), Fraction(3, 2)),
        Delisting(A, date(2013, 11, 29)),
    ]


def test_intraday_times_are_utc_starts(tmp_path: Path) -> None:
    lines = ["2013-11-29T14:30:00Z", "2013-11-29T15:00:00Z", "2013-11-29T17:00:00Z"]
    write(tmp_path, HEADER + "".join(f"{line},1,1,1,1,1\n" for line in lines), "hour")
    frame = CsvStore(tmp_path).read([A], Timeframe.HOUR)
    assert [f"{frame.known(i):%H:%M}" for i in range(3)] == ["15:00", "16:00", "18:00"]


def test_line_with_a_time_alone_is_no_bar(tmp_path: Path) -> None:
    write(tmp_path, HEADER + "2013-11-26,1,1,1,1,1\n2013-11-27,,,,,\n2013-11-29,1,1,1,1,1\n")
    frame = CsvStore(tmp_path).read([A], Timeframe.DAY)
    assert np.isnan(frame.close[:, 0]).tolist() == [False, True, False]


def test_written_files_are_plain(tmp_path: Path) -> None:
    frame = frame_of({"A": [1.25, float("nan"), 2.5]})
    CsvStore(tmp_path).write(
        frame, [Instrument(A, "A")], [Split(A, date(2013, 11, 5), Fraction(2))]
    )
    assert (tmp_path / "day" / "A.csv").read_text() == HEADER + (
        "2013-11-04,1.25,1.25,1.25,1.25,1000.0\n2013-11-05,,,,,\n2013-11-06,2.5,2.5,2.5,2.5,1000.0\n"
    )
    assert (tmp_path / "actions.csv").read_text() == (
        "date,instrument,kind,value\n2013-11-05,A,split,2\n"
    )


def test_symbols_that_are_no_file_names_are_kept(tmp_path: Path) -> None:
    odd = InstrumentId("BRK/B")
    store = CsvStore(tmp_path)
    store.write(frame_of({odd: [1.0]}), [Instrument(odd, "BRK/B")], [])
    assert store.read([odd], Timeframe.DAY).instruments == (odd,)
    assert [i.id for i in store.instruments()] == [odd]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,close\n", "line 1: 'time,close' is not the header"),
        ("", "line 1: '' is not the header"),
        (HEADER + "2013-11-27,1,1,1,1\n", "line 2: incomplete_bar"),
        (HEADER + "2013-11-27,1,1,1,1,\n", "line 2: incomplete_bar"),
        (HEADER + "2013-11-27,1,1,1,1,NaN\n", "line 2: incomplete_bar"),
        (HEADER + "2013-11-27,1,1,x,1,1\n", "line 2: '2013-11-27,1,1,x,1,1' is not a time"),
        (HEADER + "2013-11-27,1,1,1,1,1,1\n", "line 2: '2013-11-27,1,1,1,1,1,1' is not a time"),
        (HEADER + "2013-11-27,1,1,2,1,1\n", "line 2: high_below_low"),
        (HEADER + "2013-11-27,1,1,-1,1,1\n", "line 2: non_positive_price"),
        (HEADER + "27.11.2013,1,1,1,1,1\n", "line 2: '27.11.2013' is no time such as 2013-10-08"),
        (HEADER + "2013-11-28,1,1,1,1,1\n", "line 2: 2013-11-28 00:00 starts no day bar"),
        (
            HEADER + "2013-11-27,1,1,1,1,1\n2013-11-26,1,1,1,1,1\n",
            "line 3: does not come after the line before it",
        ),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, text)
    with pytest.raises(QualityFailure) as refused:
        CsvStore(tmp_path).read([A], Timeframe.DAY)
    assert message in str(refused.value)
    assert refused.value.remedy


@pytest.mark.parametrize(
    "start", ["2013-11-27T14:29:00Z", "2013-11-29T18:00:00Z", "2013-11-27T15:30:00Z"]
)
def test_hour_bars_off_the_session_or_the_clock_are_refused(tmp_path: Path, start: str) -> None:
    write(tmp_path, f"{HEADER}{start},1,1,1,1,1\n", "hour")
    with pytest.raises(QualityFailure, match=r"line 2: .* starts no hour bar of a session"):
        CsvStore(tmp_path).read([A], Timeframe.HOUR)


def read_tables(store: CsvStore) -> None:
    store.instruments()
    store.actions([A])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("instruments.csv", "id,symbol,tick\nA,A,big\n", "line 2: tick: 'big' cannot be read"),
        ("instruments.csv", "id,size\nA,1\n", "line 2: size: '1' is no field"),
        (
            "actions.csv",
            "date,instrument,kind,value\n2013-11-27,A,gift,1\n",
            "line 2: kind: 'gift'",
        ),
    ],
)
def test_bad_tables_are_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    write(tmp_path, HEADER + "2013-11-27,1,1,1,1,1\n")
    (tmp_path / name).write_text(text)
    with pytest.raises(QualityFailure) as refused:
        read_tables(CsvStore(tmp_path))
    assert message in str(refused.value)


def test_times_that_csv_cannot_say_are_refused(tmp_path: Path) -> None:
    market = sample_market(symbols=1, sessions=2, timeframe=Timeframe.MINUTE)
    frame = market.frame.rows(0, 3)
    odd = replace(frame, known_at=frame.end + 1)
    with pytest.raises(InvalidInput, match=r"known_at does not follow .*keep it in Parquet"):
        CsvStore(tmp_path).write(odd, market.instruments, [])
    assert list(tmp_path.iterdir()) == []


def test_span_without_bars_is_missing(tmp_path: Path) -> None:
    write(tmp_path, HEADER + "2013-11-27,1,1,1,1,1\n")
    with pytest.raises(MissingData, match="there are none"):
        CsvStore(tmp_path).read([A], Timeframe.DAY, Span(date(2014, 1, 1), date(2014, 2, 1)))
