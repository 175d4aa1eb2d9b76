"""The socket of trade updates: authenticate, listen, stay connected until closed.

The vendor neither numbers nor repeats its messages: whatever happened while the socket was
down is lost to it. `connections` counts the times it came up, so that its owner can mend every
gap by REST; the count rises only when the venue has confirmed that it sends us updates.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from tradewright.adapters.alpaca.mapping import Json, Parked, as_object, loads
from tradewright.core.errors import ConfigError, InvalidInput, VenueUnavailable

VENUE: Final = "alpaca"
TRADE_UPDATES: Final = "trade_updates"
_PARKED: Final = 1000
_UNAUTHORIZED: Final = frozenset({401, 403})


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait: for a connection, for bytes to come or go, for a pooled connection.

    `ping` is how often the stream is probed, and how long the answer may take.
    """

    connect: float = 5.0
    read: float = 10.0
    write: float = 10.0
    pool: float = 5.0
    ping: float = 20.0
    close: float = 2.0


@dataclass(frozen=True, slots=True)
class Access:
    """Where the venue is and who we are; the stream's address follows from the other."""

    base_url: str
    key: str
    secret: str = field(repr=False)

    @property
    def stream_url(self) -> str:
        """Address of the trade updates."""
        scheme, _, rest = self.base_url.rstrip("/").partition("://")
        return f"{'wss' if scheme == 'https' else 'ws'}://{rest}/stream"

    def refused(self) -> ConfigError:
        """Compose the error of credentials that the venue does not take."""
        return ConfigError(
            f"{self.base_url} does not accept the key {self.key[:4]}…",
            "check key and secret, and that they belong to this address (paper or live)",
        )


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits between attempts: doubling from `first` to `longest` seconds.

    `jitter` returns a number in [0, 1) that takes up to half of a wait away, so that many
    clients do not come back at once.
    """

    first: float = 0.2
    longest: float = 30.0
    jitter: Callable[[], float] = lambda: 0.0

    def delay(self, attempt: int) -> float:
        """Return the wait before attempt number `attempt`, counted from 0."""
        doubled = self.first * 2.0 ** min(attempt, 32)
        return min(self.longest, doubled) * (1 - self.jitter() / 2)


class TradeUpdates:
    """The trade updates of one account; one reader, since the venue allows one connection."""

    def __init__(
        self, access: Access, *, timeouts: Timeouts | None = None, backoff: Backoff | None = None
    ) -> None:
        """Prepare; nothing is connected before `messages` is read."""
        self.connected = asyncio.Event()
        self.connections = 0
        self.received = 0
        self.last_error = ""
        self.parked: deque[Parked] = deque(maxlen=_PARKED)
        self._access = access
        self._timeouts = timeouts or Timeouts()
        self._backoff = backoff or Backoff()
        self._closing = asyncio.Event()
        self._socket: ClientConnection | None = None

    async def messages(self) -> AsyncGenerator[Json, None]:
        """Yield the data of every update until `close`, over as many connections as it takes.

        Raises:
            ConfigError: The venue does not accept the credentials.
        """
        attempt = 0
        while not self._closing.is_set():
            before = self.connections
            try:
                async with self._connection() as socket:
                    await self._enter(socket)
                    async for frame in socket:
                        data = self._update(frame)
                        if data is not None:
                            self.received += 1
                            yield data
            except InvalidStatus as error:
                if error.response.status_code in _UNAUTHORIZED:
                    raise self._access.refused() from error
                self.last_error = f"handshake answered {error.response.status_code}"
            except (OSError, TimeoutError, WebSocketException, VenueUnavailable) as error:
                self.last_error = f"{type(error).__name__}: {error}"
            finally:
                self.connected.clear()
            attempt = 0 if self.connections > before else attempt + 1
            await self._pause(self._backoff.delay(attempt))

    async def close(self) -> None:
        """End the reading of messages; safe to call twice."""
        self._closing.set()
        if self._socket is not None:
            await self._socket.close()

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[ClientConnection]:
        waits = self._timeouts
        async with connect(
            self._access.stream_url,
            open_timeout=waits.connect,
            ping_interval=waits.ping,
            ping_timeout=waits.ping,
            close_timeout=waits.close,
            proxy=None,
        ) as socket:
            self._socket = socket
            if self._closing.is_set():
                await socket.close()
            try:
                yield socket
            finally:
                self._socket = None

    async def _enter(self, socket: ClientConnection) -> None:
        keys = {"key_id": self._access.key, "secret_key": self._access.secret}
        await socket.send(json.dumps({"action": "authenticate", "data": keys}))
        answer = await self._answer(socket, "authorization")
        if answer.get("status") != "authorized":
            raise self._access.refused()
        streams = {"streams": [TRADE_UPDATES]}
        await socket.send(json.dumps({"action": "listen", "data": streams}))
        answer = await self._answer(socket, "listening")
        if TRADE_UPDATES not in (answer.get("streams") or ()):
            raise VenueUnavailable(VENUE, f"the stream does not send {TRADE_UPDATES}: {answer}")
        self.connections += 1
        self.connected.set()

    async def _answer(self, socket: ClientConnection, stream: str) -> Json:
        async with asyncio.timeout(self._timeouts.read):
            while True:
                message = self._read(await socket.recv())
                if message.get("stream") == "authorization" or message.get("stream") == stream:
                    return as_object(message.get("data"), "data")

    def _update(self, frame: str | bytes) -> Json | None:
        message = self._read(frame)
        data = message.get("data")
        if message.get("stream") == TRADE_UPDATES and isinstance(data, dict):
            return data
        if message:
            self.parked.append(Parked("is no trade update", message))
        return None

    def _read(self, frame: str | bytes) -> Json:
        try:
            return as_object(loads(frame), "message")
        except InvalidInput as error:
            self.parked.append(Parked(str(error), {"frame": repr(frame[:1000])}))
            return {}

    async def _pause(self, seconds: float) -> None:
        # A closing stream does not wait out its pause.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()
