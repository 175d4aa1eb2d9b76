from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tradewright.core.errors import ConfigError
from tradewright.data.durable import settle, write_all


def contents(folder: Path) -> dict[str, bytes]:
    paths = (p for p in folder.rglob("*") if p.is_file() and p.name != ".lock")
    return {str(p.relative_to(folder)): p.read_bytes() for p in paths}


def test_files_are_written_and_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "some" / "where"
    write_all(folder, [("a.txt", b"1"), ("b/c.txt", b"2")])
    write_all(folder, [("a.txt", b"3")])
    assert contents(folder) == {"a.txt": b"3", "b/c.txt": b"2"}


def test_failure_midway_leaves_everything_as_it_was(tmp_path: Path) -> None:
    write_all(tmp_path, [("a", b"old"), ("b", b"old")])

    def broken() -> Iterator[tuple[str, bytes]]:
        yield "a", b"new"
        raise OSError(28, "No space left on device")

    with pytest.raises(ConfigError, match=r"cannot be written: .*No space left"):
        write_all(tmp_path, broken())
    settle(tmp_path)
    assert {name: contents(tmp_path)[name] for name in ("a", "b")} == {"a": b"old", "b": b"old"}
    write_all(tmp_path, [("c", b"new")])
    assert contents(tmp_path) == {"a": b"old", "b": b"old", "c": b"new"}


def test_decided_write_that_was_cut_short_is_finished(tmp_path: Path) -> None:
    write_all(tmp_path, [("a", b"old"), ("d/b", b"old")])
    # As a process leaves it that died between two of the renames.
    decided = tmp_path / ".decided"
    (decided / "d").mkdir(parents=True)
    (decided / "d" / "b").write_bytes(b"new")
    settle(tmp_path)
    assert contents(tmp_path) == {"a": b"old", "d/b": b"new"}


def test_next_write_finishes_the_one_before(tmp_path: Path) -> None:
    (tmp_path / ".decided").mkdir()
    (tmp_path / ".decided" / "a").write_bytes(b"first")
    write_all(tmp_path, [("b", b"second")])
    assert contents(tmp_path) == {"a": b"first", "b": b"second"}


def test_place_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="choose another folder"):
        write_all(tmp_path / "file", [("a", b"")])
