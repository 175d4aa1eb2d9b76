"""The search itself: asked sets are run, kept, and told, in the order of their numbers.

Answers count in the order in which they were asked for, however many workers there are, so that
the trials, and the trial at which patience ends, are the same. Only a time budget is not.
"""

from __future__ import annotations

import json
from contextlib import closing, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

from tradewright.backtest.search.trials import State, Trial
from tradewright.core.errors import ConfigError
from tradewright.data.durable import write_file

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from tradewright.backtest.search.evaluation import Outcome
    from tradewright.backtest.search.objective import Objectives
    from tradewright.backtest.search.plan import SearchSpec
    from tradewright.backtest.search.samplers import Gains
    from tradewright.backtest.search.space import Set
    from tradewright.backtest.search.trials import TrialFolder
    from tradewright.ports import Clock

ENDED: Final = "ended.json"
_MODE: Final = 0o644
Answers: TypeAlias = "Callable[[Iterable[Sequence[Set]]], Generator[Sequence[Outcome], None, None]]"
"""What an executor gives for the job of a search: the outcomes of pieces of sets, in order."""


class Why(StrEnum):
    """What ended a search."""

    ALL = "all"
    """Nothing is left to try."""
    TRIALS = "trials"
    """As many trials as were asked for."""
    PATIENCE = "patience"
    """No better one for as many trials as were allowed."""
    TIME = "time"
    """The time is up."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a search ended and what it found."""

    why: Why
    trials: Sequence[Trial]
    best: Sequence[Trial]


@dataclass(slots=True)
class _Watch:
    # What was seen so far: the front of the best, and how long nothing joined it.
    objectives: Objectives
    patience: int | None
    trials: list[Trial] = field(default_factory=list)
    best: Trial | None = None
    waited: int = 0
    _front: list[tuple[float, ...]] = field(default_factory=list)

    def sees(self, trial: Trial) -> bool:
        # Whether that was one too many without a better.
        self.trials.append(trial)
        gains = self.objectives.gains(trial)
        covered = gains is None or any(
            all(a >= b for a, b in zip(one, gains, strict=True)) for one in self._front
        )
        self.waited = self.waited + 1 if covered else 0
        if gains is not None and not covered:
            self._front = [
                one for one in self._front if any(a > b for a, b in zip(one, gains, strict=True))
            ]
            self._front.append(gains)
        if self.objectives.better(trial, self.best):
            self.best = trial
        return self.patience is not None and self.waited >= self.patience


class Search:
    """One search over one folder, run once; another run over the same folder resumes it."""

    def __init__(
        self,
        spec: SearchSpec,
        folder: TrialFolder,
        clock: Clock,
        *,
        at_once: int = 1,
        max_seconds: float | None = None,
        progress: Callable[[int, Trial | None], None] | None = None,
    ) -> None:
        """Prepare it; a worker is given `at_once` sets, which changes nothing but the speed.

        `progress` is told how many trials there are and the best so far.
        """
        self._spec = spec
        self._folder = folder
        self._clock = clock
        self._until = None if max_seconds is None else clock.monotonic() + max_seconds
        self._progress = progress or (lambda _done, _best: None)
        self._watch = _Watch(spec.objectives, spec.patience)
        self._at_once = at_once

    def run(self, answers: Answers) -> Ended:
        """Run it to its end, with the answers of the job's executor.

        Raises:
            InvalidInput: Another process runs this search.
            ConfigError: The folder cannot be written, or was made by other versions.
            ChecksumMismatch: What is kept is not what was written.
        """
        with self._folder.opened() as kept:
            ended = self._folder.path / ENDED
            with suppress(FileNotFoundError):
                ended.unlink()
            why = self._lived(kept, answers)
            write_file(ended, (json.dumps({"why": why.value}) + "\n").encode(), _MODE)
        trials = self._watch.trials
        return Ended(why, trials, self._spec.objectives.best(trials))

    def _lived(
        self,
        kept: Sequence[Trial],
        answers: Answers,
    ) -> Why:
        sampler, seen = self._spec.made_sampler(), self._watch.trials
        while batch := sampler.ask():
            first = len(seen)
            limit = self._spec.limit
            wanted = batch if limit is None else batch[: limit - first]
            known = kept[first : first + len(wanted)]
            why = self._remembered(known, wanted) or self._tried(wanted[len(known) :], answers)
            if why is not None:
                return why
            if limit is not None and len(seen) >= limit:
                return Why.TRIALS
            sampler.tell(batch, [self._gains(trial) for trial in seen[first:]])
        return Why.ALL

    def _remembered(self, known: Sequence[Trial], wanted: Sequence[Set]) -> Why | None:
        for trial, chosen in zip(known, wanted, strict=False):
            if dict(trial.parameters) != dict(chosen):
                what = f"trial {trial.number} of {self._folder.path.name} is not asked for again"
                remedy = "it was made by other versions of the libraries: search anew"
                raise ConfigError(what, remedy)
            if self._watch.sees(trial):
                return Why.PATIENCE
        self._progress(len(self._watch.trials), self._watch.best)
        return None

    def _tried(
        self,
        sets: Sequence[Set],
        answers: Answers,
    ) -> Why | None:
        if not sets:
            return None
        if self._is_late():
            return Why.TIME
        size = self._at_once
        pieces = [sets[i : i + size] for i in range(0, len(sets), size)]
        with closing(answers(pieces)) as told:
            for piece, outcomes in zip(pieces, told, strict=False):
                enough = self._counted(piece, outcomes)
                self._progress(len(self._watch.trials), self._watch.best)
                if enough:
                    return Why.PATIENCE
                if self._is_late():
                    return Why.TIME
        return None

    def _counted(self, piece: Sequence[Set], outcomes: Sequence[Outcome]) -> bool:
        found: list[Trial] = []
        enough = False
        for chosen, outcome in zip(piece, outcomes, strict=True):
            trial = self._trial(len(self._watch.trials), chosen, outcome)
            found.append(trial)
            enough = self._watch.sees(trial)
            if enough:
                break
        self._folder.append(found)
        return enough

    def _trial(self, number: int, chosen: Set, outcome: Outcome) -> Trial:
        spec, measures = self._spec, outcome.measures
        state, reason = outcome.state, outcome.reason
        fills = measures.get("fills")
        if state is State.DONE and fills is not None and fills < spec.min_trades:
            state, reason = State.THIN, f"{fills:.0f} fills, at least {spec.min_trades} wanted"
        values = tuple(measures.get(name) for name in spec.objectives.names)
        return Trial(number, dict(chosen), state, values, measures, reason, outcome.returns)

    def _gains(self, trial: Trial) -> Gains:
        return self._spec.objectives.gains(trial)

    def _is_late(self) -> bool:
        return self._until is not None and self._clock.monotonic() >= self._until
