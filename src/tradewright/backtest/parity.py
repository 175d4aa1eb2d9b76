"""The same sessions in a backtest and in paper mode, order by order.

Parity is about what was asked: fills may differ in price and time between two venues, orders of
one engine may not differ in anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewright.core.decisions import Refusal
    from tradewright.core.ids import OrderId
    from tradewright.core.orders import Fill, Order, OrderState
    from tradewright.execution.reconcile import Difference
    from tradewright.portfolio.ledger import Book


@dataclass(frozen=True, slots=True)
class Pair:
    """One order, and where it stands on each side; None where it was not asked."""

    order: Order
    expected: OrderState | None
    actual: OrderState | None

    @property
    def equal(self) -> bool:
        """Say whether both asked the same."""
        if self.expected is None or self.actual is None:
            return False
        return self.expected.order == self.actual.order


@dataclass(frozen=True, slots=True)
class PaperSide:
    """Sessions traded in paper mode, and what a backtest of the very same sessions expected.

    `differences` are those of the last reconciliation with the venue; `book` is ours after it.
    """

    sessions: int
    expected: Mapping[OrderId, OrderState]
    orders: Mapping[OrderId, OrderState]
    fills: Sequence[Fill]
    refusals: Sequence[Refusal]
    differences: Sequence[Difference]
    book: Book

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Every order of either side, in order of decision."""
        asked = {**self.orders, **self.expected}
        pairs = [
            Pair(state.order, self.expected.get(one), self.orders.get(one))
            for one, state in asked.items()
        ]
        return tuple(sorted(pairs, key=lambda pair: (pair.order.decided_at, pair.order.instrument)))

    @property
    def parity(self) -> bool:
        """Say whether both sides asked the same orders."""
        return all(pair.equal for pair in self.pairs)

    @property
    def reconciled(self) -> bool:
        """Say whether our book and the venue's agree."""
        return not self.differences
