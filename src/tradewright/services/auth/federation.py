"""Logins through an identity provider: it says who somebody is, the register says what they may.

An identity is linked to an account that an admin made, by its verified e-mail address, the first
time; nobody gets an account or a role by having an identity.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from tradewright.core.errors import MissingData, NotAuthenticated
from tradewright.services.auth.ground import NOBODY, hashed, seconds
from tradewright.wire.signing import is_same

if TYPE_CHECKING:
    from tradewright.core.access.accounts import Identity, User
    from tradewright.ports import IdentityProvider
    from tradewright.services.auth.desk import Challenge, LoginDesk, Opened
    from tradewright.services.auth.ground import Ground, Origin

PATIENCE: Final = timedelta(minutes=10)
"""How long somebody may take at the provider."""


@dataclass(frozen=True, slots=True)
class Departure:
    """Where a browser goes to log in, and what it must bring back besides the provider's word."""

    url: str
    state: str


class Federation:
    """Sends browsers to the provider and takes them back."""

    def __init__(self, ground: Ground, desk: LoginDesk, provider: IdentityProvider | None) -> None:
        """Stand on `ground`; sessions are opened at `desk`; without `provider` nobody is sent."""
        self._ground = ground
        self._desk = desk
        self._provider = provider

    async def depart(self) -> Departure:
        """Return where to log in.

        Raises:
            MissingData: There is no identity provider.
            SafetyError: The provider does not answer.
        """
        ground = self._ground
        state, nonce, verifier = ground.secret(), ground.secret(), ground.secret()
        url = await self._known().redirect(state, nonce, verifier)
        kept = {"nonce": nonce, "verifier": verifier}
        await ground.tickets.put(_ticket(state), {**kept}, seconds(PATIENCE))
        return Departure(url, state)

    async def arrive(
        self, state: str, brought: str, code: str, origin: Origin
    ) -> Opened | Challenge:
        """Let somebody in whom the provider sends back.

        Args:
            state: What the provider hands back.
            brought: What the browser kept since it was sent off.
            code: What the provider exchanges for an identity.
            origin: Where the request comes from.

        Raises:
            NotAuthenticated: It is not the browser that was sent off, too late, the provider's
                word is not good, or nobody here has this identity.
            SafetyError: The provider does not answer, or it cannot be recorded.
        """
        ground = self._ground
        provider = self._known()
        if not is_same(state, brought):
            raise NotAuthenticated("bad_state", "this browser did not begin the login; begin again")
        kept = await ground.tickets.take(_ticket(state))
        if kept is None:
            raise NotAuthenticated("challenge_expired", "the login took too long; begin again")
        identity = await provider.identify(code, str(kept["nonce"]), str(kept["verifier"]))
        user = await self._linked(identity)
        if user is None or user.disabled:
            await ground.note(
                user.name if user else NOBODY,
                "login_failed",
                what="identity",
                address=origin.address,
            )
            raise NotAuthenticated("unknown_identity", "no account here has this identity")
        if user.totp is not None and not identity.second_factor:
            return await self._desk.challenge(user)
        return await self._desk.open(user, origin, second_factor=identity.second_factor)

    async def _linked(self, identity: Identity) -> User | None:
        ground = self._ground
        known = await ground.users.find(subject=identity.subject)
        if known is not None or identity.email is None:
            return known
        user = await ground.users.find(email=identity.email)
        if user is None or user.disabled or user.subject is not None:
            return None
        await ground.note(user.name, "identity_linked", subject=identity.subject)
        linked = replace(user, subject=identity.subject, updated_at=ground.clock.now())
        await ground.users.put(linked, user.version)
        return await ground.user(user.id)

    def _known(self) -> IdentityProvider:
        if self._provider is None:
            raise MissingData("logins", "there is no identity provider here")
        return self._provider


def _ticket(state: str) -> str:
    return f"oidc:{hashed(state)}"
