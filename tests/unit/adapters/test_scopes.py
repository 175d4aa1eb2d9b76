"""What a rehearsal keeps is its own: a scope of switches, a database that goes with it."""

from __future__ import annotations

import psycopg

from tradewright.adapters.postgres import create_database, drop_database, drop_idle_databases
from tradewright.adapters.redis import RedisStateStore

KEY = "kill_switch:state"


def names(url: str) -> set[str]:
    with psycopg.connect(url) as link:
        return {name for (name,) in link.execute("SELECT datname FROM pg_database").fetchall()}


async def test_a_scoped_switch_is_another_switch_and_goes_with_its_scope(redis_url: str) -> None:
    outside = await RedisStateStore.connect(redis_url, scope="outside:")
    inside = await RedisStateStore.connect(redis_url, scope="rehearsal_1:")
    await outside.compare_and_set(KEY, {"engaged": True}, 0)
    assert await inside.get(KEY) is None
    await inside.compare_and_set(KEY, {"engaged": False}, 0)
    found = await outside.get(KEY)
    assert found is not None
    assert found.value == {"engaged": True}
    await inside.close()
    again = await RedisStateStore.connect(redis_url, scope="rehearsal_1:")
    assert await again.get(KEY) is None
    await again.close()
    await outside.close()


def test_databases_left_behind_are_dropped_and_those_in_use_are_not(postgres_url: str) -> None:
    idle = create_database(postgres_url, "rehearsal_idle")
    used = create_database(postgres_url, "rehearsal_used")
    assert idle != used
    with psycopg.connect(used):
        drop_idle_databases(postgres_url, "rehearsal_")
        assert "rehearsal_idle" not in names(postgres_url)
        assert "rehearsal_used" in names(postgres_url)
    drop_database(postgres_url, "rehearsal_used")
    assert "rehearsal_used" not in names(postgres_url)
