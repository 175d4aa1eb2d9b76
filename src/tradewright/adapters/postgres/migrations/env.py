"""Alembic's entry: runs the revisions over the connection that `schema.migrate` hands in."""

from __future__ import annotations

from alembic import context

from tradewright.core.errors import ConfigError

connection = context.config.attributes.get("connection")
if connection is None:
    raise ConfigError(
        "migrations run without a connection", "call tradewright.adapters.postgres.migrate(url)"
    )
context.configure(connection=connection, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
