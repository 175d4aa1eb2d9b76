"""Fakes of what stands behind logins: accounts, tickets, tokens, an identity provider.

Nothing is awaited inside a method, so each is one step, as its statement is in a database.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from tradewright.core.access.accounts import FORGOTTEN_AFTER, lock_delay
from tradewright.core.errors import ConflictError, LastAdmin, NotAuthenticated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from tradewright.core.access import UserSession
    from tradewright.core.access.accounts import Identity, User
    from tradewright.core.records import Body
    from tradewright.ports import Clock


class MemoryUserStore:
    """User accounts as a dictionary."""

    def __init__(self) -> None:
        """Start empty."""
        self._users: dict[str, User] = {}

    async def add(self, user: User, *, first_admin: bool = False) -> None:
        """Add an account; as `first_admin` only while there is no admin that is not disabled."""
        if first_admin and self._admins():
            raise ConflictError("the first admin", 0, 1)
        if user.id in self._users or self._collides(user):
            raise ConflictError(f"user {user.name}", 0, 1)
        self._users[user.id] = replace(user, failures=0, locked_until=None)

    async def get(self, user: str) -> User | None:
        """Read an account by its id."""
        return self._users.get(user)

    async def find(
        self, *, name: str | None = None, email: str | None = None, subject: str | None = None
    ) -> User | None:
        """Read the account that has all that is given; None if there is none."""
        given = {"name": name, "email": email, "subject": subject}
        wanted = {field: value for field, value in given.items() if value}
        for user in self._users.values() if wanted else ():
            if all(getattr(user, field) == value for field, value in wanted.items()):
                return user
        return None

    async def all(self) -> Sequence[User]:
        """List every account by name."""
        return tuple(sorted(self._users.values(), key=lambda user: user.name))

    async def put(self, user: User, expected: int) -> None:
        """Write an account over version `expected`, all but its attempts and lock."""
        stored = self._users.get(user.id)
        if stored is None or stored.version != expected:
            found = stored.version if stored else None
            raise ConflictError(f"user {user.name}", expected, found)
        if self._collides(user):
            raise ConflictError(f"user {user.name}: name, e-mail or subject", 0, 1)
        if stored.is_admin and not user.is_admin and self._admins() == 1:
            raise LastAdmin(user.name)
        self._users[user.id] = replace(
            user,
            created_at=stored.created_at,
            failures=stored.failures,
            locked_until=stored.locked_until,
            version=expected + 1,
        )

    async def begin_attempt(self, user: str, at: datetime) -> User | None:
        """Count an attempt to log in before it is judged; None if the account is locked."""
        stored = self._users.get(user)
        if stored is None or (stored.locked_until is not None and stored.locked_until > at):
            return None
        stale = stored.locked_until is not None and stored.locked_until <= at - FORGOTTEN_AFTER
        failures = 1 if stale else stored.failures + 1
        counted = replace(stored, failures=failures, locked_until=at + lock_delay(failures))
        self._users[user] = counted
        return counted

    async def clear_attempts(self, user: str) -> None:
        """Forget the attempts and the lock of an account."""
        if user in self._users:
            self._users[user] = replace(self._users[user], failures=0, locked_until=None)

    def _admins(self) -> int:
        return sum(user.is_admin for user in self._users.values())

    def _collides(self, user: User) -> bool:
        others = [other for other in self._users.values() if other.id != user.id]
        return any(
            other.name == user.name
            or (user.email is not None and other.email == user.email)
            or (user.subject is not None and other.subject == user.subject)
            for other in others
        )


class MemoryTicketStore:
    """Tickets as a dictionary, each with the time until which it is good."""

    def __init__(self, clock: Clock) -> None:
        """Let tickets go stale by `clock`."""
        self._clock = clock
        self._tickets: dict[str, tuple[Body, datetime]] = {}

    async def put(self, ticket: str, body: Body, ttl_seconds: int) -> None:
        """Keep facts under a name."""
        self._tickets[ticket] = (body, self._clock.now() + timedelta(seconds=ttl_seconds))

    async def take(self, ticket: str) -> Body | None:
        """Read and forget."""
        body, until = self._tickets.pop(ticket, (None, self._clock.now()))
        return body if until > self._clock.now() else None


class MemoryIdentityProvider:
    """Identities by code; `started` holds what was asked for, by state."""

    def __init__(self, identities: Mapping[str, Identity]) -> None:
        """Know `identities` by the code that stands for each, once."""
        self._identities = dict(identities)
        self.started: dict[str, tuple[str, str]] = {}

    async def redirect(self, state: str, nonce: str, verifier: str) -> str:
        """Return where a browser logs in."""
        self.started[state] = (nonce, verifier)
        return f"https://provider.invalid/authorize?state={state}"

    async def identify(self, code: str, nonce: str, verifier: str) -> Identity:
        """Exchange a code for whom it stands for; raise NotAuthenticated if it is not good."""
        if (nonce, verifier) not in self.started.values() or code not in self._identities:
            raise NotAuthenticated("bad_code", "the identity provider refused the code; try again")
        return self._identities.pop(code)


class MemoryTokenSigner:
    """Tokens that name their session and nothing else."""

    def issue(self, session: UserSession) -> str:
        """Return a token for a session."""
        return f"token-of-{session.id}"

    def key_set(self) -> Body:
        """Return a set without keys, since nothing is signed."""
        return {"keys": []}
