"""Commissions against published examples, by order, by part and by month."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.builders import dec
from tradewright.core.errors import InvalidInput
from tradewright.core.money import ZERO
from tradewright.portfolio.costs import (
    PercentWithMinimum,
    PerTrade,
    Tier,
    TieredPerShare,
    commission,
)
from tradewright.portfolio.costs.names import COMMISSIONS


def tiered(name: str) -> TieredPerShare:
    model = commission(name)
    assert isinstance(model, TieredPerShare)
    return model


@pytest.mark.parametrize(
    ("shares", "price", "fee"),
    [
        # interactivebrokers.com, commissions of US stocks, fixed: its three examples, and that of
        # its note on a maximum below the minimum.
        ("100", "25", "1.00"),
        ("1000", "25", "5.00"),
        ("1000", "0.25", "2.50"),
        ("10", "0.20", "0.02"),
    ],
)
def test_examples_of_the_fixed_plan(shares: str, price: str, fee: str) -> None:
    assert commission("ib-fixed-capped").fee(ZERO, dec(shares), dec(price)) == dec(fee)


@pytest.mark.parametrize(
    ("month", "shares", "fee"),
    [
        # interactivebrokers.com, fixed and tiered compared: 30,000,000 shares at 5 dollars are
        # 1,050 + 5,400 + 25,500 + 10,000, and 200,000 are 700.
        ("0", "300000", "1050"),
        ("300000", "2700000", "5400"),
        ("3000000", "17000000", "25500"),
        ("20000000", "10000000", "10000"),
        ("0", "30000000", "41950"),
        ("0", "200000", "700"),
        # The last tier, and one order over the edge of two.
        ("100000000", "1000000", "500"),
        ("299900", "200", "0.55"),
        # The minimum, and the maximum of 1 % where it is below.
        ("0", "50", "0.35"),
    ],
)
def test_examples_of_the_tiered_plan(month: str, shares: str, fee: str) -> None:
    model = tiered("ib-tiered")
    assert model.monthly_fee(dec(month), ZERO, dec(shares), dec(5)) == dec(fee)


def test_the_maximum_holds_where_it_is_below_the_minimum() -> None:
    assert tiered("ib-tiered").fee(ZERO, dec(10), dec("0.20")) == dec("0.02")


def test_the_first_order_of_a_month_is_what_a_fee_without_a_month_is_of() -> None:
    model = tiered("ib-tiered")
    assert model.fee(ZERO, dec(400_000), dec(5)) == dec("1250")
    assert model.fee(dec(300_000), dec(100_000), dec(5)) == dec("200")


def test_parts_add_up_to_the_order_across_a_tier() -> None:
    model, month, total = tiered("ib-tiered"), dec(299_950), ZERO
    done = ZERO
    for part in ("30", "40", "130"):
        total += model.monthly_fee(month + done, done, dec(part), dec(50))
        done += dec(part)
    assert total == model.monthly_fee(month, ZERO, dec(200), dec(50)) == dec("0.48")


def test_an_order_that_goes_on_in_another_month_begins_that_month() -> None:
    # 500 of it were filled before a month in which nothing else has been.
    model = tiered("ib-tiered")
    assert model.monthly_fee(ZERO, dec(500), dec(500), dec(50)) == dec("1.75")


@pytest.mark.parametrize(
    ("before", "quantity", "fee"),
    [("0", "100", "5.00"), ("0", "10", "1.00"), ("10", "10", "0.00"), ("10", "40", "1.50")],
)
def test_a_fraction_with_a_minimum_is_by_order(before: str, quantity: str, fee: str) -> None:
    model = PercentWithMinimum(dec("0.001"), dec(1))
    assert model.fee(dec(before), dec(quantity), dec(50)) == dec(fee)


def test_a_fee_per_trade_is_taken_once() -> None:
    model = PerTrade(dec("6.95"))
    assert model.fee(ZERO, dec(1), dec(1)) == dec("6.95")
    assert model.fee(dec(1), dec(99), dec(1)) == 0


@pytest.mark.parametrize("name", sorted(COMMISSIONS))
def test_side_and_time_do_not_matter_to_a_broker(name: str) -> None:
    model = commission(name)
    assert model.fee(ZERO, dec(7), dec(3)) == model.fee(ZERO, dec(7), dec(3), None, None)


@pytest.mark.parametrize(
    "tiers",
    [
        (),
        (Tier(dec(100), dec(1)),),
        (Tier(None, dec(1)), Tier(None, dec(1))),
        (Tier(dec(200), dec(1)), Tier(dec(100), dec(1)), Tier(None, dec(1))),
        (Tier(dec(0), dec(1)), Tier(None, dec(1))),
    ],
)
def test_tiers_rise_to_an_open_end(tiers: tuple[Tier, ...]) -> None:
    with pytest.raises(InvalidInput, match="tiers"):
        TieredPerShare(tiers)


@pytest.mark.parametrize(
    ("rate", "minimum", "most"), [("-1", "0", "0.01"), ("1", "-1", "0.01"), ("1", "1", "2")]
)
def test_numbers_of_tiers_are_checked(rate: str, minimum: str, most: str) -> None:
    with pytest.raises(InvalidInput, match="commission"):
        TieredPerShare((Tier(None, dec(rate)),), dec(minimum), dec(most))


def test_other_numbers_are_checked() -> None:
    with pytest.raises(InvalidInput, match="must not be negative"):
        PerTrade(dec(-1))
    with pytest.raises(InvalidInput, match="must not be negative"):
        PercentWithMinimum(Decimal(0), dec(-1))
    with pytest.raises(InvalidInput, match="must be a fraction"):
        PercentWithMinimum(dec(2))
