"""The desk: every order's life as a pure machine; orders and events in, decisions out.

It never forgets an order, and takes nothing twice: an order by its id, a fill by its execution
id or by the filled quantity that it brought its order to. A fill that was inferred from the
venue's running count makes later fills of that order count only by what they add to it. A fill
that the venue takes back stays among the fills; a reversal says that it counts no longer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tradewright.core.decisions import Approved, Refusal
from tradewright.core.errors import DuplicateOrder, InvalidInput
from tradewright.core.events import Filled, FillReversed
from tradewright.core.frozen import frozen, maker
from tradewright.core.money import ZERO
from tradewright.core.orders import OrderState, OrderStatus
from tradewright.execution.corrections import Reversal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from decimal import Decimal

    from tradewright.core.events import OrderEvent
    from tradewright.core.ids import FillId, InstrumentId, OrderId
    from tradewright.core.orders import Fill, Order, Side
    from tradewright.risk.checks import RiskContext
    from tradewright.risk.gate import PreTradeGate

INFERRED: Final = "inferred-"


@frozen
class Applied:
    """What an event came to beside the order's new state: what to book, and what is odd."""

    booked: Fill | None = None
    oddity: str = ""
    reversal: Reversal | None = None


QUIET: Final = Applied()
"""What most events come to: nothing to book, nothing odd."""
_applied: Final = maker(Applied)
_state: Final = maker(OrderState)
_BEGUN: Final = OrderStatus.PENDING_NEW


