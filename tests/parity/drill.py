"""A runner that kills itself at a point of an order's life, run as a process of its own.

    python -m tests.parity.drill POINT EXCHANGE_URL DATABASE_URL REDIS_URL

The last line of output is what the run came to, as JSON; a killed run prints none.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx

from tests.parity.cases import market, spec
from tradewright.bootstrap import Databases, load_settings, open_stores, rehearse
from tradewright.cli.rehearsal import KEY, SECRET, clear_first_switch
from tradewright.core.events import CashMoved, Filled
from tradewright.core.money import Money
from tradewright.engine.run import rows_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tradewright.core.events import OrderEvent
    from tradewright.core.records import JournalEntry, Note
    from tradewright.ports import Broker, Journal

SESSIONS = 8
NEVER = "never"
INTENT = "intent_journaled"
LEFT = "post_left"
TAKEN = "exchange_accepted"
FILLED = "fill_arrived"


def die() -> None:
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


class DyingJournal:
    """A journal after whose first entry of an intent the process dies."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def append(self, notes: Sequence[Note]) -> Sequence[JournalEntry]:
        entries = await self._journal.append(notes)
        if any(note.kind == "Approved" for note in notes):
            die()
        return entries

    async def since(self, seq: int = 0) -> Sequence[JournalEntry]:
        return await self._journal.since(seq)


class DyingTransport(httpx.AsyncHTTPTransport):
    """A transport that dies when an order has left, or when its answer has come."""

    def __init__(self, point: str) -> None:
        super().__init__()
        self._point = point

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        is_order = request.method == "POST" and request.url.path == "/v2/orders"

        async def trace(name: str, _info: dict[str, Any]) -> None:
            if is_order and self._point == LEFT and name == "http11.send_request_body.complete":
                die()

        request.extensions = {**request.extensions, "trace": trace}
        response = await super().handle_async_request(request)
        if is_order and self._point == TAKEN:
            die()
        return response


class DyingBroker:
    """A broker's front that dies when it hears of the first fill, before telling."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)

    async def events(self) -> AsyncIterator[OrderEvent]:
        async for event in self._broker.events():
            if isinstance(event, Filled):
                die()
            yield event


async def run(point: str, exchange_url: str, database_url: str, redis_url: str) -> dict[str, Any]:
    """Trade the month, dying at `point`."""
    loaded = market()
    traded = spec(loaded, sessions=SESSIONS)
    found = Databases(database_url, redis_url, embedded=False)
    async with open_stores(found, load_settings({})) as opened:
        await clear_first_switch(opened)
        stores = (
            replace(opened, journal=DyingJournal(opened.journal)) if point == INTENT else opened
        )
        transport = DyingTransport(point) if point in {LEFT, TAKEN} else None
        wrap = DyingBroker if point == FILLED else None
        access = (exchange_url, KEY, SECRET)
        async with rehearse(
            traded, loaded, stores, access, transport=transport, wrap=wrap
        ) as rehearsal:
            runner = rehearsal.runner
            opening = loaded.frame.known(rows_of(traded, loaded).first - 1)
            await runner.start([CashMoved(Money(traded.capital), opening, "opening balance")])
            await runner.run(rehearsal.feed)
            ledger = runner.engine.ledger
            return {
                "resumed": runner.outcome.resumed,
                "orders": {k: v.status.value for k, v in runner.engine.desk.states.items()},
                "fills": {fill.id: str(fill.quantity) for fill in runner.engine.desk.fills},
                "cash": str(ledger.cash),
                "positions": {k: str(v) for k, v in ledger.quantities.items()},
                "differences": [str(one) for one in runner.outcome.differences],
                "alerts": [alert.code for alert in runner.outcome.alerts],
            }


if __name__ == "__main__":
    told = asyncio.run(run(*sys.argv[1:]))
    sys.stdout.write(json.dumps(told) + "\n")
