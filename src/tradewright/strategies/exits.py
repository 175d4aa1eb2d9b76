"""When what is held is let go, whatever made it be bought: stop, target, trail, time.

All of it is read from the lots of the position, so that a restart forgets nothing. Prices are
judged at closes: a stop is an answer to a close beyond it, and fills at the next open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tradewright.core.errors import InvalidInput
from tradewright.core.frozen import frozen

if TYPE_CHECKING:
    from tradewright.core.ids import InstrumentId
    from tradewright.strategies.strategy import MarketView


@frozen
class Exits:
    """Fractions of a price, and rows: None for what does not count.

    `stop` and `target` are against the average price of what is held, without dividends;
    `trail` is against the best close since the first of its lots, dividends reinvested.
    """

    stop: float | None = None
    target: float | None = None
    trail: float | None = None
    rows: int | None = None

    def __post_init__(self) -> None:
        """Refuse exits that could never be, or would be at once."""
        for name in ("stop", "trail"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1:
                raise InvalidInput(name, value, "must be a fraction in (0, 1)")
        if self.target is not None and self.target <= 0:
            raise InvalidInput("target", self.target, "must be positive")
        if self.rows is not None and self.rows < 1:
            raise InvalidInput("rows", self.rows, "must be at least 1")

    def reason(self, view: MarketView, column: int) -> str:
        """Say why what is held of an instrument goes now; empty if it stays."""
        name = view.universe[column]
        position = view.positions[name]
        price = view.tradable().item(column)
        if position.quantity > 0:
            gain = price / float(position.average) - 1.0
        else:
            gain = 1.0 - price / float(position.average)
        if self.stop is not None and gain <= -self.stop:
            return f"stop: {gain:.1%} from the average price"
        if self.target is not None and gain >= self.target:
            return f"target: {gain:+.1%} from the average price"
        age = held_rows(view, name)
        if self.trail is not None and self._has_turned(view, column, age):
            return f"trail: {self.trail:.1%} off the best close"
        if self.rows is not None and age >= self.rows:
            return f"held for {age} rows"
        return ""

    def _has_turned(self, view: MarketView, column: int, age: int) -> bool:
        closes = view.window("close", max(age, 1))[:, column]
        known = closes[~np.isnan(closes)]
        if not len(known) or np.isnan(closes[-1]) or self.trail is None:
            return False
        if view.positions[view.universe[column]].quantity > 0:
            return bool(closes[-1] <= known.max() * (1.0 - self.trail))
        return bool(closes[-1] >= known.min() * (1.0 + self.trail))


def held_rows(view: MarketView, name: InstrumentId) -> int:
    """Return how many rows have closed since the first lot of what is held."""
    return view.rows_since(view.positions[name].lots[0].opened_at)
