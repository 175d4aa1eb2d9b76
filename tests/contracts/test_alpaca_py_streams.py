"""alpaca-py's two streams on a whole tour: trade updates, and the market's data as it happens."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

import pytest

from tests.contracts.exchange_ground import (
    FRIDAY,
    Ground,
    at,
    called_in,
    ground,
    listening,
    public_methods,
    trading_client,
    wait_until,
)
from tests.unit.exchange.builders import KEY, SECRET

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from alpaca.data.live.stock import StockDataStream
    from alpaca.data.models.bars import Bar
    from alpaca.data.models.quotes import Quote
    from alpaca.data.models.trades import Trade, TradeCancel, TradeCorrection, TradingStatus
    from alpaca.trading.client import TradingClient
    from alpaca.trading.enums import OrderSide, OrderStatus, TimeInForce, TradeEvent
    from alpaca.trading.models import Order, TradeUpdate
    from alpaca.trading.requests import (
        LimitOrderRequest,
        MarketOrderRequest,
        ReplaceOrderRequest,
        StopLossRequest,
        TakeProfitRequest,
    )
    from alpaca.trading.stream import TradingStream

TOURED: Final = {
    *("subscribe_trade_updates", "subscribe_trades", "subscribe_quotes", "subscribe_bars"),
    *("subscribe_updated_bars", "subscribe_daily_bars", "subscribe_trading_statuses"),
    *("unsubscribe_trades", "unsubscribe_quotes", "unsubscribe_bars"),
    *("unsubscribe_updated_bars", "unsubscribe_daily_bars", "unsubscribe_trading_statuses"),
    *("register_trade_corrections", "register_trade_cancels"),
}
LEFT_OUT: Final[Mapping[str, str]] = {
    **dict.fromkeys(("run", "stop"), "called for every stream of this tour by its ground"),
    **dict.fromkeys(("close", "stop_ws"), "what stop does on the stream's own loop"),
}


def test_the_tour_knows_every_method() -> None:
    methods = public_methods(TradingStream) | public_methods(StockDataStream)
    assert methods == TOURED | set(LEFT_OUT)
    assert called_in(__file__) & methods == TOURED


@pytest.fixture
def market() -> Iterator[Ground]:
    with ground() as served:
        served.advance(at(FRIDAY, "09:45"))
        yield served


@pytest.fixture
def client(market: Ground) -> Iterator[TradingClient]:
    with trading_client(market.url) as made:
        yield made


@pytest.fixture
def updates(market: Ground) -> Iterator[list[TradeUpdate]]:
    """What the stream of trade updates has told so far."""
    told: list[TradeUpdate] = []

    async def take(update: TradeUpdate) -> None:
        told.append(update)

    stream = TradingStream(KEY, SECRET, url_override=f"{market.socket}/stream")
    stream.subscribe_trade_updates(take)
    with listening(stream, wake=lambda: _trade(market)):
        yield told


def _trade(market: Ground) -> None:
    body = {"symbol": "BBB", "qty": "1", "side": "buy", "type": "market", "time_in_force": "day"}
    assert market.http.post("/v2/orders", json=body).status_code == 200


def events(updates: list[TradeUpdate], order: Order) -> list[TradeEvent | str]:
    return [update.event for update in updates if update.order.id == order.id]


def taken(answer: object) -> Order:
    assert isinstance(answer, Order)
    return answer


def test_an_order_is_followed_from_its_taking_to_its_fill(
    market: Ground, client: TradingClient, updates: list[TradeUpdate]
) -> None:
    order = taken(
        client.submit_order(
            MarketOrderRequest(
                symbol="AAA", qty=10, side=OrderSide.BUY, time_in_force=TimeInForce.DAY
            )
        )
    )
    market.minutes(2)
    wait_until(lambda: TradeEvent.FILL in events(updates, order))
    told = events(updates, order)
    assert told[-2:] == [TradeEvent.NEW, TradeEvent.FILL]
    fill = updates[-1]
    filled = taken(client.get_order_by_id(order.id))
    assert fill.order == filled
    assert (fill.qty, fill.position_qty) == (10, 10)
    assert fill.price == float(str(filled.filled_avg_price))
    assert fill.execution_id is not None
    assert fill.timestamp == filled.filled_at


def test_cancels_and_replacements_are_told(
    market: Ground, client: TradingClient, updates: list[TradeUpdate]
) -> None:
    old = taken(
        client.submit_order(
            LimitOrderRequest(
                symbol="AAA",
                qty=10,
                side=OrderSide.BUY,
                time_in_force=TimeInForce.DAY,
                limit_price=90,
            )
        )
    )
    market.minutes(1)
    new = taken(client.replace_order_by_id(old.id, ReplaceOrderRequest(limit_price=91)))
    market.minutes(1)
    client.cancel_order_by_id(new.id)
    market.minutes(1)
    wait_until(lambda: TradeEvent.CANCELED in events(updates, new))
    assert events(updates, old)[-1] == TradeEvent.REPLACED
    assert events(updates, new)[-1] == TradeEvent.CANCELED


def test_the_legs_of_a_bracket_are_told(
    market: Ground, client: TradingClient, updates: list[TradeUpdate]
) -> None:
    entry = taken(
        client.submit_order(
            MarketOrderRequest(
                symbol="AAA",
                qty=10,
                side=OrderSide.BUY,
                time_in_force=TimeInForce.DAY,
                order_class="bracket",
                take_profit=TakeProfitRequest(limit_price=105),
                stop_loss=StopLossRequest(stop_price=99),
            )
        )
    )
    assert entry.legs is not None
    profit, loss = entry.legs
    market.advance(at(FRIDAY, "11:15"))
    wait_until(
        lambda: (
            TradeEvent.FILL in events(updates, loss)
            and TradeEvent.CANCELED in events(updates, profit)
        )
    )
    assert TradeEvent.NEW in events(updates, profit)
    flat = [update.position_qty for update in updates if update.event == TradeEvent.FILL]
    assert flat == [10, 0]
    assert taken(client.get_order_by_id(loss.id)).status is OrderStatus.FILLED


class Heard:
    """What the stream of data has told, by kind."""

    def __init__(self) -> None:
        self.told: dict[str, list[Any]] = {}

    def of(self, kind: str) -> Callable[[Any], Any]:
        """A handler that keeps what it is told."""
        kept = self.told.setdefault(kind, [])

        async def take(message: Any) -> None:
            kept.append(message)

        return take


@pytest.fixture
def stream(market: Ground) -> StockDataStream:
    return StockDataStream(KEY, SECRET, url_override=f"{market.socket}/v2/iex")


def test_trades_quotes_and_bars_come_as_they_happen(
    market: Ground, stream: StockDataStream
) -> None:
    heard = Heard()
    stream.subscribe_bars(heard.of("bars"), "AAA", "BBB")
    stream.subscribe_trades(heard.of("trades"), "AAA")
    stream.subscribe_quotes(heard.of("quotes"), "*")
    with listening(stream, wake=market.minutes):
        market.minutes(3)
        wait_until(lambda: len(heard.told["bars"]) >= 6)
        bars: list[Bar] = heard.told["bars"]
        assert {bar.symbol for bar in bars} == {"AAA", "BBB"}
        mine = [bar for bar in bars if bar.symbol == "AAA"]
        assert [bar.timestamp for bar in mine] == [
            at(FRIDAY, "09:45") + timedelta(minutes=minute) for minute in range(3)
        ]
        for bar in bars:
            known = market.bar(bar.symbol, bar.timestamp)
            assert (bar.open, bar.high, bar.low, bar.close) == pytest.approx(tuple(known.values()))
            assert bar.vwap is not None
        trades: list[Trade] = heard.told["trades"]
        assert {trade.symbol for trade in trades} == {"AAA"}
        assert all(trade.size > 0 for trade in trades)
        quotes: list[Quote] = heard.told["quotes"]
        assert {quote.symbol for quote in quotes} == {"AAA", "BBB", "CCC"}
        assert all(quote.bid_price < quote.ask_price for quote in quotes)


def test_daily_bars_and_corrected_minutes(market: Ground, stream: StockDataStream) -> None:
    heard = Heard()
    stream.subscribe_daily_bars(heard.of("daily"), "AAA")
    stream.subscribe_updated_bars(heard.of("updated"), "AAA")
    with listening(stream, wake=market.minutes):
        market.minutes(3)
        wait_until(lambda: bool(heard.told["daily"]))
        day: Bar = heard.told["daily"][-1]
        assert day.timestamp == at(FRIDAY, "00:00")
        assert day.open == market.bar("AAA", at(FRIDAY, "09:30"))["open"]


def test_a_halt_is_told_and_so_is_its_end(market: Ground, stream: StockDataStream) -> None:
    heard = Heard()
    stream.subscribe_trading_statuses(heard.of("statuses"), "AAA")
    with listening(stream, wake=market.minutes):
        market.perform("halt", symbol="AAA")
        market.minutes(1)
        market.perform("resume", symbol="AAA")
        market.minutes(1)
        wait_until(lambda: len(heard.told["statuses"]) == 2)
        halted, resumed = heard.told["statuses"]
        assert isinstance(halted, TradingStatus)
        assert (halted.symbol, resumed.symbol) == ("AAA", "AAA")
        assert halted.status_code != resumed.status_code
        assert halted.reason_code


def test_subscriptions_change_while_the_stream_runs(
    market: Ground, stream: StockDataStream
) -> None:
    heard = Heard()
    stream.subscribe_bars(heard.of("bars"), "AAA")
    with listening(stream, wake=market.minutes):
        market.minutes(1)
        wait_until(lambda: len(heard.told["bars"]) == 1)
        stream.subscribe_trades(heard.of("trades"), "BBB")
        stream.subscribe_quotes(heard.of("quotes"), "BBB")
        stream.subscribe_bars(heard.of("bars"), "BBB")
        stream.subscribe_updated_bars(heard.of("updated"), "BBB")
        stream.subscribe_daily_bars(heard.of("daily"), "BBB")
        stream.subscribe_trading_statuses(heard.of("statuses"), "BBB")
        stream.unsubscribe_bars("AAA")
        market.minutes(1)
        wait_until(lambda: len(heard.told["bars"]) == 2 and bool(heard.told["quotes"]))
        assert [bar.symbol for bar in heard.told["bars"]] == ["AAA", "BBB"]
        stream.unsubscribe_trades("BBB")
        stream.unsubscribe_quotes("BBB")
        stream.unsubscribe_updated_bars("BBB")
        stream.unsubscribe_daily_bars("BBB")
        stream.unsubscribe_trading_statuses("BBB")
        trades, quotes = len(heard.told["trades"]), len(heard.told["quotes"])
        market.minutes(1)
        wait_until(lambda: len(heard.told["bars"]) == 3)
        assert (len(heard.told["trades"]), len(heard.told["quotes"])) == (trades, quotes)


def test_prints_that_are_taken_back_or_corrected(market: Ground, stream: StockDataStream) -> None:
    heard = Heard()
    stream.subscribe_trades(heard.of("trades"), "AAA")
    stream.register_trade_corrections(heard.of("corrections"))
    stream.register_trade_cancels(heard.of("cancels"))
    with listening(stream, wake=market.minutes):
        market.minutes(1)
        wait_until(lambda: len(heard.told["trades"]) == 7)
        last: Trade = heard.told["trades"][-1]
        market.perform("correct_trade", symbol="AAA", price="101.25", size="300")
        market.perform("bust_trade", symbol="AAA")
        market.perform("bust_trade", symbol="BBB")
        wait_until(lambda: bool(heard.told["cancels"]))
        (correction,) = heard.told["corrections"]
        assert isinstance(correction, TradeCorrection)
        assert (correction.symbol, correction.original_id) == ("AAA", last.id)
        assert (correction.original_price, correction.original_size) == (last.price, last.size)
        assert (correction.corrected_price, correction.corrected_size) == (101.25, 300)
        (cancel,) = heard.told["cancels"]
        assert isinstance(cancel, TradeCancel)
        assert (cancel.id, cancel.price, cancel.size) == (last.id, 101.25, 300)
        assert (cancel.action, cancel.symbol) == ("C", "AAA")


def test_a_late_trade_changes_a_bar_that_was_told(market: Ground, stream: StockDataStream) -> None:
    heard = Heard()
    stream.subscribe_bars(heard.of("bars"), "AAA")
    stream.subscribe_updated_bars(heard.of("updated"), "AAA")
    stream.subscribe_trades(heard.of("trades"), "AAA")
    with listening(stream, wake=market.minutes):
        market.minutes(3)
        wait_until(lambda: len(heard.told["bars"]) == 3 and len(heard.told["trades"]) == 21)
        market.perform("late_trade", symbol="AAA", price="120", size="500", minutes=2)
        wait_until(lambda: bool(heard.told["updated"]))
        (updated,) = heard.told["updated"]
        bars: list[Bar] = heard.told["bars"]
        before = next(bar for bar in bars if bar.timestamp == updated.timestamp)
        assert before.timestamp == at(FRIDAY, "09:46")
        assert (updated.high, updated.low) == (120, before.low)
        assert (updated.open, updated.close) == (before.open, before.close)
        assert updated.volume == before.volume + 500
        assert (updated.trade_count, before.trade_count) == (8, 7)
        late: Trade = heard.told["trades"][-1]
        assert (late.price, late.size) == (120, 500)
        assert late.conditions is not None
        assert "Z" in late.conditions
        assert updated.timestamp < late.timestamp < updated.timestamp + timedelta(minutes=1)


@pytest.mark.parametrize("feed", ["iex", "sip"])
def test_both_feeds_are_there(market: Ground, feed: str) -> None:
    heard = Heard()
    stream = StockDataStream(KEY, SECRET, url_override=f"{market.socket}/v2/{feed}")
    stream.subscribe_bars(heard.of("bars"), "AAA")
    with listening(stream, wake=market.minutes):
        market.minutes(1)
        wait_until(lambda: len(heard.told["bars"]) == 1)
