"""How a Redis server is reached: one try, an answer in time, and errors that name the place.

Nothing is retried: a second attempt after a lost reply would meet what the first one wrote.
"""

from __future__ import annotations

from typing import Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from tradewright.core.errors import ConfigError

ANSWER_SECONDS: Final = 2.0
CONNECTIONS: Final = 32


async def open_redis(
    url: str, *, answer_seconds: float = ANSWER_SECONDS, connections: int = CONNECTIONS
) -> Redis:
    """Connect to a server; at most `connections` at once, and others wait as long as for answers.

    Raises:
        ConfigError: The URL cannot be read, or nothing answers there in time.
    """
    client = redis_client(url, answer_seconds=answer_seconds, connections=connections)
    try:
        await client.ping()
    except (RedisError, OSError) as failure:
        await client.aclose()
        raise ConfigError(
            f"no Redis at {place_of(client)}: {reason_of(failure)}",
            "start the server or mend REDIS_URL; unset it to use the embedded one",
        ) from failure
    return client


def redis_client(
    url: str, *, answer_seconds: float = ANSWER_SECONDS, connections: int = CONNECTIONS
) -> Redis:
    """Return the client of a server that may be down now and up later; nothing is asked yet.

    Raises:
        ConfigError: The URL cannot be read.
    """
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=connections,
            timeout=answer_seconds,
            socket_timeout=answer_seconds,
            socket_connect_timeout=answer_seconds,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
        )
    except ValueError as failure:
        # The library's own words may quote the URL with its password.
        raise ConfigError(
            "the Redis URL cannot be read",
            "write REDIS_URL as redis://:password@host:port/0",
        ) from failure
    return Redis.from_pool(pool)


def place_of(client: Redis) -> str:
    """Return where a client's server is, without its password."""
    facts = client.connection_pool.connection_kwargs
    if "path" in facts:
        return str(facts["path"])
    return f"{facts.get('host', 'localhost')}:{facts.get('port', 6379)}"


def reason_of(failure: Exception) -> str:
    """Return the first line of what a failure says."""
    words = str(failure).strip().splitlines()
    return words[0] if words else type(failure).__name__
