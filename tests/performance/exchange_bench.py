"""How fast the exchange is: orders a second, messages a second, and a day at full speed.

The exchange runs in a process of its own, as a user starts it, with its state on disk; its client
shares the machine with it. A machine that is shared is not as fast in one minute as in the next:
orders are measured in several runs, of which the middle one counts and all are shown.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any, Final

import httpx
import msgpack
from websockets.asyncio.client import connect

from tests.performance.exchange_load import (
    DAY,
    SYMBOLS,
    a_served_day,
    exchange_orders_per_second,
)

KEYS: Final = {"APCA-API-KEY-ID": "rehearsal", "APCA-API-SECRET-KEY": "rehearsal"}
OPEN, CLOSE = f"{DAY}T13:30:00Z", f"{DAY}T20:00:00Z"
CONNECTIONS: Final = 50
MINUTES: Final = 390
QUIET_SECONDS: Final = 0.5
LONG_SECONDS: Final = 120.0


def ask(port: int, path: str, body: object) -> None:
    """Ask for something that changes the market's time."""
    url = f"http://127.0.0.1:{port}/rehearsal/{path}"
    answer = httpx.post(url, headers=KEYS, json=body, timeout=LONG_SECONDS, trust_env=False)
    answer.raise_for_status()


def opened(port: int) -> None:
    """Put the market back to the minute in which it opens."""
    ask(port, "reset", {})
    ask(port, "advance", {"to": OPEN})


def orders(count: int, runs: int) -> dict[str, Any]:
    """Accepted market orders a second over fifty connections, and the slowest hundredth."""
    loads = [exchange_orders_per_second(orders=count, connections=CONNECTIONS) for _ in range(runs)]
    return {
        "work": f"exchange: market orders over {CONNECTIONS} connections, kept on disk",
        "units": loads[0].orders,
        "per_second": round(median(load.rate for load in loads)),
        "per_core_second": round(1 / median(load.processor for load in loads)),
        "milliseconds_median": _milliseconds(median(load.median for load in loads)),
        "milliseconds_p99": _milliseconds(median(load.p99 for load in loads)),
        "runs": [
            {"per_second": round(load.rate), "milliseconds_p99": _milliseconds(load.p99)}
            for load in loads
        ],
    }


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)


async def hear(port: int) -> tuple[int, float]:
    """Let a day pass with one subscriber to everything; return messages and seconds."""
    headers = {"Content-Type": "application/msgpack"}
    url = f"ws://127.0.0.1:{port}/v2/sip"
    async with connect(
        url, additional_headers=headers, max_size=None, max_queue=None, proxy=None
    ) as socket:
        await socket.recv()
        keys = {"key": "rehearsal", "secret": "rehearsal"}
        await socket.send(msgpack.packb({"action": "auth", **keys}))
        await socket.recv()
        everything = {kind: ["*"] for kind in ("trades", "quotes", "bars")}
        await socket.send(msgpack.packb({"action": "subscribe", **everything}))
        await socket.recv()
        began = last = time.perf_counter()
        moving = asyncio.create_task(asyncio.to_thread(ask, port, "advance", {"to": CLOSE}))
        told = 0
        while True:
            try:
                frame = await asyncio.wait_for(socket.recv(), QUIET_SECONDS)
            except TimeoutError:
                if moving.done():
                    break
                continue
            told += len(msgpack.unpackb(frame))
            last = time.perf_counter()
        await moving
    return told, last - began


def messages(port: int) -> dict[str, Any]:
    """Market-data messages a second to one subscriber."""
    opened(port)
    told, spent = asyncio.run(hear(port))
    return {
        "work": "exchange: market data to one subscriber",
        "units": told,
        "per_second": round(told / spent),
        "seconds": round(spent, 3),
    }


def replay(port: int) -> dict[str, Any]:
    """Seconds to replay a day of ten symbols in minutes."""
    opened(port)
    began = time.perf_counter()
    ask(port, "advance", {"to": CLOSE})
    spent = time.perf_counter() - began
    return {
        "work": f"exchange: replay of a day, {MINUTES} minutes of {SYMBOLS} symbols",
        "units": MINUTES * SYMBOLS,
        "per_second": round(MINUTES * SYMBOLS / spent),
        "seconds": round(spent, 3),
    }


def exchange_bench(count: int, runs: int) -> Iterator[dict[str, Any]]:
    """Measure the three works."""
    yield orders(count, runs)
    with (
        tempfile.TemporaryDirectory() as folder,
        a_served_day(Path(folder) / "state") as (port, _),
    ):
        yield messages(port)
        yield replay(port)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=15_000)
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    for measured in exchange_bench(asked.orders, asked.runs):
        sys.stdout.write(json.dumps(measured) + "\n")
        sys.stdout.flush()
