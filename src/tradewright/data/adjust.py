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

if TYPE_CHECKING:
    from collections.abc import Sequence


def growth(frame: BarFrame, actions: Sequence[CorporateAction]) -> FloatArray:
    """Total-return growth of one share: dividends are put into more of it, splits multiply it.

    From the first row whose session is on or after an ex-date a split multiplies by its ratio
    and dividends of d by 1 / (1 - d / p), with p the last raw close before that row, in the
    shares of the day before the ex-date. What comes before the frame's second row does nothing,
    nor does a dividend before any close.

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
    ordinals = np.fromiter((a.ex_date.toordinal() for a in chosen), np.int64, len(chosen))
    days = np.array([s.date.toordinal() for s in frame.sessions])[frame.session]
    rows = np.searchsorted(days, ordinals)
    columns = np.array([frame.index(a.instrument) for a in chosen], dtype=np.int64)
    order = np.argsort(ordinals, kind="stable")
    order = order[(rows[order] > 0) & (rows[order] < len(frame))]
    return _Placed(tuple(chosen[i] for i in order.tolist()), rows[order], columns[order])


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
    yields = np.bincount(place, weights=amounts) / _last_close(frame, factors, rows, columns)
    if np.any(yields >= 1):
        worst = int(np.argmax(yields >= 1))
        raise QualityFailure(
            f"{frame.instruments[columns[worst]]} {frame.session_of(int(rows[worst])).date}",
            f"a dividend is {yields[worst]:.0%} of the close before it",
            "correct the dividend or the close",
        )
    factors[rows, columns] *= 1 / (1 - np.where(np.isnan(yields), 0.0, yields))


def _shares_at_close(paid: _Placed, splits: _Placed) -> FloatArray:
    # Where a split and a dividend take effect on one row but the split's date was earlier, the
    # dividend is that of more shares than the close before the row.
    shares = np.ones(len(paid.actions))
    cells = set(zip(splits.row.tolist(), splits.column.tolist(), strict=True))
    for i, cell in enumerate(zip(paid.row.tolist(), paid.column.tolist(), strict=True)):
        if cell not in cells:
            continue
        here = np.flatnonzero((splits.row == cell[0]) & (splits.column == cell[1]))
        for split in (splits.actions[j] for j in here.tolist()):
            if isinstance(split, Split) and split.ex_date < paid.actions[i].ex_date:
                shares[i] *= float(split.ratio)
    return shares


def _last_close(
    frame: BarFrame, factors: FloatArray, rows: IntArray, columns: IntArray
) -> FloatArray:
    # Of a share as it is after the splits up to the row before.
    closes = frame.close[rows - 1, columns].copy()
    for i in np.flatnonzero(np.isnan(closes)).tolist():
        row, column = rows[i], columns[i]
        seen = np.flatnonzero(~np.isnan(frame.close[:row, column]))
        if seen.size:
            closes[i] = frame.close[seen[-1], column] / factors[seen[-1] + 1 : row, column].prod()
    return closes
