"""The request budget: never above the limit, and never without room for getting out."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewright.adapters.alpaca import Allowance, RequestBudget
from tradewright.adapters.alpaca.budget import Lane
from tradewright.core.errors import InvalidInput

LANES = st.sampled_from(list(Lane))
SMALL = Allowance(requests=20, seconds=60.0)
STEPS = st.lists(st.tuples(LANES, st.floats(0, 30)), max_size=150)


def sent(budget: RequestBudget, lane: Lane, now: float, tries: int) -> int:
    """How many of so many requests may go at one instant."""
    return sum(budget.take(lane, now) == 0 for _ in range(tries))


@given(STEPS)
def test_no_stretch_of_the_window_ever_holds_more_than_the_limit(
    steps: list[tuple[Lane, float]],
) -> None:
    budget, now = RequestBudget(SMALL), 1000.0
    times: list[float] = []
    for lane, pause in steps:
        now += pause
        if budget.take(lane, now) == 0:
            times.append(now)
    for last in times:
        assert sum(last - 60.0 < at <= last for at in times) <= 20


@given(STEPS.map(lambda steps: [(lane, p) for lane, p in steps if lane is not Lane.EXIT]))
def test_whatever_was_sent_before_the_exits_have_their_part(
    steps: list[tuple[Lane, float]],
) -> None:
    budget, now = RequestBudget(SMALL), 1000.0
    for lane, pause in steps:
        now += pause
        budget.take(lane, now)
    assert sent(budget, Lane.EXIT, now, 4) == 4


@given(STEPS)
def test_a_request_goes_once_the_time_it_was_told_has_come(
    steps: list[tuple[Lane, float]],
) -> None:
    budget, now = RequestBudget(SMALL), 1000.0
    for lane, pause in steps:
        now += pause
        wait = budget.take(lane, now)
        assert 0 <= wait <= 60.0
        if wait:
            now += wait + 1e-6
            assert budget.take(lane, now) == 0


def test_polling_stops_first_then_orders_then_exits() -> None:
    budget = RequestBudget(Allowance())
    assert sent(budget, Lane.POLL, 0.0, 300) == 100
    assert sent(budget, Lane.ORDER, 0.0, 300) == 60
    assert sent(budget, Lane.EXIT, 0.0, 300) == 40
    assert budget.take(Lane.EXIT, 0.0) == 60.0
    assert sent(budget, Lane.EXIT, 60.0, 300) == 200


def test_what_others_sent_with_the_same_account_counts_until_the_venue_resets() -> None:
    budget = RequestBudget(Allowance())
    assert budget.take(Lane.POLL, 0.0) == 0
    budget.learn(200, 30, 20.0, 0.0)
    assert budget.take(Lane.ORDER, 0.0) == 20.0
    assert sent(budget, Lane.EXIT, 0.0, 100) == 30
    assert budget.take(Lane.POLL, 20.0) == 0


def test_a_lower_limit_of_the_venue_is_kept_and_a_higher_one_is_not_taken() -> None:
    budget = RequestBudget(Allowance())
    budget.learn(100, None, None, 0.0)
    assert budget.limit == 100
    assert sent(budget, Lane.EXIT, 0.0, 300) == 100
    budget.learn(10_000, None, None, 0.0)
    assert budget.limit == 200


@pytest.mark.parametrize("headers", [(0, None, None), (None, None, 5.0), (None, 3, -5.0)])
def test_headers_that_say_nothing_change_nothing(
    headers: tuple[int | None, int | None, float | None],
) -> None:
    budget = RequestBudget(Allowance())
    budget.learn(*headers, 0.0)
    assert sent(budget, Lane.EXIT, 0.0, 300) == 200


def test_a_storm_of_refusals_without_headers_leaves_the_road_to_exits() -> None:
    budget = RequestBudget(Allowance())
    waits = [budget.limited(None, float(n)) for n in range(8)]
    assert [wait[Lane.EXIT] for wait in waits] == [0.5, 1, 2, 4, 4, 4, 4, 4]
    assert [wait[Lane.POLL] for wait in waits] == [3, 6, 12, 24, 48, 60, 60, 60]
    assert all(wait[Lane.EXIT] < wait[Lane.ORDER] for wait in waits)
    assert budget.take(Lane.POLL, 12.0) == 55.0
    assert budget.take(Lane.EXIT, 12.0) == 0
    budget.served()
    assert budget.limited(None, 100.0)[Lane.POLL] == 3


def test_after_a_reset_that_the_venue_names_exits_come_first_and_others_spread() -> None:
    budget = RequestBudget(Allowance(), jitter=lambda: 0.5)
    waits = budget.limited(20.0, 0.0)
    assert waits == {Lane.EXIT: 20.0, Lane.ORDER: 21.5, Lane.POLL: 21.5}
    assert all(budget.take(lane, 0.0) == wait for lane, wait in waits.items())


@pytest.mark.parametrize(
    "wrong",
    [{"requests": 0}, {"seconds": 0.0}, {"orders": 1.0}, {"polling": 0.9}, {"polling": 0.0}],
)
def test_an_allowance_that_keeps_nothing_for_exits_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInput):
        Allowance(**wrong)  # type: ignore[arg-type]


def test_a_tiny_limit_still_lets_an_exit_through() -> None:
    budget = RequestBudget(Allowance(requests=1))
    assert budget.take(Lane.POLL, 0.0) == 60.0
    assert budget.take(Lane.EXIT, 0.0) == 0
    times = [budget.take(Lane.EXIT, now) for now in (1.0, 30.0, 59.0)]
    assert all(a > b for a, b in pairwise(times))
