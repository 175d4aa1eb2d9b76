"""Runs that were kept: a run folder found by its id, the beginning of it, or `latest`.

Only what `archive` wrote is read, and nothing is recomputed: a run reads the same when the data
or the code has moved on.
"""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tradewright.core.errors import InvalidInput, MissingData

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewright.core.frames import FloatArray

SUMMARY: Final = "summary.json"
_LATEST: Final = "latest"
_REMEDY: Final = "`tradewright runs list` shows what there is"


class Since(StrEnum):
    """What has become of a file since a run: the same, changed, or gone from its place."""

    SAME = "same"
    CHANGED = "changed"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class KeptStrategy:
    """The file of a user's own strategy: where it was, and where the text that was run is kept."""

    path: Path
    sha256: str
    kept: Path
    wanted: str

    @property
    def since(self) -> Since:
        """What is in its place now, against what was run."""
        try:
            now = hashlib.sha256(self.path.read_bytes()).hexdigest()
        except OSError:
            return Since.GONE
        return Since.SAME if now == self.sha256 else Since.CHANGED

    @property
    def again(self) -> str:
        """What `--strategy` has to be for the same text: the kept one, with the class named."""
        return f"{self.kept}:{self.wanted}" if self.wanted else str(self.kept)


@dataclass(frozen=True, slots=True)
class KeptRun:
    """One run folder; each file is read when it is asked for."""

    path: Path

    @property
    def id(self) -> str:
        """The run's id, which is the folder's name."""
        return self.path.name

    def body(self, name: str) -> Mapping[str, Any]:
        """Return a JSON file of the folder, as `summary.json`.

        Raises:
            MissingData: The file is not there, or is no JSON.
        """
        try:
            known: Mapping[str, Any] = json.loads(self._text(name))
        except ValueError as error:
            raise MissingData(str(self.path / name), "is no JSON", "run again") from error
        return known

    def rows(self, name: str) -> list[dict[str, str]]:
        """Return a table of the folder, as `orders.csv`, every cell as its text.

        Raises:
            MissingData: The file is not there.
        """
        return list(csv.DictReader(self._text(name).splitlines()))

    def equity(self) -> tuple[Sequence[date], FloatArray]:
        """Return the dates and the equity of each session.

        Raises:
            MissingData: `equity.csv` is not there.
        """
        rows = self.rows("equity.csv")
        dates = tuple(date.fromisoformat(row["session"]) for row in rows)
        return dates, np.array([float(row["equity"] or "nan") for row in rows])

    def strategy(self) -> KeptStrategy | None:
        """Return the file of the strategy that was run, None where it was one that ships.

        Raises:
            MissingData: `spec.json` is not there, or is no JSON.
        """
        known = self.body("spec.json")
        own = known.get("strategy_file")
        if not own:
            return None
        name, colon, wanted = str(known["spec"]["strategy"]).rpartition(":")
        wanted = wanted if colon and name.endswith(".py") else ""
        return KeptStrategy(Path(own["path"]), own["sha256"], self.path / own["kept"], wanted)

    def _text(self, name: str) -> str:
        try:
            return (self.path / name).read_text(encoding="utf-8")
        except OSError as error:
            what = f"cannot be read: {error.strerror}"
            raise MissingData(str(self.path / name), what, "run again with this version") from error


def kept_runs(root: Path) -> list[KeptRun]:
    """Return the runs under a folder, newest first by their ids; none where it is not there."""
    if not root.is_dir():
        return []
    found = [
        path
        for path in root.iterdir()
        if not path.is_symlink() and not path.name.startswith(".") and (path / SUMMARY).is_file()
    ]
    return [KeptRun(path) for path in sorted(found, key=lambda path: path.name, reverse=True)]


def kept_run(root: Path, name: str) -> KeptRun:
    """Return the run of an id, of the beginning of one, or the `latest`.

    Raises:
        InvalidInput: There is no such run, or several begin like that.
    """
    if name == _LATEST:
        latest = root / _LATEST
        if (latest / SUMMARY).is_file():
            return KeptRun(latest.resolve())
        raise InvalidInput("RUN", name, f"is not there: no run is kept in {root}", "run a backtest")
    runs = kept_runs(root)
    found = [run for run in runs if run.id == name] or [r for r in runs if r.id.startswith(name)]
    if not name or not found:
        raise InvalidInput("RUN", name, f"names no run in {root}", _REMEDY)
    if len(found) > 1:
        among = ", ".join(run.id for run in found[:3])
        raise InvalidInput("RUN", name, f"begins {len(found)} runs ({among})", "give more of it")
    return found[0]
