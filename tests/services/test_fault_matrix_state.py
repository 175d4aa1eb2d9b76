"""The fault matrix where the exchange's state is changed: orders, positions and the market."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from tests.services.stage import Stage, a_stage, events, heard, told
from tests.unit.exchange.builders import FREE, closed, opened
from tradewright.execution.venue import VenueModel

LIMIT = {"type": "limit", "limit_price": "50", "time_in_force": "gtc"}
BRACKET = {
    "order_class": "bracket",
    "time_in_force": "gtc",
    "take_profit": {"limit_price": "130"},
    "stop_loss": {"stop_price": "92"},
}
NARROW = VenueModel(FREE.costs, volume_share=Decimal("0.01"))
AN_HOUR = timedelta(hours=1)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with a_stage() as made:
        yield made


async def twisted(stage: Stage, action: str) -> None:
    """Give the order `mine` a fate."""
    await stage.script(f"""
        [[rule]]
        name = "twist"
        match = {{ client_order_id = "mine" }}
        action = {action}
    """)


async def quote(stage: Stage, feed: str = "sip") -> dict[str, Any]:
    answer = await stage.client.get(
        "/v2/stocks/quotes/latest", params={"symbols": "AAA", "feed": feed}
    )
    assert answer.status_code == 200, answer.text
    return dict(json.loads(answer.text)["quotes"]["AAA"])


async def test_row_26_an_order_fills_as_it_is_canceled(stage: Stage) -> None:
    await twisted(stage, '"fill_on_cancel"')
    await stage.advance(opened(1))
    order = await stage.submit(client_order_id="mine", **LIMIT)
    refused = await stage.client.delete(f"/v2/orders/{order['id']}")
    assert (refused.status_code, refused.json()) == (
        422,
        {"code": 42210000, "message": 'order is already in "filled" state'},
    )
    assert (await stage.order(order["id"]))["status"] == "filled"
    assert await stage.positions() == {"AAA": "10"}


async def test_row_27_an_order_fills_as_it_is_replaced(stage: Stage) -> None:
    await twisted(stage, '"replace_race"')
    await stage.advance(opened(1))
    old = await stage.submit(client_order_id="mine", **LIMIT)
    async with stage.stream() as socket:
        answer = await stage.client.patch(f"/v2/orders/{old['id']}", json={"qty": "20"})
        assert answer.status_code == 200
        await stage.advance(opened(1) + AN_HOUR)
        seen = [await told(socket)]
        while seen[-1]["event"] != "order_replace_rejected":
            seen.append(await told(socket))
    assert answer.json()["replaces"] == old["id"]
    assert (await stage.order(old["id"]))["status"] == "filled"
    assert (await stage.order(answer.json()["id"]))["status"] == "rejected"
    assert await stage.positions() == {"AAA": "10"}


async def test_row_28_both_legs_of_a_bracket_fill(stage: Stage) -> None:
    order = await stage.submit(**BRACKET)
    await stage.advance(opened(1))
    await stage.perform("both_legs", order=order["id"])
    await stage.advance(closed(3))
    legs = (await stage.order(order["id"]))["legs"]
    assert [leg["status"] for leg in legs] == ["filled", "filled"]
    assert await stage.positions() == {"AAA": "-10"}


async def test_row_29_an_entry_is_canceled_with_part_of_it_filled() -> None:
    async with a_stage(model=NARROW) as stage:
        order = await stage.submit(qty="100", **BRACKET)
        await stage.advance(opened(1))
        entry = await stage.order(order["id"])
        assert (entry["status"], entry["filled_qty"]) == ("partially_filled", "10")
        assert {leg["status"] for leg in entry["legs"]} == {"held"}
        await stage.client.delete(f"/v2/orders/{order['id']}")
        entry = await stage.order(order["id"])
        assert (entry["status"], entry["filled_qty"]) == ("canceled", "10")
        assert {leg["status"] for leg in entry["legs"]} <= {"held", "canceled"}
        assert await stage.positions() == {"AAA": "10"}


async def test_row_30_an_order_is_rejected_after_it_was_taken(stage: Stage) -> None:
    await twisted(stage, '{ do = "late_reject", reason = "no route" }')
    await stage.advance(opened(1))
    async with stage.stream() as socket:
        order = await stage.submit(client_order_id="mine")
        await stage.advance(opened(1) + AN_HOUR)
        seen = [await told(socket)]
        while seen[-1]["event"] != "rejected":
            seen.append(await told(socket))
    assert order["status"] in {"accepted", "pending_new"}
    found = await stage.order(order["id"])
    assert found["status"] == "rejected"
    assert found["failed_at"] is not None
    assert await stage.positions() == {}


@pytest.mark.parametrize("name", ["bust", "correct"])
async def test_row_31_an_execution_is_undone_the_next_day(stage: Stage, name: str) -> None:
    await stage.submit()
    await stage.advance(opened(2))
    cash = Decimal((await stage.get("/v2/account"))["cash"])
    (fill,) = await stage.get("/v2/account/activities/FILL")
    execution = fill["id"].split("::")[1]
    change = {"price": "100"} if name == "correct" else {}
    async with stage.stream() as socket:
        await stage.perform(name, execution=execution, **change)
        update = await told(socket)
    assert update["event"] == f"trade_{name}"
    after = Decimal((await stage.get("/v2/account"))["cash"])
    if name == "bust":
        assert await stage.positions() == {}
        assert after == cash + 1010
    else:
        assert await stage.positions() == {"AAA": "10"}
        assert after == cash + 10


async def test_row_32_somebody_else_trades_the_account(stage: Stage) -> None:
    body = {
        "symbol": "AAA",
        "qty": "7",
        "side": "buy",
        "type": "market",
        "time_in_force": "day",
    }
    async with stage.stream() as socket:
        await stage.perform("place_external", body=body)
        assert (await told(socket))["order"]["qty"] == "7"
    assert [order["qty"] for order in await stage.get("/v2/orders")] == ["7"]
    await stage.advance(closed(1))
    assert await stage.positions() == {"AAA": "7"}


async def test_row_33_the_venue_cancels_overnight(stage: Stage) -> None:
    order = await stage.submit(client_order_id="mine", **LIMIT)
    await stage.script(f"""
        [[rule]]
        name = "overnight"
        match = {{ at = {(opened(2) - 2 * AN_HOUR).isoformat()} }}
        action = {{ do = "cancel_by_venue", order = "{order["id"]}", reason = "hard to borrow" }}
    """)
    await stage.advance(closed(1))
    assert (await stage.order(order["id"]))["status"] == "new"
    async with stage.stream() as socket:
        await stage.advance(opened(2))
        assert (await events(socket, 1)) == ["canceled"]
    found = await stage.order(order["id"])
    assert found["status"] == "canceled"
    assert datetime.fromisoformat(found["canceled_at"]) < opened(2)


async def test_row_35_the_account_is_blocked(stage: Stage) -> None:
    await stage.perform("block", field="trading_blocked", value=True)
    assert (await stage.get("/v2/account"))["trading_blocked"] is True
    assert (await stage.send()).status_code == 403
    await stage.perform("block", field="trading_blocked", value=False)
    assert (await stage.send()).status_code == 200


async def test_row_53_quotes_are_frozen(stage: Stage) -> None:
    await stage.advance(opened(1) + AN_HOUR)
    await stage.perform("freeze", symbol="AAA", frozen=True)
    before = await quote(stage)
    await stage.advance(opened(2) + AN_HOUR)
    assert await quote(stage) == before
    assert datetime.fromisoformat(before["t"]) < opened(1) + 2 * AN_HOUR
    await stage.perform("freeze", symbol="AAA", frozen=False)
    assert datetime.fromisoformat((await quote(stage))["t"]) >= opened(2)


async def test_row_53_a_frozen_symbol_is_silent_on_the_stream(stage: Stage) -> None:
    await stage.advance(opened(1) + AN_HOUR)
    await stage.perform("freeze", symbol="AAA")
    async with stage.data(quotes=["AAA", "BBB"]) as socket:
        await stage.advance(closed(1) - AN_HOUR)
        assert {row["S"] for row in await heard(socket)} == {"BBB"}


def is_bad(kind: str, bid: float, ask: float) -> bool:
    return {
        "nan": math.isnan(bid),
        "zero": bid == 0,
        "negative": bid < 0,
        "huge": ask >= 1e9,
        "crossed": bid > ask > 0,
        "locked": bid == ask,
    }[kind]


@pytest.mark.parametrize("kind", ["nan", "zero", "negative", "huge", "crossed", "locked"])
async def test_row_54_a_quote_is_nonsense(stage: Stage, kind: str) -> None:
    await stage.advance(opened(1) + AN_HOUR)
    good = await quote(stage)
    assert 0 < good["bp"] < good["ap"]
    await stage.perform("corrupt", symbol="AAA", kind=kind)
    bad = await quote(stage)
    assert is_bad(kind, float(bad["bp"]), float(bad["ap"]))


@pytest.mark.parametrize("kind", ["nan", "zero", "negative", "huge", "crossed", "locked"])
async def test_row_54_a_nonsense_quote_is_streamed(stage: Stage, kind: str) -> None:
    await stage.advance(opened(1) + AN_HOUR)
    await stage.perform("corrupt", symbol="AAA", kind=kind)
    async with stage.data(quotes=["AAA"]) as socket:
        await stage.advance(closed(1) - AN_HOUR)
        bad = (await heard(socket))[0]
    assert is_bad(kind, float(bad["bp"]), float(bad["ap"]))


async def test_row_58_a_split_overnight(stage: Stage) -> None:
    await stage.submit()
    resting = await stage.submit(client_order_id="resting", symbol="AAA", **LIMIT)
    await stage.advance(closed(1))
    (before,) = await stage.get("/v2/positions")
    at = (opened(2) - timedelta(minutes=30)).isoformat()
    await stage.script(f"""
        [[rule]]
        name = "split"
        match = {{ at = {at} }}
        action = {{ do = "split", symbol = "AAA", ratio = "4:1" }}
    """)
    await stage.advance(opened(2) - timedelta(minutes=1))
    (after,) = await stage.get("/v2/positions")
    assert (before["qty"], after["qty"]) == ("10", "40")
    assert Decimal(after["avg_entry_price"]) * 4 == Decimal(before["avg_entry_price"])
    before = await stage.order(resting["id"])
    assert before["status"] == "replaced"
    found = await stage.order(before["replaced_by"])
    assert (found["qty"], found["limit_price"], found["replaces"]) == ("40", "12.5", before["id"])


async def test_row_59_a_symbol_changes(stage: Stage) -> None:
    await stage.submit()
    await stage.advance(closed(1))
    asset = await stage.get("/v2/assets/AAA")
    await stage.perform("rename", symbol="AAA", to="ZZZ")
    assert (await stage.get("/v2/assets/ZZZ"))["id"] == asset["id"]
    (position,) = await stage.get("/v2/positions")
    assert (position["symbol"], position["asset_id"]) == ("ZZZ", asset["id"])


async def test_row_59_a_name_is_delisted_for_cash(stage: Stage) -> None:
    await stage.submit()
    await stage.advance(closed(1))
    resting = await stage.submit(client_order_id="resting", **LIMIT)
    before = Decimal((await stage.get("/v2/account"))["cash"])
    await stage.perform("delist", symbol="AAA", price="25")
    await stage.advance(closed(2))
    assert await stage.positions() == {}
    assert Decimal((await stage.get("/v2/account"))["cash"]) == before + 250
    assert (await stage.order(resting["id"]))["status"] == "canceled"
    assert (await stage.send(client_order_id="late")).status_code == 422


async def test_row_60_a_dividend_is_paid(stage: Stage) -> None:
    await stage.submit()
    await stage.advance(closed(1))
    before = Decimal((await stage.get("/v2/account"))["cash"])
    await stage.perform("dividend", symbol="AAA", amount="0.5")
    await stage.advance(closed(2))
    assert Decimal((await stage.get("/v2/account"))["cash"]) == before + 5
    (row,) = await stage.get("/v2/account/activities/DIV")
    assert (row["symbol"], Decimal(row["net_amount"])) == ("AAA", Decimal(5))


async def test_row_61_trading_is_halted_and_resumed(stage: Stage) -> None:
    await stage.advance(opened(1))
    async with stage.data(statuses=["AAA"]) as socket:
        await stage.perform("halt", symbol="AAA", code="LUDP")
        (status,) = await heard(socket)
        assert (status["T"], status["S"], status["rc"]) == ("s", "AAA", "LUDP")
        order = await stage.submit(client_order_id="mine", time_in_force="gtc")
        await stage.advance(closed(1))
        assert (await stage.order(order["id"]))["filled_qty"] == "0"
        await stage.perform("resume", symbol="AAA")
        (status,) = await heard(socket)
        assert (status["T"], status["S"]) == ("s", "AAA")
    await stage.advance(opened(2))
    assert (await stage.order(order["id"]))["status"] == "filled"


async def test_row_62_nothing_can_be_borrowed(stage: Stage) -> None:
    await stage.perform("borrow", symbol="AAA", status="hard_to_borrow")
    asset = await stage.get("/v2/assets/AAA")
    assert asset["easy_to_borrow"] is False
    refused = await stage.send(side="sell")
    assert refused.status_code in {403, 422}
    assert "cannot be sold short" in refused.json()["message"]


async def test_row_62_a_short_sale_is_restricted(stage: Stage) -> None:
    await stage.advance(opened(1) + AN_HOUR)
    await stage.perform("ssr", symbol="AAA", on=True)
    refused = await stage.send(side="sell")
    assert refused.status_code == 403
    assert "short sale restriction" in refused.json()["message"]
    await stage.perform("ssr", symbol="AAA", on=False)
    assert (await stage.send(side="sell")).status_code == 200


async def test_row_65_the_market_is_closed_without_notice(stage: Stage) -> None:
    await stage.advance(opened(1) + AN_HOUR)
    assert (await stage.get("/v2/clock"))["is_open"] is True
    await stage.perform("close_market", closed=True)
    assert (await stage.get("/v2/clock"))["is_open"] is False
    days = await stage.get("/v2/calendar", start="2024-01-03", end="2024-01-03")
    assert len(days) == 1
    await stage.perform("close_market", closed=False)
    assert (await stage.get("/v2/clock"))["is_open"] is True


@pytest.mark.parametrize("seconds", [5, -5])
async def test_row_66_the_clock_is_off(stage: Stage, seconds: int) -> None:
    async def clocks() -> tuple[datetime, datetime]:
        answer = await stage.client.get("/v2/clock")
        told_at = datetime.fromisoformat(answer.json()["timestamp"])
        return told_at, parsedate_to_datetime(answer.headers["date"])

    before = await clocks()
    await stage.perform("skew", seconds=seconds)
    after = await clocks()
    assert after[0] - before[0] == timedelta(seconds=seconds)
    # The header counts whole seconds, and one may pass between the two answers.
    assert abs((after[1] - before[1]).total_seconds() - seconds) <= 1
