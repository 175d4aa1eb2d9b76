"""Every Protocol through which the platform touches the world, on one page.

Methods are async where a network may stand behind them. Only shells call them (the runner,
imports, commands, routes); the pure packages cannot import this file. What each method raises
is part of its promise, and the contract tests hold the fakes to it like the real ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Callable, Generator, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime
    from decimal import Decimal

    from tradewright.core.access import Principal, UserSession
    from tradewright.core.access.accounts import Identity, Refreshed, User
    from tradewright.core.access.quotas import Nonce, Passage, Quota
    from tradewright.core.decisions import Approved
    from tradewright.core.events import Accepted, Event, OrderEvent, Rejected
    from tradewright.core.frames import BarFrame
    from tradewright.core.ids import InstrumentId, OrderId
    from tradewright.core.instrument import Instrument
    from tradewright.core.market import CorporateAction
    from tradewright.core.orders import Fill, Order, OrderState, OrderStatus, StatusReport, Verdict
    from tradewright.core.records import Body, JournalEntry, JsonValue, Note
    from tradewright.core.reports import VenueAccount, VenueOrder, VenueStanding
    from tradewright.core.session import Span, Timeframe

Piece = TypeVar("Piece")
Answer = TypeVar("Answer")


@runtime_checkable
class Clock(Protocol):
    """Where the present comes from."""

    def now(self) -> datetime:
        """Return the present, aware UTC."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""


class BarReader(Protocol):
    """A folder of market data that can be read."""

    def instruments(self) -> Sequence[Instrument]:
        """List what is stored, by symbol; raise MissingData for a folder without data."""

    def read(
        self, instruments: Sequence[InstrumentId], timeframe: Timeframe, span: Span | None = None
    ) -> BarFrame:
        """Read raw bars as one frame over the union of their times, NaN where none.

        Raises:
            MissingData: An instrument or time frame is not stored.
            QualityFailure: A bar breaks a rule; nothing is returned.
            ChecksumMismatch: A file is torn.
        """

    def actions(self, instruments: Sequence[InstrumentId]) -> Sequence[CorporateAction]:
        """Read the corporate actions of the instruments, by date then instrument."""


class BarStore(BarReader, Protocol):
    """A folder of market data that can be written; a write is whole or did not happen."""

    def write(
        self,
        frame: BarFrame,
        instruments: Sequence[Instrument],
        actions: Sequence[CorporateAction],
    ) -> None:
        """Store a frame; what was stored of its instruments and time frame is replaced."""


class MarketFeed(Protocol):
    """What happens in the market, in order of time."""

    def events(self) -> AsyncIterator[Event]:
        """Yield market and book events; each is yielded once its time has come."""


class Broker(Protocol):
    """A venue that trades for us. No order is sent twice behind our back.

    Reads and cancels may be repeated, since doing them again changes nothing.
    """

    connected: asyncio.Event
    """Set while no event can be missing; until then trading is on old news."""

    async def submit(self, approved: Approved) -> Accepted | Rejected:
        """Send an approved order under its own id, once.

        An order that the venue already has under this id is answered with Accepted.

        Raises:
            VenueUnavailable: No readable answer: the venue may or may not have the order.
            RateLimited: Not taken; the same id may be sent later.
        """

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

    async def cancel(self, order: OrderId) -> None:
        """Ask to cancel; the outcome arrives as an event. Ended orders are left alone.

        Raises:
            VenueUnavailable: No readable answer.
            RateLimited: Not taken; it may be sent later.
            VenueRejected: The venue does not know the order or will not cancel it.
        """

    async def find(self, order: OrderId) -> VenueOrder | None:
        """Ask for an order by our id; None means that the venue says it has none."""

    async def open_orders(self) -> Sequence[VenueOrder]:
        """List every order that is still working."""

    async def fills(self, since: datetime) -> Sequence[tuple[Fill, Decimal]]:
        """List executions from `since` on, oldest first, each with the order's cumulative."""

    async def account(self) -> VenueAccount:
        """Read cash and positions together."""

    async def standing(self) -> VenueStanding:
        """Ask whether the venue takes our orders, and for its clock.

        Raises:
            VenueUnavailable: No readable answer.
        """

    def events(self) -> AsyncIterator[OrderEvent]:
        """Yield what happens to our orders until closed, late or twice but never lost for good.

        What is missed while a connection is down is told once it is up again.
        """

    async def close(self) -> None:
        """Let go of connections."""


