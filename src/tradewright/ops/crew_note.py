"""The note that a crew leaves while it runs: who is in it, where each listens, where the logs are.

A lock says whether the note is true: the system gives it back when its holder dies, however it
died, so a note without a holder is of a crew that is gone.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from tradewright.core.errors import ConfigError

_NOTE: Final = "up.json"
_LOCK: Final = "up.lock"
_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Sailor:
    """A member of a crew that runs."""

    name: str
    pid: int
    url: str
    log: str
    ready: bool


@dataclass(frozen=True, slots=True)
class CrewNote:
    """A crew that runs: the process that leads it, since when, and its members."""

    pid: int
    started: str
    ready: bool
    members: tuple[Sailor, ...]


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Be the crew of a state folder until the end of the block.

    Raises:
        ConfigError: There is one already, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        remedy = "choose another with TRADEWRIGHT_STATE_DIR, or mend its permissions"
        raise ConfigError(f"{folder} cannot be written: {error.strerror}", remedy) from error
    try:
        if not _taken(descriptor):
            remedy = "see `tradewright status`, or stop them with `tradewright down`"
            raise ConfigError(f"services already run in {folder}", remedy)
        try:
            yield
        finally:
            (folder / _NOTE).unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    for _ in range(_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            # Who looks whether it is held has it for a moment.
            select.select([], [], [], 0.05)
        else:
            return True
    return False


def is_held(folder: Path) -> bool:
    """Whether a crew runs in a state folder."""
    try:
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def write(folder: Path, note: CrewNote) -> None:
    """Leave a note in the place of the last one."""
    path = folder / _NOTE
    fresh = path.with_suffix(".tmp")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(asdict(note), stream, indent=1)
    fresh.replace(path)


def read(folder: Path) -> CrewNote | None:
    """Return the note of the crew that runs in a state folder; None if there is none."""
    if not is_held(folder):
        return None
    try:
        found = json.loads((folder / _NOTE).read_text(encoding="utf-8"))
        members = tuple(Sailor(**one) for one in found.pop("members"))
        return CrewNote(**found, members=members)
    except (OSError, ValueError, TypeError, KeyError):
        # It is being written for the first time.
        return None
