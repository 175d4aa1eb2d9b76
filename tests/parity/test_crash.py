"""A runner killed at each point of an order's life, restarted: one order, each fill once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.parity import drill
from tests.parity.cases import exchange, market, spec
from tradewright.adapters.postgres import PostgresJournal, open_pool
from tradewright.backtest.backtest import Backtest
from tradewright.cli.rehearsal import KEY, SECRET
from tradewright.compliance.chain import verify

ROOT = Path(__file__).parents[2]
HEADERS = {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET}


def start(point: str, *urls: str) -> subprocess.CompletedProcess[str]:
    """Run the drill to its end, or to its death."""
    return subprocess.run(
        [sys.executable, "-m", "tests.parity.drill", point, *urls],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("point", [drill.INTENT, drill.LEFT, drill.TAKEN, drill.FILLED])
async def test_killed_runner_sends_no_order_twice_and_loses_no_fill(
    point: str, database_url: str, redis_url: str
) -> None:
    loaded = market()
    traded = spec(loaded, sessions=drill.SESSIONS)
    expected = Backtest(traded, loaded).run()
    with exchange(traded, loaded) as address:
        killed = start(point, address, database_url, redis_url)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        again = start(drill.NEVER, address, database_url, redis_url)
        assert again.returncode == 0, again.stderr
        told = json.loads(again.stdout.splitlines()[-1])
        theirs = read_exchange(address)

    assert told["resumed"] > 0
    assert told["differences"] == []
    assert set(told["orders"]) == set(expected.orders)
    assert sorted(theirs["ids"]) == sorted(expected.orders)
    assert told["fills"] == theirs["fills"]
    assert Decimal(told["cash"]) == Decimal(theirs["cash"]) == expected.book.cash
    assert {k: Decimal(v) for k, v in told["positions"].items()} == theirs["positions"]
    await check_database(database_url, told)


def read_exchange(address: str) -> dict[str, Any]:
    """Read what the exchange has: every order, every execution, cash and positions."""
    with httpx.Client(base_url=address, headers=HEADERS) as client:
        orders = client.get("/v2/orders", params={"status": "all", "limit": 500}).json()
        executions = client.get("/v2/account/activities/FILL", params={"page_size": 100}).json()
        account = client.get("/v2/account").json()
        positions = client.get("/v2/positions").json()
    return {
        "ids": [order["client_order_id"] for order in orders],
        "fills": {one["id"].partition("::")[2]: one["qty"] for one in executions},
        "cash": account["cash"],
        "positions": {one["symbol"]: Decimal(one["qty"]) for one in positions},
    }


async def check_database(url: str, told: dict[str, Any]) -> None:
    """The tables hold the same orders and fills, and the journal's chain is whole."""
    pool = await open_pool(url, min_size=1, max_size=2)
    try:
        entries = await PostgresJournal(pool).since(0)
    finally:
        await pool.close()
    assert verify(entries) is None
    attempts = [entry.body["order"] for entry in entries if entry.kind == "Submitted"]
    assert len(attempts) == len(set(attempts))
    with psycopg.connect(url) as link:
        fills = link.execute("SELECT count(*), count(DISTINCT execution_id) FROM fills").fetchone()
        rows = link.execute("SELECT client_order_id, status FROM orders").fetchall()
    assert fills == (len(told["fills"]), len(told["fills"]))
    assert dict(rows) == told["orders"]
