"""Markets: a folder of data to its reader, and what a run is shown of it."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.adapters.csv import CsvStore
from tradewright.adapters.lean import LeanStore
from tradewright.adapters.lean.quotes import read_quotes
from tradewright.adapters.parquet import ParquetStore
from tradewright.core.errors import DataError, MissingData, UnknownName
from tradewright.core.session import Span, Timeframe
from tradewright.data.calendars import market_calendar
from tradewright.data.detail import detailed
from tradewright.data.history import MarketData
from tradewright.data.sample import SIMULATED, sample_market
from tradewright.engine.run import rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tradewright.core.frames import BarFrame
    from tradewright.core.ids import InstrumentId
    from tradewright.data.quotes import QuoteBars
    from tradewright.engine.run import RunSpec
    from tradewright.ports import BarReader, BarStore

FORMATS: Final = ("lean", "csv", "parquet")
SAMPLE_LABEL: Final = "simulated sample market"


def bar_reader(folder: Path, fmt: str | None = None) -> BarReader:
    """Open a folder of market data; its format is told by what lies in it, unless given.

    Raises:
        MissingData: The folder is not there or holds no known format.
        UnknownName: The format given is not known.
    """
    found = fmt or _format(folder)
    if found == "lean":
        return LeanStore(folder)
    if found == "csv":
        return CsvStore(folder)
    if found == "parquet":
        return ParquetStore(folder)
    raise UnknownName("format", found, FORMATS)


def bar_store(folder: Path) -> BarStore:
    """Open a folder for writing, in the platform's own format."""
    return ParquetStore(folder)


def _format(folder: Path) -> str:
    if not folder.is_dir():
        raise MissingData(str(folder), "is not a folder", "give the folder of the market data")
    if (folder / "equity" / "usa").is_dir():
        return "lean"
    if (folder / "manifest.json").is_file() or (folder / ".decided").exists():
        return "parquet"
    if any((folder / timeframe.value).is_dir() for timeframe in Timeframe):
        return "csv"
    raise MissingData(
        str(folder),
        "holds no market data in a known format",
        "LEAN has equity/usa, parquet has manifest.json, CSV has day/SYMBOL.csv",
    )


def load_market(
    folder: Path | None,
    *,
    symbols: Sequence[str] = (),
    timeframe: Timeframe = Timeframe.DAY,
    span: Span | None = None,
    fmt: str | None = None,
) -> MarketData:
    """Load a market from a folder, or simulate the sample market without one.

    Raises:
        UnknownName: A symbol is not there.
        DataError: What is there cannot be trusted; nothing is returned.
    """
    if folder is None:
        return _sample(symbols, timeframe)
    with _readable(folder):
        return _stored(bar_reader(folder, fmt), str(folder), symbols, timeframe, span)


def load_detail(folder: Path | None, market: MarketData, spec: RunSpec) -> MarketData:
    """Return the market with the finer bars beside it that a spec's orders fill on.

    They are read from the folder that the market is of, for the run's dates and for what trades
    in them. A spec that fills on the bars it decides on is given the market as it is.

    Raises:
        DataError: They are not there for an instrument and session that trade, or cannot be
            trusted; nothing is returned.
    """
    if spec.detail is None:
        return market
    if folder is None:
        what = f"has no {spec.detail} bars that add up to its {spec.timeframe} bars"
        raise MissingData(market.label, what, "give a folder that holds both with --data")
    frame, rows = market.frame, rows_of(spec, market).lives
    span = Span(frame.session_of(rows[0]).date, frame.session_of(rows[-1]).date)
    closes = frame.close[rows.start : rows.stop]
    trade = [name for name in frame.instruments if not np.isnan(closes[:, frame.index(name)]).all()]
    bars = replace(frame.rows(0, 0), timeframe=spec.detail)
    # What is lacking is told by name and date, whether some of it is or all.
    with _readable(folder), suppress(MissingData):
        bars = _read_all(bar_reader(folder), trade, spec.detail, span) if trade else bars
    return detailed(market, bars, rows)


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = str(error.filename or folder)
        what = f"cannot be read: {error.strerror or error}"
        raise DataError(where, what, "give a folder of files that may be read") from error


def load_quotes(
    folder: Path | None, instruments: Sequence[InstrumentId], span: Span | None = None
) -> Mapping[InstrumentId, QuoteBars]:
    """Load the quote bars that a folder has of instruments; only LEAN folders have any.

    Raises:
        DataError: What is there cannot be trusted; nothing is returned.
    """
    if folder is None or not isinstance(bar_reader(folder), LeanStore):
        return {}
    return read_quotes(folder, instruments, span)


def _stored(
    reader: BarReader,
    label: str,
    symbols: Sequence[str],
    timeframe: Timeframe,
    span: Span | None,
) -> MarketData:
    stored = {instrument.symbol: instrument for instrument in reader.instruments()}
    wanted = list(dict.fromkeys(symbol.upper() for symbol in symbols))
    for symbol in wanted:
        if symbol not in stored:
            raise UnknownName("symbol", symbol, list(stored))
    ids = [stored[symbol].id for symbol in wanted or sorted(stored)]
    frame = reader.read(ids, timeframe, span) if wanted else _read_all(reader, ids, timeframe, span)
    by_id = {instrument.id: instrument for instrument in stored.values()}
    chosen = {name: by_id[name] for name in frame.instruments}
    return MarketData(
        frame=frame,
        instruments=chosen,
        actions=tuple(reader.actions(list(chosen))),
        calendar=market_calendar("XNYS"),
        label=label,
        simulated=all(instrument.venue == SIMULATED for instrument in chosen.values()),
    )


def _read_all(
    reader: BarReader, ids: Sequence[InstrumentId], timeframe: Timeframe, span: Span | None
) -> BarFrame:
    try:
        return reader.read(ids, timeframe, span)
    except MissingData:
        # Not every instrument need have bars of this length; those that have none are left out.
        having = [name for name in ids if _has_bars(reader, name, timeframe, span)]
        if not having:
            raise
        return reader.read(having, timeframe, span)


def _has_bars(
    reader: BarReader, name: InstrumentId, timeframe: Timeframe, span: Span | None
) -> bool:
    try:
        reader.read([name], timeframe, span)
    except MissingData:
        return False
    return True


def _sample(symbols: Sequence[str], timeframe: Timeframe) -> MarketData:
    sample = sample_market(timeframe=timeframe)
    known = {instrument.symbol: instrument for instrument in sample.instruments}
    wanted = [symbol.upper() for symbol in symbols] or list(known)
    for symbol in wanted:
        if symbol not in known:
            raise UnknownName("symbol", symbol, list(known))
    chosen = {known[symbol].id: known[symbol] for symbol in wanted}
    return MarketData(
        frame=sample.frame.columns(list(chosen)),
        instruments=chosen,
        actions=tuple(action for action in sample.actions if action.instrument in chosen),
        calendar=sample.calendar,
        label=SAMPLE_LABEL,
        simulated=True,
    )