class Journal(Protocol):
    """The append-only, hash-chained record of all that happened."""

    async def append(self, notes: Sequence[Note]) -> Sequence[JournalEntry]:
        """Append all or none, durably, in order."""

    async def since(self, seq: int = 0) -> Sequence[JournalEntry]:
        """Return the entries numbered above `seq`, in order."""


class OrderStore(Protocol):
    """Orders and fills as tables, for people and other services to query."""

    async def insert(self, order: Order, status: OrderStatus, at: datetime) -> OrderState:
        """Insert an order, or return the one that is there under its id (race-safe)."""

    async def get(self, order: OrderId) -> OrderState | None:
        """Read an order's state; None if there is none."""

    async def put(self, state: OrderState, expected: int) -> None:
        """Write a state over version `expected`; raise ConflictError if another is there."""

    async def add_fill(self, fill: Fill) -> bool:
        """Append a fill; False if its id is already there."""

    async def fills(self, order: OrderId | None = None) -> Sequence[Fill]:
        """Return fills in order of time, of one order or of all."""

    async def open_orders(self) -> Sequence[OrderState]:
        """Return every state that has not ended."""

    async def update_status(self, order: OrderId, report: StatusReport) -> Verdict:
        """Apply a reported status if `core.orders.verdict` says so; return the verdict."""


@dataclass(frozen=True, slots=True)
class Versioned:
    """A stored value and its version, 1 for the first."""

    value: JsonValue
    version: int


class StateStore(Protocol):
    """Small shared states: switches, breakers, reservations."""

    async def get(self, key: str) -> Versioned | None:
        """Read a state; None if never written; raise SafetyError if that cannot be known."""

    async def compare_and_set(self, key: str, value: JsonValue, expected: int) -> int:
        """Write over version `expected` (0: none yet) and return the new version.

        Raises:
            ConflictError: Another version is there.
            SafetyError: Whether it was written cannot be known.
        """


class SecretStore(Protocol):
    """Where secrets are kept; each is read when it is asked for, so rotation needs no restart."""

    def get(self, name: str) -> str:
        """Read a secret; raise ConfigError, naming it, when it is missing or empty."""

    def names(self) -> Sequence[str]:
        """List the names of the secrets that are there, sorted; never their values."""

    def refresh(self) -> None:
        """Forget whatever was read before; raise ConfigError when the store cannot be read."""


class NonceStore(Protocol):
    """The numbers that services used once, remembered until their requests are too old anyway.

    What was signed before the memory began may have been used: it is refused as not known.
    """

    async def begin(self, at: datetime) -> None:
        """Begin to remember, unless something is remembered already.

        Raises:
            SafetyError: The memory cannot be reached.
        """

    async def seen(self, nonce: Nonce, at: datetime) -> bool:
        """Use a number up; True if it was used before.

        Raises:
            SafetyError: Whether it was used cannot be known.
        """


class Turnstile(Protocol):
    """Counts what passes, for all services together, in one exchange with its store."""

    async def take(
        self, quotas: Sequence[Quota], at: datetime, nonce: Nonce | None = None
    ) -> Passage:
        """Use up the nonce, then one of each quota, or none if one has nothing left.

        A replayed nonce uses nothing of the quotas.

        Raises:
            SafetyError: What was used cannot be known.
        """


class TokenVerifier(Protocol):
    """Reads the tokens that users show."""

    async def verify(self, token: str) -> Principal:
        """Return whom a token speaks for.

        Raises:
            NotAuthenticated: It is malformed, forged, expired, for someone else, or its session
                has been revoked.
            SafetyError: Whether the session lives cannot be known.
        """


class CertificateVerifier(Protocol):
    """Reads the certificates that callers show on the TLS layer."""

    async def verify(self, certificate: bytes) -> Principal:
        """Return whom a DER certificate speaks for.

        Raises:
            NotAuthenticated: It is not of our authority, expired, revoked, or speaks for no one.
            SafetyError: Whether it was revoked cannot be known.
        """


class SessionStore(Protocol):
    """The logins that are good now, shared by every service.

    Every method raises SafetyError when the answer cannot be known.
    """

    async def put(self, session: UserSession) -> None:
        """Write a session, in the place of the one of its id; it is forgotten when it expires."""

    async def get(self, session: str) -> UserSession | None:
        """Read a session; None if it expired, was revoked or never was."""

    async def revoke(self, session: str) -> bool:
        """End a session at once; False if it was not live."""

    async def revoke_all(self, user: str) -> int:
        """End every session of a user and return how many there were."""

    async def is_live(self, session: str) -> bool:
        """Whether a session may still be used."""

    async def of_user(self, user: str) -> Sequence[UserSession]:
        """List the sessions of a user that are live, the first to have started first."""

    async def refresh(self, session: UserSession, shown: str) -> Refreshed:
        """Write a session over the one of its id if `shown` is the hash of its refresh token.

        One that has another refresh token is ended, since an old one came back.
        """


