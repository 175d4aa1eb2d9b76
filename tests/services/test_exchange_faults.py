"""The paths of faults, and that the same script strikes the same way twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import msgpack
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.services.stage import DATA, KEYS, Stage, a_stage, heard, is_silent, told
from tests.unit.exchange.builders import KEY, SECRET, an_exchange, opened, served

RULE = {
    "name": "lost reply",
    "match": {"route": "POST /v2/orders", "nth": 1},
    "action": "drop_after_commit",
}
PATHS = [
    ("GET", "/rehearsal/faults"),
    ("POST", "/rehearsal/faults"),
    ("DELETE", "/rehearsal/faults"),
    ("DELETE", "/rehearsal/faults/lost reply"),
    ("GET", "/rehearsal/faults/log"),
    ("POST", "/rehearsal/faults/random"),
    ("POST", "/rehearsal/perform"),
]


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with a_stage() as made:
        yield made


def test_nothing_can_be_injected_unless_it_is_enabled() -> None:
    with (
        served(an_exchange()) as server,
        httpx.Client(base_url=server.url, headers=KEYS, trust_env=False) as client,
    ):
        answers = [client.request(method, path, json={}) for method, path in PATHS]
    assert {answer.status_code for answer in answers} == {403}
    assert {answer.json()["message"] for answer in answers} == {
        "faults are not enabled; start the exchange with --faults"
    }


async def test_faults_are_for_who_has_the_keys(stage: Stage) -> None:
    async with httpx.AsyncClient(base_url=stage.url, trust_env=False) as stranger:
        answers = [await stranger.request(method, path) for method, path in PATHS]
    assert {answer.status_code for answer in answers} == {401}


async def test_rules_are_set_listed_and_cleared(stage: Stage) -> None:
    answer = await stage.client.post("/rehearsal/faults", json={"rule": [RULE], "seed": 3})
    listed = await stage.get("/rehearsal/faults")
    assert answer.json() == listed
    assert listed == {"seed": 3, "injected": 0, "rules": [{**RULE, "seen": 0, "struck": 0}]}
    assert (await stage.client.delete("/rehearsal/faults/lost reply")).status_code == 204
    missing = await stage.client.delete("/rehearsal/faults/lost reply")
    assert (missing.status_code, missing.json()["code"]) == (404, 40410000)
    await stage.client.post("/rehearsal/faults", json={"rule": [RULE]})
    assert (await stage.client.delete("/rehearsal/faults")).status_code == 204
    assert (await stage.get("/rehearsal/faults"))["rules"] == []


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("/rehearsal/faults", {"rule": []}, "script: rule: [] is not a list of rules"),
        ("/rehearsal/faults", {"rule": [{**RULE, "action": "explode"}]}, "'explode' is not known"),
        ("/rehearsal/faults/random", {"rates": {}}, "seed is required"),
        ("/rehearsal/faults/random", {"seed": True, "rates": {}}, "seed is required"),
        ("/rehearsal/faults/random", {"seed": 1}, "rates is required"),
        ("/rehearsal/faults/random", {"seed": 1, "rates": {"html": 1.5}}, "not between 0 and 1"),
        ("/rehearsal/faults/random", {"seed": 1, "rates": {"html": "x"}}, "is not a number"),
        ("/rehearsal/perform", {"arguments": {}}, "name and arguments are required"),
        ("/rehearsal/perform", {"name": "halt", "arguments": 1}, "name and arguments are req"),
        ("/rehearsal/perform", {"name": "nonsense"}, "unknown command nonsense"),
    ],
)
async def test_what_is_wrong_is_refused(
    stage: Stage, path: str, body: object, sentence: str
) -> None:
    answer = await stage.client.post(path, json=body)
    assert answer.status_code == 422
    assert sentence in answer.json()["message"]
    assert (await stage.get("/rehearsal/faults"))["rules"] == []


async def test_a_script_that_is_no_text_is_refused(stage: Stage) -> None:
    answer = await stage.client.post("/rehearsal/faults", content=b"\xff")
    assert (answer.status_code, answer.json()["message"]) == (422, "script: is not UTF-8 text")
    answer = await stage.client.get("/rehearsal/faults/log", params={"after": "x"})
    assert answer.status_code == 422


async def test_the_rehearsals_own_paths_are_never_struck(stage: Stage) -> None:
    await stage.script("""
        [[rule]]
        name = "everything"
        match = { route = "*" }
        action = "drop_before"
    """)
    with pytest.raises(httpx.RemoteProtocolError):
        await stage.client.get("/v2/clock")
    await stage.get("/rehearsal/status")
    assert (await stage.client.delete("/rehearsal/faults")).status_code == 204
    assert (await stage.client.get("/v2/clock")).status_code == 200


async def test_the_log_can_be_read_on_from_a_place(stage: Stage) -> None:
    await stage.script("""
        [[rule]]
        name = "slow"
        match = { route = "/v2/orders*", symbol = "AAA" }
        action = { do = "delay_after", seconds = 0 }
    """)
    order = await stage.submit(client_order_id="mine")
    await stage.order(order["id"])
    log = await stage.get("/rehearsal/faults/log", after="1")
    assert log == [
        {
            "seq": 2,
            "at": "2024-01-02T21:00:00Z",
            "rule": "slow",
            "action": "delay_after",
            "route": f"GET /v2/orders/{order['id']}",
            "symbol": "AAA",
            "client_order_id": "mine",
        }
    ]


async def test_the_same_seed_strikes_the_same_calls_twice() -> None:
    logs = []
    for _ in range(2):
        async with a_stage() as stage:
            rates = {"answer": 0.2, "html": {"probability": 0.1, "status": 503}}
            body = {"seed": 11, "rates": rates}
            assert (await stage.client.post("/rehearsal/faults/random", json=body)).is_success
            for number in range(60):
                await stage.send(client_order_id=str(number))
            await stage.advance(opened(1))
            logs.append(await stage.get("/rehearsal/faults/log"))
    assert logs[0] == logs[1]
    assert {row["action"] for row in logs[0]} == {"answer", "html"}


EVERYWHERE = """
    seed = 5

    [[rule]]
    name = "refused"
    match = { route = "POST /v2/orders", every = 4 }
    action = { do = "answer", status = 403 }

    [[rule]]
    name = "echo"
    match = { stream = "trade_updates", probability = 0.3 }
    action = "duplicate"

    [[rule]]
    name = "news"
    match = { at = 2024-01-03T15:00:00Z }
    action = { do = "halt", symbol = "BBB" }

    [[rule]]
    name = "busted"
    match = { stream = "trade_updates", event = "fill", nth = 2 }
    action = "bust"
