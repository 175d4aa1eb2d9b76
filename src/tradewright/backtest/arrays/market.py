"""A market as whole numbers: when rows count, and what happened to the instruments.

All that a run asks about times is turned into rows here, once: the columns of times are long, and
on minute bars each look at one of them costs as much as the rest of an order.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tradewright.backtest.arrays.passes import paces
from tradewright.backtest.arrays.state import DIVIDEND, MICRO, SPLIT, Market
from tradewright.core.market import CashDividend, Delisting, Split
from tradewright.data.adjust import Points

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from tradewright.core.frames import BarFrame, IntArray
    from tradewright.core.market import CorporateAction
    from tradewright.data.history import MarketData
    from tradewright.engine.run import Rows

_DELISTING: Final = SPLIT + 1
_KINDS: Final[Mapping[type, int]] = {CashDividend: DIVIDEND, Split: SPLIT, Delisting: _DELISTING}
_UNSET: Final = -1
_MICROS: Final = 1_000_000
_FEWEST_DIGITS: Final = 2
_MOST_DIGITS: Final = 9
_MOST_WHOLE: Final = 10**6


def pace_of(frame: BarFrame) -> tuple[bool, bool]:
    """Return whether rows become known one after the other, and each before the next starts."""
    nearest, prompt = paces(frame.known_at, frame.start)
    return nearest >= MICRO, prompt


@dataclass(frozen=True, slots=True, eq=False)
class Deeds:
    """The corporate actions of a frame's instruments, by number.

    `amount` (actions, 2) is a split's ratio, or a dividend in units of which so many are a cent,
    where 0 of them means that it has too many digits.
    """

    actions: Sequence[CorporateAction]
    ordinal: IntArray
    column: IntArray
    kind: IntArray
    amount: IntArray

    def points(self, kind: int) -> Points:
        """Return what `data.adjust` is to know of one kind."""
        own = np.flatnonzero(self.kind == kind)
        up, down = self.amount[own].T
        # A cent is the hundredth part: both are whole numbers, so that this rounds but once.
        value = up / (down * 100 if kind == DIVIDEND else down)
        return Points(self.ordinal[own], self.column[own], value)


def deeds_of(market: MarketData) -> Deeds:
    """Return what happens to the instruments of a market's frame."""
    places = {name: column for column, name in enumerate(market.frame.instruments)}
    known = [action for action in market.actions if action.instrument in places]
    count = len(known)
    kind = np.array([_KINDS[type(action)] for action in known], dtype=np.int64)
    amount = np.ones((count, 2), dtype=np.int64)
    paid = [action.amount for action in known if isinstance(action, CashDividend)]
    # Few amounts are paid often: to look one up is quicker than to take it apart.
    distinct = {value: place for place, value in enumerate(dict.fromkeys(paid))}
    table = np.array([_in_cents(value) for value in distinct], dtype=np.int64).reshape(-1, 2)
    amount[kind == DIVIDEND] = table[[distinct[value] for value in paid]]
    ratios = [action.ratio for action in known if isinstance(action, Split)]
    amount[kind == SPLIT] = np.array(
        [(one.numerator, one.denominator) for one in ratios], dtype=np.int64
    ).reshape(-1, 2)
    return Deeds(
        known,
        np.array([action.ex_date.toordinal() for action in known], dtype=np.int64),
        np.array([places[action.instrument] for action in known], dtype=np.int64),
        kind,
        amount,
    )


def _in_cents(amount: Decimal) -> tuple[int, int]:
    exponent = amount.normalize().as_tuple().exponent
    digits = max(-exponent, _FEWEST_DIGITS) if isinstance(exponent, int) else _MOST_DIGITS + 1
    if digits > _MOST_DIGITS or amount >= _MOST_WHOLE:
        return 0, 0
    return int(amount.scaleb(digits)), 10 ** (digits - _FEWEST_DIGITS)


