"""What PostgreSQL itself guards, and what happens when it is not there."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg import sql

from tradewright.adapters.embedded import EmbeddedPostgres
from tradewright.adapters.embedded.process import noted_pid
from tradewright.adapters.postgres import Pool, PostgresJournal, migrate, open_pool
from tradewright.adapters.postgres.pool import statements
from tradewright.adapters.postgres.schema import HEAD, MIGRATIONS
from tradewright.compliance.chain import Break, Fault, head, link, link_all, verify
from tradewright.core.errors import ConfigError, SafetyError
from tradewright.core.orders import OrderStatus
from tradewright.core.records import JournalEntry, Note

AT = datetime(2024, 3, 4, 14, 30, tzinfo=UTC)
NOTES = [Note(AT, "runner", "Submitted", {"order": f"o-{n}"}) for n in range(1, 7)]
MONEY = {
    ("orders", "qty"),
    ("orders", "limit_price"),
    ("orders", "stop_price"),
    ("orders", "trail_price"),
    ("orders", "trail_fraction"),
    ("orders", "filled_qty"),
    ("orders", "filled_notional"),
    ("orders", "filled_avg_price"),
    ("fills", "qty"),
    ("fills", "price"),
    ("fills", "fee"),
}
TIMES = {
    ("orders", "decided_at"),
    ("orders", "last_updated_at"),
    ("orders", "updated_at"),
    ("fills", "filled_at"),
    ("journal", "at"),
    ("audit_log", "at"),
    ("users", "created_at"),
    ("users", "updated_at"),
    ("users", "locked_until"),
    ("users", "setup_until"),
}


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    opened = await open_pool(database_url, min_size=1, max_size=4)
    yield opened
    await opened.close()


def run(url: str, statement: str, *values: object) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as link_:
        cursor = link_.execute(statement.encode(), values or None)
        return cursor.fetchall() if cursor.description else []


def test_money_is_numeric_and_times_have_a_zone(database_url: str) -> None:
    columns = run(
        database_url,
        "SELECT table_name, column_name, data_type, numeric_precision, numeric_scale"
        " FROM information_schema.columns WHERE table_schema = 'public'",
    )
    of_type = {
        kind: {(table, column) for table, column, found, *_ in columns if found == kind}
        for kind in {str(row[2]) for row in columns}
    }
    assert of_type["numeric"] == MONEY
    assert of_type["timestamp with time zone"] == TIMES
    assert set(of_type) == {
        "numeric",
        "timestamp with time zone",
        "text",
        "boolean",
        "integer",
        "bigint",
        "character varying",
        "ARRAY",
    }
    assert of_type["character varying"] == {("alembic_version", "version_num")}
    # Without a precision nothing is rounded on the way in.
    assert all(row[3:] == (None, None) for row in columns if row[2] == "numeric")


def test_the_database_knows_exactly_our_statuses(database_url: str) -> None:
    ((text,),) = run(
        database_url,
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'orders_status_check'",
    )
    assert sorted(re.findall(r"'(\w+)'::text", str(text))) == sorted(OrderStatus)


ORDER_ROW = {
    "client_order_id": "o-1",
    "strategy_id": "s",
    "instrument_id": "AAPL",
    "side": "buy",
    "qty": Decimal(1),
    "order_type": "market",
    "time_in_force": "day",
    "reduce_only": False,
    "intent": "",
    "decided_at": AT,
    "status": "new",
    "status_rank": 2,
    "is_terminal": False,
    "source_priority": 2,
    "updated_at": AT,
    "version": 0,
}


def insert_order(url: str, changes: dict[str, object]) -> None:
    row = ORDER_ROW | changes
    names = sql.SQL(", ").join(sql.Identifier(name) for name in row)
    values = sql.SQL(", ").join(sql.Placeholder(name) for name in row)
    with psycopg.connect(url, autocommit=True) as link_:
        link_.execute(sql.SQL("INSERT INTO orders ({}) VALUES ({})").format(names, values), row)


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"status": "cancelled"}, "orders_status_check"),
        ({"is_terminal": True}, "orders_is_terminal_check"),
        ({"status_rank": 6, "is_terminal": True}, "orders_status_rank_check"),
        ({"source_priority": 4}, "orders_source_priority_check"),
        ({"side": "short"}, "orders_side_check"),
        ({"qty": Decimal(0)}, "orders_qty_check"),
        ({"qty": Decimal("NaN")}, "orders_qty_check"),
        ({"filled_qty": Decimal(-1)}, "orders_filled_qty_check"),
        ({"limit_price": Decimal("NaN")}, "orders_prices_check"),
        ({"filled_avg_price": Decimal("Infinity")}, "orders_prices_check"),
    ],
    ids=str,
)
def test_an_order_that_cannot_be_is_refused(
    database_url: str, changes: dict[str, object], constraint: str
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match=constraint):
        insert_order(database_url, changes)
    insert_order(database_url, {})


async def a_journal(pool: Pool) -> tuple[JournalEntry, ...]:
    return tuple(await PostgresJournal(pool).append(NOTES))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE journal SET actor = 'other' WHERE seq = 3",
        "UPDATE journal SET actor = actor",
        "DELETE FROM journal WHERE seq = 6",
        "TRUNCATE journal",
        "INSERT INTO journal SELECT 8, at, actor, kind, body, 'a', 'b' FROM journal WHERE seq = 6",
        "INSERT INTO journal SELECT 7, at, actor, kind, body, 'a', 'b' FROM journal WHERE seq = 6",
        "UPDATE fills SET qty = 1",
        "DELETE FROM fills",
        "TRUNCATE fills",
    ],
)
async def test_what_is_recorded_cannot_be_changed(
    pool: Pool, database_url: str, change: str
) -> None:
    entries = await a_journal(pool)
    with pytest.raises(psycopg.IntegrityError, match=r"append-only|does not follow"):
        run(database_url, change)
    assert await PostgresJournal(pool).since() == entries


SWAP = """
    UPDATE journal SET seq = -seq WHERE seq IN (2, 3);
    UPDATE journal SET seq = 5 + seq WHERE seq IN (-2, -3)
