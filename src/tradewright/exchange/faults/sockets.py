"""Faults on streams: messages lost, late, twice, out of order or changed; lines mute or cut.

Works on the frames as they leave, so that streams need not know of it: a frame is read, its
messages are judged one by one, and what is left is written as it was found (JSON or msgpack,
one message or an array of them). While no rule is set frames pass unread.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgpack
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tradewright.exchange.exchange import Exchange
from tradewright.exchange.faults.commands import perform_scripted
from tradewright.exchange.faults.judge import Faults
from tradewright.exchange.faults.rules import (
    MARKET_DATA,
    TRADE_UPDATES,
    Call,
    Command,
    Delay,
    Disconnect,
    Duplicate,
    Edit,
    Mute,
    Phase,
    Refuse,
    Reorder,
    Rule,
    StreamError,
    Truncate,
    edited,
)

_TRADE_PATH: Final = "/stream"
_NORMAL: Final = 1000
_CONTROLS: Final = frozenset({"success", "error", "subscription"})
_REFUSED: Final = b'{"code":42910000,"message":"too many connections"}'


async def serve_struck(
    app: ASGIApp, exchange: Exchange, faults: Faults, socket: tuple[Scope, Receive, Send]
) -> None:
    """Serve one connection of a stream through the rules that strike it."""
    scope, receive, send = socket
    stream = TRADE_UPDATES if scope["path"] == _TRADE_PATH else MARKET_DATA
    opening = Call(Phase.HANDSHAKE, stream, event="connect")
    lifetime = 0.0
    for rule in faults.strikes(opening, exchange.market.now):
        if isinstance(rule.action, Refuse):
            await _refuse(receive, send, rule.action.status)
            return
        if isinstance(rule.action, Disconnect):
            lifetime = rule.action.seconds
    await Connection(exchange, faults, stream, send).serve(app, scope, receive, lifetime)


class Connection:
    """One open connection of a stream, and what the rules have made of it."""

    def __init__(self, exchange: Exchange, faults: Faults, stream: str, send: Send) -> None:
        """Stand between the stream and its client."""
        self.stream = stream
        self._exchange = exchange
        self._faults = faults
        self._send = send
        self._serving: asyncio.Task[None] | None = None
        self._is_cut = False
        self._code = 0
        self._mute_until: float | None = None
        self._held: list[tuple[int, Any]] = []
        self._later: set[asyncio.Task[None]] = set()

    async def serve(self, app: ASGIApp, scope: Scope, receive: Receive, lifetime: float) -> None:
        """Serve until the client leaves or the line is cut, after `lifetime` seconds if not 0."""
        loop = asyncio.get_running_loop()
        self._serving = serving = loop.create_task(_run(app, scope, receive, self._pass))
        timer = loop.call_later(lifetime, self.cut) if lifetime else None
        self._faults.lines.add(self)
        try:
            await asyncio.wait({serving})
        finally:
            self._faults.lines.discard(self)
            if timer is not None:
                timer.cancel()
            for task in (*self._later, serving):
                task.cancel()
        if self._is_cut:
            if not serving.cancelled():
                serving.exception()
            # Returning without a closing frame is what cuts the line.
            if self._code:
                await self._send({"type": "websocket.close", "code": self._code})
            return
        await serving

    def cut(self, code: int = 0) -> None:
        """End the connection: with a closing frame of that code, or by cutting the line."""
        self._is_cut, self._code = True, code
        if self._serving is not None:
            self._serving.cancel()

    async def _pass(self, message: Message) -> None:
        if message["type"] != "websocket.send" or not (self._faults.active or self._held):
            if not self._is_cut:
                await self._send(message)
            return
        is_text = message.get("text") is not None
        raw = message["text"].encode() if is_text else message["bytes"]
        frame = _Frame(raw, is_text=is_text)
        body = frame.read()
        told = body if isinstance(body, list) else [body]
        going = [each for one in told for each in self._judge(one, frame)]
        if not going or self._is_cut:
            return
        if isinstance(body, list):
            await self._send(frame.write(going))
        else:
            for each in going:
                await self._send(frame.write(each))

    def _judge(self, body: Any, frame: _Frame) -> Sequence[Any]:  # noqa: ANN401 - a message
        if self._is_mute():
            return []
        call = _call(self.stream, body)
        going = [body]
        for rule in self._faults.strikes(call, self._exchange.market.now):
            if isinstance(rule.action, Mute | Disconnect | StreamError):
                self._end(rule.action, frame)
                return []
            if isinstance(rule.action, Command):
                perform_scripted(self._exchange, rule, rule.action, call)
            else:
                going = self._strike(rule, going, frame)
        return self._release(going)

    def _end(self, action: Mute | Disconnect | StreamError, frame: _Frame) -> None:
        match action:
            case Mute(seconds):
                now = asyncio.get_running_loop().time()
                self._mute_until = now + (float("inf") if seconds is None else seconds)
            case Disconnect(code=code):
                self.cut(code)
            case StreamError(code, message):
                error = {"T": "error", "code": code, "msg": message}
                self._send_later(0, frame.write_one(error), then_close=True)

    def _strike(self, rule: Rule, going: list[Any], frame: _Frame) -> list[Any]:
        match rule.action:
            case Edit() as edit:
                for body in going:
                    edited(body.get("data") if self.stream == TRADE_UPDATES else body, edit)
                return going
            case Duplicate(times):
                return going * (1 + times)
            case Delay(seconds):
                for body in going:
                    self._send_later(seconds, frame.write_one(body))
            case Reorder(by):
                self._held += [(by, body) for body in going]
            case Truncate(keep):
                for body in going:
                    self._send_later(0, frame.cut(body, keep))
            case _:
                # What is left is a message that is dropped.
                return []
        return []

    def _release(self, going: list[Any]) -> list[Any]:
        if not self._held or not going:
            return going
        if not self._faults.active:
            # The rules were cleared: what they held back goes first.
            freed, self._held = [body for _, body in self._held], []
            return freed + going
        waiting = [(left - len(going), body) for left, body in self._held]
        self._held = [(left, body) for left, body in waiting if left > 0]
        return going + [body for left, body in waiting if left <= 0]

    def _is_mute(self) -> bool:
        if self._mute_until is None:
            return False
        if self._faults.active and asyncio.get_running_loop().time() < self._mute_until:
            return True
        self._mute_until = None
        return False

    def _send_later(self, seconds: float, message: Message, *, then_close: bool = False) -> None:
        async def send() -> None:
            await asyncio.sleep(seconds)
            # The client may have left while the message was under way.
            with contextlib.suppress(OSError):
                await self._send(message)
            if then_close:
                self.cut(_NORMAL)

        task = asyncio.get_running_loop().create_task(send())
        self._later.add(task)
        task.add_done_callback(self._later.discard)


class _Frame:
    """How a message left: text or bytes, JSON or msgpack, alone or in an array."""

    def __init__(self, raw: bytes, *, is_text: bool) -> None:
        self._raw = raw
        self._is_text = is_text
        self._is_json = is_text or raw[:1] in {b"{", b"["}
        self._is_array = False

    def read(self) -> Any:  # noqa: ANN401 - whatever was written
        body = json.loads(self._raw) if self._is_json else msgpack.unpackb(self._raw)
        self._is_array = isinstance(body, list)
        return body

    def write(self, body: object) -> Message:
        return self._message(self._bytes(body))

    def write_one(self, body: object) -> Message:
        return self.write([body] if self._is_array else body)

    def cut(self, body: object, keep: int | None) -> Message:
        whole = self._bytes([body] if self._is_array else body)
        return self._message(whole[: len(whole) // 2 if keep is None else keep])

    def _bytes(self, body: object) -> bytes:
        if self._is_json:
            return json.dumps(body, separators=(",", ":")).encode()
        packed = msgpack.packb(body)
        assert isinstance(packed, bytes)  # noqa: S101 - packb returns bytes without a buffer
        return packed

    def _message(self, raw: bytes) -> Message:
        if self._is_text:
            return {"type": "websocket.send", "text": raw.decode("utf-8", "ignore")}
        return {"type": "websocket.send", "bytes": raw}


async def _run(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await app(scope, receive, send)


async def _refuse(receive: Receive, send: Send, status: int) -> None:
    await receive()
    headers = [(b"content-type", b"application/json")]
    await send(
        {"type": "websocket.http.response.start", "status": status, "headers": headers},
    )
    await send({"type": "websocket.http.response.body", "body": _REFUSED, "more_body": False})


def _call(stream: str, body: object) -> Call:
    facts: Mapping[str, Any] = body if isinstance(body, dict) else {}
    if stream == MARKET_DATA:
        kind = str(facts.get("T", ""))
        event = str(facts.get("msg", kind)) if kind == "success" else kind
        symbols = (str(facts["S"]),) if "S" in facts else ()
        is_control = kind in _CONTROLS
        return Call(Phase.MESSAGE, stream, event=event, symbols=symbols, is_control=is_control)
    if facts.get("stream") != TRADE_UPDATES:
        return Call(Phase.MESSAGE, stream, event=str(facts.get("stream", "")), is_control=True)
    data = facts.get("data", {})
    order = data.get("order", {})
    return Call(
        Phase.MESSAGE,
        stream,
        event=str(data.get("event", "")),
        symbols=(str(order.get("symbol", "")),),
        client_order_id=str(order.get("client_order_id", "")),
        order=str(order.get("id", "")),
        execution=str(data.get("execution_id", "")),
    )
