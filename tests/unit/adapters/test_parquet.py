from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.frames import frame_of
from tradewright.adapters.parquet import ParquetStore
from tradewright.core.errors import ChecksumMismatch, ConfigError, InvalidInput, MissingData
from tradewright.core.ids import InstrumentId
from tradewright.core.instrument import Instrument
from tradewright.core.session import Timeframe

A, B = InstrumentId("A"), InstrumentId("B")
INSTRUMENTS = [Instrument(A, "A"), Instrument(B, "B")]


@pytest.fixture
def store(tmp_path: Path) -> ParquetStore:
    filled = ParquetStore(tmp_path / "market")
    filled.write(frame_of({"A": [1.0, 2.0, 3.0], "B": [4.0, 5.0, 6.0]}), INSTRUMENTS, [])
    return filled


def test_files_are_plain_parquet(store: ParquetStore) -> None:
    table = pl.read_parquet(store.folder / "day" / "A.parquet")
    assert table["close"].to_list() == [1, 2, 3]
    assert str(table["start"][0]) == "2013-11-04 14:30:00+00:00"
    assert str(table["session"][0]) == "2013-11-04"


def test_manifest_counts_rows(store: ParquetStore) -> None:
    manifest = json.loads((store.folder / "manifest.json").read_text())
    assert manifest["schema"] == 1
    assert manifest["files"]["day/A.parquet"]["rows"] == 3
    assert len(manifest["files"]["day/A.parquet"]["sha256"]) == 64


def altered(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


@pytest.mark.parametrize("damage", [altered, torn, Path.unlink])
@pytest.mark.parametrize("name", ["day/A.parquet", "sessions.parquet"])
def test_damaged_file_is_named_with_the_remedy(store: ParquetStore, damage, name) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    damage(store.folder / name)
    with pytest.raises(ChecksumMismatch) as refused:
        store.read([B, A], Timeframe.DAY)
    assert str(refused.value).startswith(str(store.folder / name))
    assert f"tradewright data import SOURCE --to {store.folder}" in str(refused.value)


def test_damage_elsewhere_does_not_matter(store: ParquetStore) -> None:
    altered(store.folder / "day" / "A.parquet")
    assert store.read([B], Timeframe.DAY).close[:, 0].tolist() == [4, 5, 6]


def test_damaged_actions_are_named(store: ParquetStore) -> None:
    (store.folder / "actions.json").write_text("[1]")
    with pytest.raises(ChecksumMismatch, match=r"actions\.json"):
        store.actions([A])


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 1}', '{"files": {"a": 1}}'])
def test_damaged_manifest_is_named(store: ParquetStore, text: str) -> None:
    (store.folder / "manifest.json").write_text(text)
    with pytest.raises(ChecksumMismatch, match=r"manifest\.json: cannot be read"):
        store.instruments()


def test_manifest_of_another_schema_is_refused(store: ParquetStore) -> None:
    path = store.folder / "manifest.json"
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 2'))
    with pytest.raises(ChecksumMismatch, match="has schema 2, not 1"):
        store.instruments()


def test_file_that_the_manifest_does_not_name_is_not_there(store: ParquetStore) -> None:
    (store.folder / "day" / "C.parquet").write_bytes(b"")
    with pytest.raises(MissingData, match="has no day bars of C; choose from: A, B"):
        store.read([InstrumentId("C")], Timeframe.DAY)


def test_time_when_bars_are_known_is_kept(tmp_path: Path) -> None:
    frame = frame_of({"A": [1.0, 2.0]})
    late = replace(frame, known_at=frame.end + 60_000_000_000)
    store = ParquetStore(tmp_path)
    store.write(late, INSTRUMENTS, [])
    assert np.array_equal(store.read([A], Timeframe.DAY).known_at, late.known_at)


def test_sessions_of_another_market_are_refused(store: ParquetStore) -> None:
    frame = frame_of({"A": [1.0]})
    odd = replace(frame, sessions=(replace(frame.sessions[0], early_close=True),))
    with pytest.raises(InvalidInput, match="keep every market in a folder of its own"):
        store.write(odd, INSTRUMENTS, [])
    assert len(store.read([A], Timeframe.DAY)) == 3


def test_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        ParquetStore(tmp_path / "file" / "market").write(frame_of({"A": [1.0]}), INSTRUMENTS, [])
