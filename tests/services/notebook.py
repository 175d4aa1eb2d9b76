"""A small service behind the whole frame: it writes down notes, one row each, and fails on demand.

`Notebook` runs it on a real port with the embedded databases, in this process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx
from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from tradewright.adapters.postgres.pool import transaction
from tradewright.bootstrap import Databases, Resources, service_resources
from tradewright.configuration import Settings
from tradewright.core import errors
from tradewright.core.access import Permission
from tradewright.core.errors import InvalidInput, TradewrightError
from tradewright.ops.health import Check, NotWell
from tradewright.services.app import Have, ServiceSpec, make_app, own_state
from tradewright.services.security import GuardedRoute, needs, public
from tradewright.services.server import ServiceServer, TlsFiles
from tradewright.settings import load_settings
from tradewright.wire import signing

SERVICE = "orchestrator"
SECRET = "a-secret-of-the-orchestrator-for-the-tests"
OTHER = "a-secret-of-the-signal-service-for-the-tests"


class Written(BaseModel):
    text: str = Field(max_length=1000)
    copies: int = Field(1, ge=1, le=10)


class Kept(BaseModel):
    id: int
    text: str


ERRORS: dict[str, Callable[[], Exception]] = {
    "config": lambda: errors.ConfigError("the secret door is shut", "open it"),
    "input": lambda: InvalidInput("text", "hunter2", "is too short", "make it longer"),
    "name": lambda: errors.UnknownName("symbol", "hunter2", ["AAPL", "MSFT"]),
    "missing": lambda: errors.MissingData("/srv/data", "is not there"),
    "ahead": lambda: errors.LookAhead("/srv/data", "was not known"),
    "stale": lambda: errors.StaleData("/srv/data", "is old"),
    "checksum": lambda: errors.ChecksumMismatch("/srv/data", "differs"),
    "transition": lambda: errors.InvalidTransition("o-1", "filled", "CancelAsked"),
    "duplicate": lambda: errors.DuplicateOrder("o-1", "quantity"),
    "conflict": lambda: errors.ConflictError("kill_switch:state", 3, 4),
    "ledger": lambda: errors.LedgerError("cash"),
    "venue": lambda: errors.VenueUnavailable("alpaca", "10.0.0.1 timed out"),
    "venue_limit": lambda: errors.RateLimited("alpaca", 2.4),
    "venue_refused": lambda: errors.VenueRejected("alpaca", "40310000", "insufficient"),
    "safety": lambda: errors.SafetyError("Redis at 10.0.0.1 did not answer"),
    "limiter": lambda: errors.LimiterUnavailable("Redis at 10.0.0.1 did not answer"),
    "anonymous": lambda: errors.NotAuthenticated("token_expired", "the token has expired"),
    "forbidden": lambda: errors.NotPermitted("ann", "submit_orders"),
    "often": lambda: errors.LimitReached("orders", 60, 60, 12.3),
    "ours": lambda: TradewrightError("/srv/secret/path"),
    "unforeseen": lambda: RuntimeError("/srv/secret/path"),
}


class Shelf:
    """What the service's own lifespan yields."""

    def __init__(self) -> None:
        self.ill = ""
        self.trading = False
        self.closed = False
        self.begun = asyncio.Event()
        self.resources: Resources | None = None

    async def probe(self) -> None:
        if self.ill:
            raise NotWell(self.ill)


Mine = Annotated[Shelf, Depends(own_state)]
router = APIRouter(route_class=GuardedRoute)


@router.post("/notes", dependencies=[needs(Permission.SUBMIT_ORDERS)], status_code=201)
async def write(body: Written, resources: Have) -> Kept:
    """Write a note down."""
    async with transaction(resources.pool, "writing a note") as link:
        found = await link.execute(
            "INSERT INTO notes (text) VALUES (%s) RETURNING id, text", (body.text,)
        )
        row = await found.fetchone()
    assert row is not None
    return Kept(id=row["id"], text=row["text"])


@router.get("/notes/{number}", dependencies=[needs(Permission.VIEW)])
async def read(number: int, resources: Have) -> Kept:
    """Read a note."""
    async with resources.pool.connection() as link:
        found = await link.execute("SELECT id, text FROM notes WHERE id = %s", (number,))
        row = await found.fetchone()
    if row is None:
        raise errors.MissingData(f"note {number}", "is not there")
    return Kept(id=row["id"], text=row["text"])


@router.get("/fail/{kind}", dependencies=[public("for the tests")])
async def fail(kind: str) -> dict[str, str]:
    """Fail as told."""
    error = ERRORS[kind]()
    raise error


