"""Split and dividend factors, applied when data is read, never when it is stored.

Growth runs forward from 1 at a frame's first row and knows nothing of what comes later, so a
frame cut short has the same growth up to its cut. A dividend's amount refers to the shares of
the close before its ex-date: where a split falls on the same day, to the old shares.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tradewright.core.errors import QualityFailure
from tradewright.core.frames import BarFrame, FloatArray, IntArray
from tradewright.core.market import CashDividend, CorporateAction, Split

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewright.core.ids import InstrumentId


class Points(NamedTuple):
    """Something that happened to instruments: dates as ordinals, columns, and a number of each."""

    ordinal: IntArray
    column: IntArray
    value: FloatArray


class Factors(NamedTuple):
    """Factors at places of a frame, counted along its rows: each place once, in order."""

    place: IntArray
    factor: FloatArray


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
    return _grown(frame, growth_factors(frame, _splits(frame, actions), _dividends(frame, actions)))


def growth_factors(frame: BarFrame, splits: Points, paid: Points) -> Factors:
    """By what `growth` is multiplied, and where: what it is made of.

    Raises:
        QualityFailure: A dividend is not below the close before it.
    """
    known, due = _placed(frame, splits), _placed(frame, paid)
    places, factors = known.place, known.value
    if len(due.place):
        paid_places, reinvested = _reinvested(frame, due, known)
        # Splits first: what falls on one place is multiplied in that order.
        places = np.concatenate((places, paid_places))
        factors = np.concatenate((factors, reinvested))
    return _factors(places, factors)


def _splits(frame: BarFrame, actions: Sequence[CorporateAction]) -> Points:
    columns = {name: column for column, name in enumerate(frame.instruments)}
    known = [a for a in actions if isinstance(a, Split) and a.instrument in columns]
    return _points(known, columns, [float(a.ratio) for a in known])


def _dividends(frame: BarFrame, actions: Sequence[CorporateAction]) -> Points:
    columns = {name: column for column, name in enumerate(frame.instruments)}
    known = [a for a in actions if isinstance(a, CashDividend) and a.instrument in columns]
    # Few amounts are paid often: to look one up is quicker than to convert it.
    amounts = {amount: float(amount) for amount in dict.fromkeys([a.amount for a in known])}
    return _points(known, columns, [amounts[a.amount] for a in known])


def _points(
    actions: Sequence[Split | CashDividend],
    columns: Mapping[InstrumentId, int],
    values: Sequence[float],
) -> Points:
    return Points(
        np.array([a.ex_date.toordinal() for a in actions], dtype=np.int64),
        np.array([columns[a.instrument] for a in actions], dtype=np.int64),
        np.array(values, dtype=np.float64),
    )


def split_growth(frame: BarFrame, actions: Sequence[CorporateAction]) -> FloatArray:
    """Growth of one share by splits alone: the measure for volumes and counts of shares.

    Returns:
        Shares per share at the first row, shape (rows, instruments), never NaN.
    """
    return _grown(frame, split_factors(frame, _splits(frame, actions)))


def split_factors(frame: BarFrame, splits: Points) -> Factors:
    """By what `split_growth` is multiplied, and where."""
    placed = _placed(frame, splits)
    return _factors(placed.place, placed.value)


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


class _Placed(NamedTuple):
    # In order of date, and where each takes effect.
    ordinal: IntArray
    place: IntArray
    value: FloatArray


def _placed(frame: BarFrame, points: Points) -> _Placed:
    days = np.array([s.date.toordinal() for s in frame.sessions], dtype=np.int64)
    rows = np.searchsorted(frame.session, np.searchsorted(days, points.ordinal))
    order = np.argsort(points.ordinal, kind="stable")
    order = order[(rows[order] > 0) & (rows[order] < len(frame))]
    places = rows[order] * len(frame.instruments) + points.column[order]
    return _Placed(points.ordinal[order], places, points.value[order])


def _factors(places: IntArray, factors: FloatArray) -> Factors:
    unique, which = np.unique(places, return_inverse=True)
    combined = np.ones(len(unique))
    np.multiply.at(combined, which, factors)
    return Factors(unique, combined)


def _grown(frame: BarFrame, factors: Factors) -> FloatArray:
    # The running product of each column. Few rows have a factor: those between are as before.
    count = len(frame.instruments)
    rows, columns = np.divmod(factors.place, max(count, 1))
    now, result = np.ones(count), np.empty(frame.close.shape)
    bounds = [*np.flatnonzero(np.diff(rows, prepend=-1)).tolist(), len(rows)]
    done = 0
    for start, stop in itertools.pairwise(bounds):
        row = rows.item(start)
        result[done:row] = now
        now[columns[start:stop]] *= factors.factor[start:stop]
        done = row
    result[done:] = now
    return result


def _reinvested(frame: BarFrame, paid: _Placed, splits: _Placed) -> tuple[IntArray, FloatArray]:
    amounts = paid.value * _shares_at_close(paid, splits)
    # Several dividends of one row are one dividend: each refers to the same close.
    places, which = np.unique(paid.place, return_inverse=True)
    rows, columns = np.divmod(places, len(frame.instruments))
    yields = np.bincount(which, weights=amounts) / _last_close(frame, splits, rows, columns)
    if np.any(yields >= 1):
        worst = int(np.argmax(yields >= 1))
        raise QualityFailure(
            f"{frame.instruments[columns[worst]]} {frame.session_of(int(rows[worst])).date}",
            f"a dividend is {yields[worst]:.0%} of the close before it",
            "correct the dividend or the close",
        )
    return places, 1 / (1 - np.where(np.isnan(yields), 0.0, yields))


def _shares_at_close(paid: _Placed, splits: _Placed) -> FloatArray:
    # Where a split and a dividend take effect on one row but the split's date was earlier, the
    # dividend is that of more shares than the close before the row.
    shares = np.ones(len(paid.place))
    for i in np.flatnonzero(np.isin(splits.place, paid.place)).tolist():
        later = (paid.place == splits.place[i]) & (splits.ordinal[i] < paid.ordinal)
        shares[later] *= splits.value[i]
    return shares


def _last_close(frame: BarFrame, splits: _Placed, rows: IntArray, columns: IntArray) -> FloatArray:
    # Of a share as it is after the splits up to the row before.
    closes = frame.close[rows - 1, columns].copy()
    at, of = np.divmod(splits.place, len(frame.instruments))
    for i in np.flatnonzero(np.isnan(closes)).tolist():
        row, column = rows[i], columns[i]
        last = frame.last_price(int(row) - 1, int(column))
        if last is not None:
            since = (of == column) & (at > last[1]) & (at < row)
            closes[i] = frame.close[last[1], column] / splits.value[since].prod()
    return closes
