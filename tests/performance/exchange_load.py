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
from typing import cast

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
    return head + await reader.readexactly(_length(head))


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0])


async def _moved(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(_request("/rehearsal/advance", {"to": AN_HOUR_IN}))
    said = await _answer(reader)
    writer.close()
    assert said.startswith(_ANSWERED), said


def _spent(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class _Trader(asyncio.Protocol):
    """One connection, which sends its next request as soon as the one before is answered."""

    def __init__(self, requests: Sequence[bytes], taken: list[float]) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self._requests = iter(requests)
        self._taken = taken
        self._transport: asyncio.Transport | None = None
        self._said = b""
        self._whole = 0
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._said += data
        if not self._whole:
            head, found, _ = self._said.partition(b"\r\n\r\n")
            if found:
                self._whole = len(head) + len(found) + _length(head)
        if not self._whole or len(self._said) < self._whole:
            return
        self._taken.append(time.perf_counter() - self._began)
        if self._said.startswith(_ANSWERED):
            self._ask()
        else:
            self._end(RuntimeError(self._said.decode()))

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or ConnectionError("the exchange has closed the connection"))

    def _ask(self) -> None:
        assert self._transport is not None
        request = next(self._requests, None)
        if request is None:
            self._end(None)
            return
        self._said, self._whole = b"", 0
        self._began = time.perf_counter()
        self._transport.write(request)

    def _end(self, error: Exception | None) -> None:
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)
        if self._transport is not None:
            self._transport.close()


async def _loaded(port: int, process: int, share: int, connections: int) -> Load:
    loop = asyncio.get_running_loop()

    async def trade(requests: Sequence[bytes], taken: list[float]) -> None:
        _, trader = await loop.create_connection(
            lambda: _Trader(requests, taken), "127.0.0.1", port
        )
        await trader.done

    def orders(name: str, each: int) -> list[list[bytes]]:
        places = range(connections)
        return [[_order(place, name, number) for number in range(each)] for place in places]

    await asyncio.gather(*[trade(requests, []) for requests in orders("warm", 6)])
    ready = orders("load", share)
    taken: list[float] = []
    began, spent = time.perf_counter(), _spent(process)
    await asyncio.gather(*[trade(requests, taken) for requests in ready])
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
