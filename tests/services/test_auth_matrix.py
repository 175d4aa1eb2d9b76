"""The matrix of the doors: every route of every service against everything that may be shown.

The rows are read off the routes of the services as they are made, over real PostgreSQL and Redis,
so a route that is added is in the matrix before anyone thinks of it. Whatever is wrong with what
is shown, the answer is the documented one on each route that needs somebody, and a public route
never asks.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from fastapi.routing import APIRoute

from tests.services.logins import NOON, Stage, auth_stage
from tradewright.adapters.certificates import Authority
from tradewright.adapters.certificates.verifier import AuthorityCertificateVerifier
from tradewright.core.access import (
    PERMISSIONS,
    SERVICE_PERMISSIONS,
    Permission,
    Role,
    UserContext,
    UserSession,
)
from tradewright.core.access.accounts import User
from tradewright.core.access.certificates import Reason
from tradewright.services.catalog import CATALOG
from tradewright.services.security import doors_of
from tradewright.wire import signing

NOBODY = "f" * 32
SERVICE_SECRET = "s" * 40
PASSPHRASE = "five-sheep-cross-a-bridge"
BODY = b"{}"
_PART = re.compile(r"\{[^}]+\}")


class Row(NamedTuple):
    """A method of a route, and what it needs; None for a public one."""

    method: str
    path: str
    permission: Permission | None


@dataclass(frozen=True)
class Ground:
    """A running service, and people, services and certificates to show at its doors."""

    stage: Stage
    rows: list[Row]
    admin: User
    viewer: User
    certificates: dict[str, bytes]

    @property
    def guarded(self) -> list[Row]:
        """The rows that need somebody."""
        return [row for row in self.rows if row.permission is not None]

    async def token(self, user: User, *, revoked: bool = False) -> str:
        """A token of a session of its own."""
        resources, now = self.stage.resources, self.stage.clock.now()
        session = UserSession(
            id=resources.ids(),
            user=user.id,
            roles=user.roles,
            strategies=user.strategies,
            started=now,
            expires=now + timedelta(hours=8),
            csrf="c" * 32,
            refresh=resources.ids(),
        )
        await resources.sessions.put(session)
        token = resources.signer.issue(session)
        if revoked:
            await resources.sessions.revoke(session.id)
        return token

    def signed(self, row: Row, service: str = "cli", **changed: str) -> dict[str, str]:
        """The headers of a signed request for a row; `changed` facts are signed instead."""
        facts = {
            "service": service,
            "timestamp": str(int(self.stage.clock.now().timestamp())),
            "nonce": self.stage.resources.ids(),
            "method": row.method,
            "path": row.path,
            "query": "",
            "body_hash": signing.body_hash(content_of(row)),
        }
        return signing.signing_headers(signing.RequestFacts(**(facts | changed)), SERVICE_SECRET)

    async def send(
        self, row: Row, headers: dict[str, str], certificate: bytes | None = None
    ) -> tuple[int, str]:
        """The status and the code that a request for a row is answered with."""
        app = Presented(self.stage.app, certificate)
        transport = httpx.ASGITransport(app, client=("203.0.113.7", 5))
        async with httpx.AsyncClient(transport=transport, base_url="https://testserver") as client:
            content = content_of(row)
            kind = {"Content-Type": "application/json"} if content else {}
            answer = await client.request(
                row.method, row.path, content=content, headers=headers | kind
            )
        is_problem = answer.headers.get("content-type", "").startswith("application/problem+json")
        return answer.status_code, answer.json()["code"] if is_problem else ""


@dataclass(frozen=True)
class Presented:
    """The app, as if the client had shown a certificate on the TLS layer."""

    app: Any
    certificate: bytes | None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        shown = {"client_certificate": self.certificate} if self.certificate else {}
        await self.app(scope | {"extensions": {"tls": shown}}, receive, send)


def content_of(row: Row) -> bytes:
    return BODY if row.method in {"POST", "PUT", "PATCH"} else b""


def rows_of(routes: list[Any]) -> list[Row]:
    found = []
    for route in routes:
        assert isinstance(route, APIRoute), f"{route} is no route that the doors know"
        (door,) = doors_of(route.dependencies)
        path = _PART.sub(NOBODY, route.path)
        found += [Row(method, path, door.permission) for method in sorted(route.methods or ())]
    return found


def certificates_of(folder: Path, names: tuple[str, ...], revoked: str) -> dict[str, bytes]:
    authority = Authority(folder, lambda: PASSPHRASE)
    authority.init("the tests' authority", NOON, list_days=30)
    found = {}
    for name in names:
        handed = authority.issue(name, NOON)
        made = x509.load_pem_x509_certificate(handed.certificate)
        found[name] = made.public_bytes(Encoding.DER)
    authority.revoke(revoked, Reason.LEFT, NOON, list_days=30)
    return found


@pytest.fixture(params=sorted(CATALOG))
async def ground(
    database_url: str, redis_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Ground]:
    async with auth_stage(
        database_url, redis_url, tmp_path, service=request.param, RATE_LIMIT_MODE="log_only"
    ) as stage:
        for service in SERVICE_PERMISSIONS:
            stage.secrets.values[signing.secret_name(service)] = SERVICE_SECRET
        admin = await stage.add_user("ada", Role.ADMIN)
        viewer = await stage.add_user("vera", Role.VIEWER)
        gone = await stage.add_user("gina", Role.ADMIN)
        folder = tmp_path / "authority"
        certificates = certificates_of(folder, (admin.id, viewer.id, gone.id), gone.id)
        authority = Authority(folder, lambda: PASSPHRASE)
        stage.app.state.resources = replace(
            stage.resources,
            certificates=AuthorityCertificateVerifier(
                authority.certificate_path,
                authority.list_path,
                stage.resources.users,
                stage.clock,
            ),
        )
        rows = rows_of(stage.app.routes)
        named = {"admin": certificates[admin.id], "viewer": certificates[viewer.id]}
        yield Ground(stage, rows, admin, viewer, named | {"revoked": certificates[gone.id]})


Show = Callable[[Ground, Row], Awaitable[tuple[int, str]]]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def nothing(ground: Ground, row: Row) -> tuple[int, str]:
    return await ground.send(row, {})


async def expired_token(ground: Ground, row: Row) -> tuple[int, str]:
    token = await ground.token(ground.admin)
    ground.stage.advance(minutes=15)
    return await ground.send(row, bearer(token))


async def forged_token(ground: Ground, row: Row) -> tuple[int, str]:
    head, claims, signature = (await ground.token(ground.admin)).split(".")
    other = (await ground.token(ground.viewer)).rpartition(".")[2]
    assert other != signature
    return await ground.send(row, bearer(f"{head}.{claims}.{other}"))


async def wrong_signature(ground: Ground, row: Row) -> tuple[int, str]:
    return await ground.send(row, ground.signed(row) | {"X-Signature": "0" * 64})


async def other_path_signed(ground: Ground, row: Row) -> tuple[int, str]:
    return await ground.send(row, ground.signed(row, path="/health"))


async def stale_signature(ground: Ground, row: Row) -> tuple[int, str]:
    headers = ground.signed(row)
    ground.stage.advance(seconds=signing.TOLERANCE_SECONDS + 1)
    return await ground.send(row, headers)


async def replayed_nonce(ground: Ground, row: Row) -> tuple[int, str]:
    # For an admin the console may do everything, so that it passes the door the first time.
    context = signing.write_user_context(UserContext(ground.admin.id, ground.admin.roles))
    headers = ground.signed(row, "console", user_context=context)
    _, first = await ground.send(row, headers)
    assert first not in {"not_permitted", "bad_signature", "replayed"}, row
    return await ground.send(row, headers)


async def wrong_body_hash(ground: Ground, row: Row) -> tuple[int, str]:
    return await ground.send(row, ground.signed(row, body_hash=signing.body_hash(b"other")))


async def stranger_service(ground: Ground, row: Row) -> tuple[int, str]:
    return await ground.send(row, ground.signed(row, "stranger"))


async def revoked_session(ground: Ground, row: Row) -> tuple[int, str]:
    return await ground.send(row, bearer(await ground.token(ground.admin, revoked=True)))


async def revoked_certificate(ground: Ground, row: Row) -> tuple[int, str]:
    return await ground.send(row, {}, ground.certificates["revoked"])


REFUSED: dict[str, tuple[Show, tuple[int, str]]] = {
    "no token": (nothing, (401, "not_authenticated")),
    "expired token": (expired_token, (401, "token_expired")),
    "token with another's signature": (forged_token, (401, "bad_signature")),
    "wrong signature": (wrong_signature, (401, "bad_signature")),
    "signature of another path": (other_path_signed, (401, "bad_signature")),
    "stale signature": (stale_signature, (401, "stale_signature")),
    "replayed nonce": (replayed_nonce, (401, "replayed")),
    "wrong body hash": (wrong_body_hash, (401, "body_mismatch")),
    "service that is not ours": (stranger_service, (401, "unknown_service")),
    "revoked session": (revoked_session, (401, "session_revoked")),
    "revoked certificate": (revoked_certificate, (401, "certificate_revoked")),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_is_wrong_is_refused_on_every_route(ground: Ground, case: str) -> None:
    show, documented = REFUSED[case]
    told = [(row, await show(ground, row)) for row in ground.guarded]
    assert len(told) == len(ground.guarded) > 0
    assert [one for one in told if one[1] != documented] == []


@pytest.mark.parametrize("shown", ["token", "certificate", "service"])
async def test_a_wrong_role_is_403_on_every_route(ground: Ground, shown: str) -> None:
    may = SERVICE_PERMISSIONS["signal"] if shown == "service" else PERMISSIONS[Role.VIEWER]
    wrong = []
    for row in ground.guarded:
        if shown == "token":
            told = await ground.send(row, bearer(await ground.token(ground.viewer)))
        elif shown == "certificate":
            told = await ground.send(row, {}, ground.certificates["viewer"])
        else:
            told = await ground.send(row, ground.signed(row, "signal"))
        refused = told == (403, "not_permitted")
        if refused is (row.permission in may):
            wrong.append((row, told))
    assert wrong == []


async def test_who_is_right_is_let_in_on_every_route(ground: Ground) -> None:
    answers = [
        (row, await ground.send(row, bearer(await ground.token(ground.admin))))
        for row in ground.guarded
    ]
    # What a route itself says of an empty body or a wrong password is not the door's answer.
    doors = {code for _, (_, code) in REFUSED.values()} | {"not_permitted", "csrf_failed"}
    assert [(row, told) for row, told in answers if told[1] in doors or told[0] in {403, 429}] == []
    assert [(row, told) for row, told in answers if told[0] >= 500] == []


async def test_a_public_route_asks_nobody(ground: Ground) -> None:
    public = [row for row in ground.rows if row.permission is None]
    told = [(row, await ground.send(row, {})) for row in public]
    assert public
    assert [one for one in told if one[1][1] in {"not_authenticated", "not_permitted"}] == []
