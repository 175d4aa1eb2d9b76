"""Lots are closed first in, first out, and a split leaves their cost."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import pytest

from tests.builders import AAA, a_fill, dec
from tradewright.core.orders import Side
from tradewright.core.positions import Position

BUY, SELL = Side.BUY, Side.SELL
Trade = tuple[Side, str, str]


def after(trades: Sequence[Trade]) -> Position:
    position = Position(AAA)
    for side, quantity, price in trades:
        position = position.apply(a_fill(side, quantity, price))
    return position


@pytest.mark.parametrize(
    ("trades", "quantity", "average", "realised", "lots"),
    [
        ([], "0", "0", "0", []),
        ([(BUY, "10", "5")], "10", "5", "0", ["10"]),
        ([(BUY, "10", "5"), (BUY, "30", "7")], "40", "6.5", "0", ["10", "30"]),
        ([(BUY, "10", "5"), (BUY, "30", "7"), (SELL, "10", "8")], "30", "7", "30", ["30"]),
        ([(BUY, "10", "5"), (BUY, "30", "7"), (SELL, "15", "8")], "25", "7", "35", ["25"]),
        ([(BUY, "10", "5"), (SELL, "10", "4")], "0", "0", "-10", []),
        ([(SELL, "10", "5")], "-10", "5", "0", ["-10"]),
        ([(SELL, "10", "5"), (SELL, "10", "6"), (BUY, "15", "4")], "-5", "6", "20", ["-5"]),
        ([(BUY, "10", "5"), (SELL, "25", "8")], "-15", "8", "30", ["-15"]),
        ([(SELL, "10", "5"), (BUY, "25", "8")], "15", "8", "-30", ["15"]),
    ],
)
def test_positions_follow_from_fills(
    trades: Sequence[Trade], quantity: str, average: str, realised: str, lots: Sequence[str]
) -> None:
    position = after(trades)
    assert position.quantity == dec(quantity)
    assert position.average == dec(average)
    assert position.cost == dec(quantity) * dec(average)
    assert position.realised == dec(realised)
    assert [lot.quantity for lot in position.lots] == [dec(lot) for lot in lots]


@pytest.mark.parametrize(
    ("held", "ratio", "grown", "fraction"),
    [
        (["100"], Fraction(4), "400", "0"),
        (["101"], Fraction(3, 2), "151.5", "0.5"),
        (["105"], Fraction(1, 10), "10.5", "0.5"),
        (["5"], Fraction(1, 10), "0.5", "0.5"),
        (["-105"], Fraction(1, 10), "-10.5", "-0.5"),
        (["1", "1"], Fraction(1, 3), "0.666666667", "0.666666667"),
        (["100", "100", "101"], Fraction(1, 3), "100.333333333", "0.333333333"),
    ],
)
def test_a_split_multiplies_every_lot_and_leaves_its_cost(
    held: Sequence[str], ratio: Fraction, grown: str, fraction: str
) -> None:
    before = after([(BUY if dec(q) > 0 else SELL, str(abs(dec(q))), "9.99") for q in held])
    position, cashed = before.split(ratio)
    assert (position.quantity, cashed) == (dec(grown), dec(fraction))
    assert sum(lot.quantity for lot in position.lots) == position.quantity
    assert position.cost == before.cost
    assert sum(lot.quantity * lot.price for lot in position.lots) == pytest.approx(before.cost)
    for lot, old in zip(position.lots, before.lots, strict=True):
        assert lot.price == pytest.approx(old.price / Decimal(ratio.numerator) * ratio.denominator)


def test_a_lot_too_small_to_survive_a_reverse_split_leaves_the_rest_whole() -> None:
    position, fraction = after([(BUY, "0.000000001", "5"), (BUY, "300", "5")]).split(Fraction(1, 3))
    assert (position.quantity, fraction) == (dec(100), dec(0))
    assert sum(lot.quantity for lot in position.lots) == 100


def test_shares_of_a_lot_size_are_cashed_in_below_it() -> None:
    _, fraction = after([(BUY, "3", "10")]).split(Fraction(1, 7), Decimal("0.01"))
    assert fraction == dec("0.008571429")


def test_a_part_can_be_closed_at_a_price() -> None:
    half = after([(BUY, "10", "5"), (BUY, "10", "7")]).reduced(dec(15), dec(8))
    assert (half.quantity, half.realised, half.cost) == (dec(5), dec(35), dec(35))
