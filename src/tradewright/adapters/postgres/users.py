"""User accounts in PostgreSQL.

Attempts are counted by one statement before they are judged, so a hundred guesses at once count
as a hundred. A write that could take the last admin away waits for every other such write.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from psycopg.errors import UniqueViolation
from psycopg.rows import DictRow

from tradewright.adapters.postgres.pool import Link, Pool, statements, transaction
from tradewright.core.access import Role
from tradewright.core.access.accounts import FORGOTTEN_AFTER, LOCK_DELAYS, User
from tradewright.core.errors import ConflictError, LastAdmin

_SQL = statements("users")
_ANYONE = {"id": None, "name": None, "email": None, "subject": None}


class PostgresUserStore:
    """User accounts as tables."""

    def __init__(self, pool: Pool) -> None:
        """Write and read over the connections of a pool."""
        self._pool = pool

    async def add(self, user: User, *, first_admin: bool = False) -> None:
        """Add an account; as `first_admin` only while there is no admin that is not disabled.

        Raises:
            ConflictError: Its id, name, e-mail address or subject is taken, or there is an admin.
            SafetyError: Whether it was added cannot be known.
        """
        async with transaction(self._pool, f"adding user {user.name}") as link:
            if first_admin:
                await link.execute(_SQL["lock_admins"])
                if await _admins(link):
                    raise ConflictError("the first admin", 0, 1)
            added = await (await link.execute(_SQL["add"], _row(user))).fetchone()
            if added is None:
                raise ConflictError(f"user {user.name}", 0, 1)
            await link.execute(_SQL["grant"], _row(user))

    async def get(self, user: str) -> User | None:
        """Read an account by its id."""
        return await self._one({"id": user})

    async def find(
        self, *, name: str | None = None, email: str | None = None, subject: str | None = None
    ) -> User | None:
        """Read the account that has all that is given; None if there is none."""
        given = {"name": name, "email": email, "subject": subject}
        return await self._one(given) if any(given.values()) else None

    async def all(self) -> Sequence[User]:
        """List every account by name."""
        async with transaction(self._pool, "listing users") as link:
            cursor = await link.execute(_SQL["find"], _ANYONE)
            return tuple(_user(row) for row in await cursor.fetchall())

    async def put(self, user: User, expected: int) -> None:
        """Write an account over version `expected`, all but its attempts and lock.

        Raises:
            ConflictError: Another version is there, or its e-mail or subject is another's.
            LastAdmin: It would leave no admin; nothing is written.
            SafetyError: Whether it was written cannot be known.
        """
        what = f"user {user.name}"
        try:
            async with transaction(self._pool, f"writing {what}") as link:
                await _put(link, user, expected)
        except UniqueViolation as failure:
            raise ConflictError(f"{what}: name, e-mail or subject", 0, 1) from failure

    async def begin_attempt(self, user: str, at: datetime) -> User | None:
        """Count an attempt to log in before it is judged; None if the account is locked."""
        facts = {
            "id": user,
            "at": at,
            "forgotten": at - FORGOTTEN_AFTER,
            "delays": list(LOCK_DELAYS),
        }
        async with transaction(self._pool, "counting an attempt") as link:
            if await (await link.execute(_SQL["begin_attempt"], facts)).fetchone() is None:
                return None
            row = await (await link.execute(_SQL["find"], {**_ANYONE, "id": user})).fetchone()
        return None if row is None else _user(row)

    async def clear_attempts(self, user: str) -> None:
        """Forget the attempts and the lock of an account."""
        async with transaction(self._pool, "forgetting attempts") as link:
            await link.execute(_SQL["clear_attempts"], {"id": user})

    async def _one(self, given: dict[str, str | None]) -> User | None:
        if any("\0" in text for text in given.values() if text):
            # The server cannot hold such a text, so nobody has it.
            return None
        async with transaction(self._pool, "reading a user") as link:
            row = await (await link.execute(_SQL["find"], {**_ANYONE, **given})).fetchone()
        return None if row is None else _user(row)


async def _admins(link: Link) -> int:
    row = await (await link.execute(_SQL["admins"])).fetchone()
    return 0 if row is None else int(row["found"])


async def _put(link: Link, user: User, expected: int) -> None:
    row = {**_row(user), "expected": expected}
    before = 0
    if not user.is_admin:
        await link.execute(_SQL["lock_admins"])
        before = await _admins(link)
    if await (await link.execute(_SQL["put"], row)).fetchone() is None:
        found = await (await link.execute(_SQL["find"], {**_ANYONE, "id": user.id})).fetchone()
        raise ConflictError(f"user {user.name}", expected, found["version"] if found else None)
    await link.execute(_SQL["withdraw"], row)
    await link.execute(_SQL["grant"], row)
    if before and not await _admins(link):
        raise LastAdmin(user.name)


def _row(user: User) -> dict[str, object]:
    return {
        "id": user.id,
        "name": user.name,
        "email": user.email,
        "roles": sorted(user.roles),
        "all_strategies": user.strategies is None,
        "strategies": sorted(user.strategies or ()),
        "password": user.password,
        "totp": user.totp,
        "totp_step": user.totp_step,
        "recovery": list(user.recovery),
        "setup": user.setup,
        "setup_until": user.setup_until,
        "subject": user.subject,
        "disabled": user.disabled,
        "created_at": user.created_at,
        "updated_at": user.updated_at,
        "version": user.version,
    }


def _user(row: DictRow) -> User:
    return User(
        id=row["id"],
        name=row["name"],
        roles=frozenset(Role(role) for role in row["roles"]),
        created_at=row["created_at"].astimezone(UTC),
        updated_at=row["updated_at"].astimezone(UTC),
        email=row["email"],
        strategies=None if row["all_strategies"] else frozenset(row["strategies"]),
        password=row["password"],
        totp=row["totp"],
        totp_step=row["totp_step"],
        recovery=tuple(row["recovery"]),
        setup=row["setup"],
        setup_until=_utc(row["setup_until"]),
        subject=row["subject"],
        disabled=row["disabled"],
        failures=row["failures"],
        locked_until=_utc(row["locked_until"]),
        version=row["version"],
    )


def _utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.astimezone(UTC)
