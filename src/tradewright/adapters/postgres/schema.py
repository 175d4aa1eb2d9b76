"""The schema of the database: Alembic's revisions, run from inside the installed package.

Many processes may start at once: an advisory lock lets one of them migrate while the others
wait, and a database that is current is recognised without loading Alembic at all.
"""

from __future__ import annotations

from pathlib import Path

import psycopg

from tradewright.adapters.postgres.pool import no_answer, with_limits
from tradewright.core.errors import ConfigError

MIGRATIONS = Path(__file__).with_name("migrations")
HEAD = "0003"
MIGRATION_LOCK = 7_203_115_881
LOCK_WAIT = "120s"


def migrate(url: str) -> bool:
    """Bring the database to the schema of this version; say whether anything was done.

    Raises:
        ConfigError: Nothing answers at the URL, the role may not change the schema, or a later
            version of the platform has migrated the database already.
    """
    try:
        with psycopg.connect(with_limits(url), autocommit=True) as link:
            if _current(link) == HEAD:
                return False
            link.execute(f"SET lock_timeout = '{LOCK_WAIT}'".encode())
            link.execute("SELECT pg_advisory_lock(%s)", (MIGRATION_LOCK,))
            found = _current(link)
            if found == HEAD:
                return False
            _refuse_unknown(found, url)
            _upgrade(url)
    except psycopg.OperationalError as failure:
        raise no_answer(url, failure) from failure
    return True


def _current(link: psycopg.Connection) -> str:
    known = link.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
    if known is None or not known[0]:
        return ""
    row = link.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else ""


def _refuse_unknown(found: str, url: str) -> None:
    if found and not list((MIGRATIONS / "versions").glob(f"r{found}_*.py")):
        raise ConfigError(
            f"the database {psycopg.conninfo.conninfo_to_dict(url).get('dbname')!r} has the "
            f"schema {found!r}, which this version (schema {HEAD!r}) does not know",
            "upgrade tradewright, or point DATABASE_URL to another database",
        )


def _upgrade(url: str) -> None:
    # Loaded here: a database that is current needs neither, and they take a second.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from sqlalchemy import create_engine  # noqa: PLC0415
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415
    from sqlalchemy.pool import NullPool  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(with_limits(url)),
        poolclass=NullPool,
    )
    try:
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
    except DBAPIError as failure:
        reason = str(failure.orig).strip().splitlines()[0]
        raise ConfigError(
            f"the database schema cannot be brought to {HEAD!r}: {reason}",
            "give the role of DATABASE_URL the right to create tables, or mend the database",
        ) from failure
