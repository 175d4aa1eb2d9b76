"""Activities: what is listed of the account's money, by type, time and page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from tests.unit.exchange.builders import CASH, FREE, a_market, an_exchange, closed, opened
from tradewright.core.events import CashMoved, Delisted, DividendPaid, FinancingCharged
from tradewright.core.ids import InstrumentId
from tradewright.core.market import CashDividend, Delisting, Split
from tradewright.core.money import Money, to_cents
from tradewright.exchange.account.activities import activities
from tradewright.exchange.exchange import Exchange
from tradewright.exchange.words import Refused
from tradewright.execution.venue import VenueModel
from tradewright.portfolio.costs import BasisPoints, PerShare, TradingCosts

AAA = InstrumentId("AAA")
MARKET = {"symbol": "AAA", "qty": "10", "side": "buy", "type": "market", "time_in_force": "day"}
ID = re.compile(r"\d{17}::[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
FLAT = [(p, p, p, p, 1000.0) for p in (100.0, 100.0, 50.0, 50.0, 50.0)]
CHARGED = VenueModel(TradingCosts(PerShare(), BasisPoints(Decimal(0))))


def listed(exchange: Exchange, kind: str | None = None, **query: str) -> list[dict[str, Any]]:
    return [dict(row) for row in activities(exchange, query, kind)]


def some(row: Mapping[str, Any], *fields: str) -> tuple[object, ...]:
    return tuple(row[field] for field in fields)


def an_active_exchange() -> Exchange:
    """One deposit, fills on three days and a dividend on the second, on 10 and then 20 shares."""
    dividend = CashDividend(AAA, date(2024, 1, 4), Decimal("0.257"))
    exchange = an_exchange(a_market(actions=(dividend,)), leverage=Decimal(2))
    for day in (1, 2, 3):
        exchange.orders.submit(MARKET)
        exchange.advance(closed(day))
    return exchange


def test_the_deposit_that_opened_the_account_is_the_first() -> None:
    (row,) = listed(an_exchange())
    assert some(row, "activity_type", "net_amount", "date", "status", "currency") == (
        "CSD",
        "100000",
        "2024-01-02",
        "executed",
        "USD",
    )
    assert row["id"].startswith("20240102160000000::")


def test_ids_tell_the_time_of_new_york_and_are_all_different() -> None:
    rows = listed(an_active_exchange())
    assert all(ID.fullmatch(row["id"]) for row in rows)
    assert len({row["id"] for row in rows}) == len(rows) == 5
    assert [row["id"] for row in rows] == [row["id"] for row in listed(an_active_exchange())]


def test_fills_and_all_else_stand_in_one_list_by_time() -> None:
    exchange = an_active_exchange()
    kinds = [row["activity_type"] for row in listed(exchange, direction="asc")]
    assert kinds == ["CSD", "FILL", "DIV", "FILL", "FILL"]
    assert [row["activity_type"] for row in listed(exchange)] == kinds[::-1]
    # Asked for again after more has happened, the older rows stand where they stood.
    before = listed(exchange, direction="asc")
    exchange.orders.submit(MARKET)
    exchange.advance(closed(4))
    assert listed(exchange, direction="asc")[:5] == before


def test_a_dividend_is_of_the_shares_held_before() -> None:
    (row,) = listed(an_active_exchange(), "DIV")
    fields = ("symbol", "qty", "per_share_amount", "net_amount", "activity_sub_type")
    assert some(row, *fields) == ("AAA", "10", "0.257", "2.57", "CDIV")


def test_who_is_short_pays_the_dividend() -> None:
    dividend = CashDividend(AAA, date(2024, 1, 4), Decimal("0.5"))
    exchange = an_exchange(a_market(actions=(dividend,)), leverage=Decimal(2))
    exchange.orders.submit({**MARKET, "side": "sell"})
    exchange.advance(closed(2))
    (row,) = listed(exchange, "DIV")
    assert some(row, "qty", "net_amount", "activity_sub_type") == ("-10", "-5", "SPD")


def test_a_split_takes_the_old_shares_gives_the_new_ones_and_pays_the_fraction() -> None:
    split = Split(AAA, date(2024, 1, 4), Fraction(3, 2))
    exchange = an_exchange(a_market({"AAA": FLAT}, (split,)))
    exchange.orders.submit({**MARKET, "qty": "5"})
    exchange.advance(closed(1))
    before = exchange.market.brokerage.ledger.cash
    exchange.advance(opened(2))
    taken, given = listed(exchange, "SPLIT", direction="asc")
    assert some(taken, "qty", "net_amount", "activity_sub_type") == ("-5", "0", "FSPLIT")
    held = exchange.market.brokerage.ledger.quantities[AAA]
    paid = exchange.market.brokerage.ledger.cash - before
    assert (Decimal(given["qty"]), Decimal(given["net_amount"])) == (held, paid)
    assert paid == to_cents((Decimal("7.5") - held) * 100 * 2 / 3)
    assert taken["group_id"] == given["group_id"]


def test_a_delisting_pays_what_is_held() -> None:
    exchange = an_exchange()
    exchange.orders.submit(MARKET)
    exchange.advance(opened(1))
    event = Delisted(Delisting(AAA, date(2024, 1, 3)), Decimal("7.5"), exchange.market.now)
    exchange.market.brokerage.ledger.apply(event)
    exchange.account.live(event, ())
    (row,) = listed(exchange, "MA")
    assert some(row, "activity_sub_type", "qty", "net_amount") == ("CMA", "-10", "75")


def test_worthless_shares_are_removed() -> None:
    exchange = an_exchange()
    exchange.orders.submit(MARKET)
    exchange.advance(opened(1))
    event = Delisted(Delisting(AAA, date(2024, 1, 3)), Decimal(0), exchange.market.now)
    exchange.account.live(event, ())
    (row,) = listed(exchange, "REORG")
    assert some(row, "activity_sub_type", "qty", "net_amount") == ("WRM", "-10", "0")


def test_cash_that_comes_and_goes() -> None:
    exchange = an_exchange()
    for amount in (Decimal(500), Decimal(-200)):
        moved = CashMoved(Money(amount), exchange.market.now, "transfer")
        exchange.account.live(moved, ())
    rows = listed(exchange, activity_types="TRANS", direction="asc")
    assert [some(row, "activity_type", "net_amount") for row in rows] == [
        ("CSD", "100000"),
        ("CSD", "500"),
        ("CSW", "-200"),
    ]


def test_interest_is_a_charge() -> None:
    exchange = an_exchange()
    charged = FinancingCharged(Money(Decimal("1.25")), exchange.market.now, "borrowed shares")
    exchange.account.live(charged, ())
    (row,) = listed(exchange, "INT")
    assert some(row, "description", "net_amount") == ("borrowed shares", "-1.25")


def test_fees_accrue_by_day_and_are_posted_at_the_close() -> None:
    exchange = an_exchange(model=CHARGED)
    exchange.orders.submit({**MARKET, "qty": "300"})
    exchange.advance(opened(1))
    fees = exchange.market.brokerage.ledger.fees
    assert exchange.account.entries.accrued_fees == fees > 0
    assert listed(exchange, "FEE") == []
    exchange.advance(closed(1))
    assert exchange.account.entries.accrued_fees == 0
    (row,) = listed(exchange, "FEE")
    assert some(row, "activity_sub_type", "net_amount") == ("COM", f"-{fees.normalize():f}")


def test_cash_is_the_sum_of_the_activities() -> None:
    dividend = CashDividend(AAA, date(2024, 1, 4), Decimal("0.25"))
    exchange = an_exchange(a_market(actions=(dividend,)), model=CHARGED, leverage=Decimal(2))
    for day, side in ((1, "buy"), (2, "buy"), (3, "sell")):
        exchange.orders.submit({**MARKET, "side": side})
        exchange.advance(closed(day))
    cash = Decimal(0)
    for row in listed(exchange):
        if row["activity_type"] == "FILL":
            sign = -1 if row["side"] == "buy" else 1
            cash += sign * Decimal(row["qty"]) * Decimal(row["price"])
        else:
            cash += Decimal(row["net_amount"])
    assert cash == exchange.market.brokerage.ledger.cash != CASH


def executions(exchange: Exchange) -> list[str]:
    return [row["id"].partition("::")[2] for row in listed(exchange, "FILL", direction="asc")]


def adds_up(exchange: Exchange) -> None:
    """Cash and shares are the sums of what is listed, with the fees that are not posted yet."""
    cash = held = Decimal(0)
    for row in listed(exchange):
        if row["activity_type"] == "FILL":
            sign = 1 if row["side"] == "buy" else -1
            held += sign * Decimal(row["qty"])
            cash -= sign * Decimal(row["qty"]) * Decimal(row["price"])
        else:
            cash += Decimal(row["net_amount"])
            held += Decimal(row.get("qty", 0)) if row["activity_type"] == "JNLS" else 0
    ledger = exchange.market.brokerage.ledger
    assert cash - exchange.account.entries.accrued_fees == ledger.cash
    assert held == ledger.quantities.get(AAA, 0)


def test_a_busted_execution_is_made_up_for_in_cash_and_in_shares() -> None:
    exchange = an_exchange(model=CHARGED)
    for _ in range(2):
        exchange.orders.submit({**MARKET, "qty": "300"})
    exchange.advance(opened(1))
    first, second = executions(exchange)
    exchange.perform("bust", {"execution": first})
    assert executions(exchange) == [first, second]
    shares, cash = listed(exchange, category="non_trade_activity", direction="asc")[1:]
    assert some(shares, "activity_type", "qty", "previous_id") == ("JNLS", "-300", first)
    assert some(cash, "activity_type", "net_amount", "previous_id") == ("JNLC", "30300", first)
    assert shares["group_id"] == cash["group_id"]
    adds_up(exchange)
    exchange.advance(closed(1))
    adds_up(exchange)


def test_a_correction_names_the_execution_that_it_changes() -> None:
    exchange = an_exchange(model=CHARGED)
    exchange.orders.submit(MARKET)
    exchange.advance(opened(1))
    (first,) = executions(exchange)
    exchange.perform("correct", {"execution": first, "price": "100", "qty": "8"})
    (shares,) = listed(exchange, "JNLS")
    (cash,) = listed(exchange, "JNLC")
    # 10 at 101 became 8 at 100.
    assert some(shares, "qty", "previous_id") == ("-2", first)
    assert some(cash, "net_amount", "previous_id") == ("210", first)
    adds_up(exchange)
    made: Any = exchange.perform("correct", {"price": "99"})
    latest = listed(exchange, "JNLC")[0]
    assert some(latest, "net_amount", "previous_id") == ("8", shares["group_id"])
    assert made["execution"] == latest["group_id"]
    adds_up(exchange)


def test_a_renamed_share_that_is_held_is_told_of() -> None:
    exchange = an_exchange()
    exchange.orders.submit(MARKET)
    exchange.advance(opened(1))
    exchange.perform("rename", {"symbol": "AAA", "to": "AAAX"})
    exchange.perform("rename", {"symbol": "BBB", "to": "BBBX"})
    (row,) = listed(exchange, "NC")
    assert some(row, "symbol", "qty", "net_amount", "activity_sub_type") == (
        "AAAX",
        "10",
        "0",
        "SNC",
    )


@pytest.mark.parametrize(
    ("query", "kinds"),
    [
        ({"activity_types": "DIV"}, ["DIV"]),
        ({"activity_types": "DIV,CSD"}, ["CSD", "DIV"]),
        ({"activity_types": "TRANS"}, ["CSD"]),
        ({"activity_types": "MISC"}, []),
        ({"category": "trade_activity"}, ["FILL"] * 3),
        ({"category": "non_trade_activity"}, ["CSD", "DIV"]),
        ({"date": "2024-01-04"}, ["DIV", "FILL"]),
        ({"date": "2024-01-04T18:00:00Z"}, ["DIV", "FILL"]),
        ({"after": "2024-01-03T14:30:00Z"}, ["DIV", "FILL", "FILL"]),
        ({"after": "2024-01-02T21:00:00Z", "until": "2024-01-04T14:30:00Z"}, ["FILL"]),
        ({"after": "2024-01-04", "activity_types": "FILL"}, ["FILL", "FILL"]),
        ({"page_size": "2"}, ["CSD", "FILL"]),
    ],
)
def test_activities_by_what_is_asked(query: dict[str, str], kinds: list[str]) -> None:
    rows = listed(an_active_exchange(), direction="asc", **query)
    assert [row["activity_type"] for row in rows] == kinds


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("kind", [None, "FILL"])
def test_pages_follow_the_id_of_the_last_row(direction: str, kind: str | None) -> None:
    exchange = an_active_exchange()
    every = listed(exchange, kind, direction=direction)
    paged: list[dict[str, Any]] = []
    query = {"direction": direction, "page_size": "2"}
    while True:
        page = listed(exchange, kind, **query)
        paged += page
        if len(page) < 2:
            break
        query["page_token"] = page[-1]["id"]
    assert paged == every


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"activity_types": "GIFT"}, "invalid activity type: GIFT"),
        ({"activity_types": "DIV", "category": "trade_activity"}, "category cannot be used"),
        ({"category": "all"}, "invalid category"),
        ({"page_size": "101"}, "invalid page_size"),
        ({"page_size": "0"}, "invalid page_size"),
        ({"direction": "up"}, "invalid direction"),
        ({"page_token": "20220202135509981::it"}, "invalid page_token"),
        ({"after": "yesterday"}, "invalid after"),
        ({"date": "0001-01-01"}, "invalid date"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(query: dict[str, str], message: str) -> None:
    with pytest.raises(Refused, match=message) as refused:
        listed(an_active_exchange(), **query)
    assert (refused.value.status, refused.value.code) == (422, 40010001)


def test_what_was_filled_since_the_last_event_counts_for_a_dividend() -> None:
    exchange = an_exchange(model=FREE)
    exchange.orders.submit(MARKET)
    exchange.advance(opened(1))
    paid = DividendPaid(CashDividend(AAA, date(2024, 1, 3), Decimal(1)), exchange.market.now)
    exchange.account.live(paid, ())
    (row,) = listed(exchange, "DIV")
    assert row["net_amount"] == "10"
