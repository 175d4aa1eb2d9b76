"""Fakes of the audit log and of its table: lists, linked like the real chain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradewright.compliance.chain import AUDIT_DOMAIN, head, link_all
from tradewright.core.errors import SafetyError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from tradewright.core.records import JournalEntry, Note


class MemoryAuditLog:
    """The audit log as a list; `broken` makes it fail as one whose disk is full too."""

    def __init__(self) -> None:
        """Start empty and whole."""
        self.entries: list[JournalEntry] = []
        self.broken = False

    async def append(self, note: Note) -> None:
        """Append a note, or raise SafetyError while broken."""
        if self.broken:
            raise SafetyError(f"the audit log could not keep {note.kind!r}")
        last = head(self.entries[-1]) if self.entries else None
        self.entries.extend(link_all([note], last, domain=AUDIT_DOMAIN))


class MemoryAuditTable:
    """The table as a list; `broken` makes it fail as one whose server is gone."""

    def __init__(self) -> None:
        """Start empty and whole."""
        self.entries: list[JournalEntry] = []
        self.broken = False
        self._ids: set[str] = set()

    async def append(self, notes: Mapping[str, Note]) -> int:
        """Append, all or none and in order, what is not there under its id; return how many."""
        self._answer()
        fresh = {name: note for name, note in notes.items() if name not in self._ids}
        last = head(self.entries[-1]) if self.entries else None
        self.entries.extend(link_all(fresh.values(), last, domain=AUDIT_DOMAIN))
        self._ids.update(fresh)
        return len(fresh)

    async def since(self, seq: int = 0, limit: int = 1000) -> Sequence[JournalEntry]:
        """Return the entries numbered above `seq`, in order, at most `limit` of them."""
        self._answer()
        return tuple(self.entries[seq : seq + limit])

    async def last(self) -> JournalEntry | None:
        """Return the newest entry, None while there is none."""
        self._answer()
        return self.entries[-1] if self.entries else None

    async def find(
        self,
        *,
        actor: str | None = None,
        kind: str | None = None,
        start: datetime | None = None,
        limit: int = 100,
    ) -> Sequence[JournalEntry]:
        """Return the newest entries that fit all that is given, newest first."""
        self._answer()
        found = [
            entry
            for entry in reversed(self.entries)
            if actor in (None, entry.actor)
            and kind in (None, entry.kind)
            and (start is None or entry.at >= start)
        ]
        return tuple(found[:limit])

    def _answer(self) -> None:
        if self.broken:
            raise SafetyError("the audit log's table does not answer")
