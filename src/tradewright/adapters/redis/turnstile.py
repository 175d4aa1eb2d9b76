"""Numbers used once and quotas in Redis: one script asks and counts for many requests at once.

What is asked while an exchange is under way goes together in the next one, so a busy service pays
for a few exchanges and an idle one waits for none. A quota is a sorted set of the times of its
uses, so its window slides exactly. The caller's clock is the time, as it is in the signatures.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import RedisError

from tradewright.adapters.redis.connection import place_of, reason_of
from tradewright.core.access.quotas import FORGOTTEN, Passage, QuotaState
from tradewright.core.errors import LimiterUnavailable, SafetyError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from redis.asyncio import Redis

    from tradewright.core.access.quotas import Nonce, Quota

_NONCE_KEY: Final = "nonce:{service}:{value}"
_SINCE_KEY: Final = "nonces:since"
_QUOTA_KEY: Final = "rate:{key}"
_MICRO: Final = 1_000_000
_MOST: Final = 64
_UNKNOWN: Final = 2
_encode: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode

# KEYS[1] holds the second since which nonces are remembered. ARGV[1] is a JSON list of
# [now, nonce's key or "", its seconds, when it was signed, [[key, limit, window], ...]]; times are
# microseconds, save `signed`. Answers, for each, 1 if the nonce was used, 2 if that is not known,
# else 0 and for each quota how many are used, when the next falls out (as text: a number here would
# lose digits), and 1 if nothing was left.
_TAKE = """
local function take(now, nonce, ttl, signed, quotas)
  if nonce ~= '' then
    local since = redis.call('GET', KEYS[1])
    if not since then
      since = string.format('%.0f', math.floor(now / 1000000))
      redis.call('SET', KEYS[1], since)
    end
    if signed < tonumber(since) then return {2} end
    if not redis.call('SET', nonce, '1', 'NX', 'EX', ttl) then return {1} end
  end
  local used, fits, stamp = {}, true, string.format('%.0f', now)
  for i, quota in ipairs(quotas) do
    redis.call('ZREMRANGEBYSCORE', quota[1], '-inf', string.format('%.0f', now - quota[3]))
    used[i] = redis.call('ZCARD', quota[1])
    if used[i] >= quota[2] then fits = false end
  end
  local answer = {0}
  for i, quota in ipairs(quotas) do
    local spent = 0
    if used[i] >= quota[2] then spent = 1 end
    if fits then
      local n = used[i]
      while redis.call('ZADD', quota[1], 'NX', stamp, stamp .. '-' .. n) == 0 do n = n + 1 end
      redis.call('PEXPIRE', quota[1], math.ceil(quota[3] / 1000))
      used[i] = used[i] + 1
    end
    local place = math.max(0, used[i] - quota[2])
    local oldest = redis.call('ZRANGE', quota[1], place, place, 'WITHSCORES')
    answer[#answer + 1] = used[i]
    answer[#answer + 1] = oldest[2] or stamp
    answer[#answer + 1] = spent
  end
  return answer
end
local answers = {}
for i, asked in ipairs(cjson.decode(ARGV[1])) do
  answers[i] = take(asked[1], asked[2], asked[3], asked[4], asked[5])
end
return cjson.encode(answers)
"""


class RedisNonceStore:
    """Used numbers as keys that expire."""

    def __init__(self, client: Redis) -> None:
        """Use a client that does not retry."""
        self._client = client
        self._line = _Line(client)

    async def begin(self, at: datetime) -> None:
        """Begin to remember, unless something is remembered already.

        Raises:
            SafetyError: Redis does not answer.
        """
        try:
            await self._client.set(_SINCE_KEY, int(at.timestamp()), nx=True)
        except (RedisError, OSError) as failure:
            where = f"Redis at {place_of(self._client)} did not answer ({reason_of(failure)})"
            raise SafetyError(f"{where}, so nonces cannot be remembered") from failure

    async def seen(self, nonce: Nonce, at: datetime) -> bool:
        """Use a number up; True if it was used before.

        Raises:
            SafetyError: Whether it was used cannot be known.
        """
        try:
            answer = await self._line.ask([_micro(at), *_asked(nonce), []])
        except _Silence as silence:
            raise SafetyError(f"{silence}, so whether a nonce was used is not known") from silence
        if answer[0] == _UNKNOWN:
            raise SafetyError(FORGOTTEN)
        return bool(answer[0])


class RedisTurnstile:
    """Quotas as sorted sets of times."""

    def __init__(self, client: Redis) -> None:
        """Use a client that does not retry."""
        self._line = _Line(client)

    async def take(
        self, quotas: Sequence[Quota], at: datetime, nonce: Nonce | None = None
    ) -> Passage:
        """Use up the nonce, then one of each quota, or none if one has nothing left.

        Raises:
            LimiterUnavailable: What was used cannot be known.
            SafetyError: Whether the nonce was used cannot be known.
        """
        now = _micro(at)
        counted = [
            [_QUOTA_KEY.format(key=quota.key), quota.limit, quota.window_seconds * _MICRO]
            for quota in quotas
        ]
        try:
            answer = await self._line.ask([now, *_asked(nonce), counted])
        except _Silence as silence:
            what = f"{silence}, so how often was asked is not known"
            raise LimiterUnavailable(what) from silence
        if answer[0] == _UNKNOWN:
            raise SafetyError(FORGOTTEN)
        if answer[0]:
            return Passage(replayed=True)
        states = [
            _state(quota, now, *answer[3 * n + 1 : 3 * n + 4]) for n, quota in enumerate(quotas)
        ]
        return Passage(replayed=False, quotas=tuple(states))


class _Silence(Exception):
    # Redis did not answer; each store says what that leaves unknown.
    pass


class _Line:
    def __init__(self, client: Redis) -> None:
        self._client = client
        self._script = client.register_script(_TAKE)
        self._waiting: list[tuple[list[Any], asyncio.Future[list[Any]]]] = []
        self._asking: asyncio.Task[None] | None = None

    async def ask(self, asked: list[Any]) -> list[Any]:
        answer: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, answer))
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_all(), name="turnstile")
        return await answer

    async def _ask_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
            try:
                told = await self._script(
                    keys=[_SINCE_KEY], args=[_encode([asked for asked, _ in batch])]
                )
                answers = json.loads(told)
            except (RedisError, OSError) as failure:
                place = place_of(self._client)
                silence = f"Redis at {place} did not answer ({reason_of(failure)})"
                for _, future in batch:
                    if not future.done():
                        future.set_exception(_Silence(silence))
            else:
                for (_, future), answer in zip(batch, answers, strict=True):
                    # Whoever gave up waiting is not told.
                    if not future.done():
                        future.set_result(answer)


def _micro(at: datetime) -> int:
    return round(at.timestamp() * _MICRO)


def _asked(nonce: Nonce | None) -> tuple[str, int, int]:
    if nonce is None:
        return "", 0, 0
    key = _NONCE_KEY.format(service=nonce.service, value=nonce.value)
    return key, nonce.ttl_seconds, nonce.signed


def _state(quota: Quota, now: int, used: int, oldest: str, spent: int) -> QuotaState:
    reset = (float(oldest) - now) / _MICRO + quota.window_seconds
    return QuotaState(quota, max(quota.limit - used, 0), reset, bool(spent))
