"""What every service has: opened at its start, closed in the opposite order at its end.

PostgreSQL must answer at the start, since nothing can be recorded without it. Redis may be down:
then what needs it is refused, health says so, and it is used again as soon as it answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tradewright.adapters.embedded import embedded_services
from tradewright.adapters.postgres import (
    PostgresUserStore,
    migrate,
    open_pool,
)
from tradewright.adapters.redis import (
    RedisNonceStore,
    RedisSessionStore,
    RedisTicketStore,
    RedisTurnstile,
    redis_client,
)
from tradewright.bootstrap.records import audit_log, certificate_verifier
from tradewright.bootstrap.secrets import random_id, secret_store, secrets_check
from tradewright.bootstrap.stores import Databases
from tradewright.core.clock import SystemClock
from tradewright.core.errors import SafetyError

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from tradewright.adapters.postgres import Pool
    from tradewright.configuration import Settings
    from tradewright.ops.health import Check
    from tradewright.ops.tasks import Tasks
    from tradewright.ops.threads import Threads
    from tradewright.ports import (
        AuditLog,
        CertificateVerifier,
        Clock,
        NonceStore,
        SecretStore,
        SessionStore,
        TicketStore,
        TokenSigner,
        TokenVerifier,
        Turnstile,
        UserStore,
    )

TASKS_SECONDS: Final = 2.0
THREADS_SECONDS: Final = 0.5
POOL_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Resources:
    """What a service works with; `checks` look at the parts that are not in this process."""

    settings: Settings
    clock: Clock
    ids: Callable[[], str]
    secrets: SecretStore
    pool: Pool
    redis: Redis
    nonces: NonceStore
    limiter: Turnstile
    tokens: TokenVerifier
    signer: TokenSigner
    certificates: CertificateVerifier
    sessions: SessionStore
    tickets: TicketStore
    users: UserStore
    audit: AuditLog
    threads: Threads
    tasks: Tasks
    checks: tuple[Check, ...] = ()


@contextmanager
def service_databases(settings: Settings) -> Iterator[Databases]:
    """Yield the databases of the settings, running the embedded ones for those not given.

    Unlike `databases` this asks nothing of those that are given: a service starts without Redis.

    Raises:
        ConfigError: An embedded one does not start.
    """
    database = settings.database_url.get_secret_value() if settings.database_url else None
    redis = settings.redis_url.get_secret_value() if settings.redis_url else None
    if database is not None and redis is not None:
        yield Databases(database, redis, embedded=False)
        return
    with embedded_services(settings.state_dir) as running:
        yield Databases(database or running.database_url, redis or running.redis_url, embedded=True)


@asynccontextmanager
async def service_resources(
    settings: Settings,
    databases: Databases,
    service: str,
    *,
    learn: Callable[[str], None] | None = None,
) -> AsyncIterator[Resources]:
    """Open what a service works with; `learn` is told every secret that is read, to hide it.

    Raises:
        ConfigError: PostgreSQL does not answer or cannot be migrated, the Redis URL cannot be
            read, or the folder of the audit spool cannot be used.
    """
    # Only a service needs these, and every command loads this module.
    from tradewright.adapters.tokens import SignedTokens, TokenTerms
    from tradewright.bootstrap.probes import audit_check, database_check, redis_check
    from tradewright.ops.tasks import Tasks
    from tradewright.ops.threads import Threads

    clock, secrets = SystemClock(), secret_store(settings, learn)
    async with AsyncExitStack() as opened:
        await asyncio.to_thread(migrate, databases.database_url)
        pool = await open_pool(
            databases.database_url,
            min_size=settings.database_pool_min,
            max_size=settings.database_pool_max,
            checkout_seconds=settings.database_timeout_seconds,
        )
        opened.push_async_callback(pool.close, POOL_SECONDS)
        redis = redis_client(databases.redis_url)
        opened.push_async_callback(redis.aclose)
        audit = await opened.enter_async_context(
            audit_log(settings, pool, service, clock, random_id)
        )
        threads = Threads(settings.executor_max_workers)
        opened.push_async_callback(threads.close, THREADS_SECONDS)
        tasks = Tasks(clock)
        opened.push_async_callback(tasks.stop, TASKS_SECONDS)
        sessions = RedisSessionStore(redis, clock)
        users = PostgresUserStore(pool)
        terms = TokenTerms(settings.auth_issuer, seconds=settings.auth_access_seconds)
        tokens = SignedTokens(secrets, sessions, clock, random_id, terms)
        nonces = RedisNonceStore(redis)
        with suppress(SafetyError):
            # A service starts without Redis, and lets nobody in until it is there.
            await nonces.begin(clock.now())
        yield Resources(
            settings=settings,
            clock=clock,
            ids=random_id,
            secrets=secrets,
            pool=pool,
            redis=redis,
            nonces=nonces,
            limiter=RedisTurnstile(redis),
            tokens=tokens,
            signer=tokens,
            certificates=certificate_verifier(settings, users, clock),
            sessions=sessions,
            tickets=RedisTicketStore(redis, clock),
            users=users,
            audit=audit,
            threads=threads,
            tasks=tasks,
            checks=(
                *(database_check(pool), redis_check(redis), audit_check(audit)),
                *secrets_check(settings, secrets),
            ),
        )
