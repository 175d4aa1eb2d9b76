"""What a strategy says: an opinion (Forecast) or a wish (Target)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradewright.core.frozen import frozen

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from tradewright.core.ids import InstrumentId, StrategyId


@frozen
class Forecast:
    """An opinion: `expected_return` over `horizon` as a fraction, `confidence` in [0, 1]."""

    strategy: StrategyId
    instrument: InstrumentId
    at: datetime
    horizon: timedelta
    expected_return: float
    confidence: float


@frozen
class Target:
    """A wish: hold `weight` of the strategy's equity (negative is short, 0 closes).

    An instrument without a target keeps what is held of it.
    """

    strategy: StrategyId
    instrument: InstrumentId
    at: datetime
    weight: float
    reason: str = ""
