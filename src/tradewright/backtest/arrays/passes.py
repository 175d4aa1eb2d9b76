"""Compiled passes over columns: means, crossings and the highest of each row.

A mean adds up its window oldest first, as `features.trend.rolling_mean` does, so that the two
agree to the last bit; it takes the rows in blocks that stay in the processor's own memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.backtest.arrays.state import compiled, kept

if TYPE_CHECKING:
    from tradewright.core.frames import BoolArray, FloatArray, IntArray, SignArray

BLOCK: Final = 1024
"""Sums that stay in the processor's own memory."""
_LESS: Final = 0.8
_LEAST_SLACK: Final = 1e-9
_ROUNDING: Final = 1.2e-16
"""More than an addition can lose of its result."""


@compiled
def _means(
    values: FloatArray, span: tuple[int, int], window: int, step: int, out: FloatArray
) -> None:
    # Means at a span of places that have a whole window, each summed by itself, oldest first.
    first, size = span
    start = first - (window - 1) * step
    sums, oldest = out[:size], values[start:][:size]
    for i in range(size):
        sums[i] = oldest[i]
    offset = 1
    while offset + 7 < window:
        # Cut to one length each, so that the compiler can take several rows at a time.
        place = start + offset * step
        a, b = values[place:][:size], values[place + step :][:size]
        c, d = values[place + 2 * step :][:size], values[place + 3 * step :][:size]
        e, f = values[place + 4 * step :][:size], values[place + 5 * step :][:size]
        g, h = values[place + 6 * step :][:size], values[place + 7 * step :][:size]
        for i in range(size):
            half = (((sums[i] + a[i]) + b[i]) + c[i]) + d[i]
            sums[i] = (((half + e[i]) + f[i]) + g[i]) + h[i]
        offset += 8
    while offset < window:
        a = values[start + offset * step :][:size]
        for i in range(size):
            sums[i] += a[i]
        offset += 1
    for i in range(size):
        sums[i] = sums[i] / window


@kept
def means(values: FloatArray, window: int, step: int, out: FloatArray) -> None:
    """Write the mean of the last `window` rows of flat columns into `out`.

    Args:
        values: Rows of `step` columns laid end to end, shape (rows × step,).
        window: Rows in the mean, at least 1.
        step: Columns of a row.
        out: Same shape; NaN in the first rows and where the window has a NaN.
    """
    count, back = len(values), (window - 1) * step
    out[: min(back, count)] = np.nan
    for first in range(back, count, BLOCK):
        size = min(BLOCK, count - first)
        _means(values, (first, size), window, step, out[first:])


@compiled
def _signs(
    fast: FloatArray, slow: FloatArray, growth: FloatArray, band: float, out: SignArray
) -> None:
    if len(growth) > 0:
        for i in range(len(out)):
            gap = (fast[i] - slow[i]) / growth[i]
            out[i] = np.int8(gap > band) - np.int8(gap < -band)
    else:
        for i in range(len(out)):
            gap = fast[i] - slow[i]
            out[i] = np.int8(gap > band) - np.int8(gap < -band)


@kept
def signs(
    fast: FloatArray, slow: FloatArray, growth: FloatArray, band: float, out: SignArray
) -> None:
    """Write 1 where (fast - slow) / growth > band, -1 where below -band, else 0; all flat.

    An empty `growth` stands for ones.
    """
    _signs(fast, slow, growth, band, out)


@compiled
def _mean(values: FloatArray, last: int, window: int) -> float:
    total = values[last - window + 1]
    for place in range(last - window + 2, last + 1):
        total += values[place]
    return float(total / window)


@compiled
def _running(values: FloatArray, out: FloatArray) -> float:
    # The sums up to each place; the last is returned, or NaN where a value is negative.
    count, place, total, least = len(values), 0, 0.0, 0.0
    out[0] = 0.0
    while place + 3 < count:
        # Four at a time, so that each need not wait for the one before it.
        a, b, c = values[place], values[place + 1], values[place + 2]
        d = values[place + 3]
        least = min(least, a, b, c, d)
        out[place + 1] = total + a
        out[place + 2] = total + (a + b)
        out[place + 3] = total + ((a + b) + c)
        total += (a + b) + (c + d)
        out[place + 4] = total
        place += 4
    while place < count:
        least = min(least, values[place])
        total += values[place]
        place += 1
        out[place] = total
    return total if least >= 0.0 else np.nan


