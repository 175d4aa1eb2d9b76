"""What the fills of a run cost, by part: commission, fees, slippage and impact.

The models of the spec divide it, as they charged it. What the market showed is the open or close
at which a market order filled, of the finer bars where it filled on those; where the venue does
not tell it (a stop within a bar), it is what the models would make the fill's price of. A limit is
filled at its own price, which is no worse than the market's: it loses nothing.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from tradewright.core.frames import to_nanos
from tradewright.core.money import Price
from tradewright.core.orders import OrderKind
from tradewright.execution.charging import SLIPPING
from tradewright.portfolio.costs import Backdrop, Cost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewright.backtest.backtest import Result
    from tradewright.core.frames import BarFrame
    from tradewright.core.ids import OrderId
    from tradewright.core.orders import Fill
    from tradewright.data.history import MarketData
    from tradewright.portfolio.costs import Conditions, TradingCosts

# A price at which the rounding of a worse one does not show.
_HIGH: Final = Price(Decimal(1_000_000))


def spent(result: Result, market: MarketData) -> Sequence[tuple[Fill, Cost]]:
    """Return the cost of each fill, in the order of the fills."""
    costs = result.spec.costs()
    finer = market.detail if result.spec.detail is not None else None
    prints = _Prints(market.frame if finer is None else finer.frame)
    backdrop = Backdrop(market.frame, market.actions)
    filled: dict[OrderId, Decimal] = defaultdict(Decimal)
    found = []
    for fill in result.fills:
        state, before = result.orders.get(fill.order), filled[fill.order]
        kind = OrderKind.MARKET if state is None else state.order.kind
        filled[fill.order] = before + fill.quantity
        known = backdrop.at(fill.instrument, fill.at)
        shown = prints.of(kind, fill) or _unslipped(costs, kind, fill, known)
        multiplier = market.instruments[fill.instrument].multiplier
        part = costs.attributed(fill, shown, known, before=before, multiplier=multiplier)
        found.append((fill, part))
    return found


def total_spent(result: Result, market: MarketData) -> Cost:
    """Return what all fills cost together."""
    return sum((cost for _, cost in spent(result, market)), Cost())


class _Prints:
    # The opens and closes of a frame, by time.
    def __init__(self, frame: BarFrame) -> None:
        self._frame = frame
        self._opened = {at: row for row, at in enumerate(frame.start.tolist())}
        self._closed = {at: row for row, at in enumerate(frame.known_at.tolist())}

    def of(self, kind: OrderKind, fill: Fill) -> Price | None:
        if kind is not OrderKind.MARKET:
            return None
        at, column = to_nanos(fill.at), self._frame.index(fill.instrument)
        row = self._opened.get(at)
        if row is not None:
            return self._frame.price(row, column, "open")
        row = self._closed.get(at)
        return None if row is None else self._frame.price(row, column)


def _unslipped(costs: TradingCosts, kind: OrderKind, fill: Fill, known: Conditions) -> Price:
    if kind not in SLIPPING:
        return fill.price
    lost = costs.fill_price(fill.side, _HIGH, fill.quantity, known)
    return Price(fill.price * _HIGH / lost)
