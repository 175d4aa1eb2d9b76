"""Day trades: what counts as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.builders import a_fill, dec
from tests.unit.exchange.builders import DAYS, opened
from tradewright.core.money import Quantity
from tradewright.core.orders import Fill, Side
from tradewright.exchange.account.day_trades import day_trades


def fills(told: Sequence[tuple[int, int]]) -> list[Fill]:
    """Fills in order from pairs of a session's number and signed shares."""
    return [
        replace(
            a_fill(),
            at=opened(day) + timedelta(minutes=place),
            side=Side.BUY if signed > 0 else Side.SELL,
            quantity=Quantity(dec(abs(signed))),
        )
        for place, (day, signed) in enumerate(told)
    ]


@pytest.mark.parametrize(
    ("told", "counts"),
    [
        ([(1, 10), (2, -10)], {}),
        ([(1, 10), (1, -10)], {1: 1}),
        ([(1, -10), (1, 10)], {1: 1}),
        ([(1, 10), (1, 5), (1, -5), (1, -10)], {1: 1}),
        ([(1, 10), (1, -10), (1, 10), (1, -10)], {1: 2}),
        ([(1, 10), (1, -5), (1, 5), (1, -10)], {1: 2}),
        # What was held overnight is sold, then bought again: nothing was opened first.
        ([(1, 10), (2, -10), (2, 10)], {}),
        ([(1, 10), (2, -10), (2, 10), (2, -10)], {2: 1}),
        # Through zero and back: both the long and the short were opened that day.
        ([(1, 10), (1, -20), (1, 10)], {1: 2}),
    ],
)
def test_a_round_trip_within_a_day_counts_once(
    told: list[tuple[int, int]], counts: dict[int, int]
) -> None:
    assert day_trades(fills(told)) == {DAYS[day]: count for day, count in counts.items()}
