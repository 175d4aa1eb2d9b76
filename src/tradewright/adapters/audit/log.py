"""The audit log of one process: notes go to the database together, to the spool when it is down.

Whoever appends waits until the note is safe in one of the two. While anything waits in the spool
new notes go behind it, so that a service's entries keep their order; a task of the log's own puts
them into the database when it answers again, and an `audit.gap` entry says what came late.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Final, Self

from tradewright.adapters.audit.spool import AuditSpool, Page
from tradewright.compliance.chain import Head, link
from tradewright.core.errors import SafetyError
from tradewright.core.records import JournalEntry, JsonValue, Note
from tradewright.ports import AuditTable, Clock

GAP: Final = "audit.gap"
_MOST: Final = 200
"""Notes that go to the database in one transaction."""


@dataclass(frozen=True, slots=True)
class AuditPatience:
    """How long the database may take, and how often it is tried again while it is down."""

    answer_seconds: float = 2.0
    retry_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class _Asked:
    id: str
    note: Note
    done: asyncio.Future[None]


class _Reading:
    # How far a spool has been read, and what a gap entry says of it.
    def __init__(self) -> None:
        self.end = 0
        self.last: Head | None = None
        self.count = 0
        self.first: datetime | None = None
        self.latest: datetime | None = None
        self.intact = True

    def take(self, page: Page) -> None:
        self.end, self.last = page.end, page.last
        self.count += len(page.notes)
        self.intact = self.intact and page.intact
        for note in page.notes.values():
            self.first = min(self.first or note.at, note.at)
            self.latest = max(self.latest or note.at, note.at)


class AbsentAuditTable:
    """The table where there is no database: nothing is known of it and nothing is appended."""

    async def append(self, notes: Mapping[str, Note]) -> int:
        """Raise SafetyError."""
        raise _absent(f"{len(notes)} entries wait")

    async def since(self, seq: int = 0, limit: int = 1000) -> Sequence[JournalEntry]:
        """Raise SafetyError."""
        raise _absent(f"nothing from {seq} on is read, nor {limit} entries of it")

    async def last(self) -> JournalEntry | None:
        """Raise SafetyError."""
        raise _absent("nothing is read")

    async def find(
        self,
        *,
        actor: str | None = None,
        kind: str | None = None,
        start: datetime | None = None,
        limit: int = 100,
    ) -> Sequence[JournalEntry]:
        """Raise SafetyError."""
        raise _absent(f"nothing is read of {actor}, {kind}, {start}, {limit}")


def _absent(what: str) -> SafetyError:
    return SafetyError(f"there is no database for the audit log: {what}")


class DurableAuditLog:
    """The audit log for one service; use it as an asynchronous context."""

    def __init__(
        self,
        table: AuditTable,
        spool: AuditSpool,
        *,
        service: str,
        clock: Clock,
        ids: Callable[[], str],
        patience: AuditPatience | None = None,
        told: Callable[[str, int], None] | None = None,
    ) -> None:
        """Write to `table`, else to `spool`, which this log closes at its end.

        Args:
            table: The lasting place.
            spool: Where notes wait while it is down.
            service: In whose name a gap is told of.
            clock: When a gap is told of.
            ids: Gives a fresh id for each note.
            patience: How long to wait for the table.
            told: Is told `database`, `spool`, `refused`, `reattached` and `sink_failure` with a
                count, and `waiting` and `waiting_bytes` with what the spool holds.
        """
        self._table = table
        self._spool = spool
        self._service = service
        self._clock = clock
        self._ids = ids
        self._patience = patience or AuditPatience()
        self._told = told or (lambda _what, _count: None)
        self._waiting: list[_Asked] = []
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        self._spooling = spool.count > 0
        self._open = False
        self._stop = asyncio.Event()
        self._drains = asyncio.Event()
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    @property
    def is_spooling(self) -> bool:
        """Whether notes wait on disk for the database."""
        return self._spooling

    async def append(self, note: Note) -> None:
        """Append a note durably, to the database or to the spool.

        Raises:
            InvalidInput: The note cannot be written exactly.
            SafetyError: It could be kept nowhere, so what it tells of must not be done.
        """
        link(note)
        if not self._open:
            raise SafetyError("the audit log is closed")
        asked = _Asked(self._ids(), note, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        self._wake.set()
        await asked.done

    async def drained(self) -> None:
        """Wait until nothing waits on disk, or the log is closed."""
        while self._spooling and self._open:
            await self._drains.wait()

    async def __aenter__(self) -> Self:
        self._open = True
        writer = asyncio.create_task(self._write(), name="audit.write")
        writer.add_done_callback(self._ended)
        keeper = asyncio.create_task(self._keep_trying(), name="audit.reattach")
        self._tasks = (writer, keeper)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open = False
        self._wake.set()
        self._stop.set()
        # Not cancelled: a thread may be at the spool's file, which is closed after it.
        await asyncio.gather(*self._tasks)
        self._spool.close()

    def _ended(self, writer: asyncio.Task[None]) -> None:
        # However the writer ended, nobody may wait for it in vain.
        self._open = False
        self._answer(self._waiting, SafetyError("the audit log's writer has ended"))
        if not writer.cancelled():
            writer.exception()

    async def _write(self) -> None:
        while self._open or self._waiting:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch = self._waiting[:_MOST]
                async with self._turn:
                    failure = await self._kept({asked.id: asked.note for asked in batch})
                del self._waiting[: len(batch)]
                self._answer(batch, failure)
            if not self._open:
                self._wake.set()

    async def _kept(self, notes: Mapping[str, Note]) -> SafetyError | None:
        if not self._spooling:
            try:
                await self._to_table(notes)
            except SafetyError:
                self._spooling = True
                self._told("sink_failure", 1)
            else:
                self._told("database", len(notes))
                return None
        try:
            await asyncio.to_thread(self._spool.append, notes)
        except SafetyError as failure:
            self._told("refused", len(notes))
            return failure
        self._told("spool", len(notes))
        self._tell_waiting()
        return None

    def _answer(self, batch: Sequence[_Asked], failure: SafetyError | None) -> None:
        for asked in batch:
            if asked.done.done():
                continue
            if failure is None:
                asked.done.set_result(None)
            else:
                asked.done.set_exception(SafetyError(str(failure)))

    async def _to_table(self, notes: Mapping[str, Note]) -> None:
        try:
            async with asyncio.timeout(self._patience.answer_seconds):
                await self._table.append(notes)
        except TimeoutError as error:
            raise SafetyError("the audit log's table did not answer in time") from error

    async def _keep_trying(self) -> None:
        while self._open:
            try:
                for left in self._spool.leftovers():
                    with contextlib.closing(left):
                        await self._drain(left, None)
                if self._spooling:
                    await self._drain(self._spool, self._turn)
            except SafetyError:
                self._told("sink_failure", 1)
            self._tell_waiting()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), self._patience.retry_seconds)

    async def _drain(self, spool: AuditSpool, turn: asyncio.Lock | None) -> None:
        reading = _Reading()
        while self._open:
            page = await asyncio.to_thread(spool.page, reading.end, _MOST, reading.last)
            if len(page.notes) < _MOST:
                break
            await self._to_table(page.notes)
            reading.take(page)
        if not self._open:
            return
        # What has come in since is few; while it is written nobody else writes.
        async with turn or contextlib.nullcontext():
            page = await asyncio.to_thread(spool.page, reading.end, spool.size, reading.last)
            reading.take(page)
            intact = reading.intact and reading.count == spool.count
            notes = dict(page.notes) | self._gap(spool, reading, intact=intact)
            await self._to_table(notes)
            await asyncio.to_thread(spool.clear, intact=intact)
            if spool is self._spool:
                self._spooling = False
                self._drains.set()
                self._drains.clear()
        self._told("reattached", reading.count)

    def _gap(self, spool: AuditSpool, reading: _Reading, *, intact: bool) -> dict[str, Note]:
        if not spool.count:
            # The database failed and so did the spool: nothing was accepted, nothing is late.
            return {}
        told: Mapping[str, JsonValue] = {
            "service": self._service,
            "count": reading.count,
            "expected": spool.count,
            "first": reading.first.isoformat() if reading.first else None,
            "last": reading.latest.isoformat() if reading.latest else None,
            "intact": intact,
        }
        # The same content gives the same id: a gap is told of once, however often it is tried.
        return {f"gap-{spool.name}": Note(self._clock.now(), self._service, GAP, told)}

    def _tell_waiting(self) -> None:
        self._told("waiting", self._spool.count)
        self._told("waiting_bytes", self._spool.size)