@compiled
def _roughly(
    values: FloatArray,
    span: tuple[int, int],
    windows: tuple[int, int],
    band: float,
    known: tuple[FloatArray, int, float],
    unsure: SignArray,
    out: SignArray,
) -> bool:
    # Signs of a span by running sums: those before its first row stand at a place of `known`,
    # which are of values that are not negative and add up to a total. What the sums may err by
    # lies below the doubt; where a gap is that near to the band, the means decide, and where many
    # are, False leaves it to others.
    (first, size), (fast, slow), (sums, place, total) = span, windows, known
    if not total < np.inf:
        return False
    doubt = 8.0 * _ROUNDING * (place + size) * total / fast
    above, below, many = band + doubt, band - doubt, 0
    highs = sums[place + 1 :][:size]
    fasts, slows = sums[place + 1 - fast :][:size], sums[place + 1 - slow :][:size]
    for i in range(size):
        gap = (highs[i] - fasts[i]) * (1.0 / fast) - (highs[i] - slows[i]) * (1.0 / slow)
        out[i] = np.int8(gap > above) - np.int8(gap < -above)
        unsure[i] = np.int8(abs(gap) <= above) & np.int8(abs(gap) >= below)
    for i in range(size):
        many += unsure[i]
    if many > size // 8:
        return False
    for i in range(size):
        if many > 0 and unsure[i]:
            gap = _mean(values, first + i, fast) - _mean(values, first + i, slow)
            out[i] = np.int8(gap > band) - np.int8(gap < -band)
    return True


@compiled
def _exactly(
    values: FloatArray,
    growth: FloatArray,
    span: tuple[int, int],
    windows: tuple[int, int, int],
    band: float,
    room: FloatArray,
    out: SignArray,
) -> None:
    (first, size), (fast, slow, step) = span, windows
    _means(values, span, fast, step, room[0])
    _means(values, span, slow, step, room[1])
    grown = growth[first : first + size] if len(growth) > 0 else growth
    _signs(room[0, :size], room[1, :size], grown, band, out)


@kept
def crossings(
    values: FloatArray,
    growth: FloatArray,
    windows: tuple[int, int, int],
    band: float,
    room: tuple[FloatArray, SignArray],
    out: SignArray,
) -> None:
    """Write the `signs` of two means without keeping the means.

    Args:
        values: As for `means`.
        growth: As for `signs`.
        windows: Rows in the fast mean and, no fewer, in the slow one; columns of a row.
        band: As for `signs`.
        room: For a block of each mean, shape (2, 2 × BLOCK), and for a block of marks.
        out: As for `signs`.
    """
    (fast, slow, step), (sums, unsure) = windows, room
    plain = step == 1 and len(growth) == 0 and slow <= BLOCK
    count, back = len(values), (slow - 1) * step
    out[: min(back, count)] = 0
    for first in range(back, count, BLOCK):
        size = min(BLOCK, count - first)
        done = out[first : first + size]
        if plain:
            total = _running(values[first - back :][: back + size], sums[0])
            known = sums[0], back, total
            if _roughly(values, (first, size), (fast, slow), band, known, unsure, done):
                continue
        _exactly(values, growth, (first, size), windows, band, sums, done)


@kept
def running(values: FloatArray, sums: FloatArray, totals: FloatArray) -> None:
    """Write, for blocks of rows, sums over them and the block before: `shared` reads them.

    Args:
        values: Rows of one column.
        sums: Shape (blocks, 2 × BLOCK).
        totals: Shape (blocks,); not finite where sums cannot be relied on.
    """
    for block in range(len(totals)):
        start = max((block - 1) * BLOCK + 1, 0)
        stop = min((block + 1) * BLOCK, len(values))
        totals[block] = _running(values[start:stop], sums[block])


