"""Quote bars: what one instrument's best bid and ask did over stretches of time.

Bid and ask of one moment stand against each other at the open and the close of a bar alone: the
highest bid and the lowest ask need not have been there together, and are no crossed market.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tradewright.core.errors import InvalidInput
from tradewright.data.quality import first_fault

if TYPE_CHECKING:
    from tradewright.core.frames import FloatArray, IntArray

_SIDE = 5


@dataclass(frozen=True, slots=True, eq=False)
class QuoteBars:
    """One instrument's quote bars in order of time.

    `start` and `end` are nanoseconds since 1970, shape (bars,); `bid` and `ask` are open, high,
    low, close in dollars and the size at the end in shares, shape (5, bars), without NaN. The
    arrays are made read-only.
    """

    start: IntArray
    end: IntArray
    bid: FloatArray
    ask: FloatArray

    def __post_init__(self) -> None:
        """Check shapes and order, freeze the arrays."""
        for name, dtype in (("start", np.int64), ("end", np.int64)):
            times = np.ascontiguousarray(getattr(self, name), dtype=dtype)
            times.flags.writeable = False
            object.__setattr__(self, name, times)
        for name in ("bid", "ask"):
            side = np.ascontiguousarray(getattr(self, name), dtype=np.float64)
            if side.shape != (_SIDE, len(self.start)):
                expected = (_SIDE, len(self.start))
                raise InvalidInput(name, side.shape, f"is not of the shape {expected}")
            side.flags.writeable = False
            object.__setattr__(self, name, side)
        if self.end.shape != self.start.shape or np.any(self.end <= self.start):
            raise InvalidInput("end", len(self.end), "is not after the start of every bar")
        if np.any(self.start[1:] < self.end[:-1]):
            raise InvalidInput("start", len(self.start), "bars overlap or are not in order of time")

    def __len__(self) -> int:
        """Return the number of bars."""
        return len(self.start)

    @classmethod
    def none(cls) -> QuoteBars:
        """Return no bars at all."""
        nothing = np.zeros(0, dtype=np.int64)
        return cls(nothing, nothing, np.zeros((_SIDE, 0)), np.zeros((_SIDE, 0)))


def first_quote_fault(bid: FloatArray, ask: FloatArray) -> tuple[int, str] | None:
    """Return the first quote bar that cannot be true, and what is wrong with it.

    Each side is open, high, low, close, size of shape (5, bars) and keeps the rules of a bar; at
    the open and at the close the bid may meet the ask but not exceed it.
    """
    found = []
    for name, side in (("bid", bid), ("ask", ask)):
        fault = first_fault(side)
        if fault is not None:
            found.append((fault[0], f"{name} {fault[1]}"))
    for place, name in ((0, "open"), (3, "close")):
        crossed = bid[place] > ask[place]
        if crossed.any():
            at = int(np.argmax(crossed))
            what = f"the bid {bid[place, at]:g} lies above the ask {ask[place, at]:g} at the {name}"
            found.append((at, f"crossed_quote: {what}"))
    return min(found) if found else None
