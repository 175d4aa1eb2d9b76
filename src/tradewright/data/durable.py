"""Files that are written all together or not at all, whatever breaks in between.

They are staged in a folder beside their places, and one rename of that folder decides: before it
nothing has changed, after it the write only has to be settled, which the next reader does if the
writer could not.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tradewright.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_STAGED = ".staged"
_DECIDED = ".decided"
_LOCK = ".lock"


def write_all(folder: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Write files, given by their paths below `folder`, all or none, durably.

    Raises:
        ConfigError: The folder cannot be written; it holds what it held.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            _settle(folder)
            staged = folder / _STAGED
            shutil.rmtree(staged, ignore_errors=True)
            for name, content in files:
                _write(staged / name, content)
            staged.rename(folder / _DECIDED)
            _sync(folder)
            _settle(folder)
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be written: {error}", "make room or choose another folder"
        ) from error


def settle(folder: Path) -> None:
    """Finish a decided write that was cut short; call it before reading.

    Raises:
        ConfigError: There is one, and the folder cannot be written.
    """
    if not (folder / _DECIDED).is_dir():
        return
    try:
        with _locked(folder):
            _settle(folder)
    except OSError as error:
        raise ConfigError(
            f"{folder} holds a write that was cut short and cannot be finished: {error}",
            "make the folder writable",
        ) from error


def write_file(path: Path, content: bytes, mode: int) -> None:
    """Put a file in its place whole and durably, open to nobody else while it is written.

    Raises:
        ConfigError: The folder cannot be written; what was there is there still.
    """
    draft = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(prefix=".draft-", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(path)
        _sync(path.parent)
    except OSError as error:
        if draft:
            Path(draft).unlink(missing_ok=True)
        what = f"{path} cannot be written: {error.strerror}"
        raise ConfigError(what, "make room, or choose another folder") from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _settle(folder: Path) -> None:
    decided = folder / _DECIDED
    if not decided.is_dir():
        return
    touched = {folder}
    for path in sorted(decided.rglob("*")):
        if path.is_file():
            place = folder / path.relative_to(decided)
            place.parent.mkdir(parents=True, exist_ok=True)
            path.replace(place)
            touched.add(place.parent)
    for parent in touched:
        _sync(parent)
    shutil.rmtree(decided)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
