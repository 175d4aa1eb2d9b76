"""The audit log of a process: nothing is lost, nothing is accepted that was not recorded."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import psycopg
import pytest

from tradewright.adapters.audit import AuditSpool, DurableAuditLog
from tradewright.adapters.audit.log import GAP, AuditPatience
from tradewright.adapters.embedded import EmbeddedPostgres
from tradewright.adapters.memory import MemoryAuditTable
from tradewright.adapters.postgres import PostgresAuditTable, migrate, open_pool
from tradewright.compliance.chain import AUDIT_DOMAIN, Break, Fault, head, verify
from tradewright.core.clock import ManualClock
from tradewright.core.errors import SafetyError
from tradewright.core.records import JournalEntry, Note
from tradewright.ports import AuditTable

AT = datetime(2026, 3, 4, 14, 30, tzinfo=UTC)
QUICK = AuditPatience(answer_seconds=0.5, retry_seconds=0.02)
SOON = 20.0


class HeldTable(MemoryAuditTable):
    """A table that answers only while it is let, and may lose the answer after the work."""

    def __init__(self) -> None:
        super().__init__()
        self.free = asyncio.Event()
        self.free.set()
        self.loses_answers = 0
        self.batches: list[int] = []

    async def append(self, notes: Mapping[str, Note]) -> int:
        await self.free.wait()
        done = await super().append(notes)
        self.batches.append(len(notes))
        if self.loses_answers:
            self.loses_answers -= 1
            raise SafetyError("the answer was lost")
        return done


def a_note(number: int) -> Note:
    return Note(AT + timedelta(seconds=number), "user:anna", "login", {"n": number})


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON):
        while not is_so():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


class Desk:
    """Opens audit logs over one folder of spools and counts what they tell."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told: Counter[str] = Counter()
        self.waiting = 0
        self._numbers = count(1)

    def hear(self, what: str, number: int) -> None:
        if what == "waiting":
            self.waiting = number
        self.told[what] += number

    @asynccontextmanager
    async def log(
        self, table: AuditTable, *, service: str = "gateway", most: int = 1_000_000
    ) -> AsyncIterator[DurableAuditLog]:
        spool = AuditSpool.open(self.folder, service, most)
        async with DurableAuditLog(
            table,
            spool,
            service=service,
            clock=ManualClock(AT + timedelta(hours=1)),
            ids=lambda: f"id-{next(self._numbers)}",
            patience=QUICK,
            told=self.hear,
        ) as opened:
            yield opened


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def numbers_of(entries: Sequence[JournalEntry]) -> list[object]:
    return [entry.body["n"] for entry in entries if entry.kind != GAP]


def gaps_of(entries: Sequence[JournalEntry]) -> list[JournalEntry]:
    return [entry for entry in entries if entry.kind == GAP]


async def test_notes_at_once_go_together(desk: Desk) -> None:
    table = HeldTable()
    async with desk.log(table) as log:
        await asyncio.gather(*(log.append(a_note(number)) for number in range(50)))
    assert numbers_of(table.entries) == list(range(50))
    assert len(table.batches) < 10
    assert desk.told["database"] == 50


async def test_a_caller_who_leaves_loses_nothing(desk: Desk) -> None:
    table = HeldTable()
    table.free.clear()
    async with desk.log(table) as log:
        asking = asyncio.create_task(log.append(a_note(1)))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        table.free.set()
        await log.append(a_note(2))
    assert numbers_of(table.entries) == [1, 2]


