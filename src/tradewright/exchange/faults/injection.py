"""The door of the exchange where scripted faults strike: requests here, streams next door.

Stands before everything else the application does, the check of keys included. A request is read
whole before it is judged, so a client that has left does not take back an order that is delayed.
The rehearsal's own paths are never struck: a script cannot lock out who would clear it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tradewright.exchange.exchange import Exchange
from tradewright.exchange.faults.commands import perform_scripted
from tradewright.exchange.faults.judge import Faults
from tradewright.exchange.faults.rules import (
    SUBMIT,
    Answer,
    Call,
    Command,
    Delay,
    Drop,
    Edit,
    Hang,
    Phase,
    Rule,
    Truncate,
    Twist,
    edited,
)
from tradewright.exchange.faults.sockets import serve_struck
from tradewright.exchange.faults.wire import break_off, drop, gone, shift_date
from tradewright.exchange.words import Refused

if TYPE_CHECKING:
    from tradewright.core.records import JsonValue

_OWN: Final = "/rehearsal"
_ORDERS: Final = "/v2/orders/"
_NAMED: Final = ("positions", "assets", "stocks")
_LENGTH: Final = b"content-length"


class FaultInjection:
    """Does to requests and streams what the rules of the exchange say."""

    def __init__(self, app: ASGIApp, exchange: Exchange) -> None:
        """Stand before `app`."""
        self._app = app
        self._exchange = exchange

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what no rule strikes, untouched."""
        faults = self._exchange.faults
        if faults is None or scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await serve_struck(self._app, self._exchange, faults, (scope, receive, send))
            return
        if self._exchange.market.skew:
            shift_date(scope, self._exchange.market.skew)
        if faults.active and not scope["path"].startswith(_OWN):
            await self._judge(faults, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _judge(self, faults: Faults, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read(receive)
        if body is None:
            return
        call = self._call(scope, body)
        struck = faults.strikes(call, self._exchange.market.now)
        visit = _Visit(self._exchange, call, scope, _Replayed(body, receive), send)
        if not struck:
            await self._app(scope, visit.receive, send)
            return
        if await visit.before(struck):
            return
        await self._app(scope, visit.receive, visit.reply.take)
        await visit.after(struck)

    def _call(self, scope: Scope, body: bytes) -> Call:
        path = scope["path"]
        asked = scope["query_string"].decode("latin-1")
        query = parse_qs(asked)
        given = _object(body)
        symbols = [given.get("symbol"), *query.get("symbol", []), *query.get("symbols", [])]
        client_order_id = given.get("client_order_id")
        order = ""
        parts = path.split("/")
        if path.startswith(_ORDERS):
            order = parts[3]
            try:
                ticket = self._exchange.orders.ticket(order)
            except Refused:
                order = ""
            else:
                symbols.append(ticket.symbol)
                client_order_id = ticket.client_id
        elif len(parts) > 3 and parts[2] in _NAMED:  # noqa: PLR2004 - /v2/positions/AAPL
            symbols.append(parts[3])
        client_order_id = client_order_id or "".join(query.get("client_order_id", [])[:1])
        named = [name for text in symbols if isinstance(text, str) for name in text.split(",")]
        return Call(
            Phase.REQUEST,
            f"{scope['method']} {path}",
            asked,
            symbols=tuple(name.upper() for name in named if name),
            client_order_id=str(client_order_id or ""),
            order=order,
        )


@dataclass(slots=True)
class _Reply:
    """What the application answered, kept until the faults are done with it."""

    start: Message = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = message
        else:
            self.body += message.get("body", b"")

    def head(self) -> Message:
        kept = [pair for pair in self.start.get("headers", []) if pair[0].lower() != _LENGTH]
        length = (_LENGTH, str(len(self.body)).encode())
        return {**self.start, "headers": [*kept, length] if self.body else kept}

    def edit(self, rule: Edit) -> None:
        try:
            body = json.loads(bytes(self.body))
        except ValueError:
            return
        self.body = bytearray(json.dumps(edited(body, rule), separators=(",", ":")).encode())


class _Replayed:
    """A request that was read, given out once more; then what the client does next."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def left(self) -> Message:
        return await self._receive()


class _Visit:
    """One request on its way through the rules that strike it."""

    def __init__(
        self, exchange: Exchange, call: Call, scope: Scope, receive: _Replayed, send: Send
    ) -> None:
        self._exchange = exchange
        self._call = call
        self._scope = scope
        self._send = send
        self.receive = receive
        self.reply = _Reply()

    async def before(self, struck: Sequence[Rule]) -> bool:
        """Do what comes before the exchange is asked; say whether that was all."""
        for rule in struck:
            match rule.action:
                case Delay(seconds, after_commit=False):
                    await asyncio.sleep(seconds)
                case Twist(name, value) if self._call.route == SUBMIT:
                    state = self._scope.setdefault("state", {})
                    state["twist"] = {**state.get("twist", {}), name: value}
                case Drop(after_commit=False) | Hang(after_commit=False) as end:
                    await self._end(end)
                    return True
                case Answer(after_commit=False) as end:
                    await self._end(end)
                    return True
                case _:
                    continue
        return False

    async def after(self, struck: Sequence[Rule]) -> None:
        """Do what comes once the exchange has answered, and answer."""
        for rule in struck:
            match rule.action:
                case Delay(seconds, after_commit=True):
                    await asyncio.sleep(seconds)
                case Command() as command:
                    perform_scripted(self._exchange, rule, command, self._told())
                case Edit() as edit:
                    self.reply.edit(edit)
                case Drop() | Hang() | Answer() | Truncate() as end:
                    await self._end(end)
                    return
                case _:
                    continue
        await self._answer(self.reply.head(), bytes(self.reply.body))

    async def _end(self, action: Drop | Hang | Answer | Truncate) -> None:
        match action:
            case Drop(reset=reset):
                await drop(self._scope, self.receive.left, reset=reset)
            case Hang():
                await gone(self.receive.left)
            case Truncate(keep):
                body = bytes(self.reply.body)
                part = body[: len(body) // 2 if keep is None else keep]
                head = self.reply.head()
                await break_off(self._scope, self.receive.left, self._send, head, part)
            case Answer(status, body, media_type, headers):
                content = body.encode()
                given = {
                    "content-type": media_type,
                    **{name.lower(): value for name, value in headers.items()},
                    "content-length": str(len(content)),
                }
                pairs = [(name.encode(), value.encode()) for name, value in given.items()]
                start = {"type": "http.response.start", "status": status, "headers": pairs}
                await self._answer(start, content)

    async def _answer(self, start: Message, body: bytes) -> None:
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    def _told(self) -> Call:
        told = _object(bytes(self.reply.body))
        order = told.get("id") if self._call.route == SUBMIT else None
        call = self._call
        return Call(
            call.phase,
            call.route,
            symbols=call.symbols,
            client_order_id=call.client_order_id,
            order=str(order or call.order),
        )


async def _read(receive: Receive) -> bytes | None:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


def _object(body: bytes) -> dict[str, Any]:
    try:
        given: JsonValue = json.loads(body)
    except ValueError:
        return {}
    return given if isinstance(given, dict) else {}
