"""The rehearsal's own paths: moving time, its pace, the log of events, beginning anew."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.unit.exchange.minutes import minute, minute_exchange, submit
from tradewright.exchange.app import create_app
from tradewright.exchange.exchange import Exchange

KEYS = {"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "secret"}
ORDER = {"symbol": "AAA", "qty": 1.50, "side": "buy", "type": "market", "time_in_force": "day"}


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    """An exchange whose state is kept."""
    made = minute_exchange()
    made.keep(tmp_path, {"data": "minutes"})
    yield made
    made.close()


@pytest.fixture
async def client(exchange: Exchange) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the right keys."""
    transport = httpx.ASGITransport(create_app(exchange, key="key", secret="secret"))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://exchange", headers=KEYS
    ) as opened:
        yield opened


def kept(folder: Path) -> list[str]:
    """The lines of the log of commands; while it is open there are zeros behind them."""
    return (folder / "commands.jsonl").read_text().rstrip("\0").splitlines()


async def test_time_is_moved_to_a_time_by_seconds_and_by_events(client: httpx.AsyncClient) -> None:
    async def moved(**body: object) -> tuple[str, int]:
        answer = await client.post("/rehearsal/advance", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["now"], answer.json()["position"]

    assert await moved(to="2024-01-02T14:30:00Z") == ("2024-01-02T14:30:00Z", 2)
    assert await moved(seconds=30) == ("2024-01-02T14:30:30Z", 2)
    assert await moved(seconds=0.25) == ("2024-01-02T14:30:30.250000Z", 2)
    assert await moved(events=1) == ("2024-01-02T14:31:00Z", 3)
    assert await moved(events=3) == ("2024-01-02T14:32:00Z", 6)
    assert await moved(to="2024-01-02T15:00:00Z", position=8) == ("2024-01-02T14:33:00Z", 8)
    assert await moved(events=0) == ("2024-01-02T14:33:00Z", 8)
    now, position = await moved(events=1_000_000)
    assert (now, position) == ("2024-01-03T15:00:00Z", 124)
    # The clock stops where the calendar ends: nobody knows what comes then.
    assert (await moved(to="2099-01-01T00:00:00Z"))[0] == "2024-01-04T15:00:00Z"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"to": 5},
        {"to": "soon"},
        {"seconds": -1},
        {"seconds": "5"},
        {"seconds": 1e300},
        {"events": -1},
        {"events": 1.5},
        {"events": True},
        {"events": 1, "seconds": 5},
        {"to": "2024-01-02T14:30:00Z", "seconds": 5},
        {"to": "2024-01-02T14:30:00Z", "position": "9"},
    ],
)
async def test_what_moves_no_time_is_refused(
    client: httpx.AsyncClient, exchange: Exchange, body: dict[str, Any]
) -> None:
    before = exchange.market.now
    answer = await client.post("/rehearsal/advance", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, 40010001)
    assert exchange.market.now == before


async def test_the_pace_is_changed_and_told(client: httpx.AsyncClient) -> None:
    for body, speed, paused in (
        ({"speed": 60}, "60", False),
        ({"paused": True}, "60", True),
        ({"speed": 0.5, "paused": False}, "0.5", False),
        ({"speed": "max"}, "max", False),
        ({"speed": "step"}, "step", False),
    ):
        told = (await client.post("/rehearsal/pace", json=body)).json()
        assert (told["speed"], told["paused"]) == (speed, paused)
    for wrong in ({"speed": 0}, {"speed": True}, {"speed": [1]}, {"paused": 1}, {"speed": "fast"}):
        assert (await client.post("/rehearsal/pace", json=wrong)).status_code == 422
    assert (await client.get("/rehearsal/status")).json()["speed"] == "step"


async def test_the_log_is_paged_by_number(client: httpx.AsyncClient, exchange: Exchange) -> None:
    exchange.advance(minute(0, 3))
    submit(exchange)
    rows = (await client.get("/rehearsal/log")).json()
    assert [row["n"] for row in rows] == [1, 2, 3, 4]
    kinds = [row["data"].get("event", row["kind"]) for row in rows]
    assert kinds == ["session_opened", "pending_new", "new", "fill"]
    assert (await client.get("/rehearsal/log?after=1&limit=2")).json() == rows[1:3]
    assert (await client.get("/rehearsal/log?after=99")).json() == []
    for wrong in ("after=-1", "after=x", "limit=0", "limit=100000"):
        assert (await client.get(f"/rehearsal/log?{wrong}")).status_code == 422


async def test_a_reset_stands_at_the_beginning(
    client: httpx.AsyncClient, exchange: Exchange, tmp_path: Path
) -> None:
    start = (await client.get("/rehearsal/status")).json()
    exchange.advance(minute(0, 3))
    submit(exchange)
    assert (await client.post("/rehearsal/reset")).json() == start
    assert (await client.get("/v2/orders?status=all")).json() == []
    assert len(kept(tmp_path)) == 1


async def test_an_answer_comes_when_its_command_is_kept(
    client: httpx.AsyncClient, exchange: Exchange, tmp_path: Path
) -> None:
    exchange.advance(minute(0, 3))
    refused = await client.post("/v2/orders", json=ORDER)
    assert refused.status_code == 403
    taken = await client.post("/v2/orders", json={**ORDER, "qty": 3.0})
    assert taken.status_code == 200, taken.text
    last = kept(tmp_path)[-1]
    # Numbers are kept as they were written.
    assert '"qty":3.0' in last
