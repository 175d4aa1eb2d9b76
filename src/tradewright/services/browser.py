"""What browsers are told on every answer, which sites may ask from one, and what they report.

The policy is made once from the settings at the start. A report of a browser is written by whoever
likes, so what it says is cut down to places and to words of a closed list before it is logged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from starlette.responses import Response

from tradewright.core.errors import ConfigError
from tradewright.hosting import DEVELOPMENT_ORIGINS
from tradewright.ops import metrics, tracing
from tradewright.ops.logging import logger
from tradewright.wire import signing

if TYPE_CHECKING:
    from starlette.types import Message, Scope

    from tradewright.bootstrap import Settings
    from tradewright.ports import Clock

REPORT_PATH: Final = "/csp-report"
REPORT_TYPES: Final = ("application/csp-report", "application/reports+json", "application/json")
REPORT_BYTES: Final = 16_384
REPORTS_PER_MINUTE: Final = 60
ALLOWED_METHODS: Final = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
ALLOWED_HEADERS: Final = (
    *("Accept", "Authorization", "Content-Type", signing.CSRF_HEADER, signing.IDEMPOTENCY_HEADER),
    *(tracing.TRACEPARENT, tracing.REQUEST_ID),
)
EXPOSED_HEADERS: Final = (
    *("X-Request-Id", "X-Trace-Id", "Retry-After"),
    *("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy"),
)
_HSTS: Final = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
_FIXED: Final = (
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-site"),
    (b"cache-control", b"no-store"),
)
_FETCHED: Final = ("script", "style", "img", "font", "connect", "media", "object", "frame")
_DIRECTIVES: Final = frozenset(
    {f"{kind}-src" for kind in ("default", "child", "worker", "manifest", *_FETCHED)}
    | {f"{kind}-src-{part}" for kind in ("script", "style") for part in ("elem", "attr")}
    | {"base-uri", "form-action", "frame-ancestors"}
)
_KEYWORDS: Final = frozenset({"inline", "eval", "self", "wasm-eval", "data", "blob"})
_WORD: Final = re.compile(r"[A-Za-z_-]{1,24}")
_log: Final = logger(__name__)


def content_security_policy(**changes: str) -> str:
    """Return the policy of our answers, with directives changed (`img_src="'self' data:"`)."""
    directives = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "font-src": "'self'",
        "connect-src": "'self'",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "report-uri": REPORT_PATH,
    }
    directives |= {name.replace("_", "-"): value for name, value in changes.items()}
    return "; ".join(f"{name} {value}" for name, value in directives.items())


def allowed_origins(settings: Settings) -> frozenset[str]:
    """Return the origins whose pages may ask.

    Raises:
        ConfigError: None are given where there is no default.
    """
    if settings.allowed_origins is not None:
        return frozenset(settings.allowed_origins)
    if settings.environment in {"development", "testing"}:
        return frozenset(DEVELOPMENT_ORIGINS)
    raise ConfigError(
        f"ALLOWED_ORIGINS is not set, and {settings.environment} has no default for it",
        "set it to the origins of the consoles, apart by commas, or to nothing for none",
    )


@dataclass(frozen=True, slots=True)
class BrowserPolicy:
    """What browsers are told, as raw headers, and the origins that may ask."""

    headers: tuple[tuple[bytes, bytes], ...]
    origins: frozenset[str]

    @classmethod
    def of(cls, settings: Settings, policy: str | None = None) -> BrowserPolicy:
        """Make the policy of the settings.

        Raises:
            ConfigError: ALLOWED_ORIGINS is missing.
        """
        enforced = settings.csp_mode == "enforce"
        name = b"content-security-policy" + (b"" if enforced else b"-report-only")
        text = (policy or content_security_policy()).encode("ascii")
        return cls(((name, text), *_FIXED), allowed_origins(settings))

    def harden(self, message: Message, scope: Scope) -> None:
        """Add the headers that an answer does not have yet."""
        headers: list[tuple[bytes, bytes]] = message["headers"]
        there = {name.lower() for name, _ in headers}
        headers += [pair for pair in self.headers if pair[0] not in there]
        if scope.get("scheme") in {"https", "wss"}:
            headers.append(_HSTS)

    def allow(self, message: Message, origin: bytes) -> None:
        """Let pages of `origin` read an answer, if they may ask at all."""
        headers: list[tuple[bytes, bytes]] = message["headers"]
        headers.append((b"vary", b"Origin"))
        if origin.decode("latin-1") in self.origins:
            exposed = ", ".join(EXPOSED_HEADERS).encode()
            headers += [
                (b"access-control-allow-origin", origin),
                (b"access-control-allow-credentials", b"true"),
                (b"access-control-expose-headers", exposed),
            ]

    def preflight(self, origin: bytes, method: str, asked: str) -> Response | None:
        """Answer a browser that asks whether it may ask; None if it may not."""
        known = {name.lower() for name in ALLOWED_HEADERS}
        wanted = {name.strip().lower() for name in asked.split(",") if name.strip()}
        fits = origin.decode("latin-1") in self.origins and wanted <= known
        if not fits or method.upper() not in ALLOWED_METHODS.split(", "):
            return None
        return Response(
            status_code=204,
            headers={
                "Access-Control-Allow-Methods": ALLOWED_METHODS,
                "Access-Control-Allow-Headers": ", ".join(ALLOWED_HEADERS),
                "Access-Control-Max-Age": "600",
            },
        )


class Reports:
    """The reports of browsers: at most so many a minute are looked at, all are taken."""

    def __init__(self, clock: Clock, most: int = REPORTS_PER_MINUTE) -> None:
        """Count minutes by `clock`."""
        self._clock = clock
        self._most = most
        self._minute = 0.0
        self._taken = 0

    def take(self, content: bytes) -> int:
        """Count and log the violations that a report tells of; return how many."""
        now = self._clock.monotonic()
        if now - self._minute >= 60:  # noqa: PLR2004 - a minute
            self._minute, self._taken = now, 0
        seen = 0
        for report in _reports(content):
            if self._taken >= self._most:
                break
            self._taken += 1
            seen += 1
            facts = _scrubbed(report)
            metrics.csp_violation.labels(facts["directive"]).inc()
            _log.warning("a browser reports a violation of the policy", **facts)
        return seen


def _reports(content: bytes) -> Iterable[Mapping[str, Any]]:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return []
    found = body if isinstance(body, list) else [body]
    bodies = [one.get("csp-report", one.get("body")) for one in found if isinstance(one, dict)]
    return [one for one in bodies if isinstance(one, dict)]


def _scrubbed(report: Mapping[str, Any]) -> dict[str, str]:
    def said(*names: str) -> str:
        return next((str(report[name]) for name in names if report.get(name)), "")

    words = said("effective-directive", "effectiveDirective", "violated-directive").split()
    directive = words[0] if words and words[0] in _DIRECTIVES else "other"
    return {
        "directive": directive,
        "blocked": _place(said("blocked-uri", "blockedURL"), path=False),
        "document": _place(said("document-uri", "documentURL"), path=True),
        "disposition": "enforce" if said("disposition") == "enforce" else "report",
    }


def _place(uri: str, *, path: bool) -> str:
    if uri in _KEYWORDS:
        return uri
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "unreadable"
    if not host or parts.scheme not in {"http", "https", "ws", "wss"}:
        return "other"
    place = f"{parts.scheme}://{host[:253]}{port}"
    # Who was looked at may stand in a path, so only plain words of it are kept.
    steps = [s if _WORD.fullmatch(s) else "-" for s in parts.path.split("/")[1:6]]
    return f"{place}/{'/'.join(steps)}" if path and steps else place
