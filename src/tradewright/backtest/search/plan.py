"""What a search is: the run that is fixed, what is searched, how, and when it is enough."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tradewright.backtest.choice import Way
from tradewright.backtest.search.genetic import Genetic
from tradewright.backtest.search.objective import Objectives
from tradewright.backtest.search.samplers import Grid, Random
from tradewright.backtest.search.space import Steps
from tradewright.core.errors import ConfigError, InvalidInput, UnknownName

if TYPE_CHECKING:
    from tradewright.backtest.search.samplers import Sampler
    from tradewright.backtest.search.space import Parameter, Space
    from tradewright.core.records import Body, JsonValue
    from tradewright.engine.run import RunSpec

SAMPLERS: Final = ("grid", "random", "bayesian", "genetic")
_USUAL: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSpec:
    """Everything that decides which sets are tried and what each comes to.

    `batch` sets are decided on before any of them is known, by the samplers that learn: it, and
    not the number of workers, says how much they know. `trials` and `patience` (trials without
    a better one) end the search; without `trials` a grid is tried whole and others stop at 100.
    """

    run: RunSpec
    space: Space
    sampler: str = "grid"
    objectives: Objectives = field(default_factory=lambda: Objectives(("sharpe",)))
    trials: int | None = None
    seed: int = 0
    batch: int = 16
    min_trades: int = 0
    patience: int | None = None
    way: Way = Way.AUTO

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be, and a sampler that is not known."""
        if self.sampler not in SAMPLERS:
            raise UnknownName("--sampler", self.sampler, SAMPLERS)
        least = {"trials": 1, "seed": 0, "batch": 2, "min_trades": 0, "patience": 1}
        for name, lowest in least.items():
            value: int | None = getattr(self, name)
            if value is not None and value < lowest:
                option = f"--{name.replace('_', '-')}"
                raise InvalidInput(option, value, f"is below {lowest}", f"give {lowest} or more")

    @property
    def limit(self) -> int | None:
        """How many trials there are at most; None where the grid says it."""
        return self.trials or (None if self.sampler == "grid" else _USUAL)

    def made_sampler(self) -> Sampler:
        """Return the sampler, at its beginning.

        Raises:
            InvalidInput: The space has no grid.
            ConfigError: What the sampler is made of is not installed.
        """
        if self.sampler == "grid":
            return Grid(self.space)
        if self.sampler == "random":
            return Random(self.space, self.seed)
        if self.sampler == "genetic":
            return Genetic(self.space, self.seed, self.batch)
        try:
            from tradewright.backtest.search.bayesian import (  # noqa: PLC0415 - loads slowly
                Bayesian,
            )
        except ModuleNotFoundError as absent:
            what = f"--sampler bayesian needs {absent.name}, which is not installed"
            raise ConfigError(what, "pip install 'tradewright[research]'") from absent
        return Bayesian(self.space, self.seed, self.batch, len(self.objectives.names))

    def body(self) -> Body:
        """Return the search as JSON-ready values."""
        return {
            "run": dict(self.run.body()),
            "space": [_body(parameter) for parameter in self.space.parameters],
            "rules": [rule.text for rule in self.space.rules],
            "sampler": self.sampler,
            "objectives": list(self.objectives.names),
            "trials": self.trials,
            "seed": self.seed,
            "batch": self.batch,
            "min_trades": self.min_trades,
            "patience": self.patience,
            "way": self.way.value,
        }


def _body(parameter: Parameter) -> JsonValue:
    if isinstance(parameter, Steps):
        values: list[JsonValue] = list(parameter.values)
        return {"name": parameter.name, "values": values, "ordered": parameter.ordered}
    return {
        "name": parameter.name,
        "low": parameter.low,
        "high": parameter.high,
        "log": parameter.log,
        "whole": parameter.whole,
    }
