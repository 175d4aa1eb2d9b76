"""Market data as Parquet files: the platform's own store.

`day/SPY.parquet` holds one instrument's bars from its first to its last; `manifest.json` counts
the rows of every file and knows its SHA-256, so that a torn or altered file is found before a
number of it is used. Files that the manifest does not name are not there.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import numpy as np
import polars as pl

from tradewright.core.errors import ChecksumMismatch, InvalidInput, MissingData
from tradewright.core.frames import FIELDS, from_nanos, to_nanos
from tradewright.core.session import Session, Timeframe
from tradewright.data.assembly import BarSeries, Times, assemble, cut, session_days
from tradewright.data.durable import settle, write_all
from tradewright.data.quality import admit
from tradewright.data.reference import action_row, instrument_row, parse_action, parse_instrument

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tradewright.core.frames import BarFrame
    from tradewright.core.ids import InstrumentId
    from tradewright.core.instrument import Instrument
    from tradewright.core.market import CorporateAction
    from tradewright.core.session import Span

SCHEMA: Final = 1
_MANIFEST: Final = "manifest.json"
_SESSIONS: Final = "sessions.parquet"
_ACTIONS: Final = "actions.json"
_UTC: Final = pl.Datetime("ns", "UTC")
_STAMPS: Final = ("start", "end", "known_at")


@dataclass(frozen=True, slots=True)
class _File:
    """What the manifest knows of a file."""

    sha256: str
    rows: int


@dataclass(frozen=True, slots=True)
class _Manifest:
    """Files by their path below the folder, and the instruments by id."""

    files: dict[str, _File] = field(default_factory=dict)
    instruments: dict[str, Instrument] = field(default_factory=dict)


class ParquetStore:
    """Bars, instruments and actions in a folder of Parquet files with checksums."""

    def __init__(self, folder: Path) -> None:
        """Read and write `folder`."""
        self.folder = folder

    def instruments(self) -> Sequence[Instrument]:
        """List the instruments that have bars, by symbol."""
        return sorted(self._manifest().instruments.values(), key=lambda i: i.symbol)

    def read(
        self, instruments: Sequence[InstrumentId], timeframe: Timeframe, span: Span | None = None
    ) -> BarFrame:
        """Read raw bars as one frame over the union of their times, NaN where none.

        Raises:
            MissingData: An instrument or time frame is not stored, or nothing is in the span.
            ChecksumMismatch: A file is not as it was written.
        """
        manifest = self._manifest()
        for instrument in instruments:
            if _path(timeframe, instrument) not in manifest.files:
                raise self._lacks(instrument, timeframe, manifest)
        found = {
            instrument: series.within(span)
            for instrument, series in self._series(instruments, timeframe, manifest)
        }
        return assemble(timeframe, found)

    def actions(self, instruments: Sequence[InstrumentId]) -> Sequence[CorporateAction]:
        """Read the corporate actions of the instruments, by date then instrument."""
        wanted = set(instruments)
        found = [a for a in self._actions(self._manifest()) if a.instrument in wanted]
        return sorted(found, key=lambda action: (action.ex_date, action.instrument))

    def write(
        self,
        frame: BarFrame,
        instruments: Sequence[Instrument],
        actions: Sequence[CorporateAction],
    ) -> None:
        """Write a frame, replacing its instruments' bars of its time frame and their actions.

        Raises:
            QualityFailure: A bar breaks a rule; nothing is written.
            InvalidInput: An instrument is not described, or a session differs from the one
                stored for its date; nothing is written.
            ConfigError: The folder cannot be written; it holds what it held.
        """
        admit(frame, instruments)
        manifest = self._manifest() if (self.folder / _MANIFEST).exists() else _Manifest()
        files = {
            _path(frame.timeframe, instrument): _bars(cut(frame, column))
            for column, instrument in enumerate(frame.instruments)
        }
        files[_SESSIONS] = _session_table(self._joined_sessions(frame, manifest))
        mine = set(frame.instruments)
        kept = [a for a in self._actions(manifest) if a.instrument not in mine]
        happened = kept + [a for a in actions if a.instrument in mine]
        files[_ACTIONS] = len(happened), json.dumps([action_row(a) for a in happened]).encode()
        manifest.instruments.update({i.id: i for i in instruments if i.id in mine})
        for name, (rows, content) in files.items():
            manifest.files[name] = _File(hashlib.sha256(content).hexdigest(), rows)
        contents = [(name, content) for name, (_, content) in files.items()]
        write_all(self.folder, [*contents, (_MANIFEST, _written(manifest))])

    def _manifest(self) -> _Manifest:
        settle(self.folder)
        path = self.folder / _MANIFEST
        if not path.is_file():
            raise MissingData(
                str(self.folder),
                f"holds no market data ({_MANIFEST} is missing)",
                "fill it with: tradewright data import SOURCE --to FOLDER",
            )
        try:
            body = json.loads(path.read_bytes())
            files = {name: _File(**known) for name, known in body["files"].items()}
            described = [parse_instrument(one) for one in body["instruments"]]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _torn(self.folder, _MANIFEST, f"cannot be read: {error}") from error
        if body.get("schema") != SCHEMA:
            what = f"has schema {body.get('schema')}, not {SCHEMA}"
            raise _torn(self.folder, _MANIFEST, what)
        return _Manifest(files, {one.id: one for one in described})

    def _lacks(
        self, instrument: InstrumentId, timeframe: Timeframe, manifest: _Manifest
    ) -> MissingData:
        have = sorted(i for i in manifest.instruments if _path(timeframe, i) in manifest.files)
        return MissingData(
            str(self.folder),
            f"has no {timeframe} bars of {instrument}",
            f"choose from: {', '.join(have[:20]) or 'none'}",
        )

    def _content(self, name: str, manifest: _Manifest) -> bytes:
        try:
            content = (self.folder / name).read_bytes()
        except OSError as error:
            raise _torn(self.folder, name, f"cannot be read: {error}") from error
        if hashlib.sha256(content).hexdigest() != manifest.files[name].sha256:
            raise _torn(self.folder, name, "is not what was written: its SHA-256 differs")
        return content

    def _series(
        self, instruments: Sequence[InstrumentId], timeframe: Timeframe, manifest: _Manifest
    ) -> Iterator[tuple[InstrumentId, BarSeries]]:
        if not instruments:
            return
        names = [_path(timeframe, instrument) for instrument in instruments]
        # All files in one call: the reader works on them side by side.
        table = pl.read_parquet([self._content(name, manifest) for name in names])
        sessions = self._sessions(manifest)
        session = np.searchsorted(session_days(sessions), table["session"].to_numpy())
        stamps = [table[name].cast(pl.Int64).to_numpy() for name in _STAMPS]
        values = np.stack([table[name].to_numpy() for name in FIELDS])
        first = 0
        for instrument, name in zip(instruments, names, strict=True):
            rows = slice(first, first + manifest.files[name].rows)
            times = Times(sessions, session[rows], *(stamp[rows] for stamp in stamps))
            yield instrument, BarSeries(times, values[:, rows])
            first = rows.stop

    def _sessions(self, manifest: _Manifest) -> tuple[Session, ...]:
        if _SESSIONS not in manifest.files:
            return ()
        table = pl.read_parquet(self._content(_SESSIONS, manifest))
        opens, closes = (table[name].cast(pl.Int64).to_list() for name in ("open", "close"))
        rows = zip(table["date"].to_list(), opens, closes, table["early_close"], strict=True)
        return tuple(
            Session(day, from_nanos(opened), from_nanos(closed), early_close=early)
            for day, opened, closed, early in rows
        )

    def _joined_sessions(self, frame: BarFrame, manifest: _Manifest) -> list[Session]:
        every = {session.date: session for session in self._sessions(manifest)}
        for session in frame.sessions:
            if every.setdefault(session.date, session) != session:
                raise InvalidInput(
                    "session",
                    str(session.date),
                    f"has other hours in {self.folder}",
                    "keep every market in a folder of its own",
                )
        return [every[day] for day in sorted(every)]

    def _actions(self, manifest: _Manifest) -> list[CorporateAction]:
        if _ACTIONS not in manifest.files:
            return []
        return [parse_action(row) for row in json.loads(self._content(_ACTIONS, manifest))]


def _path(timeframe: Timeframe, instrument: str) -> str:
    return f"{timeframe}/{quote(instrument, safe=' ')}.parquet"


def _torn(folder: Path, name: str, what: str) -> ChecksumMismatch:
    remedy = f"run again: tradewright data import SOURCE --to {folder}"
    return ChecksumMismatch(str(folder / name), what, remedy)


def _written(manifest: _Manifest) -> bytes:
    body = {
        "schema": SCHEMA,
        "files": {
            name: {"sha256": known.sha256, "rows": known.rows}
            for name, known in sorted(manifest.files.items())
        },
        "instruments": [instrument_row(i) for _, i in sorted(manifest.instruments.items())],
    }
    return json.dumps(body, indent=1).encode()


def _bars(series: BarSeries) -> tuple[int, bytes]:
    times = series.times
    columns = {
        "session": pl.Series(session_days(times.sessions)[times.session]),
    }
    columns |= {name: pl.Series(getattr(times, name)).cast(_UTC) for name in _STAMPS}
    columns |= {name: pl.Series(row) for name, row in zip(FIELDS, series.values, strict=True)}
    return len(times), _parquet(pl.DataFrame(columns))


def _session_table(sessions: Sequence[Session]) -> tuple[int, bytes]:
    table = pl.DataFrame(
        {
            "date": pl.Series([s.date for s in sessions], dtype=pl.Date),
            "open": pl.Series([to_nanos(s.open) for s in sessions], dtype=pl.Int64).cast(_UTC),
            "close": pl.Series([to_nanos(s.close) for s in sessions], dtype=pl.Int64).cast(_UTC),
            "early_close": pl.Series([s.early_close for s in sessions], dtype=pl.Boolean),
        }
    )
    return len(table), _parquet(table)


def _parquet(table: pl.DataFrame) -> bytes:
    content = io.BytesIO()
    table.write_parquet(content, compression="lz4")
    return content.getvalue()
