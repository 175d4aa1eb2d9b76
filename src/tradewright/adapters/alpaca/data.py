"""Alpaca's market data in our words, and the asks for it: bars, quotes, corporate actions.

Pure. An ask is a generator of requests that is sent their answers, so one logic serves callers
with and without an event loop. Pages end where `next_page_token` is null and nowhere else: a
page counts all symbols together, and may hold one symbol alone or none. Bars are always asked
for raw, with their feed named, since the defaults of both have changed before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Any, Final

from tradewright.adapters.alpaca.access import VENUE, Access, Manners, Timeouts
from tradewright.adapters.alpaca.answers import Answer, Outcome
from tradewright.adapters.alpaca.mapping import Symbols, time_of
from tradewright.adapters.alpaca.reading import Json, Parked, Parking, as_list, as_object
from tradewright.adapters.alpaca.transport import Ask, Request, Transport, unreadable
from tradewright.core.errors import ConfigError, InvalidInput, VenueRejected
from tradewright.core.ids import InstrumentId
from tradewright.core.market import CashDividend, CorporateAction, Quote, Split, Trade
from tradewright.core.money import Price, parse_decimal, price
from tradewright.core.session import Span
from tradewright.ports import Clock

SIZES_IN_SHARES: Final = datetime(2025, 11, 3, tzinfo=UTC)
"""Before this day their quotes counted round lots of a hundred."""

_LOT: Final = Decimal(100)
_BARS: Final = "10000"
_ACTIONS: Final = "1000"
_SYMBOLS: Final = 100
_NO_RIGHTS: Final = "subscription does not permit"
_KINDS: Final = "forward_split,reverse_split,stock_dividend,cash_dividend"
# Actions are listed by the day they are processed, which may lie some days after the ex-date.
_PROCESSING: Final = timedelta(days=10)


@dataclass(frozen=True, slots=True)
class Source:
    """Which data is asked for: the feed, the day whose symbols are meant, and how late it is.

    `asof` is a date in their form or "-" for no mapping of renamed symbols; empty means today.
    Without real-time rights to `sip`, `delay` must be 15 minutes or more.
    """

    feed: str = "iex"
    asof: str = ""
    delay: timedelta = timedelta(0)


def bars(
    symbols: Sequence[str], timeframe: str, start: datetime, end: datetime, source: Source
) -> Ask[Mapping[str, Sequence[Json]]]:
    """Ask for raw bars by symbol, oldest first; both ends are included."""
    found: dict[str, list[Json]] = {symbol: [] for symbol in symbols}
    for first in range(0, len(symbols), _SYMBOLS):
        query = {
            "symbols": ",".join(symbols[first : first + _SYMBOLS]),
            "timeframe": timeframe,
            "start": _written(start),
            "end": _written(end),
            "limit": _BARS,
            "adjustment": "raw",
            "feed": source.feed,
            "sort": "asc",
        }
        if source.asof:
            query["asof"] = source.asof
        pages = yield from _pages("/v2/stocks/bars", query, "bars")
        for symbol, rows in pages.items():
            found.setdefault(symbol, []).extend(rows)
    return found


def latest_quotes(symbols: Sequence[str], source: Source) -> Ask[Mapping[str, Json]]:
    """Ask for the latest quote of each symbol; those without one are left out."""
    found: dict[str, Json] = {}
    for first in range(0, len(symbols), _SYMBOLS):
        chosen = ",".join(symbols[first : first + _SYMBOLS])
        query = {"symbols": chosen, "feed": source.feed}
        request = Request("GET", "/v2/stocks/quotes/latest", query)
        answer = yield request
        quotes = _body(request, answer).get("quotes") or {}
        if not isinstance(quotes, dict):
            unreadable(request, answer, "quotes are no object")
        found.update(quotes)
    return found


def corporate_actions(symbols: Sequence[str], span: Span) -> Ask[Mapping[str, Sequence[Json]]]:
    """Ask for splits and dividends, by kind, that may have their ex-date in a span."""
    found: dict[str, list[Json]] = {}
    for first in range(0, len(symbols), _SYMBOLS):
        query = {
            "symbols": ",".join(symbols[first : first + _SYMBOLS]),
            "types": _KINDS,
            "start": (span.start - _PROCESSING).isoformat(),
            "end": (span.end + _PROCESSING).isoformat(),
            "limit": _ACTIONS,
            "sort": "asc",
        }
        pages = yield from _pages("/v1/corporate-actions", query, "corporate_actions")
        for kind, rows in pages.items():
            found.setdefault(kind, []).extend(rows)
    return found


def quote_of(instrument: InstrumentId, body: Json) -> Quote | None:
    """Read a quote; None while a side is empty, which they write as a price of 0."""
    at = time_of(body.get("t"), "t")
    bid, ask = (parse_decimal(body.get(key), key) for key in ("bp", "ap"))
    if bid <= 0 or ask <= 0:
        return None
    unit = Decimal(1) if at >= SIZES_IN_SHARES else _LOT
    bid_size, ask_size = (parse_decimal(body.get(key, 0), key) * unit for key in ("bs", "as"))
    return Quote(instrument, at, Price(bid), bid_size, Price(ask), ask_size)


def trade_of(instrument: InstrumentId, body: Json) -> Trade:
    """Read a print of the tape."""
    size = parse_decimal(body.get("s"), "s")
    return Trade(instrument, time_of(body.get("t"), "t"), price(body.get("p", ""), "p"), size)


def action_of(kind: str, body: Json, symbols: Symbols) -> CorporateAction | None:
    """Read a corporate action; None for kinds that are not booked by an event of ours.

    A stock dividend of a tenth is a split of 11 for 10.
    """
    if kind not in _RATIOS and kind != "cash_dividends":
        return None
    symbol = body.get("symbol")
    if not isinstance(symbol, str) or not symbol:
        raise InvalidInput("symbol", symbol, "is missing from the action")
    instrument, ex_date = symbols.instrument(symbol), _day(body.get("ex_date"))
    if kind == "cash_dividends":
        return CashDividend(instrument, ex_date, _rate(body, "rate"))
    return Split(instrument, ex_date, _RATIOS[kind](body))


class AlpacaData:
    """Market data of the moment, for callers with an event loop."""

    def __init__(
        self,
        access: Access,
        symbols: Symbols | None = None,
        *,
        source: Source | None = None,
        timeouts: Timeouts | None = None,
        manners: Manners | None = None,
        clock: Clock | None = None,
        parking: Parking | None = None,
    ) -> None:
        """Read from the data host at `access`; nothing is sent yet."""
        self.parking = parking or Parking()
        self._symbols = symbols or Symbols()
        self._source = source or Source()
        self._transport = Transport(access, timeouts=timeouts, manners=manners, clock=clock)

    async def latest_quotes(self, instruments: Sequence[InstrumentId]) -> Sequence[Quote]:
        """Read the latest two-sided quotes; instruments without one are left out.

        Raises:
            VenueUnavailable: No readable answer.
            RateLimited: Asked too often.
        """
        names = [self._symbols.symbol(instrument) for instrument in instruments]
        found = await self._transport.run(latest_quotes(names, self._source))
        rows = list(found.items())
        read = self.parking.each("quote", rows, self._quote)
        return [quote for quote in read if quote is not None]

    async def close(self) -> None:
        """Let go of the connections."""
        await self._transport.close()

    def _quote(self, row: tuple[str, Json]) -> Quote | None:
        return quote_of(self._symbols.instrument(row[0]), as_object(row[1], "quote"))


def read_actions(
    found: Mapping[str, Sequence[Json]], symbols: Symbols, parking: Parking
) -> list[CorporateAction]:
    """Read all actions by date then instrument; what cannot be read or booked is parked."""
    actions: list[CorporateAction] = []
    for kind, rows in found.items():
        read = partial(action_of, kind, symbols=symbols)
        for row in rows:
            for action in parking.each(kind, [row], read):
                if action is None:
                    parking.park(kind, Parked(f"{kind} are not booked by themselves", row))
                else:
                    actions.append(action)
    return sorted(actions, key=lambda action: (action.ex_date, action.instrument))


def _pages(path: str, query: Mapping[str, str], key: str) -> Ask[Mapping[str, list[Json]]]:
    found: dict[str, list[Json]] = {}
    asked = dict(query)
    while True:
        request = Request("GET", path, asked)
        answer = yield request
        page = _body(request, answer)
        try:
            # Where there is nothing they write null, and leave names out as they please.
            for name, rows in as_object(page.get(key) or {}, key).items():
                listed = as_list(rows or [], name)
                found.setdefault(name, []).extend(as_object(row, name) for row in listed)
        except InvalidInput as error:
            unreadable(request, answer, str(error))
        token = page.get("next_page_token")
        if not token:
            return found
        if token == asked.get("page_token"):
            raise VenueRejected(VENUE, "page_token", f"{path} gives the page {token!r} again")
        asked = {**query, "page_token": str(token)}


def _body(request: Request, answer: Answer) -> Json:
    if answer.outcome is not Outcome.TAKEN:
        if _NO_RIGHTS in answer.message:
            remedy = "choose the feed iex, a longer delay, or another subscription"
            raise ConfigError(f"{VENUE}: {answer.message}", remedy)
        raise VenueRejected(VENUE, answer.code, f"{request.path}: {answer.message}")
    if not isinstance(answer.body, dict):
        unreadable(request, answer, "is not a JSON object")
    return answer.body


def _written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _day(text: Any) -> date:  # noqa: ANN401 - any JSON
    try:
        return date.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise InvalidInput("ex_date", text, "is not a date") from error


def _rate(body: Json, key: str) -> Decimal:
    rate = parse_decimal(body.get(key), key)
    if rate <= 0:
        raise InvalidInput(key, rate, "must be positive")
    return rate


def _exchanged(body: Json) -> Fraction:
    return Fraction(_rate(body, "new_rate")) / Fraction(_rate(body, "old_rate"))


def _distributed(body: Json) -> Fraction:
    return 1 + Fraction(_rate(body, "rate"))


_RATIOS: Final = {
    "forward_splits": _exchanged,
    "reverse_splits": _exchanged,
    "stock_dividends": _distributed,
}
