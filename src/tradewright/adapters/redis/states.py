"""Small shared states in Redis: switches and breakers, written by compare-and-set.

A state is JSON with its version, and a Lua script compares and writes in one step. Nothing is
retried here: a second attempt after a lost reply would meet its own first write and call it
somebody else's. Whatever cannot be known is a SafetyError.
"""

from __future__ import annotations

import contextlib
import json
from typing import Final, Self

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tradewright.adapters.redis.connection import ANSWER_SECONDS, open_redis, place_of, reason_of
from tradewright.core.errors import ConflictError, InvalidInput, SafetyError
from tradewright.core.records import JsonValue
from tradewright.ports import Versioned

KILL_SWITCH_KEY: Final = "kill_switch:state"
CIRCUIT_BREAKER_KEY: Final = "circuit_breaker:state"

# Returns the version that was found; the write happened if it is the one expected.
_COMPARE_AND_SET = """
local stored = redis.call('GET', KEYS[1])
local found = 0
if stored then found = cjson.decode(stored)['version'] end
if type(found) ~= 'number' then return redis.error_reply('the stored state has no version') end
if found == tonumber(ARGV[1]) then redis.call('SET', KEYS[1], ARGV[2]) end
return found
"""


class RedisStateStore:
    """Versioned states in a Redis database."""

    def __init__(self, client: Redis, place: str, scope: str = "") -> None:
        """Use a client that does not retry; `place` names the server in errors.

        Within a `scope` the same keys are other states: a rehearsal's switch is its own.
        """
        self._client = client
        self._place = place
        self._scope = scope
        self._written: set[str] = set()
        self._script = client.register_script(_COMPARE_AND_SET)

    @classmethod
    async def connect(
        cls, url: str, *, scope: str = "", answer_seconds: float = ANSWER_SECONDS
    ) -> Self:
        """Connect to a server.

        Raises:
            ConfigError: The URL cannot be read, or nothing answers there in time.
        """
        client = await open_redis(url, answer_seconds=answer_seconds)
        return cls(client, place_of(client), scope)

    async def get(self, key: str) -> Versioned | None:
        """Read a state; None if never written; raise SafetyError if that cannot be known."""
        try:
            stored = await self._client.get(self._scope + key)
        except (RedisError, OSError) as failure:
            raise self._unknown(key, failure) from failure
        return None if stored is None else self._parse(key, stored)

    async def compare_and_set(self, key: str, value: JsonValue, expected: int) -> int:
        """Write over version `expected` (0: none yet) and return the new version.

        Raises:
            ConflictError: Another version is there.
            InvalidInput: The value cannot be written as JSON.
            SafetyError: Whether it was written cannot be known.
        """
        version = expected + 1
        try:
            body = json.dumps({"version": version, "value": value}, sort_keys=True, allow_nan=False)
        except (TypeError, ValueError) as failure:
            raise InvalidInput(key, value, f"cannot be written as JSON: {failure}") from failure
        try:
            self._written.add(self._scope + key)
            found = int(await self._script(keys=[self._scope + key], args=[expected, body]))
        except (RedisError, OSError) as failure:
            raise self._unknown(key, failure) from failure
        if found != expected:
            raise ConflictError(key, expected, found)
        return version

    async def close(self) -> None:
        """Let go of the connections, and of what was written within a scope."""
        if self._scope and self._written:
            # What is left behind in a scope that nobody enters again does no harm.
            with contextlib.suppress(RedisError, OSError):
                await self._client.delete(*self._written)
        await self._client.aclose()

    def _parse(self, key: str, stored: str | bytes) -> Versioned:
        try:
            body = json.loads(stored)
            return Versioned(body["value"], int(body["version"]))
        except (ValueError, TypeError, KeyError) as failure:
            raise SafetyError(
                f"{key} in {self._place} is no versioned state: {stored!r}"
            ) from failure

    def _unknown(self, key: str, failure: Exception) -> SafetyError:
        return SafetyError(
            f"{key}: Redis at {self._place} did not answer ({reason_of(failure)}), "
            "so the state cannot be known"
        )
