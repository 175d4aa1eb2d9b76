"""The socket of trade updates: authenticate, listen, and read what comes in whatever form.

The vendor neither numbers nor repeats its messages: whatever happened while the socket was
down is lost to it, so UP stands among the messages wherever the gap must be mended by REST.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from typing import Final

from websockets.asyncio.client import ClientConnection

from tradewright.adapters.alpaca.access import VENUE, Access, Manners, Timeouts
from tradewright.adapters.alpaca.connection import Connection, Link
from tradewright.adapters.alpaca.reading import Json, Parked, Parking, as_object, decode
from tradewright.core.errors import InvalidInput, VenueUnavailable
from tradewright.ports import Clock

TRADE_UPDATES: Final = "trade_updates"
_SHOWN: Final = 1000


class TradeUpdates:
    """The trade updates of one account; one reader, since the venue allows one connection."""

    def __init__(
        self,
        access: Access,
        *,
        timeouts: Timeouts | None = None,
        manners: Manners | None = None,
        clock: Clock | None = None,
        parking: Parking | None = None,
    ) -> None:
        """Prepare; nothing is connected before `messages` is read."""
        self.received = 0
        self.parking = parking or Parking()
        self._access = access
        self._timeouts = timeouts or Timeouts()
        self.connection = Connection(
            access.stream_url,
            self._enter,
            access.refused,
            timeouts=self._timeouts,
            manners=manners,
            clock=clock,
        )

    async def messages(self) -> AsyncGenerator[Link | Json, None]:
        """Yield the data of every update until `close`, with UP and DOWN between them.

        Raises:
            ConfigError: The venue does not accept the credentials.
        """
        async with contextlib.aclosing(self.connection.frames()) as frames:
            async for frame in frames:
                if isinstance(frame, Link):
                    yield frame
                    continue
                data = self._update(frame)
                if data is not None:
                    self.received += 1
                    yield data

    async def close(self) -> None:
        """End the reading of messages; safe to call twice."""
        await self.connection.close()

    async def _enter(self, socket: ClientConnection) -> None:
        keys = {"key_id": self._access.key, "secret_key": self._access.secret}
        await socket.send(json.dumps({"action": "authenticate", "data": keys}))
        answer = await self._answer(socket, "authorization")
        if answer.get("status") != "authorized":
            raise self._access.refused()
        streams = {"streams": [TRADE_UPDATES]}
        await socket.send(json.dumps({"action": "listen", "data": streams}))
        answer = await self._answer(socket, "listening")
        if not _listens(answer):
            raise VenueUnavailable(VENUE, f"the stream does not send {TRADE_UPDATES}: {answer}")

    async def _answer(self, socket: ClientConnection, stream: str) -> Json:
        async with asyncio.timeout(self._timeouts.read):
            while True:
                message = self._read(await socket.recv())
                data = message.get("data")
                if message.get("stream") in ("authorization", stream) and isinstance(data, dict):
                    return data

    def _update(self, frame: str | bytes) -> Json | None:
        message = self._read(frame)
        data = message.get("data")
        stream = message.get("stream")
        if stream == TRADE_UPDATES and isinstance(data, dict):
            return data
        if stream == "authorization" or (stream == "listening" and not _listens(data)):
            # It sends nothing any more on this socket; another will say why, or send.
            self.connection.drop(f"the stream has stopped sending: {message}")
        elif message and stream != "listening":
            self.parking.park("message", Parked("is no trade update", message))
        return None

    def _read(self, frame: str | bytes) -> Json:
        try:
            return as_object(decode(frame), "message")
        except InvalidInput as error:
            self.parking.park("message", Parked(str(error), {"frame": repr(frame[:_SHOWN])}))
            return {}


def _listens(data: object) -> bool:
    return isinstance(data, dict) and TRADE_UPDATES in (data.get("streams") or ())
