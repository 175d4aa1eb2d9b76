"""Commission by order and slippage against us."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest

from tests.builders import dec
from tradewright.core.errors import InvalidInput, UnknownName
from tradewright.core.money import Price
from tradewright.core.orders import Side
from tradewright.portfolio.costs import (
    BasisPoints,
    NoCommission,
    PercentOfValue,
    PerShare,
    commission,
)

BUY, SELL = Side.BUY, Side.SELL
IB = commission("ib-fixed")


@pytest.mark.parametrize(
    ("quantity", "fee"),
    # Half a cent a share, at least a dollar an order, half a cent up.
    [("1", "1"), ("200", "1"), ("201", "1.01"), ("1000", "5"), ("597", "2.99"), ("1001", "5.01")],
)
def test_the_fixed_schedule_of_interactive_brokers(quantity: str, fee: str) -> None:
    assert IB.fee(Decimal(0), dec(quantity), dec(50)) == dec(fee)


@pytest.mark.parametrize("parts", [["1"] * 5, ["100", "101"], ["150", "60", "1"], ["597", "404"]])
@pytest.mark.parametrize("name", ["ib-fixed", "per-share", "none"])
def test_the_parts_of_an_order_cost_what_the_whole_costs(name: str, parts: Sequence[str]) -> None:
    model = commission(name)
    filled = total = Decimal(0)
    for part in parts:
        fee = model.fee(filled, dec(part), dec(50))
        assert fee >= 0
        total += fee
        filled += dec(part)
    assert total == model.fee(Decimal(0), filled, dec(50))


def test_below_the_minimum_a_second_part_is_free() -> None:
    assert IB.fee(dec(50), dec(150), dec(50)) == 0
    assert IB.fee(dec(199), dec(3), dec(50)) == dec("0.01")


def test_a_fraction_of_the_value() -> None:
    assert PercentOfValue(dec("0.001")).fee(dec(7), dec(3), dec("11.50")) == dec("0.03")
    assert commission("percent").fee(dec(0), dec(100), dec(50)) == 5


def test_no_commission_is_nothing() -> None:
    assert NoCommission().fee(dec(0), dec(100), dec(50)) == 0


def test_an_unknown_commission_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownName, match="choose one of: ib-fixed, ib-fixed-capped, ib-tiered"):
        commission("free")


@pytest.mark.parametrize(
    ("bps", "side", "price", "paid"),
    [
        ("2", BUY, "100", "100.02"),
        ("2", SELL, "100", "99.98"),
        # To 0.0001 and never in our favour.
        ("2", BUY, "10.01", "10.0121"),
        ("2", SELL, "10.01", "10.0079"),
        ("0", BUY, "10.012345", "10.012345"),
        ("9999", SELL, "0.0002", "0.0001"),
    ],
)
def test_slippage_is_against_us(bps: str, side: Side, price: str, paid: str) -> None:
    assert BasisPoints(dec(bps)).fill_price(side, Price(dec(price))) == dec(paid)


@pytest.mark.parametrize("bps", ["-1", "10000"])
def test_slippage_neither_gains_nor_takes_everything(bps: str) -> None:
    with pytest.raises(InvalidInput, match="slippage_bps"):
        BasisPoints(dec(bps))


@pytest.mark.parametrize("rate", ["-0.01", "1.01"])
def test_a_commission_is_a_fraction(rate: str) -> None:
    with pytest.raises(InvalidInput, match="commission"):
        PercentOfValue(dec(rate))


@pytest.mark.parametrize(("rate", "minimum"), [("-1", "0"), ("0", "-1")])
def test_a_rate_is_not_negative(rate: str, minimum: str) -> None:
    with pytest.raises(InvalidInput, match="commission"):
        PerShare(dec(rate), dec(minimum))
