"""What it costs to write things down: a log line with its redaction, and an audit entry.

Run it with `python -m tests.performance.record_bench`.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Final

from tradewright.adapters.audit import AuditSpool, DurableAuditLog
from tradewright.adapters.embedded import embedded_services
from tradewright.adapters.memory import MemoryAuditTable
from tradewright.adapters.postgres import PostgresAuditTable, migrate, open_pool
from tradewright.core.clock import SystemClock
from tradewright.core.records import Note
from tradewright.ops.logging import configure_logging, logger
from tradewright.ops.redaction import Redactor
from tradewright.ports import AuditTable

LINES: Final = 5_000
ENTRIES: Final = 2_000
CALLERS: Final = 100
NOTE: Final = Note(datetime(2026, 3, 4, tzinfo=UTC), "user:anna", "login", {"address": "::1"})


def microseconds(work: Callable[[], object], times: int) -> float:
    """The processor's time for one piece of work, whatever else the machine does."""
    since = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - since) / times * 1e6


def lines() -> dict[str, float]:
    """A line by the library alone, by ours, with forty secrets known, and one that holds one."""
    secrets = [f"secret-{number:02}-of-the-bench" for number in range(40)]
    bare = logging.getLogger("bench")
    bare.propagate = False
    bare.setLevel("INFO")
    bare.addHandler(logging.StreamHandler(io.StringIO()))
    body = {"symbol": "AAPL", "quantity": "10", "price": "182.31", "status": 200}
    told = {"bare": microseconds(lambda: bare.info("%s", json.dumps(body)), LINES)}
    log = logger("tradewright.bench")
    for name, known in (("ours", []), ("forty secrets", secrets)):
        configure_logging("bench", stream=io.StringIO(), secrets=Redactor(known))
        told[name] = microseconds(lambda: log.info("order accepted", **body), LINES)
    told["one hidden"] = microseconds(lambda: log.info("order accepted", what=secrets[7]), LINES)
    return told


async def entries(table: AuditTable, folder: Path) -> float:
    """Entries a second by a hundred callers."""
    numbers = count()
    spool = AuditSpool.open(folder, "bench", 2**28)
    async with DurableAuditLog(
        table, spool, service="bench", clock=SystemClock(), ids=lambda: f"id-{next(numbers)}"
    ) as log:

        async def call() -> None:
            for _ in range(ENTRIES // CALLERS):
                await log.append(NOTE)

        since = time.perf_counter()
        await asyncio.gather(*(call() for _ in range(CALLERS)))
        return ENTRIES / (time.perf_counter() - since)


async def audit(url: str) -> dict[str, float]:
    """Entries a second to the database, and to the spool while it is down."""
    pool = await open_pool(url, min_size=1, max_size=4)
    broken = MemoryAuditTable()
    broken.broken = True
    with tempfile.TemporaryDirectory() as name:
        told = {
            "database": await entries(PostgresAuditTable(pool), Path(name) / "one"),
            "spool": await entries(broken, Path(name) / "two"),
        }
    await pool.close()
    return told


def main() -> None:
    """Measure and print."""
    for name, spent in lines().items():
        print(f"log line, {name}: {spent:.0f} µs")
    with tempfile.TemporaryDirectory() as name:
        ground = Path(name)
        ground.chmod(0o755)
        with embedded_services(ground / "servers", keep=False) as running:
            migrate(running.database_url)
            for where, rate in asyncio.run(audit(running.database_url)).items():
                print(f"audit entries to the {where}: {rate:.0f} a second")


if __name__ == "__main__":
    main()
