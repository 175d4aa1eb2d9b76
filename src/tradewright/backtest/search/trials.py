"""Trials as they are kept: a folder that a killed search leaves readable and resumable.

`search.json` says what is searched, `trials.jsonl` has one line a trial in the order of their
numbers, and `returns.f64` the returns of each session of every trial that ran. A trial counts
once its line is whole; a line that was cut short, and returns without a line, are dropped by the
next writer. Nothing in the two files depends on how many workers there were or how often the
search was stopped, so equal searches leave equal files.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tradewright.core.errors import ChecksumMismatch, ConfigError, InvalidInput, MissingData
from tradewright.data.durable import write_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tradewright.core.frames import FloatArray
    from tradewright.core.records import Body

SPEC: Final = "search.json"
LINES: Final = "trials.jsonl"
RETURNS: Final = "returns.f64"
_LOCK: Final = ".lock"
_MODE: Final = 0o644
_FLOAT: Final = 8


class State(StrEnum):
    """How a trial ended: only one that is `done` has values to be compared."""

    DONE = "done"
    THIN = "thin"
    """It traded less often than was demanded."""
    REFUSED = "refused"
    """The strategy does not take these parameters."""
    FAILED = "failed"
    """The strategy's own code broke."""


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One set of parameters and what it came to.

    `values` are those of the objectives, None where there is none; `measures` all numbers of the
    run. `returns` are simple returns, shape (sessions,), None where it did not run.
    """

    number: int
    parameters: Mapping[str, str]
    state: State
    values: tuple[float | None, ...]
    measures: Mapping[str, float | None]
    reason: str = ""
    returns: FloatArray | None = None

    @property
    def objective(self) -> float | None:
        """The value of the first objective."""
        return self.values[0]

    @property
    def counts(self) -> bool:
        """Whether it can be compared: it is done and every objective has a value."""
        return self.state is State.DONE and None not in self.values

    def body(self) -> Body:
        """Return its line as JSON-ready values, without the returns."""
        return {
            "number": self.number,
            "parameters": dict(self.parameters),
            "state": self.state.value,
            "values": list(self.values),
            "measures": dict(self.measures),
            "reason": self.reason,
            "ran": self.returns is not None,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """A search that was kept: what was searched, and its trials by number.

    `sessions` are the dates that the returns are of.
    """

    path: Path
    spec: Mapping[str, Any]
    sessions: Sequence[date]
    trials: Sequence[Trial]

    @property
    def returns(self) -> FloatArray:
        """Returns of all trials that ran, in their order, shape (sessions, trials that ran)."""
        ran = [trial.returns for trial in self.trials if trial.returns is not None]
        return np.stack(ran, axis=1) if ran else np.empty((len(self.sessions), 0))


def read_trials(folder: Path) -> Trials:
    """Read what is kept of a search, whether it has ended or not.

    Raises:
        MissingData: The folder does not hold a whole search.
        ChecksumMismatch: A line or the returns are not what was written.
    """
    spec = _spec(folder)
    sessions = [date.fromisoformat(day) for day in spec["sessions"]]
    bodies, _ = _lines(folder / LINES)
    try:
        known = np.fromfile(folder / RETURNS, dtype="<f8")
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
        raise MissingData(str(folder / RETURNS), what, "give the folder of a search") from error
    rows = known[: len(known) // len(sessions) * len(sessions)].reshape(-1, len(sessions))
    return Trials(folder, spec, sessions, _trials(folder, bodies, rows))


class TrialFolder:
    """The folder of one search, open for writing by this process alone."""

    def __init__(self, path: Path, sessions: int) -> None:
        """Stand before a folder that is there; `opened` cuts off what was left half written."""
        self.path = path
        self._sessions = sessions

    @classmethod
    def made(cls, path: Path, spec: Body) -> TrialFolder:
        """Make the folder of a search that begins; `spec` names its `sessions`.

        Raises:
            ConfigError: The folder is there already or cannot be written.
        """
        try:
            path.mkdir(parents=True)
        except OSError as error:
            what = f"{path} cannot be made: {error.strerror}"
            raise ConfigError(what, "make room or choose another folder") from error
        text = json.dumps(spec, indent=2, allow_nan=False) + "\n"
        for name, content in ((LINES, ""), (RETURNS, ""), (SPEC, text)):
            write_file(path / name, content.encode(), _MODE)
        days = spec["sessions"]
        return cls(path, len(days) if isinstance(days, list) else 0)

    @contextmanager
    def opened(self) -> Iterator[Sequence[Trial]]:
        """Hold the folder; what is yielded are the trials that are whole in it.

        Raises:
            InvalidInput: Another process runs this search.
            ChecksumMismatch: What is there is not what was written.
            ConfigError: The folder cannot be written.
        """
        try:
            lock = (self.path / _LOCK).open("w")
        except OSError as error:
            raise self._unwritable(error) from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                rule = "is being run by another process"
                raise InvalidInput("SEARCH", self.path.name, rule, "wait for its end") from error
            yield self._whole()

    def append(self, trials: Sequence[Trial]) -> None:
        """Append trials durably: all their returns, then their lines.

        Raises:
            ConfigError: The folder cannot be written.
        """
        ran = [trial.returns for trial in trials if trial.returns is not None]
        lines = "".join(_line(trial) for trial in trials)
        try:
            if ran:
                rows = np.stack(ran).astype("<f8")
                _append(self.path / RETURNS, rows.tobytes())
            _append(self.path / LINES, lines.encode())
        except OSError as error:
            raise self._unwritable(error) from error

    def _whole(self) -> Sequence[Trial]:
        bodies, length = _lines(self.path / LINES)
        ran = sum(1 for body in bodies if body["ran"])
        try:
            _cut(self.path / LINES, length)
            _cut(self.path / RETURNS, ran * self._sessions * _FLOAT)
        except OSError as error:
            raise self._unwritable(error) from error
        return read_trials(self.path).trials

    def _unwritable(self, error: OSError) -> ConfigError:
        what = f"{self.path} cannot be written: {error.strerror}"
        return ConfigError(what, "make room or make the folder writable")


def is_held(folder: Path) -> bool:
    """Say whether a process is running the search of a folder."""
    try:
        with (folder / _LOCK).open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _spec(folder: Path) -> Mapping[str, Any]:
    try:
        known: Mapping[str, Any] = json.loads((folder / SPEC).read_text(encoding="utf-8"))
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
        raise MissingData(str(folder / SPEC), what, "give the folder of a search") from error
    except ValueError as error:
        raise ChecksumMismatch(str(folder / SPEC), "is no JSON", "search again") from error
    return known


def _line(trial: Trial) -> str:
    return json.dumps(trial.body(), allow_nan=False, separators=(",", ":")) + "\n"


def _lines(path: Path) -> tuple[list[dict[str, Any]], int]:
    # The whole lines, and how many bytes they take: what follows them was cut short.
    try:
        content = path.read_bytes()
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
        raise MissingData(str(path), what, "give the folder of a search") from error
    length = content.rfind(b"\n") + 1
    bodies: list[dict[str, Any]] = []
    for place, line in enumerate(content[:length].splitlines()):
        try:
            body = json.loads(line)
        except ValueError:
            body = None
        if not isinstance(body, dict) or body.get("number") != place:
            what = f"line {place + 1} is not trial {place}"
            raise ChecksumMismatch(str(path), what, "search again")
        bodies.append(body)
    return bodies, length


def _trials(folder: Path, bodies: Sequence[Mapping[str, Any]], rows: FloatArray) -> list[Trial]:
    found: list[Trial] = []
    ran = 0
    for body in bodies:
        returns = None
        if body["ran"]:
            if ran >= len(rows):
                what = f"has no returns of trial {body['number']}"
                raise ChecksumMismatch(str(folder / RETURNS), what, "search again")
            returns = rows[ran]
            ran += 1
        found.append(
            Trial(
                body["number"],
                body["parameters"],
                State(body["state"]),
                tuple(body["values"]),
                body["measures"],
                body["reason"],
                returns,
            )
        )
    return found


def _append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _cut(path: Path, length: int) -> None:
    with path.open("rb+") as file:
        if file.seek(0, os.SEEK_END) > length:
            file.truncate(length)
            os.fsync(file.fileno())
