"""Limit pauses, computed from the trades of a session."""

from __future__ import annotations

import numpy as np
import pytest

from tradewright.exchange.market.halts import limit_pauses

SECOND = 1_000_000_000


def pauses(*trades: tuple[float, float]) -> list[tuple[float, float]]:
    """Begin and end in seconds, from seconds and prices."""
    at = np.array([round(second * SECOND) for second, _ in trades], dtype=np.int64)
    price = np.array([price for _, price in trades])
    return [(begin / SECOND, end / SECOND) for begin, end in limit_pauses(at, price)]


@pytest.mark.parametrize(
    ("trades", "expected"),
    [
        ([], []),
        ([(0, 100.0), (10, 104.9), (20, 97.4)], []),
        # Beyond the band for 15 seconds: a pause of five minutes.
        ([(0, 100.0), (10, 105.0), (20, 106.0), (30, 106.0)], [(25, 325)]),
        ([(0, 100.0), (10, 95.0)], [(25, 325)]),
        # Back inside in time: none.
        ([(0, 100.0), (10, 105.0), (25, 104.0), (30, 106.0), (40, 104.0)], []),
        # Slowly enough, any distance is covered without one.
        ([(60 * i, 100.0 + i) for i in range(60)], []),
        # After the pause the market reopens where it trades.
        ([(0, 100.0), (10, 110.0), (400, 110.0), (410, 111.0)], [(25, 325)]),
        ([(0, 100.0), (10, 110.0), (400, 110.0), (410, 120.0)], [(25, 325), (425, 725)]),
        # Trades of more than five minutes ago are forgotten.
        ([(0, 100.0), (290, 104.0), (301, 109.1)], []),
        ([(0, 100.0), (290, 104.0), (299, 109.1)], [(314, 614)]),
    ],
)
def test_a_limit_state_that_lasts_becomes_a_pause(
    trades: list[tuple[float, float]], expected: list[tuple[float, float]]
) -> None:
    assert pauses(*trades) == expected
