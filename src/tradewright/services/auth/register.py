"""The register of users, as admins keep it: make, change, disable, unlock, let in anew.

Whatever changes what a user may do ends that user's sessions, in every service at once. If they
cannot be ended the caller is told, and doing the same again ends them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tradewright.core.access.accounts import User, email_address, login_name, strategy_ids
from tradewright.core.errors import ConflictError, InvalidInput, LastAdmin
from tradewright.services.auth.ground import hashed
from tradewright.services.auth.passwords import new_password

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from tradewright.core.access import Role, UserSession
    from tradewright.core.records import JsonValue
    from tradewright.services.auth.ground import Ground

ATTEMPTS: Final = 5


@dataclass(frozen=True, slots=True)
class Entry:
    """What an account is to say; a strategy list of None means every strategy."""

    name: str
    roles: frozenset[Role]
    email: str | None = None
    strategies: frozenset[str] | None = frozenset()


@dataclass(frozen=True, slots=True)
class Grant:
    """Roles and strategies beside those that an account has."""

    roles: frozenset[Role] = frozenset()
    strategies: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become of an account; what is None stays.

    What is `granted` is added to what the account has when it is changed, whoever changes it
    meanwhile, and what is `withdrawn` is taken from it.
    """

    roles: frozenset[Role] | None = None
    strategies: frozenset[str] | None = None
    every_strategy: bool | None = None
    email: str | None = None
    disabled: bool | None = None
    granted: Grant = Grant()
    withdrawn: Grant = Grant()


@dataclass(frozen=True, slots=True)
class Setup:
    """An account and the one-time token with which its user sets a password."""

    user: User
    token: str
    until: datetime


