"""The one table from error to status and code, and the answers that are made of it.

A row says whether an error's own words may be told: what may name a host, a path or a value that
was sent stays in the log, under the trace id that the answer carries.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.client import responses
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from tradewright.core import errors
from tradewright.core.errors import InvalidInput, TradewrightError
from tradewright.core.records import JsonValue
from tradewright.ops import tracing
from tradewright.ops.logging import logger
from tradewright.wire.problem import PROBLEM_TYPE, problem_type

_LONGEST_NAME: Final = 80
_encode: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_log: Final = logger(__name__)


@dataclass(frozen=True, slots=True)
class Row:
    """How an error is answered; `told` are its attributes that become members of the body."""

    status: int
    code: str
    title: str
    words: bool = False
    told: tuple[str, ...] = ()


TABLE: Final[Mapping[type[TradewrightError], Row]] = {
    errors.ConfigError: Row(500, "misconfigured", "The service is not set up for this."),
    errors.ReloadRefused: Row(409, "reload_refused", "The settings in force stay.", words=True),
    errors.UnknownName: Row(422, "unknown_name", "A name is not known."),
    errors.InvalidInput: Row(422, "invalid_input", "A value breaks a rule."),
    errors.MissingData: Row(404, "missing_data", "What was asked for is not there."),
    errors.LookAhead: Row(422, "look_ahead", "What was asked for was not yet known."),
    errors.StaleData: Row(503, "stale_data", "The data is too old."),
    errors.DataError: Row(503, "data_not_trusted", "The data cannot be trusted."),
    errors.DuplicateOrder: Row(
        409, "duplicate_order", "An order of this id has other content.", told=("order_id",)
    ),
    errors.InvalidTransition: Row(
        *(409, "invalid_transition", "The order's status does not allow this."),
        told=("order_id", "status", "event"),
    ),
    errors.OrderError: Row(409, "order_refused", "The order does not allow this."),
    errors.ConflictError: Row(
        409, "conflict", "Somebody else wrote first.", told=("expected", "found")
    ),
    errors.LedgerError: Row(503, "ledger_broken", "The ledger does not add up."),
    errors.RateLimited: Row(
        503, "venue_rate_limited", "The venue was asked too often.", told=("retry_after",)
    ),
    errors.VenueRejected: Row(409, "venue_rejected", "The venue refused.", told=("venue",)),
    errors.VenueUnavailable: Row(502, "venue_unavailable", "The venue does not answer."),
    errors.VenueError: Row(502, "venue_failed", "The venue did not do what was asked."),
    errors.PeerError: Row(502, "peer_failed", "Another of our services did not do its part."),
    errors.WorkError: Row(502, "work_failed", "Work that was handed on came to nothing."),
    errors.PeerUnavailable: Row(
        502, "peer_unavailable", "Another service does not answer.", told=("service",)
    ),
    errors.PeerRefused: Row(502, "peer_refused", "Another service refused.", told=("service",)),
    errors.PeerError: Row(502, "peer_failed", "Another service did not do what was asked."),
    errors.LimiterUnavailable: Row(
        503, "limiter_unavailable", "How often was asked cannot be known, so it is refused."
    ),
    errors.SafetyError: Row(
        503, "state_unknown", "What this depends on cannot be known, so it is refused."
    ),
    errors.NotAuthenticated: Row(401, "", "Who asks is not known.", words=True),
    errors.NotPermitted: Row(403, "", "Who asks may not do this.", words=True),
    errors.LimitReached: Row(
        *(429, "rate_limited", "Asked too often.", True),
        told=("limit", "most", "window_seconds", "retry_after"),
    ),
    errors.LastAdmin: Row(409, "last_admin", "Nobody would be left to mend accounts.", words=True),
    errors.AccessError: Row(403, "not_permitted", "Who asks may not do this."),
    errors.TradewrightError: Row(500, "failed", "The service could not do this."),
}
"""Rows by class; an error of a class that has none is answered as its nearest ancestor."""

STATUS_CODES: Final[Mapping[int, str]] = {
    400: "malformed",
    401: "not_authenticated",
    403: "not_permitted",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    408: "too_slow",
    409: "conflict",
    413: "body_too_large",
    415: "unsupported_media_type",
    421: "unknown_host",
    422: "invalid_input",
    429: "rate_limited",
    431: "headers_too_large",
    500: "failed",
    502: "bad_gateway",
    503: "unavailable",
    504: "timed_out",
}
"""Codes of problems that no error of ours stands for."""


def row_of(kind: type[TradewrightError]) -> Row:
    """Return the row of a class of errors: its own, or its nearest ancestor's."""
    return next(TABLE[one] for one in kind.__mro__ if one in TABLE)