async def test_a_table_that_is_down_is_spooled_for_and_caught_up(desk: Desk) -> None:
    table = MemoryAuditTable()
    async with desk.log(table) as log:
        await log.append(a_note(0))
        table.broken = True
        for number in range(1, 6):
            await log.append(a_note(number))
        assert log.is_spooling
        assert desk.told["spool"] == 5
        table.broken = False
        await until(lambda: not log.is_spooling)
        await log.append(a_note(6))
        entries = await table.since()
    assert verify(entries, domain=AUDIT_DOMAIN) is None
    assert numbers_of(entries) == list(range(7))
    (gap,) = gaps_of(entries)
    assert (gap.seq, gap.actor, gap.at) == (7, "gateway", AT + timedelta(hours=1))
    assert gap.body == {
        "service": "gateway",
        "count": 5,
        "expected": 5,
        "first": (AT + timedelta(seconds=1)).isoformat(),
        "last": (AT + timedelta(seconds=5)).isoformat(),
        "intact": True,
    }
    assert (desk.told["reattached"], desk.waiting) == (5, 0)


@pytest.mark.parametrize("losses", [1, 2, 3])
async def test_a_lost_answer_doubles_nothing(losses: int, desk: Desk) -> None:
    # The first is lost on the note itself, the others on its way back from the spool.
    table = HeldTable()
    table.loses_answers = losses
    async with desk.log(table) as log:
        await log.append(a_note(1))
        await until(lambda: not log.is_spooling)
        await log.append(a_note(2))
    assert numbers_of(table.entries) == [1, 2]
    assert len(gaps_of(table.entries)) == 1
    assert verify(table.entries, domain=AUDIT_DOMAIN) is None


async def test_a_silent_table_holds_nobody_up(desk: Desk) -> None:
    table = HeldTable()
    table.free.clear()
    async with desk.log(table) as log:
        since = time.monotonic()
        await log.append(a_note(1))
        assert time.monotonic() - since < 2
        since = time.monotonic()
        await log.append(a_note(2))
        assert time.monotonic() - since < 1
        table.free.set()
        await until(lambda: not log.is_spooling)
    assert numbers_of(table.entries) == [1, 2]


async def test_more_than_a_page_keeps_its_order_while_more_comes_in(desk: Desk) -> None:
    table = MemoryAuditTable()
    table.broken = True
    async with desk.log(table) as log:
        for number in range(5):
            await asyncio.gather(*(log.append(a_note(number * 100 + n)) for n in range(100)))
        table.broken = False
        more = 500
        while log.is_spooling:
            await log.append(a_note(more))
            more += 1
    assert numbers_of(table.entries) == list(range(more))
    assert len(gaps_of(table.entries)) == 1


async def test_what_a_dead_process_left_is_caught_up_by_the_next(desk: Desk) -> None:
    table = MemoryAuditTable()
    table.broken = True
    async with desk.log(table) as log, desk.log(table) as other:
        await log.append(a_note(1))
        await other.append(a_note(2))
    assert not table.entries
    table.broken = False
    async with desk.log(table) as log:
        await until(lambda: len(table.entries) == 4)
        await until(lambda: not log.is_spooling)
    assert sorted(str(number) for number in numbers_of(table.entries)) == ["1", "2"]
    assert [gap.body["count"] for gap in gaps_of(table.entries)] == [1, 1]


async def test_services_of_one_host_keep_apart(desk: Desk) -> None:
    table = MemoryAuditTable()
    table.broken = True
    async with desk.log(table, service="gateway") as one, desk.log(table, service="signal") as two:
        for number in range(10):
            await (one if number % 2 else two).append(a_note(number))
        table.broken = False
        await until(lambda: not one.is_spooling and not two.is_spooling)
    assert {gap.body["service"]: gap.body["count"] for gap in gaps_of(table.entries)} == {
        "gateway": 5,
        "signal": 5,
    }
    odd = [n for n in numbers_of(table.entries) if isinstance(n, int) and n % 2]
    assert odd == [1, 3, 5, 7, 9]


async def test_damage_to_the_spool_is_in_the_record(desk: Desk) -> None:
    table = MemoryAuditTable()
    table.broken = True
    async with desk.log(table) as log:
        for number in range(4):
            await log.append(a_note(number))
    (spool,) = desk.folder.glob("gateway/*.jsonl")
    lines = spool.read_bytes().splitlines(keepends=True)
    spool.write_bytes(b"".join([lines[0], *lines[2:]]))
    table.broken = False
    async with desk.log(table) as log:
        await until(lambda: not log.is_spooling)
    assert numbers_of(table.entries) == [0, 2, 3]
    (gap,) = gaps_of(table.entries)
    assert gap.body["intact"] is False
    assert list(desk.folder.glob("gateway/*.damaged"))


