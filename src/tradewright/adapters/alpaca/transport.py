"""Requests to the venue: one at a time, classified, counted, and repeated only where harmless.

A POST or PATCH is sent once and never again: without a readable answer the venue may or may not
have the order, and that is what VenueUnavailable says. Their SDK sends it again after a 504;
that is why it is not used here. Reads and cancels change nothing by being repeated.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn, TypeAlias, TypeVar

import httpx

from tradewright.adapters.alpaca.access import VENUE, Access, Manners, Timeouts
from tradewright.adapters.alpaca.answers import Answer, Outcome, classify, lost
from tradewright.adapters.alpaca.budget import Lane, RequestBudget
from tradewright.core.clock import SystemClock
from tradewright.core.errors import RateLimited, VenueUnavailable
from tradewright.ports import Clock

_T = TypeVar("_T")

ATTEMPTS: Final = 3
# The vendor's limit is by the minute; without word from it, a few seconds are a fair guess.
_WAIT_SECONDS: Final = 3.0
_LONGEST_WAIT_SECONDS: Final = 120.0
_BROKEN: Final = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ConnectTimeout)
_FAILURES: Final = (httpx.HTTPError, httpx.StreamError)


@dataclass(frozen=True, slots=True)
class Request:
    """What to send; `lane` says which part of the request budget may pay for it."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, str] | None = None
    lane: Lane = Lane.POLL

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of an HTTP client's `request`."""
        return {
            "method": self.method,
            "url": self.path,
            "params": self.query or None,
            "json": self.body,
        }


Ask: TypeAlias = Generator[Request, Answer, _T]
"""What to read, decided step by step: yields requests, is sent their answers, returns a value."""


@dataclass(slots=True)
class Meter:
    """What both clients keep: the budget, and counts of outcomes by name."""

    clock: Clock
    budget: RequestBudget | None = None
    counts: Counter[str] = field(default_factory=Counter)

    def admit(self, lane: Lane) -> None:
        """Count a request; raise RateLimited with the time to wait if there is no room."""
        if self.budget is None:
            return
        wait = self.budget.take(lane, self.clock.monotonic())
        if wait > 0:
            self.counts["held back"] += 1
            raise RateLimited(VENUE, wait)

    def note(self, request: Request, response: httpx.Response) -> Answer:
        """Classify an answer, and learn from its headers."""
        answer = classify(response.status_code, response.content)
        self.counts[answer.outcome.value] += 1
        headers = response.headers
        if self.budget is not None and answer.outcome is not Outcome.LIMITED:
            self.budget.served()
            limit, remaining = (_whole(headers.get(f"X-RateLimit-{w}")) for w in _COUNTS)
            self.budget.learn(limit, remaining, self._reset(headers), self.clock.monotonic())
        if answer.outcome is Outcome.LIMITED:
            raise RateLimited(VENUE, self._limited(request.lane, headers))
        return answer

    def lose(self, request: Request, error: Exception) -> Answer:
        """Classify the lack of an answer."""
        self.counts[Outcome.UNKNOWN.value] += 1
        what = f"{request.method} {request.path}: {type(error).__name__} {error}".rstrip()
        return lost(what, again=isinstance(error, _BROKEN))

    def _limited(self, lane: Lane, headers: httpx.Headers) -> float:
        wait = _number(headers.get("Retry-After"))
        reset = self._reset(headers)
        if wait is None and reset is not None:
            wait = reset + 1
        if wait is not None:
            wait = min(max(wait, 0.0), _LONGEST_WAIT_SECONDS)
        if self.budget is not None:
            return self.budget.limited(wait, self.clock.monotonic())[lane]
        return _WAIT_SECONDS if wait is None else wait

    def _reset(self, headers: httpx.Headers) -> float | None:
        reset = _number(headers.get("X-RateLimit-Reset"))
        return None if reset is None else reset - self.clock.now().timestamp()


