"""Every Protocol through which the platform touches the world, on one page.

Methods are async where a network may stand behind them. Only shells call them (the runner,
imports, commands, routes); the pure packages cannot import this file. What each method raises
is part of its promise, and the contract tests hold the fakes to it like the real ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime
    from decimal import Decimal

    from tradewright.core.decisions import Approved
    from tradewright.core.events import Accepted, Event, OrderEvent, Rejected
    from tradewright.core.frames import BarFrame
    from tradewright.core.ids import InstrumentId, OrderId
    from tradewright.core.instrument import Instrument
    from tradewright.core.market import CorporateAction
    from tradewright.core.orders import Fill, Order, OrderState, OrderStatus, StatusReport, Verdict
    from tradewright.core.records import JournalEntry, JsonValue, Note
    from tradewright.core.reports import VenueAccount, VenueOrder
    from tradewright.core.session import Span, Timeframe


@runtime_checkable
class Clock(Protocol):
    """Where the present comes from."""

    def now(self) -> datetime:
        """Return the present, aware UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        ...


class BarReader(Protocol):
    """A folder of market data that can be read."""

    def instruments(self) -> Sequence[Instrument]:
        """List what is stored, by symbol; raise MissingData for a folder without data."""
        ...

    def read(
        self, instruments: Sequence[InstrumentId], timeframe: Timeframe, span: Span | None = None
    ) -> BarFrame:
        """Read raw bars as one frame over the union of their times, NaN where none.

        Raises:
            MissingData: An instrument or time frame is not stored.
            QualityFailure: A bar breaks a rule; nothing is returned.
            ChecksumMismatch: A file is torn.
        """
        ...

    def actions(self, instruments: Sequence[InstrumentId]) -> Sequence[CorporateAction]:
        """Read the corporate actions of the instruments, by date then instrument."""
        ...


class BarStore(BarReader, Protocol):
    """A folder of market data that can be written; a write is whole or did not happen."""

    def write(
        self,
        frame: BarFrame,
        instruments: Sequence[Instrument],
        actions: Sequence[CorporateAction],
    ) -> None:
        """Store a frame; what was stored of its instruments and time frame is replaced."""
        ...


class MarketFeed(Protocol):
    """What happens in the market, in order of time."""

    def events(self) -> AsyncIterator[Event]:
        """Yield market and book events; each is yielded once its time has come."""
        ...


class Broker(Protocol):
    """A venue that trades for us. No order is sent twice behind our back.

    Reads and cancels may be repeated, since doing them again changes nothing.
    """

    async def submit(self, approved: Approved) -> Accepted | Rejected:
        """Send an approved order under its own id, once.

        An order that the venue already has under this id is answered with Accepted.

        Raises:
            VenueUnavailable: No readable answer: the venue may or may not have the order.
            RateLimited: Not taken; the same id may be sent later.
        """
        ...

    async def replace(self, order: OrderId, successor: Approved) -> Accepted | Rejected:
        """Ask to put `successor` in the place of `order`; the answer is about the successor.

        Accepted says that the venue has taken it up, not that it is done: if the old order
        fills first, the successor is rejected later. Rejected says that the old order works on
        as it was, or has ended. What became of the old one arrives as an event (Replaced, or
        CancelRefused). An order that has filled in part is never replaced, since venues do not
        agree on what a new quantity then means: cancel it, wait, and send another.

        Raises:
            VenueUnavailable: No readable answer: the venue may or may not have the successor.
            RateLimited: Not taken; the same may be sent later.
            VenueRejected: The venue does not know the old order.
        """
        ...

    async def cancel(self, order: OrderId) -> None:
        """Ask to cancel; the outcome arrives as an event. Ended orders are left alone.

        Raises:
            VenueUnavailable: No readable answer.
            RateLimited: Not taken; it may be sent later.
            VenueRejected: The venue does not know the order or will not cancel it.
        """
        ...

    async def find(self, order: OrderId) -> VenueOrder | None:
        """Ask for an order by our id; None means that the venue says it has none."""
        ...

    async def open_orders(self) -> Sequence[VenueOrder]:
        """List every order that is still working."""
        ...

    async def fills(self, since: datetime) -> Sequence[tuple[Fill, Decimal]]:
        """List executions from `since` on, oldest first, each with the order's cumulative."""
        ...

    async def account(self) -> VenueAccount:
        """Read cash and positions together."""
        ...

    def events(self) -> AsyncIterator[OrderEvent]:
        """Yield what happens to our orders until closed, late or twice but never lost for good.

        What is missed while a connection is down is told once it is up again.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class Journal(Protocol):
    """The append-only, hash-chained record of all that happened."""

    async def append(self, notes: Sequence[Note]) -> Sequence[JournalEntry]:
        """Append all or none, durably, in order."""
        ...

    async def since(self, seq: int = 0) -> Sequence[JournalEntry]:
        """Return the entries numbered above `seq`, in order."""
        ...


class OrderStore(Protocol):
    """Orders and fills as tables, for people and other services to query."""

    async def insert(self, order: Order, status: OrderStatus, at: datetime) -> OrderState:
        """Insert an order, or return the one that is there under its id (race-safe)."""
        ...

    async def get(self, order: OrderId) -> OrderState | None:
        """Read an order's state; None if there is none."""
        ...

    async def put(self, state: OrderState, expected: int) -> None:
        """Write a state over version `expected`; raise ConflictError if another is there."""
        ...

    async def add_fill(self, fill: Fill) -> bool:
        """Append a fill; False if its id is already there."""
        ...

    async def fills(self, order: OrderId | None = None) -> Sequence[Fill]:
        """Return fills in order of time, of one order or of all."""
        ...

    async def open_orders(self) -> Sequence[OrderState]:
        """Return every state that has not ended."""
        ...

    async def update_status(self, order: OrderId, report: StatusReport) -> Verdict:
        """Apply a reported status if `core.orders.verdict` says so; return the verdict."""
        ...


@dataclass(frozen=True, slots=True)
class Versioned:
    """A stored value and its version, 1 for the first."""

    value: JsonValue
    version: int


class StateStore(Protocol):
    """Small shared states: switches, breakers, reservations."""

    async def get(self, key: str) -> Versioned | None:
        """Read a state; None if never written; raise SafetyError if that cannot be known."""
        ...

    async def compare_and_set(self, key: str, value: JsonValue, expected: int) -> int:
        """Write over version `expected` (0: none yet) and return the new version.

        Raises:
            ConflictError: Another version is there.
            SafetyError: Whether it was written cannot be known.
        """
        ...