@router.get("/slow", dependencies=[public("for the tests")])
async def slow(seconds: float, shelf: Mine) -> dict[str, float]:
    """Answer late."""
    shelf.begun.set()
    await asyncio.sleep(seconds)
    return {"seconds": seconds}


@router.get("/blocking", dependencies=[public("for the tests")])
async def blocking(resources: Have) -> dict[str, str]:
    """Ask something that blocks."""
    return {"answer": await resources.threads.run(str.upper, "done")}


def notebook(shelf: Shelf, *more: APIRouter) -> ServiceSpec:
    """The service with a shelf of the test's own."""

    @asynccontextmanager
    async def lifespan(resources: Resources) -> AsyncIterator[Shelf]:
        async with resources.pool.connection() as link:
            await link.execute(
                "CREATE TABLE IF NOT EXISTS notes (id BIGSERIAL PRIMARY KEY, text TEXT NOT NULL)"
            )
        shelf.resources = resources
        yield shelf
        shelf.closed = True

    return ServiceSpec(
        name="notebook",
        title="Notebook",
        port=8099,
        routers=(router, *more),
        lifespan=lifespan,
        checks=(lambda _resources: Check("shelf", shelf.probe, critical=True),),
        is_trading=lambda own: own.trading,
    )


def settings_for(folder: Path, **given: str) -> Settings:
    """Settings of a test, with the secrets of two services in its folder."""
    secrets = folder / "secrets"
    secrets.mkdir(mode=0o700, exist_ok=True)
    for service, secret in ((SERVICE, SECRET), ("signal", OTHER)):
        path = secrets / signing.secret_name(service)
        path.write_text(secret, encoding="utf-8")
        path.chmod(0o600)
    nothing = folder / "empty.toml"
    nothing.touch()
    told = {"ENVIRONMENT": "testing", "TRADEWRIGHT_STATE_DIR": str(folder), **given}
    return load_settings(told, nothing)


class Notebook:
    """The service while it runs, and a client that does not sign by itself."""

    def __init__(self, server: ServiceServer, shelf: Shelf, http: httpx.AsyncClient) -> None:
        self.server = server
        self.shelf = shelf
        self.http = http

    def signed(self, method: str, target: str, content: bytes = b"") -> dict[str, str]:
        """Headers that sign a request as the orchestrator's."""
        assert self.shelf.resources is not None
        path, _, query = target.partition("?")
        now = self.shelf.resources.clock.now()
        facts = signing.RequestFacts(
            service=SERVICE,
            timestamp=str(int(now.timestamp())),
            nonce=self.shelf.resources.ids(),
            method=method,
            path=path,
            query=query,
            body_hash=signing.body_hash(content),
        )
        return signing.signing_headers(facts, SECRET)

    async def send(
        self, method: str, target: str, content: bytes = b"", **headers: str
    ) -> httpx.Response:
        """Send a signed request."""
        shown = self.signed(method, target, content) | headers
        if content:
            shown.setdefault("Content-Type", "application/json")
        return await self.http.request(method, target, content=content, headers=shown)


@asynccontextmanager
async def a_notebook(
    folder: Path,
    database_url: str,
    redis_url: str,
    *,
    settings: Mapping[str, str] | None = None,
    tls: TlsFiles | None = None,
    more: tuple[APIRouter, ...] = (),
    learn: Callable[[str], None] | None = None,
    fresh: Callable[[], Settings] = load_settings,
) -> AsyncIterator[Notebook]:
    """Run the service on a free port until the end of the block; `learn` hears its secrets.

    `fresh` gives the settings of a reload.
    """
    shelf = Shelf()
    read_settings = settings_for(folder, **(settings or {}))
    found = Databases(database_url, redis_url, embedded=True)

    def resources() -> AbstractAsyncContextManager[Resources]:
        return service_resources(read_settings, found, "notebook", learn=learn)

    app = make_app(notebook(shelf, *more), resources, read_settings=fresh)
    up = asyncio.Event()
    server = ServiceServer(app, "127.0.0.1", 0, tls=tls, ready=lambda _url: up.set())
    serving = asyncio.create_task(server.listen())
    waiting = asyncio.create_task(up.wait())
    try:
        await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            await serving
        verify: Any = not tls
        async with httpx.AsyncClient(
            base_url=server.url, trust_env=False, timeout=httpx.Timeout(30), verify=verify
        ) as http:
            yield Notebook(server, shelf, http)
    finally:
        waiting.cancel()
        server.stop()
        if not serving.done():
            await serving
