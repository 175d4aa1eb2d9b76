"""The market data API over HTTP: what is shown of a replayed market, how, and what never is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import httpx
import jsonschema
import pytest

from tests.architecture.tree import ROOT
from tests.unit.exchange.builders import KEY, SECRET, an_exchange, served
from tradewright.core.session import Span, Timeframe
from tradewright.data.history import MarketData
from tradewright.data.sample import sample_market
from tradewright.exchange.exchange import Exchange

OPENAPI: Final = ROOT.parent / "shared" / "data" / "alpaca-openapi" / "market-data-api.json"
KEYS: Final = {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET}
# SIM01 splits 2:1 on the fourth session of ten; SIM04 is not listed before it either.
FIRST: Final = date(2014, 7, 21)
SYMBOLS: Final = "SIM01,SIM02"
LEFT_OUT: Final = "(left out)"
HISTORY: Final = ("bars", "trades", "quotes")
Query = dict[str, Any]


def a_sample(timeframe: Timeframe = Timeframe.MINUTE) -> MarketData:
    sample = sample_market(symbols=4, first=FIRST, sessions=10, timeframe=timeframe)
    instruments = {instrument.id: instrument for instrument in sample.instruments}
    return MarketData(sample.frame, instruments, sample.actions, sample.calendar, "sample")


def an_exchange_over(data: MarketData) -> Exchange:
    sessions = data.frame.sessions
    return an_exchange(data, span=Span(sessions[2].date, sessions[-1].date))


class Client:
    """Asks an exchange and moves its market."""

    def __init__(self, exchange: Exchange, http: httpx.Client) -> None:
        self.exchange = exchange
        self._http = http

    @property
    def url(self) -> httpx.URL:
        return self._http.base_url

    def answer(self, path: str, query: Query | None = None) -> httpx.Response:
        return self._http.get(path, params=query)

    def got(self, path: str, query: Query | None = None) -> dict[str, Any]:
        answer = self.answer(path, query)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def refused(self, path: str, query: Query | None = None) -> str:
        answer = self.answer(path, query)
        body = answer.json()
        assert (answer.status_code, list(body)) == (400, ["message"])
        return str(body["message"])

    def pages(self, path: str, query: Query) -> Iterator[dict[str, Any]]:
        token: str | None = ""
        while token is not None:
            page = self.got(path, query | ({"page_token": token} if token else {}))
            token = page["next_page_token"]
            yield page

    def advance(self, to: datetime) -> None:
        answer = self._http.post("/rehearsal/advance", json={"to": to.isoformat()})
        assert answer.status_code == 200, answer.text

    def at(self, session: int, **after_open: int) -> datetime:
        """A time of the numbered session; 2 is the first that is traded."""
        opened: datetime = self.exchange.market.data.frame.sessions[session].open
        return opened + timedelta(**after_open)


def connected(data: MarketData) -> Iterator[Client]:
    exchange = an_exchange_over(data)
    with served(exchange) as server, httpx.Client(base_url=server.url, headers=KEYS) as http:
        yield Client(exchange, http)


@pytest.fixture(scope="module")
def seen() -> Iterator[Client]:
    """Ten minutes and a half into the sixth session, two after the split."""
    for client in connected(a_sample()):
        client.advance(client.at(5, minutes=10, seconds=30))
        yield client


@pytest.fixture
def client() -> Iterator[Client]:
    yield from connected(a_sample())


def schema(name: str) -> dict[str, Any]:
    """A schema of the vendor's document, whose nulls are written in the way of 3.0."""

    def plain(node: Any) -> Any:
        if isinstance(node, list):
            return [plain(part) for part in node]
        if not isinstance(node, dict):
            return node
        made = {key: plain(value) for key, value in node.items() if key != "nullable"}
        if node.get("nullable") and "type" in made:
            made["type"] = [made["type"], "null"]
        return made

    document = json.loads(OPENAPI.read_text())
    components = {"schemas": plain(document["components"]["schemas"])}
    return {"$ref": f"#/components/schemas/{name}", "components": components}


