"""The asynchronous shell of the engine: journal first, then the venue.

The file to read when asking whether an order can be lost or sent twice. Everything that moves
the book is in the journal before it is believed; an order's intent is there before its attempt,
and its attempt before its request leaves. An intent without an attempt was never sent. An
attempt without an answer is asked about by its id, and never sent again.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from tradewright.core.decisions import Approved, Refusal
from tradewright.core.errors import (
    ConflictError,
    LedgerError,
    RateLimited,
    SafetyError,
    TradewrightError,
    VenueError,
    VenueUnavailable,
)
from tradewright.core.events import (
    Alert,
    BarClosed,
    Cancel,
    CancelAsked,
    CashMoved,
    Delisted,
    DividendPaid,
    Failed,
    Filled,
    Record,
    SplitApplied,
    Submit,
    Submitted,
    SwitchChanged,
    Unconfirmed,
)
from tradewright.core.orders import OrderEventKind, OrderStatus
from tradewright.core.records import note, recall
from tradewright.execution.reconcile import agrees, differences, repairs
from tradewright.risk.switches import GLOBAL

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from tradewright.core.events import Command, Event, OrderEvent
    from tradewright.core.ids import OrderId
    from tradewright.core.orders import OrderState
    from tradewright.core.records import JsonValue, Note
    from tradewright.core.reports import VenueOrder
    from tradewright.engine.engine import Engine
    from tradewright.execution.reconcile import Difference
    from tradewright.ports import (
        Broker,
        Clock,
        Journal,
        MarketFeed,
        OrderStore,
        StateStore,
    )

_Answer = TypeVar("_Answer")

KILL_SWITCH: Final = "kill_switch:state"
_REASON_LENGTH: Final = 500
_WRITE_ATTEMPTS: Final = 5
_BOOK_EVENTS: Final = (SplitApplied, DividendPaid, Delisted, CashMoved)
_ATTEMPTED: Final = (OrderStatus.SUBMITTED, OrderStatus.SUBMITTED_UNCONFIRMED)


@dataclass(frozen=True, slots=True)
class Ports:
    """The world, as far as a runner touches it."""

    broker: Broker
    journal: Journal
    orders: OrderStore
    switches: StateStore
    clock: Clock


@dataclass(frozen=True, slots=True)
class Patience:
    """Waits in seconds: for the venue to know an order, for its news, and between two looks."""

    confirm: float = 5.0
    news: float = 5.0
    poll: float = 0.02


@dataclass(slots=True)
class Outcome:
    """What a run came to, filled in as it goes."""

    refusals: list[Refusal] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    differences: tuple[Difference, ...] = ()
    resumed: int = 0
    """Journal entries that were replayed at the start."""


class Runner:
    """Runs one engine against a broker, from a market feed, over a journal."""

    def __init__(
        self,
        engine: Engine,
        ports: Ports,
        *,
        actor: str = "runner",
        patience: Patience | None = None,
    ) -> None:
        """Prepare; nothing is read or sent before `start`."""
        self.engine = engine
        self.outcome = Outcome()
        self._ports = ports
        self._actor = actor
        self._patience = patience or Patience()
        self._news: asyncio.Queue[OrderEvent] = asyncio.Queue()
        self._listener: asyncio.Task[None] | None = None
        self._booked: set[tuple[str, str, datetime]] = set()
        self._decided: datetime | None = None
        self._lived: datetime = ports.clock.now()
        self._began: datetime = ports.clock.now()
        self._switch: bool | None = None

    async def start(self, opening: Sequence[Event]) -> None:
        """Replay the journal, or begin one with `opening`; settle with the venue; open up.

        Raises:
            LedgerError: The venue denies an order that it had taken.
            SafetyError: The journal cannot be read or written.
        """
        entries = await self._ports.journal.since(0)
        self.outcome.resumed = len(entries)
        for entry in entries:
            self._replay(recall(entry))
            self._lived = max(self._lived, entry.at)
        now = max(self._ports.clock.now(), self._lived)
        self.engine.know(now)
        if not entries:
            for event in opening:
                await self._believe(event)
        self._listener = asyncio.create_task(self._listen(), name="broker-events")
        await self._read_switch(now)
        if entries:
            await self._restore_orders()
            await self._recover(now)
        if await self.reconcile():
            # What the venue booked while we were away may still reach us by the feed; until
            # the books agree, nothing is decided.
            self._alert("books_differ", _told(self.outcome.differences))

    async def run(self, feed: MarketFeed) -> None:
        """Live through the feed; on any failure engage the kill switch, then raise it."""
        try:
            async for event in feed.events():
                await self._market(event)
            await self._catch_up()
            await self.reconcile()
        except asyncio.CancelledError:
            raise
        except Exception as failure:
            await self._engage(f"{type(failure).__name__}: {failure}")
            raise

    async def stop(self) -> None:
        """Stop listening and let go of the broker."""
        if self._listener is not None:
            self._listener.cancel()
            with suppress(asyncio.CancelledError, VenueError):
                await self._listener
        await self._ports.broker.close()

    async def reconcile(self) -> tuple[Difference, ...]:
        """Compare cash and positions with the venue's; the result stays in `outcome`."""
        account = await _in_turn(self._ports.broker.account)
        ledger = self.engine.ledger
        found = differences(ledger.cash, ledger.quantities, account.cash, account.positions)
        self.outcome.differences = found
        return found

    def _replay(self, fact: object) -> None:
        if isinstance(fact, Approved):
            self.engine.desk.admit(fact)
            self._decided = max(self._decided or fact.at, fact.at)
            self._began = min(self._began, fact.at)
        elif isinstance(fact, Refusal):
            self.outcome.refusals.append(fact)
            self._decided = max(self._decided or fact.at, fact.at)
        else:
            self._note_booked(fact)
            self._alerts(self.engine.handle(fact))  # type: ignore[arg-type]

    async def _market(self, event: Event) -> None:
        if isinstance(event, _BOOK_EVENTS):
            if _key(event) not in self._booked:
                await self._believe(event)
        elif isinstance(event, BarClosed):
            await self._catch_up()
            decided = self._decided is not None and event.at <= self._decided
            if decided or event.at < self._lived:
                self.engine.know(event.at)
                return
            if self.outcome.differences and await self.reconcile():
                raise LedgerError(f"the books differ: {_told(self.outcome.differences)}")
            await self._read_switch(event.at)
            await self._perform(self.engine.handle(event))
        else:
            self._alerts(self.engine.handle(event))

    async def _perform(self, commands: Sequence[Command]) -> None:
        notes: list[Note] = []
        for command in commands:
            if isinstance(command, Submit):
                notes.append(note(command.approved, actor=self._actor))
            elif isinstance(command, Record):
                notes.append(note(command.subject, actor=self._actor))
                if isinstance(command.subject, Refusal):
                    self.outcome.refusals.append(command.subject)
        self._alerts(commands)
        if notes:
            # One append: after a crash either every order of the decision is known, or none.
            await self._ports.journal.append(notes)
        approved = [command.approved for command in commands if isinstance(command, Submit)]
        for one in approved:
            await self._ports.orders.insert(one.order, OrderStatus.PENDING_NEW, one.at)
        for one in approved:
            await self._submit(one)
        for command in commands:
            if isinstance(command, Cancel):
                await self._cancel(command)

    async def _submit(self, approved: Approved) -> None:
        order = approved.order.id
        await self._believe(Submitted(order, self._ports.clock.now()))
        try:
            answer = await _in_turn(partial(self._ports.broker.submit, approved))
        except VenueUnavailable as lost:
            await self._believe(Unconfirmed(order, self._ports.clock.now(), str(lost)))
            await self._resolve(order)
        else:
            await self._believe(answer)

    async def _cancel(self, command: Cancel) -> None:
        state = self.engine.desk.states.get(command.order)
        if state is None or state.status.is_terminal:
            # It has ended while the cancel was being decided: there is nothing left to cancel.
            return
        await self._believe(CancelAsked(command.order, self._ports.clock.now(), command.reason))
        try:
            await _in_turn(partial(self._ports.broker.cancel, command.order))
        except VenueError as refused:
            self._alert("cancel_failed", f"{command.order}: {refused}")

    async def _resolve(self, order: OrderId) -> None:
        deadline = self._deadline(self._patience.confirm)
        while True:
            try:
                known = await self._ports.broker.find(order)
            except RateLimited as limited:
                known = None
                reachable = False
                await asyncio.sleep(limited.retry_after)
            except VenueError:
                known = None
                reachable = False
            else:
                reachable = True
            if known is not None:
                await self._mend(self.engine.desk.states[order], known)
                return
            if self._late(deadline):
                break
            await asyncio.sleep(self._patience.poll)
        if reachable:
            reason = "the venue does not know it"
            await self._believe(Failed(order, self._ports.clock.now(), reason))
        self._alert("order_unconfirmed", f"{order}: no answer to whether the venue has it")

    async def _recover(self, now: datetime) -> None:
        for state in list(self.engine.desk.open.values()):
            order = state.order
            if state.status is OrderStatus.PENDING_NEW:
                await self._resume(state, now)
            elif state.status in _ATTEMPTED:
                await self._resolve(order.id)
            else:
                known = await _in_turn(partial(self._ports.broker.find, order.id))
                if known is None:
                    raise LedgerError(f"order {order.id} is unknown at the venue that took it")
                await self._mend(state, known)

    async def _resume(self, state: OrderState, at: datetime) -> None:
        answer = self.engine.review(state.order, at)
        if isinstance(answer, Approved):
            await self._submit(answer)
            return
        await self._believe(Failed(state.order.id, at, f"not sent before the stop: {answer.code}"))
        self._alert("intent_dropped", f"{state.order.id}: {answer.code}")

    async def _catch_up(self) -> None:
        for state in list(self.engine.desk.open.values()):
            if state.status in _ATTEMPTED:
                # The venue could not be asked when its answer was lost: ask now.
                await self._resolve(state.order.id)
        deadline = self._deadline(self._patience.news)
        while True:
            await self._hear()
            behind = await self._behind()
            if not behind:
                return
            if self._late(deadline):
                for state, known in behind:
                    await self._mend(state, known)
                self._alert("news_lost", f"{len(behind)} orders were mended from the venue's list")
                return
            with suppress(TimeoutError):
                event = await asyncio.wait_for(self._news.get(), self._patience.poll)
                await self._believe(event)

    async def _behind(self) -> list[tuple[OrderState, VenueOrder]]:
        ours = [s for s in self.engine.desk.open.values() if s.status not in _ATTEMPTED]
        if not ours:
            return []
        broker = self._ports.broker
        theirs = {known.id: known for known in await _in_turn(broker.open_orders)}
        behind: list[tuple[OrderState, VenueOrder]] = []
        for state in ours:
            order = state.order.id
            known = theirs.get(order) or await _in_turn(partial(broker.find, order))
            if known is None:
                raise LedgerError(f"order {order} is unknown at the venue that took it")
            if not agrees(state, known):
                behind.append((state, known))
        return behind

    async def _mend(self, state: OrderState, known: VenueOrder) -> None:
        order = state.order.id
        found = await _in_turn(partial(self._ports.broker.fills, self._began))
        own = [(fill, cumulative) for fill, cumulative in found if fill.order == order]
        desk = self.engine.desk
        for event in repairs(state, known, own, desk.knows_fill, self.engine.fee):
            await self._believe(event)

    async def _hear(self) -> None:
        while not self._news.empty():
            await self._believe(self._news.get_nowait())
        if self._listener is not None and self._listener.done():
            self._listener.result()

    async def _listen(self) -> None:
        async for event in self._ports.broker.events():
            self._news.put_nowait(event)

    async def _believe(self, event: Event) -> None:
        kind: OrderEventKind | None = getattr(event, "kind", None)
        if kind is not None and not self.engine.desk.is_news(event):  # type: ignore[arg-type]
            return
        await self._ports.journal.append([note(event, actor=self._actor)])
        self._note_booked(event)
        self._alerts(self.engine.handle(event))
        if kind is not None:
            await self._project(event)  # type: ignore[arg-type]

    async def _project(self, event: OrderEvent) -> None:
        state = self.engine.desk.states.get(event.order)
        if state is None:
            return
        if isinstance(event, Filled):
            await self._ports.orders.add_fill(event.fill)
        await self._ports.orders.put(state, state.version - 1)

    async def _restore_orders(self) -> None:
        # The tables follow the journal; a crash may have left them behind it.
        store = self._ports.orders
        for state in self.engine.desk.states.values():
            stored = await store.insert(state.order, OrderStatus.PENDING_NEW, state.at)
            if stored.version < state.version:
                await store.put(state, stored.version)
        for fill in self.engine.desk.fills:
            await store.add_fill(fill)

    async def _read_switch(self, at: datetime) -> None:
        try:
            stored = await self._ports.switches.get(KILL_SWITCH)
        except SafetyError as failure:
            state, reason = None, str(failure)
        else:
            value = stored.value if stored else None
            engaged = value.get("engaged") if isinstance(value, dict) else None
            state = engaged if isinstance(engaged, bool) else None
            reason = "" if state is not None else "never written"
        if state is not self._switch or state is None:
            self._switch = state
            await self._believe(SwitchChanged(GLOBAL, state, at, reason))

    async def _engage(self, reason: str) -> None:
        self._alert("runner_stopped", reason)
        at = self._ports.clock.now()
        with suppress(TradewrightError):
            await self._write_engaged(reason[:_REASON_LENGTH])
        with suppress(TradewrightError):
            event = SwitchChanged(GLOBAL, engaged=True, at=at, reason=reason[:_REASON_LENGTH])
            await self._believe(event)

    async def _write_engaged(self, reason: str) -> None:
        value: JsonValue = {"engaged": True, "reason": reason, "version": 1}
        for _ in range(_WRITE_ATTEMPTS):
            stored = await self._ports.switches.get(KILL_SWITCH)
            with suppress(ConflictError):
                version = stored.version if stored else 0
                await self._ports.switches.compare_and_set(KILL_SWITCH, value, version)
                return

    def _note_booked(self, event: object) -> None:
        if isinstance(event, _BOOK_EVENTS):
            self._booked.add(_key(event))
            self._began = min(self._began, event.at)

    def _alerts(self, commands: Sequence[Command]) -> None:
        self.outcome.alerts.extend(c for c in commands if isinstance(c, Alert))

    def _alert(self, code: str, message: str) -> None:
        self.outcome.alerts.append(Alert(code, message, self._ports.clock.now()))

    @staticmethod
    def _deadline(seconds: float) -> float:
        return asyncio.get_running_loop().time() + seconds

    @staticmethod
    def _late(deadline: float) -> bool:
        return asyncio.get_running_loop().time() >= deadline


async def _in_turn(ask: Callable[[], Awaitable[_Answer]]) -> _Answer:
    # What was refused for asking too often was not done: the one case to ask again.
    while True:
        try:
            return await ask()
        except RateLimited as limited:
            await asyncio.sleep(limited.retry_after)


def _key(event: SplitApplied | DividendPaid | Delisted | CashMoved) -> tuple[str, str, datetime]:
    return type(event).__name__, _subject(event), event.at


def _subject(event: SplitApplied | DividendPaid | Delisted | CashMoved) -> str:
    match event:
        case SplitApplied():
            return event.split.instrument
        case DividendPaid():
            return event.dividend.instrument
        case Delisted():
            return event.delisting.instrument
        case CashMoved():
            return event.reason


def _told(found: Sequence[Difference]) -> str:
    return "; ".join(f"{d.what}: ours {d.ours}, theirs {d.theirs}" for d in found)
