"""Logins and tickets in Redis: what one service ends or uses up is gone for all of them at once.

An id is no credential: a session is entered by a signed token or by its refresh token, of which
only a hash is here. Keys expire on the server; the caller's clock is compared as well.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from redis.exceptions import RedisError

from tradewright.adapters.redis.connection import place_of, reason_of
from tradewright.core.access import Role, UserSession
from tradewright.core.access.accounts import Refreshed
from tradewright.core.errors import SafetyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from tradewright.core.records import Body
    from tradewright.ports import Clock

_SESSION_KEY: Final = "session:{id}"
_INDEX_KEY: Final = "sessions_of:{user}"
_TICKET_KEY: Final = "ticket:{id}"
_MILLI: Final = 1000

_Answer = TypeVar("_Answer")

# KEYS: session, index. ARGV: body, milliseconds left, id, expiry, now, and the hash of the refresh
# token that was shown ('' to write whatever is there). Answers 1: written, 0: gone, -1: another.
_PUT = """
if ARGV[6] ~= '' then
  local stored = redis.call('GET', KEYS[1])
  if not stored then return 0 end
  if cjson.decode(stored)['refresh'] ~= ARGV[6] then
    redis.call('DEL', KEYS[1])
    return -1
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[5])
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[3])
if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[2], ARGV[2]) end
return 1
"""
# KEYS: index. ARGV: what a session's key begins with. Answers what was ended.
_REVOKE_ALL = """
local ended = {}
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local stored = redis.call('GET', ARGV[1] .. id)
  if stored then
    ended[#ended + 1] = stored
    redis.call('DEL', ARGV[1] .. id)
  end
end
redis.call('DEL', KEYS[1])
return ended
"""
_OUTCOMES: Final = {1: Refreshed.DONE, 0: Refreshed.GONE, -1: Refreshed.REUSED}


class RedisSessionStore:
    """Sessions as JSON that expires, with an index by user."""

    def __init__(self, client: Redis, clock: Clock) -> None:
        """Use a client that does not retry; sessions run out by `clock`."""
        self._client = client
        self._clock = clock
        self._put = client.register_script(_PUT)
        self._revoke_all = client.register_script(_REVOKE_ALL)

    async def put(self, session: UserSession) -> None:
        """Write a session, in the place of the one of its id; it is forgotten when it expires.

        Raises:
            SafetyError: Whether it was written cannot be known.
        """
        await self._write(session, "")

    async def get(self, session: str) -> UserSession | None:
        """Read a session; None if it expired, was revoked or never was.

        Raises:
            SafetyError: Whether it lives cannot be known.
        """
        return self._live(await self._asked(self._client.get(_SESSION_KEY.format(id=session))))

    async def revoke(self, session: str) -> bool:
        """End a session at once; False if it was not live.

        Raises:
            SafetyError: Whether it was ended cannot be known.
        """
        ended = await self._asked(self._client.getdel(_SESSION_KEY.format(id=session)))
        return self._live(ended) is not None

    async def revoke_all(self, user: str) -> int:
        """End every session of a user and return how many there were.

        Raises:
            SafetyError: Whether they were ended cannot be known.
        """
        ended = await self._asked(
            self._revoke_all(keys=[_INDEX_KEY.format(user=user)], args=[_SESSION_KEY.format(id="")])
        )
        return sum(self._live(stored) is not None for stored in ended)

    async def is_live(self, session: str) -> bool:
        """Whether a session may still be used; SafetyError when that cannot be known."""
        return await self.get(session) is not None

    async def of_user(self, user: str) -> Sequence[UserSession]:
        """List the sessions of a user that are live, the first to have started first.

        Raises:
            SafetyError: Which ones live cannot be known.
        """
        ids = await self._asked(self._client.zrange(_INDEX_KEY.format(user=user), 0, -1))
        if not ids:
            return ()
        keys = [_SESSION_KEY.format(id=each) for each in map(str, ids)]
        stored = await self._asked(self._client.mget(keys))
        live = [session for text in stored if (session := self._live(text)) is not None]
        return sorted(live, key=lambda session: (session.started, session.id))

    async def refresh(self, session: UserSession, shown: str) -> Refreshed:
        """Write a session over the one of its id if `shown` is the hash of its refresh token.

        Raises:
            SafetyError: What became of it cannot be known.
        """
        if await self.get(session.id) is None:
            return Refreshed.GONE
        return _OUTCOMES[await self._write(session, shown or "-")]

    async def _write(self, session: UserSession, shown: str) -> int:
        now = self._clock.now()
        left = round((session.expires - now).total_seconds() * _MILLI)
        if left <= 0:
            await self.revoke(session.id)
            return 0
        expires = round(session.expires.timestamp() * _MILLI)
        return int(
            await self._asked(
                self._put(
                    keys=[
                        _SESSION_KEY.format(id=session.id),
                        _INDEX_KEY.format(user=session.user),
                    ],
                    args=[
                        *(json.dumps(_body(session)), left, session.id, expires),
                        *(round(now.timestamp() * _MILLI), shown),
                    ],
                )
            )
        )

    def _live(self, stored: str | bytes | None) -> UserSession | None:
        if stored is None:
            return None
        try:
            session = _session(json.loads(stored))
        except (ValueError, TypeError, KeyError) as failure:
            raise SafetyError(f"a session in {place_of(self._client)} cannot be read") from failure
        return session if session.expires > self._clock.now() else None

    async def _asked(self, asking: Awaitable[_Answer]) -> _Answer:
        return await _answered(self._client, asking, "sessions")


class RedisTicketStore:
    """Tickets as JSON that expires and is read once."""

    def __init__(self, client: Redis, clock: Clock) -> None:
        """Use a client that does not retry; tickets go stale by `clock`."""
        self._client = client
        self._clock = clock

    async def put(self, ticket: str, body: Body, ttl_seconds: int) -> None:
        """Keep facts under a name, in the place of what is there.

        Raises:
            SafetyError: Whether they were kept cannot be known.
        """
        until = self._clock.now().timestamp() + ttl_seconds
        text = json.dumps({"until": until, "body": body})
        key = _TICKET_KEY.format(id=ticket)
        await _answered(self._client, self._client.set(key, text, ex=ttl_seconds), "tickets")

    async def take(self, ticket: str) -> Body | None:
        """Read and forget, in one step; None if nothing is there or it is too old.

        Raises:
            SafetyError: Whether it was there cannot be known.
        """
        key = _TICKET_KEY.format(id=ticket)
        stored = await _answered(self._client, self._client.getdel(key), "tickets")
        if stored is None:
            return None
        kept: Any = json.loads(stored)
        return kept["body"] if kept["until"] > self._clock.now().timestamp() else None


async def _answered(client: Redis, asking: Awaitable[_Answer], what: str) -> _Answer:
    try:
        return await asking
    except (RedisError, OSError) as failure:
        raise SafetyError(
            f"Redis at {place_of(client)} did not answer ({reason_of(failure)}), "
            f"so {what} cannot be known"
        ) from failure


def _body(session: UserSession) -> Body:
    strategies = session.strategies
    return {
        "id": session.id,
        "user": session.user,
        "roles": [*sorted(session.roles)],
        "strategies": None if strategies is None else [*sorted(strategies)],
        "started": session.started.isoformat(),
        "expires": session.expires.isoformat(),
        "csrf": session.csrf,
        "refresh": session.refresh,
        "second_factor": session.second_factor,
        "address": session.address,
        "agent": session.agent,
    }


def _session(body: Any) -> UserSession:  # noqa: ANN401 - JSON
    strategies = body["strategies"]
    return UserSession(
        id=body["id"],
        user=body["user"],
        roles=frozenset(Role(role) for role in body["roles"]),
        strategies=None if strategies is None else frozenset(strategies),
        started=datetime.fromisoformat(body["started"]).astimezone(UTC),
        expires=datetime.fromisoformat(body["expires"]).astimezone(UTC),
        csrf=body["csrf"],
        refresh=body["refresh"],
        second_factor=body["second_factor"],
        address=body["address"],
        agent=body["agent"],
    )
