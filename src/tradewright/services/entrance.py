"""Where a request comes in: its trace, its limits, the headers of its answer, and the last resort.

Outermost first: the caller's address behind our proxies, the trace, what every answer carries, the
log line and the metrics, and the answer 500 for what nobody foresaw; then host, size, kind and
time of the request; then who may ask from a browser; then the routes. All is plain ASGI, since a
request passes here before anything about it is known.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tradewright.ops import metrics, tracing
from tradewright.ops.logging import logger
from tradewright.services.errors import plain_problem
from tradewright.services.guards import EntrancePolicy, Guards, Turns
from tradewright.services.proxies import TrustedProxies, client_of
from tradewright.services.sockets import Line, Sockets, tell_of_socket

QUIET_PATHS: Final = frozenset({"/health", "/ready", "/metrics"})
"""What is asked every few seconds and would fill the log."""
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_STARTS: Final = frozenset(
    {"http.response.start", "websocket.http.response.start", "websocket.accept"}
)
_SWITCHED: Final = 101
_TOLD: Final = frozenset({b"traceparent", b"tracestate", b"x-request-id"})
TURNS: Final = 6
"""Requests that begin in one pass of the event loop: a crowd is let in a few at a time."""
_log: Final = logger(__name__)
_access: Final = logging.getLogger("tradewright.access")


class Entrance:
    """The outermost layer of a service, and the only one that answers everything."""

    def __init__(self, app: ASGIApp) -> None:
        """Serve `app`, under the policy that the start puts on its state."""
        self._app = app
        self._sockets = Sockets(app)
        self._front: ASGIApp = app
        self._policy: EntrancePolicy | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or hand on what is none."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        policy: EntrancePolicy = scope["app"].state.policy
        if policy is not self._policy:
            # At the first request, and when settings were read anew.
            self._policy = policy
            self._front = TrustedProxies(_Serving(self._app, self._sockets, policy), policy.proxies)
        await self._front(scope, receive, send)


class _Serving:
    def __init__(self, app: ASGIApp, sockets: Sockets, policy: EntrancePolicy) -> None:
        self._guards = Guards(app, policy)
        self._sockets = sockets
        self._policy = policy
        self._open = metrics.sockets_open.labels(policy.service)
        self._in_flight = metrics.http_requests_in_flight.labels(policy.service)
        self._counters: dict[tuple[str, str, int], Any] = {}
        self._turns = Turns(TURNS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._turns.take()
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
            return
        policy = self._policy
        headers = {k.decode(): v.decode("latin-1") for k, v in scope["headers"] if k in _TOLD}
        began = policy.clock.monotonic()
        self._in_flight.inc()
        with tracing.begin(headers, policy.ids) as trace:
            answer = _Answer(scope, send, policy, trace.trace_id)
            with tracing.ended(scope["method"], trace, policy.export, clock=policy.clock):
                try:
                    await self._guards(scope, receive, answer.send)
                except Exception as error:
                    await self._last_resort(scope, receive, answer, error)
                finally:
                    self._in_flight.dec()
                    self._tell(scope, answer, policy.clock.monotonic() - began)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        policy = self._policy
        headers = {k.decode(): v.decode("latin-1") for k, v in scope["headers"] if k in _TOLD}
        with tracing.begin(headers, policy.ids) as trace:
            answer = _Answer(scope, send, policy, trace.trace_id)
            line = Line(receive, answer.send, policy.clock)
            began = policy.clock.monotonic()
            self._open.inc()
            try:
                await self._sockets(scope, line, policy)
            finally:
                self._open.dec()
                seconds = policy.clock.monotonic() - began
                tell_of_socket(policy.service, scope, answer.status, line.code, seconds)

    async def _last_resort(
        self, scope: Scope, receive: Receive, answer: _Answer, error: Exception
    ) -> None:
        metrics.http_last_resort.labels(self._policy.service).inc()
        _log.error("a request ended in an error that nobody foresaw", exc_info=error)
        if answer.status:
            # The answer has begun: cutting it off is all that is left.
            raise error
        await plain_problem(500, "Quote the trace id.")(scope, receive, answer.send)

    def _tell(self, scope: Scope, answer: _Answer, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = str(getattr(scope.get("route"), "path", "unmatched"))
        status = answer.status or 499
        key = (method, route, status)
        found = self._counters.get(key)
        if found is None:
            service = self._policy.service
            found = self._counters[key] = (
                metrics.http_requests.labels(service, method, route, str(status)),
                metrics.http_request_seconds.labels(service, method, route),
            )
        found[0].inc()
        found[1].observe(seconds)
        level = logging.DEBUG if route in QUIET_PATHS else logging.INFO
        if _access.isEnabledFor(level):
            said = {
                "method": method,
                "route": route,
                "status": status,
                "ms": round(seconds * 1000, 2),
                "principal": getattr(scope.get("state", {}).get("principal"), "id", None),
                "address": client_of(scope),
            }
            # Made by hand, since to look for the caller's place takes as long as all the rest.
            extra = {"_said": said}
            _access.handle(
                _access.makeRecord(_access.name, level, "", 0, "request", (), None, extra=extra)
            )


class _Answer:
    # What is sent back, with what every answer carries.
    __slots__ = ("_origin", "_policy", "_scope", "_send", "_trace_id", "status")

    def __init__(self, scope: Scope, send: Send, policy: EntrancePolicy, trace_id: str) -> None:
        self.status = 0
        self._scope = scope
        self._send = send
        self._policy = policy
        self._trace_id = trace_id
        self._origin = next((v for k, v in scope["headers"] if k == b"origin"), b"")

    async def send(self, message: Message) -> None:
        if message["type"] in _STARTS:
            self.status = message.get("status", _SWITCHED)
            message["headers"] = headers = list(message.get("headers", ()))
            request_id = tracing.context()["request_id"] or ""
            headers += [
                (b"x-request-id", request_id.encode()),
                (b"x-trace-id", self._trace_id.encode()),
            ]
            self._policy.browser.harden(message, self._scope)
            if self._origin:
                self._policy.browser.allow(message, self._origin)
        await self._send(message)
