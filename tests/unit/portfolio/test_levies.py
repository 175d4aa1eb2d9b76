"""Fees on sales by date, against published examples."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise

import pytest

from tests.builders import dec
from tradewright.core.money import ZERO
from tradewright.core.orders import Side
from tradewright.portfolio.costs import UsSales
from tradewright.portfolio.costs.levies import (
    SECTION_31,
    TRADING_ACTIVITY,
    section_31,
    trading_activity,
)

BUY, SELL = Side.BUY, Side.SELL


def on(day: str, hour: int = 15) -> datetime:
    return datetime.fromisoformat(day).replace(hour=hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "rate"),
    [
        ("2018-05-21", "23.10"),
        ("2018-05-22", "13.00"),
        ("2019-04-16", "20.70"),
        ("2020-02-18", "22.10"),
        ("2021-02-24", "22.10"),
        ("2021-02-25", "5.10"),
        ("2025-05-13", "27.80"),
        ("2025-05-14", "0"),
        # Before the table, its first.
        ("2010-01-04", "22.10"),
    ],
)
def test_section_31_by_date(day: str, rate: str) -> None:
    assert section_31(date.fromisoformat(day)).per_million == dec(rate)


@pytest.mark.parametrize(
    ("day", "rate", "most"),
    [
        ("2021-12-31", "0.000119", "5.95"),
        ("2022-01-01", "0.000130", "6.49"),
        ("2023-06-01", "0.000145", "7.27"),
        ("2025-12-31", "0.000166", "8.30"),
    ],
)
def test_trading_activity_by_date(day: str, rate: str, most: str) -> None:
    found = trading_activity(date.fromisoformat(day))
    assert (found.rate, found.most) == (dec(rate), dec(most))


@pytest.mark.parametrize("table", [SECTION_31, TRADING_ACTIVITY])
def test_tables_are_in_order_and_say_where_from(
    table: tuple[tuple[date, Decimal, str], ...],
) -> None:
    assert all(before[0] < after[0] for before, after in pairwise(table))
    assert all(row[-1] for row in table)


@pytest.mark.parametrize(
    ("shares", "fee"),
    # interactivebrokers.com, fixed and tiered compared, at the rates of 2023: sales at 5 dollars
    # pay 1,200 and 7.27, and 8.00 and 7.27.
    [("30000000", "1207.27"), ("200000", "15.27")],
)
def test_published_examples(shares: str, fee: str) -> None:
    assert UsSales().fee(ZERO, dec(shares), dec(5), SELL, on("2023-06-01")) == dec(fee)


def test_each_fee_is_rounded_up_to_the_cent() -> None:
    # 100 at 50: 0.04 of 8.00 a million, and 0.0145 of the other, which is 0.02.
    assert UsSales().fee(ZERO, dec(100), dec(50), SELL, on("2023-06-01")) == dec("0.06")
    assert UsSales().fee(ZERO, dec(1), dec(1), SELL, on("2023-06-01")) == dec("0.02")


def test_parts_add_up_to_the_order_up_to_the_maximum() -> None:
    model, done, total = UsSales(), ZERO, ZERO
    for part in ("1", "99", "60000", "5000"):
        fee = model.fee(done, dec(part), dec(5), SELL, on("2023-06-01"))
        assert fee >= 0
        total += fee
        done += dec(part)
    assert total == model.fee(ZERO, done, dec(5), SELL, on("2023-06-01")) == dec("9.88")


def test_buyers_pay_nothing_and_nothing_is_known_without_side_and_time() -> None:
    model = UsSales()
    assert model.fee(ZERO, dec(100), dec(50), BUY, on("2023-06-01")) == 0
    assert model.fee(ZERO, dec(100), dec(50), SELL) == 0
    assert model.fee(ZERO, dec(100), dec(50)) == 0


def test_the_date_is_that_of_new_york() -> None:
    # Half past eight in the evening of the last day of the old rate.
    late = datetime(2025, 5, 14, 0, 30, tzinfo=UTC)
    assert UsSales().fee(ZERO, dec(100), dec(100), SELL, late) == dec("0.30")
    assert UsSales().fee(ZERO, dec(100), dec(100), SELL, on("2025-05-14")) == dec("0.02")
