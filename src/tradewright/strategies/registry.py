"""The strategies that ship, by name, and how their parameters are read from text.

A strategy made of others takes theirs by their name: `of=sma-cross of.fast=5` for the one it
holds, `members=momentum:2,sma-cross:1 momentum.top=5` for several.
"""

from __future__ import annotations

import dataclasses
from enum import Enum
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, get_type_hints

from tradewright.core.errors import InvalidInput, UnknownName
from tradewright.core.ids import InstrumentId, StrategyId
from tradewright.strategies.breakout import Breakout
from tradewright.strategies.ensemble import Ensemble, Member
from tradewright.strategies.mean_reversion import MeanReversion
from tradewright.strategies.momentum import Momentum
from tradewright.strategies.moving_average import MovingAverageCross
from tradewright.strategies.pairs import Pairs
from tradewright.strategies.stat_arb import StatArb
from tradewright.strategies.volatility_target import VolatilityTarget
from tradewright.strategies.volume_momentum import VolumeMomentum

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tradewright.strategies.strategy import Strategy

STRATEGIES: Final[Mapping[str, Any]] = {
    "breakout": Breakout,
    "ensemble": Ensemble,
    "mean-reversion": MeanReversion,
    "momentum": Momentum,
    "pairs": Pairs,
    "sma-cross": MovingAverageCross,
    "stat-arb": StatArb,
    "volatility-target": VolatilityTarget,
    "volume-momentum": VolumeMomentum,
}
_ONLY_NAMES: Final = {"Needs": object, "StrategyId": StrategyId, "InstrumentId": InstrumentId}
MADE_OF: Final[Mapping[str, Mapping[str, str]]] = {
    "ensemble": {"members": "momentum,sma-cross"},
    "volatility-target": {"of": "momentum"},
}
"""The parameter by which a strategy is made of others, with its default."""


def strategy_of(name: str, parameters: Mapping[str, str]) -> Strategy:
    """Build a strategy by name from parameters as text, such as {"top": "5"}.

    Raises:
        UnknownName: No such strategy, or no such parameter of it.
        InvalidInput: A parameter cannot be read, or the strategy refuses it.
    """
    if name not in STRATEGIES:
        raise UnknownName("strategy", name, list(STRATEGIES))
    taken, rest = _MADE_OF_OTHERS[name](parameters) if name in _MADE_OF_OTHERS else ({}, parameters)
    return built(STRATEGIES[name], name, rest, taken)


def built(
    kind: type, name: str, parameters: Mapping[str, str], taken: Mapping[str, object] | None = None
) -> Strategy:
    """Build a strategy of a class; `taken` are the parameters that are not text.

    Raises:
        UnknownName: The class has no such parameter.
        InvalidInput: A parameter cannot be read, or the strategy refuses it.
    """
    known = parameters_of(kind)
    values: dict[str, object] = dict(taken or {})
    for key, text in parameters.items():
        if key not in known:
            raise UnknownName(f"{name} parameter", key, [*MADE_OF.get(name, ()), *known])
        values[key] = _parse(known[key], f"{name}.{key}", text)
    strategy: Strategy = kind(**values)
    return strategy


@lru_cache(maxsize=64)
def parameters_of(kind: type) -> dict[str, Any]:
    """Return the parameters of a strategy's class that are read from text, with their types."""
    if not dataclasses.is_dataclass(kind):
        return {}
    hints = get_type_hints(kind, localns=_ONLY_NAMES)
    names = [field.name for field in dataclasses.fields(kind) if field.init and field.name != "id"]
    return {
        name: hints[name]
        for name in names
        if isinstance(hints[name], type) and (issubclass(hints[name], int | float | str))
    }


def _held(parameters: Mapping[str, str]) -> tuple[dict[str, object], dict[str, str]]:
    inner = strategy_of(
        parameters.get("of", MADE_OF["volatility-target"]["of"]), _below("of", parameters)
    )
    rest = {key: text for key, text in parameters.items() if key.partition(".")[0] != "of"}
    return {"inner": inner}, rest


def _mixed(parameters: Mapping[str, str]) -> tuple[dict[str, object], dict[str, str]]:
    members: list[Member] = []
    names: set[str] = set()
    for word in parameters.get("members", MADE_OF["ensemble"]["members"]).split(","):
        name, colon, weight = word.strip().partition(":")
        if name in names:
            raise InvalidInput("ensemble.members", name, "is named twice", "name each once")
        names.add(name)
        given = _parse(float, f"weight of {name}", weight) if colon else 1.0
        members.append(Member(strategy_of(name, _below(name, parameters)), float(str(given))))
    rest = {
        key: text
        for key, text in parameters.items()
        if key != "members" and not ("." in key and key.partition(".")[0] in names)
    }
    return {"members": tuple(members)}, rest


_MADE_OF_OTHERS: Final[
    Mapping[str, Callable[[Mapping[str, str]], tuple[dict[str, object], dict[str, str]]]]
] = {"ensemble": _mixed, "volatility-target": _held}


def _below(name: str, parameters: Mapping[str, str]) -> dict[str, str]:
    return {
        key.removeprefix(f"{name}."): text
        for key, text in parameters.items()
        if key.startswith(f"{name}.")
    }


def _parse(kind: type, field: str, text: str) -> object:
    choices = [str(item.value) for item in kind] if issubclass(kind, Enum) else None
    try:
        value: object = kind(text)
    except ValueError:
        if choices:
            remedy = f"choose one of: {', '.join(choices)}"
            raise InvalidInput(field, text, "is not known", remedy) from None
        what = "a whole number" if issubclass(kind, int) else "a number"
        raise InvalidInput(field, text, f"is not {what}") from None
    if isinstance(value, float) and not isfinite(value):
        raise InvalidInput(field, text, "is not a finite number")
    return value
