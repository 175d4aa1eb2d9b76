"""An app of one route a kind behind the real doors, with fakes of what stands behind them."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from tradewright.adapters.memory import (
    MemoryAuditLog,
    MemoryCertificateVerifier,
    MemoryNonceStore,
    MemorySecretStore,
    MemorySessionStore,
    MemoryTokenVerifier,
    MemoryTurnstile,
)
from tradewright.bootstrap import Settings
from tradewright.core.access import Permission, UserContext
from tradewright.core.clock import ManualClock
from tradewright.core.errors import (
    AccessError,
    InvalidInput,
    LimitReached,
    NotAuthenticated,
    NotPermitted,
    SafetyError,
)
from tradewright.services.limits import Limit, limited
from tradewright.services.security import CurrentPrincipal, GuardedRoute, needs, public
from tradewright.wire import signing

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECRETS = {
    signing.secret_name(service): f"{service}-" + "s" * 40
    for service in ("signal", "orchestrator", "console", "cli")
}


def counted_ids() -> Callable[[], str]:
    """Ids that differ, the same in every run."""
    numbers = itertools.count(1)
    return lambda: hashlib.sha256(str(next(numbers)).encode()).hexdigest()[:32]


@dataclass
class Behind:
    """What the doors ask, as the resources of a service have it."""

    settings: Settings = field(default_factory=Settings)
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOON))
    ids: Callable[[], str] = field(default_factory=counted_ids)
    secrets: MemorySecretStore = field(default_factory=lambda: MemorySecretStore(SECRETS))
    tokens: MemoryTokenVerifier = field(default_factory=MemoryTokenVerifier)
    certificates: MemoryCertificateVerifier = field(default_factory=MemoryCertificateVerifier)
    audit: MemoryAuditLog = field(default_factory=MemoryAuditLog)

    def __post_init__(self) -> None:
        self.sessions = MemorySessionStore(self.clock)
        self.nonces: Any = MemoryNonceStore(self.clock)
        self.limiter: Any = MemoryTurnstile(self.nonces)


class Order(BaseModel):
    symbol: str
    strategy_id: str = "momentum"


router = APIRouter(route_class=GuardedRoute)


@router.get("/open", dependencies=[public("for the tests")])
async def opened() -> dict[str, str]:
    return {"who": "anybody"}


@router.get("/view", dependencies=[needs(Permission.VIEW)])
async def view(principal: CurrentPrincipal) -> dict[str, Any]:
    return {
        "id": principal.id,
        "kind": principal.kind,
        "subject": principal.subject,
        "may": sorted(principal.permissions),
    }


@router.post("/orders", dependencies=[needs(Permission.SUBMIT_ORDERS), limited(Limit.ORDERS)])
async def order(body: Order, principal: CurrentPrincipal) -> dict[str, str]:
    return {"symbol": body.symbol, "by": principal.subject}


@router.post("/signals", dependencies=[needs(Permission.GENERATE_SIGNALS), limited(Limit.SIGNALS)])
async def signals() -> dict[str, str]:
    return {"done": "yes"}


@router.post("/cancel", dependencies=[needs(Permission.CANCEL_ORDERS), limited(Limit.CANCELS)])
async def cancel() -> dict[str, str]:
    return {"done": "yes"}


@router.post("/flatten", dependencies=[needs(Permission.FLATTEN), limited(Limit.FLATTEN)])
async def flatten() -> dict[str, str]:
    return {"done": "yes"}


@router.post("/login", dependencies=[public("to come in"), limited(Limit.LOGINS)])
async def login() -> dict[str, str]:
    return {"done": "yes"}


@router.api_route(
    "/anything/{rest:path}",
    methods=["POST", "PUT", "PATCH", "DELETE"],
    dependencies=[needs(Permission.VIEW)],
)
async def anything(rest: str) -> dict[str, str]:
    return {"rest": rest}


def status_of(error: Exception) -> tuple[int, str]:
    """The status and code that the frame answers these errors with."""
    match error:
        case NotAuthenticated():
            return 401, error.code
        case NotPermitted():
            return 403, error.code
        case LimitReached():
            return 429, "rate_limited"
        case InvalidInput():
            return 422, "invalid_input"
        case _:
            return 503, type(error).__name__


async def _told(_request: Request, error: Exception) -> JSONResponse:
    status, code = status_of(error)
    return JSONResponse({"code": code, "detail": str(error)}, status)


def app_over(behind: Behind) -> FastAPI:
    """The app with these resources behind it."""
    app = FastAPI()
    app.router.routes.extend(router.routes)
    app.state.resources = behind
    app.add_exception_handler(AccessError, _told)
    app.add_exception_handler(SafetyError, _told)
    app.add_exception_handler(InvalidInput, _told)
    return app


class Caller:
    """Calls the app, signed as a service unless told otherwise."""

    def __init__(self, behind: Behind, service: str = "orchestrator") -> None:
        self.behind = behind
        self.service = service
        self.app = app_over(behind)
        transport = httpx.ASGITransport(app=self.app, client=("203.0.113.7", 5))
        self.http = httpx.AsyncClient(transport=transport, base_url="http://here")

    def signed(
        self,
        method: str,
        target: str,
        content: bytes = b"",
        /,
        *,
        context: UserContext | str = "",
        secret: str | None = None,
        **changed: str,
    ) -> dict[str, str]:
        """Headers that sign a request; `changed` facts are signed in the place of the real ones."""
        path, _, query = target.partition("?")
        text = context if isinstance(context, str) else signing.write_user_context(context)
        facts = {
            "service": self.service,
            "timestamp": str(int(self.behind.clock.now().timestamp())),
            "nonce": self.behind.ids(),
            "method": method,
            "path": path,
            "query": query,
            "body_hash": signing.body_hash(content),
            "user_context": text,
        }
        key = secret or SECRETS.get(signing.secret_name(self.service), "x" * 40)
        return signing.signing_headers(signing.RequestFacts(**(facts | changed)), key)

    async def send(
        self,
        method: str,
        target: str,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a request, signed unless headers are given."""
        shown = self.signed(method, target, content) if headers is None else dict(headers)
        if content:
            shown.setdefault("Content-Type", "application/json")
        return await self.http.request(method, target, content=content, headers=shown)

    async def code(self, *request: Any, **named: Any) -> tuple[int, str]:
        """The status and code of the answer to a request."""
        answer = await self.send(*request, **named)
        return answer.status_code, answer.json().get("code", "")
