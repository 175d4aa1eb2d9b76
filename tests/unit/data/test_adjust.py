from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from tests.frames import frame_of, picked, sessions
from tradewright.core.errors import QualityFailure
from tradewright.core.ids import InstrumentId
from tradewright.core.market import CashDividend, CorporateAction, Delisting, Split
from tradewright.data.adjust import adjusted, adjusted_shares, growth, split_growth, unadjusted

A, B = InstrumentId("A"), InstrumentId("B")
NAN = float("nan")
DAYS = [session.date for session in sessions(8)]


def split(day: int, ratio: int | Fraction = 4, instrument: InstrumentId = A) -> Split:
    return Split(instrument, DAYS[day], Fraction(ratio))


def dividend(day: int, amount: str = "1", instrument: InstrumentId = A) -> CashDividend:
    return CashDividend(instrument, DAYS[day], Decimal(amount))


@pytest.mark.parametrize(
    ("closes", "actions", "expected"),
    [
        ([100, 100, 25], [split(2)], [1, 1, 4]),
        ([100, 100, 99], [dividend(2)], [1, 1, 1 / 0.99]),
        # The amount is that of a share before the split.
        ([100, 100, 24.75], [split(2), dividend(2)], [1, 1, 4 / 0.99]),
        ([100, 100, 24.75], [dividend(2), split(2)], [1, 1, 4 / 0.99]),
        # Two dividends of one day refer to the same close.
        ([100, 100, 97], [dividend(2), dividend(2, "2")], [1, 1, 1 / 0.97]),
        # The close before the ex-date is the last one there was.
        ([50, NAN, 49], [dividend(2)], [1, 1, 1 / 0.98]),
        ([NAN, NAN, 49], [dividend(2)], [1, 1, 1]),
        # What happened at or before the first row is in its price.
        ([100, 100, 100], [split(0), dividend(0)], [1, 1, 1]),
        ([100, 100, 100], [split(5)], [1, 1, 1]),
        ([100, 100, 100], [split(1, instrument=B)], [1, 1, 1]),
        ([100, 100, 100], [Delisting(A, DAYS[1])], [1, 1, 1]),
        ([100, 100, 1000], [split(2, Fraction(1, 10))], [1, 1, 0.1]),
        ([100, 50, 25], [split(1, 2), split(2, 2)], [1, 2, 4]),
    ],
)
def test_growth(
    closes: Sequence[float], actions: list[CorporateAction], expected: Sequence[float]
) -> None:
    assert growth(frame_of({"A": closes}), actions)[:, 0] == pytest.approx(expected, rel=1e-15)


def test_ex_date_between_rows_takes_effect_at_the_next() -> None:
    frame = picked(frame_of({"A": [100.0, 100.0, 100.0]}), [0, 2])
    assert growth(frame, [dividend(1)])[:, 0] == pytest.approx([1, 1 / 0.99])


def test_dividend_after_a_split_without_a_close_between_is_of_the_split_shares() -> None:
    frame = picked(frame_of({"A": [100.0, 25.0, 25.0, 24.0]}), [0, 3])
    # A dollar of each of four shares is four of the hundred.
    assert growth(frame, [split(1), dividend(2)])[1, 0] == pytest.approx(4 / 0.96)


def test_dividend_after_a_split_that_nobody_traded_on_is_of_the_split_shares() -> None:
    frame = frame_of({"A": [100.0, NAN, 24.0]})
    assert growth(frame, [split(1), dividend(2)])[:, 0] == pytest.approx([1, 4, 4 / 0.96])


def test_split_growth_knows_no_dividends() -> None:
    frame = frame_of({"A": [100.0, 100.0, 25.0]})
    assert split_growth(frame, [split(2), dividend(2)])[:, 0].tolist() == [1, 1, 4]


def test_columns_do_not_touch_each_other() -> None:
    frame = frame_of({"A": [100.0, 100.0], "B": [10.0, 10.0]})
    assert growth(frame, [split(1), dividend(1, instrument=B)])[1].tolist() == [4, 1 / 0.9]


def test_newest_price_stays_raw_and_older_ones_are_comparable() -> None:
    frame = frame_of({"A": [100.0, 104.0, 26.0]})
    total = growth(frame, [split(2)])
    assert adjusted(frame.close, total)[:, 0].tolist() == [25, 26, 26]
    assert adjusted(frame.close, total, row=1)[:, 0].tolist() == [100, 104, 104]
    assert adjusted_shares(frame.volume, total)[:, 0].tolist() == [4000, 4000, 1000]


def test_unadjusted_undoes_adjusted() -> None:
    frame = frame_of({"A": [100.0, NAN, 26.0]})
    total = growth(frame, [split(2)])
    again = unadjusted(adjusted(frame.close, total), total)
    assert np.array_equal(again, frame.close, equal_nan=True)


def test_dividend_of_the_whole_price_is_refused() -> None:
    with pytest.raises(QualityFailure, match=r"A 2013-11-05: a dividend is 100% of the close"):
        growth(frame_of({"A": [1.0, 1.0]}), [dividend(1)])


def test_frame_without_rows_has_no_growth() -> None:
    frame = frame_of({"A": [1.0, 1.0]}).rows(0, 0)
    assert growth(frame, [split(1), dividend(1)]).shape == (0, 1)
