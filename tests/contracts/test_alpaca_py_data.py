"""alpaca-py's StockHistoricalDataClient on a whole tour of the replayed market's past."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import pytest

from tests.contracts.exchange_ground import (
    FRIDAY,
    MONDAY,
    THURSDAY,
    Ground,
    at,
    called_in,
    data_client,
    ground,
    public_methods,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from alpaca.common.enums import Sort
    from alpaca.common.exceptions import APIError
    from alpaca.data.enums import Adjustment, DataFeed
    from alpaca.data.historical.stock import StockHistoricalDataClient
    from alpaca.data.models.bars import Bar, BarSet
    from alpaca.data.models.quotes import Quote, QuoteSet
    from alpaca.data.models.snapshots import Snapshot
    from alpaca.data.models.trades import Trade, TradeSet
    from alpaca.data.requests import (
        StockBarsRequest,
        StockLatestBarRequest,
        StockLatestQuoteRequest,
        StockLatestTradeRequest,
        StockQuotesRequest,
        StockSnapshotRequest,
        StockTradesRequest,
    )
    from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

TOURED: Final = {
    *("get_stock_bars", "get_stock_quotes", "get_stock_trades", "get_stock_snapshot"),
    *("get_stock_latest_bar", "get_stock_latest_quote", "get_stock_latest_trade"),
    "get",
}
LEFT_OUT: Final[Mapping[str, str]] = dict.fromkeys(
    ("post", "put", "patch", "delete", "response_wrapper"),
    "the transport beneath; nothing about data is sent",
)
NAMES: Final = ["AAA", "BBB"]
FEED: Final = DataFeed.SIP


def test_the_tour_knows_every_method() -> None:
    assert public_methods(StockHistoricalDataClient) == TOURED | set(LEFT_OUT)
    assert called_in(__file__) & public_methods(StockHistoricalDataClient) == TOURED


@pytest.fixture(scope="module")
def market() -> Iterator[Ground]:
    """Monday at ten, after the split and the dividend."""
    with ground() as served:
        served.advance(at(MONDAY, "10:00"))
        yield served


@pytest.fixture(scope="module")
def client(market: Ground) -> Iterator[StockHistoricalDataClient]:
    with data_client(market.url) as made:
        yield made


def bars(client: StockHistoricalDataClient, **asked: Any) -> Mapping[str, list[Bar]]:
    answer = client.get_stock_bars(StockBarsRequest(feed=FEED, **asked))
    assert isinstance(answer, BarSet)
    return answer.data


def quotes(client: StockHistoricalDataClient, **asked: Any) -> Mapping[str, list[Quote]]:
    answer = client.get_stock_quotes(StockQuotesRequest(feed=FEED, **asked))
    assert isinstance(answer, QuoteSet)
    return answer.data


def trades(client: StockHistoricalDataClient, **asked: Any) -> Mapping[str, list[Trade]]:
    answer = client.get_stock_trades(StockTradesRequest(feed=FEED, **asked))
    assert isinstance(answer, TradeSet)
    return answer.data


def got(
    client: StockHistoricalDataClient, path: str, asked: Mapping[str, object] | None = None
) -> dict[str, Any]:
    answer = client.get(path, dict(asked or {}))
    assert isinstance(answer, dict)
    return answer


def prices(bar: Bar) -> dict[str, float]:
    return {"open": bar.open, "high": bar.high, "low": bar.low, "close": bar.close}


def test_minutes_are_those_that_are_replayed(
    market: Ground, client: StockHistoricalDataClient
) -> None:
    start, end = at(FRIDAY, "09:30"), at(FRIDAY, "09:40")
    found = bars(client, symbol_or_symbols=NAMES, timeframe=TimeFrame.Minute, start=start, end=end)
    assert set(found) == set(NAMES)
    for name, rows in found.items():
        # Both ends belong to the range.
        assert [row.timestamp for row in rows] == [start + timedelta(minutes=i) for i in range(11)]
        for row in rows:
            assert prices(row) == pytest.approx(market.bar(name, row.timestamp))
            assert row.low <= (row.vwap or 0) <= row.high
            assert row.volume >= (row.trade_count or 0) > 0


def test_nothing_of_the_future_is_told(market: Ground, client: StockHistoricalDataClient) -> None:
    whole = {"symbol_or_symbols": "AAA", "start": at(MONDAY, "09:30"), "end": at(MONDAY, "16:00")}
    last = bars(client, timeframe=TimeFrame.Minute, **whole)["AAA"][-1]
    assert last.timestamp == at(MONDAY, "09:59")
    assert quotes(client, **whole)["AAA"][-1].timestamp <= market.now
    assert trades(client, **whole)["AAA"][-1].timestamp <= market.now


@pytest.mark.parametrize(
    ("timeframe", "minutes"),
    [
        (TimeFrame(5, TimeFrameUnit.Minute), 5),
        (TimeFrame(30, TimeFrameUnit.Minute), 30),
    ],
)
def test_longer_bars_are_made_of_minutes(
    client: StockHistoricalDataClient, timeframe: TimeFrame, minutes: int
) -> None:
    start, end = at(FRIDAY, "10:00"), at(FRIDAY, "11:59")
    span: dict[str, Any] = {"symbol_or_symbols": "AAA", "start": start, "end": end}
    fine = bars(client, timeframe=TimeFrame.Minute, **span)["AAA"]
    coarse = bars(client, timeframe=timeframe, **span)["AAA"]
    assert len(coarse) == 120 // minutes
    for index, row in enumerate(coarse):
        inner = fine[index * minutes : (index + 1) * minutes]
        assert row.timestamp == inner[0].timestamp
        assert (row.open, row.close) == (inner[0].open, inner[-1].close)
        assert row.high == max(one.high for one in inner)
        assert row.low == min(one.low for one in inner)
        assert row.volume == sum(one.volume for one in inner)


def test_days_begin_at_midnight_in_new_york(
    market: Ground, client: StockHistoricalDataClient
) -> None:
    found = bars(
        client,
        symbol_or_symbols="AAA",
        timeframe=TimeFrame.Day,
        start=at(THURSDAY, "00:00"),
        end=at(MONDAY, "10:00"),
    )["AAA"]
    # Clocks change between the second and the third.
    midnights = [at(day, "00:00") for day in (THURSDAY, FRIDAY, MONDAY)]
    assert [row.timestamp for row in found][:2] == midnights[:2]
    assert {row.timestamp for row in found} <= set(midnights)
    friday = found[1]
    assert friday.open == market.bar("AAA", at(FRIDAY, "09:30"))["open"]
    assert friday.close == market.bar("AAA", at(FRIDAY, "15:59"))["close"]


def test_prices_are_raw_unless_adjusted(client: StockHistoricalDataClient) -> None:
    span: dict[str, Any] = {
        "symbol_or_symbols": "BBB",
        "timeframe": TimeFrame.Day,
        "start": at(FRIDAY, "00:00"),
        "end": at(FRIDAY, "23:59"),
    }
    (raw,) = bars(client, **span)["BBB"]
    (adjusted,) = bars(client, **span, adjustment=Adjustment.SPLIT)["BBB"]
    assert raw.close == pytest.approx(20, abs=0.6)
    assert adjusted.close == pytest.approx(raw.close / 2, abs=0.01)
    assert adjusted.volume == pytest.approx(raw.volume * 2)


def test_dividends_are_taken_off_when_asked(client: StockHistoricalDataClient) -> None:
    span: dict[str, Any] = {
        "symbol_or_symbols": "AAA",
        "timeframe": TimeFrame.Day,
        "start": at(FRIDAY, "00:00"),
        "end": at(FRIDAY, "23:59"),
    }
    (raw,) = bars(client, **span)["AAA"]
    (adjusted,) = bars(client, **span, adjustment=Adjustment.DIVIDEND)["AAA"]
    assert adjusted.close == pytest.approx(raw.close - 0.5, abs=0.02)


def test_a_limit_counts_all_symbols_and_sorting_turns_them_round(
    client: StockHistoricalDataClient,
) -> None:
    span: dict[str, Any] = {
        "symbol_or_symbols": NAMES,
        "timeframe": TimeFrame.Minute,
        "start": at(FRIDAY, "09:30"),
        "end": at(FRIDAY, "09:40"),
    }
    some = bars(client, **span, limit=15)
    assert {name: len(rows) for name, rows in some.items()} == {"AAA": 11, "BBB": 4}
    turned = bars(client, **span, sort=Sort.DESC)
    times = [row.timestamp for row in turned["AAA"]]
    assert times == sorted(times, reverse=True)


def test_pages_follow_a_token_until_there_is_none(client: StockHistoricalDataClient) -> None:
    asked: dict[str, object] = {
        "symbols": "AAA,BBB",
        "timeframe": "1Min",
        "start": "2020-03-06T14:30:00Z",
        "end": "2020-03-06T14:40:00Z",
        "limit": 4,
    }
    pages, token = [], ""
    while True:
        more = {"page_token": token} if token else {}
        answer = got(client, "/stocks/bars", {**asked, **more})
        pages.append(answer["bars"])
        token = answer["next_page_token"]
        if token is None:
            break
    assert [sum(map(len, page.values())) for page in pages] == [4, 4, 4, 4, 4, 2]
    assert list(pages[0]) == ["AAA"]
    rows = [(name, row["t"]) for page in pages for name in sorted(page) for row in page[name]]
    assert rows == sorted(set(rows))
    assert len(rows) == 22


def test_quotes_and_trades_lie_within_their_minutes(
    market: Ground, client: StockHistoricalDataClient
) -> None:
    span: dict[str, Any] = {
        "symbol_or_symbols": NAMES,
        "start": at(FRIDAY, "10:00"),
        "end": at(FRIDAY, "10:05"),
    }
    for name, rows in quotes(client, **span).items():
        assert rows
        for quote in rows:
            assert 0 < quote.bid_price < quote.ask_price
            assert quote.bid_size > 0 < quote.ask_size
            bar = market.bar(name, quote.timestamp)
            middle = (quote.bid_price + quote.ask_price) / 2
            assert bar["low"] - 0.1 <= middle <= bar["high"] + 0.1
    for name, prints in trades(client, **span).items():
        assert prints
        assert len({one.id for one in prints}) == len(prints)
        for one in prints:
            bar = market.bar(name, one.timestamp)
            assert bar["low"] <= one.price <= bar["high"]
            assert one.size > 0


def test_the_latest_of_everything(market: Ground, client: StockHistoricalDataClient) -> None:
    bar = client.get_stock_latest_bar(StockLatestBarRequest(symbol_or_symbols=NAMES, feed=FEED))
    quote = client.get_stock_latest_quote(
        StockLatestQuoteRequest(symbol_or_symbols=NAMES, feed=FEED)
    )
    trade = client.get_stock_latest_trade(
        StockLatestTradeRequest(symbol_or_symbols=NAMES, feed=FEED)
    )
    for name in NAMES:
        last = market.bar(name, at(MONDAY, "09:59"))
        assert isinstance(bar[name], Bar)
        assert bar[name].timestamp == at(MONDAY, "09:59")
        assert prices(bar[name]) == pytest.approx(last)
        assert isinstance(quote[name], Quote)
        assert isinstance(trade[name], Trade)
        assert _age(market, trade[name].timestamp) < timedelta(minutes=2)
        assert _age(market, quote[name].timestamp) < timedelta(minutes=2)
        assert trade[name].price == pytest.approx(last["close"], abs=0.2)
        assert quote[name].bid_price < quote[name].ask_price


def _age(market: Ground, then: datetime) -> timedelta:
    age = market.now - then
    assert age >= timedelta(0)
    return age


def test_a_snapshot_has_today_and_yesterday(
    market: Ground, client: StockHistoricalDataClient
) -> None:
    found = client.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols=NAMES, feed=FEED))
    assert set(found) == set(NAMES)
    shot = found["AAA"]
    assert isinstance(shot, Snapshot)
    assert shot.latest_trade is not None
    assert shot.latest_quote is not None
    assert shot.minute_bar is not None
    assert shot.minute_bar.timestamp == at(MONDAY, "09:59")
    assert shot.daily_bar is not None
    assert shot.daily_bar.timestamp == at(MONDAY, "00:00")
    assert shot.daily_bar.open == market.bar("AAA", at(MONDAY, "09:30"))["open"]
    assert shot.previous_daily_bar is not None
    assert shot.previous_daily_bar.timestamp == at(FRIDAY, "00:00")


def test_one_symbol_is_asked_for_by_its_path(client: StockHistoricalDataClient) -> None:
    for kind in ("bars", "quotes", "trades"):
        span = {"timeframe": "1Min"} if kind == "bars" else {}
        span |= {"start": "2020-03-06T15:00:00Z", "end": "2020-03-06T15:02:00Z"}
        answer = got(client, f"/stocks/AAA/{kind}", span)
        assert answer["symbol"] == "AAA"
        assert answer[kind]
        assert got(client, f"/stocks/AAA/{kind}/latest")["symbol"] == "AAA"
    assert got(client, "/stocks/AAA/snapshot")["latestTrade"]["p"] > 0


@pytest.mark.parametrize(
    ("path", "asked", "status"),
    [
        ("/stocks/bars", {"symbols": "AAA", "timeframe": "1Min", "limit": 10_001}, 400),
        ("/stocks/bars", {"symbols": "AAA", "timeframe": "soon"}, 400),
        ("/stocks/bars", {"timeframe": "1Min"}, 400),
        ("/stocks/bars", {"symbols": "AAA", "timeframe": "1Min", "start": "soon"}, 400),
        ("/stocks/bars", {"symbols": "AAA", "timeframe": "1Min", "page_token": "no"}, 400),
    ],
)
def test_a_bad_question_has_a_message_and_no_code(
    client: StockHistoricalDataClient, path: str, asked: dict[str, object], status: int
) -> None:
    with pytest.raises(APIError) as error:
        client.get(path, asked)
    assert error.value.status_code == status
    assert error.value.message
    assert '"code"' not in str(error.value)
