"""Rule 201: a price that has fallen by a tenth since the last close restricts short sales.

The restriction holds from that trade to the end of the next session. Prices of before a split are
compared in shares of after it; a dividend changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.core.events import Event, SessionClosed, SessionOpened, SplitApplied
from tradewright.core.frames import from_nanos, to_nanos
from tradewright.exchange.account.shorting import Shorting
from tradewright.exchange.market.market import ReplayMarket

if TYPE_CHECKING:
    from tradewright.core.ids import InstrumentId
    from tradewright.core.session import Session

_LEFT: Final = Decimal("0.9")
# Columns are floats: what a rounding error lets through is looked at again when its time comes.
_ABOUT: Final = float(_LEFT) * (1 + 1e-9)


class Restriction:
    """Watches the prices of a market for the short sale restriction."""

    def __init__(
        self,
        market: ReplayMarket,
        shorting: Shorting,
        closes: Callable[[], Mapping[InstrumentId, Decimal]],
    ) -> None:
        """Tell `shorting`; `closes` are the last closes in shares of now."""
        self._market = market
        self._shorting = shorting
        self._closes = closes

    def live(self, event: Event) -> None:
        """Look for the first trade of the session that triggers, and mind when it ends."""
        match event:
            case SessionOpened():
                self._expect(event.session, self._closes())
            case SplitApplied() if self._market.session is not None:
                self._expect(self._market.session, [event.split.instrument])
            case SessionClosed():
                self._shorting.end_session()
            case _:
                pass

    def _expect(self, session: Session, names: Iterable[InstrumentId]) -> None:
        frame = self._market.data.frame
        span = (to_nanos(session.open), to_nanos(session.close))
        rows = slice(*np.searchsorted(frame.start, span).tolist())
        lows = np.fmin.reduce(frame.low[rows], axis=0, initial=np.inf)
        for name in names:
            close = self._closes().get(name)
            if close is None or name not in frame:
                continue
            level = float(close) * _ABOUT
            if lows[frame.index(name)] > level:
                continue
            trades = self._market.tape.trade_columns(name, span[0] - 1, span[1])
            fallen = np.flatnonzero(trades.price <= level)
            if len(fallen):
                at = from_nanos(int(trades.at[fallen[0]]))
                self._market.at(at, partial(self._trigger, name))

    def _trigger(self, name: InstrumentId) -> None:
        trade = self._market.tape.trade(name, self._market.now)
        close = self._closes().get(name)
        if trade is not None and close is not None and trade.price <= close * _LEFT:
            self._shorting.trigger(self._market.data.instruments[name])
