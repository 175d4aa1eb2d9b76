"""Databases made for one rehearsal and dropped after it, beside the one of the settings."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from tradewright.adapters.postgres.pool import no_answer, with_limits

_IDLE = """
    SELECT datname FROM pg_database
    WHERE starts_with(datname, %(prefix)s)
      AND datname NOT IN (SELECT datname FROM pg_stat_activity WHERE datname IS NOT NULL)
"""


def create_database(url: str, name: str) -> str:
    """Make an empty database on the server of `url`, in the place of one of that name.

    Returns:
        How to connect to it.

    Raises:
        ConfigError: The server does not answer, or does not let us.
    """
    drop_database(url, name)
    try:
        with psycopg.connect(with_limits(url), autocommit=True) as link:
            link.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    except psycopg.Error as failure:
        raise no_answer(url, failure) from failure
    return make_conninfo(url, dbname=name)


def drop_database(url: str, name: str) -> None:
    """Drop a database of ours and whoever is connected to it; without one, do nothing.

    Raises:
        ConfigError: The server does not answer, or does not let us.
    """
    try:
        with psycopg.connect(with_limits(url), autocommit=True) as link:
            link.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))
    except psycopg.Error as failure:
        raise no_answer(url, failure) from failure


def drop_idle_databases(url: str, prefix: str) -> None:
    """Drop the databases whose name begins so and to which nobody is connected.

    Raises:
        ConfigError: The server does not answer, or does not let us.
    """
    try:
        with psycopg.connect(with_limits(url), autocommit=True) as link:
            idle = link.execute(_IDLE, {"prefix": prefix}).fetchall()
            for (name,) in idle:
                link.execute(SQL("DROP DATABASE IF EXISTS {}").format(Identifier(name)))
    except psycopg.Error as failure:
        raise no_answer(url, failure) from failure


async def server_time(url: str) -> datetime:
    """Read the server's clock.

    Raises:
        ConfigError: The server does not answer.
    """
    try:
        async with await psycopg.AsyncConnection.connect(with_limits(url)) as link:
            rows = await (await link.execute("SELECT clock_timestamp()")).fetchall()
    except psycopg.Error as failure:
        raise no_answer(url, failure) from failure
    now: datetime = rows[0][0]
    return now.astimezone(UTC)
