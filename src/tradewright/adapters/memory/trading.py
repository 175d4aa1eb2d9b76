"""Fakes of the ports of trading: bars, journal, orders, states, a broker and its feed.

They keep their promises but forget everything with the process.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tradewright.compliance.chain import GENESIS, head, link_all
from tradewright.core.errors import ConflictError, DuplicateOrder, MissingData, VenueRejected
from tradewright.core.events import Accepted, BarOpened, CancelRefused, Rejected
from tradewright.core.ids import VenueOrderId
from tradewright.core.orders import (
    OrderState,
    OrderStatus,
    Source,
    StatusReport,
    Verdict,
    merged,
    verdict,
)
from tradewright.core.reports import VenueAccount, VenueOrder, VenueStanding
from tradewright.data.assembly import BarSeries, assemble, cut
from tradewright.data.quality import admit
from tradewright.ports import Versioned

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence
    from datetime import datetime
    from decimal import Decimal

    from tradewright.core.decisions import Approved
    from tradewright.core.events import Event, OrderEvent
    from tradewright.core.frames import BarFrame
    from tradewright.core.ids import InstrumentId, OrderId
    from tradewright.core.instrument import Instrument
    from tradewright.core.market import CorporateAction
    from tradewright.core.orders import Fill, Order
    from tradewright.core.records import JournalEntry, JsonValue, Note
    from tradewright.core.session import Span, Timeframe
    from tradewright.execution.brokerage import SimulatedBrokerage
    from tradewright.ports import Clock


class MemoryBarStore:
    """Bars kept by time frame and instrument."""

    def __init__(self) -> None:
        """Start empty."""
        self._bars: dict[Timeframe, dict[InstrumentId, BarSeries]] = {}
        self._instruments: dict[InstrumentId, Instrument] = {}
        self._actions: dict[InstrumentId, tuple[CorporateAction, ...]] = {}

    def instruments(self) -> Sequence[Instrument]:
        """List what is stored, by symbol."""
        if not self._instruments:
            raise MissingData("memory", "no market data is stored", "write some first")
        return sorted(self._instruments.values(), key=lambda instrument: instrument.symbol)

    def read(
        self, instruments: Sequence[InstrumentId], timeframe: Timeframe, span: Span | None = None
    ) -> BarFrame:
        """Read raw bars as one frame."""
        stored = self._bars.get(timeframe, {})
        for name in instruments:
            if name not in stored:
                known = ", ".join(sorted(stored)) or "nothing"
                what = f"no {timeframe.value} bars of {name}"
                raise MissingData("memory", what, f"there are bars of: {known}")
        return assemble(timeframe, {name: stored[name].within(span) for name in instruments})

    def actions(self, instruments: Sequence[InstrumentId]) -> Sequence[CorporateAction]:
        """Read the corporate actions of the instruments, by date then instrument."""
        found = [action for name in instruments for action in self._actions.get(name, ())]
        return sorted(found, key=lambda action: (action.ex_date, action.instrument))

    def write(
        self,
        frame: BarFrame,
        instruments: Sequence[Instrument],
        actions: Sequence[CorporateAction],
    ) -> None:
        """Store a frame whole, or refuse it whole."""
        admit(frame, instruments)
        bars = self._bars.setdefault(frame.timeframe, {})
        for column, name in enumerate(frame.instruments):
            bars[name] = cut(frame, column)
        described = {instrument.id: instrument for instrument in instruments}
        for name in frame.instruments:
            self._instruments[name] = described[name]
            self._actions[name] = tuple(a for a in actions if a.instrument == name)


class MemoryJournal:
    """The journal as a list, linked like the real one."""

    def __init__(self) -> None:
        """Start empty."""
        self._entries: list[JournalEntry] = []

    async def append(self, notes: Sequence[Note]) -> Sequence[JournalEntry]:
        """Append all or none."""
        last = head(self._entries[-1]) if self._entries else GENESIS
        entries = link_all(notes, last)
        self._entries.extend(entries)
        return entries

    async def since(self, seq: int = 0) -> Sequence[JournalEntry]:
        """Return the entries numbered above `seq`."""
        return tuple(self._entries[seq:])


class MemoryOrderStore:
    """Orders and fills as dictionaries."""

    def __init__(self) -> None:
        """Start empty."""
        self._states: dict[OrderId, OrderState] = {}
        self._reports: dict[OrderId, StatusReport] = {}
        self._fills: dict[str, Fill] = {}

    async def insert(self, order: Order, status: OrderStatus, at: datetime) -> OrderState:
        """Insert an order, or return the one that is there under its id."""
        return self._states.setdefault(order.id, OrderState(order, status, at))

    async def get(self, order: OrderId) -> OrderState | None:
        """Read an order's state."""
        return self._states.get(order)

    async def put(self, state: OrderState, expected: int) -> None:
        """Write a state over version `expected`."""
        stored = self._states.get(state.order.id)
        found = None if stored is None else stored.version
        if found != expected:
            raise ConflictError(f"order {state.order.id}", expected, found)
        self._states[state.order.id] = state
        self._reports[state.order.id] = StatusReport(
            state.status, state.at, state.filled, Source.WEBHOOK, state.average_price
        )

    async def add_fill(self, fill: Fill) -> bool:
        """Append a fill; False if its id is already there."""
        return self._fills.setdefault(fill.id, fill) is fill

    async def fills(self, order: OrderId | None = None) -> Sequence[Fill]:
        """Return fills in order of time, of one order or of all."""
        chosen = [fill for fill in self._fills.values() if order is None or fill.order == order]
        return tuple(sorted(chosen, key=lambda fill: (fill.at, fill.id)))

    async def open_orders(self) -> Sequence[OrderState]:
        """Return every state that has not ended."""
        return tuple(state for state in self._states.values() if not state.status.is_terminal)

    async def update_status(self, order: OrderId, report: StatusReport) -> Verdict:
        """Apply a reported status if the rule says so."""
        state = self._states.get(order)
        if state is None:
            raise ConflictError(f"order {order}", 0, None)
        stored = self._reports.get(order) or StatusReport(
            state.status, None, state.filled, Source.RECONCILIATION, state.average_price
        )
        answer = verdict(stored, report)
        if answer is Verdict.APPLY:
            after = self._reports[order] = merged(stored, report)
            notional = after.filled * after.price if after.price is not None else state.notional
            self._states[order] = OrderState(
                state.order,
                after.status,
                max(state.at, report.at or state.at),
                state.venue_id,
                after.filled,
                notional,
                state.version + 1,
                state.reason,
            )
        return answer


