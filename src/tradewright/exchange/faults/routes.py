"""The paths of faults: set rules, clear them, read what was done, and do one thing at once.

All of them refuse unless the exchange was started with faults enabled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tradewright.core.errors import InvalidInput
from tradewright.exchange.faults.judge import Faults, cut
from tradewright.exchange.faults.rules import Call, Phase
from tradewright.exchange.faults.script import read_json, read_toml
from tradewright.exchange.web import answer, body_of, exchange_of, perform
from tradewright.exchange.words import (
    BROKEN_RULE,
    FORBIDDEN,
    MISSING,
    NOT_ALLOWED,
    NOT_FOUND,
    UNPROCESSABLE,
    Refused,
)

_REMEDY: Final = "faults are not enabled; start the exchange with --faults"


def faults_of(request: Request) -> Faults:
    """Return the faults of the exchange that is served.

    Raises:
        Refused: They are not enabled.
    """
    faults = exchange_of(request).faults
    if faults is None:
        raise Refused(FORBIDDEN, NOT_ALLOWED, _REMEDY)
    return faults


async def _list(request: Request) -> Response:
    return answer(faults_of(request).standing())


async def _apply(request: Request) -> Response:
    faults = faults_of(request)
    read = read_json if "json" in request.headers.get("content-type", "") else read_toml
    try:
        text = (await request.body()).decode()
        faults.apply(read(text))
    except InvalidInput as error:
        raise Refused(UNPROCESSABLE, BROKEN_RULE, str(error)) from error
    except UnicodeDecodeError as error:
        raise Refused(UNPROCESSABLE, BROKEN_RULE, "script: is not UTF-8 text") from error
    return answer(faults.standing())


async def _random(request: Request) -> Response:
    faults = faults_of(request)
    body = await body_of(request)
    seed, rates = body.get("seed"), body.get("rates")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise Refused(UNPROCESSABLE, BROKEN_RULE, "seed is required: a whole number from 0")
    if not isinstance(rates, dict):
        message = 'rates is required: {"drop_after_commit": 0.01, …}'
        raise Refused(UNPROCESSABLE, BROKEN_RULE, message)
    try:
        faults.shake(seed, {kind: _floats(rate) for kind, rate in rates.items()})
    except InvalidInput as error:
        raise Refused(UNPROCESSABLE, BROKEN_RULE, str(error)) from error
    return answer(faults.standing())


async def _clear(request: Request) -> Response:
    faults_of(request).clear()
    return Response(status_code=204)


async def _remove(request: Request) -> Response:
    try:
        faults_of(request).clear(request.path_params["name"])
    except InvalidInput as error:
        raise Refused(MISSING, NOT_FOUND, str(error)) from error
    return Response(status_code=204)


async def _log(request: Request) -> Response:
    after = request.query_params.get("after", "0")
    if not after.isascii() or not after.isdigit():
        raise Refused(UNPROCESSABLE, BROKEN_RULE, f"invalid after: {after} is not a number")
    log = faults_of(request).log
    return answer([injected.body() for injected in log if injected.seq > int(after)])


async def _perform(request: Request) -> Response:
    faults = faults_of(request)
    body = await body_of(request)
    name, arguments = body.get("name"), body.get("arguments", {})
    if not isinstance(name, str) or not isinstance(arguments, dict):
        message = 'name and arguments are required: {"name": "halt", "arguments": {"symbol": …}}'
        raise Refused(UNPROCESSABLE, BROKEN_RULE, message)
    if name == "disconnect":
        done: object = {"cut": cut(faults, str(arguments.get("stream", "*")))}
    else:
        done = await perform(request, name, arguments)
    symbol = str(arguments.get("symbol", ""))
    call = Call(Phase.REQUEST, "POST /rehearsal/perform", symbols=(symbol,) if symbol else ())
    faults.note("at once", name, call, exchange_of(request).market.now)
    return answer(done)


def _floats(rate: Any) -> Any:  # noqa: ANN401 - bodies are read with exact decimals
    if isinstance(rate, dict):
        return {name: _floats(value) for name, value in rate.items()}
    return rate if isinstance(rate, bool | int | str) or rate is None else float(rate)


ROUTES: Final[Sequence[BaseRoute]] = (
    Route("/rehearsal/faults", _list, methods=["GET"]),
    Route("/rehearsal/faults", _apply, methods=["POST"]),
    Route("/rehearsal/faults", _clear, methods=["DELETE"]),
    Route("/rehearsal/faults/log", _log, methods=["GET"]),
    Route("/rehearsal/faults/random", _random, methods=["POST"]),
    Route("/rehearsal/faults/{name}", _remove, methods=["DELETE"]),
    Route("/rehearsal/perform", _perform, methods=["POST"]),
)
