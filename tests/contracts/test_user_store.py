"""The promise of the UserStore port, kept by the one in memory and the one in PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tradewright.adapters.memory import MemoryUserStore
from tradewright.adapters.postgres import PostgresUserStore, open_pool
from tradewright.core.access import Role
from tradewright.core.access.accounts import FORGOTTEN_AFTER, LOCK_DELAYS, User, lock_delay
from tradewright.core.errors import ConflictError, LastAdmin
from tradewright.ports import UserStore

AT = datetime(2026, 3, 4, 14, 30, 0, 123456, tzinfo=UTC)
LATER = AT + timedelta(hours=1)
ANNA = User(
    id="u-1",
    name="anna",
    roles=frozenset({Role.ADMIN, Role.RISK_OFFICER}),
    created_at=AT,
    updated_at=AT,
    email="anna@example.com",
    strategies=None,
    password="$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA",
    totp="v1.sealed",
    totp_step=58_000_000,
    recovery=("a" * 64, "b" * 64),
    setup="c" * 64,
    setup_until=LATER,
    subject="https://issuer.example|sub-1",
)
BEN = User("u-2", "ben", frozenset({Role.VIEWER}), AT, AT, strategies=frozenset({"pairs", "mom"}))


@pytest.fixture(params=["memory", "postgres"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[UserStore]:
    if request.param == "memory":
        yield MemoryUserStore()
        return
    pool = await open_pool(request.getfixturevalue("database_url"), min_size=1, max_size=8)
    yield PostgresUserStore(pool)
    await pool.close()


async def test_an_account_is_read_back_as_it_was_added(store: UserStore) -> None:
    await store.add(ANNA)
    await store.add(BEN)
    assert await store.get("u-1") == ANNA
    assert await store.get("u-2") == BEN
    assert await store.get("u-3") is None
    assert await store.all() == (ANNA, BEN)


async def test_an_account_is_found_by_what_is_given(store: UserStore) -> None:
    await store.add(ANNA)
    await store.add(BEN)
    assert await store.find(name="ben") == BEN
    assert await store.find(email="anna@example.com") == ANNA
    assert await store.find(subject="https://issuer.example|sub-1") == ANNA
    assert await store.find(name="ben", email="anna@example.com") is None
    assert await store.find() is None
    assert await store.find(name="") is None
    assert await store.find(name="ben\0") is None
    assert await store.get("\0") is None


@pytest.mark.parametrize(
    "taken",
    [{"id": "u-1"}, {"name": "anna"}, {"email": ANNA.email}, {"subject": ANNA.subject}],
    ids=str,
)
async def test_what_is_taken_is_refused(store: UserStore, taken: dict[str, str]) -> None:
    await store.add(ANNA)
    with pytest.raises(ConflictError):
        await store.add(replace(BEN, **taken))  # type: ignore[arg-type]
    assert await store.all() == (ANNA,)


async def test_the_first_admin_is_added_once(store: UserStore) -> None:
    await store.add(BEN)
    admins = [replace(BEN, id=f"a-{n}", name=f"a{n}", roles=frozenset({Role.ADMIN})) for n in "123"]
    done = await asyncio.gather(
        *(store.add(admin, first_admin=True) for admin in admins), return_exceptions=True
    )
    assert sum(isinstance(one, ConflictError) for one in done) == 2
    assert sum(user.is_admin for user in await store.all()) == 1


async def test_a_write_counts_versions_and_replaces_all(store: UserStore) -> None:
    await store.add(ANNA)
    await store.add(BEN)
    changed = replace(
        BEN,
        email="ben@example.com",
        roles=frozenset({Role.OPERATOR}),
        strategies=frozenset({"pairs", "trend"}),
        password="$argon2id$v=19$x",
        disabled=True,
        updated_at=LATER,
    )
    await store.put(changed, 1)
    assert await store.get("u-2") == replace(changed, version=2)
    await store.put(replace(changed, strategies=None), 2)
    assert await store.get("u-2") == replace(changed, strategies=None, version=3)
    await store.put(replace(changed, strategies=frozenset()), 3)
    assert await store.get("u-2") == replace(changed, strategies=frozenset(), version=4)


@pytest.mark.parametrize("expected", [0, 2])
async def test_another_version_is_a_conflict(store: UserStore, expected: int) -> None:
    await store.add(BEN)
    with pytest.raises(ConflictError) as caught:
        await store.put(replace(BEN, disabled=True), expected)
    assert (caught.value.expected, caught.value.found) == (expected, 1)
    assert await store.get("u-2") == BEN


async def test_an_address_of_another_is_a_conflict(store: UserStore) -> None:
    await store.add(ANNA)
    await store.add(BEN)
    with pytest.raises(ConflictError):
        await store.put(replace(BEN, email=ANNA.email), 1)
    assert await store.get("u-2") == BEN


@pytest.mark.parametrize("change", [{"disabled": True}, {"roles": frozenset()}], ids=str)
async def test_the_last_admin_stays(store: UserStore, change: dict[str, object]) -> None:
    await store.add(ANNA)
    await store.add(BEN)
    with pytest.raises(LastAdmin, match="anna"):
        await store.put(replace(ANNA, **change), 1)  # type: ignore[arg-type]
    assert await store.get("u-1") == ANNA
    await store.put(replace(BEN, roles=frozenset({Role.ADMIN})), 1)
    await store.put(replace(ANNA, **change), 1)  # type: ignore[arg-type]


async def test_two_admins_cannot_disable_each_other_at_once(store: UserStore) -> None:
    other = replace(BEN, roles=frozenset({Role.ADMIN}))
    await store.add(ANNA)
    await store.add(other)
    done = await asyncio.gather(
        store.put(replace(ANNA, disabled=True), 1),
        store.put(replace(other, disabled=True), 1),
        return_exceptions=True,
    )
    assert sum(isinstance(one, LastAdmin) for one in done) == 1


async def test_attempts_lock_for_longer_and_longer(store: UserStore) -> None:
    await store.add(BEN)
    at = AT
    for count in range(1, len(LOCK_DELAYS) + 3):
        counted = await store.begin_attempt("u-2", at)
        assert counted is not None
        assert counted.failures == count
        assert counted.locked_until == at + lock_delay(count)
        if lock_delay(count):
            assert await store.begin_attempt("u-2", at) is None
            almost = at + lock_delay(count) - timedelta(microseconds=1)
            assert await store.begin_attempt("u-2", almost) is None
        at += lock_delay(count)
    assert lock_delay(99) == LOCK_DELAYS[-1]


async def test_of_many_attempts_at_once_each_is_counted(store: UserStore) -> None:
    await store.add(BEN)
    counted = await asyncio.gather(*(store.begin_attempt("u-2", AT) for _ in range(20)))
    assert sum(user is not None for user in counted) == LOCK_DELAYS.index(timedelta(seconds=30)) + 1


async def test_attempts_are_cleared_and_forgotten(store: UserStore) -> None:
    await store.add(BEN)
    for _ in range(5):
        await store.begin_attempt("u-2", AT)
    assert await store.begin_attempt("u-2", AT) is None
    await store.clear_attempts("u-2")
    again = await store.begin_attempt("u-2", AT)
    assert again is not None
    assert again.failures == 1
    await store.begin_attempt("u-2", AT)
    much_later = await store.begin_attempt("u-2", AT + FORGOTTEN_AFTER)
    assert much_later is not None
    assert much_later.failures == 1
    assert await store.begin_attempt("nobody", AT) is None
    await store.clear_attempts("nobody")


async def test_a_write_leaves_attempts_and_lock(store: UserStore) -> None:
    await store.add(replace(BEN, failures=9, locked_until=LATER))
    read = await store.get("u-2")
    assert read == BEN
    for _ in range(5):
        await store.begin_attempt("u-2", AT)
    await store.put(replace(BEN, roles=frozenset({Role.OPERATOR})), 1)
    read = await store.get("u-2")
    assert read is not None
    assert (read.failures, read.locked_until) == (5, AT + timedelta(seconds=30))
