"""The strategies that ship, by name, and how their parameters are read from text."""

from __future__ import annotations

import dataclasses
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, get_type_hints

from tradewright.core.errors import InvalidInput, UnknownName
from tradewright.core.ids import StrategyId
from tradewright.strategies.momentum import Momentum
from tradewright.strategies.moving_average import MovingAverageCross

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradewright.strategies.strategy import Strategy

STRATEGIES: Final[Mapping[str, Any]] = {
    "momentum": Momentum,
    "sma-cross": MovingAverageCross,
}


def strategy_of(name: str, parameters: Mapping[str, str]) -> Strategy:
    """Build a strategy by name from parameters as text, such as {"top": "5"}.

    Raises:
        UnknownName: No such strategy, or no such parameter of it.
        InvalidInput: A parameter cannot be read, or the strategy refuses it.
    """
    if name not in STRATEGIES:
        raise UnknownName("strategy", name, list(STRATEGIES))
    kind = STRATEGIES[name]
    hints = get_type_hints(kind, localns={"Needs": object, "StrategyId": StrategyId})
    known = [field.name for field in dataclasses.fields(kind) if field.init and field.name != "id"]
    values: dict[str, object] = {}
    for key, text in parameters.items():
        if key not in known:
            raise UnknownName(f"{name} parameter", key, known)
        values[key] = _parse(hints[key], f"{name}.{key}", text)
    strategy: Strategy = kind(**values)
    return strategy


def _parse(kind: type, field: str, text: str) -> object:
    choices = [str(item.value) for item in kind] if issubclass(kind, Enum) else None
    try:
        return kind(text)
    except ValueError:
        remedy = f"choose one of: {', '.join(choices)}" if choices else ""
        raise InvalidInput(field, text, f"is not a {kind.__name__}", remedy) from None
