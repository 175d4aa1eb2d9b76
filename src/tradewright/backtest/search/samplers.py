"""Samplers: which sets are tried next, given what those before came to.

A sampler is asked for a batch and told of all of it before it is asked again. What it asks for
follows from its seed and from what it was told alone: not from how many workers there are, and
a search that is resumed tells it again what it was told before.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewright.backtest.search.space import Set, Space

Gains: TypeAlias = tuple[float, ...] | None
"""What a set came to, more being better; None where it cannot be compared."""

_AT_ONCE: Final = 1024
_TRIES: Final = 10_000


class Sampler(Protocol):
    """Asked for sets and told what they came to, batch by batch."""

    def ask(self) -> Sequence[Set]:
        """Return the next batch of sets, none of which was asked for before; empty at the end."""
        ...

    def tell(self, batch: Sequence[Set], gains: Sequence[Gains]) -> None:
        """Take what the sets of the last batch came to, in its order."""
        ...


class Grid:
    """Every set of the space in turn."""

    def __init__(self, space: Space) -> None:
        """Begin at the first set.

        Raises:
            InvalidInput: A parameter is a continuum.
        """
        self._sets = iter(space.grid())

    def ask(self) -> Sequence[Set]:
        """Return the sets that follow."""
        return list(islice(self._sets, _AT_ONCE))

    def tell(self, batch: Sequence[Set], gains: Sequence[Gains]) -> None:
        """Take no notice: what follows is decided."""


class Drawn:
    """Sets drawn at random from a space, none of them twice."""

    def __init__(self, space: Space, noise: np.random.Generator) -> None:
        """Have drawn nothing."""
        self._space = space
        self._noise = noise
        self._seen: set[tuple[str, ...]] = set()

    def one(self) -> Set | None:
        """Return a set that keeps the rules and was not seen; None if ten thousand draws fail."""
        space = self._space
        for _ in range(_TRIES):
            places = self._noise.random(len(space.parameters)).tolist()
            chosen = {
                parameter.name: parameter.at(place)
                for parameter, place in zip(space.parameters, places, strict=True)
            }
            if self.takes(chosen):
                return chosen
        return None

    def has(self, chosen: Set) -> bool:
        """Say whether a set was seen."""
        return tuple(chosen.values()) in self._seen

    def takes(self, chosen: Set) -> bool:
        """Say whether a set keeps the rules and was not seen; from then on it was."""
        if self.has(chosen) or not self._space.keeps(chosen):
            return False
        self._seen.add(tuple(chosen.values()))
        return True


class Random:
    """Sets drawn evenly over the places of each parameter."""

    def __init__(self, space: Space, seed: int) -> None:
        """Begin with a seed."""
        self._drawn = Drawn(space, np.random.default_rng(seed))

    def ask(self) -> Sequence[Set]:
        """Return sets that were not drawn yet."""
        found: list[Set] = []
        while len(found) < _AT_ONCE and (chosen := self._drawn.one()) is not None:
            found.append(chosen)
        return found

    def tell(self, batch: Sequence[Set], gains: Sequence[Gains]) -> None:
        """Take no notice: chance remembers nothing."""
