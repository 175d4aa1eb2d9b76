"""How far equity fell below its peak, and for how long.

Depths are positive fractions of the peak: 0.25 has lost a quarter. Rows are sessions, and the
first one counts as a peak.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tradewright.core.errors import InvalidInput

if TYPE_CHECKING:
    from tradewright.core.frames import FloatArray


@dataclass(frozen=True, slots=True)
class Drawdown:
    """One fall from a peak, in rows of the equity it was found in.

    `start` is the peak's last row, `recovery` the first row at or above the peak again, None if
    there is none; `duration` counts rows from `start` to `recovery`, or else to the last row.
    """

    depth: float
    start: int
    trough: int
    recovery: int | None
    duration: int


def drawdowns(equity: FloatArray) -> FloatArray:
    """Fraction by which equity lies below its highest value so far.

    D_t = 1 - E_t / max(E_0..E_t)

    Args:
        equity: Account values, shape (rows,), the first positive.

    Returns:
        Shape (rows,), 0 at a peak, above 1 where equity is negative; NaN from the first NaN on,
        since the peak is unknown from there.

    Raises:
        InvalidInput: `equity` is empty or does not begin with a positive value.
    """
    if not len(equity) or equity[0] <= 0:
        given = equity[0] if len(equity) else "nothing"
        raise InvalidInput("equity", given, "is not a series that begins above zero")
    return np.asarray(1 - equity / np.maximum.accumulate(equity))


def falls(equity: FloatArray) -> list[Drawdown]:
    """Return every drawdown of an equity series in order of time.

    Args:
        equity: As for `drawdowns`; what follows a NaN belongs to no drawdown.

    Raises:
        InvalidInput: As for `drawdowns`.
    """
    depths = drawdowns(equity)
    below = depths > 0
    edges = np.flatnonzero(np.diff(np.concatenate(([False], below, [False])).astype(np.int8)))
    found = []
    for first, stop in edges.reshape(-1, 2).tolist():
        trough = first + int(np.argmax(depths[first:stop]))
        recovered = stop < len(equity) and bool(depths[stop] == 0)
        end = stop if recovered else stop - 1
        found.append(
            Drawdown(
                float(depths[trough]),
                first - 1,
                trough,
                stop if recovered else None,
                end - first + 1,
            )
        )
    return found


def max_drawdown(equity: FloatArray) -> Drawdown:
    """Return the deepest drawdown, the first of equals.

    Args:
        equity: As for `drawdowns`.

    Returns:
        A depth of 0 in row 0 if equity never fell; a depth of NaN if equity holds a NaN, which
        may hide a deeper one.

    Raises:
        InvalidInput: As for `drawdowns`.

    Reference:
        M. Magdon-Ismail and A. Atiya, "Maximum drawdown", Risk 17(10), 2004.
    """
    found = falls(equity)
    if np.isnan(equity).any():
        return Drawdown(float("nan"), 0, 0, None, 0)
    return max(found, key=lambda fall: fall.depth, default=Drawdown(0.0, 0, 0, 0, 0))


def ulcer_index(equity: FloatArray) -> float:
    """Root mean square of the drawdowns, sqrt(1/n · Σ D_t²).

    Args:
        equity: As for `drawdowns`.

    Returns:
        A fraction; 0 if equity never fell, NaN if it holds a NaN.

    Raises:
        InvalidInput: As for `drawdowns`.

    Reference:
        P. G. Martin and B. B. McCann, "The investor's guide to Fidelity funds", 1989.
    """
    return float(np.sqrt(np.mean(drawdowns(equity) ** 2)))
