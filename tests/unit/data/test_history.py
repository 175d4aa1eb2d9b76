"""History shows what was known by a row, in that row's shares."""

from __future__ import annotations

from fractions import Fraction

import pytest

from tests.builders import AAA, MOMENT, NAN, a_frame, dec, flat_bars, sessions
from tradewright.core.errors import InvalidInput, LookAhead
from tradewright.core.market import Split
from tradewright.data.history import History

FRAME = a_frame({"AAA": flat_bars([100.0, NAN, NAN, 30.0]), "BBB": flat_bars([NAN, 5.0, NAN, 6.0])})
SPLIT = Split(AAA, sessions(3)[2].date, Fraction(4))


def at(row: int) -> History:
    history = History(FRAME, [SPLIT])
    history.advance(row)
    return history


def test_before_the_first_row_nothing_is_known() -> None:
    history = History(FRAME)
    assert history.price(0) is None
    assert history.window("close", 5).shape == (0, 2)
    with pytest.raises(LookAhead):
        history.until(FRAME.known(0))


@pytest.mark.parametrize("row", [0, 4, -1])
def test_time_does_not_go_back_or_beyond_the_end(row: int) -> None:
    history = at(1)
    with pytest.raises(InvalidInput, match="row"):
        history.advance(row)
    assert history.row == 1


def test_a_row_may_become_known_again() -> None:
    history = at(1)
    history.advance(1)
    assert history.row == 1


@pytest.mark.parametrize(
    ("row", "column", "price"),
    [
        (0, 0, ("100", 0)),
        (1, 0, ("100", 1)),
        (2, 0, ("25", 2)),
        (3, 0, ("30", 0)),
        (0, 1, None),
        (2, 1, ("5", 1)),
    ],
)
def test_the_last_price_is_in_todays_shares_and_has_an_age(
    row: int, column: int, price: tuple[str, int] | None
) -> None:
    expected = None if price is None else (dec(price[0]), price[1])
    assert at(row).price(column) == expected


def test_a_cut_stands_at_the_last_row_that_was_known() -> None:
    whole = at(3)
    for row in range(4):
        cut = whole.until(FRAME.known(row))
        assert (len(cut.frame), cut.row) == (row + 1, row)
        assert cut.price(0) == at(row).price(0)
    assert whole.until(FRAME.known(0) - MOMENT).row == -1


def test_columns_are_read_only() -> None:
    for column in at(0).columns().values():
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 1.0
