"""Orders, fills, the journal and users in PostgreSQL; the SQL stands in files beside the code."""

from __future__ import annotations

from tradewright.adapters.postgres.audit import PostgresAuditTable
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
from tradewright.adapters.postgres.users import PostgresUserStore

__all__ = [
    "Pool",
    "PostgresAuditTable",
    "PostgresJournal",
    "PostgresOrderStore",
    "PostgresUserStore",
    "create_database",
    "drop_database",
    "drop_idle_databases",
    "migrate",
    "open_pool",
    "server_time",
]
