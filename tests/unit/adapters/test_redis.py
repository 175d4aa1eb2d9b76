"""What the state store says when Redis is silent, gone, or holds what it did not write."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis

from tradewright.adapters.embedded import EmbeddedRedis
from tradewright.adapters.embedded.process import noted_pid, wait_until
from tradewright.adapters.redis import CIRCUIT_BREAKER_KEY, KILL_SWITCH_KEY, RedisStateStore
from tradewright.core.errors import ConfigError, InvalidInput, SafetyError
from tradewright.ports import Versioned


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[RedisStateStore]:
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    connected = await RedisStateStore.connect(redis_url)
    yield connected
    await connected.close()


def test_the_keys_are_the_documented_ones() -> None:
    assert KILL_SWITCH_KEY == "kill_switch:state"
    assert CIRCUIT_BREAKER_KEY == "circuit_breaker:state"


async def test_a_state_is_stored_as_json_with_its_version(
    store: RedisStateStore, redis_url: str
) -> None:
    await store.compare_and_set(KILL_SWITCH_KEY, {"engaged": False}, 0)
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        assert client.get(KILL_SWITCH_KEY) == '{"value": {"engaged": false}, "version": 1}'


@pytest.mark.parametrize("stored", ["not json", "{}", "[]", "3", '{"version": "x", "value": 1}'])
async def test_what_we_did_not_write_is_unknown_state(
    store: RedisStateStore, redis_url: str, stored: str
) -> None:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        client.set(KILL_SWITCH_KEY, stored)
        with pytest.raises(SafetyError, match=KILL_SWITCH_KEY):
            await store.get(KILL_SWITCH_KEY)
        with pytest.raises(SafetyError, match=KILL_SWITCH_KEY):
            await store.compare_and_set(KILL_SWITCH_KEY, 1, 0)
        assert client.get(KILL_SWITCH_KEY) == stored


async def test_a_value_that_is_no_json_is_refused(store: RedisStateStore) -> None:
    for value in (float("nan"), float("inf"), {1, 2}):
        with pytest.raises(InvalidInput, match="cannot be written as JSON"):
            await store.compare_and_set("key", value, 0)  # type: ignore[arg-type]
    assert await store.get("key") is None


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://:secret@127.0.0.1:{port}/0", "no Redis at 127.0.0.1:{port}: .*"),
        ("unix:///no/such/redis.sock", "no Redis at /no/such/redis.sock: .*No such file"),
        ("http://127.0.0.1", "cannot be read.*write REDIS_URL as"),
    ],
)
async def test_a_url_that_does_not_answer_is_one_plain_line(url: str, said: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(ConfigError, match=said.format(port=port)) as caught:
        await RedisStateStore.connect(url.format(port=port))
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_a_server_that_never_answers_is_given_up() -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        port = mute.getsockname()[1]
        with pytest.raises(ConfigError, match=f"no Redis at 127.0.0.1:{port}: .*[Tt]imeout"):
            await RedisStateStore.connect(f"redis://127.0.0.1:{port}/0", answer_seconds=0.2)


async def test_a_stopped_server_is_unknown_state(server_ground: Path) -> None:
    folder = server_ground / "stopped"
    with EmbeddedRedis(folder) as server:
        store = await RedisStateStore.connect(server.start(), answer_seconds=0.3)
        await store.compare_and_set(KILL_SWITCH_KEY, {"engaged": False}, 0)
        pid = noted_pid(folder / "redis.pid")
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(SafetyError, match=r"did not answer .*cannot be known"):
            await store.get(KILL_SWITCH_KEY)
        with pytest.raises(SafetyError, match=r"did not answer .*cannot be known"):
            await store.compare_and_set(KILL_SWITCH_KEY, {"engaged": True}, 1)
        os.kill(pid, signal.SIGKILL)
        assert wait_until(lambda: not server.healthy(), 10)
        with pytest.raises(SafetyError, match="cannot be known"):
            await store.get(KILL_SWITCH_KEY)
        server.stop()
        server.start()
        found = await store.get(KILL_SWITCH_KEY)
        assert found == Versioned({"engaged": False}, 1)
        await store.close()
