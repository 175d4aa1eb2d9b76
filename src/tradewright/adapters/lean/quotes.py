"""Minute quote bars of a LEAN folder: `minute/<ticker>/<yyyymmdd>_quote.zip`.

A line is milliseconds since midnight of New York, then open, high, low, close and size of the bid
and of the ask; prices are ten-thousandths of a dollar. The files cover the hours before and after
the session too, and all of it is read.
"""

from __future__ import annotations

import zipfile
import zlib
from datetime import date
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from tradewright.adapters.lean.reference import MEND_LINE, read_map, to_date, unmapped
from tradewright.core.errors import ChecksumMismatch, QualityFailure
from tradewright.core.frames import NANOSECONDS, FloatArray, IntArray
from tradewright.core.ids import InstrumentId
from tradewright.core.session import Span
from tradewright.data.quotes import QuoteBars, first_quote_fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tradewright.adapters.lean.reference import Listing

_SIDE: Final = ("open", "high", "low", "close", "size")
_COLUMNS: Final = tuple(f"{side}_{name}" for side in ("bid", "ask") for name in _SIDE)
_SCHEMA: Final = {"time": pl.String} | dict.fromkeys(_COLUMNS, pl.Float64)
_PRICE_SCALE: Final = 10_000
_NANOS_PER_MILLI: Final = 1_000_000
_MINUTE: Final = 60 * NANOSECONDS
_DAY_MILLIS: Final = 86_400_000
_ZONE: Final = "America/New_York"


def read_quotes(
    folder: Path, instruments: Sequence[InstrumentId], span: Span | None = None
) -> Mapping[InstrumentId, QuoteBars]:
    """Read the minute quote bars of `folder`, which holds `equity/usa/`, for those that have any.

    Raises:
        QualityFailure: A line breaks a rule; names file and line.
        ChecksumMismatch: A zip file is torn.
    """
    root = folder / "equity" / "usa"
    wanted = set(instruments)
    listings = {
        listing.id: listing
        for listing in map(read_map, sorted((root / "map_files").glob("*.csv")))
        if listing.id in wanted
    }
    found: dict[InstrumentId, QuoteBars] = {}
    for instrument in instruments:
        listing = listings.get(instrument) or unmapped(instrument.lower())
        days = [_read_day(path, day) for path, day in _files(root, listing, span)]
        if days:
            start = np.concatenate([part[0] for part in days])
            bid, ask = (np.concatenate([part[i] for part in days], axis=1) for i in (1, 2))
            found[instrument] = QuoteBars(start, start + _MINUTE, bid, ask)
    return found


def _files(root: Path, listing: Listing, span: Span | None) -> Iterator[tuple[Path, date]]:
    for first, last, ticker in listing.periods:
        for path in sorted((root / "minute" / ticker).glob("*_quote.zip")):
            day = to_date(path.name.partition("_")[0], str(path))
            if first <= day <= last and (span is None or day in span):
                yield path, day


def _read_day(path: Path, day: date) -> tuple[IntArray, FloatArray, FloatArray]:
    where, table = _table(path)
    millis = table["time"].cast(pl.Int64, strict=False)
    bad = (millis.is_null() | ~millis.is_between(0, _DAY_MILLIS - 1)).fill_null(value=True)
    if bad.any():
        line = bad.arg_max() or 0
        what = f"{table['time'][line]!r} is no time such as 34200000"
        raise QualityFailure(f"{where} line {line + 1}", what, MEND_LINE)
    clock = millis.to_numpy()
    close = np.flatnonzero(np.diff(clock) < _MINUTE // _NANOS_PER_MILLI)
    if close.size:
        what = "starts less than a minute after the line before it"
        raise QualityFailure(f"{where} line {int(close[0]) + 2}", what, MEND_LINE)
    bid, ask = (
        table.select([f"{side}_{name}" for name in _SIDE]).to_numpy().T.copy()
        for side in ("bid", "ask")
    )
    for prices in (bid, ask):
        prices[:4] /= _PRICE_SCALE
    fault = first_quote_fault(bid, ask)
    if fault is not None:
        raise QualityFailure(f"{where} line {fault[0] + 1}", fault[1], MEND_LINE)
    return _to_utc(day, clock), bid, ask


def _table(path: Path) -> tuple[str, pl.DataFrame]:
    try:
        with zipfile.ZipFile(path) as archive:
            name = archive.namelist()[0]
            content = archive.read(name)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, IndexError, RuntimeError) as error:
        raise ChecksumMismatch(str(path), f"is torn: {error}", "copy the file again") from error
    where = f"{path}:{name}"
    try:
        return where, pl.read_csv(content, has_header=False, schema=_SCHEMA, quote_char=None)
    except pl.exceptions.PolarsError as error:
        what = f"is not lines of a time, five numbers of the bid and five of the ask: {error}"
        raise QualityFailure(where, what, "copy the file again") from error


def _to_utc(day: date, millis: IntArray) -> IntArray:
    # Milliseconds of the local clock, as the files of trades count them.
    midnight = pl.Series([day]).cast(pl.Datetime("ns"))
    local = midnight.cast(pl.Int64).to_numpy() + millis * _NANOS_PER_MILLI
    naive = pl.Series(local).cast(pl.Datetime("ns"))
    zoned = naive.dt.replace_time_zone(_ZONE, ambiguous="earliest", non_existent="null")
    return zoned.dt.convert_time_zone("UTC").cast(pl.Int64).to_numpy()
