"""Time is UTC and does not go back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from tests.builders import AT, MOMENT
from tradewright.core.clock import ManualClock, SystemClock, require_utc
from tradewright.core.errors import InvalidInput


@pytest.mark.parametrize(
    "at",
    [
        datetime(2024, 1, 2),  # noqa: DTZ001 - the case itself
        datetime(2024, 1, 2, tzinfo=timezone(timedelta(hours=-5))),
    ],
)
def test_times_that_are_not_utc_are_refused(at: datetime) -> None:
    with pytest.raises(InvalidInput, match="decided_at"):
        require_utc(at, "decided_at")
    with pytest.raises(InvalidInput):
        ManualClock(at)
    with pytest.raises(InvalidInput):
        ManualClock(AT).set(at)


def test_utc_by_another_name_is_utc() -> None:
    at = datetime(2024, 1, 2, tzinfo=timezone(timedelta(0)))
    assert require_utc(at) is at


def test_a_manual_clock_stands_still_until_it_is_moved() -> None:
    clock = ManualClock(AT)
    assert clock.now() == clock.now() == AT
    before = clock.monotonic()
    clock.advance(MOMENT)
    assert clock.now() == AT + MOMENT
    assert clock.monotonic() - before == 1.0
    clock.set(AT + MOMENT)


def test_a_manual_clock_does_not_go_back() -> None:
    clock = ManualClock(AT)
    with pytest.raises(InvalidInput, match="is before the clock's"):
        clock.set(AT - MOMENT)
    assert clock.now() == AT


def test_the_systems_clock_is_utc_and_monotonic() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() >= before
