"""Orders and fills in PostgreSQL.

A status report is applied by one conditional UPDATE that repeats `core.orders.verdict` in SQL;
a table of cases in the tests holds the two together. What our own fold of events says is
written by `put`, and then counts like a report of the venue's stream at the state's time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from psycopg.rows import DictRow

from tradewright.adapters.postgres.pool import Link, Pool, statements, transaction
from tradewright.adapters.postgres.rows import (
    fill_of,
    fill_row,
    order_row,
    report_of,
    report_row,
    state_of,
    state_row,
    status_row,
)
from tradewright.core.errors import ConflictError
from tradewright.core.ids import OrderId
from tradewright.core.orders import (
    Fill,
    Order,
    OrderState,
    OrderStatus,
    StatusReport,
    Verdict,
    verdict,
)

ATTEMPTS = 5

_SQL = statements("orders")


class PostgresOrderStore:
    """Orders and fills as tables, for people and other services to query."""

    def __init__(self, pool: Pool) -> None:
        """Write and read over the connections of a pool."""
        self._pool = pool

    async def insert(self, order: Order, status: OrderStatus, at: datetime) -> OrderState:
        """Insert an order, or return the one that is there under its id (race-safe)."""
        row = {**order_row(order), **status_row(status), "updated_at": at}
        async with transaction(self._pool, f"inserting order {order.id}") as link:
            inserted = await (await link.execute(_SQL["insert"], row)).fetchone()
            return state_of(inserted or await _stored(link, order.id))

    async def get(self, order: OrderId) -> OrderState | None:
        """Read an order's state; None if there is none."""
        async with transaction(self._pool, f"reading order {order}") as link:
            row = await (await link.execute(_SQL["get"], {"client_order_id": order})).fetchone()
        return None if row is None else state_of(row)

    async def put(self, state: OrderState, expected: int) -> None:
        """Write a state over version `expected`; raise ConflictError if another is there."""
        order = state.order.id
        async with transaction(self._pool, f"writing order {order}") as link:
            row = {**state_row(state), "expected": expected}
            written = await (await link.execute(_SQL["put"], row)).fetchone()
            if written is None:
                found = await link.execute(_SQL["get"], {"client_order_id": order})
                stored = await found.fetchone()
                version = None if stored is None else stored["version"]
                raise ConflictError(f"order {order}", expected, version)

    async def add_fill(self, fill: Fill) -> bool:
        """Append a fill; False if its id is already there."""
        async with transaction(self._pool, f"booking fill {fill.id}") as link:
            return (
                await (await link.execute(_SQL["add_fill"], fill_row(fill))).fetchone() is not None
            )

    async def fills(self, order: OrderId | None = None) -> Sequence[Fill]:
        """Return fills in order of time, of one order or of all."""
        statement = "fills" if order is None else "fills_of_order"
        async with transaction(self._pool, "reading fills") as link:
            cursor = await link.execute(_SQL[statement], {"client_order_id": order})
            return tuple(fill_of(row) for row in await cursor.fetchall())

    async def open_orders(self) -> Sequence[OrderState]:
        """Return every state that has not ended."""
        async with transaction(self._pool, "reading open orders") as link:
            cursor = await link.execute(_SQL["open"])
            return tuple(state_of(row) for row in await cursor.fetchall())

    async def update_status(self, order: OrderId, report: StatusReport) -> Verdict:
        """Apply a reported status if `core.orders.verdict` says so; return the verdict.

        Raises:
            ConflictError: There is no such order, or it changed under every attempt.
            SafetyError: Whether the report was applied cannot be known.
        """
        row = {**report_row(report), "client_order_id": order}
        for _ in range(ATTEMPTS):
            async with transaction(self._pool, f"updating order {order}") as link:
                if await (await link.execute(_SQL["update_status"], row)).fetchone():
                    return Verdict.APPLY
                refused = verdict(report_of(await _stored(link, order)), report)
            # The row moved between the update and the reading: ask the database again.
            if refused is not Verdict.APPLY:
                return refused
        raise ConflictError(f"order {order}", 0, None)


async def _stored(link: Link, order: OrderId) -> DictRow:
    row = await (await link.execute(_SQL["get"], {"client_order_id": order})).fetchone()
    if row is None:
        raise ConflictError(f"order {order}", 0, None)
    return row
