"""What an HTTP answer of the venue means: taken, refused, limited, shut out, or unknown.

Pure. Status and message decide; the vendor's codes do not, since it gives one code to unlike
refusals and unlike codes to one. Anything that cannot be read as their own JSON (a proxy's
page, half a body, silence) is UNKNOWN: after an order, it may or may not exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from tradewright.adapters.alpaca.reading import loads
from tradewright.core.errors import InvalidInput

OK: Final = 200
NO_CONTENT: Final = 204
UNAUTHORIZED: Final = 401
FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
UNPROCESSABLE: Final = 422
TOO_MANY: Final = 429
SERVER_ERROR: Final = 500

_TAKEN: Final = frozenset({OK, 201, 207})
_REFUSALS: Final = frozenset({400, FORBIDDEN, NOT_FOUND, UNPROCESSABLE})
_MUST_BE_UNIQUE: Final = "client_order_id must be unique"
# Said with a 403, these are about the keys and not about what was asked.
_SHUT_OUT: Final = frozenset({"forbidden", "unauthorized", "request is not authorized"})
_RAW: Final = 2000


class Outcome(StrEnum):
    """What became of a request."""

    TAKEN = "taken"
    REFUSED = "refused"
    LIMITED = "limited"
    SHUT_OUT = "shut_out"
    UNKNOWN = "unknown"


_BY_STATUS: Final = {
    NO_CONTENT: Outcome.TAKEN,
    UNAUTHORIZED: Outcome.SHUT_OUT,
    TOO_MANY: Outcome.LIMITED,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer and its meaning; `raw` is the beginning of its body as it came.

    `again` says of an unknown outcome that the same request may well fare better at once.
    """

    outcome: Outcome
    status: int
    body: Any = None
    code: str = ""
    message: str = ""
    raw: str = ""
    again: bool = False

    @property
    def is_duplicate(self) -> bool:
        """Whether an order was refused because the account has used its id before."""
        return self.status == UNPROCESSABLE and _MUST_BE_UNIQUE in self.message

    @property
    def is_missing(self) -> bool:
        """Whether the venue itself says that it does not have what was asked for."""
        return self.outcome is Outcome.REFUSED and self.status == NOT_FOUND


def classify(status: int, content: bytes) -> Answer:
    """Say what an answer means."""
    raw = content[:_RAW].decode(errors="replace")
    if status in _BY_STATUS:
        return Answer(_BY_STATUS[status], status, raw=raw)
    try:
        body = loads(content)
    except InvalidInput:
        return Answer(Outcome.UNKNOWN, status, message="is not JSON", raw=raw, again=True)
    if status in _TAKEN:
        return Answer(Outcome.TAKEN, status, body, raw=raw)
    message = body.get("message") if isinstance(body, dict) else None
    if not isinstance(message, str):
        lacking = "the refusal has no message" if status in _REFUSALS else "has no message"
        return Answer(Outcome.UNKNOWN, status, body, message=lacking, raw=raw, again=True)
    outcome = _meaning(status, message)
    again = outcome is Outcome.UNKNOWN and status >= SERVER_ERROR
    return Answer(outcome, status, body, str(body.get("code") or status), message, raw, again)


def _meaning(status: int, message: str) -> Outcome:
    if status == FORBIDDEN and message.strip().rstrip(".").lower() in _SHUT_OUT:
        return Outcome.SHUT_OUT
    return Outcome.REFUSED if status in _REFUSALS else Outcome.UNKNOWN


def lost(what: str, *, again: bool) -> Answer:
    """Return the outcome of a request without an answer."""
    return Answer(Outcome.UNKNOWN, 0, message=what, again=again)
