"""The account: what it may do, what an order takes of it, and what its commands change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.unit.exchange.builders import CASH, a_market, an_exchange, closed, opened
from tradewright.core.ids import InstrumentId
from tradewright.core.money import ZERO
from tradewright.core.orders import Side
from tradewright.exchange.account import routes as portfolio
from tradewright.exchange.exchange import Exchange
from tradewright.exchange.words import Refused

dec = Decimal
TWO = dec(2)
MARKET = {"symbol": "AAA", "side": "buy", "type": "market", "time_in_force": "day"}


@dataclass(frozen=True)
class Wish:
    """What the account looks at of a request."""

    quantity: Decimal
    side: Side = Side.BUY
    symbol: str = "AAA"
    limit: Decimal | None = None
    stop: Decimal | None = None

    @property
    def instrument(self) -> InstrumentId:
        return InstrumentId(self.symbol)


def refusal(exchange: Exchange, wish: Wish, held: Decimal = ZERO) -> Refused:
    with pytest.raises(Refused) as refused:
        exchange.account.check(wish, held)
    return refused.value


def submit(exchange: Exchange, **changes: Any) -> Mapping[str, Any]:
    return exchange.orders.submit({**MARKET, **changes})


def power(exchange: Exchange) -> Decimal:
    return exchange.account.buying_power()


@pytest.mark.parametrize(
    ("leverage", "most", "left"), [("1", "1000", "0"), ("2", "2000", "0"), ("4", "4000", "0")]
)
def test_an_account_can_pay_for_its_multiple(leverage: str, most: str, left: str) -> None:
    exchange = an_exchange(leverage=dec(leverage))
    assert power(exchange) == dec(leverage) * CASH
    exchange.account.reserve("it", exchange.account.check(Wish(dec(most)), ZERO))
    assert power(exchange) == dec(left)
    refused = refusal(exchange, Wish(dec(1)))
    assert (refused.status, refused.body) == (
        403,
        {
            "code": 40310000,
            "message": "insufficient buying power",
            "buying_power": "0",
            "cost_basis": "100",
        },
    )


@pytest.mark.parametrize(
    ("wish", "held", "amount"),
    [
        (Wish(dec(10)), "0", "1000"),
        (Wish(dec(10), limit=dec(90)), "0", "900"),
        (Wish(dec(10), stop=dec(120)), "0", "1200"),
        (Wish(dec(10), limit=dec(121), stop=dec(120)), "0", "1210"),
        (Wish(dec(10), Side.SELL), "0", "1030"),
        (Wish(dec(10), Side.SELL, limit=dec(90)), "0", "1030"),
        (Wish(dec(10), Side.SELL, limit=dec(110)), "0", "1100"),
        (Wish(dec(10), Side.SELL), "10", "0"),
        (Wish(dec(10), Side.SELL), "4", "618"),
        (Wish(dec(10)), "-10", "0"),
        (Wish(dec(10)), "-4", "600"),
        (Wish(dec(10)), "25", "1000"),
        # $10 short: half of it by Regulation T, $5 a share by the house.
        (Wish(dec(10), Side.SELL, "BBB"), "0", "103"),
    ],
)
def test_what_opens_a_position_is_charged(wish: Wish, held: str, amount: str) -> None:
    exchange = an_exchange(leverage=TWO)
    assert exchange.account.check(wish, dec(held)).amount == dec(amount)


def test_cheap_shares_take_their_whole_worth_in_equity() -> None:
    cheap = {"AAA": [(2.0, 2.0, 2.0, 2.0, 1e6)] * 5}
    exchange = an_exchange(a_market(cheap), leverage=TWO)
    assert exchange.account.check(Wish(dec(50_000)), ZERO).amount == 200_000
    refused = refusal(exchange, Wish(dec(50_001)))
    # Said as it costs, not as it weighs.
    assert (refused.facts["cost_basis"], refused.facts["buying_power"]) == ("100002", "200000")


def test_an_open_market_is_checked_at_the_far_side_of_the_quote() -> None:
    exchange = an_exchange(leverage=TWO)
    exchange.advance(opened(1))
    quote = exchange.market.tape.quote(InstrumentId("AAA"), exchange.market.now)
    assert quote is not None
    assert exchange.account.check(Wish(dec(1)), ZERO).unit == quote.ask
    short = exchange.account.check(Wish(dec(1), Side.SELL), ZERO)
    assert short.unit == quote.ask * dec("1.03")
    exchange.advance(closed(1))
    assert exchange.account.check(Wish(dec(1)), ZERO).unit == 104


def test_a_charge_is_given_back_as_its_order_fills_or_ends() -> None:
    account = an_exchange(leverage=TWO).account
    charge = account.check(Wish(dec(10)), dec(-4))
    account.reserve("it", charge)
    assert account.reserved == account.charged("it") == 600
    for remaining, reserved in (("8", 600), ("6", 600), ("2", 200), ("0", 0), ("0", 0)):
        account.left("it", dec(remaining))
        assert account.reserved == account.charged("it") == reserved
    account.left("another", ZERO)
    assert account.reserved == 0


def test_charges_that_do_not_come_out_even_leave_nothing_behind() -> None:
    seven = {"AAA": [(7.0, 7.0, 7.0, 7.0, 1e6)] * 5}
    account = an_exchange(a_market(seven), leverage=TWO).account
    for name in "abc":
        account.reserve(name, account.check(Wish(dec(7), Side.SELL), ZERO))
    for name in "abc":
        for remaining in ("5", "1", "0"):
            account.left(name, dec(remaining))
    assert account.reserved == 0


def test_what_a_replaced_order_reserves_may_be_spent_on_the_next() -> None:
    account = an_exchange(leverage=TWO).account
    account.reserve("it", account.check(Wish(dec(2000)), ZERO))
    freed = account.charged("it")
    assert account.check(Wish(dec(1500)), ZERO, freed).amount == 150_000
    with pytest.raises(Refused):
        account.check(Wish(dec(2001)), ZERO, freed)


def test_pending_sells_release_nothing_and_pending_buys_reserve() -> None:
    exchange = an_exchange(leverage=TWO)
    order = submit(exchange, qty="1000")
    assert power(exchange) == 100_000
    exchange.advance(opened(1))
    assert exchange.account.reserved == 0
    before = power(exchange)
    submit(exchange, qty="1000", side="sell", type="limit", limit_price="300")
    assert power(exchange) == before
    resting = submit(exchange, qty="10", symbol="BBB", type="limit", limit_price="5")
    assert power(exchange) == before - 50
    exchange.perform("cancel", {"order": resting["id"]})
    assert power(exchange) == before
    assert order["status"] == "accepted"


def test_the_reserve_is_empty_once_every_order_has_ended() -> None:
    exchange = an_exchange(leverage=TWO)
    submit(exchange, qty="10")
    submit(exchange, qty="10", type="limit", limit_price="50")
    submit(exchange, qty="10", symbol="BBB", side="sell")
    assert exchange.account.reserved > 0
    exchange.advance(closed(1))
    assert exchange.account.reserved == 0


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        (Wish(dec("1.5"), Side.SELL), "fractional orders cannot be sold short"),
        (Wish(dec(1), Side.SELL, "BBB"), 'asset "BBB" cannot be sold short'),
    ],
)
def test_short_sales_that_cannot_be(wish: Wish, message: str) -> None:
    exchange = an_exchange(leverage=TWO)
    exchange.perform("borrow", {"symbol": "BBB", "status": "hard_to_borrow"})
    refused = refusal(exchange, wish)
    assert (refused.status, refused.code, refused.message) == (422, 42210000, message)


def test_a_borrow_that_is_lost_comes_back() -> None:
    exchange = an_exchange(leverage=TWO)
    exchange.perform("borrow", {"symbol": "AAA", "status": "not_shortable"})
    assert refusal(exchange, Wish(dec(1), Side.SELL)).status == 422
    told = exchange.perform("borrow", {"symbol": "AAA", "status": "easy_to_borrow"})
    assert told == {"symbol": "AAA", "status": "easy_to_borrow"}
    assert exchange.account.check(Wish(dec(1), Side.SELL), ZERO).opening == 1


@pytest.mark.parametrize(
    ("leverage", "cash", "setting"),
    [
        ("1", "100000", {}),
        ("2", "1999", {}),
        ("2", "100000", {"no_shorting": True}),
        ("2", "100000", {"max_margin_multiplier": "1"}),
    ],
)
def test_who_is_not_allowed_to_short(leverage: str, cash: str, setting: dict[str, object]) -> None:
    exchange = an_exchange(leverage=dec(leverage), cash=dec(cash))
    exchange.perform("configure", setting)
    refused = refusal(exchange, Wish(dec(1), Side.SELL))
    assert (refused.status, refused.message) == (403, "account is not allowed to short")
    assert portfolio.account(exchange)["shorting_enabled"] is False
    # What is held may be sold all the same.
    assert exchange.account.check(Wish(dec(1), Side.SELL), dec(1)).amount == 0


def test_under_rule_201_short_sales_are_limits_above_the_bid() -> None:
    exchange = an_exchange(leverage=TWO)
    exchange.advance(opened(1))
    assert exchange.perform("ssr", {"symbol": "AAA"}) == {"symbol": "AAA", "on": True}
    quote = exchange.market.tape.quote(InstrumentId("AAA"), exchange.market.now)
    assert quote is not None
    for limit in (None, quote.bid):
        refused = refusal(exchange, Wish(dec(1), Side.SELL, limit=limit))
        assert (refused.status, refused.code) == (403, 40310000)
        assert "short sale restriction" in refused.message
    above = Wish(dec(1), Side.SELL, limit=quote.bid + dec("0.01"))
    assert exchange.account.check(above, ZERO).opening == 1
    exchange.perform("ssr", {"symbol": "AAA", "on": False})
    assert exchange.account.check(Wish(dec(1), Side.SELL), ZERO).opening == 1


@pytest.mark.parametrize("field", ["account_blocked", "trading_blocked"])
def test_a_blocked_account_gives_no_orders_and_says_so(field: str) -> None:
    exchange = an_exchange(leverage=TWO)
    assert exchange.perform("block", {"field": field}) == {
        "account_blocked": False,
        "trading_blocked": False,
        "transfers_blocked": False,
        field: True,
    }
    assert portfolio.account(exchange)[field] is True
    refused = refusal(exchange, Wish(dec(1), Side.SELL), dec(10))
    assert (refused.status, refused.code) == (403, 40310000)
    assert refused.message == "account is not authorized to trade"
    exchange.perform("block", {"field": field, "value": False})
    assert exchange.account.check(Wish(dec(1)), ZERO).opening == 1


def test_a_block_of_transfers_stops_no_order() -> None:
    exchange = an_exchange()
    exchange.perform("block", {"field": "transfers_blocked"})
    assert exchange.account.check(Wish(dec(1)), ZERO).opening == 1


def test_the_user_suspends_trading_and_forbids_fractions() -> None:
    exchange = an_exchange()
    exchange.perform("configure", {"suspend_trade": True})
    assert refusal(exchange, Wish(dec(1))).message == "new orders are rejected by user request"
    assert portfolio.account(exchange)["trade_suspended_by_user"] is True
    exchange.perform("configure", {"suspend_trade": False, "fractional_trading": False})
    refused = refusal(exchange, Wish(dec("0.5")))
    assert refused.message == "account is not allowed to trade fractional shares"
    assert exchange.account.check(Wish(dec(1)), ZERO).opening == 1


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("block", {"field": "soul_blocked"}, "invalid block soul_blocked"),
        ("block", {"field": "trading_blocked", "value": "yes"}, "invalid block trading_blocked"),
        ("borrow", {"symbol": "AAA", "status": "lent"}, "invalid status: lent"),
        ("borrow", {"symbol": "ZZZ", "status": "hard_to_borrow"}, 'asset "ZZZ" not found'),
        ("ssr", {"symbol": None}, 'asset "None" not found'),
        ("ssr", {"symbol": "AAA", "on": 1}, "invalid on: 1"),
    ],
)
def test_a_command_that_makes_no_sense_is_refused(
    name: str, given: dict[str, object], message: str
) -> None:
    exchange = an_exchange()
    with pytest.raises(Refused, match=message):
        exchange.perform(name, given)
    assert not any(exchange.account.permissions.blocks.values())
    assert not exchange.account.permissions.shorting.is_restricted(InstrumentId("AAA"))


def test_the_multiplier_is_the_least_of_what_is_allowed() -> None:
    exchange = an_exchange(leverage=dec(4))
    assert exchange.account.multiplier == 4
    exchange.perform("configure", {"max_margin_multiplier": "2"})
    assert exchange.account.multiplier == 2
    assert power(exchange) == 200_000
    assert an_exchange(leverage=dec(4), cash=dec(1_999)).account.multiplier == 1


def test_the_account_is_written_with_real_figures() -> None:
    exchange = an_exchange(leverage=TWO)
    submit(exchange, qty="500")
    submit(exchange, qty="1000", symbol="BBB", side="sell")
    exchange.advance(closed(1))
    body = portfolio.account(exchange)
    figures = {
        "cash": "59500",
        "long_market_value": "52000",
        "short_market_value": "-10000",
        "position_market_value": "42000",
        "equity": "101500",
        "portfolio_value": "101500",
        "last_equity": "101500",
        # Half of both; the house: 30 % of the long and $5 a share of the short.
        "initial_margin": "31000",
        "maintenance_margin": "20600",
        "last_maintenance_margin": "20600",
        "sma": "70500",
        "buying_power": "141000",
        "regt_buying_power": "141000",
        "effective_buying_power": "141000",
        "non_marginable_buying_power": "59500",
        "multiplier": "2",
        "balance_asof": "2024-01-03",
        "accrued_fees": "0",
    }
    assert {name: body[name] for name in figures} == figures
    assert "pattern_day_trader" not in body


def test_four_times_buying_power_is_measured_at_the_close_before() -> None:
    exchange = an_exchange(leverage=dec(4))
    submit(exchange, qty="1000")
    exchange.advance(closed(1))
    # 100,000 in cash less 101,000 paid, and 104,000 of shares: 30 % of those is held back.
    assert power(exchange) == 4 * (103_000 - 31_200)
    assert exchange.account.regulation_power() == 2 * (103_000 - 52_000)


SETTINGS: tuple[tuple[str, dict[str, object]], ...] = (
    ("block", {"field": "trading_blocked"}),
    ("configure", {"max_margin_multiplier": "1"}),
    ("borrow", {"symbol": "BBB", "status": "hard_to_borrow"}),
    ("ssr", {"symbol": "AAA"}),
    ("rotate_keys", {"key": "second", "secret": "other"}),
)


def settings(exchange: Exchange) -> tuple[object, ...]:
    held = exchange.account.permissions
    status = held.shorting.status(exchange.market.instruments["BBB"])
    return (
        dict(held.blocks),
        held.body(),
        status,
        {name for name in ("AAA", "BBB") if held.shorting.is_restricted(InstrumentId(name))},
        exchange.keys.pair,
    )


def test_what_was_set_outlives_a_restart_and_not_a_reset(tmp_path: Path) -> None:
    fresh = settings(an_exchange())
    first = an_exchange()
    first.keep(tmp_path, {})
    for name, given in SETTINGS:
        first.perform(name, given)
    told = settings(first)
    assert all(now != before for now, before in zip(told, fresh, strict=True))
    first.close()
    second = an_exchange()
    second.keep(tmp_path, {})
    assert settings(second) == told
    second.reset()
    second.close()
    assert settings(second) == fresh
