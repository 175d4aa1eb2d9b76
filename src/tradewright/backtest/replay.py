"""Replay: history as a stream of events in order of time.

Within a session: it opens, corporate actions take effect, then each row opens and closes, and
the session closes. A dividend comes before a split of the same day, since it is paid on the old
shares. `BarOpened` is for the venue; a strategy learns of a row when it has closed. What is left
out changes no number of what is shown.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from tradewright.core.events import (
    BarClosed,
    BarOpened,
    Delisted,
    DividendPaid,
    SessionClosed,
    SessionOpened,
    SplitApplied,
)
from tradewright.core.frozen import maker
from tradewright.core.market import CashDividend, Delisting, Split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence, Sized

    from tradewright.core.events import BookEvent, Event
    from tradewright.core.frames import BarFrame
    from tradewright.core.market import CorporateAction

_EVER = (True,)
_opened = maker(BarOpened)
_closed = maker(BarClosed)
_ORDER = {CashDividend: 0, Split: 1, Delisting: 2}


class Replay:
    """The events of rows `first` up to, not including, `stop` of a frame."""

    def __init__(
        self,
        frame: BarFrame,
        actions: Sequence[CorporateAction],
        *,
        first: int = 0,
        stop: int | None = None,
        working: Sized | None = None,
        next_row: Callable[[int], int] | None = None,
    ) -> None:
        """Sort the corporate actions to the sessions in which they take effect.

        With `working` given, a row's opening is left out while that is empty: nobody would
        trade at it. With `next_row` too, the rows between a row and its next are left out
        while `working` is empty, save the last of a session.
        """
        self._next_row = next_row
        self._working = working
        self._frame = frame
        self._first = first
        self._stop = len(frame) if stop is None else stop
        self._openings: dict[int, list[CorporateAction]] = defaultdict(list)
        self._endings: dict[int, list[Delisting]] = defaultdict(list)
        dates = [session.date for session in frame.sessions]
        for action in sorted(actions, key=lambda a: (a.ex_date, _ORDER[type(a)], a.instrument)):
            if action.instrument not in frame:
                continue
            # An action on a day without a session takes effect at the next one.
            index = next((i for i, day in enumerate(dates) if day >= action.ex_date), None)
            if index is None:
                continue
            if isinstance(action, Delisting):
                self._endings[index].append(action)
            else:
                self._openings[index].append(action)

    def __iter__(self) -> Iterator[Event]:
        """Yield the events, numbered from 1."""
        frame = self._frame
        shown: Sized = _EVER if self._working is None else self._working
        next_row = self._next_row
        seq = 0
        if self._first > 0:
            # What closed last is the first news: it can be decided on before anything trades.
            seq = 1
            yield BarClosed(frame, self._first - 1, seq)
        for first, stop in self._sessions():
            session = frame.session_of(first)
            yield SessionOpened(session, session.open, seq := seq + 1)
            for event in self.openings(first):
                seq += 1
                yield event
            for row in range(first, stop) if next_row is None else self._rows(first, stop):
                number = seq + 2 * (row - first)
                if shown:
                    yield _opened(frame, row, number + 1)
                yield _closed(frame, row, number + 2)
            seq += 2 * (stop - first)
            for ending in self.endings(stop - 1):
                seq += 1
                yield ending
            yield SessionClosed(session, session.close, seq := seq + 1)

    def _rows(self, first: int, stop: int) -> Iterator[int]:
        next_row, working = self._next_row, self._working
        row, last = first - 1, stop - 1
        while row < last:
            row = row + 1 if working or next_row is None else min(next_row(row), last)
            yield row

    def _sessions(self) -> Iterator[tuple[int, int]]:
        numbers = self._frame.session[self._first : self._stop]
        starts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
        for first, stop in pairwise(starts):
            if first < stop:
                yield self._first + first, self._first + stop

    def openings(self, row: int) -> Iterator[BookEvent]:
        """Yield the dividends and splits that take effect as the session of `row` opens."""
        frame = self._frame
        session = int(frame.session[row])
        at = frame.sessions[session].open
        for action in self._openings.get(session, ()):
            last = frame.last_price(row - 1, frame.index(action.instrument))
            if isinstance(action, CashDividend):
                yield DividendPaid(action, at)
            elif isinstance(action, Split) and last is not None:
                yield SplitApplied(action, last[0], at)

    def endings(self, row: int) -> Iterator[Delisted]:
        """Yield the delistings after the session of `row`."""
        frame = self._frame
        session = int(frame.session[row])
        for action in self._endings.get(session, ()):
            last = frame.last_price(row, frame.index(action.instrument))
            if last is not None:
                yield Delisted(action, last[0], frame.sessions[session].close)
