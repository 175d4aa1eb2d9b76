"""Orders, fills and the journal in PostgreSQL; the SQL stands in the files beside the code."""

from __future__ import annotations

from tradewright.adapters.postgres.databases import (
    create_database,
    drop_database,
    drop_idle_databases,
    server_time,
)
from tradewright.adapters.postgres.journal import PostgresJournal
from tradewright.adapters.postgres.orders import PostgresOrderStore
from tradewright.adapters.postgres.pool import Pool, open_pool
from tradewright.adapters.postgres.schema import migrate

__all__ = [
    "Pool",
    "PostgresJournal",
    "PostgresOrderStore",
    "create_database",
    "drop_database",
    "drop_idle_databases",
    "migrate",
    "open_pool",
    "server_time",
]
