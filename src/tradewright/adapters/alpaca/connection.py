"""A websocket that comes back: backoff, a limit of handshakes, and watchdogs against silence.

One socket at a time, since the vendor allows one. Frames are read without bound while their
reader is busy: a slow reader must not look like a dead one. Coming back is announced by UP and
each loss by DOWN, because what happened in between is lost to a stream without numbers.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from tradewright.adapters.alpaca.access import Manners, Timeouts
from tradewright.core.clock import SystemClock
from tradewright.core.errors import ConfigError, RateLimited, VenueUnavailable
from tradewright.ports import Clock

_UNAUTHORIZED: Final = frozenset({401, 403})
_CROWDED: Final = frozenset({406, 429})
_CROWDED_SECONDS: Final = 5.0
_LONGEST_CROWDED_SECONDS: Final = 300.0
Enter = Callable[[ClientConnection], Awaitable[None]]


class Link(StrEnum):
    """The state of the connection, as told among its frames."""

    UP = "up"
    DOWN = "down"


class Connection:
    """The frames of one address until it is closed, over as many sockets as that takes."""

    def __init__(
        self,
        url: str,
        enter: Enter,
        refused: Callable[[], ConfigError],
        *,
        timeouts: Timeouts | None = None,
        manners: Manners | None = None,
        clock: Clock | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare; `enter` speaks first on each socket, `refused` composes its refusal."""
        self.connected = asyncio.Event()
        self.connections = 0
        self.last_error = ""
        self._url = url
        self._enter = enter
        self._refused = refused
        self._timeouts = timeouts or Timeouts()
        self._manners = manners or Manners()
        self._clock = clock or SystemClock()
        self._headers = dict(headers or {})
        self._closing = asyncio.Event()
        self._socket: ClientConnection | None = None
        self._crowded = 0

    async def frames(self) -> AsyncGenerator[Link | str | bytes, None]:
        """Yield UP, frames and DOWN, again and again, until `close`.

        Raises:
            ConfigError: The venue does not accept who we are.
        """
        attempt = 0
        monotonic = self._clock.monotonic
        while not self._closing.is_set():
            await self._pause(self._manners.handshakes.wait(monotonic()))
            if self._closing.is_set():
                return
            self._manners.handshakes.tried(monotonic())
            up_since: float | None = None
            wait = 0.0
            try:
                async with self._connection() as socket:
                    await self._enter(socket)
                    up_since = monotonic()
                    self.connections += 1
                    self.connected.set()
                    yield Link.UP
                    while True:
                        yield await self._frame(socket)
            except InvalidStatus as error:
                wait = self._turned_away(error)
            except RateLimited as limited:
                wait = self._wait_crowded(limited.retry_after)
                self.last_error = str(limited)
            except (OSError, TimeoutError, WebSocketException, VenueUnavailable) as error:
                self.last_error = f"{type(error).__name__}: {error}"
            finally:
                self.connected.clear()
            if up_since is not None:
                self._crowded = 0
                yield Link.DOWN
            lasted = up_since is not None and monotonic() - up_since >= self._manners.steady
            attempt = 0 if lasted else attempt + 1
            delay = self._manners.backoff.delay(max(attempt - 1, 0))
            await self._pause(max(delay, wait))

    def drop(self, why: str) -> None:
        """Give the present socket up, so that another is opened."""
        if self._socket is not None:
            self.last_error = why
            self._socket.transport.abort()

    async def close(self) -> None:
        """End the frames; safe to call twice."""
        self._closing.set()
        if self._socket is not None:
            await self._socket.close()

    async def _frame(self, socket: ClientConnection) -> str | bytes:
        silence = self._manners.silence
        while True:
            try:
                async with asyncio.timeout(silence):
                    return await socket.recv()
            except TimeoutError:
                if self._manners.expects():
                    raise VenueUnavailable(
                        self._url, f"the stream has been silent for {silence:g} s"
                    ) from None

    def _turned_away(self, error: InvalidStatus) -> float:
        status = error.response.status_code
        if status in _UNAUTHORIZED:
            raise self._refused() from error
        self.last_error = f"handshake answered {status}"
        return self._wait_crowded(_CROWDED_SECONDS) if status in _CROWDED else 0.0

    def _wait_crowded(self, seconds: float) -> float:
        # Somebody else, or our own last socket, still holds the one place there is.
        self._crowded += 1
        longest = max(seconds, _LONGEST_CROWDED_SECONDS)
        return min(seconds * 2.0 ** min(self._crowded - 1, 16), longest)

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[ClientConnection]:
        waits = self._timeouts
        async with connect(
            self._url,
            additional_headers=self._headers,
            open_timeout=waits.connect,
            ping_interval=waits.ping,
            ping_timeout=waits.ping,
            close_timeout=waits.close,
            max_queue=None,
            proxy=None,
        ) as socket:
            self._socket = socket
            if self._closing.is_set():
                await socket.close()
            try:
                yield socket
            finally:
                self._socket = None

    async def _pause(self, seconds: float) -> None:
        # A closing stream does not wait out its pause.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()
