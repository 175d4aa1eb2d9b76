"""The journal in PostgreSQL: gapless, hash-chained, one writer at a time.

The database guards itself as well: triggers refuse every change and every entry that does not
follow the last. What they cannot stop, its owner, `compliance.chain.verify` finds.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC

from psycopg.rows import DictRow

from tradewright.adapters.postgres.pool import Pool, statements, transaction
from tradewright.compliance.chain import GENESIS, Head, canonical, link_all
from tradewright.core.records import JournalEntry, JsonValue, Note

_SQL = statements("journal")


class PostgresJournal:
    """The append-only record of all that happened."""

    def __init__(self, pool: Pool) -> None:
        """Write and read over the connections of a pool."""
        self._pool = pool

    async def append(self, notes: Sequence[Note]) -> Sequence[JournalEntry]:
        """Append all or none, durably, in order.

        Raises:
            InvalidInput: A note cannot be written exactly; nothing is appended.
            SafetyError: Whether the notes were appended cannot be known.
        """
        if not notes:
            return ()
        async with transaction(self._pool, "appending to the journal") as link:
            await link.execute(_SQL["lock"])
            last = await (await link.execute(_SQL["head"])).fetchone()
            head = GENESIS if last is None else Head(last["seq"], last["hash"])
            entries = link_all(notes, head)
            await link.execute(_SQL["append"], entry_columns(entries))
        return entries

    async def since(self, seq: int = 0) -> Sequence[JournalEntry]:
        """Return the entries numbered above `seq`, in order."""
        async with transaction(self._pool, "reading the journal") as link:
            cursor = await link.execute(_SQL["since"], {"seq": seq})
            return tuple(read_entry(row) for row in await cursor.fetchall())


def entry_columns(entries: Sequence[JournalEntry]) -> dict[str, list[object]]:
    """The entries of a chain as columns, by the names of the tables that keep chains."""
    return {
        "seq": [entry.seq for entry in entries],
        "at": [entry.at for entry in entries],
        "actor": [entry.actor for entry in entries],
        "kind": [entry.kind for entry in entries],
        "body": [canonical(entry.body) for entry in entries],
        "prev_hash": [entry.previous for entry in entries],
        "hash": [entry.hash for entry in entries],
    }


def read_entry(row: DictRow) -> JournalEntry:
    """An entry as a table keeps it; one that was changed is read too, for the verifier to name."""
    return JournalEntry(
        row["seq"],
        row["at"].astimezone(UTC),
        row["actor"],
        row["kind"],
        _body(row["body"]),
        row["prev_hash"],
        row["hash"],
    )


def _body(written: str) -> Mapping[str, JsonValue]:
    # A body that somebody changed must still be readable, so that the verifier can name it.
    with contextlib.suppress(ValueError):
        body: JsonValue = json.loads(written)
        if isinstance(body, dict) and canonical(body) == written:
            return body
    return {"unreadable": written}