class MemoryStateStore:
    """Small states as a dictionary."""

    def __init__(self) -> None:
        """Start empty: every switch is unknown."""
        self._values: dict[str, Versioned] = {}

    async def get(self, key: str) -> Versioned | None:
        """Read a state."""
        return self._values.get(key)

    async def compare_and_set(self, key: str, value: JsonValue, expected: int) -> int:
        """Write over version `expected`."""
        stored = self._values.get(key)
        found = stored.version if stored else 0
        if found != expected:
            raise ConflictError(key, expected, found)
        self._values[key] = Versioned(value, found + 1)
        return found + 1


class MemoryBroker:
    """A simulated brokerage behind the port of a real one."""

    def __init__(self, brokerage: SimulatedBrokerage, clock: Clock) -> None:
        """Trade at `brokerage`; `clock` stamps what we ask for."""
        self.brokerage = brokerage
        self._clock = clock
        self._events: asyncio.Queue[OrderEvent | None] = asyncio.Queue()
        self.connected = asyncio.Event()
        self.connected.set()

    async def submit(self, approved: Approved) -> Accepted | Rejected:
        """Send an approved order."""
        order = approved.order
        try:
            answer = self.brokerage.submit(order, self._clock.now())[0]
        except DuplicateOrder:
            return self._known(order.id)
        if not isinstance(answer, Accepted | Rejected):
            raise VenueRejected("memory", "protocol", f"answered with {answer.kind}")
        return answer

    async def replace(self, order: OrderId, successor: Approved) -> Accepted | Rejected:
        """Ask to put another order in an order's place."""
        state = self.brokerage.orders.get(order)
        if state is None:
            raise VenueRejected("memory", "replace", f"order not found for {order}")
        new, now = successor.order, self._clock.now()
        objection = _objection(state, new)
        if objection:
            return Rejected(new.id, now, f"cannot replace: {objection}")
        try:
            answers = self.brokerage.replace(order, new, now)
        except DuplicateOrder:
            return self._known(new.id)
        for answer in answers:
            if isinstance(answer, CancelRefused):
                return Rejected(new.id, now, answer.reason)
            if not isinstance(answer, Accepted | Rejected):
                self._events.put_nowait(answer)
        return next(answer for answer in answers if isinstance(answer, Accepted | Rejected))

    async def cancel(self, order: OrderId) -> None:
        """Ask to cancel."""
        state = self.brokerage.orders.get(order)
        if state is not None and state.status.is_terminal:
            return
        answers = self.brokerage.cancel(order, self._clock.now())
        for answer in answers:
            if isinstance(answer, CancelRefused):
                raise VenueRejected("memory", "cancel", answer.reason)
            self._events.put_nowait(answer)

    async def find(self, order: OrderId) -> VenueOrder | None:
        """Ask for an order by our id."""
        state = self.brokerage.orders.get(order)
        return None if state is None else _as_venue_order(state)

    async def open_orders(self) -> Sequence[VenueOrder]:
        """List every order that is still working."""
        states = self.brokerage.orders.values()
        return tuple(_as_venue_order(state) for state in states if not state.status.is_terminal)

    async def fills(self, since: datetime) -> Sequence[tuple[Fill, Decimal]]:
        """List executions from `since` on, each with its order's cumulative."""
        cumulative: dict[OrderId, Decimal] = {}
        found: list[tuple[Fill, Decimal]] = []
        for fill in self.brokerage.fills:
            total = cumulative.get(fill.order, 0 * fill.quantity) + fill.quantity
            cumulative[fill.order] = total
            if fill.at >= since:
                found.append((fill, total))
        return found

    async def account(self) -> VenueAccount:
        """Read cash and positions together."""
        book = self.brokerage
        return VenueAccount(
            cash=book.ledger.cash,
            equity=book.equity(),
            buying_power=book.buying_power(),
            positions=dict(book.ledger.quantities),
        )

    async def standing(self) -> VenueStanding:
        """Take every order, at our own time."""
        return VenueStanding(blocked="", skew_seconds=0.0)

    async def events(self) -> AsyncIterator[OrderEvent]:
        """Yield what happens to our orders until closed."""
        while (event := await self._events.get()) is not None:
            yield event

    async def close(self) -> None:
        """End the stream of events."""
        self._events.put_nowait(None)

    def _known(self, order: OrderId) -> Accepted | Rejected:
        known = self.brokerage.orders[order]
        if known.status is OrderStatus.REJECTED:
            return Rejected(order, known.at, known.reason)
        return Accepted(order, self._clock.now(), VenueOrderId(f"sim-{order}"))

    def step(self, event: Event) -> None:
        """Let the brokerage live through an event of the market and tell what came of it."""
        for produced in self.brokerage.step(event):
            self._events.put_nowait(produced)


class MemoryFeed:
    """A replay that the simulated brokerage lives through before we hear of it."""

    def __init__(self, events: Iterable[Event], broker: MemoryBroker) -> None:
        """Replay `events` at `broker`."""
        self._replay = events
        self._broker = broker

    async def events(self) -> AsyncIterator[Event]:
        """Yield every event but the open prints, which are the venue's to know."""
        for event in self._replay:
            self._broker.step(event)
            if not isinstance(event, BarOpened):
                yield event


def _objection(state: OrderState, successor: Order) -> str:
    if state.status.is_terminal:
        return f"order is {state.status}"
    if state.filled:
        return f"{state.filled} are filled already; cancel it instead"
    old = state.order
    before = (old.instrument, old.side, old.kind)
    if (successor.instrument, successor.side, successor.kind) != before:
        return f"instrument, side and kind stay {before}"
    return ""


def _as_venue_order(state: OrderState) -> VenueOrder:
    return VenueOrder(
        id=state.order.id,
        venue_id=state.venue_id or VenueOrderId(f"sim-{state.order.id}"),
        status=state.status,
        raw_status=state.status.value,
        filled=state.filled,
        average_price=state.average_price,
        updated_at=state.at,
        reason=state.reason,
    )
