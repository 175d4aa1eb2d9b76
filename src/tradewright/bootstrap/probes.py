"""Looks at what a service depends on outside its process, and how busy its database pool is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg
from psycopg_pool import PoolTimeout
from redis.exceptions import RedisError

from tradewright.ops import metrics
from tradewright.ops.health import Check, NotWell
from tradewright.wire.health import PoolHealth

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from tradewright.adapters.audit import DurableAuditLog
    from tradewright.adapters.postgres import Pool
    from tradewright.ports import Clock

_SECONDS: Final = 2.0


def database_check(pool: Pool) -> Check:
    """Ask PostgreSQL; without it nothing can be recorded, so this is critical."""

    async def probe() -> None:
        try:
            async with pool.connection(timeout=_SECONDS) as link:
                await link.execute("SELECT 1")
        except PoolTimeout as error:
            raise NotWell("no connection is free, or none can be made") from error
        except psycopg.Error as error:
            raise NotWell("does not answer") from error

    return Check("database", probe, critical=True, timeout_seconds=_SECONDS)


def redis_check(redis: Redis) -> Check:
    """Ask Redis; without it what needs it is refused, and the rest goes on."""

    async def probe() -> None:
        try:
            await redis.ping()
        except (RedisError, OSError) as error:
            raise NotWell("does not answer") from error

    return Check("redis", probe, timeout_seconds=_SECONDS)


def audit_check(audit: DurableAuditLog) -> Check:
    """See whether audit entries reach the database or wait on disk."""

    async def probe() -> None:
        if audit.is_spooling:
            raise NotWell("entries wait on disk for the database")

    return Check("audit", probe)


async def watch_clock(pool: Pool, clock: Clock) -> None:
    """Measure how far our clock is ahead of the database's, and keep the metric."""
    try:
        async with pool.connection(timeout=_SECONDS) as link:
            before = clock.now()
            row = await (await link.execute("SELECT clock_timestamp() AS now")).fetchone()
            after = clock.now()
    except (PoolTimeout, psycopg.Error):
        # That it does not answer is told by its own check.
        return
    if row is not None:
        # It answered half way between, as far as anybody can say.
        ours = before + (after - before) / 2
        metrics.clock_skew.labels("database").set((ours - row["now"]).total_seconds())


def pool_health(pool: Pool) -> PoolHealth:
    """Return how busy the pool is, and keep its metrics."""
    stats = pool.get_stats()
    size, idle = stats.get("pool_size", 0), stats.get("pool_available", 0)
    waiting = stats.get("requests_waiting", 0)
    metrics.database_connections.labels("idle").set(idle)
    metrics.database_connections.labels("used").set(size - idle)
    metrics.database_pool_limit.set(pool.max_size)
    metrics.database_waiting.set(waiting)
    return PoolHealth(size=size, idle=idle, most=pool.max_size, waiting=waiting)
