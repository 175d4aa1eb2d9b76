"""What the frame of a service costs: signed requests that write one row, against a bare floor.

The floor is the same framework and the same INSERT on the same kind of pool, without doors, limits,
log lines, metrics, traces and headers. Each is a process of its own on the same embedded databases;
they are put under load in turns, batch by batch, since the machine may have other things to do.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any, Final

import uvicorn
import uvloop
from fastapi import FastAPI

from tests.services.notebook import SECRET, SERVICE, Kept, Shelf, Written, notebook, settings_for
from tradewright.adapters.embedded import embedded_services
from tradewright.adapters.postgres import open_pool
from tradewright.bootstrap import Databases, service_resources
from tradewright.ops.health import LoopLag, p99
from tradewright.ops.logging import configure_logging
from tradewright.ops.serving import PortServer, run
from tradewright.services.app import make_app
from tradewright.services.server import ServiceServer
from tradewright.wire import signing

CONNECTIONS: Final = 100
BATCH: Final = 400
BODY: Final = b'{"text":"a note of the load"}'
MOST_LAG_MS: Final = 50.0
LEAST_SHARE: Final = 0.5
_PATH: Final = "/notes"
_CREATED: Final = b"HTTP/1.1 201"


def _floor(databases: Databases, _folder: Path, told: Connection) -> None:
    lag = LoopLag()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.pool = await open_pool(databases.database_url)
        async with app.state.pool.connection() as link:
            await link.execute(
                "CREATE TABLE IF NOT EXISTS notes (id BIGSERIAL PRIMARY KEY, text TEXT NOT NULL)"
            )
        lag.start()
        yield
        lag.stop()
        told.send(_facts(lag, app.state.pool))
        await app.state.pool.close()

    app = FastAPI(lifespan=lifespan)

    @app.post(_PATH, status_code=201)
    async def write(body: Written) -> Kept:
        async with app.state.pool.connection() as link:
            found = await link.execute(
                "INSERT INTO notes (text) VALUES (%s) RETURNING id, text", (body.text,)
            )
            row = await found.fetchone()
        return Kept(id=row["id"], text=row["text"])

    config = uvicorn.Config(app, http="httptools", log_config=None, access_log=False)
    run(PortServer(config, "127.0.0.1", 0, ready=told.send))


def _frame(databases: Databases, folder: Path, told: Connection) -> None:
    log = (folder / "frame.log").open("w", encoding="utf-8")
    configure_logging("notebook", stream=log, threaded=True)
    settings = settings_for(folder)
    shelf = Shelf()
    app = make_app(notebook(shelf), lambda: service_resources(settings, databases, "notebook"))
    server = ServiceServer(app, "127.0.0.1", 0, ready=told.send)
    ended = server.stop

    def stop() -> None:
        # What it measured is asked for before it closes.
        assert shelf.resources is not None
        told.send(_facts(app.state.health.lag, shelf.resources.pool))
        ended()

    server.stop = stop  # type: ignore[method-assign]
    run(server)


def _facts(lag: LoopLag, pool: Any) -> dict[str, Any]:
    stats = pool.get_stats()
    failed = ("requests_errors", "connections_errors", "connections_lost", "returns_bad")
    return {
        "lag_p99_ms": round(p99(lag.samples) * 1000, 1),
        "lag_worst_ms": round(max(lag.samples, default=0.0) * 1000, 1),
        "pool_errors": sum(stats.get(name, 0) for name in failed),
        "processor_seconds": time.process_time(),
    }


@contextmanager
def _running(served: Any, databases: Databases, folder: Path) -> Iterator[tuple[int, Connection]]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=served, args=(databases, folder, theirs)
    )
    process.start()
    try:
        yield int(str(ours.recv()).rsplit(":", 1)[1]), ours
    finally:
        process.terminate()
        process.join(30)


def _requests(count: int, *, signed: bool) -> list[bytes]:
    ids = iter(range(count))
    return [_request(next(ids), signed=signed) for _ in range(count)]


def _request(number: int, *, signed: bool) -> bytes:
    headers = {"Host": "localhost", "Content-Type": "application/json"}
    if signed:
        facts = signing.RequestFacts(
            service=SERVICE,
            timestamp=str(int(time.time())),  # noqa: TID251 - the service's clock is real
            nonce=f"load-{time.monotonic_ns()}-{number}",
            method="POST",
            path=_PATH,
            query="",
            body_hash=signing.body_hash(BODY),
        )
        headers |= signing.signing_headers(facts, SECRET)
    lines = [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join([f"POST {_PATH} HTTP/1.1", *lines, f"Content-Length: {len(BODY)}", "", ""])
    return head.encode() + BODY


async def _load(port: int, count: int, *, signed: bool) -> dict[str, Any]:
    waiting = _requests(count, signed=signed)
    times: list[float] = []
    wrong = 0

    async def client() -> None:
        nonlocal wrong
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while waiting:
            began = time.perf_counter()
            writer.write(waiting.pop())
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
            await reader.readexactly(length)
            times.append(time.perf_counter() - began)
            wrong += not head.startswith(_CREATED)
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CONNECTIONS)))
    spent = time.perf_counter() - began
    return {"seconds": spent, "times": times, "refused": wrong}


def measure(databases: Databases, folder: Path, count: int) -> tuple[Side, Side]:
    """Run floor and frame side by side, under load in turns, so that both have the same weather."""
    floor, frame = Side(), Side()
    with (
        _running(_floor, databases, folder) as (floor_port, floor_told),
        _running(_frame, databases, folder) as (frame_port, frame_told),
    ):
        for port, signed in ((floor_port, False), (frame_port, True)):
            uvloop.run(_load(port, BATCH, signed=signed))
        for _ in range(-(-count // BATCH)):
            floor.take(uvloop.run(_load(floor_port, BATCH, signed=False)))
            frame.take(uvloop.run(_load(frame_port, BATCH, signed=True)))
    floor.facts, frame.facts = floor_told.recv(), frame_told.recv()
    return floor, frame


@dataclass(slots=True)
class Side:
    """One of the two: seconds of each batch, seconds of each request, and how it was."""

    batches: list[float] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    refused: int = 0
    facts: dict[str, Any] = field(default_factory=dict)

    def take(self, part: dict[str, Any]) -> None:
        """Add what a batch took."""
        self.batches.append(part["seconds"])
        self.times += part["times"]
        self.refused += part["refused"]

    @property
    def per_second(self) -> float:
        """Requests a second, in the batch of the middle."""
        return BATCH / median(self.batches)


def frame_bench(count: int) -> dict[str, Any]:
    """Measure floor and frame, and return what each did and the share."""
    with tempfile.TemporaryDirectory(prefix="tw-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with embedded_services(folder / "servers", keep=False) as servers:
            databases = Databases(servers.database_url, servers.redis_url, embedded=True)
            floor, frame = measure(databases, folder, count)
    shares = [one / other for one, other in zip(floor.batches, frame.batches, strict=True)]
    return {
        "work": f"services: {CONNECTIONS} connections, signed requests that write one row each",
        "units": count,
        "floor_per_second": round(floor.per_second),
        "per_second": round(frame.per_second),
        "share_of_floor": round(median(shares), 2),
        "milliseconds_p99": round(p99(frame.times) * 1000, 1),
        "floor_lag_p99_ms": floor.facts["lag_p99_ms"],
        "lag_p99_ms": frame.facts["lag_p99_ms"],
        "pool_errors": frame.facts["pool_errors"],
        "refused": frame.refused,
    }


def missed(found: dict[str, Any]) -> list[str]:
    """What of the promises was not kept."""
    wrong = []
    if found["share_of_floor"] < LEAST_SHARE:
        wrong.append(f"less than {LEAST_SHARE:.0%} of the floor")
    if found["lag_p99_ms"] >= MOST_LAG_MS:
        wrong.append(f"the event loop lags {MOST_LAG_MS:g} ms or more")
    if found["pool_errors"] or found["refused"]:
        wrong.append("the pool failed, or a request was refused")
    return wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    result = frame_bench(parser.parse_args().requests)
    failures = missed(result)
    sys.stdout.write(json.dumps(result | {"missed": failures}) + "\n")
    sys.exit(1 if failures else 0)