@pytest.mark.skipif(
    not OPENAPI.is_file(), reason="allowed: ../shared/data/alpaca-openapi is not on this machine"
)
@pytest.mark.parametrize(
    ("path", "query", "name"),
    [
        ("stocks/bars", {"timeframe": "1Min"}, "stock_bars_resp"),
        ("stocks/bars", {"timeframe": "1Day", "start": "2014-07-01"}, "stock_bars_resp"),
        ("stocks/trades", {"limit": 50}, "stock_trades_resp"),
        ("stocks/quotes", {"limit": 50, "sort": "desc"}, "stock_quotes_resp"),
        ("stocks/auctions", {"start": "2014-07-01"}, "stock_auctions_resp"),
        ("stocks/bars/latest", {}, "stock_latest_bars_resp"),
        ("stocks/trades/latest", {"feed": "iex"}, "stock_latest_trades_resp"),
        ("stocks/quotes/latest", {"currency": "USD"}, "stock_latest_quotes_resp"),
        ("stocks/snapshots", {}, "stock_snapshots_resp"),
        ("stocks/SIM01/bars", {"timeframe": "1Week"}, "stock_bars_resp_single"),
        ("stocks/SIM01/bars", {"timeframe": "5T", "currency": "USD"}, "stock_bars_resp_single"),
        ("stocks/SIM01/trades", {"limit": 50}, "stock_trades_resp_single"),
        ("stocks/SIM01/quotes", {"limit": 50}, "stock_quotes_resp_single"),
        ("stocks/SIM01/auctions", {}, "stock_auctions_resp_single"),
        ("stocks/SIM01/bars/latest", {}, "stock_latest_bars_resp_single"),
        ("stocks/SIM01/trades/latest", {}, "stock_latest_trades_resp_single"),
        ("stocks/SIM01/quotes/latest", {}, "stock_latest_quotes_resp_single"),
        ("stocks/SIM01/snapshot", {}, "stock_snapshots_resp_single"),
        ("stocks/meta/exchanges", {}, "stock_exchanges"),
        ("stocks/meta/conditions/trade", {"tape": "C"}, "stock_conditions"),
        ("stocks/meta/conditions/quote", {"tape": "A"}, "stock_conditions"),
    ],
)
def test_answers_keep_to_the_vendors_schema(
    seen: Client, path: str, query: Query, name: str
) -> None:
    symbols = {} if "SIM01" in path or "meta" in path else {"symbols": SYMBOLS}
    body = seen.got(f"/v2/{path}", query | symbols)
    jsonschema.validate(body, schema(name))
    assert body


def test_corporate_actions_keep_to_the_vendors_schema(seen: Client) -> None:
    if not OPENAPI.is_file():
        pytest.skip("allowed: ../shared/data/alpaca-openapi is not on this machine")
    body = seen.got("/v1/corporate-actions", {"start": "2014-07-01", "end": "2015-01-01"})
    jsonschema.validate(body, schema("corporate_actions_resp"))
    assert "forward_splits" in body["corporate_actions"]


@pytest.mark.parametrize("kind", HISTORY)
@pytest.mark.parametrize("sort", ["asc", "desc"])
def test_pages_follow_each_other_symbol_by_symbol(seen: Client, kind: str, sort: str) -> None:
    query = {"symbols": "SIM02,ZZZ,SIM01", "timeframe": "1Min", "sort": sort}
    whole = seen.got(f"/v2/stocks/{kind}", query)
    assert whole["next_page_token"] is None
    assert list(whole[kind]) == ["SIM01", "SIM02"]
    for rows in whole[kind].values():
        times = [row["t"] for row in rows]
        assert times == sorted(set(times), reverse=sort == "desc")
    found: dict[str, list[Any]] = {}
    for page in seen.pages(f"/v2/stocks/{kind}", query | {"limit": 7}):
        assert 0 < sum(map(len, page[kind].values())) <= 7
        for symbol, rows in page[kind].items():
            found.setdefault(symbol, []).extend(rows)
    assert found == whole[kind]


def test_a_page_that_is_just_full_is_the_last(seen: Client) -> None:
    query = {"symbols": SYMBOLS, "timeframe": "1Min"}
    rows = sum(map(len, seen.got("/v2/stocks/bars", query)["bars"].values()))
    assert seen.got("/v2/stocks/bars", query | {"limit": rows})["next_page_token"] is None
    assert seen.got("/v2/stocks/bars", query | {"limit": rows - 1})["next_page_token"]


def test_one_symbol_has_the_same_rows_in_another_shape(seen: Client) -> None:
    for kind in HISTORY:
        query = {"timeframe": "1Min", "limit": 5}
        several = seen.got(f"/v2/stocks/{kind}", query | {"symbols": "SIM02"})
        one = seen.got(f"/v2/stocks/SIM02/{kind}", query)
        assert one["symbol"] == "SIM02"
        assert one[kind] == several[kind]["SIM02"]
        assert one["next_page_token"] == several["next_page_token"]
        assert seen.got(f"/v2/stocks/ZZZ/{kind}", query)[kind] == []
        assert seen.got(f"/v2/stocks/{kind}", query | {"symbols": "ZZZ"})[kind] == {}


