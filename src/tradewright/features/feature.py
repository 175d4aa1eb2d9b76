"""Feature: a named pure function of the last `window` rows of some columns.

The value in a row depends on that row and the `window - 1` before it, in the same order of
operations, and on nothing else; so a feature computed over a whole frame equals, to the last
bit, the one computed live on a tail.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from tradewright.core.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tradewright.core.frames import FloatArray


class Unit(StrEnum):
    """What a feature's numbers are: a pure number, or a price that splits rescale."""

    NUMBER = "number"
    PRICE = "price"


@dataclass(frozen=True, slots=True)
class Feature:
    """A name, the columns it reads, how many rows it looks back, and the function.

    `compute` gets adjusted columns of shape (rows, instruments) and returns the same shape,
    NaN in the first `window - 1` rows and wherever an input in the window is NaN.
    """

    name: str
    inputs: tuple[str, ...]
    window: int
    unit: Unit
    compute: Callable[[Mapping[str, FloatArray]], FloatArray]

    def __post_init__(self) -> None:
        """Refuse a window that holds nothing."""
        if self.window < 1:
            raise InvalidInput(f"{self.name}.window", self.window, "must be at least 1")


def feature_columns(
    features: Iterable[Feature], columns: Mapping[str, FloatArray]
) -> dict[str, FloatArray]:
    """Compute features over whole columns: name to read-only (rows, instruments)."""
    computed: dict[str, FloatArray] = {}
    for feature in features:
        inputs = {name: columns[name] for name in feature.inputs}
        values = np.ascontiguousarray(feature.compute(inputs), dtype=np.float64)
        values.flags.writeable = False
        computed[feature.name] = values
    return computed
