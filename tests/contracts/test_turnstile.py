"""The promises of Turnstile and NonceStore, kept by those in memory and those in Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from tradewright.adapters.memory import MemoryNonceStore, MemoryTurnstile
from tradewright.adapters.redis import RedisNonceStore, RedisTurnstile, open_redis
from tradewright.core.access.quotas import Nonce, Quota
from tradewright.core.clock import ManualClock
from tradewright.core.errors import LimiterUnavailable, SafetyError
from tradewright.ports import NonceStore, Turnstile

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
THREE = Quota("orders:principal:user:anna", 3, 60)
TWO = Quota("orders:strategy:momentum", 2, 60)


class Doors(NamedTuple):
    nonces: NonceStore
    turnstile: Turnstile
    forget: Callable[[], Awaitable[object]]


@pytest.fixture(params=["memory", "redis"])
async def doors(request: pytest.FixtureRequest) -> AsyncIterator[Doors]:
    if request.param == "memory":
        nonces = MemoryNonceStore(ManualClock(NOON))

        async def forget() -> None:
            nonces.forget()

        yield Doors(nonces, MemoryTurnstile(nonces), forget)
        return
    url = request.getfixturevalue("redis_url")
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    connected = await open_redis(url)
    yield Doors(RedisNonceStore(connected), RedisTurnstile(connected), connected.flushdb)
    await connected.aclose()


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def nonce(service: str, value: str, signed: datetime = NOON) -> Nonce:
    return Nonce(service, value, 120, int(signed.timestamp()))


async def test_what_was_signed_before_the_memory_began_is_not_known(doors: Doors) -> None:
    await doors.nonces.begin(NOON)
    before = nonce("signal", "n-1", after(-1))
    with pytest.raises(SafetyError, match="sign the request anew"):
        await doors.nonces.seen(before, after(5))
    with pytest.raises(SafetyError, match="sign the request anew"):
        await doors.turnstile.take([THREE], after(5), before)
    assert not await doors.nonces.seen(nonce("signal", "n-1"), after(5))


async def test_memory_begins_once(doors: Doors) -> None:
    await doors.nonces.begin(NOON)
    await doors.nonces.begin(after(60))
    assert not await doors.nonces.seen(nonce("signal", "n-1", after(10)), after(61))


async def test_memory_that_was_lost_begins_anew_with_the_next(doors: Doors) -> None:
    used = nonce("signal", "n-1")
    assert not await doors.nonces.seen(used, NOON)
    await doors.forget()
    assert not await doors.nonces.seen(nonce("signal", "n-2", after(3)), after(3))
    with pytest.raises(SafetyError, match="sign the request anew"):
        await doors.nonces.seen(used, after(4))


async def test_a_nonce_is_new_once(doors: Doors) -> None:
    assert not await doors.nonces.seen(nonce("signal", "n-1"), NOON)
    assert await doors.nonces.seen(nonce("signal", "n-1"), NOON)
    assert not await doors.nonces.seen(nonce("signal", "n-2"), NOON)


async def test_nonces_of_services_are_apart(doors: Doors) -> None:
    assert not await doors.nonces.seen(nonce("signal", "n-1"), NOON)
    assert not await doors.nonces.seen(nonce("console", "n-1"), NOON)


async def test_of_many_at_once_one_uses_the_nonce(doors: Doors) -> None:
    seen = await asyncio.gather(
        *(doors.nonces.seen(nonce("signal", "same"), NOON) for _ in range(20))
    )
    assert seen.count(False) == 1


async def test_nonce_of_a_passage_is_the_same_nonce(doors: Doors) -> None:
    used = nonce("signal", "n-1")
    assert not (await doors.turnstile.take([THREE], NOON, used)).replayed
    assert (await doors.turnstile.take([THREE], NOON, used)).replayed
    assert await doors.nonces.seen(nonce("signal", "n-1"), NOON)


async def test_a_replay_uses_nothing_of_the_quota(doors: Doors) -> None:
    used = nonce("signal", "n-1")
    for _ in range(5):
        await doors.turnstile.take([THREE], NOON, used)
    (state,) = (await doors.turnstile.take([THREE], NOON)).quotas
    assert state.remaining == 1


async def test_a_quota_is_spent_and_comes_back(doors: Doors) -> None:
    left = [(await doors.turnstile.take([THREE], after(n))).quotas[0].remaining for n in range(3)]
    assert left == [2, 1, 0]
    (state,) = (await doors.turnstile.take([THREE], after(10))).quotas
    assert (state.spent, state.remaining, state.reset_seconds) == (True, 0, 50)
    assert (await doors.turnstile.take([THREE], after(59.5))).spent
    assert not (await doors.turnstile.take([THREE], after(60))).spent
    assert (await doors.turnstile.take([THREE], after(60.5))).spent


async def test_a_refused_request_uses_no_quota(doors: Doors) -> None:
    for second in range(2):
        await doors.turnstile.take([THREE, TWO], after(second))
    refused = await doors.turnstile.take([THREE, TWO], after(2))
    assert [(state.remaining, state.spent) for state in refused.quotas] == [(1, False), (0, True)]
    assert refused.spent[0].quota == TWO
    assert (await doors.turnstile.take([THREE], after(3))).quotas[0].remaining == 0


async def test_uses_of_one_instant_all_count(doors: Doors) -> None:
    taken = await asyncio.gather(*(doors.turnstile.take([THREE], NOON) for _ in range(10)))
    assert sum(not passage.spent for passage in taken) == 3


async def test_without_quotas_everything_passes(doors: Doors) -> None:
    passage = await doors.turnstile.take([], NOON)
    assert (passage.replayed, passage.quotas) == (False, ())


async def test_a_tightened_quota_says_when_it_fits(doors: Doors) -> None:
    for second in range(3):
        await doors.turnstile.take([THREE], after(10 * second))
    (state,) = (await doors.turnstile.take([Quota(THREE.key, 1, 60)], after(30))).quotas
    assert (state.spent, state.reset_seconds) == (True, 50)


async def test_redis_and_memory_say_the_same_of_any_sequence(redis_url: str) -> None:
    connected = await open_redis(redis_url)
    await connected.flushdb()
    nonces = MemoryNonceStore(ManualClock(NOON))
    both = (MemoryTurnstile(nonces), RedisTurnstile(connected))
    at = NOON
    for step in range(120):
        at += timedelta(milliseconds=(step * 7919) % 9000)
        asked = [[THREE], [TWO], [THREE, TWO]][step % 3]
        used = nonce("signal", f"n-{step % 50}", at)
        first, second = [await one.take(asked, at, used) for one in both]
        assert first.replayed == second.replayed
        assert [(s.remaining, s.spent) for s in first.quotas] == [
            (s.remaining, s.spent) for s in second.quotas
        ]
        for mine, theirs in zip(first.quotas, second.quotas, strict=True):
            assert mine.reset_seconds == pytest.approx(theirs.reset_seconds, abs=1e-5)
    await connected.aclose()


@given(st.lists(st.integers(0, 40), min_size=1, max_size=60), st.integers(1, 5))
def test_no_window_ever_holds_more_than_the_limit(gaps: list[int], limit: int) -> None:
    async def passed() -> list[datetime]:
        turnstile = MemoryTurnstile(MemoryNonceStore(ManualClock(NOON)))
        quota, at, taken = Quota("any", limit, 60), NOON, []
        for gap in gaps:
            at += timedelta(seconds=gap)
            if not (await turnstile.take([quota], at)).spent:
                taken.append(at)
        return taken

    times = asyncio.run(passed())
    for start in times:
        assert sum(start <= at < start + timedelta(seconds=60) for at in times) <= limit


async def test_a_burst_is_cut_where_the_library_cuts_it(doors: Doors) -> None:
    theirs = MovingWindowRateLimiter(MemoryStorage())
    item = RateLimitItemPerSecond(3, 60)
    for _ in range(6):
        mine = not (await doors.turnstile.take([THREE], NOON)).spent
        assert mine == theirs.hit(item, "anna")


async def test_without_redis_nothing_can_be_known(tmp_path: Path) -> None:
    absent = Redis(unix_socket_path=str(tmp_path / "nobody.sock"), retry=Retry(NoBackoff(), 0))
    with pytest.raises(SafetyError, match="whether a nonce was used is not known"):
        await RedisNonceStore(absent).seen(nonce("signal", "n"), NOON)
    with pytest.raises(LimiterUnavailable, match="how often was asked is not known"):
        await RedisTurnstile(absent).take([THREE], NOON, nonce("signal", "n"))
    await absent.aclose()


async def test_a_flushed_redis_learns_the_script_again(redis_url: str) -> None:
    connected = await open_redis(redis_url)
    turnstile = RedisTurnstile(connected)
    await turnstile.take([THREE], NOON)
    await connected.script_flush()
    await connected.flushdb()
    assert (await turnstile.take([THREE], NOON)).quotas[0].remaining == 2
    await connected.aclose()