def test_both_ends_of_a_span_belong_to_it(seen: Client) -> None:
    start = seen.at(5, minutes=2)
    query = {
        "symbols": "SIM01",
        "timeframe": "1Min",
        "start": start.isoformat(),
        "end": (start + timedelta(minutes=3)).isoformat(),
    }
    rows = seen.got("/v2/stocks/bars", query)["bars"]["SIM01"]
    assert [row["t"] for row in rows] == [
        f"{start + timedelta(minutes=i):%Y-%m-%dT%H:%M:%SZ}" for i in range(4)
    ]
    day = {"symbols": "SIM01", "timeframe": "1Day"}
    yesterday = seen.at(4).date().isoformat()
    # A date is the whole day of New York, at whose midnight the bar of a day stands.
    rows = seen.got("/v2/stocks/bars", day | {"start": yesterday, "end": yesterday})
    assert [row["t"] for row in rows["bars"]["SIM01"]] == [f"{yesterday}T04:00:00Z"]


def test_bars_are_shown_when_they_have_closed_and_prints_when_they_are_made(
    client: Client,
) -> None:
    query = {"symbols": "SIM01", "start": "2014-07-01", "sort": "desc", "limit": 1}

    def last(kind: str, timeframe: str = "1Min") -> str:
        rows = client.got(f"/v2/stocks/{kind}", query | {"timeframe": timeframe})[kind]
        return str(rows["SIM01"][0]["t"])

    def iso(at: datetime) -> str:
        return f"{at:%Y-%m-%dT%H:%M:%SZ}"

    client.advance(client.at(2, minutes=5, seconds=59))
    assert last("bars") == iso(client.at(2, minutes=4))
    assert last("bars", "5Min") == iso(client.at(2))
    assert last("bars", "1Hour") == iso(client.at(1, hours=5, minutes=30))
    assert last("bars", "1Day")[:10] == client.at(1).date().isoformat()
    for kind in ("trades", "quotes"):
        assert iso(client.at(2, minutes=5)) < last(kind) <= iso(client.at(2, minutes=6))
    client.advance(client.at(2, minutes=6))
    assert last("bars") == iso(client.at(2, minutes=5))
    client.advance(client.at(2, minutes=30))
    assert last("bars", "1Hour") == iso(client.at(2, minutes=-30))
    client.advance(client.at(2, hours=6, minutes=30))
    assert last("bars", "1Day")[:10] == client.at(2).date().isoformat()
    later = query | {"start": client.at(3).isoformat(), "timeframe": "1Min"}
    for kind in HISTORY:
        assert client.got(f"/v2/stocks/{kind}", later)[kind] == {}


def test_trades_add_up_to_bars_and_minutes_to_days(seen: Client) -> None:
    day = seen.at(4).date().isoformat()
    query = {"symbols": "SIM01", "start": day, "end": day, "limit": 10_000}
    bars = seen.got("/v2/stocks/bars", query | {"timeframe": "1Min"})["bars"]["SIM01"]
    trades = seen.got("/v2/stocks/trades", query)["trades"]["SIM01"]
    assert len({trade["i"] for trade in trades}) == len(trades)
    by_minute: dict[str, list[Mapping[str, Any]]] = {}
    for trade in trades:
        by_minute.setdefault(trade["t"][:16], []).append(trade)
    for bar in bars:
        inner = by_minute[bar["t"][:16]]
        sizes, prices = [t["s"] for t in inner], [t["p"] for t in inner]
        assert (bar["n"], bar["v"]) == (len(inner), sum(sizes))
        assert (bar["o"], bar["c"]) == (prices[0], prices[-1])
        assert (bar["h"], bar["l"]) == (max(prices), min(prices))
        paid = sum(p * s for p, s in zip(prices, sizes, strict=True))
        assert bar["vw"] == pytest.approx(paid / bar["v"])
    whole = seen.got("/v2/stocks/bars", query | {"timeframe": "1Day"})["bars"]["SIM01"]
    assert len(whole) == 1
    assert whole[0]["v"] == sum(bar["v"] for bar in bars)
    assert whole[0]["n"] == len(trades)
    assert (whole[0]["o"], whole[0]["c"]) == (bars[0]["o"], bars[-1]["c"])
    assert whole[0]["h"] == max(bar["h"] for bar in bars)


