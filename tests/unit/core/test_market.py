"""What the market says, and when a row of bars happened."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest

from tests.builders import AAA, AT, OPEN_HOURS, a_frame, flat_bars
from tradewright.core.errors import InvalidInput
from tradewright.core.events import BarClosed, BarOpened
from tradewright.core.market import CashDividend, Split

DAY = date(2024, 1, 2)


@pytest.mark.parametrize("ratio", [Fraction(0), Fraction(-2)])
def test_a_split_does_not_make_shares_vanish(ratio: Fraction) -> None:
    with pytest.raises(InvalidInput, match="ratio"):
        Split(AAA, DAY, ratio)


@pytest.mark.parametrize("amount", ["0", "-0.01"])
def test_a_dividend_does_not_take_money(amount: str) -> None:
    with pytest.raises(InvalidInput, match="amount"):
        CashDividend(AAA, DAY, Decimal(amount))


def test_a_row_is_news_of_the_venue_at_its_open_and_of_all_at_its_close() -> None:
    frame = a_frame({"AAA": flat_bars([1.0])})
    assert BarOpened(frame, 0).at == AT
    assert BarClosed(frame, 0).at == AT + OPEN_HOURS