def market_facts(
    market: MarketData, deeds: Deeds, rows: Rows, *, prompt: bool
) -> tuple[Market, IntArray]:
    """Return a market as numbers, and the places in `deeds` that its `opening` is of."""
    frame = market.frame
    own = [market.instruments[name] for name in frame.instruments]
    by_name = np.argsort(np.array(frame.instruments), kind="stable").astype(np.int64)
    at, order = _placed(frame, deeds, rows, by_name)
    opens = deeds.kind[order] != _DELISTING
    opening, ending = order[opens], order[~opens]
    splits = np.zeros(len(own), dtype=np.bool_)
    splits[deeds.column[opening[deeds.kind[opening] == SPLIT]]] = True
    facts = Market(
        open=frame.open,
        close=frame.close,
        volume=frame.volume,
        start=frame.start,
        known=frame.known_at,
        prompt=prompt,
        closing=_closing(frame),
        lots=np.array([int(one.lot) for one in own], dtype=np.int64),
        by_name=by_name,
        tradable=np.array([one.tradable for one in own], dtype=np.bool_),
        shortable=np.array([one.shortable for one in own], dtype=np.bool_),
        listed=_ordinals([one.listed for one in own]),
        delisted=_ordinals([one.delisted for one in own]),
        splits=splits,
        opening=np.column_stack(
            (at[opening], deeds.column[opening], deeds.kind[opening], deeds.amount[opening])
        ),
        ending=np.column_stack((at[ending], deeds.column[ending])),
        calendar=_calendar(market, rows),
    )
    return facts, opening


def _ordinals(days: Sequence[Any]) -> IntArray:
    return np.array([_UNSET if day is None else day.toordinal() for day in days], dtype=np.int64)


def _bounds(frame: BarFrame) -> IntArray:
    # The first row of each session and, one more, the end.
    return np.searchsorted(frame.session, np.arange(len(frame.sessions) + 1)).astype(np.int64)


def _closing(frame: BarFrame) -> IntArray:
    # A session without rows has none; there is always one more to come.
    bounds = _bounds(frame)
    return np.append(bounds[1:][np.diff(bounds) > 0] - 1, len(frame))


def _placed(
    frame: BarFrame, deeds: Deeds, rows: Rows, by_name: IntArray
) -> tuple[IntArray, IntArray]:
    # The row in which each action of a run counts, and in which order they are booked. A delisting
    # counts after the last row of its session, all else before the first.
    if not len(deeds.kind):
        nothing = np.empty(0, dtype=np.int64)
        return nothing, nothing
    days = np.array([session.date.toordinal() for session in frame.sessions], dtype=np.int64)
    bounds = _bounds(frame)
    # Of each session the first and the last row that the run lives through, -1 for none.
    edges = np.full((2, len(days) + 1), _UNSET, dtype=np.int64)
    edges[0, :-1] = np.maximum(bounds[:-1], rows.first)
    edges[1, :-1] = np.minimum(bounds[1:] - 1, rows.last)
    edges[:, :-1][:, edges[0, :-1] > edges[1, :-1]] = _UNSET
    at = edges[(deeds.kind == _DELISTING).astype(np.int64), np.searchsorted(days, deeds.ordinal)]
    names = np.empty(len(by_name), dtype=np.int64)
    names[by_name] = np.arange(len(by_name))
    order = np.lexsort((names[deeds.column], deeds.kind, deeds.ordinal, at))
    return at, order[at[order] >= 0]


def _calendar(market: MarketData, rows: Rows) -> IntArray:
    # The sessions that decisions of the run can ask about, and those beside them, so that what
    # lies beyond the calendar stays beyond it.
    sessions, frame = market.calendar.sessions, market.frame
    first = bisect_left(sessions, frame.known(rows.first - 1), key=lambda one: one.open)
    stop = bisect_left(sessions, frame.known(rows.last), key=lambda one: one.open)
    near = sessions[max(first - 2, 0) : stop + 2]
    table = np.empty((len(near), 3), dtype=np.int64)
    table[:, 0] = np.searchsorted(frame.known_at, _nanos([one.open for one in near]))
    table[:, 1] = np.searchsorted(frame.known_at, _nanos([one.close for one in near]))
    table[:, 2] = [one.date.toordinal() for one in near]
    return table


def _nanos(times: Sequence[datetime]) -> IntArray:
    micros = [round(at.timestamp() * _MICROS) for at in times]
    return np.array(micros, dtype=np.int64) * MICRO
