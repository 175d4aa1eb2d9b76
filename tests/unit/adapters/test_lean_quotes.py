"""Quote bars in LEAN's format: what is read, and what is refused by file and line."""

from __future__ import annotations

import zipfile
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from tests.architecture.tree import ROOT
from tradewright.adapters.lean.quotes import read_quotes
from tradewright.core.errors import ChecksumMismatch, QualityFailure
from tradewright.core.frames import from_nanos
from tradewright.core.ids import InstrumentId
from tradewright.core.session import Span

LEAN = ROOT.parent / "shared" / "data" / "lean"
A = InstrumentId("A")
DAY = date(2014, 6, 5)
# 09:30 in New York, in summer.
LINES = """\
34200000,1000000,1002000,999000,1001000,300,1001000,1003000,1000000,1002000,200
34260000,1001000,1001000,1001000,1001000,100,1001000,1001000,1001000,1001000,100
"""


def quotes_zip(folder: Path, text: str, name: str = "a", day: str = "20140605") -> Path:
    path = folder / "equity" / "usa" / "minute" / name / f"{day}_quote.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{path.stem}.csv", text)
    return path


def test_a_day_is_read_in_dollars_and_utc(tmp_path: Path) -> None:
    quotes_zip(tmp_path, LINES)
    bars = read_quotes(tmp_path, [A])[A]
    assert len(bars) == 2
    assert from_nanos(int(bars.start[0])) == datetime(2014, 6, 5, 13, 30, tzinfo=UTC)
    assert from_nanos(int(bars.end[0])) == datetime(2014, 6, 5, 13, 31, tzinfo=UTC)
    assert bars.bid[:, 0].tolist() == [100.0, 100.2, 99.9, 100.1, 300.0]
    assert bars.ask[:, 0].tolist() == [100.1, 100.3, 100.0, 100.2, 200.0]
    assert not bars.bid.flags.writeable


def test_days_outside_the_span_and_instruments_without_quotes_are_left_out(
    tmp_path: Path,
) -> None:
    quotes_zip(tmp_path, LINES)
    quotes_zip(tmp_path, LINES, day="20140606")
    assert len(read_quotes(tmp_path, [A])[A]) == 4
    assert len(read_quotes(tmp_path, [A], Span(DAY, DAY))[A]) == 2
    assert not read_quotes(tmp_path, [InstrumentId("B")])


def test_a_renamed_security_is_read_under_the_ticker_of_the_time(tmp_path: Path) -> None:
    quotes_zip(tmp_path, LINES, "old")
    quotes_zip(tmp_path, LINES, "a", day="20140606")
    # Another company's, from before the ticker was this one's.
    quotes_zip(tmp_path, LINES, "a", day="20140605")
    maps = tmp_path / "equity" / "usa" / "map_files"
    maps.mkdir()
    (maps / "a.csv").write_text("20100101,old\n20140605,old\n20501231,a\n")
    starts = [from_nanos(int(at)).day for at in read_quotes(tmp_path, [A])[A].start]
    assert starts == [5, 5, 6, 6]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("34320000,1,1,1,1,1,1,1,1,1", "bid .*incomplete|ask .*incomplete"),
        ("noon,1,1,1,1,1,1,1,1,1,1", "'noon' is no time"),
        ("86400000,1,1,1,1,1,1,1,1,1,1", "is no time"),
        ("34290000,1,1,1,1,1,1,1,1,1,1", "less than a minute after"),
        ("34320000,1,1,1,x,1,1,1,1,1,1", "five numbers"),
        ("34320000,1,1,1,,1,1,1,1,1,1", "bid incomplete_bar"),
        ("34320000,10,10,10,10,1,9,11,9,11,1", "crossed_quote: .* at the open"),
        ("34320000,9,10,9,10,1,10,10,9,9,1", "crossed_quote: .* at the close"),
        ("34320000,10,9,10,10,1,11,11,11,11,1", "bid high_below_low"),
        ("34320000,0,10,0,10,1,11,11,11,11,1", "bid non_positive_price"),
        ("34320000,10,10,10,10,-1,11,11,11,11,1", "bid negative_volume"),
        ("34320000,10,10,10,10,1,11,11,11,12,1", "ask close_outside_range"),
    ],
)
def test_what_cannot_be_true_is_refused_by_line(tmp_path: Path, line: str, what: str) -> None:
    quotes_zip(tmp_path, LINES + line + "\n")
    with pytest.raises(QualityFailure, match=what):
        read_quotes(tmp_path, [A])


def test_highs_and_lows_may_cross_since_they_were_not_there_together(tmp_path: Path) -> None:
    quotes_zip(tmp_path, "34320000,10,13,9,10,1,11,12,8,11,1\n")
    assert len(read_quotes(tmp_path, [A])[A]) == 1


def test_a_torn_zip_is_refused(tmp_path: Path) -> None:
    path = quotes_zip(tmp_path, LINES)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ChecksumMismatch, match="is torn"):
        read_quotes(tmp_path, [A])


@pytest.mark.skipif(not LEAN.is_dir(), reason="allowed: ../shared/data/lean is not on this machine")
def test_every_real_file_is_read() -> None:
    found = read_quotes(LEAN, [InstrumentId(name) for name in ("AAPL", "BAC", "IBM", "SPY")])
    assert {name: len(bars) for name, bars in found.items()} == {
        "AAPL": 2512,
        "BAC": 3853,
        "IBM": 3398,
        "SPY": 6373,
    }
    # 5 June 2014, 09:30: copied from the unpacked file.
    apple = found[InstrumentId("AAPL")]
    place = int(np.searchsorted(apple.start, 1401975000_000_000_000))
    assert apple.bid[0, place] < apple.ask[0, place]
    assert from_nanos(int(apple.start[place])) == datetime(2014, 6, 5, 13, 30, tzinfo=UTC)