class Register:
    """The accounts, as admins see them."""

    def __init__(self, ground: Ground) -> None:
        """Stand on `ground`."""
        self._ground = ground

    async def users(self) -> Sequence[User]:
        """List every account by name."""
        return await self._ground.users.all()

    async def user(self, user: str) -> User:
        """Read an account; raise MissingData if there is none."""
        return await self._ground.user(user)

    async def create(self, entry: Entry, actor: str) -> Setup:
        """Make an account without a password, and a token to set one.

        Raises:
            InvalidInput: The name, address or a strategy is none.
            ConflictError: The name or the address is taken.
        """
        user, token, until = self._with_token(self._made(entry))
        if await self._ground.users.find(name=user.name):
            raise ConflictError(f"user {user.name}", 0, 1)
        await self._ground.note(actor, "user_created", **_facts(user))
        await self._ground.users.add(user)
        return Setup(user, token, until)

    def check(self, entry: Entry, password: str) -> None:
        """Refuse an account that could not be made, before anything is.

        Raises:
            InvalidInput: The name, address, a strategy or the password may not be used.
        """
        made = self._made(entry)
        new_password(password, made.name, made.email)

    async def create_first_admin(self, entry: Entry, password: str, actor: str) -> User:
        """Make the first admin, with a password; refused while there is an admin.

        Raises:
            InvalidInput: The name, address or password may not be used.
            ConflictError: There is an admin, or the name is taken.
        """
        ground = self._ground
        made = self._made(entry)
        taken = new_password(password, made.name, made.email)
        if any(user.is_admin for user in await ground.users.all()):
            raise ConflictError("the first admin", 0, 1)
        user = replace(made, password=await ground.passwords.hashed(taken))
        await ground.note(actor, "user_created", **_facts(user), first_admin=True)
        await ground.users.add(user, first_admin=True)
        return user

    async def change(self, user: str, change: Change, actor: str) -> User:
        """Change what an account says; its sessions end.

        Raises:
            MissingData: There is no such account.
            InvalidInput: The address or a strategy is none.
            LastAdmin: Nobody would be left to mend accounts.
            ConflictError: The address is another's.
        """

        def changed(present: User) -> User:
            roles = present.roles if change.roles is None else change.roles
            return replace(
                present,
                roles=(roles | change.granted.roles) - change.withdrawn.roles,
                strategies=_strategies(present, change),
                email=present.email if change.email is None else _address(change.email),
                disabled=present.disabled if change.disabled is None else change.disabled,
            )

        return await self._written(user, changed, actor, "user_changed")

    async def unlock(self, user: str, actor: str) -> User:
        """Forget an account's failed attempts and its lock."""
        found = await self._ground.user(user)
        await self._ground.note(actor, "user_unlocked", user=found.name)
        await self._ground.users.clear_attempts(found.id)
        return await self._ground.user(user)

    async def reset(self, user: str, actor: str, *, second_factor: bool = False) -> Setup:
        """Take an account's password away, and its second factor if asked; return a new token.

        Raises:
            MissingData: There is no such account.
        """
        made: list[tuple[str, datetime]] = []

        def changed(present: User) -> User:
            bare = replace(present, password=None)
            if second_factor:
                bare = replace(bare, totp=None, totp_step=None, recovery=())
            prepared, token, until = self._with_token(bare)
            made.append((token, until))
            return prepared

        done = await self._written(user, changed, actor, "user_reset")
        token, until = made[-1]
        return Setup(done, token, until)

    async def sessions(self, user: str) -> Sequence[UserSession]:
        """List the live sessions of an account."""
        return await self._ground.sessions.of_user((await self._ground.user(user)).id)

    async def revoke_sessions(self, user: str, actor: str) -> int:
        """End every session of an account and return how many there were."""
        found = await self._ground.user(user)
        await self._ground.note(actor, "sessions_revoked", user=found.name)
        return await self._ground.sessions.revoke_all(found.id)

    async def revoke_session(self, user: str, session: str, actor: str) -> bool:
        """End one session of an account; False if the account has no such session."""
        held = await self._ground.sessions.get(session)
        if held is None or held.user != user:
            return False
        await self._ground.note(actor, "session_revoked", session=session)
        return await self._ground.sessions.revoke(session)

    async def note_keys(self, actor: str, *, old: str, new: str) -> None:
        """Write down that tokens are signed with another key."""
        await self._ground.note(actor, "keys_rotated", old=old, new=new)

    async def _written(
        self, user: str, change: Callable[[User], User], actor: str, kind: str
    ) -> User:
        ground = self._ground
        for attempt in range(ATTEMPTS):
            present = await ground.user(user)
            wanted = replace(change(present), updated_at=ground.clock.now())
            if not attempt:
                await ground.note(actor, kind, **_facts(wanted))
            try:
                await ground.users.put(wanted, present.version)
                break
            except ConflictError:
                moved = (await ground.user(user)).version != present.version
                if moved and attempt < ATTEMPTS - 1:
                    continue
                await ground.note(actor, f"{kind}_failed", user=present.name)
                raise
            except LastAdmin:
                await ground.note(actor, f"{kind}_failed", user=present.name)
                raise
        await ground.sessions.revoke_all(user)
        return await ground.user(user)

    def _made(self, entry: Entry) -> User:
        now = self._ground.clock.now()
        return User(
            id=self._ground.random(16).hex(),
            name=login_name(entry.name),
            roles=entry.roles,
            created_at=now,
            updated_at=now,
            email=None if entry.email is None else email_address(entry.email),
            strategies=None if entry.strategies is None else strategy_ids(entry.strategies),
        )

    def _with_token(self, user: User) -> tuple[User, str, datetime]:
        secret = self._ground.secret()
        until = self._ground.clock.now() + self._ground.terms.setup
        prepared = replace(user, setup=hashed(secret), setup_until=until)
        return prepared, f"{user.id}.{secret}", until


def _strategies(present: User, change: Change) -> frozenset[str] | None:
    if change.every_strategy:
        return None
    held = present.strategies
    if change.strategies is not None:
        held = strategy_ids(change.strategies)
    elif change.every_strategy is False:
        held = held or frozenset()
    added, taken = change.granted.strategies, change.withdrawn.strategies
    if held is None and taken:
        rule = "cannot be taken from every strategy"
        raise InvalidInput("strategies", sorted(taken), rule, "say first which ones may be traded")
    return None if held is None else (held | strategy_ids(added)) - taken


def _address(text: str) -> str | None:
    return email_address(text) if text.strip() else None


def _facts(user: User) -> dict[str, JsonValue]:
    strategies = user.strategies
    return {
        "user": user.name,
        "roles": [*sorted(user.roles)],
        "strategies": None if strategies is None else [*sorted(strategies)],
        "disabled": user.disabled,
    }
