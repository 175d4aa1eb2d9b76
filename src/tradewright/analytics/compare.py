"""One run's equity against another's, session by session.

Sessions are matched by date. A return is taken over the sessions that both have, so that a session
that one of them lacks moves no return into another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tradewright.analytics.benchmark import correlation, tracking_error
from tradewright.analytics.returns import simple_returns
from tradewright.core.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from tradewright.core.frames import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Two curves over the dates that both have; the arrays are of shape (dates,).

    `left_returns` and `right_returns` begin with 0, at the first common date. `only_left` and
    `only_right` are the dates that the other lacks.
    """

    dates: tuple[date, ...]
    left: FloatArray
    right: FloatArray
    left_returns: FloatArray
    right_returns: FloatArray
    only_left: tuple[date, ...]
    only_right: tuple[date, ...]

    @property
    def differences(self) -> FloatArray:
        """Right return less left return, a fraction, shape (dates,)."""
        return np.asarray(self.right_returns - self.left_returns)

    @property
    def correlation(self) -> float:
        """Correlation of the two runs' returns."""
        return correlation(self.left_returns[1:], self.right_returns[1:])

    @property
    def tracking_error(self) -> float:
        """Deviation of their difference, a fraction a year."""
        return tracking_error(self.right_returns[1:], self.left_returns[1:])

    def first_difference(self, tolerance: float = 1e-9) -> date | None:
        """Return the first date on which returns differ by more than a fraction; None if none."""
        apart = ~(np.abs(self.differences) <= tolerance)
        return self.dates[int(np.argmax(apart))] if apart.any() else None


def compare(
    left_dates: Sequence[date],
    left: FloatArray,
    right_dates: Sequence[date],
    right: FloatArray,
) -> Comparison:
    """Lay two equity curves beside each other.

    Args:
        left_dates: Dates of the first curve, rising.
        left: Its equity at each, shape (dates,).
        right_dates: Dates of the second curve, rising.
        right: Its equity at each, shape (dates,).

    Raises:
        InvalidInput: The curves have no date in common.
    """
    both = sorted(set(left_dates) & set(right_dates))
    if not both:
        raise InvalidInput("runs", "two", "have no session in common", "choose runs that overlap")
    chosen = [
        values[np.isin(np.array(dates, dtype="datetime64[D]"), np.array(both, "datetime64[D]"))]
        for dates, values in ((left_dates, left), (right_dates, right))
    ]
    returns = [np.concatenate(([0.0], simple_returns(values))) for values in chosen]
    return Comparison(
        tuple(both),
        chosen[0],
        chosen[1],
        returns[0],
        returns[1],
        tuple(sorted(set(left_dates) - set(both))),
        tuple(sorted(set(right_dates) - set(both))),
    )
