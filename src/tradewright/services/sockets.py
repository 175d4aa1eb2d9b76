"""Sockets: what a handshake must keep to, and what one that is open goes on keeping to.

A handshake that is refused is answered like a request, by a problem. Once a socket is open there is
no status any more: it is closed with 4000 and the status that the same refusal has, and the code of
the problem as the reason. Whoever opened it is looked at again every few seconds, so a login that
was ended does not live on in a socket.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from tradewright.core.errors import NotPermitted, TradewrightError
from tradewright.ops import metrics
from tradewright.ops.logging import logger
from tradewright.services.credentials import still_good
from tradewright.services.errors import error_answer, plain_problem
from tradewright.services.proxies import client_of

if TYPE_CHECKING:
    from starlette.responses import Response

    from tradewright.ports import Clock
    from tradewright.services.guards import EntrancePolicy

CLOSED: Final = 4000
"""Added to the status of a refusal it is the code that an open socket is closed with."""
FAILED: Final = 1011
BURST: Final = 100
MESSAGES_PER_SECOND: Final = 20
"""What a client may send over one socket: so many at once, and so many a second from then on."""
LINGER_SECONDS: Final = 1.0
"""How long a route has to end once its socket is closed."""
_TOO_OFTEN: Final = 429
_LEFT: Final = 499
_log: Final = logger(__name__)


class Sockets:
    """Serves sockets within their limits."""

    def __init__(self, app: ASGIApp) -> None:
        """Serve `app`."""
        self._app = app
        self._open = 0

    async def __call__(self, scope: Scope, line: Line, policy: EntrancePolicy) -> None:
        """Serve a socket from its handshake to its end."""
        refusal = self._refusal(scope, policy)
        if refusal is not None:
            await refusal(scope, line.receive, line.send)
        else:
            self._open += 1
            try:
                await self._serve(scope, line, policy)
            finally:
                self._open -= 1

    def _refusal(self, scope: Scope, policy: EntrancePolicy) -> Response | None:
        hosts, origins = (
            [value.decode("latin-1") for name, value in scope["headers"] if name == one]
            for one in (b"host", b"origin")
        )
        if len(hosts) != 1 or not policy.serves(hosts[0]):
            return plain_problem(421, "This host is not served here; see ALLOWED_HOSTS.")
        if self._open >= policy.most_sockets:
            return plain_problem(503, "Too many sockets are open.", {"Retry-After": "5"})
        # No browser asks first whether a page may open a socket, so we look who opens it.
        if not policy.browser.origins.issuperset(origins):
            return error_answer(
                NotPermitted("a page", "open a socket from another site", "csrf_failed")
            )
        return None

    async def _serve(self, scope: Scope, line: Line, policy: EntrancePolicy) -> None:
        async def serve() -> None:
            await self._app(scope, line.receive, line.send)

        serving, hearing = asyncio.create_task(serve()), asyncio.create_task(line.listen())
        until = policy.clock.monotonic() + policy.seconds
        try:
            while not serving.done():
                left = policy.socket_seconds
                if not line.accepted:
                    left = min(left, max(until - policy.clock.monotonic(), 0.0))
                await asyncio.wait(
                    {serving, hearing}, timeout=left, return_when=asyncio.FIRST_COMPLETED
                )
                if serving.done():
                    break
                # A route that only tells does not hear that its client has left.
                if hearing.done() or not await self._may_go_on(scope, line, until, policy):
                    await asyncio.wait({serving}, timeout=LINGER_SECONDS)
                    break
        finally:
            serving.cancel()
            hearing.cancel()
            ended, _ = await asyncio.gather(serving, hearing, return_exceptions=True)
        # Its client has left, or its socket was closed under it: no failure of the route.
        if isinstance(ended, Exception) and not isinstance(ended, WebSocketDisconnect | OSError):
            await _last_resort(scope, line, ended, policy)
        elif not line.answered:
            await _unanswered(scope)(scope, line.receive, line.send)

    async def _may_go_on(
        self, scope: Scope, line: Line, until: float, policy: EntrancePolicy
    ) -> bool:
        if not line.accepted:
            if policy.clock.monotonic() < until:
                return True
            seconds = f"{policy.seconds:g}"
            problem = plain_problem(504, f"No answer was ready in {seconds} s.")
            await problem(scope, line.receive, line.send)
            return False
        try:
            await still_good(HTTPConnection(scope))
        except TradewrightError as error:
            answer = error_answer(error)
            await line.close(answer.status_code, _code(bytes(answer.body)))
        return not line.closed


class Line:
    """A socket as its route sees it: messages are counted, and refusals become codes of closing."""

    def __init__(self, receive: Receive, send: Send, clock: Clock) -> None:
        """Stand between a route and the server's `receive` and `send`."""
        self.accepted = False
        self.answered = False
        self.closed = False
        self.code = 0
        self._receive = receive
        self._send = send
        self._clock = clock
        self._left = float(BURST)
        self._at = clock.monotonic()
        self._status = 0
        self._heard: asyncio.Queue[Message] = asyncio.Queue()

    async def listen(self) -> None:
        """Take what the client sends until it leaves; one that sends too much is let go."""
        while True:
            message = await self._receive()
            too_many = not self._has_room() or self._heard.qsize() >= BURST
            if message["type"] == "websocket.receive" and too_many:
                await self.close(_TOO_OFTEN, "rate_limited")
                message = {"type": "websocket.disconnect", "code": self.code, "reason": ""}
            self._heard.put_nowait(message)
            if message["type"] == "websocket.disconnect":
                return

    async def receive(self) -> Message:
        """Take the next message for the route."""
        return await self._heard.get()

    async def send(self, message: Message) -> None:
        """Send a message of the route, or what stands for its refusal.

        Raises:
            OSError: The socket is closed.
        """
        kind = message["type"]
        if self.closed:
            raise OSError("the socket is closed")
        if kind == "websocket.close" and not self.accepted:
            # The server would answer a status alone; `_unanswered` says more.
            return
        if kind.startswith("websocket.http.response") and self.accepted:
            await self._refused(message)
            return
        self.answered = True
        self.accepted |= kind == "websocket.accept"
        if kind == "websocket.close":
            self.closed, self.code = True, int(message.get("code", 1000))
        await self._send(message)

    async def close(self, status: int, code: str) -> None:
        """Close an open socket with what a refusal would have been."""
        if not self.closed:
            self.closed, self.code = True, CLOSED + status
            await self._send({"type": "websocket.close", "code": self.code, "reason": code})

    async def fail(self) -> None:
        """Close an open socket, since nobody foresaw what happened."""
        if not self.closed:
            self.closed, self.code = True, FAILED
            await self._send({"type": "websocket.close", "code": FAILED, "reason": "failed"})

    async def _refused(self, message: Message) -> None:
        # The table of errors answered as if there were a status still.
        if message["type"] == "websocket.http.response.start":
            self._status = message["status"]
        elif not message.get("more_body", False):
            await self.close(self._status, _code(message.get("body", b"")))

    def _has_room(self) -> bool:
        now = self._clock.monotonic()
        self._left = min(float(BURST), self._left + (now - self._at) * MESSAGES_PER_SECOND)
        self._at = now
        self._left -= 1
        return self._left >= 0


