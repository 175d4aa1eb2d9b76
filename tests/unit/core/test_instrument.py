"""Ticks, lots and listing: the only place where rounding is decided."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tests.builders import an_instrument
from tradewright.core.errors import InvalidInput
from tradewright.core.instrument import FormerSymbol
from tradewright.core.money import Money
from tradewright.core.orders import Side

BUY, SELL = Side.BUY, Side.SELL


@pytest.mark.parametrize(
    ("price", "side", "rounded"),
    [
        ("10.019", BUY, "10.01"),
        ("10.011", SELL, "10.02"),
        ("10.01", BUY, "10.01"),
        ("10.01", SELL, "10.01"),
        # Rule 612: below one dollar a price may have four decimals.
        ("0.12345", BUY, "0.1234"),
        ("0.12341", SELL, "0.1235"),
        ("0.99999", BUY, "0.9999"),
        ("0.99999", SELL, "1.0000"),
        ("1.00", BUY, "1.00"),
        ("1.0001", SELL, "1.01"),
    ],
)
def test_a_buys_price_rounds_down_and_a_sells_up(price: str, side: Side, rounded: str) -> None:
    assert an_instrument().to_tick(Decimal(price), side) == Decimal(rounded)


@pytest.mark.parametrize(
    ("price", "tick"), [("1", "0.01"), ("250", "0.01"), ("0.9999", "0.0001"), ("0", "0.0001")]
)
def test_the_tick_changes_at_one_dollar(price: str, tick: str) -> None:
    assert an_instrument().tick_at(Decimal(price)) == Decimal(tick)


def test_a_finer_tick_stays_below_one_dollar() -> None:
    fine = an_instrument(tick=Decimal("0.00001"))
    assert fine.tick_at(Decimal("0.5")) == Decimal("0.00001")


@pytest.mark.parametrize(
    ("quantity", "lot", "rounded"),
    [("10.9", 1, 10), ("-10.9", 1, -10), ("199", 100, 100), ("99", 100, 0), ("-250", 100, -200)],
)
def test_lots_round_towards_zero(quantity: str, lot: int, rounded: int) -> None:
    assert an_instrument(lot=Decimal(lot)).to_lot(Decimal(quantity)) == rounded


def test_fractional_lots_are_possible() -> None:
    assert an_instrument(lot=Decimal("0.001")).to_lot(Decimal("1.23456")) == Decimal("1.234")


def test_notional_is_exact_and_knows_the_multiplier() -> None:
    contract = an_instrument(multiplier=Decimal(100))
    assert contract.notional(Decimal("1.15"), Decimal(3)) == Money(Decimal("345.00"))


@pytest.mark.parametrize("field", ["tick", "lot", "multiplier"])
@pytest.mark.parametrize("value", ["0", "-1"])
def test_what_cannot_be_traded_is_refused(field: str, value: str) -> None:
    changes: dict[str, Any] = {field: Decimal(value)}
    with pytest.raises(InvalidInput, match=rf"AAA\.{field}"):
        an_instrument(**changes)


@pytest.mark.parametrize(
    ("day", "listed"),
    [(1, False), (2, True), (5, True), (9, True), (10, False)],
)
def test_listing_includes_its_first_and_last_day(day: int, listed: bool) -> None:
    instrument = an_instrument(listed=date(2024, 1, 2), delisted=date(2024, 1, 9))
    assert instrument.is_listed(date(2024, 1, day)) is listed
    assert an_instrument().is_listed(date(2024, 1, day))


@pytest.mark.parametrize(("day", "symbol"), [(1, "X"), (2, "X"), (3, "Y"), (5, "Y"), (6, "AAA")])
def test_a_symbol_is_that_of_its_day(day: int, symbol: str) -> None:
    former = (FormerSymbol("X", date(2024, 1, 2)), FormerSymbol("Y", date(2024, 1, 5)))
    assert an_instrument(former=former).symbol_on(date(2024, 1, day)) == symbol


@pytest.mark.parametrize(("lot", "fractionable"), [("0.5", True), ("1", False), ("100", False)])
def test_less_than_a_share_is_a_fraction(lot: str, fractionable: bool) -> None:
    assert an_instrument(lot=Decimal(lot)).is_fractionable is fractionable
