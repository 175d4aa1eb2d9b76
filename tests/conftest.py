"""Fixtures for all tests: the embedded servers, once a session."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings
from psycopg import sql

from tradewright.adapters.embedded import EmbeddedServices, embedded_services
from tradewright.adapters.postgres import migrate

MEMORY = Path("/dev/shm")  # noqa: S108 - a folder in memory, where the machine has one
MEMORY_NEEDED_BYTES = 1_000_000_000


# The same examples in every run; a slow machine is no failure of a property.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def server_ground() -> Iterator[Path]:
    """A folder that every account can walk to, unlike pytest's own, and in memory if it fits."""
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_NEEDED_BYTES
    with tempfile.TemporaryDirectory(prefix="tw-", dir=MEMORY if roomy else None) as name:
        ground = Path(name)
        ground.chmod(0o755)
        yield ground


@pytest.fixture(scope="session")
def servers(server_ground: Path) -> Iterator[EmbeddedServices]:
    with embedded_services(server_ground / "servers", keep=False) as running:
        yield running


@pytest.fixture(scope="session")
def postgres_url(servers: EmbeddedServices) -> str:
    """A running PostgreSQL, its database at the current schema and left empty by tests."""
    migrate(servers.database_url)
    return servers.database_url


@pytest.fixture(scope="session")
def redis_url(servers: EmbeddedServices) -> str:
    return servers.redis_url


@pytest.fixture
def database_url(postgres_url: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """A database of the test's own, at the current schema."""
    name = f"test_{abs(hash(request.node.nodeid)):x}"
    database = sql.Identifier(name)
    with psycopg.connect(postgres_url, autocommit=True) as link:
        link.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(database))
        link.execute(sql.SQL("CREATE DATABASE {} TEMPLATE postgres").format(database))
    yield postgres_url.replace("/postgres?", f"/{name}?")
    with psycopg.connect(postgres_url, autocommit=True) as link:
        link.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(database))
