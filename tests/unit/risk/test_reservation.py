"""Each instrument counts at its worst case, and a reservation is undone exactly."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.builders import AAA, BBB, an_exposure, dec
from tradewright.core.ids import InstrumentId
from tradewright.core.orders import Side

BUY, SELL = Side.BUY, Side.SELL
Working = tuple[str, Side, int]


@pytest.mark.parametrize(
    ("held", "working", "gross", "highest", "lowest"),
    [
        (0, [], 0, 0, 0),
        (10, [], 1000, 1000, 1000),
        (-10, [], 1000, -1000, -1000),
        (10, [("AAA", BUY, 5)], 1500, 1500, 1000),
        (10, [("AAA", SELL, 5)], 1000, 1000, 500),
        (10, [("AAA", SELL, 25)], 1500, 1000, -1500),
        (-10, [("AAA", BUY, 25)], 1500, 1500, -1000),
        (0, [("AAA", BUY, 5), ("AAA", SELL, 8)], 800, 500, -800),
    ],
)
def test_worst_cases(
    held: int, working: list[Working], gross: int, highest: int, lowest: int
) -> None:
    exposure = an_exposure({"AAA": held}, *working)
    assert (exposure.gross, exposure.highest, exposure.lowest) == tuple(
        map(Decimal, (gross, highest, lowest))
    )


def test_instruments_add_up() -> None:
    exposure = an_exposure({"AAA": 10, "BBB": -10}, ("BBB", SELL, 5), equity_cash=500)
    assert (exposure.gross, exposure.highest, exposure.lowest) == (dec(2500), dec(0), dec(-500))
    assert exposure.equity == 500


@pytest.mark.parametrize(
    ("held", "working", "side", "room"),
    [
        (10, [], SELL, 10),
        (10, [], BUY, 0),
        (-10, [], BUY, 10),
        (-10, [], SELL, 0),
        (10, [("AAA", SELL, 4)], SELL, 6),
        (10, [("AAA", SELL, 40)], SELL, 0),
        (-10, [("AAA", BUY, 4)], BUY, 6),
        (10, [("AAA", BUY, 40)], SELL, 10),
        (0, [("AAA", BUY, 40)], SELL, 0),
        (0, [], SELL, 0),
    ],
)
def test_what_only_reduces_is_what_is_held_less_what_works_off_it(
    held: int, working: list[Working], side: Side, room: int
) -> None:
    holdings = {"AAA": held} if held else {}
    assert an_exposure(holdings, *working).reducible(AAA, side) == room


@pytest.mark.parametrize(
    ("held", "side", "worst"), [(0, BUY, 5), (10, BUY, 15), (10, SELL, 10), (-10, SELL, 15)]
)
def test_the_largest_position_that_could_follow(held: int, side: Side, worst: int) -> None:
    holdings = {"AAA": held} if held else {}
    assert an_exposure(holdings).worst_position(AAA, side, Decimal(5)) == worst


def test_asking_what_would_follow_changes_nothing() -> None:
    exposure = an_exposure({"AAA": 10})
    before = (exposure.gross, exposure.highest, exposure.lowest)
    assert exposure.after(BBB, SELL, dec(5)) == (dec(1500), dec(1000), dec(500))
    assert exposure.after(AAA, BUY, dec(5)) == (dec(1500), dec(1500), dec(1000))
    assert (exposure.gross, exposure.highest, exposure.lowest) == before
    assert exposure.after(AAA, BUY, dec(5)) == (dec(1500), dec(1500), dec(1000))


def test_an_approved_order_is_reserved_for_the_next_one() -> None:
    exposure = an_exposure({"AAA": 10})
    exposure.add(AAA, SELL, dec(6))
    assert exposure.reducible(AAA, SELL) == 4
    exposure.add(AAA, BUY, dec(7))
    assert exposure.worst_position(AAA, BUY, dec(1)) == 18
    assert exposure.gross == 1700


def test_without_a_price_neither_equity_nor_exposure_is_known() -> None:
    exposure = an_exposure({"AAA": 10, "BBB": 5}, prices={"AAA": 100})
    assert (exposure.equity, exposure.unpriced) == (None, (BBB,))


def test_what_works_without_a_price_is_unpriced_too() -> None:
    exposure = an_exposure({}, ("BBB", BUY, 5), prices={"AAA": 100})
    assert (exposure.equity, exposure.unpriced) == (None, (BBB,))


def test_what_is_held_is_told() -> None:
    exposure = an_exposure({"AAA": -7})
    assert exposure.held(AAA) == -7
    assert exposure.held(InstrumentId("ZZZ")) == 0


def test_an_order_without_a_price_adds_nothing_that_is_known() -> None:
    exposure = an_exposure({}, prices={})
    assert exposure.after(AAA, BUY, dec(5)) == (dec(0), dec(0), dec(0))


@pytest.mark.parametrize(
    ("held", "equity"),
    [({"AAA": 10}, "1500"), ({"BBB": -3}, "440"), ({"AAA": 2, "BBB": 1}, "720")],
)
def test_equity_is_cash_and_positions_at_their_marks(held: dict[str, int], equity: str) -> None:
    exposure = an_exposure(held, equity_cash=500, prices={"AAA": 100, "BBB": 20})
    assert exposure.equity == dec(equity)


@pytest.mark.parametrize(
    ("working", "side", "worst"),
    [
        ([("AAA", BUY, 4)], BUY, 19),
        ([("AAA", SELL, 30)], SELL, 25),
        ([("AAA", SELL, 30)], BUY, 20),
        ([("AAA", BUY, 4), ("AAA", SELL, 3)], SELL, 14),
    ],
)
def test_the_largest_position_counts_all_that_works(
    working: list[Working], side: Side, worst: int
) -> None:
    assert an_exposure({"AAA": 10}, *working).worst_position(AAA, side, Decimal(5)) == worst
