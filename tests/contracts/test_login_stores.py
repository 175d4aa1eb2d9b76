"""The promises of the stores of logins and tickets, kept in memory and in Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from tradewright.adapters.memory import MemorySessionStore, MemoryTicketStore
from tradewright.adapters.redis import RedisSessionStore, RedisTicketStore, open_redis
from tradewright.core.access import Role, UserSession
from tradewright.core.access.accounts import Refreshed
from tradewright.core.clock import ManualClock
from tradewright.core.records import Body
from tradewright.ports import SessionStore, TicketStore

NOON = datetime(2026, 3, 4, 12, 0, 0, 123456, tzinfo=UTC)
SESSION = UserSession(
    id="s-1",
    user="u-1",
    roles=frozenset({Role.OPERATOR, Role.VIEWER}),
    strategies=frozenset({"pairs", "trend"}),
    started=NOON,
    expires=NOON + timedelta(minutes=30),
    csrf="c" * 64,
    refresh="r" * 64,
    second_factor=True,
    address="203.0.113.7",
    agent='a "browser"\\ é',
)


@dataclass
class Stores:
    sessions: SessionStore
    tickets: TicketStore
    clock: ManualClock


@pytest.fixture(params=["memory", "redis"])
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    clock = ManualClock(NOON)
    if request.param == "memory":
        yield Stores(MemorySessionStore(clock), MemoryTicketStore(clock), clock)
        return
    client = await open_redis(request.getfixturevalue("redis_url"))
    await client.flushdb()
    yield Stores(RedisSessionStore(client, clock), RedisTicketStore(client, clock), clock)
    await client.aclose()


@pytest.mark.parametrize("strategies", [None, frozenset(), frozenset({"pairs"})])
async def test_a_session_is_read_back(stores: Stores, strategies: frozenset[str] | None) -> None:
    session = replace(SESSION, strategies=strategies)
    assert await stores.sessions.get("s-1") is None
    assert not await stores.sessions.is_live("s-1")
    await stores.sessions.put(session)
    assert await stores.sessions.get("s-1") == session
    assert await stores.sessions.is_live("s-1")


async def test_a_session_runs_out(stores: Stores) -> None:
    await stores.sessions.put(SESSION)
    stores.clock.advance(timedelta(minutes=30) - timedelta(microseconds=1))
    assert await stores.sessions.is_live("s-1")
    stores.clock.advance(timedelta(microseconds=1))
    assert not await stores.sessions.is_live("s-1")
    assert await stores.sessions.get("s-1") is None
    assert list(await stores.sessions.of_user("u-1")) == []
    assert not await stores.sessions.revoke("s-1")


async def test_a_session_is_revoked_at_once(stores: Stores) -> None:
    await stores.sessions.put(SESSION)
    assert await stores.sessions.revoke("s-1")
    assert not await stores.sessions.is_live("s-1")
    assert not await stores.sessions.revoke("s-1")


async def test_sessions_are_listed_and_revoked_by_user(stores: Stores) -> None:
    later = replace(SESSION, id="s-0", started=NOON + timedelta(seconds=1))
    other = replace(SESSION, id="s-9", user="u-2")
    for session in (later, SESSION, other):
        await stores.sessions.put(session)
    assert list(await stores.sessions.of_user("u-1")) == [SESSION, later]
    assert await stores.sessions.revoke_all("u-1") == 2
    assert await stores.sessions.revoke_all("u-1") == 0
    assert list(await stores.sessions.of_user("u-1")) == []
    assert await stores.sessions.is_live("s-9")


async def test_a_refresh_needs_the_token_that_is_good_now(stores: Stores) -> None:
    await stores.sessions.put(SESSION)
    stores.clock.advance(timedelta(minutes=29))
    longer = SESSION.expires + timedelta(minutes=29)
    following = replace(SESSION, refresh="2" * 64, expires=longer)
    assert await stores.sessions.refresh(following, "r" * 64) is Refreshed.DONE
    assert await stores.sessions.get("s-1") == following
    stores.clock.advance(timedelta(minutes=20))
    assert await stores.sessions.is_live("s-1")
    assert await stores.sessions.refresh(following, "r" * 64) is Refreshed.REUSED
    assert not await stores.sessions.is_live("s-1")
    assert await stores.sessions.refresh(following, "2" * 64) is Refreshed.GONE


async def test_a_revoked_session_does_not_come_back_by_a_refresh(stores: Stores) -> None:
    await stores.sessions.put(SESSION)
    await stores.sessions.revoke_all("u-1")
    assert await stores.sessions.refresh(SESSION, "r" * 64) is Refreshed.GONE
    assert await stores.sessions.get("s-1") is None


async def test_of_two_refreshes_at_once_one_is_good(stores: Stores) -> None:
    await stores.sessions.put(SESSION)
    outcomes = await asyncio.gather(
        *(
            stores.sessions.refresh(replace(SESSION, refresh=mark * 64), "r" * 64)
            for mark in ("1", "2")
        )
    )
    assert sorted(outcomes) == [Refreshed.DONE, Refreshed.REUSED]


async def test_a_ticket_is_taken_once(stores: Stores) -> None:
    body: Body = {"user": "u-1", "guesses": 5, "nested": [{"a": None}], "text": 'é"'}
    assert await stores.tickets.take("t") is None
    await stores.tickets.put("t", {"first": True}, 60)
    await stores.tickets.put("t", body, 60)
    taken = await asyncio.gather(*(stores.tickets.take("t") for _ in range(8)))
    assert [one for one in taken if one is not None] == [body]


async def test_a_ticket_goes_stale(stores: Stores) -> None:
    await stores.tickets.put("t", {}, 60)
    await stores.tickets.put("u", {}, 60)
    stores.clock.advance(timedelta(seconds=59))
    assert await stores.tickets.take("t") == {}
    stores.clock.advance(timedelta(seconds=1))
    assert await stores.tickets.take("u") is None
