"""The audit log's table in PostgreSQL: one chain for all services, one writer at a time.

Triggers refuse every change and every entry that does not follow the last; what they cannot stop,
its owner, `compliance.chain.verify` finds. Whatever goes wrong in appending is a SafetyError:
whoever asked must not go on without a record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import psycopg

from tradewright.adapters.postgres.journal import entry_columns, read_entry
from tradewright.adapters.postgres.pool import Pool, first_line, statements, transaction
from tradewright.compliance.chain import AUDIT_DOMAIN, head, link_all
from tradewright.core.errors import SafetyError
from tradewright.core.records import JournalEntry, Note

_SQL = statements("audit")


class PostgresAuditTable:
    """The lasting place of the audit log."""

    def __init__(self, pool: Pool) -> None:
        """Write and read over the connections of a pool."""
        self._pool = pool

    async def append(self, notes: Mapping[str, Note]) -> int:
        """Append all that are not there under their ids, in order, in one transaction.

        Returns:
            How many were not there.

        Raises:
            SafetyError: Whether they were appended cannot be known.
        """
        try:
            async with transaction(self._pool, "appending to the audit log") as link:
                await link.execute(_SQL["lock"])
                found = await link.execute(_SQL["present"], {"ids": list(notes)})
                present = {row["entry_id"] for row in await found.fetchall()}
                fresh = {name: note for name, note in notes.items() if name not in present}
                last = await (await link.execute(_SQL["last"])).fetchone()
                previous = None if last is None else head(read_entry(last))
                entries = link_all(fresh.values(), previous, domain=AUDIT_DOMAIN)
                columns = entry_columns(entries) | {"entry_id": list(fresh)}
                await link.execute(_SQL["append"], columns)
        except psycopg.Error as failure:
            what = f"appending to the audit log: PostgreSQL refused ({first_line(failure)})"
            raise SafetyError(what) from failure
        return len(fresh)

    async def since(self, seq: int = 0, limit: int = 1000) -> Sequence[JournalEntry]:
        """Return the entries numbered above `seq`, in order, at most `limit` of them."""
        async with transaction(self._pool, "reading the audit log") as link:
            cursor = await link.execute(_SQL["since"], {"seq": seq, "limit": limit})
            return tuple(read_entry(row) for row in await cursor.fetchall())

    async def last(self) -> JournalEntry | None:
        """Return the newest entry, None while there is none."""
        async with transaction(self._pool, "reading the audit log") as link:
            row = await (await link.execute(_SQL["last"])).fetchone()
            return None if row is None else read_entry(row)

    async def find(
        self,
        *,
        actor: str | None = None,
        kind: str | None = None,
        start: datetime | None = None,
        limit: int = 100,
    ) -> Sequence[JournalEntry]:
        """Return the newest entries that fit all that is given, newest first."""
        asked = {"actor": actor, "kind": kind, "start": start, "limit": limit}
        async with transaction(self._pool, "reading the audit log") as link:
            cursor = await link.execute(_SQL["find"], asked)
            return tuple(read_entry(row) for row in await cursor.fetchall())
