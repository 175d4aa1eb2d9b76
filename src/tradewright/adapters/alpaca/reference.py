"""What the venue says of the world it trades in: assets, its clock, its calendar.

Reference only: sessions come from the exchange's own calendar and time from the machine's clock;
these are read to be compared with them. A clock that differs is a reason to stop trading.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import partial
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from tradewright.adapters.alpaca.access import VENUE
from tradewright.adapters.alpaca.answers import Answer, Outcome
from tradewright.adapters.alpaca.mapping import time_of
from tradewright.adapters.alpaca.reading import Json, Parking, as_list, as_object
from tradewright.adapters.alpaca.transport import Request, Transport, unreadable
from tradewright.core.errors import InvalidInput, VenueRejected
from tradewright.core.ids import InstrumentId
from tradewright.core.instrument import AssetClass, Instrument
from tradewright.core.session import Calendar, Session, Span
from tradewright.ports import Clock

_Read = TypeVar("_Read")

NEW_YORK: Final = ZoneInfo("America/New_York")
_USUAL_CLOSE: Final = time(16)
VENUES: Final = {
    "NYSE": "XNYS",
    "NASDAQ": "XNAS",
    "ARCA": "ARCX",
    "NYSEARCA": "ARCX",
    "AMEX": "XASE",
    "BATS": "BATS",
    "OTC": "OTCM",
}
"""Their names of exchanges and the market identifier codes that we use; others stay theirs."""


@dataclass(frozen=True, slots=True)
class VenueTime:
    """The venue's clock; `skew_seconds` is how far ours is ahead of it, halfway to its answer."""

    at: datetime
    is_open: bool
    next_open: datetime
    next_close: datetime
    skew_seconds: float


class AlpacaReference:
    """Assets, clock and calendar behind one key."""

    def __init__(
        self, transport: Transport, clock: Clock, *, parking: Parking | None = None
    ) -> None:
        """Read by `transport`; `clock` is ours, to compare the venue's with."""
        self.parking = parking or Parking()
        self._transport = transport
        self._clock = clock

    async def assets(self) -> Sequence[Instrument]:
        """List the US equities that are active, by symbol; unreadable ones are parked.

        Names that were delisted are not listed at all: a history of these is of survivors.
        """
        query = {"status": "active", "asset_class": AssetClass.US_EQUITY.value}
        rows = await self._read(Request("GET", "/v2/assets", query), partial(as_list, what="body"))
        return sorted(self.parking.each("asset", rows, self._asset), key=lambda one: one.symbol)

    async def asset(self, symbol: str) -> Instrument | None:
        """Read one asset; None if the venue says that it has none of this symbol."""
        request = Request("GET", f"/v2/assets/{symbol}")
        answer = await self._transport.insist(request)
        if answer.is_missing:
            return None
        return self._mapped(request, answer, self._asset)

    async def clock(self) -> VenueTime:
        """Read the venue's clock and compare it with ours."""
        before = self._clock.now()
        request = Request("GET", "/v2/clock")
        answer = await self._transport.insist(request)
        halfway = before + (self._clock.now() - before) / 2
        return self._mapped(request, answer, partial(_clock, halfway))

    async def calendar(self, span: Span) -> Calendar:
        """Read the venue's sessions of a span; what cannot be read refuses the whole.

        Raises:
            VenueUnavailable: No readable answer: a calendar with a hole would be a wrong one.
        """
        query = {"start": span.start.isoformat(), "end": span.end.isoformat()}
        sessions = await self._read(Request("GET", "/v2/calendar", query), _sessions)
        return Calendar(VENUE, sessions)

    async def _read(self, request: Request, read: Callable[[Any], _Read]) -> _Read:
        return self._mapped(request, await self._transport.insist(request), read)

    def _mapped(self, request: Request, answer: Answer, read: Callable[[Any], _Read]) -> _Read:
        if answer.outcome is not Outcome.TAKEN:
            raise VenueRejected(VENUE, answer.code, f"{request.path}: {answer.message}")
        try:
            return read(answer.body)
        except InvalidInput as error:
            unreadable(request, answer, str(error))

    def _asset(self, row: object) -> Instrument:
        body = as_object(row, "asset")
        symbol = body.get("symbol")
        if not isinstance(symbol, str) or not symbol:
            raise InvalidInput("symbol", symbol, "is missing from the asset")
        exchange = str(body.get("exchange") or "")
        if exchange not in VENUES:
            self.parking.word("asset", exchange, body)
        return Instrument(
            InstrumentId(symbol),
            symbol,
            venue=VENUES.get(exchange, exchange),
            # What is not said to be so is not so: it is asked before an order is made.
            shortable=body.get("shortable") is True,
            tradable=body.get("tradable") is True and body.get("status") == "active",
        )


def _clock(ours: datetime, value: object) -> VenueTime:
    body = as_object(value, "clock")
    at = time_of(body.get("timestamp"), "timestamp")
    is_open = body.get("is_open")
    if not isinstance(is_open, bool):
        raise InvalidInput("is_open", is_open, "is neither true nor false")
    return VenueTime(
        at,
        is_open,
        time_of(body.get("next_open"), "next_open"),
        time_of(body.get("next_close"), "next_close"),
        (ours - at).total_seconds(),
    )


def _sessions(value: object) -> tuple[Session, ...]:
    rows = [as_object(row, "session") for row in as_list(value, "calendar")]
    return tuple(_session(row) for row in rows)


def _session(row: Json) -> Session:
    try:
        day = date.fromisoformat(row["date"])
        opens, closes = time.fromisoformat(row["open"]), time.fromisoformat(row["close"])
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput("session", dict(row), "has no date, open and close") from error
    opened, closed = (datetime.combine(day, at, NEW_YORK).astimezone(UTC) for at in (opens, closes))
    return Session(day, opened, closed, early_close=closes < _USUAL_CLOSE)
