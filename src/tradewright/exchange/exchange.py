"""The exchange: a replayed market, an account in it, its orders, and the one door to change them.

Everything that changes its state is a command with a name and arguments of JSON, performed at
a time of the market: the same commands at the same times give the same exchange. With a state
folder they are kept, and an exchange is opened again by performing them again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from tradewright.core.errors import ConfigError, QualityFailure
from tradewright.core.events import (
    Delisted,
    DividendPaid,
    Event,
    OrderEvent,
    SessionClosed,
    SessionOpened,
    SplitApplied,
)
from tradewright.core.ids import InstrumentId
from tradewright.core.instrument import Instrument
from tradewright.core.records import Body, to_body
from tradewright.exchange.account.account import Account
from tradewright.exchange.command_log import CommandLog, Entry
from tradewright.exchange.data.bodies import listed
from tradewright.exchange.data.feed import amended_rows, status_row
from tradewright.exchange.event_log import EventLog
from tradewright.exchange.faults.commands import perform_due
from tradewright.exchange.faults.judge import Faults, Injected
from tradewright.exchange.hub import MARKET_DATA, TIME, TRADE_UPDATES, Hub
from tradewright.exchange.keys import Keys
from tradewright.exchange.market.amendments import Amendment
from tradewright.exchange.market.controls import Controls
from tradewright.exchange.market.halts import HaltChange
from tradewright.exchange.market.market import ReplayMarket
from tradewright.exchange.trading.orders import Orders
from tradewright.exchange.words import BROKEN_RULE, UNPROCESSABLE, Refused, moment

Command = Callable[[Mapping[str, Any]], object]
_ONE: Final = Decimal(1)
_ADVANCE: Final = "advance"
_RENAME: Final = "rename"
_FAILED: Final = 500
_UNKEPT: Final = 50010000
_RESET: Final = "empty the folder with `tradewright exchange reset --state FOLDER`"


class Exchange:
    """What the routes and streams serve."""

    def __init__(
        self,
        market: ReplayMarket,
        *,
        leverage: Decimal = _ONE,
        name: str = "rehearsal",
        faults: Faults | None = None,
        pdt_fields: bool = False,
    ) -> None:
        """Open the account `name` in a market in which nothing has happened yet.

        Without `faults` none can be set, and nothing asks for them. With `pdt_fields` the account
        has the pattern-day-trader fields that the vendor dropped in July 2026.
        """
        self.faults = faults
        self.hub = Hub()
        self.keys = Keys()
        self.events = EventLog(None)
        self._log: CommandLog | None = None
        self._broken = False
        self._recalling = False
        self._stepping = False
        self._made_of = (leverage, name, pdt_fields)
        self.hub.follow(TRADE_UPDATES, self._note_update)
        if faults is not None:
            faults.record = self._note_fault
        self._begin(market)

    def _begin(self, market: ReplayMarket) -> None:
        leverage, name, pdt_fields = self._made_of
        self.market = market
        self.keys.restore()
        self.account = Account(market, name, leverage, pdt_fields=pdt_fields)
        self.orders = Orders(market, self.hub, self.account)
        market.follow(self.orders.live, happened=self.orders.hear)
        market.follow(self.account.live, happened=self.account.hear)
        market.follow(self._note_event, halts=self._note_halt)
        market.names.follow(self._note_name)
        market.amendments.follow(self._note_amendment)
        self.account.permissions.shorting.follow(self._note_restriction)
        self._commands: dict[str, Command] = {
            **self._controls(Controls(market)),
            "fault": self._fault,
            **self.orders.commands(),
            **self.account.permissions.commands,
            "rotate_keys": self.keys.rotate,
        }

    def keep(self, folder: Path, facts: Mapping[str, str]) -> None:
        """Keep the commands in a folder from now on, those kept there before performed first.

        `facts` are what the exchange is made of: data and options, by the names of their fields.

        Raises:
            ConfigError: The folder cannot be used, or holds the state of another exchange.
            QualityFailure: What was kept cannot be read, or cannot be performed again.
        """
        log = CommandLog(folder, facts)
        with contextlib.ExitStack() as undo:
            undo.callback(log.close)
            self.events = EventLog(folder)
            undo.callback(self.events.close)
            if self.faults is not None:
                self.faults.keep(folder)
                undo.callback(self.faults.close)
            self._recalling = True
            for entry in log.entries():
                self._recall(entry, log.path)
            self._recalling = False
            self.events.flush()
            undo.pop_all()
        self._log = log

    def perform(self, name: str, arguments: Mapping[str, Any], said: str = "") -> object:
        """Perform a command now; a command that is refused changes nothing.

        `said` is the arguments as one line of JSON, if they came as such: they are kept so.

        Raises:
            Refused: The exchange refuses it, in the vendor's words.
        """
        if name not in self._commands:
            known = ", ".join(sorted(self._commands))
            raise Refused(UNPROCESSABLE, BROKEN_RULE, f"unknown command {name}; known: {known}")
        if self._broken:
            raise Refused(_FAILED, _UNKEPT, "the state of the exchange cannot be kept; see its log")
        done = self._do(name, arguments)
        self._write(name, arguments, said)
        self.market.settle()
        return done

    def advance(self, to: datetime, position: int | None = None, *, asked: bool = True) -> None:
        """Live through everything up to `to`, and tell who listens to the time.

        Time that merely passed is kept if it was `asked` for, else with what happens next.
        """
        before = (self.market.position, len(self.events))
        while self.faults is not None and (stop := self.faults.next_due(to)) is not None:
            self._step(max(stop, self.market.now), position)
            if self.market.now < stop:
                break
            perform_due(self, self.faults)
        else:
            self._step(to, position)
        if asked or before != (self.market.position, len(self.events)):
            self._write(_ADVANCE, {})
        self.events.flush()

    async def kept(self) -> None:
        """Wait until what was performed cannot be lost.

        Raises:
            ConfigError: The disk does not take it.
        """
        if self._log is not None:
            await self._log.kept()

    def reset(self) -> None:
        """Stand before the first event again, with nothing performed; listeners stay."""
        if self.market.fresh is None:
            raise Refused(UNPROCESSABLE, BROKEN_RULE, "this market cannot be begun again")
        if self._log is not None:
            self._log.clear()
        self.events.clear()
        self.hub.published.clear()
        if self.faults is not None:
            self.faults.restart()
        self._begin(self.market.fresh())

    def close(self) -> None:
        """Put what was performed on disk and let go of the state folder."""
        if self._log is not None:
            self._log.close()
            self._log = None
        if self.faults is not None:
            self.faults.close()
        self.events.close()

    def _do(self, name: str, arguments: Mapping[str, Any]) -> object:
        done = self._commands[name](arguments)
        self.account.entries.look()
        return done

    def _step(self, to: datetime, position: int | None) -> None:
        before = self.market.now
        self._stepping = True
        self.market.advance(to, position)
        self._stepping = False
        self.hub.publish(TIME, (before, self.market.now))

    def _write(self, name: str, arguments: Mapping[str, Any], said: str = "") -> None:
        log, market = self._log, self.market
        if log is None or self._recalling:
            return
        try:
            log.append(Entry(log.number + 1, market.now, market.position, name, arguments, said))
        except ConfigError:
            # It is performed and not kept: nothing may follow that a restart would not know.
            self._broken = True
            raise

    def _recall(self, entry: Entry, path: Path) -> None:
        where = f"{path}, command {entry.number} ({entry.name})"
        self._step(entry.at, entry.position)
        if (self.market.now, self.market.position) != (entry.at, entry.position):
            raise QualityFailure(where, "was performed at a time that is not reached", _RESET)
        if entry.name == _ADVANCE:
            return
        try:
            self._do(entry.name, entry.arguments)
        except (Refused, KeyError) as error:
            raise QualityFailure(where, f"cannot be performed again: {error}", _RESET) from error
        self.market.settle()

    def _note_update(self, message: Mapping[str, Any]) -> None:
        self.events.append(self.market.now, "trade_update", message["data"])

    def _note_halt(self, change: HaltChange) -> None:
        self.events.append(change.at, "resume" if change.resumed else "halt", to_body(change))
        if not self._stepping:
            # A step of time tells of the halts in it; this one lies between two.
            about = listed(self.market.instruments[change.symbol])
            self.hub.publish(MARKET_DATA, status_row(change, about, change.at))

    def _note_name(self, before: Instrument, after: Instrument) -> None:
        now = self.market.now
        told: Body = {"at": moment(now), "symbols": [after.symbol], "was": before.symbol}
        self.events.append(now, _RENAME, told)

    def _note_amendment(self, amendment: Amendment) -> None:
        now = self.market.now
        for row in amended_rows(self.market, amendment):
            self.hub.publish(MARKET_DATA, row)
        self.events.append(now, "amendment", to_body(amendment))

    def _note_restriction(self, name: InstrumentId) -> None:
        symbol = self.market.data.instruments[name].symbol
        on = self.account.permissions.shorting.is_restricted(name)
        self.events.append(self.market.now, "ssr", {"symbol": symbol, "on": on})

    def _note_event(self, event: Event, _happened: Sequence[OrderEvent]) -> None:
        if isinstance(event, SplitApplied | DividendPaid | Delisted):
            self.events.append(event.at, "corporate_action", to_body(event))
        elif isinstance(event, SessionOpened | SessionClosed):
            kind = "session_opened" if isinstance(event, SessionOpened) else "session_closed"
            self.events.append(event.at, kind, {"date": event.session.date.isoformat()})

    def _fault(self, given: Mapping[str, Any]) -> None:
        self.events.append(self.market.now, "fault", given)
        if self._recalling and self.faults is not None:
            self.faults.recall(given)

    def _note_fault(self, injected: Injected) -> None:
        self.perform("fault", injected.body())

    def _controls(self, controls: Controls) -> dict[str, Command]:
        def noted(name: str, command: Callable[[Mapping[str, Any]], Body]) -> Command:
            def perform(given: Mapping[str, Any]) -> object:
                done = command(given)
                self.events.append(self.market.now, name, done)
                return done

            return perform

        # Of a change of symbol the market tells by itself, whoever ordered it.
        return {
            name: command if name == _RENAME else noted(name, command)
            for name, command in controls.commands.items()
        }
