"""All models together: expected, charged and attributed are one thing; names and presets."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.builders import a_fill, dec
from tradewright.core.errors import InvalidInput, UnknownName
from tradewright.core.money import ZERO, Price
from tradewright.core.orders import Side
from tradewright.portfolio.costs import (
    UNKNOWN,
    Almgren,
    BasisPoints,
    Borrow,
    Conditions,
    Cost,
    CostNames,
    MarginInterest,
    NoCommission,
    PerShare,
    TradingCosts,
    UsSales,
    preset,
)
from tradewright.portfolio.costs.names import BORROWS, COMMISSIONS, IMPACTS, LEVIES, MARGINS
from tradewright.portfolio.costs.presets import PRESETS
from tradewright.portfolio.costs.slippage import HalfSpread, SquareRoot

KNOWN = Conditions(dec("0.001"), dec("0.02"), dec(1_000_000))
SOLD = datetime(2023, 6, 1, 14, 30, tzinfo=UTC)
FIFTY = Price(dec(50))
ALL = TradingCosts(PerShare(), HalfSpread(), UsSales(), Almgren())


def test_every_part_by_hand() -> None:
    cost = ALL.expected(Side.SELL, dec(10_000), FIFTY, KNOWN, at=SOLD)
    # 1 % of the volume: I = 0.314 · 0.02 · 0.01 · 200^(1/4) = 0.00023616..., K = 0.142 · 0.02 ·
    # 0.1^0.6 = 0.00071337...: I / 2 + K is 0.00083146, and with half a spread the price 49.93342...
    assert cost.commission == 50
    # 8.00 a million of 499,334 is 3.9947 and 0.000145 a share is 1.45.
    assert cost.fees == dec("5.45")
    assert cost.impact == dec("415.73")
    assert cost.slippage == dec("250.27")
    assert cost.total == dec("721.45")
    assert cost.bps(dec(500_000)) == dec("14.429")
    assert ALL.fill_price(Side.SELL, FIFTY, dec(10_000), KNOWN) == dec("49.9334")


def test_buyers_pay_no_fees() -> None:
    cost = ALL.expected(Side.BUY, dec(100), FIFTY, KNOWN, at=SOLD)
    assert (cost.commission, cost.fees) == (dec(1), ZERO)


def test_what_was_expected_is_what_a_fill_is_attributed() -> None:
    expected = ALL.expected(Side.SELL, dec(10_000), FIFTY, KNOWN, at=SOLD)
    paid = ALL.fill_price(Side.SELL, FIFTY, dec(10_000), KNOWN)
    fee = ALL.fee(ZERO, dec(10_000), paid, Side.SELL, SOLD)
    fill = a_fill(Side.SELL, "10000", str(paid), fee=str(fee), at=SOLD)
    assert ALL.attributed(fill, FIFTY, KNOWN) == expected


def test_a_month_makes_the_next_order_cheaper() -> None:
    costs = CostNames("ib-tiered").models()
    dear = costs.expected(Side.BUY, dec(10_000), FIFTY)
    cheap = costs.expected(Side.BUY, dec(10_000), FIFTY, month=dec(300_000))
    assert (dear.commission, cheap.commission) == (dec(35), dec(20))


def test_a_multiplier_counts_for_the_price_alone() -> None:
    costs = TradingCosts(PerShare(), BasisPoints(dec(2)))
    one = costs.expected(Side.BUY, dec(10), FIFTY)
    hundred = costs.expected(Side.BUY, dec(10), FIFTY, multiplier=dec(100))
    assert hundred.slippage == 100 * one.slippage
    assert hundred.commission == one.commission


def test_a_price_that_got_better_is_slippage_below_zero() -> None:
    costs = TradingCosts(NoCommission(), HalfSpread(), impact=Almgren())
    fill = a_fill(Side.BUY, "100", "49.90", fee="0.03")
    cost = costs.attributed(fill, FIFTY, KNOWN)
    assert cost == Cost(dec("0.03"), ZERO, dec(-10), ZERO)


def test_a_fee_without_a_model_is_commission() -> None:
    fill = a_fill(Side.SELL, "100", "50", fee="0.01", at=SOLD)
    cost = TradingCosts(NoCommission(), levies=UsSales()).attributed(fill, FIFTY)
    assert (cost.commission, cost.fees) == (ZERO, dec("0.01"))


def test_costs_add_up_part_by_part() -> None:
    one = Cost(dec(1), dec(2), dec(3), dec(4))
    assert one + one == Cost(dec(2), dec(4), dec(6), dec(8))
    assert (one + Cost()).total == one.total == 10


def test_size_is_not_counted_twice() -> None:
    with pytest.raises(InvalidInput, match="impact: 'almgren' does not go with a slippage"):
        TradingCosts(slippage=SquareRoot(), impact=Almgren())


def test_only_plain_basis_points_are_the_same_for_any_trade() -> None:
    assert TradingCosts().fixed == BasisPoints()
    assert TradingCosts(impact=Almgren()).fixed is None
    assert TradingCosts(slippage=HalfSpread()).fixed is None


def test_names_build_the_models_with_their_numbers() -> None:
    names = CostNames(
        "per-share:rate=0.004,minimum=0.5",
        "half-spread:spread_bps=3",
        fees="us-sales",
        impact="almgren:duration=0.5",
        borrow="flat:rate=0.02",
        margin="flat",
    )
    models = names.models()
    assert models.commission == PerShare(dec("0.004"), dec("0.5"))
    assert models.slippage == HalfSpread(spread_bps=dec(3))
    assert models.levies == UsSales()
    assert models.impact == Almgren(duration=dec("0.5"))
    assert models.borrow == Borrow(dec("0.02"))
    assert models.margin == MarginInterest()


def test_basis_points_of_the_spec_are_those_of_fixed_slippage() -> None:
    assert CostNames(slippage_bps=dec(7)).models().slippage == BasisPoints(dec(7))
    assert CostNames(slippage="fixed:bps=3", slippage_bps=dec(7)).models().fixed == BasisPoints(
        dec(3)
    )


def test_what_costs_nothing_is_no_model() -> None:
    models = CostNames().models()
    assert (models.levies, models.impact, models.borrow, models.margin) == (None,) * 4


@pytest.mark.parametrize("name", [f.name for f in fields(CostNames) if f.name != "slippage_bps"])
def test_an_unknown_model_is_refused_by_its_field(name: str) -> None:
    given: Any = {name: "free"}
    with pytest.raises(UnknownName, match=f"{name}: 'free' is not known; choose one of"):
        CostNames(**given).models()


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("commission", "none:rate=1", "'rate=1' is no number of the model; it has nothing"),
        ("commission", "ib-tiered:tiers=1", "it has minimum, most"),
        ("commission", "per-share:rate", "rate: '' is not a decimal number"),
        ("commission", "per-share:rate=-1", "must not be negative"),
        ("slippage", "square-root:size=1", "it has coefficient, spread_bps, unknown_bps"),
        ("fees", "none:rate=1", "it has nothing"),
        ("borrow", "flat:rate=3 %", "is not a decimal number"),
        ("borrow", "flat:rate=11", "must be a fraction a year"),
        ("margin", "flat:rate=-0.01", "must be a fraction a year"),
    ],
)
def test_numbers_that_a_model_does_not_have_are_refused(name: str, text: str, words: str) -> None:
    given: Any = {name: text}
    with pytest.raises(InvalidInput, match=words):
        CostNames(**given).models()


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_preset_can_be_built_and_says_where_its_numbers_come_from(name: str) -> None:
    assert preset(name).models().slippage.fraction(dec(1), KNOWN) > 0
    assert len(PRESETS[name].source) > 10


def test_the_issues_presets_are_there() -> None:
    brokers = {"ib-tiered", "ib-fixed", "alpaca", "schwab", "robinhood", "institutional"}
    assert set(PRESETS) == brokers | {"optimistic", "realistic", "pessimistic"}


def test_presets_are_the_specifications() -> None:
    borrowed = {name: preset(name).models().borrow for name in PRESETS}
    assert borrowed["ib-tiered"] == borrowed["ib-fixed"] == Borrow(dec("0.0159"))
    assert borrowed["alpaca"] == Borrow(dec("0.055"))
    assert borrowed["schwab"] == Borrow(dec("0.0975"))
    assert borrowed["robinhood"] == Borrow(dec("0.12"))
    assert preset("robinhood").slippage_bps == 10
    for name in ("alpaca", "schwab", "robinhood"):
        assert preset(name).models().commission == NoCommission()


def test_an_unknown_preset_names_those_there_are() -> None:
    with pytest.raises(UnknownName, match="costs: 'cheap' is not known; choose one of: alpaca"):
        preset("cheap")


@pytest.mark.parametrize("known", [KNOWN, UNKNOWN, Conditions(dec("0.01"), dec("0.1"), dec(10))])
@pytest.mark.parametrize("quantity", ["1", "100", "12345", "1000000"])
@pytest.mark.parametrize("side", list(Side))
def test_each_scenario_is_at_least_as_dear_as_the_one_before(
    side: Side, quantity: str, known: Conditions
) -> None:
    totals = [
        preset(name).models().expected(side, dec(quantity), FIFTY, known, at=SOLD).total
        for name in ("optimistic", "realistic", "pessimistic")
    ]
    assert totals == sorted(totals)
    assert totals[0] < totals[2]


def test_scenarios_of_holding_are_in_order_too() -> None:
    rates = []
    for name in ("optimistic", "realistic", "pessimistic"):
        models = preset(name).models()
        short = models.borrow.charge(dec(10**6), 1) if models.borrow else ZERO
        debt = models.margin.charge(dec(-(10**6)), 1) if models.margin else ZERO
        rates.append((short, debt))
    assert rates == sorted(rates)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (CostNames("ib-tiered"), "counts the shares of the month"),
        (CostNames(borrow="flat"), "borrow: 'flat' is charged in backtests alone"),
        (CostNames(margin="flat:rate=0"), r"margin: .* choose margin=none"),
    ],
)
def test_what_a_run_at_an_exchange_cannot_follow_is_refused(names: CostNames, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        names.check_followed()


def test_everything_else_can_be_followed() -> None:
    CostNames("ib-fixed-capped", "half-spread", fees="us-sales", impact="almgren").check_followed()


@pytest.mark.parametrize("table", [COMMISSIONS, LEVIES, IMPACTS, BORROWS, MARGINS])
def test_nothing_is_a_choice_everywhere(table: Any) -> None:
    assert "none" in table
    assert list(table) == sorted(table)


@pytest.mark.parametrize(
    ("value", "days", "amount"),
    [
        # A year of 360 days: 3 % of 12,000 is 360 a year, 1 a day; Friday pays for three.
        ("12000", 1, "1.00"),
        ("12000", 3, "3.00"),
        ("12345.67", 1, "1.03"),
        ("0", 3, "0"),
        ("-500", 3, "0"),
    ],
)
def test_borrowed_shares_by_the_day(value: str, days: int, amount: str) -> None:
    assert Borrow(dec("0.03")).charge(dec(value), days) == dec(amount)


@pytest.mark.parametrize(
    ("cash", "days", "amount"),
    [("-36000", 1, "8.00"), ("-36000", 4, "32.00"), ("36000", 1, "0"), ("0", 1, "0")],
)
def test_borrowed_cash_by_the_day(cash: str, days: int, amount: str) -> None:
    assert MarginInterest(dec("0.08")).charge(Decimal(cash), days) == dec(amount)
