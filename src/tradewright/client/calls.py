"""The client of our own services: signs every attempt, and repeats only what may be repeated.

A GET, or a request with an Idempotency-Key, is tried again after a broken connection or a 502,
503 or 504; anything else is sent once, since a lost answer does not say whether it was done. Each
attempt has a nonce of its own: the one of a lost request may have been used up.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import httpx

from tradewright.core.errors import (
    InvalidInput,
    LimiterUnavailable,
    LimitReached,
    NotAuthenticated,
    NotPermitted,
    PeerRefused,
    PeerUnavailable,
    SafetyError,
    TradewrightError,
)
from tradewright.wire import signing
from tradewright.wire.problem import PROBLEM_TYPE

if TYPE_CHECKING:
    from tradewright.core.access import UserContext
    from tradewright.core.records import JsonValue
    from tradewright.ports import Clock, SecretStore

_REPEATABLE: Final = frozenset({"GET", "HEAD"})
_PASSING: Final = frozenset({502, 503, 504})
_FIRST_PAUSE_SECONDS: Final = 0.1
_JITTER: Final = 16**8
_encode: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class Terms:
    """How long to try: seconds in all and for an attempt, attempts at most, how to wait between.

    `carried` gives headers of the present context that each request takes along, as a trace.
    """

    deadline_seconds: float = 10.0
    attempt_seconds: float = 5.0
    attempts: int = 4
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    carried: Callable[[], Mapping[str, str]] = dict


@dataclass(frozen=True, slots=True)
class Call:
    """A request to be made: what is asked, and for whom.

    `idempotency_key` says that the service does it once however often it is asked; `context` is
    the user a service acts for; `token` is a user's own, shown in the place of a signature.
    `anonymous` shows nothing at all, for routes that are open to strangers.
    """

    method: str
    path: str
    query: Mapping[str, str] | None = None
    body: JsonValue = None
    idempotency_key: str | None = None
    context: UserContext | None = None
    token: str | None = None
    anonymous: bool = False

    @property
    def may_repeat(self) -> bool:
        """Whether doing it twice is doing it once."""
        return self.method in _REPEATABLE or self.idempotency_key is not None


class ServiceClient:
    """Calls one service, in the name of another."""

    def __init__(
        self,
        base_url: str,
        service_id: str,
        secrets: SecretStore,
        clock: Clock,
        ids: Callable[[], str],
        *,
        terms: Terms | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Call the service at `base_url` as `service_id`, with its secret as `secrets` has it.

        `ids` gives 128 random bits as text, for nonces and for the jitter of pauses.
        """
        self._service_id = service_id
        self._secrets = secrets
        self._clock = clock
        self._ids = ids
        self._terms = terms or Terms()
        # The machine's proxies and netrc must not see what passes between our services.
        self._http = httpx.AsyncClient(
            base_url=base_url,
            timeout=self._terms.attempt_seconds,
            transport=transport,
            trust_env=False,
            follow_redirects=False,
        )
        self._place = base_url

    async def __aenter__(self) -> Self:
        """Use the client for a while."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let go of connections."""
        await self.close()

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.aclose()

    async def get(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        context: UserContext | None = None,
    ) -> JsonValue:
        """Read something; raises as `call` does."""
        return await self.call(Call("GET", path, query, context=context))

    async def post(
        self,
        path: str,
        body: JsonValue = None,
        *,
        idempotency_key: str | None = None,
        context: UserContext | None = None,
    ) -> JsonValue:
        """Ask for something to be done; raises as `call` does."""
        return await self.call(
            Call("POST", path, body=body, idempotency_key=idempotency_key, context=context)
        )

    async def call(self, call: Call) -> JsonValue:
        """Make a request and return the JSON of its answer; None for an answer without a body.

        Raises:
            PeerUnavailable: There was no readable answer, and it may or may not have been done.
            InvalidInput: The service says that the request breaks a rule.
            NotAuthenticated: It does not know us.
            NotPermitted: We may not.
            LimitReached: We asked too often.
            SafetyError: It could not know whether it is safe.
            PeerRefused: It refused for another reason, told by its code.
            ConfigError: Our own secret is missing.
        """
        response = await self._answered(call)
        if response.is_success:
            return self._read(response)
        raise self._error(response)

    async def _answered(self, call: Call) -> httpx.Response:
        until = self._clock.monotonic() + self._terms.deadline_seconds
        attempts = self._terms.attempts if call.may_repeat else 1
        for attempt in range(attempts):
            left = until - self._clock.monotonic()
            pause = self._pause(attempt)
            last = attempt == attempts - 1 or pause >= left
            try:
                response = await self._http.send(self._request(call, left))
            except httpx.TransportError as error:
                if last:
                    what = f"no answer to {call.method} {call.path} ({type(error).__name__})"
                    raise PeerUnavailable(self._place, what) from error
            else:
                if last or response.status_code not in _PASSING:
                    return response
            await self._terms.pause(pause)
        raise PeerUnavailable(self._place, f"no attempt was left for {call.method} {call.path}")

    def _pause(self, attempt: int) -> float:
        jitter = int(self._ids()[:8], 16) / _JITTER
        return _FIRST_PAUSE_SECONDS * 2.0**attempt * (0.5 + jitter)

    def _request(self, call: Call, left: float) -> httpx.Request:
        content = b"" if call.body is None else _encode(call.body).encode()
        headers = dict(self._terms.carried())
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        if call.idempotency_key is not None:
            headers[signing.IDEMPOTENCY_HEADER] = call.idempotency_key
        request = self._http.build_request(
            call.method,
            call.path,
            params=call.query,
            content=content,
            headers=headers,
            timeout=max(min(left, self._terms.attempt_seconds), 0.001),
        )
        if call.token is not None:
            request.headers["Authorization"] = f"Bearer {call.token}"
        elif not call.anonymous:
            request.headers.update(self._signature(request, content, call.context))
        return request

    def _signature(
        self, request: httpx.Request, content: bytes, context: UserContext | None
    ) -> dict[str, str]:
        # Read at each attempt, so a rotated secret is used at once.
        name = signing.secret_name(self._service_id)
        secret = signing.active_secrets(self._secrets.get(name))[0]
        path, _, query = request.url.raw_path.decode("ascii").partition("?")
        facts = signing.RequestFacts(
            service=self._service_id,
            timestamp=str(int(self._clock.now().timestamp())),
            nonce=self._ids(),
            method=request.method,
            path=path,
            query=query,
            body_hash=signing.body_hash(content),
            user_context=signing.write_user_context(context) if context else "",
        )
        return signing.signing_headers(facts, secret)

    def _read(self, response: httpx.Response) -> JsonValue:
        if not response.content:
            return None
        try:
            body: JsonValue = response.json()
        except ValueError as error:
            raise PeerUnavailable(self._place, "its answer is not JSON") from error
        return body

    def _error(self, response: httpx.Response) -> TradewrightError:
        if response.headers.get("content-type", "").partition(";")[0] != PROBLEM_TYPE:
            return PeerUnavailable(self._place, f"answered {response.status_code} without a reason")
        try:
            problem = response.json()
        except ValueError:
            problem = None
        if not isinstance(problem, dict):
            return PeerUnavailable(self._place, f"answered {response.status_code}, unreadably")
        return _as_error(self._place, response, problem)


