"""One frozen table of limits, versioned by its content."""

from __future__ import annotations

from dataclasses import fields, replace
from decimal import Decimal

import pytest

from tests.builders import WIDE, dec
from tradewright.core.errors import InvalidInput
from tradewright.risk.limits import Limits

NAMES = [field.name for field in fields(Limits)]


@pytest.mark.parametrize("name", NAMES)
def test_any_other_limit_is_another_version(name: str) -> None:
    assert replace(WIDE, **{name: dec(7)}).version != WIDE.version  # type: ignore[arg-type]


def test_equal_limits_have_one_version() -> None:
    assert replace(WIDE).version == WIDE.version
    assert len(WIDE.version) == 12


@pytest.mark.parametrize("name", NAMES)
def test_a_negative_limit_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match=rf"limits\.{name}"):
        replace(WIDE, **{name: dec(-1)})  # type: ignore[arg-type]


def test_limits_of_a_capital_round_down() -> None:
    limits = Limits.of_capital(dec("1000.999"), share=dec("0.5"))
    assert limits.max_order_notional == limits.max_position_notional == Decimal("500.49")
    assert Limits.of_capital(dec(1000)).max_order_notional == 2000
