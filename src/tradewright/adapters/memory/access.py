"""Fakes of the ports of access: secrets, nonces, quotas, tokens, certificates and sessions.

Time is the clock that they are given, so a test can let a session run out.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tradewright.core.access.accounts import Refreshed
from tradewright.core.access.quotas import FORGOTTEN, Passage, QuotaState
from tradewright.core.errors import ConfigError, NotAuthenticated, SafetyError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from tradewright.core.access import Principal, UserSession
    from tradewright.core.access.quotas import Nonce, Quota
    from tradewright.ports import Clock


class MemorySecretStore:
    """Secrets as a dictionary."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        """Hold `values`; they may be changed in place, as a rotation does."""
        self.values = dict(values or {})

    def get(self, name: str) -> str:
        """Read a secret; raise ConfigError, naming it, when it is missing or empty."""
        if not (value := self.values.get(name, "").strip()):
            raise ConfigError(f"the secret {name} is missing or empty", f"give {name} a value")
        return value

    def names(self) -> Sequence[str]:
        """List the names that are there."""
        return sorted(self.values)

    def refresh(self) -> None:
        """Drop what is blank, since nothing else is remembered here."""
        self.values = {name: value for name, value in self.values.items() if value.strip()}


class MemoryNonceStore:
    """Used numbers with the time until which each is remembered."""

    def __init__(self, clock: Clock) -> None:
        """Remember by `clock`."""
        self._clock = clock
        self._until: dict[tuple[str, str], datetime] = {}
        self._since: int | None = None

    async def begin(self, at: datetime) -> None:
        """Begin to remember, unless something is remembered already."""
        if self._since is None:
            self._since = int(at.timestamp())

    async def seen(self, nonce: Nonce, at: datetime) -> bool:
        """Use a number up; True if it was used before.

        Raises:
            SafetyError: It was signed before the memory began.
        """
        await self.begin(at)
        if self._since is not None and nonce.signed < self._since:
            raise SafetyError(FORGOTTEN)
        now, key = self._clock.now(), (nonce.service, nonce.value)
        used = self._until.get(key, now) > now
        if not used:
            self._until[key] = now + timedelta(seconds=nonce.ttl_seconds)
        return used

    def forget(self) -> None:
        """Lose the memory, as a store that was emptied."""
        self._until.clear()
        self._since = None


class MemoryTurnstile:
    """Quotas as lists of the times of their uses."""

    def __init__(self, nonces: MemoryNonceStore) -> None:
        """Use up numbers in `nonces`."""
        self._nonces = nonces
        self._uses: dict[str, list[datetime]] = {}

    async def take(
        self, quotas: Sequence[Quota], at: datetime, nonce: Nonce | None = None
    ) -> Passage:
        """Use up the nonce, then one of each quota, or none if one has nothing left."""
        if nonce is not None and await self._nonces.seen(nonce, at):
            return Passage(replayed=True)
        uses = [self._within(quota, at) for quota in quotas]
        fits = all(len(used) < quota.limit for quota, used in zip(quotas, uses, strict=True))
        states = []
        for quota, used in zip(quotas, uses, strict=True):
            spent = len(used) >= quota.limit
            if fits:
                used.append(at)
            oldest = used[max(0, len(used) - quota.limit)] if used else at
            reset = (oldest - at).total_seconds() + quota.window_seconds
            states.append(QuotaState(quota, max(quota.limit - len(used), 0), reset, spent))
        return Passage(replayed=False, quotas=tuple(states))

    def _within(self, quota: Quota, at: datetime) -> list[datetime]:
        since = at - timedelta(seconds=quota.window_seconds)
        kept = [use for use in self._uses.get(quota.key, []) if use > since]
        self._uses[quota.key] = kept
        return kept


class MemoryTokenVerifier:
    """Tokens as a table of whom they speak for."""

    def __init__(
        self,
        principals: Mapping[str, Principal] | None = None,
        refused: Mapping[str, str] | None = None,
    ) -> None:
        """Hold `principals` by token, and codes of refusal by token; both may be changed."""
        self.principals = dict(principals or {})
        self.refused = dict(refused or {})

    async def verify(self, token: str) -> Principal:
        """Return whom a token speaks for; raise NotAuthenticated for a stranger's."""
        if token in self.refused:
            raise NotAuthenticated(self.refused[token], "the token is no longer good")
        if token not in self.principals:
            raise NotAuthenticated("not_authenticated", "the token is not one of ours")
        return self.principals[token]


class MemoryCertificateVerifier:
    """Certificates as a table of whom they speak for."""

    def __init__(
        self,
        principals: Mapping[bytes, Principal] | None = None,
        refused: Mapping[bytes, str] | None = None,
    ) -> None:
        """Hold `principals` by DER bytes, and codes of refusal by DER bytes."""
        self.principals = dict(principals or {})
        self.refused = dict(refused or {})

    async def verify(self, certificate: bytes) -> Principal:
        """Return whom a certificate speaks for; raise NotAuthenticated for a stranger's."""
        if certificate in self.refused:
            raise NotAuthenticated(self.refused[certificate], "the certificate is no longer good")
        if certificate not in self.principals:
            raise NotAuthenticated("not_authenticated", "the certificate is not one of ours")
        return self.principals[certificate]


class MemorySessionStore:
    """Sessions as a dictionary."""

    def __init__(self, clock: Clock) -> None:
        """Let sessions run out by `clock`."""
        self._clock = clock
        self._sessions: dict[str, UserSession] = {}

    async def put(self, session: UserSession) -> None:
        """Write a session."""
        self._sessions[session.id] = session

    async def get(self, session: str) -> UserSession | None:
        """Read a session; None if it expired, was revoked or never was."""
        found = self._sessions.get(session)
        return found if found and found.expires > self._clock.now() else None

    async def revoke(self, session: str) -> bool:
        """End a session at once; False if it was not live."""
        live = await self.is_live(session)
        self._sessions.pop(session, None)
        return live

    async def revoke_all(self, user: str) -> int:
        """End every session of a user and return how many there were."""
        theirs = [one.id for one in self._sessions.values() if one.user == user]
        return sum([await self.revoke(session) for session in theirs])

    async def is_live(self, session: str) -> bool:
        """Whether a session may still be used."""
        return await self.get(session) is not None

    async def of_user(self, user: str) -> Sequence[UserSession]:
        """List the sessions of a user that are live, the first to have started first."""
        now = self._clock.now()
        theirs = [s for s in self._sessions.values() if s.user == user and s.expires > now]
        return sorted(theirs, key=lambda session: (session.started, session.id))

    async def refresh(self, session: UserSession, shown: str) -> Refreshed:
        """Write a session over the one of its id if `shown` is the hash of its refresh token."""
        stored = await self.get(session.id)
        if stored is None:
            return Refreshed.GONE
        if stored.refresh != shown:
            await self.revoke(session.id)
            return Refreshed.REUSED
        await self.put(session)
        return Refreshed.DONE