def test_bars_are_adjusted_for_what_has_happened_by_now(client: Client) -> None:
    split = next(a for a in client.exchange.market.data.actions if a.instrument == "SIM01")
    assert split.ex_date == client.at(4).date()
    query = {"symbols": "SIM01", "timeframe": "1Day", "start": "2014-07-01"}

    def days(adjustment: str) -> list[tuple[float, int]]:
        found = client.got("/v2/stocks/bars", query | {"adjustment": adjustment})
        return [(row["c"], row["v"]) for row in found["bars"]["SIM01"]]

    client.advance(client.at(3, hours=7))
    raw = days("raw")
    assert days("split") == raw
    client.advance(client.at(4, hours=7))
    after = days("raw")
    assert after[:-1] == raw
    adjusted = days("split")
    assert adjusted[-1] == after[-1]
    assert [v for _, v in adjusted[:-1]] == [v * 2 for _, v in raw]
    assert [c for c, _ in adjusted[:-1]] == pytest.approx([c / 2 for c, _ in raw], abs=1e-4)
    assert days("dividend,split") == days("all")
    assert days("spin-off") == after


def test_the_latest_is_what_was_printed_last(seen: Client) -> None:
    latest = {
        kind: seen.got(f"/v2/stocks/{kind}s/latest", {"symbols": "SIM01,ZZZ"})[f"{kind}s"]
        for kind in ("bar", "quote", "trade")
    }
    for kind, rows in latest.items():
        query = {"symbols": "SIM01", "sort": "desc", "limit": 1, "timeframe": "1Min"}
        last = seen.got(f"/v2/stocks/{kind}s", query)[f"{kind}s"]["SIM01"][0]
        assert rows == {"SIM01": last}
        assert seen.got(f"/v2/stocks/SIM01/{kind}s/latest")[kind] == last
        assert seen.refused(f"/v2/stocks/ZZZ/{kind}s/latest") == f"no {kind} found for ZZZ"
    quote = latest["quote"]["SIM01"]
    assert 0 < quote["bp"] < quote["ap"]
    shot = seen.got("/v2/stocks/SIM01/snapshot")
    assert shot["symbol"] == "SIM01"
    assert shot["latestTrade"] == latest["trade"]["SIM01"]
    assert shot["latestQuote"] == quote
    assert shot["minuteBar"] == latest["bar"]["SIM01"]
    several = seen.got("/v2/stocks/snapshots", {"symbols": "SIM01,ZZZ,SIM02"})
    assert list(several) == ["SIM01", "SIM02"]
    assert shot == {"symbol": "SIM01", **several["SIM01"]}
    assert seen.refused("/v2/stocks/ZZZ/snapshot") == "no snapshot found for ZZZ"


def test_a_snapshot_has_the_day_so_far_and_the_day_before(seen: Client) -> None:
    shot = seen.got("/v2/stocks/SIM02/snapshot")
    trades = seen.got("/v2/stocks/SIM02/trades", {"limit": 10_000})["trades"]
    today, before = shot["dailyBar"], shot["prevDailyBar"]
    assert (today["n"], today["v"]) == (len(trades), sum(t["s"] for t in trades))
    assert (today["o"], today["c"]) == (trades[0]["p"], trades[-1]["p"])
    day = seen.at(4).date().isoformat()
    query = {"timeframe": "1Day", "start": day, "end": day}
    assert [before] == seen.got("/v2/stocks/SIM02/bars", query)["bars"]


def test_auctions_open_and_close_a_day(client: Client) -> None:
    client.advance(client.at(2, minutes=1))
    query = {"start": client.at(1).date().isoformat()}
    first, second = client.got("/v2/stocks/SIM01/auctions", query)["auctions"]
    assert first["d"] == client.at(1).date().isoformat()
    assert [a["c"] for a in first["o"]] == ["O", "Q"]
    assert [a["c"] for a in first["c"]] == ["6", "M"]
    assert first["c"][0]["t"] == f"{client.at(1, hours=6, minutes=30):%Y-%m-%dT%H:%M:%SZ}"
    assert (len(second["o"]), second["c"]) == (2, [])
    days = {"timeframe": "1Day"} | query
    bar = client.got("/v2/stocks/SIM01/bars", days)["bars"][0]
    assert (first["o"][0]["p"], first["c"][0]["p"]) == (bar["o"], bar["c"])


