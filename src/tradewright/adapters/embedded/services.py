"""Both embedded servers together, started side by side because start-up time is seen."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tradewright.adapters.embedded.postgres import EmbeddedPostgres
from tradewright.adapters.embedded.redis import EmbeddedRedis


@dataclass(frozen=True, slots=True)
class EmbeddedServices:
    """The two running servers and the URLs to reach them."""

    postgres: EmbeddedPostgres
    redis: EmbeddedRedis
    database_url: str
    redis_url: str

    def healthy(self) -> bool:
        """Whether both servers answer."""
        return self.postgres.healthy() and self.redis.healthy()


@contextlib.contextmanager
def embedded_services(
    state_dir: Path,
    *,
    postgres_port: int | None = None,
    redis_port: int | None = None,
    keep: bool = True,
) -> Iterator[EmbeddedServices]:
    """Run PostgreSQL and Redis under a state folder; with `keep=False` delete their data after.

    Raises:
        ConfigError: One of them cannot start; then neither is left running.
    """
    postgres = EmbeddedPostgres(state_dir / "postgres", port=postgres_port)
    redis = EmbeddedRedis(state_dir / "redis", port=redis_port)
    with contextlib.ExitStack() as running:
        for server in (postgres, redis):
            running.callback(server.stop)
        # In threads both, so that a Ctrl-C meets the wait and never a half-started server.
        with ThreadPoolExecutor(max_workers=2) as starts:
            database, cache = starts.submit(postgres.start), starts.submit(redis.start)
            database_url, redis_url = database.result(), cache.result()
        if not keep:
            for server in (postgres, redis):
                running.callback(server.remove)
        yield EmbeddedServices(postgres, redis, database_url, redis_url)