def _code(body: bytes) -> str:
    try:
        told: Any = json.loads(body)
    except ValueError:
        return "failed"
    return str(told.get("code", "failed")) if isinstance(told, dict) else "failed"


def _unanswered(scope: Scope) -> Response:
    if scope.get("route") is None:
        return plain_problem(404, "No socket is here.")
    return plain_problem(403, "The socket was not opened.")


async def _last_resort(scope: Scope, line: Line, error: Exception, policy: EntrancePolicy) -> None:
    metrics.http_last_resort.labels(policy.service).inc()
    _log.error("a socket ended in an error that nobody foresaw", exc_info=error)
    if line.accepted:
        await line.fail()
    elif not line.answered:
        await plain_problem(500, "Quote the trace id.")(scope, line.receive, line.send)


def tell_of_socket(service: str, scope: Scope, status: int, code: int, seconds: float) -> None:
    """Count and log how a handshake was answered, and with what an open socket was closed by us."""
    route = str(getattr(scope.get("route"), "path", "unmatched"))
    metrics.socket_handshakes.labels(service, route, str(status or _LEFT)).inc()
    if code:
        metrics.socket_closes.labels(service, str(code)).inc()
    _log.info(
        "socket",
        route=route,
        status=status or _LEFT,
        closed=code or None,
        seconds=round(seconds, 3),
        principal=getattr(scope.get("state", {}).get("principal"), "id", None),
        address=client_of(scope),
    )
