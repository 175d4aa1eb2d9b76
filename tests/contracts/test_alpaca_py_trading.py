"""alpaca-py's TradingClient on a whole tour: every method for US equities, over real HTTP.

Its models parse every answer, or the test fails in the model.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import pytest

from tests.contracts.exchange_ground import (
    FRIDAY,
    MONDAY,
    THURSDAY,
    Ground,
    at,
    called_in,
    ground,
    public_methods,
    trading_client,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from alpaca.common.enums import Sort
    from alpaca.common.exceptions import APIError
    from alpaca.trading.client import TradingClient
    from alpaca.trading.enums import (
        AccountStatus,
        AssetClass,
        AssetStatus,
        OrderClass,
        OrderSide,
        OrderStatus,
        OrderType,
        PositionIntent,
        PositionSide,
        QueryOrderStatus,
        TimeInForce,
    )
    from alpaca.trading.models import Order, TradeAccount
    from alpaca.trading.requests import (
        ClosePositionRequest,
        GetAssetsRequest,
        GetCalendarRequest,
        GetOrderByIdRequest,
        GetOrdersRequest,
        GetPortfolioHistoryRequest,
        LimitOrderRequest,
        MarketOrderRequest,
        ReplaceOrderRequest,
        StopLimitOrderRequest,
        StopLossRequest,
        StopOrderRequest,
        TakeProfitRequest,
        TrailingStopOrderRequest,
    )

TOURED: Final = {
    *("submit_order", "replace_order_by_id", "cancel_order_by_id", "cancel_orders"),
    *("get_orders", "get_order_by_id", "get_order_by_client_id"),
    *("get_all_positions", "get_open_position", "close_position", "close_all_positions"),
    *("get_account", "get_account_configurations", "set_account_configurations"),
    *("get_portfolio_history", "get_all_assets", "get_asset", "get_clock", "get_calendar"),
    "get",
}
LEFT_OUT: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (
            "get_watchlists",
            "get_watchlist_by_id",
            "create_watchlist",
            "update_watchlist_by_id",
            "add_asset_to_watchlist_by_id",
            "delete_watchlist_by_id",
            "remove_asset_from_watchlist_by_id",
        ),
        "watchlists are lists of a screen; no order depends on them",
    ),
    **dict.fromkeys(
        ("get_option_contract", "get_option_contracts", "exercise_options_position"),
        "options are no US equities",
    ),
    **dict.fromkeys(
        ("get_corporate_announcements", "get_corporate_announcement_by_id"),
        "the vendor has put the corporate actions of the data API in their place",
    ),
    **dict.fromkeys(
        ("post", "put", "patch", "delete", "response_wrapper"),
        "the transport beneath the methods above, which all use it",
    ),
}


def test_the_tour_knows_every_method() -> None:
    assert public_methods(TradingClient) == TOURED | set(LEFT_OUT)
    assert called_in(__file__) & public_methods(TradingClient) == TOURED


@pytest.fixture
def market() -> Iterator[Ground]:
    """Friday, a quarter of an hour after the open."""
    with ground() as served:
        served.advance(at(FRIDAY, "09:45"))
        yield served


@pytest.fixture
def client(market: Ground) -> Iterator[TradingClient]:
    with trading_client(market.url) as made:
        yield made


def taken(answer: object) -> Order:
    assert isinstance(answer, Order)
    return answer


def now_of(client: TradingClient, order: Order) -> Order:
    return taken(client.get_order_by_id(order.id))


def buy(client: TradingClient, symbol: str = "AAA", qty: float = 10, **more: Any) -> Order:
    request = MarketOrderRequest(
        symbol=symbol, qty=qty, side=OrderSide.BUY, time_in_force=TimeInForce.DAY, **more
    )
    return taken(client.submit_order(request))


def resting(
    client: TradingClient, price: float = 90, side: OrderSide = OrderSide.BUY, **more: Any
) -> Order:
    facts: dict[str, Any] = {"symbol": "AAA", "qty": 10, "time_in_force": TimeInForce.DAY, **more}
    return taken(client.submit_order(LimitOrderRequest(side=side, limit_price=price, **facts)))


def holding(market: Ground, client: TradingClient, symbol: str = "AAA", qty: float = 10) -> Order:
    order = buy(client, symbol, qty)
    market.minutes(2)
    filled = now_of(client, order)
    assert filled.status is OrderStatus.FILLED
    return filled


def refusal(error: pytest.ExceptionInfo[APIError]) -> tuple[int | None, int, str]:
    return error.value.status_code, error.value.code, error.value.message


def test_the_account(client: TradingClient) -> None:
    account = client.get_account()
    assert isinstance(account, TradeAccount)
    assert account.status is AccountStatus.ACTIVE
    assert (account.cash, account.equity, account.currency) == ("100000", "100000", "USD")
    assert Decimal(account.buying_power or 0) == 200_000
    assert account.multiplier == "2"
    assert account.trading_blocked is False
    assert account.pattern_day_trader is None


def test_the_accounts_configuration_is_read_changed_and_obeyed(
    market: Ground, client: TradingClient
) -> None:
    before = client.get_account_configurations()
    assert not isinstance(before, dict)
    assert (before.suspend_trade, before.no_shorting) == (False, False)
    after = client.set_account_configurations(before.model_copy(update={"suspend_trade": True}))
    assert not isinstance(after, dict)
    assert after.suspend_trade is True
    assert client.get_account_configurations() == after
    with pytest.raises(APIError) as error:
        buy(client)
    assert refusal(error) == (403, 40310000, "new orders are rejected by user request")
    client.set_account_configurations(before)
    assert holding(market, client).status is OrderStatus.FILLED


def test_assets(client: TradingClient) -> None:
    asset = client.get_asset("AAA")
    assert not isinstance(asset, dict)
    assert (asset.symbol, asset.asset_class, asset.status) == (
        "AAA",
        AssetClass.US_EQUITY,
        AssetStatus.ACTIVE,
    )
    assert asset.tradable
    assert client.get_asset(asset.id) == asset
    active = client.get_all_assets(
        GetAssetsRequest(status=AssetStatus.ACTIVE, asset_class=AssetClass.US_EQUITY)
    )
    assert not isinstance(active, dict)
    assert [each.symbol for each in active] == ["AAA", "BBB", "CCC"]
    assert client.get_all_assets() == active
    # What has been delisted is not in the list, whatever is asked for.
    assert client.get_all_assets(GetAssetsRequest(status=AssetStatus.INACTIVE)) == []
    with pytest.raises(APIError) as error:
        client.get_asset("ZZZ")
    assert refusal(error) == (404, 40410000, "asset not found for ZZZ")


def test_the_clock_is_the_markets(market: Ground, client: TradingClient) -> None:
    clock = client.get_clock()
    assert not isinstance(clock, dict)
    assert clock.is_open
    assert clock.timestamp == at(FRIDAY, "09:45")
    assert (clock.next_open, clock.next_close) == (at(MONDAY, "09:30"), at(FRIDAY, "16:00"))
    market.advance(at(FRIDAY, "18:00"))
    closed = client.get_clock()
    assert not isinstance(closed, dict)
    assert not closed.is_open
    # Clocks have changed between the two days.
    assert closed.next_close == at(MONDAY, "16:00")
    assert closed.next_close.utcoffset() == timedelta(hours=-4)
    assert closed.timestamp.utcoffset() == timedelta(hours=-5)


def test_the_calendar(client: TradingClient) -> None:
    days = client.get_calendar(GetCalendarRequest(start=THURSDAY, end=MONDAY))
    assert not isinstance(days, dict)
    assert [day.date for day in days] == [THURSDAY, FRIDAY, MONDAY]
    assert {(f"{day.open:%H:%M}", f"{day.close:%H:%M}") for day in days} == {("09:30", "16:00")}
    everything = client.get_calendar()
    assert not isinstance(everything, dict)
    assert len(everything) > len(days)
    assert all(day in everything for day in days)


def test_a_market_order_is_filled(market: Ground, client: TradingClient) -> None:
    order = buy(client, client_order_id="mine")
    assert (order.symbol, order.qty, order.side) == ("AAA", "10", OrderSide.BUY)
    assert (order.type, order.time_in_force) == (OrderType.MARKET, TimeInForce.DAY)
    assert order.status in {OrderStatus.PENDING_NEW, OrderStatus.ACCEPTED, OrderStatus.NEW}
    assert order.submitted_at == at(FRIDAY, "09:45")
    market.minutes(2)
    filled = now_of(client, order)
    assert (filled.status, filled.filled_qty) == (OrderStatus.FILLED, "10")
    assert client.get_order_by_client_id("mine") == filled
    bar = market.bar("AAA", at(FRIDAY, "09:45"))
    assert bar["low"] - 0.1 <= float(filled.filled_avg_price or 0) <= bar["high"] + 0.1
    assert filled.filled_at is not None
    assert at(FRIDAY, "09:45") <= filled.filled_at <= at(FRIDAY, "09:47")


def test_every_plain_type_and_time_in_force(market: Ground, client: TradingClient) -> None:
    day, gtc = TimeInForce.DAY, TimeInForce.GTC
    side = {"symbol": "AAA", "qty": 1, "side": OrderSide.BUY}
    asked = [
        LimitOrderRequest(**side, time_in_force=gtc, limit_price=90.01),
        LimitOrderRequest(**side, time_in_force=day, limit_price=90.02, extended_hours=True),
        StopOrderRequest(**side, time_in_force=day, stop_price=110),
        StopLimitOrderRequest(**side, time_in_force=gtc, stop_price=111, limit_price=112.5),
        TrailingStopOrderRequest(**side, time_in_force=gtc, trail_percent=10),
        TrailingStopOrderRequest(**side, time_in_force=day, trail_price=9.5),
        LimitOrderRequest(**side, time_in_force=TimeInForce.CLS, limit_price=90.03),
        MarketOrderRequest(**side, time_in_force=TimeInForce.CLS),
    ]
    orders = [taken(client.submit_order(request)) for request in asked]
    for request, order in zip(asked, orders, strict=True):
        assert (order.type, order.time_in_force) == (request.type, request.time_in_force)
    limit, extended, _stop, stop_limit, percent, price, *_ = orders
    assert (limit.limit_price, extended.extended_hours) == ("90.01", True)
    assert (stop_limit.stop_price, stop_limit.limit_price) == ("111", "112.5")
    assert (percent.trail_percent, price.trail_price) == ("10", "9.5")
    market.minutes(2)
    assert {now_of(client, order).status for order in orders} <= {
        OrderStatus.NEW,
        OrderStatus.ACCEPTED,
    }
    trailed = now_of(client, price)
    assert trailed.hwm is not None
    assert Decimal(str(trailed.stop_price)) == Decimal(trailed.hwm) + Decimal("9.5")


def test_immediate_orders_fill_or_are_gone(market: Ground, client: TradingClient) -> None:
    side = {"symbol": "AAA", "qty": 5, "side": OrderSide.BUY}
    far = LimitOrderRequest(**side, time_in_force=TimeInForce.IOC, limit_price=50)
    near = LimitOrderRequest(**side, time_in_force=TimeInForce.FOK, limit_price=150)
    gone, filled = taken(client.submit_order(far)), taken(client.submit_order(near))
    market.minutes(2)
    assert now_of(client, gone).status in {OrderStatus.CANCELED, OrderStatus.EXPIRED}
    assert now_of(client, filled).status is OrderStatus.FILLED


def test_auction_orders_fill_at_the_open_and_the_close(
    market: Ground, client: TradingClient
) -> None:
    side = {"symbol": "AAA", "qty": 5, "side": OrderSide.BUY}
    closing = taken(client.submit_order(MarketOrderRequest(**side, time_in_force=TimeInForce.CLS)))
    market.advance(at(FRIDAY, "15:00"))
    assert now_of(client, closing).status in {OrderStatus.NEW, OrderStatus.ACCEPTED}
    market.advance(at(FRIDAY, "20:00"))
    closed = now_of(client, closing)
    assert closed.status is OrderStatus.FILLED
    last = market.bar("AAA", at(FRIDAY, "15:59"))
    assert float(closed.filled_avg_price or 0) == pytest.approx(last["close"], abs=0.1)
    opening = taken(client.submit_order(MarketOrderRequest(**side, time_in_force=TimeInForce.OPG)))
    assert opening.status is OrderStatus.ACCEPTED
    market.advance(at(MONDAY, "09:35"))
    opened = now_of(client, opening)
    assert opened.status is OrderStatus.FILLED
    first = market.bar("AAA", at(MONDAY, "09:30"))
    assert float(opened.filled_avg_price or 0) == pytest.approx(first["open"], abs=0.1)


def test_parts_of_a_share_by_quantity_and_by_value(market: Ground, client: TradingClient) -> None:
    part = buy(client, "CCC", 0.25)
    assert part.qty == "0.25"
    worth = taken(
        client.submit_order(
            MarketOrderRequest(
                symbol="CCC", notional=500, side=OrderSide.BUY, time_in_force=TimeInForce.DAY
            )
        )
    )
    assert (worth.notional, worth.qty) == ("500", None)
    market.minutes(2)
    first, second = now_of(client, part), now_of(client, worth)
    assert (first.status, second.status) == (OrderStatus.FILLED, OrderStatus.FILLED)
    assert first.filled_qty == "0.25"
    value = Decimal(str(second.filled_qty)) * Decimal(str(second.filled_avg_price))
    assert abs(value - 500) < Decimal("0.01")


def bracket(client: TradingClient) -> Order:
    request = MarketOrderRequest(
        symbol="AAA",
        qty=10,
        side=OrderSide.BUY,
        time_in_force=TimeInForce.DAY,
        order_class=OrderClass.BRACKET,
        take_profit=TakeProfitRequest(limit_price=105),
        stop_loss=StopLossRequest(stop_price=99.0, limit_price=98.5),
    )
    return taken(client.submit_order(request))


def test_a_bracket_holds_its_legs_until_the_entry_has_filled(
    market: Ground, client: TradingClient
) -> None:
    entry = bracket(client)
    assert entry.order_class is OrderClass.BRACKET
    assert entry.legs is not None
    profit, loss = entry.legs
    assert {profit.status, loss.status} == {OrderStatus.HELD}
    assert (profit.limit_price, loss.stop_price, loss.limit_price) == ("105", "99", "98.5")
    assert {profit.side, loss.side} == {OrderSide.SELL}
    market.minutes(2)
    nested = taken(client.get_order_by_id(entry.id, GetOrderByIdRequest(nested=True)))
    assert nested.status is OrderStatus.FILLED
    assert nested.legs is not None
    assert [leg.id for leg in nested.legs] == [profit.id, loss.id]
    assert nested.legs[0].status is OrderStatus.NEW
    # The price falls through the stop about eleven.
    market.advance(at(FRIDAY, "11:15"))
    assert now_of(client, loss).status is OrderStatus.FILLED
    assert now_of(client, profit).status is OrderStatus.CANCELED
    assert client.get_all_positions() == []


def test_canceling_the_entry_of_a_bracket_cancels_the_group(
    market: Ground, client: TradingClient
) -> None:
    request = LimitOrderRequest(
        symbol="AAA",
        qty=10,
        side=OrderSide.BUY,
        time_in_force=TimeInForce.GTC,
        limit_price=95,
        order_class=OrderClass.BRACKET,
        take_profit=TakeProfitRequest(limit_price=105),
        stop_loss=StopLossRequest(stop_price=90),
    )
    entry = taken(client.submit_order(request))
    assert entry.legs is not None
    client.cancel_order_by_id(entry.id)
    market.minutes(2)
    states = {now_of(client, each).status for each in (entry, *entry.legs)}
    assert states == {OrderStatus.CANCELED}


def test_one_cancels_the_other(market: Ground, client: TradingClient) -> None:
    holding(market, client)
    request = LimitOrderRequest(
        symbol="AAA",
        qty=10,
        side=OrderSide.SELL,
        time_in_force=TimeInForce.DAY,
        order_class=OrderClass.OCO,
        take_profit=TakeProfitRequest(limit_price=101.9),
        stop_loss=StopLossRequest(stop_price=90),
    )
    profit = taken(client.submit_order(request))
    assert (profit.order_class, profit.limit_price) == (OrderClass.OCO, "101.9")
    assert profit.legs is not None
    (loss,) = profit.legs
    assert loss.stop_price == "90"
    market.advance(at(FRIDAY, "10:10"))
    assert now_of(client, profit).status is OrderStatus.FILLED
    assert now_of(client, loss).status is OrderStatus.CANCELED


def test_one_triggers_the_other(market: Ground, client: TradingClient) -> None:
    request = MarketOrderRequest(
        symbol="AAA",
        qty=10,
        side=OrderSide.BUY,
        time_in_force=TimeInForce.DAY,
        order_class=OrderClass.OTO,
        stop_loss=StopLossRequest(stop_price=90),
    )
    entry = taken(client.submit_order(request))
    assert entry.order_class is OrderClass.OTO
    assert entry.legs is not None
    (leg,) = entry.legs
    assert leg.status is OrderStatus.HELD
    market.minutes(2)
    assert now_of(client, leg).status is OrderStatus.NEW


def test_the_list_of_orders_by_every_filter(market: Ground, client: TradingClient) -> None:
    first = resting(client, 90)
    market.minutes(1)
    second = resting(client, 15, symbol="BBB")
    market.minutes(1)
    third = resting(client, 500, OrderSide.SELL, symbol="CCC")
    gone = resting(client, 89)
    client.cancel_order_by_id(gone.id)

    def listed(**asked: Any) -> list[UUID]:
        rows = client.get_orders(GetOrdersRequest(**asked))
        assert not isinstance(rows, dict)
        return [order.id for order in rows]

    everything = QueryOrderStatus.ALL
    plain = client.get_orders()
    assert not isinstance(plain, dict)
    assert [order.id for order in plain] == [third.id, second.id, first.id]
    assert listed(status=QueryOrderStatus.CLOSED) == [gone.id]
    assert listed(status=everything, direction=Sort.ASC) == [
        first.id,
        second.id,
        third.id,
        gone.id,
    ]
    assert listed(limit=1) == [third.id]
    assert listed(symbols=["AAA", "CCC"]) == [third.id, first.id]
    assert listed(side=OrderSide.SELL) == [third.id]
    # Both ends are left out.
    assert listed(after=first.submitted_at, direction=Sort.ASC) == [second.id, third.id]
    assert listed(until=third.submitted_at) == [second.id, first.id]
    assert listed(status=everything, nested=True, symbols=["BBB"]) == [second.id]


def test_the_list_of_orders_nests_legs_or_lays_them_out(client: TradingClient) -> None:
    entry = bracket(client)
    flat = client.get_orders(GetOrdersRequest(status=QueryOrderStatus.ALL, nested=False))
    nested = client.get_orders(GetOrdersRequest(status=QueryOrderStatus.ALL, nested=True))
    assert not isinstance(flat, dict)
    assert not isinstance(nested, dict)
    assert len(flat) == 3
    assert [order.id for order in nested] == [entry.id]
    assert len(nested[0].legs or []) == 2


def test_an_order_is_replaced_by_another(market: Ground, client: TradingClient) -> None:
    old = resting(client, 90)
    market.minutes(1)
    new = taken(
        client.replace_order_by_id(
            old.id, ReplaceOrderRequest(qty=20, limit_price=91.5, client_order_id="better")
        )
    )
    assert new.id != old.id
    assert (new.replaces, new.qty, new.limit_price) == (old.id, "20", "91.5")
    assert new.client_order_id == "better"
    market.minutes(1)
    was = now_of(client, old)
    assert (was.status, was.replaced_by) == (OrderStatus.REPLACED, new.id)
    assert was.replaced_at is not None
    assert now_of(client, new).status is OrderStatus.NEW
    with pytest.raises(APIError) as error:
        client.replace_order_by_id(old.id, ReplaceOrderRequest(qty=5))
    assert refusal(error)[0] == 422


def test_orders_are_canceled_one_by_one_and_all_at_once(
    market: Ground, client: TradingClient
) -> None:
    one, two, three = (resting(client, price) for price in (90, 89, 88))
    client.cancel_order_by_id(one.id)
    assert now_of(client, one).status is OrderStatus.CANCELED
    assert now_of(client, one).canceled_at is not None
    answers = client.cancel_orders()
    assert not isinstance(answers, dict)
    assert {answer.id for answer in answers} == {two.id, three.id}
    assert {answer.status for answer in answers} == {200}
    assert client.get_orders() == []
    assert client.cancel_orders() == []
    filled = holding(market, client)
    with pytest.raises(APIError) as error:
        client.cancel_order_by_id(filled.id)
    assert refusal(error) == (422, 42210000, 'order is already in "filled" state')


def test_positions_long_and_short(market: Ground, client: TradingClient) -> None:
    filled = holding(market, client, "AAA", 10)
    short = client.submit_order(
        MarketOrderRequest(symbol="CCC", qty=5, side=OrderSide.SELL, time_in_force=TimeInForce.DAY)
    )
    assert taken(short).position_intent is PositionIntent.SELL_TO_OPEN
    market.minutes(2)
    positions = client.get_all_positions()
    assert not isinstance(positions, dict)
    owned, owed = positions
    assert (owned.symbol, owned.qty, owned.side) == ("AAA", "10", PositionSide.LONG)
    assert (owed.symbol, owed.qty, owed.side) == ("CCC", "-5", PositionSide.SHORT)
    assert Decimal(owned.avg_entry_price) == Decimal(str(filled.filled_avg_price))
    assert client.get_open_position("AAA") == owned
    assert client.get_open_position(owned.asset_id) == owned
    assert owned.market_value is not None
    assert owned.unrealized_pl is not None
    gain = Decimal(owned.market_value) - Decimal(owned.cost_basis)
    assert Decimal(owned.unrealized_pl) == gain
    account = client.get_account()
    assert isinstance(account, TradeAccount)
    assert Decimal(account.short_market_value or 0) < 0 < Decimal(account.long_market_value or 0)
    with pytest.raises(APIError) as error:
        client.get_open_position("BBB")
    assert refusal(error) == (404, 40410000, "position does not exist")


def test_a_position_is_closed_in_parts_and_then_whole(
    market: Ground, client: TradingClient
) -> None:
    holding(market, client, qty=100)
    asked = (
        ClosePositionRequest(qty="30"),
        ClosePositionRequest(percentage="50"),
        None,
    )
    quantities = []
    for options in asked:
        order = taken(client.close_position("AAA", options))
        assert (order.side, order.type) == (OrderSide.SELL, OrderType.MARKET)
        quantities.append(order.qty)
        market.minutes(2)
        assert now_of(client, order).status is OrderStatus.FILLED
    assert quantities == ["30", "35", "35"]
    assert client.get_all_positions() == []
    with pytest.raises(APIError) as error:
        client.close_position("AAA")
    assert refusal(error) == (404, 40410000, "position does not exist")


def test_all_positions_are_closed_and_what_is_reserved_is_said(
    market: Ground, client: TradingClient
) -> None:
    holding(market, client, "AAA", 10)
    holding(market, client, "BBB", 20)
    resting(client, 150, OrderSide.SELL)
    first = client.close_all_positions()
    assert not isinstance(first, dict)
    assert {row.symbol: row.status for row in first} == {"AAA": 403, "BBB": 200}
    (failed,) = (row.body for row in first if row.symbol == "AAA")
    assert not isinstance(failed, Order)
    assert (failed.code, failed.held_for_orders, failed.available) == (40310000, 10, 0)
    market.minutes(2)
    second = client.close_all_positions(cancel_orders=True)
    assert not isinstance(second, dict)
    (row,) = second
    assert (row.symbol, row.status) == ("AAA", 200)
    assert taken(row.body).qty == "10"
    market.minutes(2)
    assert client.get_all_positions() == []
    assert client.close_all_positions() == []


def test_the_history_of_the_portfolio(market: Ground, client: TradingClient) -> None:
    holding(market, client, qty=100)
    market.advance(at(FRIDAY, "16:30"))
    whole = client.get_portfolio_history()
    asked = GetPortfolioHistoryRequest(
        period="1D", timeframe="5Min", intraday_reporting="market_hours", pnl_reset="per_day"
    )
    day = client.get_portfolio_history(asked)
    for history in (whole, day):
        assert not isinstance(history, dict)
        lengths = {
            len(column)
            for column in (
                history.timestamp,
                history.equity,
                history.profit_loss,
                history.profit_loss_pct,
            )
        }
        assert len(lengths) == 1
        assert history.timestamp == sorted(history.timestamp)
    assert not isinstance(day, dict)
    assert day.timeframe == "5Min"
    assert day.timestamp[0] == int(at(FRIDAY, "09:30").timestamp())
    assert day.timestamp[-1] == int(at(FRIDAY, "15:55").timestamp())
    assert day.base_value == 100_000
    account = client.get_account()
    assert isinstance(account, TradeAccount)
    assert day.equity[-1] == pytest.approx(float(account.equity or 0), abs=0.01)
    assert day.profit_loss[-1] == pytest.approx(day.equity[-1] - 100_000, abs=0.01)


def test_activities_have_no_method_and_are_got_by_path(
    market: Ground, client: TradingClient
) -> None:
    orders = [holding(market, client, name) for name in ("AAA", "BBB", "CCC")]
    fills = client.get("/account/activities/FILL")
    assert [row["symbol"] for row in fills] == ["CCC", "BBB", "AAA"]
    assert {UUID(row["order_id"]) for row in fills} == {order.id for order in orders}
    first = client.get("/account/activities/FILL", {"page_size": 2, "direction": "asc"})
    rest = client.get(
        "/account/activities/FILL",
        {"page_size": 2, "direction": "asc", "page_token": first[-1]["id"]},
    )
    assert [row["symbol"] for row in (*first, *rest)] == ["AAA", "BBB", "CCC"]
    market.advance(at(MONDAY, "10:00"))
    paid = client.get("/account/activities", {"activity_types": "DIV"})
    assert [(row["symbol"], row["net_amount"]) for row in paid] == [("AAA", "5")]
    every = client.get("/account/activities")
    assert {row["activity_type"] for row in every} >= {"FILL", "DIV"}


@pytest.mark.parametrize(
    ("request_", "status", "message"),
    [
        ({"qty": 1_000_000}, 403, "insufficient buying power"),
        ({"symbol": "ZZZ"}, 422, 'asset "ZZZ" not found'),
        ({"symbol": "DDD"}, 422, "asset DDD is not active"),
        ({"client_order_id": "x" * 129}, 422, "client_order_id must be no more than 128"),
    ],
)
def test_a_refusal_carries_the_vendors_words(
    client: TradingClient, request_: dict[str, Any], status: int, message: str
) -> None:
    with pytest.raises(APIError) as error:
        buy(client, **{"symbol": "AAA", **request_})
    assert refusal(error)[0] == status
    assert message in refusal(error)[2]


def test_an_id_is_used_once_and_for_ever(market: Ground, client: TradingClient) -> None:
    first = resting(client, client_order_id="once")
    for _ in range(2):
        with pytest.raises(APIError) as error:
            buy(client, client_order_id="once")
        assert refusal(error)[::2] == (422, "client_order_id must be unique")
        client.cancel_order_by_id(first.id)
        market.minutes(1)


def test_the_noise_of_floats_is_refused_as_by_the_vendor(client: TradingClient) -> None:
    with pytest.raises(APIError) as error:
        resting(client, 190.29999999999998)
    assert "sub-penny increment" in refusal(error)[2]
