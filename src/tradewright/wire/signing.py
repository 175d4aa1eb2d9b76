"""How a request shows who sends it: the names of the headers, and what a signature covers.

A service signs canonical JSON over every fact of its request, so no two requests share a signed
text and no delimiter can be smuggled in. The query is the one that was really asked, as raw text:
a header that repeats it would prove nothing. Secrets are arguments; nothing here keeps one.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from typing import TYPE_CHECKING, Any, Final

from tradewright.core.access import Role, UserContext
from tradewright.core.errors import InvalidInput
from tradewright.core.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SERVICE_HEADER: Final = "X-Service-Id"
TIMESTAMP_HEADER: Final = "X-Timestamp"
NONCE_HEADER: Final = "X-Nonce"
BODY_HASH_HEADER: Final = "X-Content-SHA256"
SIGNATURE_HEADER: Final = "X-Signature"
USER_CONTEXT_HEADER: Final = "X-User-Context"
SIGNING_HEADERS: Final = (
    *(SERVICE_HEADER, TIMESTAMP_HEADER, NONCE_HEADER),
    *(BODY_HASH_HEADER, SIGNATURE_HEADER, USER_CONTEXT_HEADER),
)
CSRF_HEADER: Final = "X-CSRF-Token"
IDEMPOTENCY_HEADER: Final = "Idempotency-Key"
SESSION_COOKIE: Final = "tradewright_session"
"""Holds a browser's access token; scripts cannot read it."""
CSRF_COOKIE: Final = "tradewright_csrf"
"""Holds what a browser's script repeats in the CSRF header."""

TOLERANCE_SECONDS: Final = 30
NONCE_TTL_SECONDS: Final = 120
MAX_NONCE_LENGTH: Final = 128
MIN_SECRET_LENGTH: Final = 32
SECRET_PREFIX: Final = "INTERNAL_TOKEN_SECRET_"  # noqa: S105 - a name, no secret
PREVIOUS: Final = "_PREVIOUS"

_NONCE: Final = re.compile(rf"[A-Za-z0-9._~+/=-]{{1,{MAX_NONCE_LENGTH}}}")
_TIMESTAMP: Final = re.compile(r"[0-9]{1,11}")
_encode: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode
_EMPTY: Final = hashlib.sha256(b"").hexdigest()


@frozen
class RequestFacts:
    """What a signature covers; `user_context` is the header's text, empty when there is none."""

    service: str
    timestamp: str
    nonce: str
    method: str
    path: str
    query: str
    body_hash: str
    user_context: str = ""


def secret_name(service: str) -> str:
    """Return the name of the secret that a service signs with."""
    return SECRET_PREFIX + service.upper().replace("-", "_")


def active_secrets(value: str) -> tuple[str, ...]:
    """Return the secrets of a value that are good now, the one to sign with first.

    A rotation keeps two, apart by a comma; or it puts the older one under the name with _PREVIOUS.

    Raises:
        InvalidInput: There is none, more than two, or one too short to be guessed safely.
    """
    found = tuple(part.strip() for part in value.split(",") if part.strip())
    if not 1 <= len(found) <= 2:  # noqa: PLR2004 - the old one and the one in its place
        raise InvalidInput("secret", f"{len(found)} values", "is not one or two active secrets")
    if any(len(one) < MIN_SECRET_LENGTH for one in found):
        rule = f"is shorter than {MIN_SECRET_LENGTH} characters"
        raise InvalidInput("secret", "(hidden)", rule, "make one of 32 random bytes")
    return found


def body_hash(body: bytes | None) -> str:
    """Return the hex SHA-256 of a body; no body is hashed as empty bytes."""
    return hashlib.sha256(body).hexdigest() if body else _EMPTY


def canonical(facts: RequestFacts) -> bytes:
    """Return the one text that stands for these facts: JSON, keys sorted, ASCII, no spaces."""
    return _encode(
        {
            "body_sha256": facts.body_hash,
            "method": facts.method,
            "nonce": facts.nonce,
            "path": facts.path,
            "query": facts.query,
            "service": facts.service,
            "timestamp": facts.timestamp,
            "user_context": facts.user_context,
            "version": "v1",
        }
    ).encode("ascii")


def sign(facts: RequestFacts, secret: str) -> str:
    """Return the hex HMAC-SHA256 of the facts."""
    return hmac.digest(secret.encode(), canonical(facts), "sha256").hex()


def is_signed(facts: RequestFacts, signature: str, secrets: Sequence[str]) -> bool:
    """Whether one of the secrets made the signature; takes as long whichever it was, if any."""
    given = signature.encode("utf-8", "replace")
    text = canonical(facts)
    good = False
    for secret in secrets:
        made = hmac.digest(secret.encode(), text, "sha256").hex().encode()
        good |= hmac.compare_digest(made, given)
    return good


def is_body(given: str, body: bytes | None) -> bool:
    """Whether a hash, as a header gave it, is the body's."""
    return is_same(body_hash(body), given)


def is_same(expected: str, given: str) -> bool:
    """Whether two texts are equal, found in a time that does not tell where they differ.

    Nothing is ever the same as an empty text: an empty expectation is one that was not set.
    """
    return bool(expected) and hmac.compare_digest(
        expected.encode(), given.encode("utf-8", "replace")
    )


def is_timely(timestamp: str, now: float) -> bool:
    """Whether unix seconds, as text, are within the tolerance of `now`."""
    if not _TIMESTAMP.fullmatch(timestamp):
        return False
    return abs(now - int(timestamp)) <= TOLERANCE_SECONDS


def is_nonce(text: str) -> bool:
    """Whether a text may be a nonce: 1 to 128 characters of an unmistakable alphabet."""
    return _NONCE.fullmatch(text) is not None


def signing_headers(facts: RequestFacts, secret: str) -> dict[str, str]:
    """Return the headers that make a request a signed one."""
    headers = {
        SERVICE_HEADER: facts.service,
        TIMESTAMP_HEADER: facts.timestamp,
        NONCE_HEADER: facts.nonce,
        BODY_HASH_HEADER: facts.body_hash,
        SIGNATURE_HEADER: sign(facts, secret),
    }
    if facts.user_context:
        headers[USER_CONTEXT_HEADER] = facts.user_context
    return headers


def write_user_context(context: UserContext) -> str:
    """Return the header text of the user whom a service acts for."""
    strategies = None if context.strategies is None else sorted(context.strategies)
    return _encode({"user": context.user, "roles": sorted(context.roles), "strategies": strategies})


def read_user_context(text: str) -> UserContext:
    """Read the header's text back; only to be believed once its signature is.

    Raises:
        InvalidInput: It is no JSON object of user, roles and strategies, or a role is not known.
    """
    try:
        body: Any = json.loads(text)
        if not isinstance(body, dict) or set(body) != {"user", "roles", "strategies"}:
            raise InvalidInput(USER_CONTEXT_HEADER, text, "is not user, roles and strategies")
        return _context(body)
    except (ValueError, TypeError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(USER_CONTEXT_HEADER, text, f"cannot be read: {error}") from error


def _context(body: Mapping[str, Any]) -> UserContext:
    user, roles, strategies = body["user"], body["roles"], body["strategies"]
    lists = [roles] if strategies is None else [roles, strategies]
    texts = all(isinstance(one, list) and all(isinstance(t, str) for t in one) for one in lists)
    if not isinstance(user, str) or not user or not texts:
        raise InvalidInput(USER_CONTEXT_HEADER, user, "is not a user with lists of texts")
    return UserContext(
        user,
        frozenset(Role(role) for role in roles),
        None if strategies is None else frozenset(strategies),
    )