async def test_entries_cut_off_while_we_run_are_missed(desk: Desk) -> None:
    table = MemoryAuditTable()
    table.broken = True
    async with desk.log(table) as log:
        for number in range(4):
            await log.append(a_note(number))
        (spool,) = desk.folder.glob("gateway/*.jsonl")
        spool.write_bytes(b"".join(spool.read_bytes().splitlines(keepends=True)[:2]))
        table.broken = False
        await until(lambda: not log.is_spooling)
    (gap,) = gaps_of(table.entries)
    assert (gap.body["count"], gap.body["expected"], gap.body["intact"]) == (2, 4, False)


async def test_without_room_the_action_is_refused_until_there_is_some(desk: Desk) -> None:
    table = MemoryAuditTable()
    table.broken = True
    accepted: list[int] = []
    refused: list[str] = []
    async with desk.log(table, most=2_000) as log:
        for number in range(20):
            try:
                await log.append(a_note(number))
            except SafetyError as error:
                refused.append(str(error))
            else:
                accepted.append(number)
        assert accepted
        assert all("is full" in why for why in refused)
        table.broken = False
        await until(lambda: not log.is_spooling)
        await log.append(a_note(99))
    assert numbers_of(table.entries) == [*accepted, 99]
    assert desk.told["refused"] == len(refused) > 0


async def test_a_closed_log_refuses(desk: Desk) -> None:
    async with desk.log(MemoryAuditTable()) as log:
        await log.append(a_note(1))
    with pytest.raises(SafetyError, match="closed"):
        await log.append(a_note(2))


async def test_closing_waits_for_what_was_asked(desk: Desk) -> None:
    table = HeldTable()
    table.free.clear()
    async with desk.log(table) as log:
        asking = [asyncio.create_task(log.append(a_note(number))) for number in range(3)]
        await asyncio.sleep(0)
        table.free.set()
    await asyncio.gather(*asking)
    assert numbers_of(table.entries) == [0, 1, 2]


@pytest.fixture
async def server(server_ground: Path, desk: Desk) -> AsyncIterator[EmbeddedPostgres]:
    found = EmbeddedPostgres(server_ground / f"audit-{desk.folder.name}")
    migrate(found.start())
    yield found
    found.remove()


async def test_the_server_is_stopped_and_started_again(
    server: EmbeddedPostgres, desk: Desk
) -> None:
    pool = await open_pool(server.start(), min_size=1, max_size=2, checkout_seconds=5)
    table = PostgresAuditTable(pool)
    sent: list[int] = []

    async def send(log: DurableAuditLog, numbers: range) -> None:
        for number in numbers:
            await log.append(a_note(number))
            sent.append(number)

    async with desk.log(table) as log:
        await send(log, range(10))
        stopping = asyncio.create_task(asyncio.to_thread(server.stop))
        await send(log, range(10, 30))
        await stopping
        await send(log, range(30, 40))
        assert log.is_spooling
        await asyncio.to_thread(server.start)
        await until(lambda: not log.is_spooling)
        await send(log, range(40, 45))
        entries = await table.since()
    await pool.close()
    assert verify(entries, domain=AUDIT_DOMAIN) is None
    assert numbers_of(entries) == sent == list(range(45))
    assert gaps_of(entries)


