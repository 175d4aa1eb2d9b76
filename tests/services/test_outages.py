"""A service under a hundred callers while its databases go away and come back.

Every answer is a success or a refusal that says so, none comes later than its time-out, and every
note that was accepted is in the database once they are back.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.services.notebook import Notebook, a_notebook
from tradewright.adapters.embedded import EmbeddedServices, embedded_services
from tradewright.adapters.postgres import migrate

CALLERS = 100
SECONDS = 10.0
LATEST = SECONDS + 3.0
"""What is left when a request's time is over is to say so, a hundred times on one core."""
PATIENCE = 120.0
PAUSE = 0.1
"""Between a caller's answer and its next request: a crowd of people, and no hammer."""
SETTINGS = {
    "DATABASE_POOL_MIN": "8",
    "DATABASE_POOL_MAX": "8",
    "DATABASE_TIMEOUT_SECONDS": "4",
    "REQUEST_TIMEOUT_SECONDS": str(SECONDS),
}
REFUSALS = {
    503: {"state_unknown", "limiter_unavailable", "database_unavailable", "timeout", "busy"},
    504: {"timeout"},
}


class Line:
    """A caller's own connection: a hundred full clients would take the time of what they test."""

    def __init__(
        self, book: Notebook, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._book = book
        self._reader = reader
        self._writer = writer

    async def write(self, text: str) -> tuple[int, dict[str, Any]]:
        """The status and the body that a signed request to write a note is answered with."""
        content = json.dumps({"text": text}).encode()
        told = self._book.signed("POST", "/notes", content) | {
            "Host": "localhost",
            "Content-Type": "application/json",
            "Content-Length": str(len(content)),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        self._writer.write(f"POST /notes HTTP/1.1\r\n{head}\r\n".encode() + content)
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        length = next(line for line in lines if line.startswith("content-length:"))
        body = json.loads(await self._reader.readexactly(int(length.partition(":")[2])))
        return int(lines[0].split()[1]), body


@asynccontextmanager
async def a_line(book: Notebook) -> AsyncIterator[Line]:
    port = int(book.server.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Line(book, reader, writer)
    finally:
        writer.close()


@dataclass
class Load:
    """What callers were told, request by request."""

    book: Notebook
    accepted: dict[int, str] = field(default_factory=dict)
    refused: Counter[tuple[int, str]] = field(default_factory=Counter)
    slowest: float = 0.0
    phase: str = "before"
    by_phase: Counter[tuple[str, bool]] = field(default_factory=Counter)
    stopped: bool = False
    told: asyncio.Event = field(default_factory=asyncio.Event)

    async def call(self, caller: int) -> None:
        """Write notes, one after the other, until told to stop."""
        number = 0
        async with a_line(self.book) as line:
            while not self.stopped:
                number += 1
                text, phase = f"{caller}-{number}", self.phase
                began = time.monotonic()
                status, answer = await line.write(text)
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.by_phase[phase, status == 201] += 1
                self.told.set()
                if status == 201:
                    self.accepted[answer["id"]] = text
                else:
                    self.refused[status, answer["code"]] += 1
                await asyncio.sleep(PAUSE)

    async def until(self, enough: Callable[[], bool]) -> None:
        """Go on until something has been seen often enough."""
        async with asyncio.timeout(PATIENCE):
            while not enough():
                self.told.clear()
                await self.told.wait()

    async def sees(self, phase: str, *, fine: bool, times: int = CALLERS) -> None:
        """Enter a phase and go on until it has brought so many answers of a kind."""
        self.phase = phase
        await self.until(lambda: self.by_phase[phase, fine] >= times)


@asynccontextmanager
async def loaded(book: Notebook) -> AsyncIterator[Load]:
    load = Load(book)
    async with asyncio.TaskGroup() as callers:
        for caller in range(CALLERS):
            callers.create_task(load.call(caller))
        try:
            yield load
        finally:
            load.stopped = True


@pytest.fixture
def own(server_ground: Path, request: pytest.FixtureRequest) -> Iterator[EmbeddedServices]:
    """Servers that a test may stop."""
    folder = server_ground / f"outage-{abs(hash(request.node.nodeid)):x}"
    with embedded_services(folder, keep=False) as running:
        migrate(running.database_url)
        yield running


@pytest.fixture
async def book(own: EmbeddedServices, tmp_path: Path) -> AsyncIterator[Notebook]:
    async with a_notebook(tmp_path, own.database_url, own.redis_url, settings=SETTINGS) as running:
        yield running


async def written(load: Load) -> dict[int, str]:
    resources = load.book.shelf.resources
    assert resources is not None
    async with resources.pool.connection() as link:
        found = await link.execute("SELECT id, text FROM notes")
        return {row["id"]: row["text"] for row in await found.fetchall()}


async def hold(load: Load) -> None:
    """What must be true of every outage when it is over."""
    rows = await written(load)
    assert load.accepted.items() <= rows.items()
    # What was not accepted may stand there, if the answer was lost on its way; never twice.
    assert len(set(rows.values())) == len(rows)
    assert load.slowest < LATEST
    unknown = {one for one in load.refused if one[1] not in REFUSALS.get(one[0], set())}
    assert not unknown


async def test_redis_stops_and_comes_back(own: EmbeddedServices, book: Notebook) -> None:
    async with loaded(book) as load:
        await load.sees("before", fine=True)
        await asyncio.to_thread(own.redis.stop)
        await load.sees("gone", fine=False)
        assert (await book.http.get("/ready")).status_code == 503
        assert (await book.http.get("/health")).status_code == 200
        await asyncio.to_thread(own.redis.start)
        await load.sees("back", fine=True)
    await hold(load)
    assert set(load.refused) <= {(503, "state_unknown"), (503, "limiter_unavailable")}


async def test_redis_is_flushed(own: EmbeddedServices, book: Notebook) -> None:
    client = Redis.from_url(own.redis_url)
    async with loaded(book) as load:
        await load.sees("before", fine=True)
        await client.flushall()
        await load.sees("after", fine=True)
    await client.aclose()
    await hold(load)
    # Of what was signed before and came after, nobody knows whether it was shown before.
    assert set(load.refused) <= {(503, "state_unknown")}


async def test_postgresql_stops_and_comes_back(own: EmbeddedServices, book: Notebook) -> None:
    async with loaded(book) as load:
        await load.sees("before", fine=True)
        await asyncio.to_thread(own.postgres.stop)
        await load.sees("gone", fine=False)
        assert (await book.http.get("/ready")).status_code == 503
        await asyncio.to_thread(own.postgres.start)
        await load.sees("back", fine=True)
    await hold(load)
