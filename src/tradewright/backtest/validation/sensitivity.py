"""How much of a result hangs on its exact parameters: the same run with others around them.

A result that stands on a plateau may be something; one on a needle is luck. The map does not
choose anything: whoever picks its best cell has searched, and should say of how many.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal
from enum import Enum
from math import isfinite
from typing import TYPE_CHECKING, Final

from tradewright.backtest.search.evaluation import Outcome
from tradewright.backtest.search.objective import RISES
from tradewright.backtest.validation.walk_forward import value_of
from tradewright.core.errors import InvalidInput, UnknownName
from tradewright.strategies.registry import parameters_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tradewright.backtest.validation.walk_forward import Evaluate, Set
    from tradewright.engine.run import RunSpec

FACTORS: Final = tuple(Decimal(text) for text in ("0.5", "0.75", "0.9", "1.1", "1.25", "1.5"))
_NAN: Final = float("nan")
_AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True, eq=False)
class SensitivityMap:
    """The objective of each set of parameters, and where the run's own stands among them.

    `varied` are the parameters that any set changes. `values` are None where a set was refused
    or has no value; `own` is the place of the run's own set.
    """

    objective: str
    varied: tuple[str, ...]
    sets: Sequence[Set]
    values: Sequence[float | None]
    reasons: Sequence[str]
    own: int

    @property
    def neighbours(self) -> Sequence[int]:
        """Places of the sets one step of one parameter away from the run's own."""
        mine = self.sets[self.own]
        found = []
        for place, one in enumerate(self.sets):
            apart = [name for name in self.varied if one[name] != mine[name]]
            if len(apart) == 1 and self._next(apart[0], one[apart[0]], mine[apart[0]]):
                found.append(place)
        return found

    @property
    def plateau(self) -> float:
        """Mean of the neighbours' objective over the run's own; 1 on a plateau.

        NaN where the own is not above zero, an objective is better when lower, or no neighbour
        has a value.
        """
        mine = self.values[self.own]
        known = [value for place in self.neighbours if (value := self.values[place]) is not None]
        if mine is None or mine <= 0 or not known or not RISES[self.objective]:
            return _NAN
        return sum(known) / len(known) / mine

    @property
    def rank(self) -> float:
        """Part of the sets with a value that are no better than the run's own, itself left out.

        1 says that the own is the best of all, which is what a search would pick.
        """
        mine = self.values[self.own]
        others = [
            value
            for place, value in enumerate(self.values)
            if value is not None and place != self.own
        ]
        if mine is None or not others:
            return _NAN
        worse = sum(value <= mine if RISES[self.objective] else value >= mine for value in others)
        return worse / len(others)

    @property
    def positive(self) -> float:
        """Part of the sets with a value whose value is above zero."""
        known = [value for value in self.values if value is not None]
        return sum(value > 0 for value in known) / len(known) if known else _NAN

    def _next(self, name: str, one: str, mine: str) -> bool:
        order = sorted({chosen[name] for chosen in self.sets}, key=_sortable)
        return abs(order.index(one) - order.index(mine)) == 1


def sensitivity(
    spec: RunSpec,
    sets: Sequence[Set],
    evaluate: Evaluate,
    *,
    objective: str = "sharpe",
    progress: Callable[[int, int], None] | None = None,
) -> SensitivityMap:
    """Run a spec with other parameters and put the results beside its own.

    Args:
        spec: The run; its own parameters are tried too.
        sets: Values of the parameters that are varied, all sets naming the same ones.
        evaluate: How sets are run.
        objective: What is looked at, by its key in `summary.json`.
        progress: Is told sets done and sets in all.

    Raises:
        UnknownName: The objective is not known.
        InvalidInput: There is no set, or they name different parameters.
    """
    if objective not in RISES:
        raise UnknownName("objective", objective, list(RISES))
    if not sets:
        raise InvalidInput("sets", 0, "leave nothing to compare with")
    varied = tuple(sets[0])
    own = own_values(spec, varied)
    every = [dict(one) for one in sets]
    if any(set(one) != set(varied) for one in every):
        raise InvalidInput("sets", sorted(varied), "do not all name the same parameters")
    if own not in every:
        every.insert(0, own)
    outcomes: list[Outcome] = []
    for first in range(0, len(every), _AT_ONCE):
        outcomes += evaluate(spec, every[first : first + _AT_ONCE])
        if progress is not None:
            progress(len(outcomes), len(every))
    values = [_plain(one, objective) for one in outcomes]
    reasons = [one.reason for one in outcomes]
    return SensitivityMap(objective, varied, every, values, reasons, every.index(own))


def own_values(spec: RunSpec, names: Sequence[str]) -> dict[str, str]:
    """The values that a spec's strategy has for parameters, those it was not given too.

    Raises:
        InvalidInput: One is neither given nor a number that the strategy has by itself.
    """
    known = numbers_of(spec)
    found = {}
    for name in names:
        value = spec.parameters.get(name, known.get(name))
        if value is None:
            remedy = f"give it as --set {name}=VALUE"
            raise InvalidInput(f"--param {name}", "", "has no value of the run's own", remedy)
        found[name] = value
    return found


def numbers_of(spec: RunSpec) -> Mapping[str, str]:
    """The numeric parameters of a spec's strategy with the values that it uses."""
    strategy = spec.build_strategy()
    known = parameters_of(type(strategy))
    found = {
        one.name: str(getattr(strategy, one.name))
        for one in fields(strategy)  # type: ignore[arg-type]
        if one.name in known and not issubclass(known[one.name], Enum | str | bool)
    }
    return {name: spec.parameters.get(name, value) for name, value in found.items()}


def around(spec: RunSpec, factors: Sequence[Decimal] = FACTORS) -> list[Set]:
    """Sets in which one number of the strategy at a time is smaller or larger by a factor.

    A whole number stays one, and moves by at least one where it can.

    Raises:
        InvalidInput: The strategy has no number to vary.
    """
    own = dict(numbers_of(spec))
    if not own:
        rule = "has no number that could be varied"
        raise InvalidInput("--strategy", spec.strategy, rule, "name some with --param")
    found: list[Set] = [own]
    for name, text in own.items():
        value = Decimal(text)
        for factor in factors:
            moved = _moved(value, factor, whole="." not in text and "E" not in text.upper())
            other = {**own, name: moved}
            if other not in found:
                found.append(other)
    return found


def _moved(value: Decimal, factor: Decimal, *, whole: bool) -> str:
    moved = value * factor
    if whole:
        step = 1 if factor > 1 else -1
        near = moved.to_integral_value()
        return format(near if near != value or not value else value + step, "f")
    return format(moved.normalize(), "f")


def _plain(outcome: Outcome, objective: str) -> float | None:
    value = value_of(outcome, objective)
    if value is None or not isfinite(value):
        return None
    return value if RISES[objective] else -value


def _sortable(text: str) -> tuple[float, str]:
    try:
        return float(text), ""
    except ValueError:
        return 0.0, text
