"""The asynchronous shell of the engine: journal first, then the venue.

The file to read when asking whether an order can be lost or sent twice. An order's intent is in
the journal before its attempt, and its attempt before its request leaves. An intent without an
attempt was never sent. An attempt without an answer is asked about by its id, and never sent
again. A venue that does not answer stops nothing: until it does, only reductions are sent.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from tradewright.core.decisions import Approved
from tradewright.core.errors import (
    ConflictError,
    LedgerError,
    SafetyError,
    TradewrightError,
    VenueError,
    VenueUnavailable,
)
from tradewright.core.events import (
    BarClosed,
    Cancel,
    CancelAsked,
    Failed,
    Submit,
    Submitted,
    SwitchChanged,
    TimerFired,
    Unconfirmed,
    VenueChanged,
)
from tradewright.core.orders import OrderStatus
from tradewright.engine.chronicle import BOOK_EVENTS, Chronicle
from tradewright.engine.settling import ATTEMPTED, Settling
from tradewright.engine.standing import Patience, Watch, in_turn
from tradewright.execution.reconcile import differences
from tradewright.risk.switches import GLOBAL

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tradewright.core.events import Command, Event
    from tradewright.core.orders import OrderState
    from tradewright.core.records import JsonValue
    from tradewright.engine.chronicle import Outcome, Ports
    from tradewright.engine.engine import Engine
    from tradewright.execution.reconcile import Difference
    from tradewright.ports import MarketFeed

KILL_SWITCH: Final = "kill_switch:state"
_REASON_LENGTH: Final = 500
_WRITE_ATTEMPTS: Final = 5
_COMPARISONS: Final = 3


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
        waits = patience or Patience()
        self.engine = engine
        self.chronicle = Chronicle(engine, ports, actor)
        self.watch = Watch(ports.broker, waits)
        self._ports = ports
        self._settling = Settling(self.chronicle, ports, self.watch, waits)
        self._switch: bool | None = None
        self._unsettled = False

    @property
    def outcome(self) -> Outcome:
        """What the run came to so far."""
        return self.chronicle.outcome

    async def start(self, opening: Sequence[Event]) -> None:
        """Replay the journal, or begin one with `opening`; settle with the venue; open up.

        Raises:
            LedgerError: The venue denies an order that it had taken.
            SafetyError: The journal cannot be read or written.
            VenueUnavailable: The venue does not answer, so it is not known where we stand.
        """
        await self.chronicle.replay()
        now = max(self._ports.clock.now(), self.chronicle.lived)
        self.engine.know(now)
        resumes = self.outcome.resumed > 0
        if not resumes:
            for event in opening:
                await self.chronicle.believe(event)
        self._settling.listen()
        await self._read_switch(now)
        if resumes:
            await self.chronicle.restore()
            await self._look(now)
            await self._recover(now)
        if await self.reconcile():
            # What the venue booked while we were away may still reach us by the feed; until
            # the books agree, nothing is decided.
            self.chronicle.alert("books_differ", _told(self.outcome.differences))

    async def run(self, feed: MarketFeed) -> None:
        """Live through the feed; on any failure engage the kill switch, then raise it."""
        try:
            async for event in feed.events():
                await self._market(event)
            await self._end()
        except asyncio.CancelledError:
            raise
        except Exception as failure:
            await self._engage(f"{type(failure).__name__}: {failure}")
            raise

    async def stop(self) -> None:
        """Stop listening and let go of the broker; orders stay as they are."""
        await self._settling.stop()
        await self._ports.broker.close()

    async def reconcile(self) -> tuple[Difference, ...]:
        """Compare cash and positions with the venue's; the result stays in `outcome`."""
        began = self._ports.clock.monotonic()
        account = await in_turn(self._ports.broker.account)
        ledger = self.engine.ledger
        found = differences(ledger.cash, ledger.quantities, account.cash, account.positions)
        self.chronicle.compared(found, self._ports.clock.monotonic() - began)
        return found

    async def _market(self, event: Event) -> None:
        if isinstance(event, BOOK_EVENTS):
            if not self.chronicle.is_booked(event):
                await self.chronicle.believe(event)
        elif isinstance(event, TimerFired):
            await self._look(event.at)
            await self._settling.catch_up()
        elif isinstance(event, BarClosed):
            await self._bar(event)
        else:
            self.chronicle.pass_on(event)

    async def _end(self) -> None:
        if self.watch.is_silent:
            await self._look(self._ports.clock.now(), insist=True)
        await self._settling.catch_up()
        await self.reconcile()

    async def _bar(self, event: BarClosed) -> None:
        await self._settling.catch_up()
        chronicle = self.chronicle
        decided = chronicle.decided is not None and event.at <= chronicle.decided
        if decided or event.at < chronicle.lived:
            self.engine.know(event.at)
            return
        await self._look(event.at)
        await self._require_agreement()
        await self._read_switch(event.at)
        await self._perform(self.engine.handle(event))

    async def _look(self, at: datetime, *, insist: bool = False) -> None:
        was_silent = self.watch.is_silent
        await self.watch.look(insist=insist)
        if was_silent and not self.watch.is_silent:
            await self._settling.catch_up()
            # What it did while it could not be asked must be in our book too.
            self._unsettled = True
        await self._say_standing(at)

    async def _say_standing(self, at: datetime) -> None:
        fit, known = self.watch.is_fit, self.engine.switches.venue_fit
        if fit is not known:
            reason = self.watch.reason
            await self.chronicle.believe(VenueChanged(fit, at, reason))
            code = "venue_fit" if fit else "venue_unfit"
            self.chronicle.alert(code, reason or "the venue can be relied on again")

    async def _require_agreement(self) -> None:
        if self.watch.is_silent or not (self._unsettled or self.outcome.differences):
            return
        try:
            for _ in range(_COMPARISONS):
                if not await self.reconcile():
                    self._unsettled = False
                    return
                # An execution may have come between their account and our news of it.
                await self._settling.catch_up()
        except VenueUnavailable as lost:
            self.watch.lost(str(lost))
            return
        raise LedgerError(f"the books differ: {_told(self.outcome.differences)}")

    async def _perform(self, commands: Sequence[Command]) -> None:
        approved = [command.approved for command in commands if isinstance(command, Submit)]
        await self.chronicle.decide(commands)
        for one in approved:
            await self._ports.orders.insert(one.order, OrderStatus.PENDING_NEW, one.at)
        for one in approved:
            if self.watch.is_fit is self.engine.switches.venue_fit:
                await self._submit(one)
            else:
                # The venue fell silent over one of the orders before: the others are asked anew.
                await self._say_standing(one.at)
                await self._resume(self.engine.desk.states[one.order.id], one.at, "not sent")
        for command in commands:
            if isinstance(command, Cancel):
                await self._cancel(command)

    async def _submit(self, approved: Approved) -> None:
        order = approved.order.id
        await self.chronicle.believe(Submitted(order, self._ports.clock.now()))
        try:
            answer = await in_turn(partial(self._ports.broker.submit, approved))
        except VenueUnavailable as lost:
            unknown = Unconfirmed(order, self._ports.clock.now(), str(lost))
            await self.chronicle.believe(unknown)
            await self._settling.resolve(order)
        else:
            await self.chronicle.believe(answer)

    async def _cancel(self, command: Cancel) -> None:
        state = self.engine.desk.states.get(command.order)
        if state is None or state.status.is_terminal:
            # It has ended while the cancel was being decided: there is nothing left to cancel.
            return
        asked = CancelAsked(command.order, self._ports.clock.now(), command.reason)
        await self.chronicle.believe(asked)
        try:
            await in_turn(partial(self._ports.broker.cancel, command.order))
        except VenueError as refused:
            self.chronicle.alert("cancel_failed", f"{command.order}: {refused}")

    async def _recover(self, now: datetime) -> None:
        for state in list(self.engine.desk.open.values()):
            if state.status is OrderStatus.PENDING_NEW:
                await self._resume(state, now, "not sent before the stop")
            elif state.status in ATTEMPTED:
                await self._settling.resolve(state.order.id)
            else:
                await self._settling.ask_about(state)

    async def _resume(self, state: OrderState, at: datetime, otherwise: str) -> None:
        answer = self.engine.review(state.order, at)
        if isinstance(answer, Approved):
            await self._submit(answer)
            return
        await self.chronicle.believe(Failed(state.order.id, at, f"{otherwise}: {answer.code}"))
        self.chronicle.alert("intent_dropped", f"{state.order.id}: {answer.code}")

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
            await self.chronicle.believe(SwitchChanged(GLOBAL, state, at, reason))

    async def _engage(self, reason: str) -> None:
        self.chronicle.alert("runner_stopped", reason)
        at = self._ports.clock.now()
        with suppress(TradewrightError):
            await self._write_engaged(reason[:_REASON_LENGTH])
        with suppress(TradewrightError):
            event = SwitchChanged(GLOBAL, engaged=True, at=at, reason=reason[:_REASON_LENGTH])
            await self.chronicle.believe(event)

    async def _write_engaged(self, reason: str) -> None:
        value: JsonValue = {"engaged": True, "reason": reason, "version": 1}
        for _ in range(_WRITE_ATTEMPTS):
            stored = await self._ports.switches.get(KILL_SWITCH)
            with suppress(ConflictError):
                version = stored.version if stored else 0
                await self._ports.switches.compare_and_set(KILL_SWITCH, value, version)
                return


def _told(found: Sequence[Difference]) -> str:
    return "; ".join(f"{d.what}: ours {d.ours}, theirs {d.theirs}" for d in found)
