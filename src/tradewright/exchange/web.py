"""What every route of the exchange does: find the exchange, read a request, write an answer.

Bodies are read with exact decimals: a price that was sent as a number is not a float here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Receive, Send

from tradewright.exchange.exchange import Exchange
from tradewright.exchange.words import (
    BAD_REQUEST,
    BROKEN_RULE,
    UNPROCESSABLE,
    Refused,
    read_moment,
)
from tradewright.exchange.written import as_json

_decode: Final = json.JSONDecoder(parse_float=Decimal).decode
_JSON_TYPE: Final = (b"content-type", b"application/json")
_TRUE: Final = ("true", "t", "1")
_FALSE: Final = ("false", "f", "0")


def exchange_of(connection: HTTPConnection) -> Exchange:
    """Return the exchange that is served."""
    exchange = connection.app.state.exchange
    assert isinstance(exchange, Exchange)  # noqa: S101 - set by create_app
    return exchange


async def body_of(request: Request) -> dict[str, Any]:
    """Read a JSON object; anything else is refused with 400."""
    return object_of(await request.body())


def object_of(raw: bytes) -> dict[str, Any]:
    """Read a JSON object from the bytes of a request; anything else is refused with 400."""
    # What begins with a brace and no zero is UTF-8: the rest is looked at more closely.
    plain = raw[:1] == b"{" and raw[1:2] != b"\0"
    try:
        body = _decode(raw.decode("utf-8" if plain else json.detect_encoding(raw), "surrogatepass"))
    except ValueError as error:
        raise Refused(400, BAD_REQUEST, "request body format is invalid") from error
    if not isinstance(body, dict):
        raise Refused(400, BAD_REQUEST, "request body format is invalid")
    return body


def answer(body: object, status: int = 200) -> Response:
    """Write a body as JSON."""
    return Response(as_json(body), status, media_type="application/json")


async def received(receive: Receive) -> bytes | None:
    """Receive the whole body of a request; None where the client has left."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return None if message["type"] == "http.disconnect" else body


async def reply(send: Send, body: object, status: int = 200) -> None:
    """Write a body as JSON to who reads an application's own messages, as `answer` does."""
    raw = as_json(body).encode()
    headers = [(b"content-length", str(len(raw)).encode()), _JSON_TYPE]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": raw})


async def perform(request: Request, name: str, arguments: Mapping[str, Any]) -> object:
    """Perform a command and return its answer once it is kept."""
    exchange = exchange_of(request)
    done = exchange.perform(name, arguments)
    await exchange.kept()
    return done


def choice(query: Mapping[str, str], field: str, allowed: tuple[str, ...]) -> str:
    """Read one of several words; the first is the default."""
    value = query.get(field) or allowed[0]
    if value not in allowed:
        message = f"invalid {field}: {value}; allowed: {', '.join(allowed)}"
        raise Refused(UNPROCESSABLE, BROKEN_RULE, message)
    return value


def count(query: Mapping[str, str], field: str, default: int, most: int) -> int:
    """Read a number from 1 to `most`."""
    text = query.get(field) or str(default)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= most:
        message = f"invalid {field}: {text} is not a number from 1 to {most}"
        raise Refused(UNPROCESSABLE, BROKEN_RULE, message)
    return int(text)


def truth(query: Mapping[str, str], field: str) -> bool:
    """Read true or false, in any case, as 1 or 0, or by the first letter; false where absent."""
    text = (query.get(field) or "false").lower()
    if text not in _TRUE and text not in _FALSE:
        message = f"invalid {field}: {text}; allowed: true, false"
        raise Refused(UNPROCESSABLE, BROKEN_RULE, message)
    return text in _TRUE


def time_of(query: Mapping[str, str], field: str) -> datetime | None:
    """Read a time, or None where it is absent."""
    text = query.get(field)
    return read_moment(text, field) if text else None
