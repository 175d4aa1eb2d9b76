"""What happened, kept first and believed after: journal, engine and tables in step.

The order is the point: a fact is in the journal before the engine moves by it, and the tables
follow both. After a crash the journal is the truth, and the tables are brought up to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from tradewright.core.decisions import Approved, Refusal
from tradewright.core.events import (
    Alert,
    CashMoved,
    Delisted,
    DividendPaid,
    Filled,
    FinancingCharged,
    Record,
    SplitApplied,
    Submit,
)
from tradewright.core.frozen import frozen
from tradewright.core.orders import OrderStatus
from tradewright.core.records import note, recall

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from tradewright.core.events import BookEvent, Command, Event
    from tradewright.core.orders import OrderEventKind, OrderState
    from tradewright.engine.engine import Engine
    from tradewright.execution.reconcile import Difference
    from tradewright.ports import Broker, Clock, Journal, OrderStore, StateStore

BOOK_EVENTS: Final = (SplitApplied, DividendPaid, Delisted, CashMoved, FinancingCharged)


@frozen
class Compared:
    """Both books were compared: how often they differed, and how long it took."""

    at: datetime
    differences: int
    seconds: float


Told: TypeAlias = "Event | Alert | Refusal | Compared"
Hear: TypeAlias = "Callable[[Told, OrderState | None], None]"
"""Told what happens as it happens, with the order that it is about as it stands after."""


def _ignore(_told: Told, _state: OrderState | None) -> None:
    return


@dataclass(frozen=True, slots=True)
class Ports:
    """The world, as far as a runner touches it."""

    broker: Broker
    journal: Journal
    orders: OrderStore
    switches: StateStore
    clock: Clock
    hear: Hear = _ignore


@dataclass(slots=True)
class Outcome:
    """What a run came to, filled in as it goes."""

    refusals: list[Refusal] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    differences: tuple[Difference, ...] = ()
    resumed: int = 0
    """Journal entries that were replayed at the start."""


class Chronicle:
    """The record of one engine; everything that moves the engine goes through it."""

    def __init__(self, engine: Engine, ports: Ports, actor: str) -> None:
        """Prepare; `actor` is who the journal says this is."""
        self.engine = engine
        self.outcome = Outcome()
        self.decided: datetime | None = None
        self.lived: datetime = ports.clock.now()
        self.began: datetime = self.lived
        self._ports = ports
        self._actor = actor
        self._booked: set[tuple[str, str, datetime]] = set()

    async def replay(self) -> None:
        """Live through the journal again; raise SafetyError if it cannot be read."""
        entries = await self._ports.journal.since(0)
        self.outcome.resumed = len(entries)
        for entry in entries:
            self._recall(recall(entry))
            self.lived = max(self.lived, entry.at)

    async def decide(self, commands: Sequence[Command]) -> None:
        """Keep what was decided: after a crash every order of a decision is known, or none."""
        kept = [
            command.approved if isinstance(command, Submit) else command.subject
            for command in commands
            if isinstance(command, Submit | Record)
        ]
        self.tell(commands)
        refused = [one for one in kept if isinstance(one, Refusal)]
        self.outcome.refusals.extend(refused)
        for one in refused:
            self._ports.hear(one, None)
        if kept:
            notes = [note(one, actor=self._actor) for one in kept]
            await self._ports.journal.append(notes)

    async def believe(self, event: Event) -> None:
        """Keep an event, then let the engine and the tables follow; known news changes nothing."""
        kind: OrderEventKind | None = getattr(event, "kind", None)
        if kind is not None and not self.engine.desk.is_news(event):  # type: ignore[arg-type]
            return
        states = self.engine.desk.states
        before = states.get(event.order) if kind is not None else None  # type: ignore[union-attr]
        await self._ports.journal.append([note(event, actor=self._actor)])
        self._note_booked(event)
        commands = self.engine.handle(event)
        self._ports.hear(event, states.get(event.order) if kind is not None else None)  # type: ignore[union-attr]
        self.tell(commands)
        if before is not None and (after := states[before.order.id]) is not before:
            if isinstance(event, Filled):
                await self._ports.orders.add_fill(event.fill)
            await self._ports.orders.put(after, before.version)

    async def restore(self) -> None:
        """Bring the tables up to the journal: a crash may have left them behind it."""
        store = self._ports.orders
        for state in self.engine.desk.states.values():
            stored = await store.insert(state.order, OrderStatus.PENDING_NEW, state.at)
            if stored.version < state.version:
                await store.put(state, stored.version)
        for fill in self.engine.desk.fills:
            await store.add_fill(fill)

    def is_booked(self, event: BookEvent) -> bool:
        """Say whether an event of the book has been believed."""
        return _key(event) in self._booked

    def tell(self, commands: Sequence[Command]) -> None:
        """Pass on the alerts among commands."""
        for command in commands:
            if isinstance(command, Alert):
                self._tell(command)

    def alert(self, code: str, message: str) -> None:
        """Tell people."""
        self._tell(Alert(code, message, self._ports.clock.now()))

    def pass_on(self, event: Event) -> None:
        """Let the engine live through what needs no record."""
        self._ports.hear(event, None)
        self.tell(self.engine.handle(event))

    def compared(self, found: tuple[Difference, ...], seconds: float) -> None:
        """Note where the books differ; `seconds` is how long it took to know."""
        self.outcome.differences = found
        self._ports.hear(Compared(self._ports.clock.now(), len(found), seconds), None)

    def _tell(self, alert: Alert) -> None:
        self.outcome.alerts.append(alert)
        self._ports.hear(alert, None)

    def _recall(self, fact: object) -> None:
        if isinstance(fact, Approved):
            self.engine.desk.admit(fact)
            self.decided = max(self.decided or fact.at, fact.at)
            self.began = min(self.began, fact.at)
        elif isinstance(fact, Refusal):
            self.outcome.refusals.append(fact)
            self.decided = max(self.decided or fact.at, fact.at)
        else:
            self._note_booked(fact)
            told = self.engine.handle(fact)  # type: ignore[arg-type]
            # They have been heard before the stop.
            self.outcome.alerts.extend(one for one in told if isinstance(one, Alert))

    def _note_booked(self, event: object) -> None:
        if isinstance(event, BOOK_EVENTS):
            self._booked.add(_key(event))
            self.began = min(self.began, event.at)


def _key(event: BookEvent) -> tuple[str, str, datetime]:
    return type(event).__name__, _subject(event), event.at


def _subject(event: BookEvent) -> str:
    match event:
        case SplitApplied():
            return event.split.instrument
        case DividendPaid():
            return event.dividend.instrument
        case Delisted():
            return event.delisting.instrument
        case CashMoved() | FinancingCharged():
            return event.reason
