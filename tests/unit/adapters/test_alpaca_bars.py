"""History over REST: pages, sessions, hours from minutes, actions, and answers that go wrong."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.unit.adapters.alpaca_venue import listening
from tradewright.adapters.alpaca import (
    Access,
    AlpacaBars,
    AlpacaData,
    Backoff,
    Manners,
    Source,
    Symbols,
)
from tradewright.core.clock import ManualClock
from tradewright.core.errors import (
    ConfigError,
    MissingData,
    QualityFailure,
    RateLimited,
    VenueRejected,
    VenueUnavailable,
)
from tradewright.core.ids import InstrumentId
from tradewright.core.instrument import Instrument
from tradewright.core.market import CashDividend, Split
from tradewright.core.session import Calendar, Session, Span, Timeframe

AAA, BBB = InstrumentId("AAA"), InstrumentId("brk-b")
INSTRUMENTS = [Instrument(AAA, "AAA"), Instrument(BBB, "BRK.B")]


def a_session(day: date, opened: str, closed: str) -> Session:
    start, end = (
        datetime.fromisoformat(f"{day.isoformat()}T{at}:00+00:00") for at in (opened, closed)
    )
    return Session(day, start, end)


# Daylight saving began on Sunday, 10 March 2024.
FRIDAY = a_session(date(2024, 3, 8), "14:30", "21:00")
MONDAY = a_session(date(2024, 3, 11), "13:30", "20:00")
CALENDAR = Calendar("test", (FRIDAY, MONDAY))
SPAN = Span(FRIDAY.date, MONDAY.date)
AFTER = MONDAY.close + timedelta(hours=1)


def a_bar(at: str, price: float = 100, **changes: Any) -> dict[str, Any]:
    bar = {"t": at, "o": price, "h": price + 1, "l": price - 1, "c": price, "v": 10, "n": 1}
    return {**bar, "vw": price, "a_new_field": {"x": 1}, **changes}


class Host:
    """A data host that gives its answers in turn, the last for ever, and notes the queries."""

    def __init__(self, answers: Sequence[object]) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, str]] = []
        self.paths: list[str] = []

    async def answer(self, request: Request) -> Response:
        self.asked.append(dict(request.query_params))
        self.paths.append(request.url.path)
        body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(body, Response):
            return body
        return JSONResponse(body)


@contextlib.asynccontextmanager
async def told(*answers: object) -> AsyncIterator[tuple[Host, Access]]:
    host = Host(answers)
    async with listening(Starlette(routes=[Route("/{path:path}", host.answer)])) as address:
        yield host, Access(f"http://{address}", "key", "secret")


QUICK = Manners(retry=Backoff(first=0.001))


async def reading(
    access: Access,
    read: Callable[[AlpacaBars], Any],
    *,
    now: datetime = AFTER,
    source: Source | None = None,
) -> Any:
    """What is read by a thread of its own: the reader blocks."""
    reader = AlpacaBars(
        access,
        INSTRUMENTS,
        source=source,
        calendar=CALENDAR,
        clock=ManualClock(now),
        manners=QUICK,
    )
    try:
        return await asyncio.to_thread(read, reader)
    finally:
        reader.close()


def page(bars: Mapping[str, object] | None, token: str | None = None) -> dict[str, Any]:
    return {"bars": bars, "next_page_token": token, "currency": "USD"}


async def test_daily_bars_belong_to_their_local_date_over_pages_and_symbols() -> None:
    pages = (
        page({"AAA": [a_bar("2024-03-08T05:00:00Z", 100)]}, "one"),
        page({"AAA": [a_bar("2024-03-11T04:00:00Z", 101.25)]}, "two"),
        page({}, "three"),
        page({"BRK.B": [a_bar("2024-03-11T04:00:00Z", 400)]}),
    )
    async with told(*pages) as (host, access):
        frame = await reading(access, lambda r: r.read([AAA, BBB], Timeframe.DAY, SPAN))
    assert frame.instruments == (AAA, BBB)
    assert [frame.session_of(row).date for row in range(2)] == [FRIDAY.date, MONDAY.date]
    assert frame.started(1) == MONDAY.open
    np.testing.assert_array_equal(frame.close, [[100, np.nan], [101.25, 400]])
    assert [query.get("page_token") for query in host.asked] == [None, "one", "two", "three"]
    first = host.asked[0]
    assert (first["symbols"], first["timeframe"]) == ("AAA,BRK.B", "1Day")
    assert (first["adjustment"], first["feed"], first["limit"]) == ("raw", "iex", "10000")
    assert first["start"] <= "2024-03-08T05:00:00Z"
    assert "asof" not in first


async def test_feed_and_symbol_day_are_those_asked_for() -> None:
    async with told(page({"AAA": [a_bar("2024-03-08T05:00:00Z")]})) as (host, access):
        source = Source("sip", "2024-03-08")
        await reading(access, lambda r: r.read([AAA], Timeframe.DAY, SPAN), source=source)
    assert (host.asked[0]["feed"], host.asked[0]["asof"]) == ("sip", "2024-03-08")


@pytest.mark.parametrize("nothing", [None, {}, {"AAA": None}, {"AAA": []}])
async def test_nothing_is_said_in_many_ways(nothing: Mapping[str, object] | None) -> None:
    async with told(page(nothing)) as (_, access):
        with pytest.raises(MissingData):
            await reading(access, lambda r: r.read([AAA], Timeframe.DAY, SPAN))


async def test_a_session_that_has_not_ended_has_no_daily_bar() -> None:
    bars = [a_bar("2024-03-08T05:00:00Z")]
    async with told(page({"AAA": bars})) as (host, access):
        during = MONDAY.close - timedelta(minutes=1)
        await reading(access, lambda r: r.read([AAA], Timeframe.DAY, SPAN), now=during)
        assert host.asked[0]["end"] == "2024-03-08T21:00:00Z"
        before = FRIDAY.close - timedelta(minutes=1)
        with pytest.raises(MissingData, match="no session"):
            await reading(access, lambda r: r.read([AAA], Timeframe.DAY, SPAN), now=before)


MINUTES = [
    a_bar("2024-03-08T14:29:00Z", 2),
    a_bar("2024-03-08T14:30:00Z", 100),
    a_bar("2024-03-08T14:59:00Z", 105),
    a_bar("2024-03-08T15:00:00Z", 103),
    a_bar("2024-03-08T20:59:00Z", 104),
    a_bar("2024-03-08T21:00:00Z", 2),
    a_bar("2024-03-11T13:30:00Z", 110),
]


async def test_minutes_outside_the_session_are_left_out() -> None:
    async with told(page({"AAA": MINUTES})) as (host, access):
        frame = await reading(access, lambda r: r.read([AAA], Timeframe.MINUTE, SPAN))
    assert frame.close[:, 0].tolist() == [100, 105, 103, 104, 110]
    assert frame.session.tolist() == [0, 0, 0, 0, 1]
    assert frame.known(0) == FRIDAY.open + timedelta(minutes=1)
    assert host.asked[0]["end"] == "2024-03-11T19:59:00Z"


async def test_hours_are_merged_from_minutes_and_cut_to_the_session() -> None:
    async with told(page({"AAA": MINUTES})) as (host, access):
        frame = await reading(access, lambda r: r.read([AAA], Timeframe.HOUR, SPAN))
    assert host.asked[0]["timeframe"] == "1Min"
    assert [frame.started(row) for row in range(len(frame))] == [
        FRIDAY.open,
        datetime(2024, 3, 8, 15, tzinfo=UTC),
        datetime(2024, 3, 8, 20, tzinfo=UTC),
        MONDAY.open,
    ]
    first = [getattr(frame, name)[0, 0] for name in ("open", "high", "low", "close", "volume")]
    assert first == [100, 106, 99, 105, 20]
    assert frame.known(2) == FRIDAY.close


async def test_what_has_not_ended_is_not_served() -> None:
    now = MONDAY.open + timedelta(minutes=20)
    source = Source(delay=timedelta(minutes=15))
    async with told(page({"AAA": MINUTES})) as (host, access):
        minutes = await reading(
            access, lambda r: r.read([AAA], Timeframe.MINUTE, SPAN), now=now, source=source
        )
        assert len(minutes) == 5
        assert host.asked[0]["end"] == "2024-03-11T13:34:00Z"
        hours = await reading(
            access, lambda r: r.read([AAA], Timeframe.HOUR, SPAN), now=now, source=source
        )
        assert len(hours) == 3


@pytest.mark.parametrize(
    ("bars", "what"),
    [
        ([a_bar("2024-03-08T05:00:00Z", h=1)], "high"),
        ([a_bar("2024-03-08T05:00:00Z", c=None)], "c: None"),
        ([a_bar("2024-03-08T05:00:00Z", c="NaN")], "not finite"),
        ([a_bar("yesterday")], "RFC 3339"),
        ([a_bar("2024-03-09T05:00:00Z")], "belongs to no session"),
        ([a_bar("2024-03-08T04:00:00Z")], "belongs to no session"),
        ([a_bar("2024-03-08T05:00:00Z")] * 2, "does not come after"),
    ],
)
async def test_a_bar_that_cannot_be_true_refuses_the_whole(
    bars: list[dict[str, Any]], what: str
) -> None:
    async with told(page({"AAA": bars})) as (_, access):
        with pytest.raises(QualityFailure, match=what):
            await reading(access, lambda r: r.read([AAA], Timeframe.DAY, SPAN))


HTML = "<html>Bad Gateway</html>"
RIGHTS = {"message": "subscription does not permit querying recent SIP data"}


@pytest.mark.parametrize(
    ("answer", "error", "asked"),
    [
        (Response(HTML, 502), VenueUnavailable, 3),
        (Response(HTML, 200), VenueUnavailable, 3),
        (JSONResponse([], 200), VenueUnavailable, 1),
        (JSONResponse(page({"AAA": 7}), 200), VenueUnavailable, 1),
        (JSONResponse(page({"AAA": [7]}), 200), VenueUnavailable, 1),
        (JSONResponse({"message": "invalid symbol(s): AAA"}, 400), VenueRejected, 1),
        (JSONResponse(RIGHTS, 403), ConfigError, 1),
        (JSONResponse({"message": "forbidden."}, 403), ConfigError, 1),
        (JSONResponse(page({"AAA": []}, "again"), 200), VenueRejected, 2),
    ],
)
async def test_an_answer_that_goes_wrong_says_what_to_do(
    answer: Response, error: type[Exception], asked: int
) -> None:
    async with told(answer) as (host, access):
        with pytest.raises(error):
            await reading(access, lambda r: r.read([AAA], Timeframe.DAY, SPAN))
        assert len(host.asked) == asked


async def test_the_reader_waits_for_the_limit_and_no_longer_than_its_patience() -> None:
    limited = JSONResponse({"message": "too many requests."}, 429, {"Retry-After": "0.01"})
    good = page({"AAA": [a_bar("2024-03-08T05:00:00Z")]})
    async with told(Response(HTML, 503), limited, limited, good) as (host, access):
        frame = await reading(access, lambda r: r.read([AAA], Timeframe.DAY, SPAN))
        assert len(frame) == 1
        assert len(host.asked) == 4
    endless = JSONResponse({"message": "too many requests."}, 429, {"Retry-After": "1000"})
    patience = [endless] * 10
    async with told(*patience) as (_, access):
        reader = AlpacaBars(access, INSTRUMENTS, calendar=CALENDAR, clock=ManualClock(AFTER))
        reader._transport._sleep = lambda _seconds: None
        with pytest.raises(RateLimited):
            await asyncio.to_thread(reader.read, [AAA], Timeframe.DAY, SPAN)
        reader.close()


async def test_an_instrument_that_was_not_named_is_missing() -> None:
    reader = AlpacaBars(Access("http://127.0.0.1:9", "key", "secret"), INSTRUMENTS)
    with pytest.raises(MissingData, match="CCC"):
        reader.read([InstrumentId("CCC")], Timeframe.DAY)
    assert [instrument.symbol for instrument in reader.instruments()] == ["AAA", "BRK.B"]
    with pytest.raises(MissingData):
        AlpacaBars(Access("http://127.0.0.1:9", "key", "secret"), []).instruments()


async def test_actions_are_splits_and_dividends_and_the_rest_is_parked() -> None:
    split = {"symbol": "AAA", "ex_date": "2024-03-11", "new_rate": 1, "old_rate": 50}
    dividend = {"symbol": "BRK.B", "ex_date": "2024-03-08", "rate": 0.125}
    stock = {"symbol": "AAA", "ex_date": "2024-03-08", "rate": 0.05}
    first = {
        "reverse_splits": [split],
        "cash_dividends": [dividend, {**dividend, "rate": 0}, {**dividend, "ex_date": "soon"}],
        "spin_offs": [{"source_symbol": "AAA"}],
        "name_changes": None,
    }
    pages = (
        {"corporate_actions": first, "next_page_token": "x"},
        {"corporate_actions": {"stock_dividends": [stock]}, "next_page_token": None},
    )
    async with told(*pages) as (host, access):
        parked: list[object] = []

        def read(reader: AlpacaBars) -> object:
            found = reader.actions([AAA, BBB])
            parked.extend(reader.parking.latest)
            return found

        assert await reading(access, read) == [
            Split(AAA, date(2024, 3, 8), Fraction(105, 100)),
            CashDividend(BBB, date(2024, 3, 8), Decimal("0.125")),
            Split(AAA, date(2024, 3, 11), Fraction(1, 50)),
        ]
    assert len(parked) == 3
    assert host.paths[0] == "/v1/corporate-actions"
    assert "forward_split" in host.asked[0]["types"]


async def test_latest_quotes_are_two_sided_and_their_sizes_are_shares() -> None:
    quote = {"t": "2024-03-08T15:00:00.123456789Z", "bp": 99.5, "bs": 2, "ap": 100, "as": 3}
    later = {**quote, "t": "2026-03-06T15:00:00Z"}
    quotes = {"AAA": quote, "BRK.B": later, "ONE": {**quote, "ap": 0}, "BAD": {"t": 1}, "NIL": None}
    async with told({"quotes": quotes}) as (host, access):
        data = AlpacaData(access, Symbols.of(INSTRUMENTS), manners=QUICK)
        old, new = await data.latest_quotes([AAA, BBB])
        await data.close()
    assert (old.instrument, old.bid, new.instrument) == (AAA, Decimal("99.5"), BBB)
    assert [old.bid_size, old.ask_size, new.bid_size] == [200, 300, 2]
    assert host.asked[0] == {"symbols": "AAA,BRK.B", "feed": "iex"}
    assert data.parking.counts == {"quote": 2}
