"""How much of an account is at work, on which side, and in how few names.

Fractions of equity: a gross exposure of 1.5 has borrowed half. Where equity is not positive a
fraction of it means nothing and is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tradewright.core.frames import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Exposures:
    """Exposures as fractions of equity, each of shape (sessions,).

    `short` is positive; `gross` is `long` + `short` and `net` is `long` - `short`. `largest` is
    the largest name on either side.
    """

    long: FloatArray
    short: FloatArray
    largest: FloatArray

    @property
    def gross(self) -> FloatArray:
        """All that is held, whichever side."""
        return np.asarray(self.long + self.short)

    @property
    def net(self) -> FloatArray:
        """What is held less what is owed."""
        return np.asarray(self.long - self.short)


def exposures(values: FloatArray, equity: FloatArray) -> Exposures:
    """Measure exposures from what each name is worth.

    Args:
        values: Signed value of each name in currency, shape (sessions, names); NaN counts as
            nothing held.
        equity: Account values, shape (sessions,).
    """
    weights = np.nan_to_num(values) / np.where(equity > 0, equity, np.nan)[:, None]
    return Exposures(
        np.sum(np.maximum(weights, 0), axis=1),
        -np.sum(np.minimum(weights, 0), axis=1),
        np.max(np.abs(weights), axis=1, initial=0.0),
    )


def effective_names(values: FloatArray) -> FloatArray:
    """Number of equal holdings that would be as concentrated, (Σ|v|)² / Σv².

    Args:
        values: Signed value of each name in currency, shape (sessions, names); NaN counts as
            nothing held.

    Returns:
        From 1 to the number of names, shape (sessions,); NaN where nothing is held.

    Reference:
        The inverse of the Herfindahl-Hirschman index of the weights.
    """
    held = np.abs(np.nan_to_num(values))
    squares = np.sum(held**2, axis=1)
    return np.asarray(np.sum(held, axis=1) ** 2 / np.where(squares > 0, squares, np.nan))


def turnover(traded: FloatArray, equity: FloatArray) -> FloatArray:
    """Half of what was bought and sold in each session as a fraction of equity.

    Args:
        traded: Value bought and sold in a session in currency, shape (sessions,).
        equity: Account values at the close of each session, shape (sessions,).

    Returns:
        Shape (sessions,), 1.0 where the whole account was replaced; NaN where equity is not
        positive.
    """
    return np.asarray(traded / 2 / np.where(equity > 0, equity, np.nan))
