"""The promise of the Journal port, kept by the one in memory and the one in PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from tradewright.adapters.memory import MemoryJournal
from tradewright.adapters.postgres import PostgresJournal, open_pool
from tradewright.compliance.chain import head, link_all, verify
from tradewright.core.errors import InvalidInput
from tradewright.core.records import Body, Note
from tradewright.ports import Journal

AT = datetime(2024, 3, 4, 14, 30, 0, 123456, tzinfo=UTC)


@pytest.fixture(params=["memory", "postgres"])
async def journal(request: pytest.FixtureRequest) -> AsyncIterator[Journal]:
    if request.param == "memory":
        yield MemoryJournal()
        return
    pool = await open_pool(request.getfixturevalue("database_url"), min_size=1, max_size=8)
    yield PostgresJournal(pool)
    await pool.close()


def a_note(number: int = 0, actor: str = "runner") -> Note:
    body: Body = {"number": number, "why": 'é"\\\n\0', "none": None, "all": [True, {}]}
    return Note(AT + timedelta(microseconds=number), actor, "Submitted", body)


async def test_an_empty_journal_has_no_entries(journal: Journal) -> None:
    assert not await journal.since()
    assert not await journal.append([])
    assert not await journal.since()


async def test_what_is_appended_is_read_back_linked(journal: Journal) -> None:
    notes = [a_note(number) for number in range(5)]
    first = await journal.append(notes[:2])
    rest = await journal.append(notes[2:])
    assert (*first, *rest) == link_all(notes)
    assert tuple(await journal.since()) == link_all(notes)
    assert verify(await journal.since(), known=[head(rest[-1])]) is None


async def test_reading_on_from_a_number(journal: Journal) -> None:
    entries = await journal.append([a_note(number) for number in range(4)])
    assert tuple(await journal.since(2)) == tuple(entries[2:])
    assert not await journal.since(4)
    assert not await journal.since(99)


async def test_times_come_back_as_utc(journal: Journal) -> None:
    await journal.append([a_note(7)])
    (entry,) = await journal.since()
    assert entry.at == AT + timedelta(microseconds=7)
    assert entry.at.utcoffset() == timedelta(0)


async def test_one_bad_note_keeps_all_out(journal: Journal) -> None:
    await journal.append([a_note(0)])
    with pytest.raises(InvalidInput):
        await journal.append([a_note(1), Note(AT, "runner", "Submitted", {"price": 1.5})])
    assert len(await journal.since()) == 1


async def test_writers_at_once_leave_one_whole_chain(journal: Journal) -> None:
    async def write(actor: str) -> None:
        for number in range(10):
            await journal.append([a_note(2 * number, actor), a_note(2 * number + 1, actor)])

    await asyncio.gather(*(write(f"writer-{number}") for number in range(6)))
    entries = await journal.since()
    assert len(entries) == 120
    assert verify(entries) is None
    for writer in range(6):
        own = [entry for entry in entries if entry.actor == f"writer-{writer}"]
        assert [entry.body["number"] for entry in own] == list(range(20))
        # What was appended together stands together.
        assert all(b.seq == a.seq + 1 for a, b in zip(own[::2], own[1::2], strict=True))
