"""What users change about themselves: password, second factor, the first password of all.

Each asks again for what a stolen session does not have, and ends every other session.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from tradewright.core.errors import ConflictError, NotAuthenticated, NotPermitted
from tradewright.services.auth.desk import GUESSES
from tradewright.services.auth.ground import hashed, instant, seconds
from tradewright.services.auth.passwords import new_password
from tradewright.services.auth.second_factor import (
    matching_step,
    new_recovery_codes,
    new_totp_secret,
    otpauth_uri,
    recovery_hash,
)

if TYPE_CHECKING:
    from tradewright.core.access.accounts import User
    from tradewright.core.records import Body
    from tradewright.services.auth.desk import LoginDesk, Opened
    from tradewright.services.auth.ground import Ground, Origin

ENROLMENT: Final = timedelta(minutes=10)
"""How long an enrolment may take, and how young a login without a password must be for one."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A TOTP secret that is not in force yet, to be typed or scanned."""

    secret: str
    uri: str


class OwnAccount:
    """Changes that users make to their own account."""

    def __init__(self, ground: Ground, desk: LoginDesk) -> None:
        """Stand on `ground`; new sessions are opened at `desk`."""
        self._ground = ground
        self._desk = desk

    async def change_password(
        self, user: str, session: str, present: str, following: str, origin: Origin
    ) -> Opened:
        """Put another password in the place of the present one; other sessions end.

        Raises:
            NotAuthenticated: The present password is wrong.
            InvalidInput: The new one may not be used.
            LimitReached: Too many attempts; wait.
        """
        ground = self._ground
        counted = await self._desk.proves(await ground.user(user), present)
        taken = new_password(following, counted.name, counted.email)
        held = await ground.sessions.get(session)
        await ground.note(counted.name, "password_changed")
        fresh = replace(counted, password=await ground.passwords.hashed(taken))
        kept = held is not None and held.second_factor
        return await self._written(fresh, origin, second_factor=kept)

    async def set_up(self, token: str, password: str) -> None:
        """Set the password of an account whose one-time token is shown.

        Raises:
            NotAuthenticated: The token is not good, was used, or is too old.
            InvalidInput: The password may not be used.
        """
        ground = self._ground
        name, _, secret = token.partition(".")
        user = await ground.users.get(name)
        now = ground.clock.now()
        good = hmac.compare_digest((user and user.setup) or "", hashed(secret))
        if user is None or user.disabled or not good or not user.setup_until:
            raise NotAuthenticated("bad_setup_token", "the setup token is not good or was used")
        if user.setup_until <= now:
            raise NotAuthenticated("bad_setup_token", "the setup token is too old; ask for another")
        taken = new_password(password, user.name, user.email)
        stored = await ground.passwords.hashed(taken)
        await ground.note(user.name, "password_set_up")
        fresh = replace(user, password=stored, setup=None, setup_until=None, updated_at=now)
        await ground.users.put(fresh, user.version)
        await ground.sessions.revoke_all(user.id)
        await ground.users.clear_attempts(user.id)

    async def begin_enrolment(self, user: str, session: str, password: str | None) -> Enrolment:
        """Make a TOTP secret; it is in force once a code of it was shown.

        Users who have no password here must have logged in a moment ago.

        Raises:
            ConflictError: There is a second factor; take it away first.
            NotAuthenticated: The password is wrong, or the login is too old to do without.
        """
        ground = self._ground
        owner = await ground.user(user)
        if owner.totp is not None:
            raise ConflictError(f"second factor of {owner.name}", 0, 1)
        await self._prove(owner, session, password)
        secret = new_totp_secret(ground.random)
        facts: Body = {
            "sealed": ground.seal.close(secret, owner.id),
            "guesses": GUESSES,
            "until": (ground.clock.now() + ENROLMENT).isoformat(),
        }
        await ground.tickets.put(_enrolment_name(session), facts, seconds(ENROLMENT))
        return Enrolment(secret, otpauth_uri(secret, owner.name, ground.terms.issuer))

    async def confirm_enrolment(
        self, user: str, session: str, code: str, origin: Origin
    ) -> tuple[tuple[str, ...], Opened]:
        """Put the secret in force and return the recovery codes, which are shown this once.

        Raises:
            NotAuthenticated: The code is wrong, or no enrolment was begun in this session.
        """
        ground = self._ground
        owner = await ground.user(user)
        begun = await ground.tickets.take(_enrolment_name(session))
        if begun is None or owner.totp is not None:
            raise NotAuthenticated("challenge_expired", "the enrolment is over; begin again")
        now = ground.clock.now()
        sealed = str(begun["sealed"])
        step = matching_step(ground.seal.open(sealed, owner.id), code, now, None)
        if step is None:
            guesses, left = int(str(begun["guesses"])) - 1, instant(begun["until"]) - now
            if guesses > 0 and left > timedelta(0):
                kept = {**begun, "guesses": guesses}
                await ground.tickets.put(_enrolment_name(session), kept, seconds(left))
            raise NotAuthenticated("bad_code", "the code is wrong; look at the clock of the device")
        codes = new_recovery_codes(ground.random)
        await ground.note(owner.name, "second_factor_enrolled")
        fresh = replace(
            owner, totp=sealed, totp_step=step, recovery=tuple(map(recovery_hash, codes))
        )
        return codes, await self._written(fresh, origin, second_factor=True)

    async def remove_second_factor(
        self, user: str, session: str, password: str | None, code: str, origin: Origin
    ) -> Opened:
        """Take the second factor away; other sessions end.

        Raises:
            NotPermitted: The user's roles demand one.
            NotAuthenticated: The password or the code is wrong.
            LimitReached: Too many attempts; wait.
        """
        ground = self._ground
        owner = await ground.user(user)
        if ground.terms.demands_second_factor(owner.roles):
            raise NotPermitted(
                owner.name, "be without a second factor", code="second_factor_required"
            )
        await self._prove(owner, session, password)
        if not await self._desk.uses_code(owner, code):
            raise NotAuthenticated("bad_code", "the code is wrong or was used before")
        await ground.note(owner.name, "second_factor_removed")
        fresh = replace(await ground.user(user), totp=None, totp_step=None, recovery=())
        return await self._written(fresh, origin, second_factor=False)

    async def _prove(self, user: User, session: str, password: str | None) -> None:
        if user.password is not None:
            await self._desk.proves(user, password or "")
            return
        held = await self._ground.sessions.get(session)
        if held is None or self._ground.clock.now() - held.started > ENROLMENT:
            raise NotAuthenticated("login_too_old", "log in again at the provider, then repeat it")

    async def _written(self, user: User, origin: Origin, *, second_factor: bool) -> Opened:
        ground = self._ground
        await ground.users.put(replace(user, updated_at=ground.clock.now()), user.version)
        await ground.sessions.revoke_all(user.id)
        return await self._desk.open(
            user, origin, second_factor=second_factor, how="session_replaced"
        )


def _enrolment_name(session: str) -> str:
    return f"enrolment:{session}"
