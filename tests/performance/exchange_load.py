"""How many orders a second the rehearsal exchange takes, over HTTP, with its state on disk.

The client writes requests by hand on raw sockets, and has them written before it begins, so that
what is measured is the server. It runs in a process of its own, beside one of the exchange as
`tradewright exchange serve` starts it.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

DAY = "2015-05-04"
AN_HOUR_IN = "2015-05-04T14:30:00Z"
SYMBOLS = 10
_SERVE = [sys.executable, "-m", "tradewright", "exchange", "serve", "--with-parent"]
_ANSWERED = b"HTTP/1.1 200"


@dataclass(frozen=True, slots=True)
class Load:
    """What was measured: accepted orders a second, and seconds from request to answer.

    `processor` is what the exchange spent on an order, in seconds of one core: on a machine that
    has other things to do, its reciprocal says what a core of its own could take.
    """

    rate: float
    processor: float
    median: float
    p99: float
    worst: float
    orders: int


@contextmanager
def a_served_day(folder: Path | None) -> Iterator[tuple[int, int]]:
    """An exchange an hour into a simulated day of ten symbols: its port and its process."""
    state = [] if folder is None else ["--state", str(folder)]
    asked = ["--day", DAY, "--timeframe", "minute", "--port", "0", "--cash", "1000000000", *state]
    # It stops when its standard input is closed.
    pipe = subprocess.PIPE
    process = subprocess.Popen([*_SERVE, *asked], stdin=pipe, stdout=pipe)
    try:
        assert process.stdout is not None
        port = int(json.loads(process.stdout.readline())["listening"].rsplit(":", 1)[1])
        asyncio.run(_moved(port))
        yield port, process.pid
    finally:
        process.terminate()
        process.communicate(timeout=30)


def exchange_orders_per_second(
    *, orders: int = 15_000, connections: int = 50, durable: bool = True
) -> Load:
    """Measure market orders over keep-alive connections, each waiting for its answer."""
    with (
        tempfile.TemporaryDirectory(dir=Path.cwd()) as folder,
        a_served_day(Path(folder) if durable else None) as (port, process),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(_loaded(port, process, orders // connections, connections))


def _order(place: int, name: str, number: int) -> bytes:
    order = {
        "symbol": f"SIM{place % SYMBOLS + 1:02d}",
        "qty": "1",
        "side": "sell" if number % 2 else "buy",
        "type": "market",
        "time_in_force": "day",
        "client_order_id": f"{name}-{place}-{number}",
    }
    return _request("/v2/orders", order)


def _request(path: str, body: object) -> bytes:
    text = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: exchange\r\nContent-Type: application/json\r\n"
        "APCA-API-KEY-ID: rehearsal\r\nAPCA-API-SECRET-KEY: rehearsal\r\n"
        f"Content-Length: {len(text)}\r\n\r\n"
    )
    return head.encode() + text


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"content-length:")[2].partition(b"\r")[0]
    return head + await reader.readexactly(int(length))


async def _moved(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(_request("/rehearsal/advance", {"to": AN_HOUR_IN}))
    said = await _answer(reader)
    writer.close()
    assert said.startswith(_ANSWERED), said


def _spent(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _loaded(port: int, process: int, share: int, connections: int) -> Load:
    taken: list[float] = []

    async def trade(requests: Sequence[bytes]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for request in requests:
            began = time.perf_counter()
            writer.write(request)
            said = await _answer(reader)
            if not said.startswith(_ANSWERED):
                raise RuntimeError(said.decode())
            taken.append(time.perf_counter() - began)
        writer.close()

    def orders(name: str, each: int) -> list[list[bytes]]:
        places = range(connections)
        return [[_order(place, name, number) for number in range(each)] for place in places]

    await asyncio.gather(*map(trade, orders("warm", 6)))
    taken.clear()
    ready = orders("load", share)
    began, spent = time.perf_counter(), _spent(process)
    await asyncio.gather(*map(trade, ready))
    seconds, spent = time.perf_counter() - began, _spent(process) - spent
    taken.sort()
    return Load(
        rate=len(taken) / seconds,
        processor=spent / len(taken),
        median=taken[len(taken) // 2],
        p99=taken[len(taken) * 99 // 100],
        worst=taken[-1],
        orders=len(taken),
    )


if __name__ == "__main__":
    print(exchange_orders_per_second())
