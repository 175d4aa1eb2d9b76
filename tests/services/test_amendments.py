"""Trades that come late, are taken back or corrected: what is told of them afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.contracts.exchange_ground import FRIDAY, Ground, at, ground

TIMES: Final = {"start": at(FRIDAY, "09:30").isoformat(), "end": at(FRIDAY, "16:00").isoformat()}


@pytest.fixture
def market() -> Iterator[Ground]:
    with ground() as served:
        served.advance(at(FRIDAY, "09:45"))
        yield served


def read(market: Ground, path: str, **query: str) -> Any:
    answer = market.http.get(f"/v2/stocks/AAA/{path}", params={**TIMES, **query})
    assert answer.status_code == 200, answer.text
    return answer.json()


def bars(market: Ground, timeframe: str = "1Min") -> list[dict[str, Any]]:
    return list(read(market, "bars", timeframe=timeframe)["bars"])


def trades(market: Ground) -> list[dict[str, Any]]:
    return list(read(market, "trades", limit="10000")["trades"])


def refusal(market: Ground, name: str, **arguments: object) -> str:
    body = {"name": name, "arguments": arguments}
    answer = market.http.post("/rehearsal/perform", json=body)
    assert answer.status_code == 422, answer.text
    return str(answer.json()["message"])


def test_a_late_trade_is_in_every_bar_over_it(market: Ground) -> None:
    before, longer, printed = bars(market), bars(market, "5Min"), trades(market)
    market.perform("late_trade", symbol="AAA", price="120", size="500", minutes=3)
    after = bars(market)
    assert after[:-3] == before[:-3]
    assert after[-2:] == before[-2:]
    assert (after[-3]["h"], after[-3]["v"]) == (120, before[-3]["v"] + 500)
    assert after[-3]["n"] == before[-3]["n"] + 1
    paid = before[-3]["vw"] * before[-3]["v"] + 120 * 500
    assert after[-3]["vw"] == pytest.approx(paid / after[-3]["v"], abs=1e-5)
    assert bars(market, "5Min")[-1]["v"] == longer[-1]["v"] + 500
    (late,) = [row for row in trades(market) if row not in printed]
    assert (late["p"], late["s"], late["c"][-1]) == (120, 500, "Z")
    assert [row["t"] for row in trades(market)] == sorted(row["t"] for row in trades(market))


def test_a_busted_trade_stays_listed_and_counts_no_more(market: Ground) -> None:
    market.advance(at(FRIDAY, "09:45"))
    before, printed = bars(market), trades(market)
    market.perform("bust_trade", symbol="AAA")
    last = printed[-1]
    assert trades(market) == [*printed[:-1], {**last, "u": "canceled"}]
    after = bars(market)
    assert after[:-1] == before[:-1]
    assert after[-1]["v"] == before[-1]["v"] - last["s"]
    assert after[-1]["c"] == printed[-2]["p"]
    # The next one to be taken back is the one before it.
    market.perform("bust_trade", symbol="AAA")
    assert [row.get("u") for row in trades(market)[-2:]] == ["canceled", "canceled"]
    assert bars(market)[-1]["c"] == printed[-3]["p"]


def test_a_correction_of_the_open_minute_is_in_its_bar(market: Ground) -> None:
    market.advance(at(FRIDAY, "09:46:50"))
    market.perform("correct_trade", symbol="AAA", price="130", size="1")
    market.advance(at(FRIDAY, "09:47"))
    last = bars(market)[-1]
    assert last["h"] == 130
    snapshot = read(market, "snapshot")
    assert (snapshot["minuteBar"]["h"], snapshot["dailyBar"]["h"]) == (130, 130)
    assert [row["u"] for row in trades(market) if "u" in row] == ["corrected"]


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("late_trade", {"symbol": "ZZZ"}, 'asset "ZZZ" not found'),
        ("late_trade", {"symbol": "AAA", "minutes": 400}, "lies before the session's first trade"),
        ("late_trade", {"symbol": "AAA", "price": "-1"}, "invalid price: -1 must be > 0"),
        ("correct_trade", {"symbol": "AAA", "size": 0}, "invalid size: 0 must be > 0"),
        ("correct_trade", {"symbol": "AAA"}, "price or size is required"),
        ("bust_trade", {"symbol": "DDD"}, "DDD has not traded in this session"),
    ],
)
def test_what_cannot_be_amended_is_refused(
    market: Ground, name: str, arguments: dict[str, object], message: str
) -> None:
    assert message in refusal(market, name, **arguments)


def test_nothing_is_amended_while_the_market_is_closed(market: Ground) -> None:
    market.advance(at(FRIDAY, "17:00"))
    assert "no open session" in refusal(market, "bust_trade", symbol="AAA")
