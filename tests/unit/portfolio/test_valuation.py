"""Equity and exposures from marks; a missing mark leaves the equity unknown."""

from __future__ import annotations

from decimal import Decimal

from tests.builders import AAA, BBB, dec
from tradewright.core.ids import InstrumentId
from tradewright.portfolio.valuation import valuation

MARKS = {AAA: dec("10.50"), BBB: dec(20)}


def test_longs_and_shorts_are_valued_apart() -> None:
    value = valuation(dec(1000), {AAA: dec(100), BBB: dec(-10)}, MARKS.get)
    assert (value.long, value.short) == (dec(1050), dec(200))
    assert (value.equity, value.gross, value.net) == (dec(1850), dec(1250), dec(850))


def test_without_positions_the_equity_is_the_cash() -> None:
    value = valuation(dec("-3.50"), {}, MARKS.get)
    assert (value.equity, value.gross, value.net) == (dec("-3.50"), dec(0), dec(0))


def test_a_missing_mark_is_named_and_leaves_the_equity_unknown() -> None:
    unknown = InstrumentId("ZZZ")
    value = valuation(dec(1000), {AAA: dec(1), unknown: dec(1)}, MARKS.get)
    assert value.missing == (unknown,)
    assert value.equity is None
    assert value.gross == Decimal("10.50")
