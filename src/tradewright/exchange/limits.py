"""The rate limit: so many requests a minute of the account, and headers that say what is left.

Minutes are those of the wall clock, as the vendor's are: a replay at sixty times the speed does
not give its clients more requests. Trading and market data are counted apart, since the vendor
serves them from two hosts; the rehearsal's own paths and sockets are not counted.
"""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tradewright.exchange.web import answer
from tradewright.ports import Clock

PER_MINUTE: Final = 200
_MINUTE: Final = 60
_TOO_MANY: Final = 429
_OWN: Final = "/rehearsal"
_DATA: Final = ("/v2/stocks", "/v1beta1/", "/v1/corporate-actions")
_TRADING_BODY: Final = {"code": 42910000, "message": "rate limit exceeded"}
_DATA_BODY: Final = {"message": "too many requests."}
Headers = list[tuple[bytes, bytes]]


class Budget:
    """Requests of one minute, which begins with the first of them."""

    def __init__(self, limit: int, clock: Clock) -> None:
        """Allow `limit` requests a minute by `clock`."""
        self.limit = limit
        self.left = limit
        self._clock = clock
        self._ends = clock.monotonic()
        self._reset = b"0"

    def take(self) -> bool:
        """Take a request from the minute; say whether there was one left."""
        at = self._clock.monotonic()
        if at >= self._ends:
            self._ends = at + _MINUTE
            self._reset = str(int(self._clock.now().timestamp()) + _MINUTE).encode()
            self.left = self.limit
        if not self.left:
            return False
        self.left -= 1
        return True

    def headers(self) -> Headers:
        """Write what is left, and the epoch second at which there is more."""
        return [
            (b"x-ratelimit-limit", str(self.limit).encode()),
            (b"x-ratelimit-remaining", str(self.left).encode()),
            (b"x-ratelimit-reset", self._reset),
        ]


class RateLimit:
    """Answers 429 to who has asked too often, and tells everyone else what is left."""

    def __init__(
        self, app: ASGIApp, clock: Clock, *, trading: int = PER_MINUTE, data: int = PER_MINUTE
    ) -> None:
        """Stand before `app`, behind what turns strangers away: their requests do not count."""
        self._app = app
        self._trading = Budget(trading, clock)
        self._data = Budget(data, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is within the limit."""
        path = scope.get("path", "")
        if scope["type"] != "http" or path.startswith(_OWN):
            await self._app(scope, receive, send)
            return
        of_data = path.startswith(_DATA)
        budget = self._data if of_data else self._trading

        if not budget.take():
            refusal = answer(_DATA_BODY if of_data else _TRADING_BODY, _TOO_MANY)
            refusal.raw_headers.extend(budget.headers())
            await refusal(scope, receive, send)
            return
        told = budget.headers()

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *told]
            await send(message)

        await self._app(scope, receive, with_headers)
