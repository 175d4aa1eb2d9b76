"""What a request must keep to before a route sees it: host, size, kind, time, and its turn.

`EntrancePolicy` is made of the settings, at the start and at a reload. Bodies that do not say how
long they are are counted while they are read, so a limit that is broken late is told by the route
that reads.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tradewright.services.browser import REPORT_TYPES, BrowserPolicy
from tradewright.services.errors import Refused, plain_problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response

    from tradewright.bootstrap import Settings
    from tradewright.ops.tracing import Export
    from tradewright.ports import Clock

HOSTS: Final = frozenset({"localhost"})
TEST_HOSTS: Final = frozenset({"test", "testserver"})
_KINDS: Final = frozenset({"application/json", *REPORT_TYPES})
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_LOOKED_AT: Final = frozenset(
    {b"content-length", b"content-type", b"transfer-encoding", b"origin"}
    | {b"access-control-request-method", b"access-control-request-headers"}
)


@dataclass(frozen=True, slots=True)
class EntrancePolicy:
    """What a service takes, made of its settings."""

    service: str
    browser: BrowserPolicy
    hosts: frozenset[str]
    proxies: tuple[str, ...]
    body_bytes: int
    seconds: float
    most: int
    most_sockets: int
    socket_seconds: float
    clock: Clock
    ids: Callable[[], str]
    export: Export | None = None

    @classmethod
    def of(
        cls,
        settings: Settings,
        service: str,
        clock: Clock,
        ids: Callable[[], str],
        export: Export | None = None,
    ) -> EntrancePolicy:
        """Make the policy of the settings.

        Raises:
            ConfigError: ALLOWED_ORIGINS is missing.
        """
        hosts = HOSTS | {name.lower() for name in settings.allowed_hosts}
        return cls(
            service=service,
            browser=BrowserPolicy.of(settings),
            hosts=hosts | TEST_HOSTS if settings.environment == "testing" else hosts,
            proxies=settings.trusted_proxies,
            body_bytes=settings.max_body_bytes,
            seconds=settings.request_timeout_seconds,
            most=settings.max_requests_in_flight,
            most_sockets=settings.max_sockets,
            socket_seconds=settings.socket_check_seconds,
            clock=clock,
            ids=ids,
            export=export,
        )

    def serves(self, host: str) -> bool:
        """Whether a Host header is one of ours: a name that was given, or any address."""
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        name = name.strip("[]").removesuffix(".").lower()
        # A page that is rebound to our address still asks by its name, never by an address.
        return name in self.hosts or _is_address(name)


class Turns:
    """Lets so many pass in one pass of the event loop, and the others in the next ones, in order.

    A hundred requests that arrive together would else keep the loop from all else until each has
    begun.
    """

    def __init__(self, most: int) -> None:
        """Let `most` pass at a time."""
        self._most = self._left = most
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._due = False

    async def take(self) -> None:
        """Wait for a turn, if there is none left in this pass of the loop."""
        loop = asyncio.get_running_loop()
        if not self._due:
            self._due = True
            loop.call_soon(self._next, loop)
        if self._left > 0 and not self._waiting:
            self._left -= 1
            return
        turn = loop.create_future()
        self._waiting.append(turn)
        await turn

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        self._left = self._most
        while self._left > 0 and self._waiting:
            turn = self._waiting.popleft()
            # Who has left does not use up a turn.
            if not turn.done():
                turn.set_result(None)
                self._left -= 1
        self._due = bool(self._waiting)
        if self._due:
            loop.call_soon(self._next, loop)


class Guards:
    """Refuses what no route should see: strange hosts, too much, too long, too many at once."""

    def __init__(self, app: ASGIApp, policy: EntrancePolicy) -> None:
        """Serve `app` what the policy takes."""
        self._app = app
        self._policy = policy
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request within its limits, or say which it breaks."""
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        self._in_flight += 1
        started, patience = _Started(send), asyncio.timeout(self._policy.seconds)
        try:
            async with patience:
                await self._app(scope, _Counted(receive, self._policy.body_bytes), started.send)
        except TimeoutError:
            if started.yes or not patience.expired():
                raise
            seconds = f"{self._policy.seconds:g}"
            await plain_problem(504, f"No answer was ready in {seconds} s.")(scope, receive, send)
        finally:
            self._in_flight -= 1

    def _refusal(self, scope: Scope) -> Response | None:
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        given = {name: value for name, value in scope["headers"] if name in _LOOKED_AT}
        method = scope["method"]
        # With two of them a proxy before us may have gone by the other one.
        if len(hosts) != 1 or not self._policy.serves(hosts[0]):
            return plain_problem(421, "This host is not served here; see ALLOWED_HOSTS.")
        if self._in_flight >= self._policy.most:
            return plain_problem(503, "Too many requests are being served.", {"Retry-After": "1"})
        if method == "OPTIONS" and b"access-control-request-method" in given:
            return self._preflight(given)
        length = given.get(b"content-length", b"")
        # What is not a number is refused by the server itself.
        if length.isdigit() and int(length) > self._policy.body_bytes:
            return plain_problem(413, f"A body has at most {self._policy.body_bytes} bytes.")
        has_body = length not in {b"", b"0"} or b"transfer-encoding" in given
        if has_body and method in _WITH_BODY:
            kind = given.get(b"content-type", b"").split(b";")[0].strip().lower().decode("latin-1")
            if kind not in _KINDS:
                return plain_problem(415, "Send application/json.", {"Accept": "application/json"})
        return None

    def _preflight(self, given: dict[bytes, bytes]) -> Response:
        method = given[b"access-control-request-method"].decode("latin-1")
        asked = given.get(b"access-control-request-headers", b"").decode("latin-1")
        answer = self._policy.browser.preflight(given.get(b"origin", b""), method, asked)
        return answer or plain_problem(403, "This origin may not ask; see ALLOWED_ORIGINS.")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


class _Started:
    __slots__ = ("_send", "yes")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.yes = False

    async def send(self, message: Message) -> None:
        self.yes = True
        await self._send(message)


class _Counted:
    # A body that does not say how long it is, is cut off where it is too long.
    __slots__ = ("_left", "_most", "_receive")

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive = receive
        self._most = self._left = most

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                raise Refused(413, f"A body has at most {self._most} bytes.")
        return message
