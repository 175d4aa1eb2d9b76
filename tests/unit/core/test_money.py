"""Money is exact or it is refused."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tradewright.core.errors import InvalidInput
from tradewright.core.money import (
    Currency,
    Money,
    down_to_cents,
    parse_decimal,
    price,
    quantity,
    to_cents,
)

INEXACT: list[Any] = [1.5, 1.0, True, "", "ten", None, "NaN", "inf", "-Infinity", Decimal("sNaN")]
PARSERS: list[Callable[[Any], Decimal]] = [parse_decimal, price, quantity]


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize("value", INEXACT, ids=repr)
def test_what_is_no_exact_finite_number_is_refused(
    parse: Callable[[Any], Decimal], value: Any
) -> None:
    with pytest.raises(InvalidInput):
        parse(value)


@pytest.mark.parametrize("value", ["0", 0, "-1", Decimal("-0.01")])
@pytest.mark.parametrize("parse", [price, quantity])
def test_prices_and_quantities_are_positive(parse: Callable[[Any], Decimal], value: Any) -> None:
    with pytest.raises(InvalidInput, match="must be positive"):
        parse(value)


def test_parsing_keeps_every_digit() -> None:
    assert price("0.0001") + quantity(3) == Decimal("3.0001")
    assert parse_decimal(Decimal("1.230")).as_tuple().digits == (1, 2, 3, 0)


def test_a_refusal_names_the_field_and_the_remedy() -> None:
    with pytest.raises(InvalidInput, match=r"^limit: 1\.5 is .*; write it as a string"):
        price(1.5, "limit")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("amount", "value", "limit"),
    [
        ("1.005", "1.01", "1.00"),
        ("1.0049", "1.00", "1.00"),
        ("-1.005", "-1.01", "-1.00"),
        ("2.999", "3.00", "2.99"),
    ],
)
def test_values_round_half_up_and_limits_down(amount: str, value: str, limit: str) -> None:
    assert to_cents(Decimal(amount)) == Decimal(value)
    assert down_to_cents(Decimal(amount)) == Decimal(limit)


def test_money_adds_subtracts_negates_scales_and_compares() -> None:
    two, three = Money(Decimal(2)), Money(Decimal(3))
    assert two + three == Money(Decimal(5))
    assert two - three == -Money(Decimal(1))
    assert two * Decimal("1.5") == three
    assert two < three
    assert not three < two


@pytest.mark.parametrize("amount", [1.5, 2, Decimal("NaN"), Decimal("Infinity"), "3"], ids=repr)
def test_money_of_anything_but_a_finite_decimal_is_refused(amount: Any) -> None:
    with pytest.raises(InvalidInput, match="amount"):
        Money(amount)


def test_money_is_not_scaled_by_a_float() -> None:
    with pytest.raises(TypeError):
        Money(Decimal(1)) * 1.5  # type: ignore[operator]


@pytest.mark.parametrize(
    "combine", [lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a < b], ids=["+", "-", "<"]
)
def test_currencies_do_not_mix(combine: Callable[[Money, Money], object]) -> None:
    other: Any = "EUR"  # the platform books one currency so far
    with pytest.raises(InvalidInput, match="currency"):
        combine(Money(Decimal(1)), Money(Decimal(1), other))
    assert Money(Decimal(1)).currency is Currency.USD
