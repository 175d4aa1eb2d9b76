"""The login desk: password, second factor, refresh, logout.

An attempt is counted before it is judged, and whoever guesses learns nothing: an unknown name, a
wrong password and a disabled account take as long, are locked for as long and say the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from tradewright.core.access import UserSession
from tradewright.core.access.accounts import FORGOTTEN_AFTER, LOCK_DELAYS, Refreshed, lock_delay
from tradewright.core.errors import (
    ConflictError,
    LimitReached,
    NotAuthenticated,
    NotPermitted,
)
from tradewright.services.auth.ground import NOBODY, hashed, instant, seconds
from tradewright.services.auth.second_factor import matching_step, without_recovery
from tradewright.wire.signing import is_same

if TYPE_CHECKING:
    from tradewright.core.access import Role
    from tradewright.core.access.accounts import User
    from tradewright.core.records import Body
    from tradewright.services.auth.ground import Ground, Origin

GUESSES: Final = 5
"""Wrong codes that a challenge bears."""
MOST_SESSIONS: Final = 20
"""Live logins of one user; the oldest gives way."""
_LONGEST_AGENT: Final = 200
_FREE_ATTEMPTS: Final = sum(not delay for delay in LOCK_DELAYS)


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that was opened or refreshed, with what its holder shows from now on."""

    session: UserSession
    access_token: str
    refresh_token: str
    must_enrol: bool
    """Its roles are worth nothing until the user has a second factor and logs in with it."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """The password was right: show this again, with a code."""

    token: str


class LoginDesk:
    """Lets users in, keeps them in, and lets them go."""

    def __init__(self, ground: Ground) -> None:
        """Stand on `ground`."""
        self._ground = ground

    async def login(self, name: str, password: str, origin: Origin) -> Opened | Challenge:
        """Judge a name (or e-mail address) and a password.

        Raises:
            NotAuthenticated: They are not a user's.
            LimitReached: Too many attempts; wait.
            SafetyError: It cannot be known, or cannot be recorded.
        """
        ground = self._ground
        counted = await self._named(name)
        if counted is None:
            await self._stranger(name)
        else:
            counted = await self._attempt(counted)
        stored = None if counted is None else counted.password
        good = await ground.passwords.matches(stored, password)
        if counted is None or not good or counted.disabled:
            await self._failed(counted, "password", origin)
            raise NotAuthenticated("bad_credentials", "the name or the password is wrong")
        counted = await self._renewed(counted, password)
        if counted.totp is not None:
            return await self.challenge(counted)
        return await self.open(counted, origin, second_factor=False)

    async def challenge(self, user: User) -> Challenge:
        """Ask for the second factor of a user whose first one was right."""
        ground = self._ground
        token = ground.secret()
        until = ground.clock.now() + ground.terms.challenge
        await ground.tickets.put(
            _challenge_name(token),
            {"user": user.id, "guesses": GUESSES, "until": until.isoformat()},
            seconds(ground.terms.challenge),
        )
        return Challenge(token)

    async def second_factor(self, challenge: str, code: str, origin: Origin) -> Opened:
        """Judge a code, or a recovery code, for a challenge.

        Raises:
            NotAuthenticated: The challenge is over, or the code is wrong or was used before.
            LimitReached: Too many attempts; wait, then log in again.
            SafetyError: It cannot be known, or cannot be recorded.
        """
        ground = self._ground
        asked = await ground.tickets.take(_challenge_name(challenge))
        user = await ground.users.get(str(asked["user"])) if asked else None
        if asked is None or user is None:
            raise NotAuthenticated("challenge_expired", "the challenge is over; log in again")
        try:
            counted = await self._attempt(user)
        except LimitReached:
            await self._put_back(challenge, asked)
            raise
        if not counted.disabled and await self.uses_code(counted, code):
            return await self.open(counted, origin, second_factor=True)
        await self._failed(counted, "second_factor", origin)
        await self._put_back(challenge, {**asked, "guesses": int(str(asked["guesses"])) - 1})
        raise NotAuthenticated("bad_code", "the code is wrong or was used before")

    async def refresh(self, token: str, csrf: str | None) -> Opened:
        """Exchange a refresh token for the next one and a new access token.

        Args:
            token: The refresh token.
            csrf: What the page repeats, for a token that came as a cookie; None for others.

        Raises:
            NotAuthenticated: The session has ended, or the token was used before: then it ends.
            NotPermitted: The token came as a cookie, and the page did not ask for it.
            SafetyError: It cannot be known, or cannot be recorded.
        """
        ground = self._ground
        name, _, secret = token.partition(".")
        session = await ground.sessions.get(name)
        user = await ground.users.get(session.user) if session else None
        if session is None or user is None:
            raise _gone()
        if csrf is not None and not is_same(session.csrf, csrf):
            raise NotPermitted(user.name, "refresh without the CSRF token", "csrf_failed")
        if user.disabled:
            await ground.sessions.revoke(session.id)
            raise _gone()
        following = ground.secret()
        renewed = replace(
            session,
            refresh=hashed(following),
            roles=self._roles(user, second_factor=session.second_factor),
            strategies=user.strategies,
            expires=self._expires(session.started),
        )
        outcome = await ground.sessions.refresh(renewed, hashed(secret))
        if outcome is Refreshed.REUSED:
            await ground.note(user.name, "refresh_token_reused", session=session.id)
            raise NotAuthenticated("token_reused", "the refresh token was used before; log in")
        if outcome is Refreshed.GONE:
            raise _gone()
        return self._opened(user, renewed, following)

    async def logout(self, session: str, actor: str) -> None:
        """End a session."""
        await self._ground.sessions.revoke(session)
        await self._ground.note(actor, "logout", session=session)

    async def open(
        self, user: User, origin: Origin, *, second_factor: bool, how: str = "login"
    ) -> Opened:
        """Open a session for a user who showed who they are.

        Raises:
            NotAuthenticated: The account changed in the meantime.
            SafetyError: It cannot be known, or cannot be recorded.
        """
        ground = self._ground
        now = ground.clock.now()
        refresh = ground.secret()
        session = UserSession(
            id=ground.secret(),
            user=user.id,
            roles=self._roles(user, second_factor=second_factor),
            strategies=user.strategies,
            started=now,
            expires=self._expires(now),
            csrf=ground.secret(),
            refresh=hashed(refresh),
            second_factor=second_factor,
            address=origin.address,
            agent=origin.agent[:_LONGEST_AGENT],
        )
        opened = self._opened(user, session, refresh)
        await ground.users.clear_attempts(user.id)
        await ground.note(
            user.name,
            how,
            session=session.id,
            address=origin.address,
            second_factor=second_factor,
        )
        await ground.sessions.put(session)
        # Whoever changed the account ended its sessions, but could not see this one yet.
        if not _is_same_account(await ground.users.get(user.id), user):
            await ground.sessions.revoke(session.id)
            raise NotAuthenticated("bad_credentials", "the account has changed; log in again")
        for oldest in (await ground.sessions.of_user(user.id))[:-MOST_SESSIONS]:
            await ground.sessions.revoke(oldest.id)
        return opened

    async def uses_code(self, user: User, code: str) -> bool:
        """Use a code up, or a recovery code; False if it is wrong or was used before."""
        ground = self._ground
        if user.totp is None:
            return False
        secret = ground.seal.open(user.totp, user.id)
        step = matching_step(secret, code, ground.clock.now(), user.totp_step)
        recovery = without_recovery(user.recovery, code)
        if step is None and recovery is None:
            return False
        used = replace(user, updated_at=ground.clock.now())
        if step is not None:
            used = replace(used, totp_step=step)
        else:
            used = replace(used, recovery=recovery or ())
            await ground.note(user.name, "recovery_code_used", left=len(used.recovery))
        try:
            await ground.users.put(used, user.version)
        except ConflictError:
            # Somebody used a code of this account at the same moment: perhaps this one.
            return False
        return True

    async def proves(self, user: User, password: str) -> User:
        """Judge the password of a user who is in already, and return the account as counted.

        Raises:
            NotAuthenticated: It is wrong.
            LimitReached: Too many attempts; wait.
        """
        counted = await self._attempt(user)
        if not await self._ground.passwords.matches(counted.password, password):
            await self._ground.note(user.name, "login_failed", what="own_password")
            raise NotAuthenticated("bad_credentials", "the password is wrong")
        await self._ground.users.clear_attempts(user.id)
        return counted

    async def _put_back(self, challenge: str, asked: Body) -> None:
        left = instant(asked["until"]) - self._ground.clock.now()
        if int(str(asked["guesses"])) > 0 and left > timedelta(0):
            await self._ground.tickets.put(_challenge_name(challenge), asked, seconds(left))

    async def _named(self, name: str) -> User | None:
        given = name.strip().lower()
        users = self._ground.users
        return await (users.find(email=given) if "@" in given else users.find(name=given))

    async def _attempt(self, user: User) -> User:
        now = self._ground.clock.now()
        counted = await self._ground.users.begin_attempt(user.id, now)
        if counted is None:
            locked = await self._ground.users.get(user.id)
            raise _locked((locked and locked.locked_until) or now, now)
        return counted

    async def _stranger(self, name: str) -> None:
        # A name that nobody has is locked like one that somebody has, or locks would tell.
        ground = self._ground
        now = ground.clock.now()
        ticket = f"stranger:{hashed(name.strip().lower())}"
        kept = await ground.tickets.take(ticket) or {"failures": 0, "until": now.isoformat()}
        failures, until = int(str(kept["failures"])), instant(kept["until"])
        is_locked = until > now
        if not is_locked:
            failures += 1
            until = now + lock_delay(failures)
        facts: Body = {"failures": failures, "until": until.isoformat()}
        await ground.tickets.put(ticket, facts, seconds(FORGOTTEN_AFTER))
        if is_locked:
            raise _locked(until, now)

    async def _failed(self, user: User | None, what: str, origin: Origin) -> None:
        # The name as it was typed may be a password in the wrong field: it is not written down.
        actor = user.name if user else NOBODY
        locked = user is not None and user.failures > _FREE_ATTEMPTS
        await self._ground.note(
            actor, "login_failed", what=what, address=origin.address, locked=locked
        )

    async def _renewed(self, user: User, password: str) -> User:
        ground = self._ground
        if user.password is None or not ground.passwords.is_stale(user.password):
            return user
        fresh = replace(user, password=await ground.passwords.hashed(password))
        try:
            await ground.users.put(fresh, user.version)
        except ConflictError:
            # The next login renews it.
            return user
        return replace(fresh, version=user.version + 1)

    def _opened(self, user: User, session: UserSession, refresh: str) -> Opened:
        token = self._ground.signer.issue(session)
        must_enrol = session.roles != user.roles
        return Opened(session, token, f"{session.id}.{refresh}", must_enrol)

    def _roles(self, user: User, *, second_factor: bool) -> frozenset[Role]:
        demanded = self._ground.terms.demands_second_factor(user.roles)
        return frozenset() if demanded and not second_factor else user.roles

    def _expires(self, started: datetime) -> datetime:
        terms = self._ground.terms
        return min(started + terms.longest, self._ground.clock.now() + terms.idle)


def _challenge_name(token: str) -> str:
    return f"second_factor:{hashed(token)}"


def _gone() -> NotAuthenticated:
    return NotAuthenticated("session_revoked", "the session has ended; log in again")


def _locked(until: datetime, now: datetime) -> LimitReached:
    wait = max((until - now).total_seconds(), 1.0)
    return LimitReached("login_attempts", _FREE_ATTEMPTS, round(wait), wait)


def _is_same_account(now: User | None, then: User) -> bool:
    return now is not None and (now.disabled, now.roles, now.strategies, now.password) == (
        *(then.disabled, then.roles, then.strategies, then.password),
    )
