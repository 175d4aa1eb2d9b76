"""Connections to PostgreSQL: the pool, and what a server that does not answer means.

At start-up a silent server is a `ConfigError`: mend the URL. Later it is a `SafetyError`: a
commit may or may not have happened, so nothing that needs the record may go on.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from importlib import resources
from typing import Any, TypeAlias

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolClosed

from tradewright.core.errors import ConfigError, SafetyError

Link: TypeAlias = "psycopg.AsyncConnection[DictRow]"
Pool: TypeAlias = "AsyncConnectionPool[psycopg.AsyncConnection[DictRow]]"

CONNECT_SECONDS = 5
CHECKOUT_SECONDS = 30.0
SESSION = """
    SET statement_timeout = '30s';
    SET lock_timeout = '10s';
    SET idle_in_transaction_session_timeout = '60s'
"""


async def open_pool(
    url: str, *, min_size: int = 5, max_size: int = 20, checkout_seconds: float = CHECKOUT_SECONDS
) -> Pool:
    """Open a pool of connections; close it with `await pool.close()`.

    Raises:
        ConfigError: The URL cannot be read or nothing answers there within a few seconds.
    """
    address = with_limits(url)
    try:
        probe = await psycopg.AsyncConnection.connect(address)
    except psycopg.OperationalError as failure:
        raise no_answer(url, failure) from failure
    await probe.close()
    pool: Pool = AsyncConnectionPool(
        address,
        min_size=min_size,
        max_size=max_size,
        timeout=checkout_seconds,
        kwargs={"row_factory": dict_row},
        configure=_configure,
        check=AsyncConnectionPool.check_connection,
        open=False,
    )
    try:
        await pool.open(wait=True, timeout=checkout_seconds)
    except psycopg.OperationalError as failure:
        await pool.close()
        raise no_answer(url, failure) from failure
    return pool


@contextlib.asynccontextmanager
async def transaction(pool: Pool, purpose: str) -> AsyncIterator[Link]:
    """One transaction on a connection of the pool, committed at the end.

    Raises:
        SafetyError: The server is gone: whether the purpose was fulfilled cannot be known.
    """
    try:
        async with pool.connection() as link:
            yield link
    except (psycopg.OperationalError, psycopg.InterfaceError, PoolClosed) as failure:
        raise SafetyError(
            f"{purpose}: PostgreSQL did not answer ({first_line(failure)}), "
            "so whether it was done is unknown"
        ) from failure


def with_limits(url: str) -> str:
    """The connection string with time limits, where the URL does not set its own.

    Raises:
        ConfigError: The URL cannot be read.
    """
    limits: dict[str, Any] = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "tradewright",
        "keepalives_idle": 30,
        "tcp_user_timeout": 10_000,
    }
    return make_conninfo(url, **{k: v for k, v in limits.items() if k not in _parts(url)})


def no_answer(url: str, failure: psycopg.Error) -> ConfigError:
    """The error for a server that does not answer; never shows the password."""
    parts = _parts(url)
    place = f"{parts.get('host', 'the default host')}:{parts.get('port', 5432)}"
    return ConfigError(
        f"no PostgreSQL for database {parts.get('dbname', parts.get('user', ''))!r} at {place}: "
        f"{first_line(failure)}",
        "start the server or mend DATABASE_URL; unset it to use the embedded one",
    )


def first_line(failure: Exception) -> str:
    """The first line of an error's message, or its kind when it has none."""
    words = str(failure).strip().splitlines()
    return words[0].strip() if words else type(failure).__name__


def statements(name: str) -> dict[str, bytes]:
    """The statements of a `.sql` file of this package, by the names in its `-- name:` lines."""
    text = resources.files(__package__).joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
    found: dict[str, bytes] = {}
    for block in text.split("-- name: ")[1:]:
        title, _, statement = block.partition("\n")
        found[title.strip()] = statement.strip().encode()
    return found


def _parts(url: str) -> dict[str, Any]:
    try:
        return {k: v for k, v in conninfo_to_dict(url).items() if v is not None}
    except psycopg.ProgrammingError as failure:
        # The library's own words quote the URL, which may hold a password.
        raise ConfigError(
            "the database URL cannot be read",
            "write DATABASE_URL as postgresql://user:password@host:port/database",
        ) from failure


async def _configure(link: Link) -> None:
    await link.execute(SESSION)
    await link.commit()
