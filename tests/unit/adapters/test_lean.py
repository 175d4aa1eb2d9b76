"""The rules of the format, on small folders; the real files are in tests/golden."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tradewright.adapters.lean import LeanStore
from tradewright.core.errors import ChecksumMismatch, DataError, MissingData, QualityFailure
from tradewright.core.ids import InstrumentId
from tradewright.core.market import CashDividend, Delisting, Split
from tradewright.core.session import Span, Timeframe

A, B = InstrumentId("A"), InstrumentId("B")
# The 28th is Thanksgiving and the 29th a half day.
WEDNESDAY, FRIDAY = date(2013, 11, 27), date(2013, 11, 29)
DAILY = """\
20131126 00:00,1000000,1010000,990000,1005000,5000
20131127 00:00,1005000,1010000,990000,1000000,6000
20131129 00:00,1000000,1000000,1000000,1000000,7000
"""


class Folder:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = path / "equity" / "usa"

    def zip(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{path.stem}.csv", text)
        return path

    def text(self, name: str, *lines: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines))

    @property
    def store(self) -> LeanStore:
        return LeanStore(self.path)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def closes(folder: Folder, *ids: InstrumentId, span: Span | None = None) -> list[list[float]]:
    frame = folder.store.read(ids, Timeframe.DAY, span)
    closes: list[list[float]] = np.nan_to_num(frame.close, nan=-1).tolist()
    return closes


def test_daily_bars_take_the_hours_of_their_sessions(folder: Folder) -> None:
    folder.zip("daily/a.zip", DAILY)
    frame = folder.store.read([A], Timeframe.DAY)
    assert [s.date.day for s in frame.sessions] == [26, 27, 29]
    assert frame.known(1).isoformat() == "2013-11-27T21:00:00+00:00"
    assert frame.known(2).isoformat() == "2013-11-29T18:00:00+00:00"
    assert frame.close[:, 0].tolist() == [100.5, 100.0, 100.0]
    assert frame.volume[:, 0].tolist() == [5000, 6000, 7000]


def test_security_without_a_map_file_has_its_own_name(folder: Folder) -> None:
    folder.zip("daily/a.zip", DAILY)
    (instrument,) = folder.store.instruments()
    assert (instrument.id, instrument.listed, instrument.delisted) == ("A", None, None)
    assert folder.store.actions([A]) == []


def test_bars_lie_under_the_ticker_of_their_time(folder: Folder) -> None:
    # A was called B until the 26th; B's file goes on with another company.
    folder.text("map_files/a.csv", "20131126,b,Q", "20131126,b,Q", "20501231,a,Q")
    folder.text("map_files/b.csv", "20131129,x,Q", "20131129,x,Q", "20501231,b,Q")
    folder.zip("daily/a.zip", "20131127 00:00,10000,10000,10000,10000,1\n")
    folder.zip(
        "daily/b.zip",
        "20131125 00:00,30000,30000,30000,30000,1\n"
        "20131126 00:00,20000,20000,20000,20000,1\n"
        "20131127 00:00,30000,30000,30000,30000,1\n"
        "20131202 00:00,40000,40000,40000,40000,1\n",
    )
    assert closes(folder, A) == [[2.0], [1.0]]
    assert closes(folder, A, B) == [[2.0, -1], [1.0, -1], [-1, -1], [-1, 4.0]]


def test_absent_file_of_an_earlier_ticker_leaves_rows_without_bars(folder: Folder) -> None:
    lines = ("20131122,a,Q", "20131122,a,Q", "20131127,aa,Q", "20501231,a,Q")
    folder.text("map_files/a.csv", *lines)
    folder.zip("daily/a.zip", "20131122 00:00,1,1,1,1,1\n20131129 00:00,1,1,1,1,1\n")
    frame = folder.store.read([A], Timeframe.DAY)
    assert [s.date.day for s in frame.sessions] == [22, 25, 26, 27, 29]
    assert np.isnan(frame.close[:, 0]).tolist() == [False, True, True, True, False]


def test_map_file_tells_listing_and_delisting(folder: Folder) -> None:
    folder.text("map_files/a.csv", "20131126,a,Q", "20131130,a,Q")
    folder.zip("daily/a.zip", DAILY)
    (instrument,) = folder.store.instruments()
    assert (instrument.listed, instrument.delisted) == (date(2013, 11, 26), date(2013, 11, 30))
    # The 30th is a Saturday.
    assert folder.store.actions([A]) == [Delisting(A, date(2013, 11, 29))]


def test_map_without_bars_is_no_instrument(folder: Folder) -> None:
    folder.text("map_files/b.csv", "20131126,b,Q", "20501231,b,Q")
    folder.zip("daily/a.zip", DAILY)
    assert [i.id for i in folder.store.instruments()] == ["A"]


def test_span_cuts_and_a_span_without_bars_is_missing(folder: Folder) -> None:
    folder.zip("daily/a.zip", DAILY)
    assert closes(folder, A, span=Span(WEDNESDAY, date(2013, 11, 28))) == [[100.0]]
    with pytest.raises(MissingData, match="day bars of A: there are none"):
        closes(folder, A, span=Span(date(2014, 1, 1), date(2014, 2, 1)))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        # Both factors change: the dividend is of a share before the split.
        (
            ["20131126,0.99,0.25,100.5", "20501231,1,1,0"],
            [Split(A, WEDNESDAY, Fraction(4)), CashDividend(A, WEDNESDAY, Decimal("1.005"))],
        ),
        # The session after the 27th is the 29th.
        (["20131127,0.99,1,100", "20501231,1,1,0"], [CashDividend(A, FRIDAY, Decimal(1))]),
        # Rounded factors mean the plain ratio and the round amount.
        (["20131126,1,0.333333,90", "20501231,1,1,0"], [Split(A, WEDNESDAY, Fraction(3))]),
        (["20131126,1,0.6666667,90", "20501231,1,1,0"], [Split(A, WEDNESDAY, Fraction(3, 2))]),
        (["20131126,1,10,90", "20501231,1,1,0"], [Split(A, WEDNESDAY, Fraction(1, 10))]),
        (
            ["20131126,0.9954534,1,582.86", "20501231,1,1,0"],
            [CashDividend(A, WEDNESDAY, Decimal("2.65"))],
        ),
        # The first date of the security gives nothing, nor do rows that change nothing.
        (["20131125,0.99,0.5,100", "20131126,1,1,100", "20501231,1,1,0"], []),
    ],
)
def test_factor_rows_become_actions(
    folder: Folder, rows: list[str], expected: list[Split | CashDividend]
) -> None:
    folder.text("map_files/a.csv", "20131126,a,Q", "20501231,a,Q")
    folder.text("factor_files/a.csv", *rows)
    folder.zip("daily/a.zip", DAILY)
    assert folder.store.actions([A]) == expected


def test_hour_bars_are_cut_to_the_session(folder: Folder) -> None:
    hours = [*range(7, 17)]
    lines = [f"20131129 {hour:02d}:00,10000,10000,10000,10000,{hour}" for hour in hours]
    folder.zip("hour/a.zip", "\n".join(lines))
    frame = folder.store.read([A], Timeframe.HOUR)
    spans = [(f"{frame.started(i):%H:%M}", f"{frame.known(i):%H:%M}") for i in range(len(frame))]
    assert spans == [("14:30", "15:00"), ("15:00", "16:00"), ("16:00", "17:00"), ("17:00", "18:00")]
    assert frame.volume[:, 0].tolist() == [9, 10, 11, 12]


def test_minute_bars_are_the_regular_session_unless_all_are_wanted(folder: Folder) -> None:
    minutes = {34_140_000: 1, 34_200_000: 2, 57_540_000: 3, 57_600_000: 4}
    lines = [f"{millis},10000,10000,10000,10000,{volume}" for millis, volume in minutes.items()]
    folder.zip("minute/a/20131008_trade.zip", "\n".join(lines))
    folder.zip("minute/a/20131008_quote.zip", "")
    frame = folder.store.read([A], Timeframe.MINUTE)
    assert frame.volume[:, 0].tolist() == [2, 3]
    assert f"{frame.started(0):%H:%M} {frame.known(1):%H:%M}" == "13:30 20:00"
    whole = LeanStore(folder.path, extended=True).read([A], Timeframe.MINUTE)
    assert whole.volume[:, 0].tolist() == [1, 2, 3, 4]


def test_daylight_saving_time_moves_utc_not_new_york(folder: Folder) -> None:
    for day in ("20131101", "20131104"):
        folder.zip(f"minute/a/{day}_trade.zip", "34200000,10000,10000,10000,10000,1")
    frame = folder.store.read([A], Timeframe.MINUTE)
    assert [f"{frame.started(i):%d %H:%M}" for i in range(2)] == ["01 13:30", "04 14:30"]


def cut_in_half(folder: Folder) -> None:
    path = folder.zip("daily/a.zip", DAILY)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(folder: Folder) -> None:
    path = folder.zip("daily/a.zip", DAILY * 3)
    content = bytearray(path.read_bytes())
    content[60] ^= 0xFF
    path.write_bytes(content)


def daily(text: str) -> Callable[[Folder], None]:
    def make(folder: Folder) -> None:
        folder.zip("daily/a.zip", DAILY.partition("\n")[0] + "\n" + text)

    return make


def beside(name: str, *lines: str) -> Callable[[Folder], None]:
    def make(folder: Folder) -> None:
        folder.zip("daily/a.zip", DAILY)
        folder.text(name, *lines)

    return make


def read_all(store: LeanStore) -> None:
    store.read([A], Timeframe.DAY)
    store.actions([A])


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda _: None, MissingData, "holds no market data in LEAN format"),
        (cut_in_half, ChecksumMismatch, "a.zip: is torn"),
        (flipped, ChecksumMismatch, "a.zip: is torn"),
        (daily(""), None, ""),
        (daily("20131127 00:00,1,2,3,1,1"), QualityFailure, "a.csv line 2: high_below_low"),
        (daily("20131127 00:00,1,2,NaN,1,1"), QualityFailure, "a.csv line 2: incomplete_bar"),
        (daily("20131127 00:00,NaN,NaN,NaN,NaN,NaN"), QualityFailure, "line 2: incomplete_bar"),
        (daily("20131127 00:00,1,1,-1,1,1"), QualityFailure, "line 2: non_positive_price"),
        (daily("20131127 00:00,1,1,1,1,-1"), QualityFailure, "line 2: negative_volume"),
        (daily("20131127 00:00,1,1,1"), QualityFailure, "a.csv line 2: incomplete_bar"),
        (daily("20131127 00:00,1,1,x,1,1"), QualityFailure, "a.csv line 2: '20131127 00:00,1,1,x"),
        (daily("20131127 00:00,1,1,1,1,1,1"), QualityFailure, "2: '20131127 00:00,1,1,1,1,1,1'"),
        (daily("2013-11-27,1,1,1,1,1"), QualityFailure, "line 2: '2013-11-27' is no time such as"),
        (daily("20131128 00:00,1,1,1,1,1"), QualityFailure, "2: 2013-11-28 lies on no session"),
        (daily("20131126 00:00,1,1,1,1,1"), QualityFailure, "2: 2013-11-26 does not come"),
        (daily("20131125 00:00,1,1,1,1,1"), QualityFailure, "2: 2013-11-25 does not come"),
        (beside("map_files/a.csv", "20131126"), QualityFailure, "line 1: '20131126' has less"),
        (beside("map_files/a.csv", "x,a"), QualityFailure, "a.csv line 1: 'x' is no date"),
        (beside("map_files/a.csv", "20501231,a", "20131126,a"), QualityFailure, "2: 2013-11-26"),
        (beside("map_files/a.csv", ""), QualityFailure, "a.csv: holds no ticker"),
        (beside("map_files/aa.csv", "20131126,a", "20501231,a"), None, ""),
        (beside("factor_files/a.csv", "20131126,1,1"), QualityFailure, "a.csv line 1"),
        (beside("factor_files/a.csv", "20131126,x,1,1"), QualityFailure, "a.csv line 1"),
        (beside("factor_files/a.csv", "20131126,1,0,1"), QualityFailure, "a.csv line 1"),
        (beside("factor_files/a.csv", "20131126,1,NaN,1"), QualityFailure, "a.csv line 1"),
        (
            beside("factor_files/a.csv", "20131126,1,1,9", "20501231,0.9,1,0"),
            QualityFailure,
            "a.csv line 1: makes no dividend",
        ),
    ],
)
def test_bad_input_is_named_with_its_line(
    folder: Folder,
    make: Callable[[Folder], None],
    kind: type[DataError] | None,
    message: str,
) -> None:
    make(folder)
    if kind is None:
        assert len(folder.store.read([A], Timeframe.DAY)) > 0
        return
    with pytest.raises(kind) as refused:
        read_all(folder.store)
    assert message in str(refused.value)
    assert refused.value.remedy


def test_two_maps_that_end_alike_are_refused(folder: Folder) -> None:
    folder.zip("daily/a.zip", DAILY)
    for stem in ("a", "b"):
        folder.text(f"map_files/{stem}.csv", "20131126,a", "20501231,a")
    with pytest.raises(QualityFailure, match=r"a\.csv and b\.csv both end as A"):
        folder.store.instruments()


def test_unknown_symbol_and_missing_timeframe_list_what_there_is(folder: Folder) -> None:
    folder.zip("daily/a.zip", DAILY)
    folder.zip("hour/b.zip", "20131127 10:00,1,1,1,1,1")
    with pytest.raises(MissingData, match="has no instrument C; choose from: A, B"):
        folder.store.read([InstrumentId("C")], Timeframe.DAY)
    with pytest.raises(MissingData, match="has no hour bars of A; choose from: B"):
        folder.store.read([A], Timeframe.HOUR)
    with pytest.raises(MissingData, match="has no minute bars of A; choose from: none"):
        folder.store.read([A], Timeframe.MINUTE)


def test_rows_of_other_companies_are_not_judged(folder: Folder) -> None:
    folder.text("map_files/a.csv", "20131127,a,Q", "20501231,a,Q")
    folder.zip("daily/a.zip", "20131126 00:00,1,2,3,1,1\n20131127 00:00,1,1,1,1,1\n")
    assert closes(folder, A) == [[0.0001]]
