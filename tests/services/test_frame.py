"""The whole frame over real HTTP: what every answer carries, every error, and how it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter
from jsonschema import Draft202012Validator
from starlette.routing import Route

from tests.services.notebook import ERRORS, Notebook, Shelf, a_notebook, notebook, settings_for
from tradewright.bootstrap import Databases, service_resources
from tradewright.core import errors
from tradewright.core.access import Permission
from tradewright.core.errors import ConfigError, TradewrightError
from tradewright.ops import metrics
from tradewright.services.app import ServiceSpec, make_app
from tradewright.services.errors import TABLE, row_of
from tradewright.services.security import needs, public
from tradewright.wire.problem import PROBLEM_TYPE

NOTE = b'{"text":"hello"}'
HARDENED = {
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
}
STATUSES = {
    "config": (500, "misconfigured"),
    "input": (422, "invalid_input"),
    "name": (422, "unknown_name"),
    "missing": (404, "missing_data"),
    "ahead": (422, "look_ahead"),
    "stale": (503, "stale_data"),
    "checksum": (503, "data_not_trusted"),
    "transition": (409, "invalid_transition"),
    "duplicate": (409, "duplicate_order"),
    "conflict": (409, "conflict"),
    "ledger": (503, "ledger_broken"),
    "venue": (502, "venue_unavailable"),
    "venue_limit": (503, "venue_rate_limited"),
    "venue_refused": (409, "venue_rejected"),
    "safety": (503, "state_unknown"),
    "limiter": (503, "limiter_unavailable"),
    "anonymous": (401, "token_expired"),
    "forbidden": (403, "not_permitted"),
    "often": (429, "rate_limited"),
    "ours": (500, "failed"),
    "unforeseen": (500, "failed"),
}


@pytest.fixture
async def book(tmp_path: Path, database_url: str, redis_url: str) -> AsyncIterator[Notebook]:
    async with a_notebook(tmp_path, database_url, redis_url) as running:
        yield running


def is_hardened(answer: httpx.Response) -> bool:
    policy = answer.headers["content-security-policy"]
    parts = ("script-src", "style-src", "frame-ancestors 'none'", "report-uri /csp-report")
    carried = answer.headers["x-request-id"] and len(answer.headers["x-trace-id"]) == 32
    named = all(answer.headers[name] == value for name, value in HARDENED.items())
    return bool(carried) and named and all(part in policy for part in parts)


async def test_a_signed_request_writes_a_row(book: Notebook) -> None:
    answer = await book.send("POST", "/notes", NOTE)
    assert answer.status_code == 201
    number = answer.json()["id"]
    read = await book.send("GET", f"/notes/{number}")
    assert (read.status_code, read.json()) == (200, {"id": number, "text": "hello"})
    assert is_hardened(answer)
    assert is_hardened(read)


def test_every_class_of_errors_has_a_row() -> None:
    def below(kind: type[TradewrightError]) -> set[type[TradewrightError]]:
        return {kind}.union(*(below(one) for one in kind.__subclasses__()))

    for kind in below(TradewrightError):
        if kind.__module__ == errors.__name__:
            assert kind is TradewrightError or row_of(kind) is not TABLE[TradewrightError], kind
    assert set(STATUSES) == set(ERRORS)
    raised = [make() for make in ERRORS.values()]
    shown = {row_of(type(error)) for error in raised if isinstance(error, TradewrightError)}
    assert len(shown) == len(STATUSES) - 1
    assert {row.status for row in TABLE.values()} <= {401, 403, 404, 409, 422, 429, 500, 502, 503}


async def test_every_error_is_a_problem_that_tells_no_secret(book: Notebook) -> None:
    for kind, expected in STATUSES.items():
        answer = await book.http.get(f"/fail/{kind}")
        body = answer.json()
        assert (answer.status_code, body["code"]) == expected, kind
        assert answer.headers["content-type"] == PROBLEM_TYPE
        assert body["status"] == answer.status_code
        assert body["type"] == f"urn:tradewright:problem:{body['code']}"
        assert body["trace_id"] == answer.headers["x-trace-id"]
        assert body["title"]
        assert is_hardened(answer), kind
        for secret in ("/srv", "10.0.0.1", "hunter2", "secret door"):
            assert secret not in answer.text, kind


async def test_problems_carry_the_numbers_behind_them(book: Notebook) -> None:
    often = await book.http.get("/fail/often")
    facts = {"limit": "orders", "most": 60, "window_seconds": 60, "retry_after": 12.3}
    assert facts.items() <= often.json().items()
    assert often.headers["retry-after"] == "12"
    conflict = (await book.http.get("/fail/conflict")).json()
    assert (conflict["expected"], conflict["found"]) == (3, 4)
    (broken,) = (await book.http.get("/fail/input")).json()["errors"]
    assert broken == {"field": "text", "rule": "is too short", "remedy": "make it longer"}
    assert "bearer" in (await book.http.get("/fail/anonymous")).headers["www-authenticate"].lower()


async def test_an_error_that_nobody_foresaw_says_its_trace_alone(book: Notebook) -> None:
    named = {"service": "notebook"}
    before = metrics.REGISTRY.get_sample_value("http_unexpected_errors_total", named) or 0
    answer = await book.http.get("/fail/unforeseen")
    assert set(answer.json()) == {"type", "title", "status", "detail", "code", "trace_id"}
    after = metrics.REGISTRY.get_sample_value("http_unexpected_errors_total", named)
    assert after == before + 1


@pytest.mark.parametrize(
    ("method", "path", "headers", "content", "expected"),
    [
        ("GET", "/nowhere", {}, b"", (404, "not_found")),
        ("PUT", "/health", {}, b"", (405, "method_not_allowed")),
        ("POST", "/notes", {"Content-Type": "text/plain"}, NOTE, (415, "unsupported_media_type")),
        ("POST", "/notes", {}, NOTE, (415, "unsupported_media_type")),
        ("GET", "/health", {"Host": "evil.example.com"}, b"", (421, "unknown_host")),
        ("GET", "/slow", {}, b"", (422, "invalid_input")),
        ("GET", "/slow?seconds=x", {}, b"", (422, "invalid_input")),
        ("POST", "/csp-report", {"Content-Type": "application/json"}, b"x" * 20_000, (413, "")),
        ("POST", "/notes", {"Content-Type": "application/json"}, b" " * 2_000_000, (413, "")),
    ],
)
async def test_what_no_route_takes_is_a_problem(
    book: Notebook,
    method: str,
    path: str,
    headers: dict[str, str],
    content: bytes,
    expected: tuple[int, str],
) -> None:
    answer = await book.http.request(method, path, headers=headers, content=content or None)
    assert (answer.status_code, answer.json()["code"]) == (
        expected[0],
        expected[1] or "body_too_large",
    )
    assert answer.headers["content-type"] == PROBLEM_TYPE
    assert is_hardened(answer)


async def test_a_body_that_does_not_say_its_length_is_cut_off(book: Notebook) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 65_536

    answer = await book.http.post(
        "/csp-report", content=endless(), headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_what_breaks_the_schema_is_told_by_field_and_never_by_value(book: Notebook) -> None:
    answer = await book.send("POST", "/notes", b'{"text":{"password":"hunter2"},"copies":99}')
    assert answer.status_code == 422
    found = {one["field"]: one for one in answer.json()["errors"]}
    assert set(found) == {"body.text", "body.copies"}
    assert all(one["rule"] and one["remedy"] for one in found.values())
    assert "hunter2" not in answer.text
    torn = await book.send("POST", "/notes", b'{"text":')
    assert (torn.status_code, torn.json()["code"]) == (422, "invalid_input")


async def test_deep_json_is_refused_and_harms_nobody(book: Notebook) -> None:
    answer = await book.send("POST", "/notes", b'{"text":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    assert answer.status_code in {400, 422}
    assert (await book.send("POST", "/notes", NOTE)).status_code == 201


async def test_addresses_and_our_own_names_are_our_hosts(book: Notebook) -> None:
    for host in ("localhost", "127.0.0.1:99", "10.1.2.3", "[::1]:80", "LOCALHOST."):
        assert (await book.http.get("/ready", headers={"Host": host})).status_code == 200, host


async def test_the_trace_of_the_caller_goes_on(book: Notebook) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    shown = {"traceparent": f"00-{trace}-b7ad6b7169203331-01", "x-request-id": "mine-1"}
    answer = await book.http.get("/ready", headers=shown)
    assert (answer.headers["x-trace-id"], answer.headers["x-request-id"]) == (trace, "mine-1")
    forged = await book.http.get("/ready", headers={"x-request-id": "a\tb" * 100})
    assert len(forged.headers["x-request-id"]) == 32


async def test_a_slow_route_is_cut_off_in_time(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    given = {"REQUEST_TIMEOUT_SECONDS": "0.2"}
    async with a_notebook(tmp_path, database_url, redis_url, settings=given) as book:
        answer = await book.http.get("/slow?seconds=20")
        assert (answer.status_code, answer.json()["code"]) == (504, "timed_out")
        assert is_hardened(answer)


async def test_more_requests_than_fit_are_told_to_come_again(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    given = {"MAX_REQUESTS_IN_FLIGHT": "1"}
    async with a_notebook(tmp_path, database_url, redis_url, settings=given) as book:
        slow = asyncio.create_task(book.http.get("/slow?seconds=0.5"))
        await book.shelf.begun.wait()
        answer = await book.http.get("/ready")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert (await slow).status_code == 200


async def test_requests_are_counted_by_route_and_never_by_path(book: Notebook) -> None:
    await book.send("GET", "/notes/12345")
    await book.http.get("/made-up/by/anybody")
    shown = (await book.http.get("/metrics")).text
    assert 'route="/notes/{number}"' in shown
    assert 'route="unmatched"' in shown
    assert "12345" not in shown
    assert "made-up" not in shown


async def test_stopping_answers_what_is_in_flight(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    async with a_notebook(tmp_path, database_url, redis_url) as book:
        slow = asyncio.create_task(book.http.get("/slow?seconds=0.5"))
        await book.shelf.begun.wait()
        book.server.stop()
        answer = await slow
        assert (answer.status_code, answer.json()) == (200, {"seconds": 0.5})
        shelf = book.shelf
    assert shelf.closed
    assert shelf.resources is not None
    assert shelf.resources.pool.closed
    assert not shelf.resources.tasks.status()


async def test_work_that_blocks_leaves_the_loop(book: Notebook) -> None:
    assert (await book.http.get("/blocking")).json() == {"answer": "DONE"}


async def test_the_document_describes_every_route_and_problem(book: Notebook) -> None:
    answer = await book.send("GET", "/openapi.json")
    document = answer.json()
    operations = [one for path in document["paths"].values() for one in path.values()]
    assert {"/notes", "/health", "/ready", "/metrics", "/csp-report"} <= set(document["paths"])
    assert all(PROBLEM_TYPE in one["responses"]["default"]["content"] for one in operations)
    problem = document["components"]["schemas"]["Problem"] | {"components": document["components"]}
    Draft202012Validator(problem).validate((await book.http.get("/fail/input")).json())
    assert "HTTPValidationError" not in json.dumps(document)


def _spec(*routers: APIRouter) -> ServiceSpec:
    return ServiceSpec("bad", "Bad", 1, routers)


def test_a_route_that_says_nothing_of_its_callers_keeps_the_service_from_being_made() -> None:
    bare = APIRouter()
    bare.add_api_route("/bare", lambda: None)
    twice = APIRouter()
    both = [public("a"), needs(Permission.VIEW)]
    twice.add_api_route("/twice", lambda: None, dependencies=both)
    raw = APIRouter(routes=[Route("/raw", lambda _request: None)])

    def never() -> Any:
        raise AssertionError

    for router, path in ((bare, "/bare"), (twice, "/twice"), (raw, "/raw")):
        with pytest.raises(ConfigError, match=path):
            make_app(_spec(router), never)


async def test_a_service_without_its_secrets_does_not_start(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    found = Databases(database_url, redis_url, embedded=True)
    spec = ServiceSpec("needy", "Needy", 1, secrets=("FIRST_KEY", "SECOND_KEY"))
    settings = settings_for(tmp_path)
    app = make_app(spec, lambda: service_resources(settings, found, "needy"))
    with pytest.raises(ConfigError, match=r"FIRST_KEY.*SECOND_KEY"):
        async with app.router.lifespan_context(app):
            pytest.fail("it started")
    warned = settings_for(tmp_path, SECRETS_VALIDATION_MODE="warn")
    app = make_app(spec, lambda: service_resources(warned, found, "needy"))
    async with app.router.lifespan_context(app):
        assert app.state.resources.settings is warned


async def test_without_origins_a_service_starts_in_development_alone(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    found = Databases(database_url, redis_url, embedded=True)
    settings = settings_for(tmp_path, ENVIRONMENT="staging")
    app = make_app(notebook(Shelf()), lambda: service_resources(settings, found, "notebook"))
    with pytest.raises(ConfigError, match="ALLOWED_ORIGINS"):
        async with app.router.lifespan_context(app):
            pytest.fail("it started")
