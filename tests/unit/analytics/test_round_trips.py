from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from tradewright.analytics.round_trips import Payout, round_trips, trip_statistics
from tradewright.core.ids import FillId, InstrumentId, OrderId
from tradewright.core.instrument import Instrument
from tradewright.core.market import Split
from tradewright.core.money import Money, Price, Quantity
from tradewright.core.orders import Fill, Side

A, B = InstrumentId("AAA"), InstrumentId("BBB")
INSTRUMENTS = {name: Instrument(name, name) for name in (A, B)}
START = datetime(2020, 1, 1, 15, tzinfo=UTC)


def fill(day: int, quantity: int, price: str, fee: str = "0", name: InstrumentId = A) -> Fill:
    """A fill of a signed quantity."""
    return Fill(
        FillId(f"{name}-{day}"),
        OrderId(f"{name}-{day}"),
        name,
        Side.BUY if quantity > 0 else Side.SELL,
        Quantity(Decimal(abs(quantity))),
        Price(Decimal(price)),
        Money(Decimal(fee)),
        START + timedelta(days=day),
    )


def test_trip_from_flat_to_flat_with_scaling_in_and_out() -> None:
    fills = [fill(0, 10, "10", "1"), fill(1, 10, "12", "1"), fill(2, -5, "14"), fill(4, -15, "11")]
    (trip,) = round_trips(fills, INSTRUMENTS)
    # 100 + 120 paid, 70 + 165 received, fees of 2.
    assert [trip.side, trip.value, trip.profit, trip.fees] == [Side.BUY, 220, 13, 2]
    assert trip.result == pytest.approx(13 / 220)
    assert trip.days == 4


def test_fill_that_crosses_zero_ends_one_trip_and_begins_the_next() -> None:
    fills = [fill(0, 10, "10"), fill(1, -30, "11", "3"), fill(2, 20, "12", "1")]
    long, short = round_trips(fills, INSTRUMENTS)
    assert [long.profit, long.fees, long.closed_at] == [9, 1, START + timedelta(days=1)]
    assert [short.side, short.value, short.profit, short.fees] == [Side.SELL, 220, -23, 3]


def test_split_changes_what_is_held_and_not_what_was_paid() -> None:
    actions = [Split(A, date(2020, 1, 3), Fraction(4))]
    (trip,) = round_trips([fill(0, 10, "100"), fill(2, -40, "30")], INSTRUMENTS, actions)
    assert [trip.value, trip.profit] == [1000, 200]
    assert round_trips([fill(0, 10, "100"), fill(2, -40, "30")], INSTRUMENTS)[0].profit == -700


def test_fraction_that_a_split_leaves_is_no_open_trip() -> None:
    actions = [Split(A, date(2020, 1, 2), Fraction(1, 3))]
    (trip,) = round_trips([fill(0, 10, "10"), fill(1, -3, "30")], INSTRUMENTS, actions)
    assert trip.profit == -10


def test_what_is_still_held_is_no_trip_and_a_delisting_ends_one() -> None:
    fills = [fill(0, 10, "10")]
    assert round_trips(fills, INSTRUMENTS) == []
    gone = Payout(A, START + timedelta(days=9), Decimal(2))
    (trip,) = round_trips(fills, INSTRUMENTS, payouts=[gone])
    assert [trip.profit, trip.days] == [-80, 9]


def test_trips_come_in_the_order_in_which_they_end() -> None:
    fills = [fill(0, 1, "10"), fill(1, 1, "10", name=B), fill(2, -1, "11", name=B)]
    trips = round_trips([*fills, fill(3, -1, "9")], INSTRUMENTS)
    assert [trip.instrument for trip in trips] == [B, A]


def test_statistics_by_hand() -> None:
    prices = [("110", 1), ("120", 1), ("95", 2), ("100", 1)]
    fills, day = [], 0
    for price, days in prices:
        fills += [fill(day, 1, "100"), fill(day + days, -1, price)]
        day += days + 1
    known = trip_statistics(round_trips(fills, INSTRUMENTS))
    assert (known.trips, known.wins, known.losses) == (4, 2, 1)
    assert known.win_rate == pytest.approx(2 / 3)
    assert (known.average_win, known.average_loss) == pytest.approx((0.15, 0.05))
    assert (known.payoff, known.profit_factor) == pytest.approx((3, 6))
    assert known.expectancy == pytest.approx(0.25 / 4)
    assert known.kelly == pytest.approx(2 / 3 - (1 / 3) / 3)
    assert known.days == pytest.approx(1.25)


def test_no_trips_and_no_losses_have_no_ratios() -> None:
    assert math.isnan(trip_statistics([]).win_rate)
    only = trip_statistics(round_trips([fill(0, 1, "10"), fill(1, -1, "11")], INSTRUMENTS))
    assert (only.win_rate, math.isnan(only.profit_factor), math.isnan(only.kelly)) == (
        1,
        True,
        True,
    )
