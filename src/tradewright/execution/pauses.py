"""What must not match for a while: orders that are held, instruments that are halted.

A pause refuses nothing: orders are taken, canceled and expire as ever, they do not trade. A short
sale under the restriction of Rule 201 is half paused: it may not take the bid, but a limit that
stood above the bid may be met.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradewright.core.orders import OrderKind

if TYPE_CHECKING:
    from tradewright.core.ids import InstrumentId, OrderId
    from tradewright.execution.working import Working


class Pauses:
    """The orders and instruments that stand still."""

    def __init__(self) -> None:
        """Start with none."""
        self.orders: set[OrderId] = set()
        self.instruments: set[InstrumentId] = set()
        self.short: set[OrderId] = set()

    def __bool__(self) -> bool:
        """Say whether anything stands still."""
        return bool(self.orders or self.instruments or self.short)

    def hold(self, order: OrderId) -> None:
        """Keep an order from trading."""
        self.orders.add(order)

    def release(self, order: OrderId) -> None:
        """Let a held order trade again."""
        self.orders.discard(order)

    def halt(self, instrument: InstrumentId) -> None:
        """Stop the trading of an instrument."""
        self.instruments.add(instrument)

    def resume(self, instrument: InstrumentId) -> None:
        """Let an instrument trade again."""
        self.instruments.discard(instrument)

    def restrict(self, order: OrderId) -> None:
        """Keep a short sale from taking the bid."""
        self.short.add(order)

    def free(self, order: OrderId) -> None:
        """Let a short sale take the bid again."""
        self.short.discard(order)

    def cover(self, working: Working) -> bool:
        """Say whether an order must not trade now."""
        order = working.order
        if order.id in self.orders or order.instrument in self.instruments:
            return True
        return order.id in self.short and order.kind is not OrderKind.LIMIT
