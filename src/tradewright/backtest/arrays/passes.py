"""Compiled passes over columns: means, crossings and the highest of each row.

A mean adds up its window oldest first, as `features.trend.rolling_mean` does, so that the two
agree to the last bit; it takes the rows in blocks that stay in the processor's own memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.backtest.arrays.state import kept

if TYPE_CHECKING:
    from tradewright.core.frames import BoolArray, FloatArray, IntArray, SignArray

BLOCK: Final = 1024
"""Sums that stay in the processor's own memory."""


@kept
def means(values: FloatArray, window: int, step: int, total: FloatArray, out: FloatArray) -> None:
    """Write the mean of the last `window` rows of flat columns into `out`.

    Args:
        values: Rows of `step` columns laid end to end, shape (rows × step,).
        window: Rows in the mean, at least 1.
        step: Columns of a row.
        total: Room for the sums of a block.
        out: Same shape; NaN in the first rows and where the window has a NaN.
    """
    count, back = len(values), (window - 1) * step
    out[: min(back, count)] = np.nan
    block = len(total)
    for first in range(back, count, block):
        size = min(block, count - first)
        sums, start = total[:size], first - back
        oldest = values[start:][:size]
        for i in range(size):
            sums[i] = oldest[i]
        offset = 1
        while offset + 3 < window:
            # Cut to one length each, so that the compiler can take several rows at a time.
            a = values[start + offset * step :][:size]
            b = values[start + (offset + 1) * step :][:size]
            c = values[start + (offset + 2) * step :][:size]
            d = values[start + (offset + 3) * step :][:size]
            for i in range(size):
                sums[i] = (((sums[i] + a[i]) + b[i]) + c[i]) + d[i]
            offset += 4
        while offset < window:
            a = values[start + offset * step :][:size]
            for i in range(size):
                sums[i] += a[i]
            offset += 1
        done = out[first : first + size]
        for i in range(size):
            done[i] = sums[i] / window


@kept
def crossings(
    fast: FloatArray, slow: FloatArray, growth: FloatArray, band: float, out: SignArray
) -> None:
    """Write 1 where (fast - slow) / growth > band, -1 where below -band, else 0; all flat.

    An empty `growth` stands for ones.
    """
    if len(growth) > 0:
        for i in range(len(out)):
            gap = (fast[i] - slow[i]) / growth[i]
            out[i] = np.int8(gap > band) - np.int8(gap < -band)
    else:
        for i in range(len(out)):
            gap = fast[i] - slow[i]
            out[i] = np.int8(gap > band) - np.int8(gap < -band)


@kept
def highest(scores: FloatArray, best: FloatArray, place: IntArray, out: BoolArray) -> None:
    """Mark the highest of each row, as many as `best` has room for; of equals the earlier."""
    rows, columns = scores.shape
    count = len(best)
    for row in range(rows):
        known = 0
        for column in range(columns):
            score = scores[row, column]
            if score != score or (known == count and score <= best[known - 1]):  # noqa: PLR0124
                continue
            at = known if known < count else count - 1
            known = min(known + 1, count)
            while at > 0 and best[at - 1] < score:
                best[at], place[at] = best[at - 1], place[at - 1]
                at -= 1
            best[at], place[at] = score, column
        for at in range(known):
            out[row, place[at]] = True
