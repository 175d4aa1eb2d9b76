from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests.unit.backtest.builders import CLOSES, A, B, a_market
from tradewright.core.frames import BarFrame
from tradewright.core.market import CashDividend, Split
from tradewright.data.fingerprint import data_hash

DIVIDEND = CashDividend(A, date(2020, 2, 1), Decimal("0.10"))
SPLIT = Split(B, date(2020, 2, 2), Fraction(3, 2))


def changed(name: str) -> BarFrame:
    column = np.array(getattr(a_market().frame, name))
    if column.ndim == 1:
        column[-1] += 1
    else:
        column[0, 0] += 1e-9
    columns: dict[str, Any] = {name: column}
    return replace(a_market().frame, **columns)


def test_same_numbers_have_the_same_hash() -> None:
    assert data_hash(a_market().frame, ()) == data_hash(a_market().frame, ())


@pytest.mark.parametrize(
    "name",
    ["open", "high", "low", "close", "volume", "session", "start", "end", "known_at"],
)
def test_every_column_counts(name: str) -> None:
    if name == "session":
        frame = replace(a_market().frame, session=np.array([0, 1, 2, 3, 3]))
    else:
        frame = changed(name)
    assert data_hash(frame, ()) != data_hash(a_market().frame, ())


def test_names_count() -> None:
    other = a_market(names=(B, A))
    assert data_hash(other.frame, ()) != data_hash(a_market().frame, ())


def test_actions_count_and_their_order_does_not() -> None:
    frame = a_market().frame
    hashes = [data_hash(frame, actions) for actions in ((), (DIVIDEND,), (DIVIDEND, SPLIT))]
    assert len(set(hashes)) == 3
    assert data_hash(frame, (SPLIT, DIVIDEND)) == hashes[2]


def test_missing_is_missing_whatever_its_bits() -> None:
    column = np.array(CLOSES)
    column[1, 1] = -np.nan
    assert np.signbit(column[1, 1])
    other = a_market(closes=column.tolist())
    assert data_hash(other.frame, ()) == data_hash(a_market().frame, ())
