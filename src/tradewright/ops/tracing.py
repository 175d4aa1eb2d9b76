"""Who asked for what, across services: W3C trace context, carried in context variables.

A service begins a trace for each request, with the caller's ids if they are well formed, and hands
them on with `outgoing_headers`. Ids from outside end in logs, so what does not fit is replaced.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, TypeAlias

from tradewright.core.clock import SystemClock
from tradewright.ports import Clock

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
REQUEST_ID: Final = "x-request-id"
_SAMPLED: Final = 1
_LONGEST_STATE: Final = 512
_TRACEPARENT: Final = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
)
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9][\w.:-]{0,127}", re.ASCII)
_STATE: Final = re.compile(r"[\x20-\x7e]*")
Ids: TypeAlias = "Callable[[], str]"
"""Gives 128 random bits as 32 hexadecimal digits."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Where in a trace we are: its id, our span in it, and the span that called us."""

    trace_id: str
    span_id: str
    parent_id: str = ""
    sampled: bool = True
    state: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of work that has ended; times are nanoseconds since 1970."""

    name: str
    trace: Trace
    started_ns: int
    ended_ns: int
    failed: bool
    attributes: Mapping[str, str | int]


Export: TypeAlias = "Callable[[Span], None]"

_trace: ContextVar[Trace | None] = ContextVar("trace", default=None)
_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
_strategy_id: ContextVar[str | None] = ContextVar("strategy_id", default=None)
_client_order_id: ContextVar[str | None] = ContextVar("client_order_id", default=None)


def current() -> Trace | None:
    """Return the trace of the request that is being served, None outside of one."""
    return _trace.get()


def context() -> dict[str, str | None]:
    """Return the ids that every log line carries; None where unknown."""
    trace = _trace.get()
    return {
        "trace_id": trace.trace_id if trace else None,
        "request_id": _request_id.get(),
        "strategy_id": _strategy_id.get(),
        "client_order_id": _client_order_id.get(),
    }


def outgoing_headers() -> dict[str, str]:
    """Return the headers that carry the trace to the next service; empty outside of a request."""
    headers: dict[str, str] = {}
    trace = _trace.get()
    if trace:
        flags = "01" if trace.sampled else "00"
        headers[TRACEPARENT] = f"00-{trace.trace_id}-{trace.span_id}-{flags}"
        if trace.state:
            headers[TRACESTATE] = trace.state
    request_id = _request_id.get()
    if request_id:
        headers[REQUEST_ID] = request_id
    return headers


def parse(traceparent: str, state: str = "") -> Trace | None:
    """Read a `traceparent`; None if it breaks the standard. The span is the caller's."""
    found = _TRACEPARENT.fullmatch(traceparent.strip())
    if found is None or (found[1] == "00" and found[5]):
        return None
    fits = len(state) <= _LONGEST_STATE and _STATE.fullmatch(state)
    sampled = bool(int(found[4], 16) & _SAMPLED)
    return Trace(found[2], found[3], sampled=sampled, state=state if fits else "")


@contextmanager
def begin(headers: Mapping[str, str], ids: Ids) -> Iterator[Trace]:
    """Serve a request: its ids, or fresh ones, are the context within.

    Args:
        headers: Those of the request, by lower-case names.
        ids: Where fresh ids come from.
    """
    caller = parse(headers.get(TRACEPARENT, ""), headers.get(TRACESTATE, ""))
    span_id = ids()[:16]
    if caller:
        trace = Trace(caller.trace_id, span_id, caller.span_id, caller.sampled, caller.state)
    else:
        trace = Trace(ids(), span_id)
    asked = headers.get(REQUEST_ID, "")
    request_id = asked if _REQUEST_ID.fullmatch(asked) else ids()
    tokens = (_trace.set(trace), _request_id.set(request_id))
    try:
        yield trace
    finally:
        _trace.reset(tokens[0])
        _request_id.reset(tokens[1])


@contextmanager
def bound(*, strategy_id: str | None = None, client_order_id: str | None = None) -> Iterator[None]:
    """Name the strategy and the order that the lines within are about; None leaves one as it is."""
    strategy = _strategy_id.set(strategy_id or _strategy_id.get())
    order = _client_order_id.set(client_order_id or _client_order_id.get())
    try:
        yield
    finally:
        _strategy_id.reset(strategy)
        _client_order_id.reset(order)


@contextmanager
def span(
    name: str,
    ids: Ids,
    export: Export | None = None,
    *,
    clock: Clock | None = None,
    **attributes: str | int,
) -> Iterator[Trace]:
    """Mark a stretch of work as a span of its own; told to `export` when the trace is sampled."""
    above = _trace.get()
    trace_id = above.trace_id if above else ids()
    trace = Trace(
        trace_id,
        ids()[:16],
        above.span_id if above else "",
        above.sampled if above else True,
        above.state if above else "",
    )
    token = _trace.set(trace)
    with ended(name, trace, export, clock=clock, **attributes):
        try:
            yield trace
        finally:
            _trace.reset(token)


@contextmanager
def ended(
    name: str,
    trace: Trace,
    export: Export | None,
    *,
    clock: Clock | None = None,
    **attributes: str | int,
) -> Iterator[None]:
    """Tell `export` of a span that already is the context, once it has ended."""
    if export is None or not trace.sampled:
        yield
        return
    watch = clock or SystemClock()
    started, since = watch.now(), watch.monotonic()
    failed = True
    try:
        yield
        failed = False
    finally:
        began = round(started.timestamp() * 1e9)
        took = round((watch.monotonic() - since) * 1e9)
        export(Span(name, trace, began, began + took, failed, attributes))
