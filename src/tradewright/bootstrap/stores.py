"""Databases: those of the settings, or the embedded ones; and the stores of a runner in them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tradewright.adapters.embedded import embedded_services
from tradewright.adapters.postgres import (
    PostgresJournal,
    PostgresOrderStore,
    create_database,
    drop_database,
    drop_idle_databases,
    migrate,
    open_pool,
    server_time,
)
from tradewright.adapters.redis import RedisStateStore
from tradewright.core.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tradewright.configuration import Settings
    from tradewright.ports import Journal, OrderStore, StateStore

REHEARSALS: Final = "rehearsal_"
"""How the names of rehearsals' databases begin."""


@dataclass(frozen=True, slots=True)
class Databases:
    """Where the databases answer, and whether we run them ourselves."""

    database_url: str
    redis_url: str
    embedded: bool


@contextmanager
def databases(settings: Settings) -> Iterator[Databases]:
    """Yield the databases of the settings, running the embedded ones for those not given.

    Raises:
        ConfigError: One that is given does not answer, before any is started; or one does not
            start.
    """
    database = settings.database_url.get_secret_value() if settings.database_url else None
    redis = settings.redis_url.get_secret_value() if settings.redis_url else None
    asyncio.run(_hear(database, redis))
    if database is not None and redis is not None:
        yield Databases(database, redis, embedded=False)
        return
    with embedded_services(settings.state_dir) as running:
        yield Databases(database or running.database_url, redis or running.redis_url, embedded=True)


async def _hear(database_url: str | None, redis_url: str | None) -> None:
    if database_url is not None:
        await server_time(database_url)
    if redis_url is not None:
        await (await RedisStateStore.connect(redis_url)).close()


async def clock_skew(found: Databases) -> float:
    """Return how many seconds this machine's clock is ahead of the database's."""
    theirs = await server_time(found.database_url)
    return (SystemClock().now() - theirs).total_seconds()


@dataclass(frozen=True, slots=True)
class Stores:
    """The durable side of a runner."""

    journal: Journal
    orders: OrderStore
    switches: StateStore


@asynccontextmanager
async def open_stores(
    found: Databases, settings: Settings, *, own: str | None = None
) -> AsyncIterator[Stores]:
    """Open journal, orders and switches.

    With `own` they are a database and switches of that name, made for this and dropped after,
    so that a rehearsal neither reads nor writes what guards real trading.

    Raises:
        ConfigError: A database does not answer or cannot be migrated.
    """
    if own and found.embedded:
        # What a killed rehearsal left behind; the embedded server is nobody else's.
        drop_idle_databases(found.database_url, REHEARSALS)
    url = create_database(found.database_url, own) if own else found.database_url
    try:
        migrate(url)
        pool = await open_pool(
            url,
            min_size=settings.database_pool_min,
            max_size=settings.database_pool_max,
            checkout_seconds=settings.database_timeout_seconds,
        )
        try:
            scope = f"{own}:" if own else ""
            switches = await RedisStateStore.connect(found.redis_url, scope=scope)
            try:
                yield Stores(PostgresJournal(pool), PostgresOrderStore(pool), switches)
            finally:
                await switches.close()
        finally:
            await pool.close()
    finally:
        if own:
            drop_database(found.database_url, own)
