"""What the procedures of the auth service stand on: stores, clock, hashes, terms, and the trail.

Everything is handed in once, so that a procedure takes the facts of one request and nothing else.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from tradewright.core.access.accounts import is_guarded
from tradewright.core.errors import MissingData
from tradewright.core.records import Note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tradewright.bootstrap import Settings
    from tradewright.core.access import Role
    from tradewright.core.access.accounts import User
    from tradewright.core.records import JsonValue
    from tradewright.ports import (
        AuditLog,
        Clock,
        SessionStore,
        TicketStore,
        TokenSigner,
        UserStore,
    )
    from tradewright.services.auth.passwords import Passwords
    from tradewright.services.auth.second_factor import Seal

NOBODY: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Terms:
    """How long logins last, and who needs a second factor."""

    issuer: str = "tradewright"
    access: timedelta = timedelta(minutes=10)
    idle: timedelta = timedelta(minutes=30)
    longest: timedelta = timedelta(hours=12)
    setup: timedelta = timedelta(hours=24)
    challenge: timedelta = timedelta(minutes=5)
    second_factor_required: bool = False

    @classmethod
    def of(cls, settings: Settings) -> Terms:
        """Read the terms of the settings."""
        return cls(
            issuer=settings.auth_issuer,
            access=timedelta(seconds=settings.auth_access_seconds),
            idle=timedelta(minutes=settings.auth_idle_minutes),
            longest=timedelta(hours=settings.auth_session_hours),
            setup=timedelta(hours=settings.auth_setup_hours),
            second_factor_required=settings.second_factor_required,
        )

    def demands_second_factor(self, roles: Iterable[Role]) -> bool:
        """Whether these roles are worth nothing on a password alone."""
        return self.second_factor_required and is_guarded(roles)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from: the client's address and what it calls itself."""

    address: str = ""
    agent: str = ""


@dataclass(frozen=True, slots=True)
class Ground:
    """The stores and tools of the auth service."""

    users: UserStore
    sessions: SessionStore
    tickets: TicketStore
    signer: TokenSigner
    audit: AuditLog
    clock: Clock
    random: Callable[[int], bytes]
    passwords: Passwords
    seal: Seal
    terms: Terms

    def secret(self) -> str:
        """Return 256 random bits as text."""
        return self.random(32).hex()

    async def user(self, user: str) -> User:
        """Read an account.

        Raises:
            MissingData: There is none of this id.
        """
        found = await self.users.get(user)
        if found is None:
            raise MissingData("users", "nobody has this id")
        return found

    async def note(self, actor: str, kind: str, **facts: JsonValue) -> None:
        """Write into the audit log who did what.

        Raises:
            SafetyError: Nothing could keep it, so it must not be done.
        """
        await self.audit.append(Note(self.clock.now(), actor, kind, facts))


def hashed(secret: str) -> str:
    """Return what is kept of a random secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def seconds(span: timedelta) -> int:
    """Return a span in whole seconds, at least one."""
    return max(1, int(span.total_seconds()))


def instant(text: JsonValue) -> datetime:
    """Read a time that a ticket holds."""
    return datetime.fromisoformat(str(text))
