"""The promise of the StateStore port, kept by the one in memory and the one in Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import redis

from tradewright.adapters.memory import MemoryStateStore
from tradewright.adapters.redis import KILL_SWITCH_KEY, RedisStateStore
from tradewright.core.errors import ConflictError
from tradewright.core.records import JsonValue
from tradewright.ports import StateStore, Versioned

VALUES: list[JsonValue] = [
    {"engaged": True, "reason": 'é"\\\n\0', "scope": None, "count": 3, "nested": [{"a": []}]},
    None,
    "text",
    0,
    [],
    {},
    2**60,
]


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[StateStore]:
    if request.param == "memory":
        yield MemoryStateStore()
        return
    url = request.getfixturevalue("redis_url")
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    connected = await RedisStateStore.connect(url)
    yield connected
    await connected.close()


async def test_what_was_never_written_is_none(store: StateStore) -> None:
    assert await store.get(KILL_SWITCH_KEY) is None


@pytest.mark.parametrize("value", VALUES)
async def test_what_is_written_is_read_back(store: StateStore, value: JsonValue) -> None:
    assert await store.compare_and_set(KILL_SWITCH_KEY, value, 0) == 1
    assert await store.get(KILL_SWITCH_KEY) == Versioned(value, 1)


async def test_versions_count_up(store: StateStore) -> None:
    for version in range(5):
        written = await store.compare_and_set("key", {"at": version}, version)
        assert written == version + 1
    assert await store.get("key") == Versioned({"at": 4}, 5)


@pytest.mark.parametrize(("stored", "expected"), [(0, 1), (1, 0), (3, 2), (3, 4)])
async def test_another_version_is_a_conflict(store: StateStore, stored: int, expected: int) -> None:
    for version in range(stored):
        await store.compare_and_set("key", version, version)
    with pytest.raises(ConflictError) as caught:
        await store.compare_and_set("key", "too late", expected)
    assert caught.value.expected == expected
    assert caught.value.found == stored
    found = await store.get("key")
    assert found == (Versioned(stored - 1, stored) if stored else None)


async def test_keys_do_not_touch_each_other(store: StateStore) -> None:
    await store.compare_and_set("one", 1, 0)
    await store.compare_and_set("other", 2, 0)
    assert await store.get("one") == Versioned(1, 1)
    assert await store.get("other") == Versioned(2, 1)


async def test_of_many_writers_at_once_one_wins_each_version(store: StateStore) -> None:
    async def count_up() -> int:
        won = 0
        while won < 5:
            found = await store.get("counter")
            value, version = (found.value, found.version) if found else (0, 0)
            assert isinstance(value, int)
            try:
                await store.compare_and_set("counter", value + 1, version)
            except ConflictError:
                continue
            won += 1
        return won

    assert sum(await asyncio.gather(*(count_up() for _ in range(8)))) == 40
    assert await store.get("counter") == Versioned(40, 40)