def problem(
    status: int,
    code: str,
    title: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    members: Mapping[str, object] | None = None,
) -> Response:
    """Make the answer that tells of a problem."""
    trace = tracing.current()
    body: dict[str, object] = {
        "type": problem_type(code),
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "trace_id": trace.trace_id if trace else None,
    }
    body |= {name: value for name, value in (members or {}).items() if name not in body}
    return Response(_encode(body), status, dict(headers or {}), media_type=PROBLEM_TYPE)


def plain_problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """Make the answer to a problem that has a status alone."""
    code = STATUS_CODES.get(status, "failed")
    return problem(status, code, f"{responses.get(status, 'Problem')}.", detail, headers=headers)


def error_answer(error: TradewrightError) -> Response:
    """Make the answer to an error of ours."""
    row = row_of(type(error))
    code = row.code or str(getattr(error, "code", "")) or STATUS_CODES[row.status]
    detail = str(error) if row.words else row.title
    if isinstance(error, errors.NotAuthenticated):
        detail = error.what
    headers: dict[str, str] = {}
    if row.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="tradewright"'
    retry_after = getattr(error, "retry_after", None)
    if isinstance(retry_after, int | float):
        headers["Retry-After"] = str(max(1, round(retry_after)))
    members: dict[str, object] = {name: _told(getattr(error, name)) for name in row.told}
    if isinstance(error, InvalidInput):
        members["errors"] = [_broken(error, error.field)]
    return problem(row.status, code, row.title, detail, headers=headers, members=members)


async def on_error(_request: Request, error: Exception) -> Response:
    """Answer a request that ended in an error of ours."""
    assert isinstance(error, TradewrightError)  # noqa: S101 - registered for these alone
    answer = error_answer(error)
    if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error(
            "a request could not be answered as asked",
            kind=type(error).__name__,
            reason=str(error),
            exc_info=error if answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR else None,
        )
    return answer


async def on_http_error(_request: Request, error: Exception) -> Response:
    """Answer a request that the framework refused."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for these alone
    return plain_problem(error.status_code, _detail(error), error.headers)


async def on_invalid(_request: Request, error: Exception) -> Response:
    """Answer a request whose parts break their schema: each by field, rule and remedy."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for these alone
    broken = [_broken_part(part) for part in error.errors()]
    fields = ", ".join(dict.fromkeys(part["field"] for part in broken[:5]))
    row = TABLE[InvalidInput]
    return problem(
        *(row.status, row.code, row.title, f"Look at: {fields}."), members={"errors": broken}
    )


def _detail(error: HTTPException) -> str:
    if isinstance(error, Refused):
        return str(error.detail)
    return f"{responses.get(error.status_code, 'Problem')}."


class Refused(HTTPException):
    """A request that the frame refuses, in words that may be told."""


def _broken_part(part: Mapping[str, Any]) -> dict[str, str]:
    field = ".".join(str(one)[:_LONGEST_NAME] for one in part["loc"])
    cause = part.get("ctx", {}).get("error")
    if isinstance(cause, InvalidInput):
        return _broken(cause, field)
    # A rule of pydantic's own names what it wants; any other may repeat what was sent.
    rule = "is not valid" if part["type"] in {"value_error", "assertion_error"} else part["msg"]
    return {"field": field, "rule": str(rule), "remedy": "send a value that keeps the rule"}


def _broken(error: InvalidInput, field: str) -> dict[str, str]:
    remedy = error.remedy or "send a value that keeps the rule"
    return {"field": field, "rule": error.rule, "remedy": remedy}


def _told(value: object) -> JsonValue:
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return str(value)
