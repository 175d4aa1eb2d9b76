"""The hub: what happens at the exchange, to whoever listens, in the order in which it happens.

Nothing is kept: who does not listen misses it, as at the vendor.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, Final

TRADE_UPDATES: Final = "trade_updates"
TIME: Final = "time"
MARKET_DATA: Final = "market_data"
"""The channel of what the tape does not print: corrections, late bars, statuses. Messages are as
the vendor writes them, with `t` as a datetime."""


class Hub:
    """Queues of listeners, by channel."""

    def __init__(self) -> None:
        """Start with nobody listening."""
        self._listeners: dict[str, list[asyncio.Queue[Any]]] = defaultdict(list)
        self._followers: dict[str, list[Callable[[Any], None]]] = defaultdict(list)
        self.published: dict[str, int] = defaultdict(int)

    def publish(self, channel: str, message: object) -> None:
        """Give a message to every listener of a channel."""
        self.published[channel] += 1
        for follow in self._followers[channel]:
            follow(message)
        for queue in self._listeners[channel]:
            queue.put_nowait(message)

    def follow(self, channel: str, follower: Callable[[Any], None]) -> None:
        """Call `follower` with every message of a channel, before any listener gets it."""
        self._followers[channel].append(follower)

    @contextlib.contextmanager
    def listen(self, channel: str) -> Iterator[asyncio.Queue[Any]]:
        """Receive every message of a channel from now on."""
        queue: asyncio.Queue[Any] = asyncio.Queue()
        self._listeners[channel].append(queue)
        try:
            yield queue
        finally:
            self._listeners[channel].remove(queue)
