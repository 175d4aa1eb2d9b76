from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest

from tradewright.core.errors import InvalidInput
from tradewright.core.ids import InstrumentId
from tradewright.core.instrument import FormerSymbol, Instrument
from tradewright.core.market import CashDividend, CorporateAction, Delisting, Split
from tradewright.data.reference import action_row, instrument_row, parse_action, parse_instrument

A = InstrumentId("A")
DAY = date(2020, 8, 31)


@pytest.mark.parametrize(
    "instrument",
    [
        Instrument(A, "A"),
        Instrument(
            A,
            "A.B",
            venue="XNAS",
            tick=Decimal("0.05"),
            lot=Decimal(100),
            shortable=False,
            tradable=False,
            listed=DAY,
            delisted=DAY,
            former=(FormerSymbol("A.OLD", DAY), FormerSymbol("A.OLDER", DAY)),
        ),
    ],
)
def test_instrument_comes_back(instrument: Instrument) -> None:
    assert parse_instrument(instrument_row(instrument)) == instrument


def test_id_alone_describes_an_ordinary_instrument() -> None:
    assert parse_instrument({"id": "A", "symbol": "", "listed": ""}) == Instrument(A, "A")


@pytest.mark.parametrize(
    "action",
    [
        Split(A, DAY, Fraction(4)),
        Split(A, DAY, Fraction(1114, 1111)),
        CashDividend(A, DAY, Decimal("0.2050")),
        Delisting(A, DAY),
    ],
)
def test_action_comes_back(action: CorporateAction) -> None:
    assert parse_action(action_row(action)) == action


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"symbol": "A"}, "id: '' is missing"),
        ({"id": "A", "colour": "red"}, "colour: 'red' is no field of an instrument"),
        ({"id": "A", "tick": "x"}, "tick: 'x' cannot be read"),
        ({"id": "A", "tradable": "maybe"}, "tradable: 'maybe' cannot be read"),
        ({"id": "A", "listed": "2020-13-01"}, "listed: '2020-13-01' cannot be read"),
        ({"id": "A", "lot": "0"}, "A.lot"),
    ],
)
def test_bad_instrument_names_the_field(row: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_instrument(row)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"kind": "split"}, "instrument: '' is missing"),
        ({"instrument": "A", "date": "2020-08-31", "kind": "gift"}, "'gift' is no kind of action"),
        ({"instrument": "A", "date": "31.8.", "kind": "split"}, "cannot be read"),
        (
            {"instrument": "A", "date": "2020-08-31", "kind": "split", "value": "1/0"},
            "cannot be read",
        ),
        (
            {"instrument": "A", "date": "2020-08-31", "kind": "dividend", "value": "-1"},
            "must be positive",
        ),
    ],
)
def test_bad_action_names_the_field(row: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_action(row)
    assert message in str(refused.value)
