"""Split and dividend factors, applied when data is read, never when it is stored.

Growth runs forward from 1 at a frame's first row and knows nothing of what comes later, so a
frame cut short has the same growth up to its cut. A dividend's amount refers to the shares of
the close before its ex-date: where a split falls on the same day, to the old shares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tradewright.core.errors import QualityFailure
from tradewright.core.frames import BarFrame, FloatArray, IntArray
from tradewright.core.market import CashDividend, CorporateAction, Split
from tradewright.data.assembly import session_days

if TYPE_CHECKING:
    from collections.abc import Sequence


def growth(frame: BarFrame, actions: Sequence[CorporateAction]) -> FloatArray:
    """Total-return growth of one share: dividends are put into more of it, splits multiply it.

    From the first row whose session is on or after an ex-date a split multiplies by its ratio
    and dividends of d by 1 / (1 - d / p), with p the last raw close before that row. What
    comes before the frame's second row, and a dividend before any close, does nothing.

    Args:
        frame: Raw prices.
        actions: Corporate actions; of instruments that the frame lacks they are passed over.

    Returns:
        Shares held per share at the first row, shape (rows, instruments), never NaN.

    Raises:
        QualityFailure: A dividend is not below the close before it.
    """
    factors = _split_factors(frame, splits := _placed(frame, actions, Split))
    paid = _placed(frame, actions, CashDividend)
    if paid.actions:
        _reinvest(frame, factors, paid, splits)
    return np.cumprod(factors, axis=0, dtype=np.float64)


def split_growth(frame: BarFrame, actions: Sequence[CorporateAction]) -> FloatArray:
    """Growth of one share by splits alone: the measure for volumes and counts of shares.

    Returns:
        Shares per share at the first row, shape (rows, instruments), never NaN.
    """
    return np.cumprod(
        _split_factors(frame, _placed(frame, actions, Split)), axis=0, dtype=np.float64
    )


def adjusted(prices: FloatArray, growth: FloatArray, row: int = -1) -> FloatArray:
    """Prices comparable with those of `row`, which stay raw; NaN stays NaN.

    Args:
        prices: Raw prices, shape (rows, instruments).
        growth: `growth` or `split_growth` of the same rows.
        row: The row that is "now"; later rows are the future as seen from it.
    """
    return np.asarray(prices * (growth / growth[row]))


def unadjusted(prices: FloatArray, growth: FloatArray, row: int = -1) -> FloatArray:
    """Raw prices from those that `adjusted` made: its inverse."""
    return np.asarray(prices / (growth / growth[row]))


def adjusted_shares(shares: FloatArray, split_growth: FloatArray, row: int = -1) -> FloatArray:
    """Volumes or counts of shares in the shares of `row`; dividends do not touch them."""
    return np.asarray(shares * (split_growth[row] / split_growth))


@dataclass(frozen=True, slots=True)
class _Placed:
    """Actions in order of date, with the row and column of each."""

    actions: tuple[Split | CashDividend, ...]
    row: IntArray
    column: IntArray


def _placed(
    frame: BarFrame, actions: Sequence[CorporateAction], kind: type[Split | CashDividend]
) -> _Placed:
    chosen = [a for a in actions if isinstance(a, kind) and a.instrument in frame]
    if not chosen or not len(frame):
        nothing = np.zeros(0, dtype=np.int64)
        return _Placed((), nothing, nothing)
    dates = session_days(frame.sessions)[frame.session]
    rows = np.searchsorted(dates, np.array([a.ex_date for a in chosen], dtype="datetime64[D]"))
    columns = np.array([frame.index(a.instrument) for a in chosen], dtype=np.int64)
    inside = np.flatnonzero((rows > 0) & (rows < len(frame))).tolist()
    order = sorted(inside, key=lambda i: chosen[i].ex_date)
    return _Placed(tuple(chosen[i] for i in order), rows[order], columns[order])


def _split_factors(frame: BarFrame, splits: _Placed) -> FloatArray:
    factors = np.ones(frame.close.shape)
    ratios = [float(a.ratio) for a in splits.actions if isinstance(a, Split)]
    np.multiply.at(factors, (splits.row, splits.column), np.array(ratios))
    return factors


def _reinvest(frame: BarFrame, factors: FloatArray, paid: _Placed, splits: _Placed) -> None:
    amounts = np.array([float(a.amount) for a in paid.actions if isinstance(a, CashDividend)])
    amounts *= _shares_at_close(paid, splits)
    # Several dividends of one row are one dividend: each refers to the same close.
    places = paid.row * len(frame.instruments) + paid.column
    unique, place = np.unique(places, return_inverse=True)
    rows, columns = np.divmod(unique, len(frame.instruments))
    yields = np.bincount(place, weights=amounts) / _last_close(frame, rows, columns)
    if np.any(yields >= 1):
        worst = int(np.argmax(yields >= 1))
        raise QualityFailure(
            f"{frame.instruments[columns[worst]]} {frame.session_of(int(rows[worst])).date}",
            f"a dividend is {yields[worst]:.0%} of the close before it",
            "correct the dividend or the close",
        )
    factors[rows, columns] *= 1 / (1 - np.where(np.isnan(yields), 0.0, yields))


def _shares_at_close(paid: _Placed, splits: _Placed) -> FloatArray:
    # A split may lie between the last close and the ex-date of a dividend, which then refers
    # to more shares than the close does.
    between: dict[tuple[int, int], list[Split]] = {}
    for split, row, column in zip(splits.actions, splits.row, splits.column, strict=True):
        if isinstance(split, Split):
            between.setdefault((int(row), int(column)), []).append(split)
    shares = np.ones(len(paid.actions))
    for i, action in enumerate(paid.actions):
        for split in between.get((int(paid.row[i]), int(paid.column[i])), ()):
            if split.ex_date < action.ex_date:
                shares[i] *= float(split.ratio)
    return shares


def _last_close(frame: BarFrame, rows: IntArray, columns: IntArray) -> FloatArray:
    closes = frame.close[rows - 1, columns].copy()
    for i in np.flatnonzero(np.isnan(closes)):
        seen = np.flatnonzero(~np.isnan(frame.close[: rows[i], columns[i]]))
        if seen.size:
            closes[i] = frame.close[seen[-1], columns[i]]
    return closes