"""
FORGED = link(Note(AT, "runner", "Submitted", {"order": "forged"}), head(link_all(NOTES)[1]))
FORGE = f"""
    UPDATE journal SET body = '{{"order":"forged"}}', hash = '{FORGED.hash}' WHERE seq = 3
"""  # noqa: S608 - the hash is our own


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ('UPDATE journal SET body = \'{"order":"x"}\' WHERE seq = 3', Break(3, Fault.CONTENT)),
        # The same facts in other bytes, bytes that are no JSON, and JSON that is no object.
        ("UPDATE journal SET body = body || ' ' WHERE seq = 3", Break(3, Fault.CONTENT)),
        ("UPDATE journal SET body = 'x' WHERE seq = 3", Break(3, Fault.CONTENT)),
        ("UPDATE journal SET body = '[]' WHERE seq = 3", Break(3, Fault.CONTENT)),
        ("UPDATE journal SET body = '{\"order\":1.5}' WHERE seq = 3", Break(3, Fault.CONTENT)),
        ("UPDATE journal SET at = at + interval '1 us' WHERE seq = 4", Break(4, Fault.CONTENT)),
        ("UPDATE journal SET actor = 'other' WHERE seq = 1", Break(1, Fault.CONTENT)),
        ("UPDATE journal SET prev_hash = 'x' WHERE seq = 5", Break(5, Fault.LINK)),
        ("DELETE FROM journal WHERE seq = 2", Break(2, Fault.NUMBER)),
        ("DELETE FROM journal WHERE seq = 6", Break(6, Fault.MISSING)),
        ("DELETE FROM journal", Break(1, Fault.MISSING)),
        (SWAP, Break(2, Fault.LINK)),
        (FORGE, Break(4, Fault.LINK)),
    ],
)
async def test_what_its_owner_changed_is_found(
    pool: Pool, database_url: str, change: str, broken: Break
) -> None:
    entries = await a_journal(pool)
    run(
        database_url,
        "ALTER TABLE journal DISABLE TRIGGER ALL;"
        f"ALTER TABLE journal DROP CONSTRAINT journal_seq_check; {change}",
    )
    found = await PostgresJournal(pool).since()
    assert verify(found, known=[head(entries[-1])]) == broken


async def test_an_entry_that_failed_leaves_no_gap(pool: Pool, database_url: str) -> None:
    await a_journal(pool)
    run(database_url, "ALTER TABLE journal ADD CONSTRAINT odd CHECK (actor <> 'nobody')")
    bad = [Note(AT, actor, "Submitted", {}) for actor in ("runner", "nobody")]
    with pytest.raises(psycopg.IntegrityError):
        await PostgresJournal(pool).append(bad)
    (entry,) = await PostgresJournal(pool).append(bad[:1])
    assert entry.seq == 7
    assert verify(await PostgresJournal(pool).since()) is None


async def test_two_processes_write_one_journal(database_url: str) -> None:
    script = """
import asyncio, sys
from datetime import UTC, datetime
from tradewright.adapters.postgres import PostgresJournal, open_pool
from tradewright.core.records import Note

async def main():
    pool = await open_pool(sys.argv[1], min_size=1, max_size=2)
    for n in range(30):
        note = Note(datetime(2024, 3, 4, tzinfo=UTC), sys.argv[2], "Submitted", {"n": n})
        await PostgresJournal(pool).append([note])
    await pool.close()

