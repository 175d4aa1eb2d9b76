"""The promises of the AuditTable and AuditLog ports, kept by the fakes and the real ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from tradewright.adapters.audit import AuditSpool, DurableAuditLog
from tradewright.adapters.memory import MemoryAuditLog, MemoryAuditTable
from tradewright.adapters.postgres import PostgresAuditTable, open_pool
from tradewright.compliance.chain import AUDIT_DOMAIN, verify
from tradewright.core.clock import ManualClock
from tradewright.core.errors import InvalidInput
from tradewright.core.records import Note
from tradewright.ports import AuditLog, AuditTable

AT = datetime(2026, 3, 4, 14, 30, 0, 123456, tzinfo=UTC)


def a_note(number: int = 0, actor: str = "user:anna", kind: str = "login") -> Note:
    body = {"number": number, "why": 'é"\\\n\0', "none": None, "all": [True, {}]}
    return Note(AT + timedelta(seconds=number), actor, kind, body)  # type: ignore[arg-type]


def some(*numbers: int) -> dict[str, Note]:
    return {f"id-{number}": a_note(number) for number in numbers}


@pytest.fixture(params=["memory", "postgres"])
async def table(request: pytest.FixtureRequest) -> AsyncIterator[AuditTable]:
    if request.param == "memory":
        yield MemoryAuditTable()
        return
    pool = await open_pool(request.getfixturevalue("database_url"), min_size=1, max_size=8)
    yield PostgresAuditTable(pool)
    await pool.close()


async def test_an_empty_table_has_no_entries(table: AuditTable) -> None:
    assert not await table.since()
    assert await table.last() is None
    assert await table.append({}) == 0
    assert not await table.since()


async def test_what_is_appended_is_read_back_linked(table: AuditTable) -> None:
    assert await table.append(some(0, 1)) == 2
    assert await table.append(some(2)) == 1
    entries = await table.since()
    assert verify(entries, domain=AUDIT_DOMAIN) is None
    assert [Note(e.at, e.actor, e.kind, e.body) for e in entries] == [a_note(n) for n in range(3)]
    assert await table.last() == entries[-1]


async def test_the_chain_is_not_the_journals(table: AuditTable) -> None:
    await table.append(some(0))
    assert verify(await table.since()) is not None


async def test_what_is_there_is_not_appended_again(table: AuditTable) -> None:
    await table.append(some(0, 1))
    assert await table.append(some(1, 2, 0)) == 1
    assert [entry.body["number"] for entry in await table.since()] == [0, 1, 2]
    assert verify(await table.since(), domain=AUDIT_DOMAIN) is None


async def test_pages(table: AuditTable) -> None:
    await table.append(some(*range(5)))
    assert [entry.seq for entry in await table.since(0, 2)] == [1, 2]
    assert [entry.seq for entry in await table.since(2, 2)] == [3, 4]
    assert not await table.since(5)


async def test_finding(table: AuditTable) -> None:
    await table.append(some(0, 1, 2))
    await table.append({"other": a_note(3, "user:bob", "logout")})
    assert [e.seq for e in await table.find()] == [4, 3, 2, 1]
    assert [e.seq for e in await table.find(limit=1)] == [4]
    assert [e.seq for e in await table.find(actor="user:anna", limit=2)] == [3, 2]
    assert [e.seq for e in await table.find(kind="logout")] == [4]
    assert [e.seq for e in await table.find(start=AT + timedelta(seconds=2))] == [4, 3]
    assert not await table.find(actor="user:anna", kind="logout")


async def test_one_bad_note_keeps_all_out(table: AuditTable) -> None:
    with pytest.raises(InvalidInput):
        await table.append({**some(0), "bad": Note(AT, "user:anna", "x", {"price": 1.5})})
    assert not await table.since()


async def test_writers_at_once_leave_one_whole_chain(table: AuditTable) -> None:
    async def write(actor: str) -> None:
        for number in range(10):
            await table.append({f"{actor}-{number}": a_note(number, actor)})

    await asyncio.gather(*(write(f"writer-{number}") for number in range(6)))
    entries = await table.since()
    assert len(entries) == 60
    assert verify(entries, domain=AUDIT_DOMAIN) is None


@pytest.fixture(params=["memory", "durable"])
async def log(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AuditLog]:
    if request.param == "memory":
        yield MemoryAuditLog()
        return
    table = PostgresAuditTable(
        pool := await open_pool(request.getfixturevalue("database_url"), min_size=1, max_size=2)
    )
    numbers = count(1)
    spool = AuditSpool.open(tmp_path, "gateway", 1_000_000)
    async with DurableAuditLog(
        table, spool, service="gateway", clock=ManualClock(AT), ids=lambda: f"id-{next(numbers)}"
    ) as opened:
        yield opened
    await pool.close()


async def test_an_appended_note_is_kept(log: AuditLog) -> None:
    await asyncio.gather(*(log.append(a_note(number)) for number in range(20)))


async def test_a_note_that_cannot_be_written_exactly_is_refused(log: AuditLog) -> None:
    with pytest.raises(InvalidInput):
        await log.append(Note(AT, "user:anna", "x", {"price": 1.5}))
    await log.append(a_note())