@kept
def shared(
    values: FloatArray,
    known: tuple[FloatArray, FloatArray],
    windows: tuple[int, int],
    band: float,
    room: tuple[FloatArray, SignArray],
    out: SignArray,
) -> None:
    """Write what `crossings` does for one column without growth, by sums that many share.

    Args:
        values: Rows of one column.
        known: What `running` wrote.
        windows: Rows in the fast mean and, no fewer, in the slow one; at most BLOCK.
        band: As for `signs`.
        room: As for `crossings`.
        out: As for `signs`.
    """
    (fast, slow), (sums, totals), (means_, unsure) = windows, known, room
    count, empty = len(values), values[:0]
    out[: min(slow - 1, count)] = 0
    for block in range(len(totals)):
        first = max(block * BLOCK, slow - 1)
        size = min((block + 1) * BLOCK, count) - first
        if size <= 0:
            continue
        done = out[first : first + size]
        before = sums[block], first - max((block - 1) * BLOCK + 1, 0), totals[block]
        if not _roughly(values, (first, size), windows, band, before, unsure, done):
            _exactly(values, empty, (first, size), (fast, slow, 1), band, means_, done)


@compiled
def _lowest(scores: FloatArray, count: int, kept_from: int) -> float:
    # What stands at place `kept_from` of the first `count` scores in order; they are reordered.
    low, high = 0, count - 1
    while low < high:
        pivot = scores[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while scores[i] < pivot:
                i += 1
            while scores[j] > pivot:
                j -= 1
            if i <= j:
                scores[i], scores[j] = scores[j], scores[i]
                i += 1
                j -= 1
        if kept_from <= j:
            high = j
        elif kept_from >= i:
            low = i
        else:
            break
    return float(scores[kept_from])


@compiled
def _candidates(
    scores: FloatArray, among: FloatArray, least: float, room: FloatArray, place: IntArray
) -> int:
    # The scores from `least` up and their columns, and how many they are. Each is written, and
    # stays where it counts: a branch would be guessed wrong too often.
    count = 0
    for column in range(len(scores)):
        score, other = scores[column], among[column]
        room[count], place[count] = score, column
        count += (score >= least) & (other == other)  # noqa: PLR0124 - not NaN
    return count


@kept
def highest(
    scores: FloatArray,
    among: FloatArray,
    top: int,
    room: tuple[FloatArray, FloatArray, IntArray],
    out: BoolArray,
) -> None:
    """Mark the `top` highest of each row; of equals the earlier.

    Args:
        scores: Shape (rows, columns); NaN is left out.
        among: Same shape; where it is NaN a score is left out.
        top: How many, at least 1.
        room: For a row of scores, twice, and of columns.
        out: Same shape, all False.
    """
    found, ordered, place = room
    guess, slack = -np.inf, -1.0
    for row in range(len(scores)):
        # What was high is about what is high: most of the others need no looking at.
        count = _candidates(scores[row], among[row], guess, found, place)
        if count < top and guess > -np.inf:
            slack *= 2.0
            count = _candidates(scores[row], among[row], -np.inf, found, place)
        elif count > top + top // 2:
            slack *= _LESS
        least = -np.inf
        if count > top:
            for i in range(count):
                ordered[i] = found[i]
            least = _lowest(ordered, count, count - top)
        known = count > top and abs(least) < np.inf
        if slack < 0.0 and known:
            slack = max(abs(least) / 2, _LEAST_SLACK)
        guess = least - slack if known else -np.inf
        spare = top
        for i in range(count):
            spare -= found[i] > least
        for i in range(count):
            if found[i] > least:
                out[row, place[i]] = True
            elif found[i] == least and spare > 0:
                out[row, place[i]] = True
                spare -= 1


@kept
def grow(
    values: FloatArray, place: IntArray, factor: FloatArray, now: FloatArray, out: FloatArray
) -> None:
    """Write columns times the running product of their factors.

    Args:
        values: Shape (rows, columns).
        place: Where there are factors, counted along the rows, ascending.
        factor: Those factors.
        now: Room for a row, of ones.
        out: Same shape as `values`.
    """
    rows, columns = values.shape
    done = 0
    for row in range(rows):
        stop = (row + 1) * columns
        while done < len(place) and place[done] < stop:
            now[place[done] - row * columns] *= factor[done]
            done += 1
        for column in range(columns):
            out[row, column] = values[row, column] * now[column]


@kept
def paces(known: IntArray, start: IntArray) -> tuple[int, bool]:
    """Return the least time between two rows, and whether each is known when the next starts."""
    nearest, late = np.iinfo(np.int64).max, 0
    for row in range(len(known) - 1):
        nearest = min(nearest, known[row + 1] - known[row])
        late += known[row] > start[row + 1]
    return nearest, late == 0
