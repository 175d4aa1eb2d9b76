"""The market feed of a rehearsal: the exchange lives through an event before we hear of it.

Both sides follow the same replay, event by event, since several events share one time and
their order decides (a split takes effect before the open that trades on new shares). Whether
our side has heard of what the exchange did is for `settled`, which is told how many trade
updates the exchange has published.
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
    """Events of a replay, each yielded once the exchange has lived through it."""

    def __init__(
        self,
        events: Iterable[Event],
        base_url: str,
        key: str,
        secret: str,
        *,
        settled: Settled | None = None,
        lived: int = 0,
        timeout: float = 30.0,
    ) -> None:
        """Replay `events` against the exchange at `base_url`; `timeout` is in seconds.

        `lived` is how many events of the exchange's replay come before the first of ours.
        """
        self._events = events
        self._lived = lived
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
            for position, event in enumerate(self._events, self._lived + 1):
                published = await self._advance(client, event.at, position)
                if self._settled is not None:
                    await self._settled(published)
                if not isinstance(event, BarOpened):
                    yield event

    async def _advance(self, client: httpx.AsyncClient, to: datetime, position: int) -> int:
        step = {"to": to.isoformat(), "position": position}
        try:
            answer = await client.post("/rehearsal/advance", json=step)
            answer.raise_for_status()
            standing = answer.json()
            now, reached = datetime.fromisoformat(standing["now"]), int(standing["position"])
            published = int(standing["events"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            what = f"cannot be moved to {to.isoformat()}: {error}"
            raise VenueUnavailable(VENUE, what) from error
        # An exchange that is ahead has lived through all this before a restart of ours.
        if reached < position or (reached == position and now != to):
            what = f"stands at event {reached} of {now.isoformat()}, not at {position} of {to}"
            raise VenueUnavailable(VENUE, f"{what}: it replays something else")
        return published