"""


async def test_the_same_script_gives_the_same_log_of_events_twice() -> None:
    logs, streams = [], []
    for _ in range(2):
        async with a_stage() as stage, stage.stream() as socket:
            await stage.script(EVERYWHERE)
            for number in range(8):
                await stage.send(client_order_id=str(number))
            await stage.advance(opened(1))
            heard_here = []
            while "trade_bust" not in heard_here:
                heard_here.append((await told(socket))["event"])
            await stage.advance(opened(2))
            streams.append(heard_here)
            logs.append((await stage.client.get("/rehearsal/log")).content)
    assert logs[0] == logs[1]
    assert streams[0] == streams[1]
    for kind in (b'"fault"', b'"halt"', b'"trade_bust"'):
        assert kind in logs[0]


async def test_a_reset_begins_the_script_anew(stage: Stage) -> None:
    await stage.script("""
        [[rule]]
        name = "first"
        match = { route = "GET /v2/clock", nth = 1 }
        action = { do = "answer", status = 500 }
    """)
    for _ in range(2):
        statuses = [(await stage.client.get("/v2/clock")).status_code for _ in range(2)]
        assert statuses == [500, 200]
        assert [row["seq"] for row in await stage.get("/rehearsal/faults/log")] == [1]
        assert (await stage.client.post("/rehearsal/reset")).is_success


async def test_clearing_the_rules_lets_the_stream_speak_again(stage: Stage) -> None:
    await stage.script("""
        [[rule]]
        name = "held"
        match = { stream = "trade_updates", nth = 1 }
        action = { do = "reorder", by = 100 }

        [[rule]]
        name = "mute"
        match = { stream = "trade_updates", nth = 2 }
        action = "mute"
    """)
    async with stage.stream() as socket:
        for number in range(3):
            await stage.submit(client_order_id=str(number))
        assert await is_silent(socket)
        await stage.client.delete("/rehearsal/faults")
        await stage.submit(client_order_id="3")
        names = [(await told(socket))["order"]["client_order_id"] for _ in range(2)]
    assert names == ["0", "3"]


async def test_messages_in_msgpack_keep_their_form(stage: Stage) -> None:
    await stage.advance(opened(1))
    await stage.script("""
        [[rule]]
        name = "price"
        match = { stream = "market_data", event = "q", symbol = "AAA", first = 1 }
        action = { do = "set_field", field = "bp", value = 1.5 }

        [[rule]]
        name = "echo"
        match = { stream = "market_data", event = "q", symbol = "AAA", first = 1 }
        action = "duplicate"
    """)
    headers = {"Content-Type": "application/msgpack"}
    async with connect(
        stage.url.replace("http", "ws") + DATA, additional_headers=headers, proxy=None
    ) as socket:
        for message in (
            {"action": "auth", "key": KEY, "secret": SECRET},
            {"action": "subscribe", "quotes": ["AAA"]},
        ):
            await socket.recv()
            await socket.send(msgpack.packb(message))
        assert msgpack.unpackb(await socket.recv(decode=False))[0]["T"] == "subscription"
        await stage.advance(opened(1) + timedelta(hours=1))
        first, second, *_ = msgpack.unpackb(await socket.recv(decode=False))
    assert first == second
    assert first["bp"] == 1.5
    assert isinstance(first["t"], msgpack.Timestamp)


async def test_an_answer_that_is_no_json_is_left_as_it_is(stage: Stage) -> None:
    order = await stage.submit()
    await stage.script("""
        [[rule]]
        name = "edit"
        match = { route = "DELETE /v2/orders/*" }
        action = { do = "set_field", field = "id", value = "?" }
    """)
    assert (await stage.client.delete("/v2/orders/unknown")).json()["id"] == "?"
    answer = await stage.client.delete(f"/v2/orders/{order['id']}")
    assert (answer.status_code, answer.content) == (204, b"")


async def test_messages_late_muted_for_a_while_and_closed_with_a_code(stage: Stage) -> None:
    await stage.script("""
        [[rule]]
        name = "late"
        match = { stream = "trade_updates", nth = 1 }
        action = { do = "delay_before", seconds = 0.7 }

        [[rule]]
        name = "pause"
        match = { stream = "trade_updates", nth = 3 }
        action = { do = "mute", seconds = 0.3 }

        [[rule]]
        name = "closing"
        match = { stream = "trade_updates", nth = 4 }
        action = { do = "disconnect", code = 1012 }
    """)
    async with stage.stream() as socket:
        for number in range(3):
            await stage.submit(client_order_id=str(number))
        names = [(await heard(socket))["data"]["order"]["client_order_id"] for _ in range(2)]
        assert names == ["1", "0"]
        while len(await stage.struck()) < 3:
            await stage.submit()
        with pytest.raises(ConnectionClosed) as closed:
            await heard(socket)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012


async def test_a_command_follows_the_call_that_it_was_tied_to(stage: Stage) -> None:
    await stage.script("""
        [[rule]]
        name = "refused once taken"
        match = { route = "POST /v2/orders", client_order_id = "mine" }
        action = { do = "reject", reason = "no route" }

        [[rule]]
        name = "cannot be done"
        match = { route = "GET /v2/clock" }
        action = { do = "halt", symbol = "NONE" }
    """)
    order = await stage.submit(client_order_id="mine")
    assert order["status"] == "accepted"
    assert (await stage.order(order["id"]))["status"] == "rejected"
    assert (await stage.client.get("/v2/clock")).status_code == 200
    assert [action.split(":")[0] for action in await stage.struck()] == [
        "reject",
        "halt",
        "halt refused",
    ]