class Desk:
    """All orders, by id, and which of them still work."""

    def __init__(self, gate: PreTradeGate) -> None:
        """Start without orders."""
        self._gate = gate
        self._states: dict[OrderId, OrderState] = {}
        self._open: dict[OrderId, OrderState] = {}
        self._fills: dict[FillId, Fill] = {}
        self._inferred: set[OrderId] = set()
        self._counts: dict[OrderId, tuple[Decimal, ...]] = {}
        self._reversals: list[Reversal] = []

    @property
    def states(self) -> Mapping[OrderId, OrderState]:
        """Every order that was ever approved."""
        return self._states

    @property
    def open(self) -> Mapping[OrderId, OrderState]:
        """The orders that may still fill."""
        return self._open

    @property
    def fills(self) -> tuple[Fill, ...]:
        """Every execution taken, in the order they came."""
        return tuple(self._fills.values())

    @property
    def reversals(self) -> Sequence[Reversal]:
        """Which fills the venue has taken back or changed, in the order that it said so."""
        return self._reversals

    def working(self) -> Iterator[tuple[InstrumentId, Side, Decimal]]:
        """Yield instrument, side and what may still fill of each open order."""
        for state in self._open.values():
            order = state.order
            yield order.instrument, order.side, order.quantity - state.filled - state.undone

    def place(self, order: Order, context: RiskContext) -> Approved | Refusal | OrderState:
        """Check a new order; one that is already here is answered with its state.

        Raises:
            DuplicateOrder: Another order has the same id.
        """
        known = self._states.get(order.id)
        if known is not None:
            _same(known.order, order)
            return known
        answer = self._gate.check(order, context)
        if type(answer) is Approved:
            self._begin(answer)
        return answer

    def admit(self, approved: Approved) -> None:
        """Take an approved order in: from the gate, or from the journal after a restart."""
        order = approved.order
        known = self._states.get(order.id)
        if known is not None:
            _same(known.order, order)
            return
        self._begin(approved)

    def review(self, order: Order, context: RiskContext) -> Approved | Refusal:
        """Check an order that is here already once more."""
        return self._gate.check(order, context)

    def is_news(self, event: OrderEvent) -> bool:
        """Say whether an event tells what is not known yet; of strangers' orders, all is news."""
        state = self._states.get(event.order)
        if state is None:
            return True
        if isinstance(event, Filled):
            return not self._is_taken(event)
        if isinstance(event, FillReversed):
            return not self._is_reversed(event)
        after = state.apply(event)
        return (after.status, after.venue_id) != (state.status, state.venue_id)

    def knows_fill(self, fill: FillId) -> bool:
        """Say whether an execution has been taken."""
        return fill in self._fills or any(
            reversal.instead is not None and reversal.instead.id == fill
            for reversal in self._reversals
        )

    def apply(self, event: OrderEvent) -> Applied | None:
        """Move an order; None for an order that is not ours.

        Raises:
            InvalidTransition: The event cannot follow, such as a second submission.
        """
        name = event.order
        state = self._states.get(name)
        if state is None:
            return None
        kind = type(event)
        if kind is Filled:
            return self._fill(state, event)  # type: ignore[arg-type]
        if kind is FillReversed:
            return self._reverse(state, event)  # type: ignore[arg-type]
        self._keep(name, state.apply(event))
        return QUIET

    def _fill(self, state: OrderState, event: Filled) -> Applied:
        fill = event.fill
        order, name = state.order, event.order
        if self._is_taken(event):
            return Applied(oddity="repeated fill")
        if fill.instrument != order.instrument or fill.side is not order.side:
            raise InvalidInput("fill", fill.id, f"is not of the order {name} that it names")
        cumulative = event.cumulative
        inferred = fill.id.startswith(INFERRED)
        if inferred or name in self._inferred:
            counted = cumulative if cumulative is not None else ZERO
            if counted <= state.filled:
                return Applied(oddity="fill already counted")
        after = state.apply(event)
        if inferred:
            self._inferred.add(name)
        self._fills[fill.id] = fill
        if cumulative is not None:
            self._counts[name] = (*self._counts.get(name, ()), cumulative)
        self._keep(name, after)
        before = state.status
        if before.is_terminal and before is not OrderStatus.FILLED:
            return Applied(fill, f"fill after {before}")
        return _applied(fill)

    def _reverse(self, state: OrderState, event: FillReversed) -> Applied:
        if self._is_reversed(event):
            return Applied(oddity="repeated reversal")
        taken = self._standing(event.fill)
        if taken is None or taken.order != event.order:
            return Applied(oddity=f"reversal of fill {event.fill}, which does not stand")
        instead = None
        if event.instead is not None and event.quantity is not None and event.price is not None:
            instead = replace(taken, id=event.instead, quantity=event.quantity, price=event.price)
        reversal = Reversal(taken, event.at, instead)
        self._keep(event.order, state.restate(taken, instead, event.at))
        self._reversals.append(reversal)
        # The order may come to the same counts once more, by other executions.
        self._counts.pop(event.order, None)
        return Applied(oddity=event.reason or "fill reversed", reversal=reversal)

    def _standing(self, fill: FillId) -> Fill | None:
        found = self._fills.get(fill)
        for reversal in self._reversals:
            if reversal.instead is not None and reversal.instead.id == fill:
                found = reversal.instead
        return None if self._is_gone(fill) else found

    def _is_gone(self, fill: FillId) -> bool:
        return any(reversal.fill.id == fill for reversal in self._reversals)

    def _is_reversed(self, event: FillReversed) -> bool:
        return self._is_gone(event.fill) or (
            event.instead is not None and self.knows_fill(event.instead)
        )

    def _is_taken(self, event: Filled) -> bool:
        if event.fill.id in self._fills or (self._reversals and self.knows_fill(event.fill.id)):
            return True
        # Two channels may name one execution differently, but each execution brings its order
        # to a count of its own.
        return event.cumulative in self._counts.get(event.order, ())

    def _begin(self, approved: Approved) -> None:
        order = approved.order
        state = _state(order, _BEGUN, approved.at)
        self._states[order.id] = self._open[order.id] = state

    def _keep(self, order: OrderId, state: OrderState) -> None:
        self._states[order] = state
        if state.status.is_terminal:
            self._open.pop(order, None)
        else:
            self._open[order] = state


def _same(known: Order, asked: Order) -> None:
    if known == asked:
        return
    for field in ("strategy", "instrument", "side", "quantity", "kind", "time_in_force"):
        before, after = getattr(known, field), getattr(asked, field)
        if before != after:
            raise DuplicateOrder(known.id, f"{field} is {before}, was asked as {after}")
    raise DuplicateOrder(known.id, "prices or time of decision differ")
