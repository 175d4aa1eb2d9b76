"""Margin: the house's table, and what is left to spend of an account."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tradewright.exchange.account.margin import (
    Standing,
    day_trading_power,
    house_rate,
    initial_rate,
    power,
    weight,
)

dec = Decimal


@pytest.mark.parametrize(
    ("price", "short", "rate"),
    [
        ("100", False, "0.3"),
        ("2.50", False, "0.3"),
        ("2.49", False, "1"),
        ("100", True, "0.3"),
        ("10", True, "0.5"),
        ("5", True, "1"),
        ("4", True, "1"),
        ("1", True, "2.5"),
        ("0", True, "1"),
    ],
)
def test_the_house_asks_for_more_where_shares_are_cheap(price: str, short: bool, rate: str) -> None:
    assert house_rate(dec(price), short=short) == dec(rate)
    assert initial_rate(dec(price), short=short) == max(dec(rate), dec("0.5"))


def a_standing(cash: str, long: str = "0", short: str = "0") -> Standing:
    gross = dec(long) - dec(short)
    return Standing(dec(cash), dec(long), dec(short), gross / 2, gross * 3 / 10)


def test_a_standing_adds_up() -> None:
    held = a_standing("1000", "500", "-200")
    assert [held.equity, held.gross, held.excess] == [dec(1300), dec(700), dec(950)]
    assert a_standing("-900", "1000").excess == 0


@pytest.mark.parametrize(
    ("multiplier", "left"),
    [("1", "40000"), ("1.5", "90000"), ("2", "140000"), ("4", "340000")],
)
def test_buying_power_by_multiplier(multiplier: str, left: str) -> None:
    now = a_standing("40000", "60000")
    began = a_standing("100000")
    assert power(now, began, dec(multiplier)) == dec(left)


def test_day_trading_power_counts_what_was_opened_since_the_close() -> None:
    began = a_standing("50000", "50000")
    assert day_trading_power(began, began, dec(4)) == 4 * (100_000 - 15_000)
    more = a_standing("20000", "80000")
    assert day_trading_power(more, began, dec(4)) == 340_000 - 30_000
    less = a_standing("90000", "10000")
    assert day_trading_power(less, began, dec(4)) == 340_000
    assert day_trading_power(began, began, dec(2)) == 0


def test_a_cheap_share_takes_twice_its_worth_of_a_margin_account() -> None:
    assert weight(dec(2), short=False, multiplier=dec(2)) == 2
    assert weight(dec(20), short=False, multiplier=dec(2)) == 1
    assert weight(dec(2), short=False, multiplier=dec(1)) == 1
