"""What must not match for a while: orders that are held, instruments that are halted.

A pause refuses nothing: orders are taken, canceled and expire as ever, they do not trade.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tradewright.core.ids import InstrumentId, OrderId
    from tradewright.execution.working import Working


class Pauses:
    """The orders and instruments that stand still."""

    def __init__(self) -> None:
        """Start with none."""
        self.orders: set[OrderId] = set()
        self.instruments: set[InstrumentId] = set()

    def __bool__(self) -> bool:
        """Say whether anything stands still."""
        return bool(self.orders or self.instruments)

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

    def cover(self, working: Working) -> bool:
        """Say whether an order must not trade now."""
        order = working.order
        return order.id in self.orders or order.instrument in self.instruments
