"""What browsers are told, which pages may ask, and what their reports become."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.services.notebook import Notebook, a_notebook, settings_for
from tradewright.core.clock import ManualClock
from tradewright.core.errors import ConfigError
from tradewright.ops import metrics
from tradewright.services.browser import (
    BrowserPolicy,
    Reports,
    allowed_origins,
    content_security_policy,
)

CONSOLE = "http://localhost:8501"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
async def book(tmp_path: Path, database_url: str, redis_url: str) -> AsyncIterator[Notebook]:
    async with a_notebook(tmp_path, database_url, redis_url) as running:
        yield running


def violations(directive: str) -> float:
    named = {"directive": directive}
    return metrics.REGISTRY.get_sample_value("csp_violation_total", named) or 0.0


def a_report(**changed: str) -> dict[str, Any]:
    facts = {
        "document-uri": "https://console.example.com/accounts/ann@example.com/orders?token=abc#x",
        "blocked-uri": "https://user:pw@evil.example.com:8443/steal?cookie=abc",
        "effective-directive": "script-src-elem",
    }
    return {"csp-report": facts | changed}


async def test_pages_of_the_console_may_ask_and_others_may_not(book: Notebook) -> None:
    ours = await book.http.get("/ready", headers={"Origin": CONSOLE})
    assert ours.headers["access-control-allow-origin"] == CONSOLE
    assert ours.headers["access-control-allow-credentials"] == "true"
    assert "RateLimit-Remaining" in ours.headers["access-control-expose-headers"]
    theirs = await book.http.get("/ready", headers={"Origin": "https://evil.example.com"})
    assert "access-control-allow-origin" not in theirs.headers
    assert ours.headers["vary"] == theirs.headers["vary"] == "Origin"


@pytest.mark.parametrize(
    ("origin", "method", "headers", "status"),
    [
        (CONSOLE, "POST", "content-type, x-csrf-token, idempotency-key", 204),
        (CONSOLE, "DELETE", "", 204),
        (CONSOLE, "POST", "x-service-id", 403),
        (CONSOLE, "TRACE", "", 403),
        ("https://evil.example.com", "POST", "", 403),
        ("null", "POST", "", 403),
    ],
)
async def test_a_browser_that_asks_first_is_told(
    book: Notebook, origin: str, method: str, headers: str, status: int
) -> None:
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        asked["Access-Control-Request-Headers"] = headers
    answer = await book.http.options("/notes", headers=asked)
    assert answer.status_code == status
    allowed = answer.headers.get("access-control-allow-origin")
    assert allowed == (CONSOLE if origin == CONSOLE else None)
    assert "*" not in answer.headers.get("access-control-allow-methods", "")


async def test_the_policy_can_be_reported_only(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    given = {"CSP_MODE": "report_only", "ALLOWED_ORIGINS": "https://one.example.com"}
    async with a_notebook(tmp_path, database_url, redis_url, settings=given) as book:
        answer = await book.http.get("/ready", headers={"Origin": CONSOLE})
        policy = answer.headers["content-security-policy-report-only"]
        assert "frame-ancestors 'none'" in policy
        assert "content-security-policy" not in answer.headers
        assert "access-control-allow-origin" not in answer.headers


async def test_a_secure_scheme_is_kept(book: Notebook) -> None:
    # The proxy on this machine is trusted in tests, so its word on the scheme counts.
    plain = await book.http.get("/ready")
    secure = await book.http.get("/ready", headers={"X-Forwarded-Proto": "https"})
    assert "strict-transport-security" not in plain.headers
    assert secure.headers["strict-transport-security"].startswith("max-age=31536000")


@pytest.mark.parametrize(
    "kind", ["application/csp-report", "application/reports+json", "application/json"]
)
async def test_reports_of_browsers_are_counted(book: Notebook, kind: str) -> None:
    before = violations("script-src-elem")
    body: Any = a_report()
    if kind == "application/reports+json":
        facts = {"effectiveDirective": "script-src-elem", "blockedURL": "inline"}
        body = [{"type": "csp-violation", "body": facts}]
    answer = await book.http.post(
        "/csp-report", content=json.dumps(body), headers={"Content-Type": kind}
    )
    assert answer.status_code == 204
    assert violations("script-src-elem") == before + 1


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"[1,2]", b'{"csp-report":"x"}', b'"text"', b"[" * 15_000]
)
async def test_what_is_no_report_is_taken_and_dropped(book: Notebook, content: bytes) -> None:
    answer = await book.http.post(
        "/csp-report", content=content, headers={"Content-Type": "application/csp-report"}
    )
    assert answer.status_code == 204


def test_a_report_is_cut_down_to_places(capsys: pytest.CaptureFixture[str]) -> None:
    Reports(ManualClock(NOON)).take(json.dumps(a_report()).encode())
    said = capsys.readouterr().out
    assert "https://evil.example.com:8443" in said
    assert "https://console.example.com/accounts/-/orders" in said
    for private in ("ann@", "token", "abc", "pw", "steal"):
        assert private not in said


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("inline", "inline"),
        ("data:text/html,secret", "other"),
        ("http://[broken", "unreadable"),
        ("secret", "other"),
        ("", "other"),
    ],
)
def test_what_was_blocked_is_named_by_its_place(
    uri: str, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    report = a_report(**{"blocked-uri": uri, "effective-directive": "made-up-by-anybody"})
    before = violations("other")
    assert Reports(ManualClock(NOON)).take(json.dumps(report).encode()) == 1
    said = capsys.readouterr().out
    assert f"blocked={place}" in said
    assert "made-up" not in said
    assert violations("other") == before + 1


def test_a_flood_of_reports_is_capped_by_the_minute() -> None:
    clock = ManualClock(NOON)
    reports = Reports(clock, most=3)
    many = json.dumps([{"body": a_report()["csp-report"]}] * 5).encode()
    assert [reports.take(many), reports.take(many)] == [3, 0]
    clock.advance(timedelta(minutes=1))
    assert reports.take(many) == 3


def test_a_policy_may_be_changed_by_directive() -> None:
    policy = content_security_policy(img_src="'self' data:")
    assert "img-src 'self' data:;" in policy
    assert "unsafe-inline" not in policy


def test_headers_of_a_route_stand(tmp_path: Path) -> None:
    policy = BrowserPolicy.of(settings_for(tmp_path))
    message = {"headers": [(b"cache-control", b"max-age=60")]}
    policy.harden(message, {"scheme": "http"})
    assert [v for k, v in message["headers"] if k == b"cache-control"] == [b"max-age=60"]


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_origins_have_a_default_in_development_alone(environment: str, tmp_path: Path) -> None:
    assert CONSOLE in allowed_origins(settings_for(tmp_path))
    with pytest.raises(ConfigError, match="ALLOWED_ORIGINS"):
        allowed_origins(settings_for(tmp_path, ENVIRONMENT=environment))
    none = settings_for(tmp_path, ENVIRONMENT=environment, ALLOWED_ORIGINS="")
    assert allowed_origins(none) == frozenset()


@pytest.mark.parametrize("value", ["*", "https://*.example.com", "https://a.b/path", "a.b", "null"])
def test_origins_are_named_one_by_one(value: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ALLOWED_ORIGINS"):
        settings_for(tmp_path, ALLOWED_ORIGINS=value)