def test_corporate_actions_are_listed_from_their_day(client: Client) -> None:
    wide = {"start": "2014-07-01", "end": "2014-12-31"}

    def listed(**query: str) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = client.got("/v1/corporate-actions", wide | query)[
            "corporate_actions"
        ]
        return found

    client.advance(client.at(4, minutes=-60))
    split = listed()["forward_splits"][0]
    day = client.at(4).date().isoformat()
    assert (split["symbol"], split["new_rate"], split["old_rate"]) == ("SIM01", 2, 1)
    assert (split["ex_date"], split["process_date"]) == (day, day)
    assert listed(symbols="SIM02") == {}
    assert listed(types="cash_dividend") == {}
    assert list(listed(types="forward_split,cash_dividend")) == ["forward_splits"]
    assert listed(region="non_us") == listed(cusips="037833100") == {}
    by_id = client.got("/v1/corporate-actions", {"ids": split["id"]})
    assert by_id["corporate_actions"] == {"forward_splits": [split]}
    assert client.got("/v1/corporate-actions")["corporate_actions"] == {"forward_splits": [split]}
    client.advance(client.at(9, hours=7))
    every = listed()
    assert "cash_mergers" in every
    gone = every["cash_mergers"][0]
    assert gone["acquiree_symbol"] == "SIM03"
    pages = list(client.pages("/v1/corporate-actions", wide | {"limit": 1}))
    assert len(pages) == sum(map(len, every.values()))
    found = [row for p in pages for rows in p["corporate_actions"].values() for row in rows]
    dates = [row["process_date"] for row in found]
    assert dates == sorted(dates)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"symbols": LEFT_OUT}, "symbols is required"),
        ({"symbols": ""}, "symbols is required"),
        ({"symbols": "aapl"}, "invalid symbol: aapl"),
        ({"symbols": "AAPL,"}, "invalid symbol: "),
        ({"timeframe": LEFT_OUT}, "timeframe is required"),
        ({"timeframe": "60Min"}, "invalid timeframe: 60Min"),
        ({"timeframe": "2Day"}, "invalid timeframe: 2Day"),
        ({"timeframe": "5Month"}, "invalid timeframe: 5Month"),
        ({"timeframe": "1Sec"}, "invalid timeframe: 1Sec"),
        ({"limit": "0"}, "invalid limit: must be at least 1"),
        ({"limit": "-3"}, "invalid limit: must be at least 1"),
        ({"limit": "ten"}, "invalid limit: ten"),
        ({"limit": "10001"}, "invalid limit: larger than the allowed maximum of 10000"),
        ({"limit": "9" * 30}, "invalid limit: larger than the allowed maximum of 10000"),
        ({"start": "yesterday"}, "invalid start: yesterday is not an RFC 3339 time"),
        ({"start": "2014-07-32"}, "invalid start: 2014-07-32 is no date"),
        ({"end": "2014-07-28T10:00:00"}, "invalid end: 2014-07-28T10:00:00 has no time zone"),
        (
            {"start": "2014-07-28", "end": "2014-07-27"},
            "end should not be before start",
        ),
        ({"sort": "up"}, "invalid sort: up"),
        ({"feed": "nyse"}, "invalid feed: nyse"),
        ({"adjustment": "raw,some"}, "invalid adjustment: some"),
        ({"currency": "EUR"}, "invalid currency: EUR is not supported by this exchange"),
        ({"asof": "today"}, "invalid asof: today is not a date such as 2024-01-03"),
        ({"page_token": "§"}, "invalid page_token"),
        ({"page_token": "WlpafDE="}, "invalid page_token: it belongs to another request"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_message_alone(
    seen: Client, query: Query, message: str
) -> None:
    asked = {"symbols": "SIM01", "timeframe": "1Min"} | query
    given = {name: text for name, text in asked.items() if text != LEFT_OUT}
    assert seen.refused("/v2/stocks/bars", given) == message


@pytest.mark.parametrize(
    ("path", "query", "message"),
    [
        ("/v2/stocks/sim/trades", {}, "invalid symbol: sim"),
        ("/v2/stocks/SIM01/auctions", {"feed": "iex"}, "invalid feed: iex"),
        ("/v2/stocks/meta/conditions/trade", {}, "tape is required"),
        ("/v2/stocks/meta/conditions/trade", {"tape": "X"}, "invalid tape: X"),
        ("/v2/stocks/meta/conditions/bar", {"tape": "A"}, "invalid ticktype: bar"),
        ("/v1/corporate-actions", {"types": "split"}, "invalid types: split"),
        ("/v1/corporate-actions", {"page_token": "x"}, "invalid page_token"),
        (
            "/v1/corporate-actions",
            {"start": "x"},
            "invalid start: x is not a date such as 2024-01-03",
        ),
        (
            "/v1/corporate-actions",
            {"ids": "x", "symbols": "SIM01"},
            "ids is mutually exclusive with all other filters",
        ),
        (
            "/v1/corporate-actions",
            {"limit": "1001"},
            "invalid limit: larger than the allowed maximum of 1000",
        ),
    ],
)
def test_other_paths_refuse_in_the_same_way(
    seen: Client, path: str, query: Query, message: str
) -> None:
    assert seen.refused(path, query) == message


def test_times_beyond_all_data_are_no_error(seen: Client) -> None:
    for span in (
        {"start": "9999-12-30T00:00:00Z"},
        {"start": "0001-01-01T00:00:00Z", "end": "0001-01-02T00:00:00Z"},
        {"start": "2030-01-01"},
    ):
        for kind in HISTORY:
            query = span | {"symbols": "SIM01", "timeframe": "1Min"}
            assert seen.got(f"/v2/stocks/{kind}", query)[kind] == {}


def test_nothing_finer_than_what_is_stored_and_prints_of_any_data() -> None:
    for client in connected(a_sample(Timeframe.DAY)):
        client.advance(client.at(2, hours=1))
        asked = {"symbols": "SIM01", "timeframe": "1Hour"}
        message = "invalid timeframe: 1 hour is finer than the stored bars of one day"
        assert client.refused("/v2/stocks/bars", asked) == message
        asked = {"symbols": "SIM01", "timeframe": "1Day", "start": "2014-07-01"}
        assert len(client.got("/v2/stocks/bars", asked)["bars"]["SIM01"]) == 2
        trade = client.got("/v2/stocks/SIM01/trades/latest")["trade"]
        bar = client.got("/v2/stocks/SIM01/bars/latest")["bar"]
        assert (bar["c"], bar["v"], bar["n"]) == (trade["p"], trade["s"], 1)
        assert client.got("/v2/stocks/SIM01/snapshot")["dailyBar"]["c"] == trade["p"]


def test_what_is_shown_can_be_frozen_and_spoiled(client: Client) -> None:
    market = client.exchange.market
    sim = next(iter(market.instruments.values())).id
    client.advance(client.at(2, minutes=5))
    before = client.got("/v2/stocks/SIM01/snapshot")
    market.frozen[sim] = market.now
    client.advance(client.at(2, minutes=20))
    assert client.got("/v2/stocks/SIM01/snapshot") == before
    assert client.got("/v2/stocks/SIM02/quotes/latest")["quote"]["t"] > before["latestQuote"]["t"]
    del market.frozen[sim]
    whole = client.got("/v2/stocks/SIM01/quotes/latest")["quote"]
    for kind, sides in (
        ("crossed", (whole["ap"], whole["bp"])),
        ("locked", (whole["bp"], whole["bp"])),
        ("no_bid", (0, whole["ap"])),
        ("zero", (0, 0)),
        ("negative", (-whole["bp"], -whole["ap"])),
        ("huge", (1e9, 1e9)),
    ):
        market.corrupted[sim] = kind
        quote = client.got("/v2/stocks/SIM01/quotes/latest")["quote"]
        assert (quote["bp"], quote["ap"]) == sides
        rows = client.got("/v2/stocks/SIM01/quotes", {"sort": "desc", "limit": 1})["quotes"]
        assert rows == [quote]
    trade = client.got("/v2/stocks/SIM01/trades/latest")["trade"]
    assert trade["p"] == 1e9
    assert client.got("/v2/stocks/SIM01/bars/latest")["bar"]["h"] < 1e9


def test_strangers_see_nothing(seen: Client) -> None:
    with httpx.Client(base_url=seen.url) as stranger:
        assert stranger.get("/v2/stocks/meta/exchanges").status_code == 401
        wrong = stranger.get("/v2/stocks/meta/exchanges", headers=KEYS | {"APCA-API-KEY-ID": "x"})
        assert (wrong.status_code, wrong.json()) == (401, {"message": "unauthorized."})


def test_the_market_stands_where_the_tests_believe(seen: Client) -> None:
    assert seen.exchange.market.now == seen.at(5, minutes=10, seconds=30)
    assert seen.exchange.market.now.tzinfo is UTC
