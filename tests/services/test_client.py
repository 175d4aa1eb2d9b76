"""The client of our services over real HTTP: what it signs, repeats, carries and raises."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from tests.services.doors import SECRETS, Behind, Caller, app_over, counted_ids
from tradewright.client import Call, ServiceClient, Terms
from tradewright.core.access import Role, UserContext, user_principal
from tradewright.core.errors import (
    ConfigError,
    InvalidInput,
    LimiterUnavailable,
    LimitReached,
    NotAuthenticated,
    NotPermitted,
    PeerRefused,
    PeerUnavailable,
    SafetyError,
)
from tradewright.core.records import JsonValue
from tradewright.ops import tracing
from tradewright.wire import signing

DROP = "drop"
OK: tuple[int, Any] = (200, {"done": True})


class Server:
    """Answers requests by a script, the last line of it for ever, and keeps what it was sent."""

    def __init__(self, script: list[Any]) -> None:
        self.script = script
        self.requests: list[dict[str, str]] = []
        self.url = ""
        self.gone = 0
        self.answers: list[asyncio.Task[Any]] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Server]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield self
        await asyncio.gather(*self.answers)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answering = asyncio.current_task()
        assert answering is not None
        self.answers.append(answering)
        try:
            await self._act(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.gone += 1
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _act(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        pairs = (line.split(": ", 1) for line in head[1:] if line)
        headers = {name.lower(): value for name, value in pairs}
        await reader.readexactly(int(headers.get("content-length", "0")))
        self.requests.append(headers | {"target": head[0]})
        action = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if action != DROP:
            status, body, *more = action
            kind = "application/problem+json" if status >= 400 else "application/json"
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            extra = "".join(f"{name}: {value}\r\n" for name, value in (more or [{}])[0].items())
            writer.write(
                f"HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\n{extra}connection: close\r\n"
                f"content-length: {len(content)}\r\n\r\n".encode()
                + content
            )
            await writer.drain()


@asynccontextmanager
async def talking(
    script: list[Any], *, secrets: Any = None, **terms: Any
) -> AsyncIterator[tuple[ServiceClient, Server]]:
    """A client, and the server that it talks with; pauses take no time."""
    behind = Behind()
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async with Server(script).running() as server:
        client = ServiceClient(
            server.url,
            "orchestrator",
            secrets or behind.secrets,
            behind.clock,
            counted_ids(),
            terms=Terms(pause=pause, **terms),
        )
        async with client:
            yield client, server


async def test_an_answer_is_its_json() -> None:
    async with talking([OK, (204, b"")]) as (client, _):
        assert await client.get("/view") == {"done": True}
        assert await client.post("/orders") is None


@pytest.mark.parametrize("fault", [DROP, (502, b""), (503, b""), (504, b"")])
async def test_a_get_is_tried_again(fault: Any) -> None:
    async with talking([fault, fault, OK]) as (client, server):
        assert await client.get("/view") == {"done": True}
        assert len(server.requests) == 3


@pytest.mark.parametrize("fault", [DROP, (502, b""), (503, b""), (504, b"")])
async def test_a_post_without_a_key_is_never_sent_twice(fault: Any) -> None:
    async with talking([fault, OK]) as (client, server):
        with pytest.raises(PeerUnavailable):
            await client.post("/orders", {"symbol": "IBM"})
        assert len(server.requests) == 1


async def test_a_post_with_a_key_is_sent_again_with_it() -> None:
    async with talking([DROP, (503, b""), OK]) as (client, server):
        await client.post("/orders", {"symbol": "IBM"}, idempotency_key="leg-1")
        assert [one["idempotency-key"] for one in server.requests] == ["leg-1"] * 3


async def test_every_attempt_has_a_nonce_of_its_own() -> None:
    async with talking([DROP, DROP, OK]) as (client, server):
        await client.get("/view")
        assert len({one["x-nonce"] for one in server.requests}) == 3
        assert len({one["x-signature"] for one in server.requests}) == 3


async def test_attempts_end() -> None:
    async with talking([DROP], attempts=3) as (client, server):
        with pytest.raises(PeerUnavailable, match="no answer to GET /view"):
            await client.get("/view")
        assert len(server.requests) == 3
    async with talking([DROP], deadline_seconds=0.0) as (client, server):
        with pytest.raises(PeerUnavailable):
            await client.get("/view")
        assert len(server.requests) <= 1


async def test_other_failures_are_not_tried_again() -> None:
    async with talking([(500, {"code": "unexpected", "detail": "sorry"}), OK]) as (client, server):
        with pytest.raises(PeerUnavailable, match="unexpected"):
            await client.get("/view")
        assert len(server.requests) == 1


NUMBERS = {"code": "rate_limited", "limit": "orders", "most": 60, "window_seconds": 60}
BROKEN = {"field": "body.qty", "rule": "is not positive", "remedy": "send one that is"}
PROBLEMS: list[tuple[int, dict[str, Any], type[Exception], str]] = [
    (401, {"code": "token_expired"}, NotAuthenticated, "token_expired"),
    (403, {"code": "not_permitted"}, NotPermitted, "may not"),
    (422, {"code": "invalid", "errors": [BROKEN]}, InvalidInput, "body.qty.*is not positive"),
    (422, {"code": "invalid"}, PeerRefused, "invalid"),
    (429, NUMBERS, LimitReached, "at most 60 in 60 s; try again in 40 s"),
    (404, {"code": "not_found"}, PeerRefused, "not_found"),
    (409, {"code": "gross_exposure"}, PeerRefused, "gross_exposure"),
    (503, {"code": "switch_engaged"}, SafetyError, "switch_engaged"),
    (503, {"code": "limiter_unavailable"}, LimiterUnavailable, "said so"),
    (500, {"code": "unexpected"}, PeerUnavailable, "unexpected"),
]


@pytest.mark.parametrize(("status", "body", "kind", "words"), PROBLEMS)
async def test_problems_are_raised_as_our_errors(
    status: int, body: dict[str, Any], kind: type[Exception], words: str
) -> None:
    answer = (status, body | {"detail": "said so"}, {"Retry-After": "40"})
    async with talking([answer]) as (client, _):
        with pytest.raises(kind, match=words) as raised:
            await client.post("/orders")
    assert type(raised.value) is kind


@pytest.mark.parametrize("answer", [(400, b"{"), (409, b"[]"), (200, b"{"), (404, b"")])
async def test_what_cannot_be_read_is_no_answer(answer: Any) -> None:
    async with talking([answer]) as (client, _):
        with pytest.raises(PeerUnavailable):
            await client.get("/view")


async def test_the_trace_is_carried() -> None:
    ids = counted_ids()
    async with talking([OK], carried=tracing.outgoing_headers) as (client, server):
        with tracing.begin({"x-request-id": "request-7"}, ids) as trace:
            await client.get("/view")
        (sent,) = server.requests
    assert sent["traceparent"].split("-")[1:3] == [trace.trace_id, trace.span_id]
    assert sent["x-request-id"] == "request-7"


async def test_without_its_secret_nothing_is_sent() -> None:
    behind = Behind()
    behind.secrets.values.clear()
    async with talking([OK], secrets=behind.secrets) as (client, server):
        with pytest.raises(ConfigError, match="INTERNAL_TOKEN_SECRET_ORCHESTRATOR"):
            await client.get("/view")
        assert not server.requests


async def test_a_users_token_goes_without_a_signature() -> None:
    async with talking([OK]) as (client, server):
        await client.call(Call("GET", "/view", token="anna-token"))
        (sent,) = server.requests
    assert sent["authorization"] == "Bearer anna-token"
    assert "x-signature" not in sent


@asynccontextmanager
async def served(behind: Behind) -> AsyncIterator[str]:
    """The app behind the doors, served over a socket."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app_over(behind), log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        listener.close()


