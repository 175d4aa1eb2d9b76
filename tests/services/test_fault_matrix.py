"""The fault matrix: every fault that the exchange can inject, as it reaches a plain client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal

import httpx
import pytest
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from tests.services.stage import (
    DATA,
    MARKET,
    TRADES,
    Stage,
    a_stage,
    ask,
    events,
    heard,
    is_silent,
    told,
)
from tests.unit.exchange.builders import FREE, KEY, SECRET, closed, opened
from tradewright.execution.venue import VenueModel

LIMIT = {"type": "limit", "limit_price": "50", "time_in_force": "gtc"}
BRACKET = {
    "order_class": "bracket",
    "take_profit": {"limit_price": "120"},
    "stop_loss": {"stop_price": "80"},
}
NARROW = VenueModel(FREE.costs, volume_share=Decimal("0.01"))


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with a_stage() as made:
        yield made


@pytest.mark.parametrize(
    ("reset", "error"), [("false", httpx.RemoteProtocolError), ("true", httpx.ReadError)]
)
async def test_row_01_the_order_is_taken_and_the_answer_lost(
    stage: Stage, reset: str, error: type[Exception]
) -> None:
    await stage.script(f"""
        [[rule]]
        name = "lost reply"
        match = {{ route = "POST /v2/orders", client_order_id = "mine", nth = 1 }}
        action = {{ do = "drop_after_commit", reset = {reset} }}
    """)
    with pytest.raises(error):
        await stage.send(client_order_id="mine")
    found = await stage.look_up("mine")
    assert (found.status_code, found.json()["status"]) == (200, "accepted")
    assert (await stage.send(client_order_id="other")).status_code == 200


async def test_row_02_the_line_breaks_before_the_order_is_seen(stage: Stage) -> None:
    await stage.script("""
        [[rule]]
        name = "lost request"
        match = { route = "POST /v2/orders", nth = 1 }
        action = "drop_before"
    """)
    with pytest.raises(httpx.RemoteProtocolError):
        await stage.send(client_order_id="mine")
    assert (await stage.look_up("mine")).status_code == 404
    assert (await stage.send(client_order_id="mine")).status_code == 200


async def test_row_03_the_order_is_taken_after_its_client_gave_up(stage: Stage) -> None:
    await stage.script("""
        [[rule]]
        name = "slow"
        match = { route = "POST /v2/orders" }
        action = { do = "delay_before", seconds = 1.5 }
    """)
    with pytest.raises(httpx.ReadTimeout):
        await stage.client.post(
            "/v2/orders", json={**MARKET, "client_order_id": "mine"}, timeout=0.1
        )
    assert (await stage.look_up("mine")).status_code == 404
    async with asyncio.timeout(5):
        while (found := await stage.look_up("mine")).status_code == 404:
            continue
    assert found.json()["status"] == "accepted"


async def test_row_04_a_retry_of_an_order_that_was_taken_is_refused(stage: Stage) -> None:
    await stage.script("""
        [[rule]]
        name = "gateway"
        match = { route = "POST /v2/orders", nth = 1 }
        action = { do = "answer", status = 504, body = "upstream timed out", after_commit = true }
    """)
    first = await stage.send(client_order_id="mine")
    assert (first.status_code, first.text) == (504, "upstream timed out")
    second = await stage.send(client_order_id="mine")
    assert second.status_code == 422
    assert second.json()["message"] == "client_order_id must be unique"


async def test_row_05_a_duplicate_has_either_code(stage: Stage) -> None:
    order = await stage.submit(client_order_id="mine", **LIMIT)
    resting = await stage.send(client_order_id="mine", **LIMIT)
    await stage.client.delete(f"/v2/orders/{order['id']}")
    canceled = await stage.send(client_order_id="mine", **LIMIT)
    answers = [(each.status_code, each.json()) for each in (resting, canceled)]
    message = "client_order_id must be unique"
    assert answers == [
        (422, {"code": 42210000, "message": message}),
        (422, {"code": 40010001, "message": message}),
    ]


@pytest.mark.parametrize("code", [42210000, 40010001])
async def test_row_05_either_code_can_be_scripted(stage: Stage, code: int) -> None:
    await stage.script(f"""
        [[rule]]
        name = "duplicate"
        match = {{ route = "POST /v2/orders", nth = 1 }}
        action.do = "answer"
        action.status = 422
        action.body = {{ code = {code}, message = "client_order_id must be unique" }}
    """)
    refused = await stage.send(client_order_id="mine")
    assert (refused.status_code, refused.json()["code"]) == (422, code)


@pytest.mark.parametrize(
    "body",
    [
        '{ buying_power = "1", code = 40310000, cost_basis = "2", message = "insufficient buying power" }',  # noqa: E501
        '{ code = 40310000, message = "potential wash trade detected. use complex orders" }',
        '{ available = "0", code = 40310000, existing_qty = "9", held_for_orders = "9", message = "insufficient qty available for order (requested: 9, available: 0)", symbol = "AAA" }',  # noqa: E501
    ],
    ids=["buying power", "wash trade", "held"],
)
async def test_row_06_a_refusal_leaves_the_id_free(stage: Stage, body: str) -> None:
    await stage.script(f"""
        [[rule]]
        name = "refused"
        match = {{ route = "POST /v2/orders", first = 1 }}
        action = {{ do = "answer", status = 403, body = {body} }}
    """)
    refused = await stage.send(client_order_id="mine")
    assert (refused.status_code, refused.json()["code"]) == (403, 40310000)
    assert (await stage.look_up("mine")).status_code == 404
    assert (await stage.send(client_order_id="mine")).status_code == 200


async def test_row_07_a_storm_of_429_without_headers(stage: Stage) -> None:
    await stage.advance(opened(1))
    until = opened(1) + timedelta(seconds=60)
    await stage.script(f"""
        [[rule]]
        name = "storm"
        match = {{ route = "/v2/*", until = {until.isoformat()} }}
        action.do = "answer"
        action.status = 429
        action.body = {{ code = 42910000, message = "rate limit exceeded" }}
    """)
    for answer in [
        await stage.send(),
        await stage.client.get("/v2/account"),
        await stage.client.delete("/v2/orders"),
    ]:
        assert (answer.status_code, answer.json()["code"]) == (429, 42910000)
        assert not [name for name in answer.headers if "ratelimit" in name or "retry" in name]
    await stage.advance(until)
    assert (await stage.send()).status_code == 200


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_row_08_an_error_in_html(stage: Stage, status: int) -> None:
    await stage.script(f"""
        [[rule]]
        name = "proxy"
        match = {{ route = "/v2/*", first = 2 }}
        action = {{ do = "html", status = {status} }}
    """)
    for answer in [await stage.send(client_order_id="mine"), await stage.client.get("/v2/clock")]:
        assert answer.status_code == status
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.text.startswith("<html>")
    assert (await stage.look_up("mine")).status_code == 404


async def test_row_09_success_in_html(stage: Stage) -> None:
    await stage.script("""
        [[rule]]
        name = "portal"
        match = { route = "POST /v2/orders" }
        action = { do = "html", status = 200, after_commit = true }
    """)
    answer = await stage.send(client_order_id="mine")
    assert (answer.status_code, answer.text[:6]) == (200, "<html>")
    assert (await stage.look_up("mine")).status_code == 200


async def test_row_09_an_answer_that_breaks_off(stage: Stage) -> None:
    await stage.script("""
        [[rule]]
        name = "torn"
        match = { route = "POST /v2/orders" }
        action = { do = "truncate", keep = 20 }
    """)
    body = {**MARKET, "client_order_id": "mine"}
    async with stage.client.stream("POST", "/v2/orders", json=body) as answer:
        assert (answer.status_code, int(answer.headers["content-length"]) > 20) == (200, True)
        chunks = answer.aiter_raw()
        assert len(await anext(chunks)) == 20
        with pytest.raises(httpx.RemoteProtocolError, match="peer closed connection"):
            await anext(chunks)
    assert (await stage.look_up("mine")).status_code == 200


async def test_row_09_an_answer_without_its_fields(stage: Stage) -> None:
    await stage.script("""
        [[rule]]
        name = "no id"
        match = { route = "POST /v2/orders" }
        action = { do = "remove_field", field = "id" }
    """)
    answer = await stage.submit()
    assert "id" not in answer
    assert answer["symbol"] == "AAA"


async def test_row_10_keys_are_revoked_in_mid_session(stage: Stage) -> None:
    await stage.get("/v2/account")
    await stage.script("""
        [[rule]]
        name = "revoked"
        match = { route = "/v2/*" }
        action = { do = "answer", status = 401, body = { message = "unauthorized." } }
    """)
    for answer in [await stage.send(), await stage.client.get("/v2/account")]:
        assert (answer.status_code, answer.json()) == (401, {"message": "unauthorized."})


async def test_row_10_keys_are_rotated_in_mid_session(stage: Stage) -> None:
    await stage.perform("rotate_keys", key="other", secret="other too")
    answer = await stage.client.get("/v2/account")
    assert (answer.status_code, answer.json()) == (401, {"message": "unauthorized."})
    async with stage.connect() as socket:
        told_so = await ask(socket, "authenticate", key_id=KEY, secret_key=SECRET)
        assert told_so["data"]["status"] == "unauthorized"
    keys = {"APCA-API-KEY-ID": "other", "APCA-API-SECRET-KEY": "other too"}
    assert (await stage.client.get("/v2/account", headers=keys)).status_code == 200


async def test_row_11_an_unknown_status_in_a_list(stage: Stage) -> None:
    await stage.submit(client_order_id="mine")
    await stage.script("""
        [[rule]]
        name = "frozen"
        match = { route = "GET /v2/orders" }
        action = { do = "set_field", field = "status", value = "frozen" }
    """)
    assert [row["status"] for row in await stage.get("/v2/orders")] == ["frozen"]
    assert (await stage.look_up("mine")).json()["status"] == "accepted"


async def test_row_11_an_unknown_event_and_status_on_the_stream(stage: Stage) -> None:
    await stage.script("""
        [[rule]]
        name = "event"
        match = { stream = "trade_updates", event = "accepted" }
        action = { do = "set_field", field = "event", value = "thawed" }

        [[rule]]
        name = "status"
        match = { stream = "trade_updates", event = "accepted" }
        action = { do = "set_field", field = "order.status", value = "frozen" }
    """)
    async with stage.stream() as socket:
        await stage.submit()
        update = await told(socket)
    assert (update["event"], update["order"]["status"]) == ("thawed", "frozen")


async def test_row_12_a_hung_socket_sends_no_byte(stage: Stage) -> None:
    await stage.script("""
        [[rule]]
        name = "hang"
        match = { route = "GET /v2/account" }
        action = "hang"
    """)
    with pytest.raises(httpx.ReadTimeout):
        await stage.client.get("/v2/account", timeout=0.2)
    assert (await stage.client.get("/v2/clock")).status_code == 200


async def test_row_13_a_fill_comes_before_the_answer(stage: Stage) -> None:
    await stage.script("""
        [[rule]]
        name = "late answer"
        match = { route = "POST /v2/orders", client_order_id = "mine" }
        action = { do = "delay_after", seconds = 2 }
    """)
    async with stage.stream() as socket:
        sending = asyncio.create_task(stage.submit(client_order_id="mine"))
        assert await events(socket, 1) == ["accepted"]
        await stage.advance(opened(1))
        assert (await events(socket, 2))[-1] == "fill"
        assert not sending.done()
        assert (await sending)["status"] == "accepted"


async def test_row_14_a_fill_is_told_before_new(stage: Stage) -> None:
    await stage.script("""
        [[rule]]
        name = "overtaken"
        match = { stream = "trade_updates", event = "new" }
        action = "reorder"
    """)
    async with stage.stream() as socket:
        await stage.submit()
        await stage.advance(opened(1))
        assert await events(socket, 3) == ["accepted", "fill", "new"]


async def test_row_14_a_partial_fill_is_told_after_the_fill() -> None:
    async with a_stage(model=NARROW) as stage, stage.stream() as socket:
        await stage.script("""
            [[rule]]
            name = "overtaken"
            match = { stream = "trade_updates", event = "partial_fill" }
            action = "reorder"
        """)
        await stage.submit(qty="15", time_in_force="gtc")
        await stage.advance(closed(2))
        updates = [await told(socket) for _ in range(4)]
    assert [update["event"] for update in updates[-2:]] == ["fill", "partial_fill"]
    assert [update["order"]["filled_qty"] for update in updates[-2:]] == ["15", "10"]


async def test_row_15_an_execution_is_told_twice(stage: Stage) -> None:
    await stage.script("""
        [[rule]]
        name = "echo"
        match = { stream = "trade_updates", event = "fill" }
        action = "duplicate"
    """)
    async with stage.stream() as socket:
        await stage.submit()
        await stage.advance(opened(1))
        updates = [await told(socket) for _ in range(4)]
    assert [update["event"] for update in updates] == ["accepted", "new", "fill", "fill"]
    assert updates[2] == updates[3]
    assert len(await stage.get("/v2/account/activities/FILL")) == 1


async def test_row_16_a_fill_is_not_told(stage: Stage) -> None:
    await stage.script("""
        [[rule]]
        name = "lost"
        match = { stream = "trade_updates", event = "fill" }
        action = "drop_before"
    """)
    async with stage.stream() as socket:
        await stage.submit()
        await stage.advance(opened(1))
        assert await events(socket, 2) == ["accepted", "new"]
        assert await is_silent(socket)
    assert len(await stage.get("/v2/account/activities/FILL")) == 1


async def test_row_17_the_stream_is_mute_and_open(stage: Stage) -> None:
    await stage.script("""
        [[rule]]
        name = "mute"
        match = { stream = "trade_updates", nth = 2 }
        action = "mute"
    """)
    async with stage.stream() as socket:
        await stage.submit()
        await stage.advance(opened(1))
        assert await events(socket, 1) == ["accepted"]
        assert await is_silent(socket)
        assert await asyncio.wait_for(await socket.ping(), 5) >= 0
        assert await stage.positions() == {"AAA": "10"}


async def test_row_18_the_stream_is_cut_again_and_again(stage: Stage) -> None:
    await stage.script("""
        [[rule]]
        name = "cut"
        match = { stream = "trade_updates" }
        action = { do = "disconnect", seconds = 0.7 }
    """)
    for _ in range(2):
        async with stage.stream() as socket:
            with pytest.raises(ConnectionClosedError) as cut:
                await heard(socket)
            assert cut.value.rcvd is None
    assert await stage.struck() == ["disconnect", "disconnect"]


async def test_row_18_the_handshake_is_refused(stage: Stage) -> None:
    await stage.script("""
        [[rule]]
        name = "too many"
        match = { stream = "trade_updates", first = 2 }
        action = { do = "refuse", status = 429 }
    """)
    for _ in range(2):
        with pytest.raises(InvalidStatus) as refused:
            await stage.connect()
        assert refused.value.response.status_code == 429
    async with stage.stream() as socket:
        assert (await ask(socket, "listen", streams=[]))["data"] == {"streams": []}


async def test_row_18_the_data_stream_is_limited(stage: Stage) -> None:
    await stage.script("""
        [[rule]]
        name = "406"
        match = { stream = "market_data" }
        action = { do = "stream_error", code = 406, message = "connection limit exceeded" }
    """)
    async with stage.connect(DATA) as socket:
        assert (await heard(socket))[0]["msg"] == "connected"
        await socket.send(f'{{"action": "auth", "key": "{KEY}", "secret": "{SECRET}"}}')
        assert await heard(socket) == [
            {"T": "error", "code": 406, "msg": "connection limit exceeded"}
        ]
        await asyncio.wait_for(socket.wait_closed(), 5)


@pytest.mark.parametrize(
    "action",
    ['"truncate"', '{ do = "set_field", field = "order", value = "poison" }'],
    ids=["torn", "wrong type"],
)
async def test_row_19_a_message_that_cannot_be_read(stage: Stage, action: str) -> None:
    await stage.script(f"""
        [[rule]]
        name = "poison"
        match = {{ stream = "trade_updates", nth = 1 }}
        action = {action}
    """)
    async with stage.stream() as socket:
        await stage.submit(client_order_id="first")
        await stage.submit(client_order_id="second")
        poison = await socket.recv(decode=False)
        assert b'"poison"' in poison or not poison.endswith(b"}")
        assert (await told(socket))["order"]["client_order_id"] == "second"


async def test_row_20_an_order_fills_while_the_client_is_away(stage: Stage) -> None:
    order = await stage.submit(time_in_force="gtc")
    since = (opened(1) + timedelta(seconds=1)).isoformat()
    async with stage.stream() as socket:
        await stage.perform("disconnect", stream="trade_updates")
        with pytest.raises(ConnectionClosedError):
            await heard(socket)
    await stage.advance(opened(1) + timedelta(minutes=1))
    async with stage.stream() as socket:
        assert await is_silent(socket)
    assert await stage.get("/v2/orders", status="all", after=since) == []
    assert (await stage.order(order["id"]))["status"] == "filled"
    rows = await stage.get("/v2/account/activities/FILL")
    assert [row["order_id"] for row in rows] == [order["id"]]


@pytest.mark.parametrize("status", [404, 500])
async def test_row_34_a_position_is_not_found_by_a_proxy(stage: Stage, status: int) -> None:
    await stage.submit()
    await stage.advance(opened(1))
    await stage.script(f"""
        [[rule]]
        name = "proxy"
        match = {{ route = "GET /v2/positions*", symbol = "AAA" }}
        action = {{ do = "html", status = {status} }}
    """)
    answer = await stage.client.get("/v2/positions/AAA")
    assert (answer.status_code, answer.text[:6]) == (status, "<html>")
    other = await stage.client.get("/v2/positions/BBB")
    assert (other.status_code, other.json()["code"]) == (404, 40410000)
    assert await stage.positions() == {"AAA": "10"}


async def test_row_36_the_whole_api_is_down_for_half_an_hour(stage: Stage) -> None:
    await stage.advance(opened(1))
    until = opened(1) + timedelta(minutes=30)
    await stage.script(f"""
        [[rule]]
        name = "maintenance"
        match = {{ route = "* /v*", since = {opened(1).isoformat()}, until = {until.isoformat()} }}
        action = {{ do = "html", status = 503 }}

        [[rule]]
        name = "no streams"
        match = {{ stream = "*", until = {until.isoformat()} }}
        action = {{ do = "refuse", status = 503 }}
    """)
    for path in ("/v2/account", "/v2/clock", "/v2/stocks/quotes/latest", "/v2/orders"):
        assert (await stage.client.get(path)).status_code == 503
    for path in (TRADES, DATA):
        with pytest.raises(InvalidStatus):
            await stage.connect(path)
    await stage.advance(until)
    await stage.get("/v2/account")
    async with stage.stream() as socket:
        assert await is_silent(socket, 0.05)


async def test_row_57_two_feeds_disagree(stage: Stage) -> None:
    await stage.advance(opened(1) + timedelta(hours=1))
    await stage.script("""
        [[rule]]
        name = "iex is off"
        match = { route = "GET /v2/stocks/quotes/latest", query = "*feed=iex*" }
        action = { do = "set_field", field = "quotes.*.bp", value = 1.5 }
    """)
    bids = {
        feed: (await stage.get("/v2/stocks/quotes/latest", symbols="AAA", feed=feed))["quotes"]
        for feed in ("iex", "sip")
    }
    assert bids["iex"]["AAA"]["bp"] == 1.5
    assert bids["sip"]["AAA"]["bp"] > 90


async def test_row_74_fields_come_and_go(stage: Stage) -> None:
    await stage.script("""
        [[rule]]
        name = "comes"
        match = { route = "GET /v2/account" }
        action = { do = "add_field", field = "pattern_day_trader", value = false }

        [[rule]]
        name = "goes"
        match = { route = "GET /v2/account" }
        action = { do = "remove_field", field = "portfolio_value" }
    """)
    account = await stage.get("/v2/account")
    assert account["pattern_day_trader"] is False
    assert "portfolio_value" not in account
    assert "equity" in account
