"""Adjusting is reversible, and knows nothing of what comes later."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.frames import FIRST, frame_of
from tradewright.core.frames import BarFrame
from tradewright.core.ids import InstrumentId
from tradewright.core.market import CashDividend, CorporateAction, Split
from tradewright.data.adjust import adjusted, growth, split_growth, unadjusted

ROWS = 12
NAMES = ("A", "B", "C")

names = st.sampled_from(NAMES).map(InstrumentId)
dates = st.integers(-5, 25).map(lambda days: FIRST + timedelta(days=days))
ratios = st.sampled_from([Fraction(2), Fraction(3, 2), Fraction(1, 10), Fraction(7)])
splits = st.builds(Split, names, dates, ratios)
# Below the least price even when many fall together.
amounts = st.integers(1, 300).map(lambda cents: Decimal(cents).scaleb(-3))
dividends = st.builds(CashDividend, names, dates, amounts)
actions = st.lists(splits | dividends, max_size=12)
prices = st.floats(100, 500) | st.just(float("nan"))
frames = st.fixed_dictionaries(
    {name: st.lists(prices, min_size=ROWS, max_size=ROWS) for name in NAMES}
).map(frame_of)


@given(frames, actions)
def test_adjust_then_unadjust_is_identity(frame: BarFrame, happened: list[CorporateAction]) -> None:
    total = growth(frame, happened)
    again = unadjusted(adjusted(frame.close, total), total)
    np.testing.assert_allclose(again, frame.close, rtol=1e-14)


@given(frames, actions, st.integers(1, ROWS))
def test_growth_of_a_frame_cut_short_is_the_growth_cut_short(
    frame: BarFrame, happened: list[CorporateAction], rows: int
) -> None:
    for measure in (growth, split_growth):
        assert np.array_equal(
            measure(frame.rows(0, rows), happened), measure(frame, happened)[:rows]
        )


@given(frames, actions, st.randoms())
def test_order_of_the_actions_does_not_matter(
    frame: BarFrame, happened: list[CorporateAction], random: object
) -> None:
    shuffled = list(happened)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    np.testing.assert_allclose(growth(frame, shuffled), growth(frame, happened), rtol=1e-14)


@given(frames, actions)
def test_growth_starts_at_one_and_is_never_missing(
    frame: BarFrame, happened: list[CorporateAction]
) -> None:
    total = growth(frame, happened)
    assert (total[0] == 1).all()
    assert (np.isfinite(total) & (total > 0)).all()