class TicketStore(Protocol):
    """Facts kept for a short while under a name that only their holder knows, read once.

    Both methods raise SafetyError when the answer cannot be known.
    """

    async def put(self, ticket: str, body: Body, ttl_seconds: int) -> None:
        """Keep facts under a name, in the place of what is there."""

    async def take(self, ticket: str) -> Body | None:
        """Read and forget, in one step; None if nothing is there or it is too old."""


class TokenSigner(Protocol):
    """Makes the access tokens that a TokenVerifier reads."""

    def issue(self, session: UserSession) -> str:
        """Sign a short-lived token for a session; raise ConfigError without a signing key."""

    def key_set(self) -> Body:
        """Return the public keys with which tokens are verified, as a JWK set."""


class IdentityProvider(Protocol):
    """Somebody else who knows our users. Both methods raise SafetyError when it does not answer."""

    async def redirect(self, state: str, nonce: str, verifier: str) -> str:
        """Return where a browser logs in; it comes back with `state` and a code."""

    async def identify(self, code: str, nonce: str, verifier: str) -> Identity:
        """Exchange a code for whom it stands for; raise NotAuthenticated if it is not good."""


class UserStore(Protocol):
    """User accounts. Every method raises SafetyError when the answer cannot be known."""

    async def add(self, user: User, *, first_admin: bool = False) -> None:
        """Add an account; as `first_admin` only while there is no admin that is not disabled.

        Raises:
            ConflictError: Its id, name, e-mail address or subject is taken, or there is an admin.
        """

    async def get(self, user: str) -> User | None:
        """Read an account by its id."""

    async def find(
        self, *, name: str | None = None, email: str | None = None, subject: str | None = None
    ) -> User | None:
        """Read the account that has all that is given; None if there is none."""

    async def all(self) -> Sequence[User]:
        """List every account by name."""

    async def put(self, user: User, expected: int) -> None:
        """Write an account over version `expected`, all but its attempts and lock.

        Raises:
            ConflictError: Another version is there, or its e-mail or subject is another's.
            LastAdmin: It would leave no admin; nothing is written.
        """

    async def begin_attempt(self, user: str, at: datetime) -> User | None:
        """Count an attempt to log in before it is judged, and lock by `lock_delay`.

        Many attempts at once are counted one by one. None means that the account is locked (or
        gone) and that nothing was counted.
        """

    async def clear_attempts(self, user: str) -> None:
        """Forget the attempts and the lock of an account."""


class AuditLog(Protocol):
    """The append-only, hash-chained record of who did what."""

    async def append(self, note: Note) -> None:
        """Append a note durably: to the log, or where it waits for the log.

        Raises:
            SafetyError: It could be kept nowhere, so what it tells of must not be done.
        """


class AuditTable(Protocol):
    """Where the audit log lasts: one chain for all services.

    Every method raises SafetyError when the answer cannot be known.
    """

    async def append(self, notes: Mapping[str, Note]) -> int:
        """Append, all or none and in order, what is not there under its id; return how many."""

    async def since(self, seq: int = 0, limit: int = 1000) -> Sequence[JournalEntry]:
        """Return the entries numbered above `seq`, in order, at most `limit` of them."""

    async def last(self) -> JournalEntry | None:
        """Return the newest entry, None while there is none."""

    async def find(
        self,
        *,
        actor: str | None = None,
        kind: str | None = None,
        start: datetime | None = None,
        limit: int = 100,
    ) -> Sequence[JournalEntry]:
        """Return the newest entries that fit all that is given, newest first."""


class Executor(Protocol):
    """Where pieces of work that do not depend on each other are done: here or elsewhere."""

    @property
    def workers(self) -> int:
        """How many pieces are worked on at a time."""

    def running(
        self, job: Callable[[Piece], Answer]
    ) -> AbstractContextManager[Callable[[Iterable[Piece]], Generator[Answer, None, None]]]:
        """Hand a job to every worker once, with all that it holds, and let it do pieces.

        What is given does pieces as often as it is called, and answers in their order, whoever
        is done first. A piece whose worker ended is done once more, and it is told.

        Raises:
            WorkError: A piece's worker ended twice, or the job itself broke.
            ConfigError: The workers cannot be reached, or are of another version.
        """