TAMPER: dict[str, tuple[tuple[str, ...], int, Fault]] = {
    "flip": (("UPDATE audit_log SET body = '{\"n\":9}' WHERE seq = 3",), 3, Fault.CONTENT),
    "actor": (("UPDATE audit_log SET actor = 'user:mallory' WHERE seq = 3",), 3, Fault.CONTENT),
    "time": (("UPDATE audit_log SET at = at + '1 s' WHERE seq = 2",), 2, Fault.CONTENT),
    "unreadable": (("UPDATE audit_log SET body = '{' WHERE seq = 4",), 4, Fault.CONTENT),
    "delete": (("DELETE FROM audit_log WHERE seq = 3",), 3, Fault.NUMBER),
    "close the gap": (
        (
            "DELETE FROM audit_log WHERE seq = 3",
            "UPDATE audit_log SET seq = seq - 1 WHERE seq = 4",
            "UPDATE audit_log SET seq = seq - 1 WHERE seq = 5",
            "UPDATE audit_log SET seq = seq - 1 WHERE seq = 6",
        ),
        3,
        Fault.LINK,
    ),
    "insert": (
        (
            "UPDATE audit_log SET seq = seq + 100 WHERE seq >= 4",
            "UPDATE audit_log SET seq = seq - 99 WHERE seq >= 104",
            "ALTER TABLE audit_log DROP CONSTRAINT audit_log_prev_hash_key",
            """INSERT INTO audit_log SELECT 4, 'x', at, actor, kind, body, hash, repeat('0', 64)
            FROM audit_log WHERE seq = 3""",
        ),
        4,
        Fault.CONTENT,
    ),
    "reorder": (
        (
            "UPDATE audit_log SET seq = 99 WHERE seq = 3",
            "UPDATE audit_log SET seq = 3 WHERE seq = 4",
            "UPDATE audit_log SET seq = 4 WHERE seq = 99",
        ),
        3,
        Fault.LINK,
    ),
    "cut the tail": (("DELETE FROM audit_log WHERE seq >= 5",), 5, Fault.MISSING),
    "truncate": (("TRUNCATE audit_log",), 1, Fault.MISSING),
}


def as_superuser(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as link:
        link.execute("ALTER TABLE audit_log DISABLE TRIGGER USER")
        for statement in statements:
            link.execute(statement.encode())
        link.execute("ALTER TABLE audit_log ENABLE TRIGGER USER")


@pytest.mark.parametrize("how", TAMPER)
async def test_tampering_is_found(how: str, database_url: str) -> None:
    pool = await open_pool(database_url, min_size=1, max_size=2)
    table = PostgresAuditTable(pool)
    await table.append({f"id-{number}": a_note(number) for number in range(6)})
    noted = head((await table.since())[-1])
    statements, seq, fault = TAMPER[how]
    as_superuser(database_url, *statements)
    found = verify(await table.since(), known=[noted], domain=AUDIT_DOMAIN)
    await pool.close()
    assert found == Break(seq, fault)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET actor = 'user:mallory'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "INSERT INTO audit_log VALUES (9, 'x', now(), 'a', 'k', '{}', 'p', 'h')",
        "INSERT INTO audit_log VALUES (2, 'x', now(), 'a', 'k', '{}', 'p', 'h')",
    ],
)
async def test_the_table_refuses_change(statement: str, database_url: str) -> None:
    pool = await open_pool(database_url, min_size=1, max_size=1)
    await PostgresAuditTable(pool).append({"id-1": a_note(1)})
    await pool.close()
    with (
        psycopg.connect(database_url, autocommit=True) as link,
        pytest.raises(psycopg.IntegrityError),
    ):
        link.execute(statement.encode())


async def test_a_fork_from_a_backup_is_found_by_a_noted_head(database_url: str) -> None:
    pool = await open_pool(database_url, min_size=1, max_size=2)
    table = PostgresAuditTable(pool)
    await table.append({f"id-{number}": a_note(number) for number in range(4)})
    noted = head((await table.since())[-1])
    as_superuser(database_url, "DELETE FROM audit_log WHERE seq >= 3")
    await table.append({f"other-{number}": a_note(number) for number in range(7, 10)})
    entries = await table.since()
    await pool.close()
    assert verify(entries, domain=AUDIT_DOMAIN) is None
    assert verify(entries, known=[noted], domain=AUDIT_DOMAIN) == Break(4, Fault.REWRITTEN)
