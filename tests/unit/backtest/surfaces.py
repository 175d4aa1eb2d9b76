"""Searches over known surfaces, which take no backtest."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from tests.builders import a_market, a_spec, flat_bars
from tradewright.backtest.choice import Way
from tradewright.backtest.search.evaluation import Outcome
from tradewright.backtest.search.plan import SearchSpec
from tradewright.backtest.search.search import Ended, Search
from tradewright.backtest.search.space import Set, Space, parameters_of
from tradewright.backtest.search.trials import State, TrialFolder
from tradewright.backtest.search.where import rules_of
from tradewright.core.clock import ManualClock

AT = datetime(2026, 1, 5, tzinfo=UTC)
GRID = ("fast=1:40:1", "slow=10:80:2")
FREE = ("x=uniform:0:10", "n=logint:1:1000", "kind=a,b,c")
RUN = a_spec(a_market({"AAA": flat_bars([1.0, 2.0, 3.0])}))


def hill(chosen: Mapping[str, str]) -> float:
    """Highest, 0, at fast 12 and slow 42."""
    fast, slow = float(chosen["fast"]), float(chosen["slow"])
    return -(((fast - 12) / 10) ** 2) - ((slow - 42) / 20) ** 2


def valley(chosen: Mapping[str, str]) -> float:
    """Highest, 0, at x = 7, n = 100, kind b."""
    x, n = float(chosen["x"]), float(chosen["n"])
    return -((x - 7) ** 2) / 10 - math.log10(n / 100) ** 2 - (chosen["kind"] != "b")


def a_search(
    texts: Sequence[str], sampler: str = "grid", where: Sequence[str] = (), **changes: Any
) -> SearchSpec:
    parameters = parameters_of(texts)
    names = [parameter.name for parameter in parameters]
    space = Space(parameters, rules_of(where, names, {}))
    return SearchSpec(run=RUN, space=space, sampler=sampler, way=Way.EVENTS, **changes)


Measured = Callable[[Set], "float | Mapping[str, float | None] | Outcome"]


def answering(surface: Measured) -> Any:
    """Answers of a job that reads values off a surface."""

    def outcome(chosen: Set) -> Outcome:
        value = surface(chosen)
        if isinstance(value, Outcome):
            return value
        known = dict(value) if isinstance(value, Mapping) else {"sharpe": value}
        return Outcome(State.DONE, {"fills": 10.0, **known}, np.full(3, len(known) / 100))

    def answers(pieces: Iterable[Sequence[Set]]) -> Iterator[list[Outcome]]:
        return ([outcome(chosen) for chosen in piece] for piece in pieces)

    return answers


def begun(folder: Path) -> TrialFolder:
    return TrialFolder.made(folder, {"sessions": ["2024-01-02", "2024-01-03", "2024-01-04"]})


def searched(spec: SearchSpec, folder: Path, surface: Measured = hill, **how: Any) -> Ended:
    trials = TrialFolder(folder, 3) if folder.exists() else begun(folder)
    return Search(spec, trials, ManualClock(AT), **how).run(answering(surface))


def written(folder: Path) -> tuple[bytes, bytes]:
    return (folder / "trials.jsonl").read_bytes(), (folder / "returns.f64").read_bytes()
