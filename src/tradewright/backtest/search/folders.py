"""Searches that were kept: found by id, the beginning of one, or `latest`."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tradewright.backtest.search.objective import Objectives
from tradewright.backtest.search.search import ENDED, Why
from tradewright.backtest.search.trials import SPEC, State, is_held, read_trials
from tradewright.backtest.validation.overfitting import deflated_selection
from tradewright.core.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tradewright.backtest.search.trials import Trial, Trials
    from tradewright.core.records import Body, JsonValue

LATEST: Final = "latest"
_REMEDY: Final = "`tradewright search list` shows what there is"
_RUNNING: Final = "running"
_STOPPED: Final = "stopped"
STATES: Final = {
    Why.ALL.value: "all sets tried",
    Why.TRIALS.value: "as many as asked for",
    Why.PATIENCE.value: "ended without a better one for long",
    Why.TIME.value: "ended by time",
    _RUNNING: "running",
    _STOPPED: "stopped before its end",
}
"""What each state of a search means."""


@dataclass(frozen=True, slots=True, eq=False)
class KeptSearch:
    """One search as it is kept, with what it is looking for."""

    kept: Trials

    @property
    def id(self) -> str:
        """Its id, which is the folder's name."""
        return self.kept.path.name

    @property
    def path(self) -> Path:
        """Its folder."""
        return self.kept.path

    @property
    def spec(self) -> dict[str, Any]:
        """What was searched, as `SearchSpec.body` says it."""
        known: dict[str, Any] = self.kept.spec["search"]
        return known

    @property
    def objectives(self) -> Objectives:
        """What it looks for."""
        return Objectives(tuple(self.spec["objectives"]))

    @property
    def trials(self) -> Sequence[Trial]:
        """Its trials by number."""
        return self.kept.trials

    @property
    def best(self) -> list[Trial]:
        """The best trial, or those that none beats where there are several objectives."""
        return self.objectives.best(self.trials)

    @property
    def state(self) -> str:
        """How it ended: all, trials, patience or time; or that it is running, or was stopped."""
        if is_held(self.path):
            return _RUNNING
        try:
            known: str = json.loads((self.path / ENDED).read_text(encoding="utf-8"))["why"]
        except (OSError, ValueError, KeyError):
            return _STOPPED
        return known

    def deflated(self) -> Body | None:
        """Return what the best Sharpe ratio is worth after so many trials, None if there is none.

        `deflated` is the probability that it is no luck, `luck` the Sharpe ratio a session that
        the best of as many trials without skill would show.
        """
        try:
            chosen = deflated_selection(self.kept.returns)
        except InvalidInput:
            return None
        ran = [trial for trial in self.trials if trial.returns is not None]
        known = {
            "sharpe": chosen.record.sharpe,
            "luck": chosen.luck,
            "deviation": chosen.deviation,
            "probabilistic": chosen.probabilistic,
            "deflated": chosen.deflated,
        }
        numbers: Body = {name: value if value == value else None for name, value in known.items()}  # noqa: PLR0124 - not NaN
        return {"number": ran[chosen.best].number, "trials": chosen.trials, **numbers}

    def body(self) -> Body:
        """Return what it came to as JSON-ready values."""
        counts = Counter(trial.state for trial in self.trials)
        best = [_brief(trial) for trial in self.best]
        return {
            "id": self.id,
            "folder": str(self.path),
            "state": self.state,
            "strategy": self.spec["run"]["strategy"],
            "data": self.spec["run"]["data"],
            "sampler": self.spec["sampler"],
            "seed": self.spec["seed"],
            "objectives": list(self.objectives.names),
            "sessions": len(self.kept.sessions),
            "trials": len(self.trials),
            "counts": {state.value: counts[state] for state in State if counts[state]},
            "best": best[0] if best else None,
            "front": list(best) if len(self.objectives.names) > 1 else None,
            "deflated_sharpe": self.deflated(),
        }


def kept_searches(root: Path) -> list[KeptSearch]:
    """Return the searches under a folder, newest first by their ids; none where it is not there.

    Raises:
        ChecksumMismatch: One of them is not what was written.
    """
    return [KeptSearch(read_trials(path)) for path in _folders(root)]


def kept_search(root: Path, name: str) -> KeptSearch:
    """Return the search of an id, of the beginning of one, or the `latest`.

    Raises:
        InvalidInput: There is no such search, or several begin like that.
        ChecksumMismatch: It is not what was written.
    """
    known = _folders(root)
    if name == LATEST:
        if not known:
            rule = f"is not there: no search is kept in {root}"
            raise InvalidInput("SEARCH", name, rule, "run one with `tradewright search run`")
        return KeptSearch(read_trials(known[0]))
    found = [path for path in known if path.name == name] or [
        path for path in known if path.name.startswith(name)
    ]
    if not name or not found:
        raise InvalidInput("SEARCH", name, f"names no search in {root}", _REMEDY)
    if len(found) > 1:
        among = ", ".join(path.name for path in found[:3])
        rule = f"begins {len(found)} searches ({among})"
        raise InvalidInput("SEARCH", name, rule, "give more of it")
    return KeptSearch(read_trials(found[0]))


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    found = [path for path in root.iterdir() if (path / SPEC).is_file()]
    return sorted(found, key=lambda path: path.name, reverse=True)


def _brief(trial: Trial) -> dict[str, JsonValue]:
    return {
        "number": trial.number,
        "parameters": dict(trial.parameters),
        "values": list(trial.values),
        "measures": dict(trial.measures),
    }
