"""The market data API over REST: history, the latest of everything, auctions, corporate actions.

Paths come twice, for several symbols and for one, and differ in the shape of the answer alone.
Snapshots of several symbols are keyed by symbol without anything around them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tradewright.exchange.data.announcements import corporate_actions
from tradewright.exchange.data.bodies import EXCHANGES, QUOTE_CONDITIONS, REGULAR, TRADE_CONDITIONS
from tradewright.exchange.data.query import (
    FEEDS,
    HISTORICAL_FEEDS,
    DataRefused,
    Page,
    adjustments_of,
    check_source,
    length_of,
    page_of,
    symbols_of,
    word_of,
)
from tradewright.exchange.data.shown import Shown
from tradewright.exchange.web import answer, exchange_of

if TYPE_CHECKING:
    from tradewright.exchange.data.bodies import Row

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]
Reading: TypeAlias = Callable[[Shown, Page, Mapping[str, str]], tuple[dict[str, list[Any]], Any]]
Latest: TypeAlias = "Callable[[Shown, str], Row | None]"


def shown(request: Request) -> Shown:
    """Return what of the market may be shown now."""
    return Shown(exchange_of(request).market)


def _bars(
    seen: Shown, page: Page, query: Mapping[str, str]
) -> tuple[dict[str, list[Any]], str | None]:
    return seen.bars(page, length_of(query), adjustments_of(query))


_HISTORY: Final[Mapping[str, tuple[tuple[str, ...], Reading]]] = {
    "bars": (HISTORICAL_FEEDS, _bars),
    "trades": (HISTORICAL_FEEDS, lambda seen, page, _query: seen.trades(page)),
    "quotes": (HISTORICAL_FEEDS, lambda seen, page, _query: seen.quotes(page)),
    "auctions": (("sip",), lambda seen, page, _query: seen.auctions(page)),
}
_LATEST: Final[Mapping[str, Latest]] = {
    "bar": Shown.latest_bar,
    "quote": Shown.latest_quote,
    "trade": Shown.latest_trade,
}


def _history(kind: str) -> Endpoint:
    feeds, read = _HISTORY[kind]

    async def of_several(request: Request) -> Response:
        query, seen = request.query_params, shown(request)
        symbols = symbols_of(query.get("symbols"))
        extra = check_source(query, feeds)
        rows, token = read(seen, page_of(query, seen.now, symbols), query)
        return answer({kind: rows, "next_page_token": token, **extra})

    return of_several


def _history_of_one(kind: str) -> Endpoint:
    feeds, read = _HISTORY[kind]

    async def of_one(request: Request) -> Response:
        query, seen = request.query_params, shown(request)
        symbol = _symbol(request)
        extra = check_source(query, feeds)
        rows, token = read(seen, page_of(query, seen.now, (symbol,)), query)
        body = {"symbol": symbol, kind: rows.get(symbol, []), "next_page_token": token}
        return answer(body | extra)

    return of_one


def _latest(kind: str) -> Endpoint:
    read = _LATEST[kind]

    async def of_several(request: Request) -> Response:
        query, seen = request.query_params, shown(request)
        symbols = symbols_of(query.get("symbols"))
        extra = check_source(query, FEEDS)
        found = {symbol: row for symbol in symbols if (row := read(seen, symbol)) is not None}
        return answer({f"{kind}s": found, **extra})

    return of_several


def _latest_of_one(kind: str) -> Endpoint:
    read = _LATEST[kind]

    async def of_one(request: Request) -> Response:
        symbol = _symbol(request)
        extra = check_source(request.query_params, FEEDS)
        row = read(shown(request), symbol)
        if row is None:
            raise DataRefused(f"no {kind} found for {symbol}")
        return answer({"symbol": symbol, kind: row, **extra})

    return of_one


async def _snapshots(request: Request) -> Response:
    query, seen = request.query_params, shown(request)
    symbols = symbols_of(query.get("symbols"))
    check_source(query, FEEDS)
    found = {symbol: row for symbol in symbols if (row := seen.snapshot(symbol)) is not None}
    return answer(found)


async def _snapshot(request: Request) -> Response:
    symbol = _symbol(request)
    extra = check_source(request.query_params, FEEDS)
    row = shown(request).snapshot(symbol)
    if row is None:
        raise DataRefused(f"no snapshot found for {symbol}")
    return answer({"symbol": symbol, **row, **extra})


async def _conditions(request: Request) -> Response:
    kind = word_of(request.path_params, "ticktype", ("trade", "quote"))
    tape = request.query_params.get("tape")
    if not tape:
        raise DataRefused("tape is required")
    regular = REGULAR.get(tape)
    if regular is None:
        raise DataRefused(f"invalid tape: {tape}")
    if kind == "quote":
        return answer(QUOTE_CONDITIONS)
    return answer({regular: "Regular Sale", **TRADE_CONDITIONS})


async def _exchanges(_request: Request) -> Response:
    return answer(EXCHANGES)


async def _corporate_actions(request: Request) -> Response:
    return answer(corporate_actions(shown(request), request.query_params))


def _symbol(request: Request) -> str:
    symbol: str = request.path_params["symbol"]
    return symbols_of(symbol.replace(",", "$"), "symbol")[0]


ROUTES: Final = (
    *(Route(f"/v2/stocks/{kind}", _history(kind)) for kind in _HISTORY),
    *(Route(f"/v2/stocks/{kind}s/latest", _latest(kind)) for kind in _LATEST),
    Route("/v2/stocks/snapshots", _snapshots),
    Route("/v2/stocks/meta/exchanges", _exchanges),
    Route("/v2/stocks/meta/conditions/{ticktype}", _conditions),
    *(Route(f"/v2/stocks/{{symbol}}/{kind}", _history_of_one(kind)) for kind in _HISTORY),
    *(Route(f"/v2/stocks/{{symbol}}/{kind}s/latest", _latest_of_one(kind)) for kind in _LATEST),
    Route("/v2/stocks/{symbol}/snapshot", _snapshot),
    Route("/v1/corporate-actions", _corporate_actions),
)
