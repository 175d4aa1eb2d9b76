"""Sockets behind the doors, on a real port and with a real client: who opens one, and for how long.

The matrix is that of the routes: what is wrong with what is shown is answered alike. What can go
wrong once a socket is open is told by the code that it is closed with.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi import APIRouter, WebSocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from tests.services.logins import SIGNING_KEY
from tests.services.notebook import SERVICE, Notebook, a_notebook
from tradewright.adapters.certificates import Authority
from tradewright.adapters.memory import MemorySecretStore, MemorySessionStore
from tradewright.adapters.tokens import SignedTokens, TokenTerms, new_signing_key
from tradewright.bootstrap import Resources
from tradewright.core.access import Permission, Role, UserSession
from tradewright.core.access.accounts import User
from tradewright.core.access.certificates import Purpose, Reason
from tradewright.core.clock import ManualClock, SystemClock
from tradewright.core.errors import SafetyError
from tradewright.ops import metrics
from tradewright.services.limits import Limit, limited
from tradewright.services.peer_socket import HEADERS, MESSAGE_BYTES
from tradewright.services.security import (
    CurrentPrincipal,
    GuardedRoute,
    needs,
    public,
    trade_check,
)
from tradewright.services.server import HEAD_BYTES, TlsFiles
from tradewright.services.sockets import BURST
from tradewright.wire import signing

CONSOLE = "http://localhost:8501"
SETTINGS = {
    "SOCKET_CHECK_SECONDS": "0.1",
    "REQUEST_TIMEOUT_SECONDS": "1",
    "RATE_LIMIT_SIGNALS": "2/minute",
    "DATABASE_POOL_MIN": "1",
}
router = APIRouter(route_class=GuardedRoute)


@router.websocket("/feed", dependencies=[needs(Permission.VIEW)])
async def feed(socket: WebSocket, principal: CurrentPrincipal) -> None:
    await socket.accept()
    async for text in socket.iter_text():
        match text:
            case "trade":
                trade_check(principal, "nobody's")
            case "break":
                raise RuntimeError("/srv/secret/path")
            case _:
                await socket.send_text(principal.subject)


@router.websocket("/push", dependencies=[needs(Permission.VIEW)])
async def push(socket: WebSocket) -> None:
    """Sends and never listens."""
    await socket.accept()
    while True:
        await socket.send_text("tick")
        await asyncio.sleep(0.02)


@router.websocket("/deaf", dependencies=[needs(Permission.VIEW)])
async def deaf(socket: WebSocket) -> None:
    """Neither sends nor listens."""
    await socket.accept()
    await asyncio.Event().wait()


@router.websocket("/orders", dependencies=[needs(Permission.SUBMIT_ORDERS)])
async def orders(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("in")


@router.websocket(
    "/signals", dependencies=[needs(Permission.GENERATE_SIGNALS), limited(Limit.SIGNALS)]
)
async def signals(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("in")


@router.websocket("/anybody", dependencies=[public("for the tests")])
async def anybody(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("in")
    await socket.receive_text()


@router.websocket("/late", dependencies=[public("for the tests")])
async def late(socket: WebSocket) -> None:
    await asyncio.sleep(5)
    await socket.accept()


@router.websocket("/shut", dependencies=[public("for the tests")])
async def shut(socket: WebSocket) -> None:
    await socket.close()


@router.websocket("/broken", dependencies=[public("for the tests")])
async def broken(socket: WebSocket) -> None:
    raise RuntimeError(f"/srv/secret/path {socket.url}")


@dataclass(frozen=True)
class Ground:
    """The service, its users, and what they show."""

    book: Notebook
    admin: User
    viewer: User
    tls: ssl.SSLContext | None = None

    @property
    def resources(self) -> Resources:
        found = self.book.shelf.resources
        assert found is not None
        return found

    async def session(self, user: User) -> UserSession:
        now = self.resources.clock.now()
        session = UserSession(
            id=self.resources.ids(),
            user=user.id,
            roles=user.roles,
            strategies=user.strategies,
            started=now,
            expires=now + timedelta(hours=8),
            csrf="c" * 32,
            refresh=self.resources.ids(),
        )
        await self.resources.sessions.put(session)
        return session

    async def bearer(self, user: User) -> dict[str, str]:
        token = self.resources.signer.issue(await self.session(user))
        return {"Authorization": f"Bearer {token}"}

    def connect(
        self, path: str, headers: Mapping[str, str] | None = None, origin: str | None = None
    ) -> connect:
        return connect(
            self.book.server.url.replace("http", "ws", 1) + path,
            additional_headers=headers or {},
            origin=Origin(origin) if origin else None,
            proxy=None,
            ssl=self.tls,
        )

    async def refused(
        self, path: str, headers: Mapping[str, str] | None = None, origin: str | None = None
    ) -> tuple[int, str]:
        """The status and the code that a handshake is refused with."""
        with pytest.raises(InvalidStatus) as told:
            async with self.connect(path, headers, origin):
                pass
        answer = told.value.response
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Trace-Id"]
        body = json.loads(answer.body or b"{}")
        assert "secret" not in str(body)
        return answer.status_code, body["code"]


async def to_the_end(socket: ClientConnection) -> None:
    while True:
        await socket.recv()


async def none_open() -> bool:
    """Whether every socket is let go of in a few seconds."""
    for _ in range(500):
        if not metrics.sockets_open.labels("notebook")._value.get():
            return True
        await asyncio.sleep(0.01)
    return False


async def closed(socket: ClientConnection) -> tuple[int, str]:
    """The code and the reason that a socket is closed with."""
    async with asyncio.timeout(10):
        with pytest.raises(ConnectionClosed) as told:
            await to_the_end(socket)
    assert told.value.rcvd is not None
    return told.value.rcvd.code, told.value.rcvd.reason


def a_user(name: str, *roles: Role) -> User:
    now = datetime(2026, 3, 4, tzinfo=UTC)
    return User(
        id=name.encode().hex(),
        name=name,
        roles=frozenset(roles),
        created_at=now,
        updated_at=now,
        strategies=frozenset({"pairs"}),
    )


@pytest.fixture
async def ground(tmp_path: Path, database_url: str, redis_url: str) -> AsyncIterator[Ground]:
    async with a_ground(tmp_path, database_url, redis_url) as found:
        yield found


@asynccontextmanager
async def a_ground(
    folder: Path, database_url: str, redis_url: str, **settings: str
) -> AsyncIterator[Ground]:
    """Run the service with these sockets."""
    secrets = folder / "secrets"
    secrets.mkdir(mode=0o700, exist_ok=True)
    (secrets / "JWT_SIGNING_KEY").write_text(SIGNING_KEY, encoding="utf-8")
    (secrets / "JWT_SIGNING_KEY").chmod(0o600)
    async with a_notebook(
        *(folder, database_url, redis_url), settings=SETTINGS | settings, more=(router,)
    ) as book:
        admin, viewer = a_user("ada", Role.ADMIN), a_user("vera", Role.VIEWER)
        assert book.shelf.resources is not None
        for user in (admin, viewer):
            await book.shelf.resources.users.add(user)
        yield Ground(book, admin, viewer)


Show = Callable[[Ground, str], Awaitable[dict[str, str]]]


async def nothing(_ground: Ground, _path: str) -> dict[str, str]:
    return {}


async def expired(ground: Ground, _path: str) -> dict[str, str]:
    clock = ManualClock(ground.resources.clock.now() - timedelta(hours=2))
    secrets = MemorySecretStore({"JWT_SIGNING_KEY": SIGNING_KEY})
    past = SignedTokens(secrets, ground.resources.sessions, clock, lambda: "j", TokenTerms())
    return {"Authorization": f"Bearer {past.issue(await ground.session(ground.admin))}"}


async def forged(ground: Ground, _path: str) -> dict[str, str]:
    secrets = MemorySecretStore({"JWT_SIGNING_KEY": new_signing_key()})
    sessions, clock = ground.resources.sessions, ground.resources.clock
    other = SignedTokens(secrets, sessions, clock, lambda: "j", TokenTerms())
    return {"Authorization": f"Bearer {other.issue(await ground.session(ground.admin))}"}


async def revoked(ground: Ground, _path: str) -> dict[str, str]:
    session = await ground.session(ground.admin)
    await ground.resources.sessions.revoke(session.id)
    return {"Authorization": f"Bearer {ground.resources.signer.issue(session)}"}


async def wrong_signature(ground: Ground, path: str) -> dict[str, str]:
    return ground.book.signed("GET", path) | {"X-Signature": "0" * 64}


async def other_path(ground: Ground, _path: str) -> dict[str, str]:
    return ground.book.signed("GET", "/health")


async def wrong_body(ground: Ground, path: str) -> dict[str, str]:
    return ground.book.signed("GET", path, b"something")


async def replayed(ground: Ground, path: str) -> dict[str, str]:
    headers = ground.book.signed("GET", path)
    async with ground.connect(path, headers):
        return headers


async def twice(ground: Ground, path: str) -> dict[str, str]:
    return ground.book.signed("GET", path) | await ground.bearer(ground.admin)


REFUSED: dict[str, tuple[Show, tuple[int, str]]] = {
    "nothing": (nothing, (401, "not_authenticated")),
    "an expired token": (expired, (401, "token_expired")),
    "a token of another key": (forged, (401, "bad_signature")),
    "a login that was ended": (revoked, (401, "session_revoked")),
    "a wrong signature": (wrong_signature, (401, "bad_signature")),
    "a signature of another path": (other_path, (401, "bad_signature")),
    "a signature of a body": (wrong_body, (401, "body_mismatch")),
    "a nonce that was used": (replayed, (401, "replayed")),
    "two that disagree": (twice, (401, "not_authenticated")),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_is_wrong_is_refused_before_the_socket_opens(ground: Ground, case: str) -> None:
    show, documented = REFUSED[case]
    for path in ("/feed", "/orders"):
        assert await ground.refused(path, await show(ground, path)) == documented


async def test_a_wrong_role_is_403(ground: Ground) -> None:
    headers = await ground.bearer(ground.viewer)
    assert await ground.refused("/orders", headers) == (403, "not_permitted")
    assert await ground.refused("/orders", ground.book.signed("GET", "/orders") | headers) == (
        *(401, "not_authenticated"),
    )


async def test_who_is_right_is_let_in_and_known(ground: Ground) -> None:
    before = metrics.socket_handshakes.labels("notebook", "/feed", "101")._value.get()
    for headers, subject in (
        (await ground.bearer(ground.viewer), ground.viewer.id),
        (ground.book.signed("GET", "/feed"), SERVICE),
    ):
        async with ground.connect("/feed", headers) as socket:
            await socket.send("who")
            assert await socket.recv() == subject
            assert socket.response is not None
            assert socket.response.headers["X-Trace-Id"]
            assert metrics.sockets_open.labels("notebook")._value.get() == 1
            assert "Sec-WebSocket-Extensions" not in socket.response.headers
    async with ground.connect("/orders", await ground.bearer(ground.admin)) as socket:
        assert await socket.recv() == "in"
    after = metrics.socket_handshakes.labels("notebook", "/feed", "101")._value.get()
    assert after == before + 2


async def test_a_query_is_signed_too(ground: Ground) -> None:
    headers = ground.book.signed("GET", "/feed?symbol=AAPL")
    assert await ground.refused("/feed?symbol=MSFT", headers) == (401, "bad_signature")
    async with ground.connect("/feed?symbol=AAPL", ground.book.signed("GET", "/feed?symbol=AAPL")):
        pass


async def test_a_browser_comes_from_a_page_that_is_named(ground: Ground) -> None:
    token = (await ground.bearer(ground.viewer))["Authorization"].removeprefix("Bearer ")
    cookie = {"Cookie": f"{signing.SESSION_COOKIE}={token}"}
    async with ground.connect("/feed", cookie, CONSOLE) as socket:
        await socket.send("who")
        assert await socket.recv() == ground.viewer.id
    same_site = cookie | {"Sec-Fetch-Site": "same-site"}
    async with ground.connect("/feed", same_site, CONSOLE):
        pass
    for origin in ("https://evil.example.com", "null", "http://localhost:8502", f"{CONSOLE}.evil"):
        assert await ground.refused("/feed", cookie, origin) == (403, "csrf_failed")
        assert await ground.refused("/anybody", {}, origin) == (403, "csrf_failed")
    cross = cookie | {"Sec-Fetch-Site": "cross-site"}
    assert await ground.refused("/feed", cross) == (403, "csrf_failed")


async def test_hosts_and_paths_that_are_none_of_ours(ground: Ground) -> None:
    headers = await ground.bearer(ground.viewer)
    evil = headers | {"Host": "evil.example.com"}
    assert await ground.refused("/feed", evil) == (421, "unknown_host")
    assert await ground.refused("/nowhere", headers) == (404, "not_found")
    # A route for requests is none for sockets, and opens nothing.
    assert await ground.refused("/notes/1", {}) == (404, "not_found")
    assert await ground.refused("/shut") == (403, "not_permitted")
    assert await ground.refused("/broken") == (500, "failed")
    assert await ground.refused("/late") == (504, "timed_out")


async def test_handshakes_count_against_the_quota(ground: Ground) -> None:
    headers = await ground.bearer(ground.admin)
    for _ in range(2):
        async with ground.connect("/signals", headers) as socket:
            assert await socket.recv() == "in"
    assert await ground.refused("/signals", headers) == (429, "rate_limited")


async def test_more_sockets_than_fit_are_told_to_come_again(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    async with a_ground(tmp_path, database_url, redis_url, MAX_SOCKETS="2") as ground:
        async with ground.connect("/anybody"), ground.connect("/anybody"):
            assert await ground.refused("/anybody") == (503, "unavailable")
            # Requests are counted apart.
            assert (await ground.book.http.get("/health")).status_code == 200
        assert await none_open()
        async with ground.connect("/anybody"):
            pass


@pytest.mark.parametrize("path", ["/feed", "/push", "/deaf"])
async def test_a_socket_does_not_outlive_its_login(ground: Ground, path: str) -> None:
    session = await ground.session(ground.viewer)
    headers = {"Authorization": f"Bearer {ground.resources.signer.issue(session)}"}
    async with (
        ground.connect(path, headers) as socket,
        ground.connect(path, await ground.bearer(ground.viewer)) as other,
    ):
        await asyncio.sleep(0.3)
        await ground.resources.sessions.revoke(session.id)
        assert await closed(socket) == (4401, "session_revoked")
        # Another login of the same user goes on.
        if path == "/feed":
            await other.send("who")
            assert await other.recv() == ground.viewer.id
    # A route that neither tells nor hears is let go of too.
    assert await none_open()


class Gone(MemorySessionStore):
    """Sessions whose store does not answer."""

    async def is_live(self, session: str) -> bool:
        raise SafetyError(f"Redis did not answer for {len(session)} letters")


async def test_a_socket_closes_when_it_cannot_be_known_whether_its_login_lives(
    ground: Ground,
) -> None:
    async with (
        ground.connect("/feed", await ground.bearer(ground.viewer)) as socket,
        ground.connect("/feed", ground.book.signed("GET", "/feed")) as service,
    ):
        state = ground.book.server._app.state
        state.resources = replace(ground.resources, sessions=Gone(ground.resources.clock))
        assert await closed(socket) == (4503, "state_unknown")
        # A service has no login that could have ended.
        await service.send("who")
        assert await service.recv() == SERVICE


async def test_a_change_of_roles_closes_the_sockets_of_a_user(ground: Ground) -> None:
    async with ground.connect("/feed", await ground.bearer(ground.viewer)) as socket:
        await ground.resources.sessions.revoke_all(ground.viewer.id)
        assert await closed(socket) == (4401, "session_revoked")


async def test_what_a_route_refuses_once_it_is_open_is_the_code_of_closing(ground: Ground) -> None:
    before = metrics.socket_closes.labels("notebook", "4403")._value.get()
    async with ground.connect("/feed", await ground.bearer(ground.viewer)) as socket:
        await socket.send("trade")
        assert await closed(socket) == (4403, "strategy_not_permitted")
    async with ground.connect("/feed", await ground.bearer(ground.viewer)) as socket:
        await socket.send("break")
        assert await closed(socket) == (1011, "failed")
    assert metrics.socket_closes.labels("notebook", "4403")._value.get() == before + 1


async def test_who_talks_too_much_is_let_go(ground: Ground) -> None:
    async with ground.connect("/feed", await ground.bearer(ground.viewer)) as socket:
        for _ in range(BURST + 60):
            await socket.send("who")
        assert await closed(socket) == (4429, "rate_limited")
    async with ground.connect("/feed", await ground.bearer(ground.viewer)) as socket:
        await socket.send("x" * (MESSAGE_BYTES + 1))
        assert (await closed(socket))[0] == 1009


async def test_a_service_that_stops_says_so(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    async with (
        a_ground(tmp_path, database_url, redis_url) as ground,
        ground.connect("/feed", ground.book.signed("GET", "/feed")) as socket,
        ground.connect("/deaf", ground.book.signed("GET", "/deaf")) as other,
    ):
        ground.book.server.stop()
        assert (await closed(socket))[0] == (await closed(other))[0] == 1012
        assert await none_open()


async def raw(ground: Ground, asked: bytes) -> bytes:
    """What comes back for bytes, until the server closes."""
    port = int(ground.book.server.url.rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(asked)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer


UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\nHost: localhost\r\n"
KEY = b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
FEED = b"GET /feed HTTP/1.1\r\n" + UPGRADE + KEY


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (b"GET /feed\xff HTTP/1.1\r\n" + UPGRADE + KEY + b"\r\n", b"400"),
        (FEED + b"Content-Length: 5\r\n\r\nhello", b"400"),
        (b"GET /feed HTTP/1.1\r\n" + UPGRADE + b"\r\n", b"400"),
        (b"POST /feed HTTP/1.1\r\n" + UPGRADE + KEY + b"Content-Length: 0\r\n\r\n", b"405"),
        (b"GET /feed HTTP/1.0\r\n" + UPGRADE + KEY + b"\r\n", b"40"),
        (FEED + b"A: b\r\n" * HEADERS + b"\r\n", b"431"),
        (FEED + b"A: " + b"b" * 9000 + b"\r\n\r\n", b"431"),
        (
            FEED + b"A: " + b"b" * HEAD_BYTES + b"\r\n\r\n",
            b"431",
        ),
        (b"GET /" + b"f" * HEAD_BYTES + b" HTTP/1.1\r\n" + UPGRADE + KEY + b"\r\n", b"431"),
    ],
    ids=[
        "no letter",
        "a body",
        "no key",
        "no GET",
        "old",
        "many headers",
        "a long one",
        "a huge one",
        "a huge path",
    ],
)
async def test_a_handshake_that_is_none_is_answered_and_let_go(
    ground: Ground, asked: bytes, status: bytes
) -> None:
    answer = await raw(ground, asked)
    assert answer.startswith(b"HTTP/1.1 " + status), answer[:200]
    assert (await ground.book.http.get("/health")).status_code == 200


async def test_the_query_of_a_handshake_is_not_logged(
    ground: Ground, capfd: pytest.CaptureFixture[str]
) -> None:
    async with ground.connect("/anybody?token=hidden-in-a-query"):
        pass
    assert "hidden-in-a-query" not in "".join(capfd.readouterr())


@dataclass
class Shown:
    """A certificate of an operator and what takes it away."""

    authority: Authority
    name: str
    context: ssl.SSLContext


def operators(folder: Path, name: str) -> tuple[TlsFiles, Shown]:
    """An authority, the service's own certificate and an operator's."""
    now = SystemClock().now()
    authority = Authority(folder / "ca", lambda: "five-sheep-cross-a-bridge")
    authority.init("the tests' authority", now, list_days=30)
    put = {}
    for who, purpose in (("localhost", Purpose.SERVER), (name, Purpose.CLIENT)):
        handed = authority.issue(who, now, purpose=purpose, passphrase=None)
        put[who] = (folder / f"{who}.crt", folder / f"{who}.key")
        put[who][0].write_bytes(handed.certificate)
        assert handed.key is not None
        put[who][1].write_bytes(handed.key)
    context = ssl.create_default_context(cafile=str(authority.certificate_path))
    context.check_hostname = False
    context.load_cert_chain(*put[name])
    files = TlsFiles(*put["localhost"], authority.certificate_path)
    return files, Shown(authority, name, context)


async def test_an_operators_certificate_opens_a_socket_until_it_is_revoked(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    viewer = a_user("vera", Role.VIEWER)
    files, shown = operators(tmp_path, viewer.id)
    made = a_notebook(
        *(tmp_path, database_url, redis_url), settings=SETTINGS, tls=files, more=(router,)
    )
    async with made as book:
        assert book.shelf.resources is not None
        await book.shelf.resources.users.add(viewer)
        ground = Ground(book, viewer, viewer, shown.context)
        async with ground.connect("/feed") as socket:
            await socket.send("who")
            assert await socket.recv() == viewer.id
            assert await ground.refused("/orders") == (403, "not_permitted")
            shown.authority.revoke(viewer.id, Reason.LEFT, SystemClock().now(), list_days=30)
            assert await closed(socket) == (4401, "certificate_revoked")
        assert await ground.refused("/feed") == (401, "certificate_revoked")