class Transport:
    """Asynchronous requests to one host of the venue."""

    def __init__(
        self,
        access: Access,
        *,
        timeouts: Timeouts | None = None,
        manners: Manners | None = None,
        clock: Clock | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        network: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Prepare; nothing is sent yet. `network` replaces what is below HTTP."""
        conduct = manners or Manners()
        self.meter = Meter(clock or SystemClock(), conduct.budget)
        self._access = access
        self._retry = conduct.retry
        self._sleep = sleep
        self._whole = (timeouts or Timeouts()).whole
        self._client = httpx.AsyncClient(**_options(access, timeouts), transport=network)

    async def send(self, request: Request) -> Answer:
        """Send once; what is returned was taken or refused.

        Raises:
            VenueUnavailable: No readable answer: what was asked may or may not have been done.
            RateLimited: It was not taken, or not even sent.
            ConfigError: The venue does not accept the keys.
        """
        return _settled(self._access, request, *await self._once(request))

    async def insist(self, request: Request) -> Answer:
        """Send what may be repeated without harm, up to three times; raise as `send` does."""
        for attempt in range(ATTEMPTS - 1):
            answer, error = await self._once(request)
            if not answer.again:
                return _settled(self._access, request, answer, error)
            await self._sleep(self._retry.delay(attempt))
        return await self.send(request)

    async def run(self, ask: Ask[_T]) -> _T:
        """Send what `ask` yields until it returns."""
        try:
            request = next(ask)
            while True:
                request = ask.send(await self.insist(request))
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aclose()

    async def _once(self, request: Request) -> tuple[Answer, Exception | None]:
        if self._client.is_closed:
            raise VenueUnavailable(VENUE, f"{request.method} {request.path}: we have hung up")
        self.meter.admit(request.lane)
        try:
            # Each byte that arrives starts the read timeout anew; this one ends all the same.
            async with asyncio.timeout(self._whole):
                response = await self._client.request(**request.arguments)
        except (*_FAILURES, TimeoutError) as error:
            return self.meter.lose(request, error), error
        return self.meter.note(request, response), None


class BlockingTransport:
    """The same for callers without an event loop: imports and research; it waits its turn."""

    def __init__(
        self,
        access: Access,
        *,
        timeouts: Timeouts | None = None,
        manners: Manners | None = None,
        clock: Clock | None = None,
        sleep: Callable[[float], object] | None = None,
        patience: float = 300.0,
    ) -> None:
        """Prepare; `patience` is how many seconds in all to wait for the venue's limits."""
        conduct = manners or Manners()
        self.meter = Meter(clock or SystemClock(), conduct.budget)
        self._access = access
        self._retry = conduct.retry
        self._sleep = sleep or threading.Event().wait
        self._patience = patience
        self._client = httpx.Client(**_options(access, timeouts))

    def run(self, ask: Ask[_T]) -> _T:
        """Send what `ask` yields until it returns; raise as `Transport.send` does."""
        try:
            request = next(ask)
            while True:
                request = ask.send(self._insist(request))
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _insist(self, request: Request) -> Answer:
        attempt, waited = 0, 0.0
        while True:
            try:
                answer, error = self._once(request)
            except RateLimited as limited:
                waited += limited.retry_after
                if waited > self._patience:
                    raise
                self._sleep(limited.retry_after)
                continue
            if not answer.again or attempt == ATTEMPTS - 1:
                return _settled(self._access, request, answer, error)
            self._sleep(self._retry.delay(attempt))
            attempt += 1

    def _once(self, request: Request) -> tuple[Answer, Exception | None]:
        self.meter.admit(request.lane)
        try:
            response = self._client.request(**request.arguments)
        except _FAILURES as error:
            return self.meter.lose(request, error), error
        return self.meter.note(request, response), None


def unreadable(request: Request, answer: Answer, what: str) -> NoReturn:
    """Raise VenueUnavailable for an answer that makes no sense, with the body as it came."""
    said = f"{request.method} {request.path} answered {answer.status}: {what}"
    raise VenueUnavailable(VENUE, said, answer.raw)


def _settled(
    access: Access, request: Request, answer: Answer, cause: Exception | None = None
) -> Answer:
    if answer.outcome is Outcome.SHUT_OUT:
        raise access.refused()
    if answer.outcome is not Outcome.UNKNOWN:
        return answer
    if not answer.status:
        raise VenueUnavailable(VENUE, answer.message) from cause
    shown = answer.raw[:200]
    unreadable(request, answer, f"{answer.message}: {shown}" if shown else answer.message)


def _options(access: Access, timeouts: Timeouts | None) -> dict[str, Any]:
    waits = timeouts or Timeouts()
    return {
        "base_url": access.base_url,
        "headers": access.headers,
        "timeout": httpx.Timeout(
            connect=waits.connect, read=waits.read, write=waits.write, pool=waits.pool
        ),
        "trust_env": False,
    }


_COUNTS: Final = ("Limit", "Remaining")


def _number(text: str | None) -> float | None:
    try:
        value = None if text is None else float(text)
    except ValueError:
        return None
    # A header that says nan or inf says nothing.
    return value if value is not None and abs(value) < float("inf") else None


def _whole(text: str | None) -> int | None:
    value = _number(text)
    return None if value is None else int(value)
