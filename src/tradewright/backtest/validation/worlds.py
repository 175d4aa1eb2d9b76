"""The same market up to a row, and after it nothing, or something else.

Whatever was known at the close of the row is kept to the last bit: bars, corporate actions that
had taken effect, delistings that had happened. Sessions stay, since a calendar is known ahead, and
so does the list of instruments, which the user gave.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.core.frames import FIELDS, BarFrame
from tradewright.core.market import CashDividend, Split
from tradewright.data.history import MarketData

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from tradewright.core.frames import FloatArray
    from tradewright.core.ids import InstrumentId
    from tradewright.core.instrument import Instrument
    from tradewright.core.market import CorporateAction

_WILD: Final = 0.15
_MISSING: Final = 0.03
_UNKNOWN_PRICE: Final = 50.0
_LEAST: Final = 0.01
_MOST: Final = 100_000.0
_BUSY: Final = 3.0
_USUAL_VOLUME: Final = 100_000.0
_SPLIT: Final = Fraction(2)
_YIELD: Final = 0.02


class Future(StrEnum):
    """What follows a row: nothing, what followed turned upside down, or what chance brings."""

    NOTHING = "nothing"
    MIRRORED = "mirrored"
    ANOTHER = "another"


def with_future(market: MarketData, row: int, future: Future, seed: int) -> MarketData:
    """Return a market that is the same up to and with `row`, and another after it.

    Nothing leaves one row without bars, in which orders would trade. Mirrored prices p become
    c² / p with c the last close known; another future is wild, with splits and dividends of its
    own, and nothing is delisted in it.

    Args:
        market: The market as it was.
        row: The last row that is kept; a row follows it.
        future: What follows.
        seed: Where another future comes from.
    """
    frame = market.frame
    day = frame.session_of(row).date
    known = tuple(action for action in market.actions if action.ex_date <= day)
    names = _still_listed(market, day)
    if future is Future.NOTHING:
        cut = frame.rows(0, row + 2)
        blank = {name: _blanked(getattr(cut, name), row) for name in FIELDS}
        return replace(market, frame=_with(cut, blank), instruments=names, actions=known)
    if future is Future.MIRRORED:
        columns = _mirrored(frame, row)
        return replace(market, frame=_with(frame, columns), instruments=names, actions=known)
    rng = np.random.default_rng((seed, row))
    other = replace(market, frame=_with(frame, _another(frame, row, rng)), instruments=names)
    return replace(other, actions=(*known, *_befallen(other.frame, row, rng)))


def _still_listed(market: MarketData, day: date) -> Mapping[InstrumentId, Instrument]:
    return {
        name: replace(one, delisted=None) if one.delisted and one.delisted > day else one
        for name, one in market.instruments.items()
    }


def _blanked(column: FloatArray, row: int) -> FloatArray:
    blank = column.copy()
    blank[row + 1 :] = np.nan
    return blank


def _with(frame: BarFrame, columns: Mapping[str, FloatArray]) -> BarFrame:
    return BarFrame(
        frame.timeframe,
        frame.instruments,
        frame.sessions,
        frame.session,
        frame.start,
        frame.end,
        **columns,
        known_at=frame.known_at,
    )


def _last_closes(frame: BarFrame, row: int) -> FloatArray:
    closes = np.full(len(frame.instruments), _UNKNOWN_PRICE)
    for column in range(len(closes)):
        found = frame.last_price(row, column)
        if found is not None:
            closes[column] = float(found[0])
    return closes


def _mirrored(frame: BarFrame, row: int) -> dict[str, FloatArray]:
    after = slice(row + 1, None)
    square = _last_closes(frame, row) ** 2
    columns = {name: getattr(frame, name).copy() for name in FIELDS}
    for name, source in (("open", "open"), ("high", "low"), ("low", "high"), ("close", "close")):
        columns[name][after] = _cents(square / getattr(frame, source)[after])
    columns["volume"][after] = np.round(columns["volume"][after] * _BUSY)
    return columns


def _another(frame: BarFrame, row: int, rng: np.random.Generator) -> dict[str, FloatArray]:
    shape = (len(frame) - row - 1, len(frame.instruments))
    # Around a line that leads somewhere else, so that no price runs out of what a price can be.
    slope = rng.uniform(-1.0, 1.0, shape[1])
    walk = slope * np.linspace(0.0, 1.0, shape[0])[:, None] + _WILD * rng.standard_normal(shape)
    closes = _last_closes(frame, row) * np.exp(walk)
    opens = closes * np.exp(_WILD / 2 * rng.standard_normal(shape))
    highs = np.maximum(opens, closes) * np.exp(np.abs(_WILD / 4 * rng.standard_normal(shape)))
    lows = np.minimum(opens, closes) * np.exp(-np.abs(_WILD / 4 * rng.standard_normal(shape)))
    volumes = np.maximum(np.round(_USUAL_VOLUME * np.exp(rng.standard_normal(shape))), 1.0)
    absent = rng.random(shape) < _MISSING
    columns = {name: getattr(frame, name).copy() for name in FIELDS}
    made = (_cents(opens), _cents(highs), _cents(lows), _cents(closes), volumes)
    for name, values in zip(FIELDS, made, strict=True):
        values[absent] = np.nan
        columns[name][row + 1 :] = values
    return columns


def _cents(prices: FloatArray) -> FloatArray:
    return np.clip(np.round(prices, 2), _LEAST, _MOST)


def _befallen(frame: BarFrame, row: int, rng: np.random.Generator) -> list[CorporateAction]:
    # Each instrument splits once and pays once, somewhere after the row.
    here = frame.session_of(row).date
    days = [frame.sessions[i].date for i in np.unique(frame.session[row + 1 :]).tolist()]
    later = [day for day in days if day > here]
    found: list[CorporateAction] = []
    if not later:
        return found
    for column, name in enumerate(frame.instruments):
        split, paid = (later[int(i)] for i in rng.integers(0, len(later), 2))
        found.append(Split(name, split, _SPLIT))
        cents = int(np.nanmin(frame.close[:, column], initial=_UNKNOWN_PRICE) * 100 * _YIELD)
        if cents:
            found.append(CashDividend(name, paid, Decimal(cents).scaleb(-2)))
    return found
