"""The market feed of a rehearsal: the exchange lives through a time before we hear of it.

The same events move both sides. What the exchange does at a time is done before the feed
yields it, so that a decision never meets a venue that is behind; whether our side has heard of
it yet is for `settled`, which is told how many trade updates the exchange has published.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import datetime
from typing import Final

import httpx

from tradewright.core.errors import VenueUnavailable
from tradewright.core.events import BarOpened, Event

VENUE: Final = "rehearsal exchange"
Settled = Callable[[int], Awaitable[None]]


class RehearsalFeed:
    """Events of a replay, each yielded once the exchange has lived through its time."""

    def __init__(
        self,
        events: Iterable[Event],
        base_url: str,
        key: str,
        secret: str,
        *,
        settled: Settled | None = None,
        timeout: float = 30.0,
    ) -> None:
        """Replay `events` against the exchange at `base_url`; `timeout` is in seconds."""
        self._events = events
        self._base_url = base_url
        self._headers = {"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret}
        self._settled = settled
        self._timeout = timeout

    async def events(self) -> AsyncIterator[Event]:
        """Yield every event but the open prints, which are the venue's to know.

        Raises:
            VenueUnavailable: The exchange does not answer, or refuses.
        """
        async with httpx.AsyncClient(
            base_url=self._base_url,
            headers=self._headers,
            timeout=self._timeout,
            trust_env=False,
        ) as client:
            moved: datetime | None = None
            for event in self._events:
                if moved is None or event.at > moved:
                    moved = event.at
                    published = await self._advance(client, event.at)
                    if self._settled is not None:
                        await self._settled(published)
                if not isinstance(event, BarOpened):
                    yield event

    async def _advance(self, client: httpx.AsyncClient, to: datetime) -> int:
        try:
            answer = await client.post("/rehearsal/advance", json={"to": to.isoformat()})
            answer.raise_for_status()
            published = answer.json()["events"]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            what = f"cannot be moved to {to.isoformat()}: {error}"
            raise VenueUnavailable(VENUE, what) from error
        return int(published)