asyncio.run(main())
"""
    writers = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", script, database_url, f"w{n}")
        for n in range(2)
    ]
    assert [await writer.wait() for writer in writers] == [0, 0]
    pool = await open_pool(database_url, min_size=1, max_size=1)
    entries = await PostgresJournal(pool).since()
    await pool.close()
    assert len(entries) == 60
    assert verify(entries) is None


async def test_a_hundred_at_once_share_a_small_pool(database_url: str) -> None:
    pool = await open_pool(database_url, min_size=2, max_size=4)
    journal = PostgresJournal(pool)
    await asyncio.gather(*(journal.append(NOTES[:1]) for _ in range(100)))
    assert len(await journal.since()) == 100
    await pool.close()


def test_the_schema_is_current_and_stays_so(database_url: str) -> None:
    assert not migrate(database_url)
    assert run(database_url, "SELECT version_num FROM alembic_version") == [(HEAD,)]
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


@pytest.fixture
def empty_url(database_url: str) -> str:
    run(database_url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return database_url


def test_of_processes_that_start_at_once_one_migrates(empty_url: str) -> None:
    script = (
        "import sys; from tradewright.adapters.postgres import migrate; print(migrate(sys.argv[1]))"
    )
    with ExitStack() as running:
        starts = [
            running.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", script, empty_url], stdout=subprocess.PIPE, text=True
                )
            )
            for _ in range(3)
        ]
        said = sorted(start.communicate(timeout=60)[0].strip() for start in starts)
    assert said == ["False", "False", "True"]


def test_a_failed_migration_leaves_nothing(empty_url: str) -> None:
    run(empty_url, "CREATE TABLE journal (mine text)")
    with pytest.raises(ConfigError, match=rf"cannot be brought to '{HEAD}': .*journal.*exists"):
        migrate(empty_url)
    tables = run(empty_url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert tables == [("journal",)]


def test_a_database_of_a_later_version_is_left_alone(database_url: str) -> None:
    run(database_url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ConfigError, match=r"schema '9999'.*upgrade tradewright"):
        migrate(database_url)


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://u:secret@127.0.0.1:{port}/book", "'book' at 127.0.0.1:{port}: .*refused"),
        ("postgresql://u:secret@/book?host=/no/such/folder", "at /no/such/folder:5432: .*No such"),
        ("postgres//u:secret@127.0.0.1", "cannot be read.*write DATABASE_URL as"),
        ("postgresql://u:secret@127.0.0.1/book?sslmod=x", "cannot be read.*write DATABASE_URL as"),
    ],
)
async def test_a_url_that_does_not_answer_is_one_plain_line(url: str, said: str) -> None:
    port = closed_port()
    with pytest.raises(ConfigError, match=said.format(port=port)) as opening:
        await open_pool(url.format(port=port))
    with pytest.raises(ConfigError, match=said.format(port=port)) as migrating:
        migrate(url.format(port=port))
    for caught in (opening, migrating):
        assert "\n" not in str(caught.value)
        assert "secret" not in str(caught.value)


async def test_a_server_that_never_answers_is_given_up(postgres_url: str) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        port = mute.getsockname()[1]
        url = f"postgresql://u@127.0.0.1:{port}/book?connect_timeout=2"
        with pytest.raises(ConfigError, match=f"at 127.0.0.1:{port}: .*time"):
            await open_pool(url)
        with pytest.raises(ConfigError, match=f"at 127.0.0.1:{port}: .*time"):
            migrate(url)
    missing = postgres_url.replace("/postgres?", "/nothing-here?")
    with pytest.raises(ConfigError, match='database "nothing-here" does not exist'):
        await open_pool(missing)


async def test_a_server_that_dies_leaves_the_outcome_unknown(server_ground: Path) -> None:
    with ExitStack() as undo:
        server = EmbeddedPostgres(server_ground / "dying")
        undo.callback(server.remove)
        url = server.start()
        migrate(url)
        pool = await open_pool(url, min_size=1, max_size=2, checkout_seconds=1)
        journal = PostgresJournal(pool)
        await journal.append(NOTES[:1])
        os.kill(noted_pid(server_ground / "dying" / "data" / "postmaster.pid"), signal.SIGKILL)
        for _ in range(2):
            with pytest.raises(SafetyError, match="appending to the journal: PostgreSQL did not"):
                await journal.append(NOTES[1:2])
        server.stop()
        server.start()
        # The pool finds the server again by itself.
        entries = await eventually_since(journal)
        assert [entry.seq for entry in entries] == [1]
        assert verify(entries) is None
        await pool.close()
        with pytest.raises(SafetyError):
            await journal.since()


async def eventually_since(journal: PostgresJournal) -> tuple[JournalEntry, ...]:
    for _ in range(20):
        try:
            return tuple(await journal.since())
        except SafetyError:
            continue
    pytest.fail("the pool did not find the server again")


def test_every_statement_is_named_once() -> None:
    for name in ("orders", "journal"):
        found = statements(name)
        assert all(found.values())
        assert not any(b";" in statement for statement in found.values())
    assert set(statements("journal")) == {"lock", "head", "append", "since"}
