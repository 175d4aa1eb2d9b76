"""User accounts: what is kept of a person who may log in, and the rules that need no secret.

The hashes, the sealed TOTP secret and the linked subject are opaque here. `failures` and
`locked_until` move with every attempt and belong to the store: writing an account leaves them.
"""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from tradewright.core.access import Permission, Role, permissions_of
from tradewright.core.errors import InvalidInput, UnknownName
from tradewright.core.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

LOCK_DELAYS: Final = tuple(
    timedelta(seconds=seconds) for seconds in (0, 0, 0, 0, 30, 60, 120, 240, 480, 900)
)
"""How long an account is locked from its n-th attempt in a row on; the last one holds for more."""
FORGOTTEN_AFTER: Final = timedelta(days=1)
"""Attempts that are older than this no longer count."""
GUARDED: Final = frozenset(
    {
        Permission.SUBMIT_ORDERS,
        Permission.CANCEL_ORDERS,
        Permission.FLATTEN,
        Permission.RELEASE_KILL_SWITCH,
        Permission.RESET_BREAKER,
        Permission.MANAGE_LIMITS,
        Permission.MANAGE_USERS,
        Permission.MANAGE_CERTIFICATES,
    }
)
"""What a role must not do on a password alone."""

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_EMAIL: Final = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+")
_STRATEGY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")


@frozen
class User:
    """A person who may log in.

    `strategies` of None means every one. `setup` is the hash of the one-time token that sets a
    password, and `setup_until` when it goes stale. `version` is 1 for a new account and counts
    writes.
    """

    id: str
    name: str
    roles: frozenset[Role]
    created_at: datetime
    updated_at: datetime
    email: str | None = None
    strategies: frozenset[str] | None = frozenset()
    password: str | None = None
    totp: str | None = None
    totp_step: int | None = None
    recovery: tuple[str, ...] = ()
    setup: str | None = None
    setup_until: datetime | None = None
    subject: str | None = None
    disabled: bool = False
    failures: int = 0
    locked_until: datetime | None = None
    version: int = 1

    @property
    def is_admin(self) -> bool:
        """Whether this account can mend every other: an admin that is not disabled."""
        return Role.ADMIN in self.roles and not self.disabled


@frozen
class Identity:
    """Whom an identity provider says somebody is; the address only if the provider verified it."""

    subject: str
    email: str | None
    second_factor: bool
    """The provider asked for more than a password."""


class Refreshed(StrEnum):
    """What became of a session when a refresh token was shown."""

    DONE = "done"
    REUSED = "reused"
    """The token was not the one that is good now: somebody has a copy, so the session was ended."""
    GONE = "gone"


def is_guarded(roles: Iterable[Role]) -> bool:
    """Whether these roles may do what a password alone must not allow."""
    return bool(permissions_of(roles) & GUARDED)


def login_name(text: str) -> str:
    """Return the name an account goes by: lower case, so that two never differ by case alone.

    Raises:
        InvalidInput: It is no name of 1 to 64 letters, digits, dots, dashes and underscores.
    """
    name = text.strip().lower()
    if not _NAME.fullmatch(name):
        rule = "is no name of 1 to 64 letters, digits, dots, dashes and underscores"
        raise InvalidInput("name", text, rule, "write it as anna.smith")
    return name


def email_address(text: str) -> str:
    """Return an address in lower case.

    Raises:
        InvalidInput: It is no address.
    """
    address = text.strip().lower()
    if not _EMAIL.fullmatch(address):
        raise InvalidInput("email", text, "is no e-mail address", "write it as anna@example.com")
    return address


def strategy_ids(texts: Iterable[str]) -> frozenset[str]:
    """Return the strategies that a user may trade.

    Raises:
        InvalidInput: One is no strategy's id.
    """
    found = frozenset(texts)
    for text in sorted(found):
        if not _STRATEGY.fullmatch(text):
            raise InvalidInput("strategies", text, "is no strategy's id", "write it as momentum")
    return found


def role_of(text: str) -> Role:
    """Return the role of this name.

    Raises:
        UnknownName: There is none.
    """
    try:
        return Role(text.strip().lower().replace("-", "_"))
    except ValueError:
        raise UnknownName("role", text, list(Role)) from None


def lock_delay(failures: int) -> timedelta:
    """Return how long an account is locked after so many attempts in a row."""
    return LOCK_DELAYS[min(failures, len(LOCK_DELAYS)) - 1]
