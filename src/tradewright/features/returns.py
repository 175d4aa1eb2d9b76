"""Returns over a stretch of the past."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tradewright.core.errors import InvalidInput
from tradewright.features.feature import Feature, Unit

if TYPE_CHECKING:
    from tradewright.core.frames import FloatArray


def skipped_return(values: FloatArray, lookback: int, skip: int) -> FloatArray:
    """Simple return from `lookback` rows ago to `skip` rows ago, as a fraction.

    v[t - skip] / v[t - lookback] - 1.

    Args:
        values: Prices with dividends reinvested, shape (rows, instruments).
        lookback: Rows from the start of the stretch to now; above `skip`.
        skip: Rows from the end of the stretch to now; not negative.

    Returns:
        Shape (rows, instruments), not annualised; NaN in the first `lookback` rows and where
        either price is NaN.

    Raises:
        InvalidInput: The stretch is empty or lies in the future.

    Reference:
        Jegadeesh and Titman, Returns to Buying Winners and Selling Losers, Journal of Finance
        48 (1993); the month that is skipped is theirs too.
    """
    _check(lookback, skip)
    result = np.empty(values.shape)
    result[:lookback] = np.nan
    if len(values) > lookback:
        stretch = values[lookback - skip : len(values) - skip]
        # In place: another column for each step would cost as much as the arithmetic.
        np.divide(stretch, values[:-lookback], out=result[lookback:])
        result[lookback:] -= 1.0
    return result


def momentum(lookback: int = 252, skip: int = 21) -> Feature:
    """Return of the adjusted close over `lookback` rows less the last `skip` (12-1 by default)."""
    _check(lookback, skip)
    return Feature(
        f"momentum_{lookback}_{skip}",
        ("close",),
        lookback + 1,
        Unit.NUMBER,
        lambda columns: skipped_return(columns["close"], lookback, skip),
    )


def _check(lookback: int, skip: int) -> None:
    if not 0 <= skip < lookback:
        raise InvalidInput("skip", skip, f"must lie in [0, {lookback})")