async def test_its_signature_opens_the_doors() -> None:
    behind = Behind()
    context = UserContext("anna", frozenset({Role.OPERATOR}))
    behind.tokens.principals["anna-token"] = user_principal("anna", [Role.VIEWER], strategies=None)
    async with served(behind) as url:
        client = ServiceClient(url, "console", behind.secrets, behind.clock, behind.ids)
        async with client:
            told: Any = await client.get("/view", {"q": "a b&c=ä", "empty": ""}, context=context)
            assert told["subject"] == "anna"
            body: JsonValue = {"symbol": "IBM"}
            done: Any = await client.post("/orders", body, context=context)
            assert done == {"symbol": "IBM", "by": "anna"}
            mine: Any = await client.call(Call("GET", "/view", token="anna-token"))
            assert mine["kind"] == "user"
            with pytest.raises(PeerUnavailable, match="answered 403"):
                await client.post("/orders", body)
            for path in ("/anything/ü b", "/anything/a%2Fb", "/anything/a//b;c=1"):
                await client.call(Call("DELETE", path))
            behind.secrets.values["INTERNAL_TOKEN_SECRET_CONSOLE"] = "r" * 40
            assert await client.get("/view") is not None


async def test_a_recorded_request_opens_nothing_twice() -> None:
    behind = Behind()
    caller = Caller(behind)
    async with Server([OK]).running() as server:
        async with ServiceClient(
            server.url, "orchestrator", behind.secrets, behind.clock, behind.ids
        ) as client:
            await client.get("/view")
        (sent,) = server.requests
    headers = {name: sent[name.lower()] for name in signing.SIGNING_HEADERS if name.lower() in sent}
    assert (await caller.send("GET", "/view", headers=headers)).status_code == 200
    assert await caller.code("GET", "/view", headers=headers) == (401, "replayed")


def test_the_secrets_of_the_tests_are_long_enough() -> None:
    for value in SECRETS.values():
        assert signing.active_secrets(value) == (value,)
