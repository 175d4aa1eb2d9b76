"""The auth service over real PostgreSQL and Redis, its time in the test's hand."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pyotp
from argon2 import PasswordHasher
from fastapi import FastAPI

from tradewright.adapters.memory import MemorySecretStore
from tradewright.adapters.redis import RedisSessionStore, RedisTicketStore
from tradewright.adapters.tokens import SignedTokens, TokenTerms, new_signing_key
from tradewright.bootstrap import Databases, Resources, Settings, service_resources
from tradewright.core.access import Role
from tradewright.core.access.accounts import User
from tradewright.core.clock import ManualClock
from tradewright.services.app import make_app
from tradewright.services.auth.second_factor import STEP_SECONDS, Seal
from tradewright.services.catalog import service_spec

NOON = datetime(2026, 3, 4, 12, 0, 7, tzinfo=UTC)
PASSWORD = "quartz-lemon-orbit-velvet"
API = "/api/v1/auth"
TOTP_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
SIGNING_KEY = new_signing_key()
_numbers = itertools.count()


@cache
def password_hash(password: str) -> str:
    """A hash of today's cost, made once a password."""
    return PasswordHasher(time_cost=1, memory_cost=47_104, parallelism=1).hash(password)


@dataclass(frozen=True)
class Stage:
    """A running auth service and what stands behind it."""

    app: FastAPI
    client: httpx.AsyncClient
    clock: ManualClock
    secrets: MemorySecretStore
    resources: Resources

    async def add_user(self, name: str = "anna", *roles: Role, **changes: Any) -> User:
        """An account with `PASSWORD`, added as it stands."""
        user = User(
            id=f"{next(_numbers):032x}",
            name=name,
            roles=frozenset(roles or {Role.VIEWER}),
            created_at=NOON,
            updated_at=NOON,
            password=password_hash(PASSWORD),
        )
        user = replace(user, **changes)
        await self.resources.users.add(user)
        return user

    async def add_guarded(self, name: str = "olga", *roles: Role) -> User:
        """An account with an authenticator of `TOTP_SECRET`."""
        user = await self.add_user(name, *(roles or (Role.OPERATOR,)))
        sealed = Seal(self.secrets, lambda count: b"n" * count).close(TOTP_SECRET, user.id)
        await self.resources.users.put(replace(user, totp=sealed), 1)
        return user

    def code(self, steps: int = 0, secret: str = TOTP_SECRET) -> str:
        """The authenticator's code now, or so many half minutes later."""
        step = int(self.clock.now().timestamp()) // STEP_SECONDS + steps
        return pyotp.TOTP(secret).generate_otp(step)

    async def post(self, path: str, token: str | None = None, **body: Any) -> httpx.Response:
        """Ask a route of the service."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return await self.client.post(f"{API}{path}", json=body, headers=headers)

    async def get(self, path: str, token: str) -> httpx.Response:
        """Read a route of the service."""
        headers = {"Authorization": f"Bearer {token}"}
        return await self.client.get(f"{API}{path}", headers=headers)

    async def ask(self, method: str, path: str, token: str, **body: Any) -> httpx.Response:
        """Ask a route by any method."""
        headers = {"Authorization": f"Bearer {token}"}
        return await self.client.request(method, f"{API}{path}", headers=headers, json=body or None)

    async def login(self, name: str = "anna", password: str = PASSWORD) -> dict[str, Any]:
        """Log in, with a code if one is asked for."""
        answer = await self.post("/login", name=name, password=password)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        if found["status"] == "second_factor_required":
            answer = await self.post(
                "/second-factor", challenge=found["challenge"], code=self.code()
            )
            assert answer.status_code == 200, answer.text
            found = answer.json()
        return found

    def advance(self, **span: float) -> None:
        """Let time pass."""
        self.clock.advance(timedelta(**span))

    async def audited(self, kind: str) -> list[dict[str, Any]]:
        """The audit entries of a kind."""
        async with self.resources.pool.connection() as link:
            cursor = await link.execute(
                "SELECT * FROM audit_log WHERE kind = %s ORDER BY seq", (kind,)
            )
            return [*await cursor.fetchall()]


def fresh_secrets() -> MemorySecretStore:
    """The secrets of a service that `auth init` was run for."""
    return MemorySecretStore(
        {
            "JWT_SIGNING_KEY": SIGNING_KEY,
            "SESSION_ENCRYPTION_KEY": base64.b64encode(b"k" * 32).decode(),
            "AUTH0_CLIENT_SECRET": "client-secret-of-the-tests",
        }
    )


@asynccontextmanager
async def auth_stage(
    database_url: str, redis_url: str, folder: Path, *, service: str = "auth", **settings: Any
) -> AsyncIterator[Stage]:
    """Run the auth service, or another of the catalogue, for a test."""
    values = {"ENVIRONMENT": "testing", "TRADEWRIGHT_STATE_DIR": folder, "DATABASE_POOL_MIN": 1}
    chosen = Settings.model_validate(values | settings)
    clock, secrets = ManualClock(NOON), fresh_secrets()
    found = Databases(database_url, redis_url, embedded=False)

    @asynccontextmanager
    async def opened() -> AsyncIterator[Resources]:
        async with service_resources(chosen, found, service) as real:
            await real.redis.flushdb()
            sessions = RedisSessionStore(real.redis, clock)
            terms = TokenTerms(chosen.auth_issuer, seconds=chosen.auth_access_seconds)
            tokens = SignedTokens(secrets, sessions, clock, real.ids, terms)
            yield replace(
                real,
                clock=clock,
                secrets=secrets,
                sessions=sessions,
                tickets=RedisTicketStore(real.redis, clock),
                tokens=tokens,
                signer=tokens,
            )

    app = make_app(service_spec(service), opened)
    async with started(app), client_of(app) as client:
        yield Stage(app, client, clock, secrets, app.state.resources)


class Relay:
    """A socket in front of Redis that can be shut, as if the server were gone."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        self._path = folder / "relay.sock"
        self._to = urlsplit(redis_url).path
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"unix://{self._path}?db=0"

    async def open(self) -> None:
        self._server = await asyncio.start_unix_server(self._carry, self._path)

    async def shut(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in [*self._writers]:
                writer.close()
            self._path.unlink(missing_ok=True)

    async def _carry(self, there: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        reader, writer = await asyncio.open_unix_connection(self._to)
        self._writers |= {back, writer}
        await asyncio.gather(_copy(there, writer), _copy(reader, back))


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()
    target.close()


def started(app: FastAPI) -> AbstractAsyncContextManager[Any]:
    """The life of an app, as a server gives it."""
    return app.router.lifespan_context(app)


def client_of(app: FastAPI, base_url: str = "http://testserver") -> httpx.AsyncClient:
    """A client of an app without a network."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base_url)
