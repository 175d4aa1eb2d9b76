"""When orders run out and when extended hours are on, by the clock on the wall of New York."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.unit.exchange.builders import closed, opened, sessions
from tradewright.core.orders import TimeInForce
from tradewright.core.session import Calendar
from tradewright.exchange.trading.windows import extended_start, extends, runs_out

CALENDAR = Calendar("XNYS", sessions())


@pytest.mark.parametrize(
    ("at", "on"),
    [
        (datetime(2024, 1, 3, 8, 59, tzinfo=UTC), False),
        (datetime(2024, 1, 3, 9, 0, tzinfo=UTC), True),
        (datetime(2024, 1, 4, 0, 59, tzinfo=UTC), True),
        (datetime(2024, 1, 4, 1, 0, tzinfo=UTC), False),
        # A Saturday at noon.
        (datetime(2024, 1, 6, 17, 0, tzinfo=UTC), False),
    ],
)
def test_extended_hours_are_those_of_trading_days(at: datetime, on: bool) -> None:
    assert extends(at, CALENDAR) is on


def test_an_order_for_the_day_is_for_the_session_that_is_open_or_the_next() -> None:
    first, second = sessions()[1], sessions()[2]
    day = TimeInForce.DAY
    assert runs_out(day, first.open, first, CALENDAR, extended=False) == first.close
    assert runs_out(day, first.close, None, CALENDAR, extended=False) == second.close
    # While the last bar closes the session is still there, and over.
    assert runs_out(day, first.close, first, CALENDAR, extended=False) == second.close
    assert runs_out(day, closed(6), None, CALENDAR, extended=False) is None


def test_in_extended_hours_the_day_ends_at_eight() -> None:
    day = TimeInForce.DAY
    evening = datetime(2024, 1, 4, 1, 0, tzinfo=UTC)
    next_evening = datetime(2024, 1, 5, 1, 0, tzinfo=UTC)
    assert runs_out(day, closed(1), None, CALENDAR, extended=True) == evening
    assert runs_out(day, evening, None, CALENDAR, extended=True) == next_evening
    assert extended_start(closed(1), CALENDAR) == datetime(2024, 1, 4, 9, 0, tzinfo=UTC)
    assert extended_start(opened(6), CALENDAR) is None
