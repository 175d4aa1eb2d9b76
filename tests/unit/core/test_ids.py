"""An id is a hash of facts: the same asking is the same order, another asking is another."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.builders import AAA, instruments
from tradewright.core.ids import (
    OrderId,
    StrategyId,
    Terms,
    child_order_id,
    inferred_fill_id,
    instant_fact,
    order_id,
    run_id,
)
from tradewright.core.orders import OrderKind, Side, TimeInForce
from tradewright.core.signals import Target
from tradewright.portfolio.construct import Construction, Holdings, construct

FACTS: dict[str, Any] = {
    "symbol": "AAPL",
    "side": "buy",
    "quantity": Decimal(100),
    "terms": Terms("limit", "day", limit=Decimal("187.5")),
    "strategy": "momentum",
    "on": date(2024, 1, 2),
}


def sha24(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]


@pytest.mark.parametrize(
    "at",
    [
        datetime(2024, 1, 2, 14, 30, tzinfo=UTC),
        datetime(2024, 1, 2, 14, 30, 5, 678_900, tzinfo=UTC),
        datetime(2024, 1, 2, tzinfo=ZoneInfo("America/New_York")),
        datetime(2024, 1, 2, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_an_instant_is_written_as_iso_8601(at: datetime) -> None:
    assert instant_fact(at) == at.isoformat()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "AAPL|buy|100|187.5000|-|limit|day|momentum|2024-01-02"),
        (
            {"terms": Terms("market", "opg")},
            "AAPL|buy|100|-|-|market|opg|momentum|2024-01-02",
        ),
        (
            {"terms": Terms("stop_limit", "gtc", Decimal("0.12345"), Decimal(2))},
            "AAPL|buy|100|0.1234|2.0000|stop_limit|gtc|momentum|2024-01-02",
        ),
        (
            {"quantity": Decimal("1.50"), "side": "sell"},
            "AAPL|sell|1.5|187.5000|-|limit|day|momentum|2024-01-02",
        ),
        (
            {"quantity": Decimal("1E+3")},
            "AAPL|buy|1000|187.5000|-|limit|day|momentum|2024-01-02",
        ),
        (
            {"quantity": Decimal("1200.000")},
            "AAPL|buy|1200|187.5000|-|limit|day|momentum|2024-01-02",
        ),
        ({"intent": "run-7/3"}, "AAPL|buy|100|187.5000|-|limit|day|momentum|2024-01-02|run-7/3"),
    ],
)
def test_an_order_id_is_the_hash_of_its_facts_in_order(changes: dict[str, Any], text: str) -> None:
    assert order_id(**(FACTS | changes)) == sha24(text)


def test_a_stored_id_of_an_earlier_version_is_still_found() -> None:
    assert order_id(**FACTS) == "6e9adb2d7da4c97c2b8a00c7"


@pytest.mark.parametrize(
    "changes",
    [
        {"symbol": "AAP"},
        {"side": "sell"},
        {"quantity": Decimal(101)},
        {"terms": Terms("limit", "day", limit=Decimal("187.51"))},
        {"terms": Terms("stop", "day", stop=Decimal("187.5"))},
        {"terms": Terms("stop", "day", limit=Decimal("187.5"))},
        {"terms": Terms("limit", "gtc", limit=Decimal("187.5"))},
        {"strategy": "momentum-2"},
        {"on": date(2024, 1, 3)},
        {"intent": "2"},
    ],
    ids=str,
)
def test_any_other_fact_is_another_order(changes: dict[str, Any]) -> None:
    assert order_id(**(FACTS | changes)) != order_id(**FACTS)


@pytest.mark.parametrize(
    "same", [{"quantity": Decimal("100.00")}, {"quantity": Decimal("1E+2")}, {"intent": ""}]
)
def test_the_same_asking_is_the_same_order(same: dict[str, Any]) -> None:
    assert order_id(**(FACTS | same)) == order_id(**FACTS)


@pytest.mark.parametrize("kind", list(OrderKind))
@pytest.mark.parametrize("force", list(TimeInForce))
def test_words_of_the_vocabulary_hash_as_what_they_say(kind: OrderKind, force: TimeInForce) -> None:
    words = {"side": Side.BUY, "terms": Terms(kind, force)}
    plain = {"side": "buy", "terms": Terms(kind.value, force.value)}
    assert order_id(**(FACTS | words)) == order_id(**(FACTS | plain))


def test_kinds_and_times_in_force_never_share_an_id() -> None:
    made = {
        order_id(**(FACTS | {"terms": Terms(kind, force)}))
        for kind in OrderKind
        for force in TimeInForce
    }
    assert len(made) == len(OrderKind) * len(TimeInForce)


def decided(at: datetime) -> tuple[OrderId, str]:
    holdings = Holdings(
        Decimal(1000), {}, {}, price=lambda _: Decimal(10), volatility=lambda _: None
    )
    target = Target(StrategyId("test"), AAA, at, 1.0)
    (order,) = construct([target], holdings, instruments(), Construction()).orders
    return order.id, order.intent


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (datetime(2024, 1, 2, 23, 59, 59, 999999, tzinfo=UTC), "2024-01-02"),
        (datetime(2024, 1, 3, tzinfo=UTC), "2024-01-03"),
    ],
)
def test_the_date_is_of_utc_at_midnight(at: datetime, day: str) -> None:
    order, intent = decided(at)
    assert order == sha24(f"AAA|buy|100|-|-|market|day|test|{day}|{intent}")


def test_equal_slices_of_one_parent_differ() -> None:
    parent = OrderId("parent")
    made = {child_order_id(parent, number, "AAA", "buy", "10") for number in range(5)}
    assert len(made) == 5
    assert child_order_id(parent, 3, "AAA") == sha24("parent|3|AAA")
    assert child_order_id(OrderId("other"), 3, "AAA") != sha24("parent|3|AAA")


def test_an_inferred_fill_has_one_id_however_its_numbers_are_written() -> None:
    order = OrderId("order-1")
    once = inferred_fill_id(order, Decimal(100), Decimal("10.50"))
    assert once == inferred_fill_id(order, Decimal("1E+2"), Decimal("10.5"))
    assert once == "inferred-" + sha24("order-1|100|10.5")
    assert once != inferred_fill_id(order, Decimal(101), Decimal("10.5"))
    assert once != inferred_fill_id(order, Decimal(100), Decimal("10.51"))


def test_a_run_id_shows_its_start_and_depends_on_its_spec() -> None:
    assert run_id("spec", "20240102-1430") == f"20240102-1430-{sha24('spec|20240102-1430')[:8]}"
    assert run_id("other", "20240102-1430") != run_id("spec", "20240102-1430")