def _as_error(  # noqa: PLR0911 - one return a kind of problem
    place: str, response: httpx.Response, problem: Mapping[str, Any]
) -> TradewrightError:
    status, code = response.status_code, str(problem.get("code", "unknown"))
    detail = str(problem.get("detail", "no detail"))
    match status:
        case 401:
            return NotAuthenticated(code, detail)
        case 403:
            return NotPermitted("the caller", f"do this at {place} ({detail})", code)
        case 422 if problem.get("errors"):
            broken = problem["errors"][0]
            return InvalidInput(
                str(broken.get("field")), "(sent)", str(broken.get("rule")), broken.get("remedy")
            )
        case 429:
            return LimitReached(
                str(problem.get("limit", code)),
                int(problem.get("most", 0)),
                int(problem.get("window_seconds", 0)),
                _seconds(response.headers.get("retry-after", "")),
            )
        case 503 if code == "limiter_unavailable":
            return LimiterUnavailable(f"{place}: {detail}")
        case 503:
            return SafetyError(f"{place}: {code}: {detail}")
        case _ if status >= 500:  # noqa: PLR2004 - the range of the server's own failures
            return PeerUnavailable(place, f"failed ({code}): {detail}")
        case _:
            return PeerRefused(place, status, code, detail)


def _seconds(text: str) -> float:
    return float(text) if text.isdigit() else 1.0
