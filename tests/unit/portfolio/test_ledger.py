"""Worked examples of the book: every number was derived by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from tests.builders import AAA, AT, BBB, a_fill, an_instrument, cash, dec, instruments
from tradewright.core.errors import LedgerError
from tradewright.core.events import (
    CashMoved,
    Delisted,
    DividendPaid,
    Filled,
    FinancingCharged,
    SplitApplied,
)
from tradewright.core.ids import InstrumentId, OrderId
from tradewright.core.market import CashDividend, Delisting, Split
from tradewright.core.money import Money
from tradewright.core.orders import Side
from tradewright.portfolio.ledger import Ledger, LedgerEvent

BUY, SELL = Side.BUY, Side.SELL
EX = AT.date()


def deposit(amount: str) -> CashMoved:
    return CashMoved(cash(amount), AT, "deposit")


def filled(side: Side, quantity: str, price: str, fee: str = "0", **changes: Any) -> Filled:
    fill = a_fill(side, quantity, price, fee=fee, **changes)
    return Filled(OrderId("order-1"), AT, fill)


def dividend(amount: str) -> DividendPaid:
    return DividendPaid(CashDividend(AAA, EX, dec(amount)), AT)


def split(ratio: Fraction, reference: str) -> SplitApplied:
    return SplitApplied(Split(AAA, EX, ratio), dec(reference), AT)


def delisted(price: str) -> Delisted:
    return Delisted(Delisting(AAA, EX), dec(price), AT)


def charged(amount: str) -> FinancingCharged:
    return FinancingCharged(cash(amount), AT, "borrowed shares")


def booked(*events: LedgerEvent) -> Ledger:
    ledger = Ledger(instruments())
    for event in events:
        ledger.apply(event)
    ledger.check()
    return ledger


EXAMPLES: dict[str, tuple[Sequence[LedgerEvent], dict[str, str]]] = {
    "deposit and withdrawal": (
        [deposit("1000"), deposit("-250.50")],
        {"cash": "749.50", "deposits": "749.50"},
    ),
    "buy with a fee": (
        [deposit("10000"), filled(BUY, "100", "50.10", "1.00")],
        {"cash": "4989.00", "held": "100", "cost": "5010", "fees": "1", "deposits": "10000"},
    ),
    "buy, then sell part at a profit": (
        [filled(BUY, "100", "50"), filled(SELL, "40", "55", "0.35")],
        {"cash": "-2800.35", "held": "60", "cost": "3000", "realised": "200", "fees": "0.35"},
    ),
    "sell all: the profit stays in the book": (
        [filled(BUY, "100", "50"), filled(SELL, "100", "49")],
        {"cash": "-100", "realised": "-100"},
    ),
    "short, then cover": (
        [filled(SELL, "100", "50"), filled(BUY, "100", "45")],
        {"cash": "500", "realised": "500"},
    ),
    "a sell across zero closes, then opens": (
        [filled(BUY, "100", "50"), filled(SELL, "150", "60")],
        {"cash": "4000", "held": "-50", "cost": "-3000", "realised": "1000"},
    ),
    "a buy across zero closes, then opens": (
        [filled(SELL, "100", "50"), filled(BUY, "150", "60")],
        {"cash": "-4000", "held": "50", "cost": "3000", "realised": "-1000"},
    ),
    "profits of a name add up over several lives": (
        [
            filled(BUY, "10", "5"),
            filled(SELL, "10", "6"),
            filled(BUY, "10", "7"),
            filled(SELL, "5", "9"),
        ],
        {"cash": "-15", "held": "5", "cost": "35", "realised": "20"},
    ),
    "a dividend is paid on what is held, half a cent up": (
        [filled(BUY, "101", "50"), dividend("0.205")],
        {"cash": "-5029.29", "held": "101", "cost": "5050", "dividends": "20.71"},
    ),
    "a short pays the dividend": (
        [filled(SELL, "100", "50"), dividend("0.25")],
        {"cash": "4975", "held": "-100", "cost": "-5000", "dividends": "-25"},
    ),
    "a dividend on what is not held is nothing": ([dividend("1")], {}),
    "4:1": (
        [filled(BUY, "101", "500"), split(Fraction(4), "499.23")],
        {"cash": "-50500", "held": "404", "cost": "50500"},
    ),
    "3:2 with cash in lieu of half a share": (
        # 101 × 3/2 = 151.5; half a share at 90 / 1.5 = 60 is 30.00, cost 40 × 0.5 = 20 of it.
        [filled(BUY, "101", "60"), split(Fraction(3, 2), "90")],
        {"cash": "-6030", "held": "151", "cost": "6040", "realised": "10"},
    ),
    "1:10 with cash in lieu": (
        # 105 / 10 = 10.5; half a share at 2 × 10 = 20 is 10.00, cost 10 × 0.5 = 5 of it.
        [filled(BUY, "105", "1"), split(Fraction(1, 10), "2")],
        {"cash": "-95", "held": "10", "cost": "100", "realised": "5"},
    ),
    "1:10 of less than a share leaves nothing but cash": (
        [filled(BUY, "5", "1"), split(Fraction(1, 10), "2")],
        {"cash": "5", "realised": "5"},
    ),
    "a short owes the cash in lieu": (
        [filled(SELL, "105", "1"), split(Fraction(1, 10), "2")],
        {"cash": "95", "held": "-10", "cost": "-100", "realised": "-5"},
    ),
    "a split of what is not held is nothing": ([split(Fraction(4), "10")], {}),
    "a delisting pays the last price": (
        [filled(BUY, "100", "10"), delisted("7.25")],
        {"cash": "-275", "realised": "-275"},
    ),
    "a delisted short is bought back": (
        [filled(SELL, "100", "10"), delisted("0.005")],
        {"cash": "999.50", "realised": "999.50"},
    ),
    "a delisting of what is not held is nothing": ([delisted("5")], {}),
    "borrowing is paid for and is no withdrawal": (
        [deposit("100"), charged("1.50"), charged("0.25")],
        {"cash": "98.25", "deposits": "100", "financing": "1.75"},
    ),
    "a late fill after a delisting opens again": (
        [filled(BUY, "10", "10"), delisted("10"), filled(SELL, "4", "9")],
        {"cash": "36", "held": "-4", "cost": "-36"},
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_worked_examples(name: str) -> None:
    events, numbers = EXAMPLES[name]
    book = booked(*events).snapshot()
    position = book.positions.get(AAA)
    found = {
        "cash": book.cash,
        "held": position.quantity if position else Decimal(0),
        "cost": position.cost if position else Decimal(0),
        "realised": book.realised,
        "fees": book.fees,
        "dividends": book.dividends,
        "deposits": book.deposits,
        "financing": book.financing,
    }
    assert found == {key: dec(numbers.get(key, "0")) for key in found}


def test_quantities_are_those_of_the_positions_and_flat_ones_are_left_out() -> None:
    ledger = booked(filled(BUY, "10", "5"), filled(BUY, "3", "5", instrument=BBB))
    assert ledger.quantities == {AAA: 10, BBB: 3}
    ledger.apply(filled(SELL, "10", "5"))
    assert ledger.quantities == {BBB: 3}
    assert set(ledger.positions) == {BBB}


def test_a_snapshot_does_not_move_with_the_ledger() -> None:
    ledger = booked(filled(BUY, "10", "5"))
    before = ledger.snapshot()
    ledger.apply(filled(SELL, "10", "5"))
    assert (before.cash, before.positions[AAA].quantity) == (dec(-50), dec(10))


def test_lots_remember_when_they_were_opened() -> None:
    later = AT + timedelta(days=1)
    ledger = booked(filled(BUY, "10", "5"), filled(BUY, "10", "6", at=later))
    ledger.apply(filled(SELL, "15", "7", at=later))
    (lot,) = ledger.positions[AAA].lots
    assert (lot.opened_at, lot.quantity, lot.price) == (later, dec(5), dec(6))


def test_a_multiplier_scales_cash_but_not_quantity() -> None:
    ledger = Ledger({AAA: an_instrument(multiplier=Decimal(100))})
    ledger.apply(filled(BUY, "2", "1.50", "1.30"))
    assert (ledger.cash, ledger.quantities[AAA]) == (dec("-301.30"), dec(2))
    ledger.apply(delisted("0.50"))
    assert ledger.cash == dec("-201.30")


def test_a_fill_of_an_unknown_instrument_stops() -> None:
    ledger = booked()
    with pytest.raises(LedgerError, match="ZZZ, which is not an instrument here"):
        ledger.apply(filled(BUY, "1", "1", instrument=InstrumentId("ZZZ")))
    assert ledger.snapshot() == booked().snapshot()


def test_another_currency_stops() -> None:
    other: Any = "EUR"
    ledger = booked()
    foreign = Money(Decimal(1), other)
    with pytest.raises(LedgerError, match="EUR booked in a USD ledger"):
        ledger.apply(CashMoved(foreign, AT, "deposit"))
    with pytest.raises(LedgerError, match="EUR booked in a USD ledger"):
        ledger.apply(FinancingCharged(foreign, AT, "borrowed cash"))
    with pytest.raises(LedgerError, match="EUR"):
        ledger.apply(filled(BUY, "1", "1", fee=foreign))  # type: ignore[arg-type]
    assert ledger.snapshot() == booked().snapshot()


def test_a_position_that_disagrees_with_its_lots_stops() -> None:
    ledger = booked(filled(BUY, "10", "5"))
    ledger.positions[AAA] = replace(ledger.positions[AAA], quantity=dec(11))
    with pytest.raises(LedgerError, match="AAA: lots sum to 10, position is 11"):
        ledger.check()


def test_lots_still_add_up_after_a_split_that_leaves_no_end_of_decimals() -> None:
    ledger = booked(*[filled(BUY, "100", "10") for _ in range(4)], split(Fraction(1, 3), "10"))
    ledger.check()
    assert ledger.quantities[AAA] == 133
    assert ledger.cash == dec("-4000") + dec("10.00")
