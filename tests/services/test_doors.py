"""Who gets through the doors, and what those who do not are told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI

from tests.services.doors import NOON, SECRETS, Behind, Caller
from tradewright.core.access import (
    EVERYTHING,
    PERMISSIONS,
    Permission,
    Principal,
    PrincipalKind,
    Role,
    UserContext,
    UserSession,
    user_principal,
)
from tradewright.core.errors import LimiterUnavailable, SafetyError
from tradewright.ops.metrics import REGISTRY
from tradewright.services.refusals import NOTES_PER_MINUTE
from tradewright.services.security import Door, doors_of, needs, public, trade_check
from tradewright.wire import signing

ANNA = user_principal("anna", [Role.OPERATOR], strategies=None, session="s-1")
BELA = user_principal("bela", [Role.VIEWER], strategies=frozenset(), session="s-2")
BODY = b'{"symbol":"IBM"}'


@pytest.fixture
def behind() -> Behind:
    made = Behind()
    made.tokens.principals |= {"anna-token": ANNA, "bela-token": BELA}
    made.tokens.refused |= {"old-token": "token_expired", "ended-token": "session_revoked"}
    made.certificates.principals |= {b"anna-der": ANNA, b"bela-der": BELA}
    made.certificates.refused |= {b"revoked-der": "certificate_revoked"}
    return made


@pytest.fixture
def caller(behind: Behind) -> Caller:
    return Caller(behind)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def cookie(token: str, **more: str) -> dict[str, str]:
    return {"Cookie": f"theme=dark; {signing.SESSION_COOKIE}={token}", **more}


def counter(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_an_open_route_asks_nobody(caller: Caller) -> None:
    assert (await caller.send("GET", "/open", headers={})).json() == {"who": "anybody"}
    assert (await caller.send("GET", "/open", headers=bearer("forged"))).status_code == 200


async def test_nothing_shown_is_401(caller: Caller) -> None:
    assert await caller.code("GET", "/view", headers={}) == (401, "not_authenticated")


async def test_a_signed_service_is_known(caller: Caller) -> None:
    told = (await caller.send("GET", "/view?a=1&b=%20x")).json()
    assert (told["id"], told["kind"], told["subject"]) == (
        "orchestrator",
        "service",
        "orchestrator",
    )
    assert "submit_orders" in told["may"]
    assert "release_kill_switch" not in told["may"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("content", [b"", BODY])
async def test_body_of_every_method_is_hashed(caller: Caller, method: str, content: bytes) -> None:
    assert (await caller.send(method, "/anything/x", content)).status_code == 200
    headers = caller.signed(method, "/anything/x", content)
    wrong = await caller.code(method, "/anything/x", content + b" ", headers)
    assert wrong == (401, "body_mismatch")


FORGERIES: dict[str, tuple[dict[str, str], str]] = {
    "another service's secret": ({"secret": SECRETS["INTERNAL_TOKEN_SECRET_SIGNAL"]}, ""),
    "another method": ({"method": "POST"}, ""),
    "another path": ({"path": "/open"}, ""),
    "another query": ({"query": "limit=1"}, ""),
    "no query": ({"query": ""}, ""),
    "an old time": ({"timestamp": str(int(NOON.timestamp()) - 31)}, "stale_signature"),
    "a time to come": ({"timestamp": str(int(NOON.timestamp()) + 31)}, "stale_signature"),
    "no time": ({"timestamp": "noon"}, "stale_signature"),
    "a time with a sign": ({"timestamp": f"+{int(NOON.timestamp())}"}, "stale_signature"),
    "a stranger": ({"service": "mallory"}, "unknown_service"),
    "a long nonce": ({"nonce": "n" * 129}, ""),
    "an empty nonce": ({"nonce": ""}, ""),
    "a nonce with a space": ({"nonce": "a b"}, ""),
}


@pytest.mark.parametrize("kind", FORGERIES)
async def test_forged_signature_is_401(caller: Caller, kind: str) -> None:
    changed, code = FORGERIES[kind]
    headers = caller.signed("GET", "/view?limit=2", **changed)
    told = await caller.code("GET", "/view?limit=2", headers=headers)
    assert told == (401, code or "bad_signature")


@pytest.mark.parametrize(
    "name", [n for n in signing.SIGNING_HEADERS if n != signing.USER_CONTEXT_HEADER]
)
async def test_each_header_of_the_signature_counts(caller: Caller, name: str) -> None:
    headers = caller.signed("GET", "/view")
    without = {key: value for key, value in headers.items() if key != name}
    assert await caller.code("GET", "/view", headers=without) == (401, "bad_signature")
    changed = headers | {name: headers[name][:-1] + ("0" if headers[name][-1] != "0" else "1")}
    assert (await caller.send("GET", "/view", headers=changed)).status_code == 401


async def test_times_within_the_tolerance_pass(caller: Caller) -> None:
    await caller.behind.nonces.begin(NOON - timedelta(minutes=1))
    for seconds in (-30, 30):
        at = str(int(NOON.timestamp()) + seconds)
        headers = caller.signed("GET", "/view", timestamp=at)
        assert (await caller.send("GET", "/view", headers=headers)).status_code == 200


async def test_after_the_memory_was_lost_only_what_is_signed_anew_passes(caller: Caller) -> None:
    shown = caller.signed("GET", "/view")
    assert (await caller.send("GET", "/view", headers=shown)).status_code == 200
    caller.behind.nonces.forget()
    caller.behind.clock.advance(timedelta(seconds=2))
    assert (await caller.send("GET", "/view")).status_code == 200
    assert (await caller.send("GET", "/view", headers=shown)).status_code == 503


async def test_a_replay_is_401_for_as_long_as_it_would_be_timely(caller: Caller) -> None:
    headers = caller.signed("GET", "/view", timestamp=str(int(NOON.timestamp()) + 30))
    assert (await caller.send("GET", "/view", headers=headers)).status_code == 200
    for seconds in (0, 30, 29):
        caller.behind.clock.advance(timedelta(seconds=seconds))
        assert await caller.code("GET", "/view", headers=headers) == (401, "replayed")
    caller.behind.clock.advance(timedelta(seconds=2))
    assert await caller.code("GET", "/view", headers=headers) == (401, "stale_signature")


async def test_a_replay_on_a_limited_route_is_401(caller: Caller) -> None:
    headers = caller.signed("POST", "/orders", BODY)
    assert (await caller.send("POST", "/orders", BODY, headers)).status_code == 200
    assert await caller.code("POST", "/orders", BODY, headers) == (401, "replayed")


async def test_query_header_is_not_believed(caller: Caller) -> None:
    headers = caller.signed("GET", "/view", query="limit=1") | {"X-Query": "limit=1"}
    assert await caller.code("GET", "/view?limit=2", headers=headers) == (401, "bad_signature")


async def test_a_header_that_is_there_twice_is_refused(caller: Caller) -> None:
    headers = [*caller.signed("GET", "/view").items(), (signing.SERVICE_HEADER, "cli")]
    answer = await caller.http.get("/view", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


async def test_two_secrets_are_good_while_rotating(caller: Caller) -> None:
    name, secrets = "INTERNAL_TOKEN_SECRET_ORCHESTRATOR", caller.behind.secrets.values
    old, new = secrets[name], "n" * 40

    async def status(secret: str) -> int:
        headers = caller.signed("GET", "/view", secret=secret)
        return (await caller.send("GET", "/view", headers=headers)).status_code

    secrets[name] = f"{new}, {old}"
    assert (await status(old), await status(new)) == (200, 200)
    secrets[name] = new
    assert (await status(old), await status(new)) == (401, 200)
    secrets[name + signing.PREVIOUS] = old
    assert (await status(old), await status(new)) == (200, 200)


@pytest.mark.parametrize("value", ["", "short", "a" * 40 + "," + "b" * 40 + "," + "c" * 40])
async def test_without_a_fit_secret_nobody_gets_in(caller: Caller, value: str) -> None:
    caller.behind.secrets.values["INTERNAL_TOKEN_SECRET_ORCHESTRATOR"] = value
    answer = await caller.send("GET", "/view", headers=caller.signed("GET", "/view"))
    assert answer.status_code == 503
    assert "a" * 40 not in answer.text


CONTEXT = UserContext("bela", frozenset({Role.OPERATOR}), frozenset({"momentum"}))


async def test_a_service_acts_for_the_user_whom_it_signs(behind: Behind) -> None:
    caller = Caller(behind, "console")
    headers = caller.signed("GET", "/view", context=CONTEXT)
    told = (await caller.send("GET", "/view", headers=headers)).json()
    assert (told["id"], told["subject"]) == ("console", "bela")
    assert told["may"] == sorted(PERMISSIONS[Role.OPERATOR])


@pytest.mark.parametrize("service", ["signal", "orchestrator", "console", "cli"])
async def test_no_service_does_more_for_a_user_than_both_may(behind: Behind, service: str) -> None:
    caller = Caller(behind, service)
    admin = UserContext("root", frozenset({Role.ADMIN}))
    headers = caller.signed("GET", "/view", context=admin)
    answer = await caller.send("GET", "/view", headers=headers)
    if service in {"signal", "cli"}:
        assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")
    else:
        assert set(answer.json()["may"]) <= {p.value for p in EVERYTHING}
        assert ("release_kill_switch" in answer.json()["may"]) == (service == "console")


async def test_unsigned_user_context_is_not_believed(behind: Behind) -> None:
    caller = Caller(behind, "console")
    headers = caller.signed("POST", "/orders", BODY)
    headers[signing.USER_CONTEXT_HEADER] = signing.write_user_context(CONTEXT)
    assert await caller.code("POST", "/orders", BODY, headers) == (401, "bad_signature")
    swapped = caller.signed("POST", "/orders", BODY, context=CONTEXT)
    swapped[signing.USER_CONTEXT_HEADER] = signing.write_user_context(
        UserContext("anna", frozenset({Role.ADMIN}))
    )
    assert await caller.code("POST", "/orders", BODY, swapped) == (401, "bad_signature")


@pytest.mark.parametrize(
    "text",
    [
        "anna",
        "[]",
        "{}",
        '{"user":"a","roles":["king"],"strategies":null}',
        '{"user":"","roles":[],"strategies":null}',
        '{"user":"a","roles":"admin","strategies":null}',
        '{"user":"a","roles":[],"strategies":[1]}',
        '{"user":"a","roles":[],"strategies":null,"more":1}',
        '{"user":["a"],"roles":[],"strategies":null}',
    ],
)
async def test_malformed_user_context_is_401(behind: Behind, text: str) -> None:
    caller = Caller(behind, "console")
    headers = caller.signed("GET", "/view", context=text)
    assert await caller.code("GET", "/view", headers=headers) == (401, "bad_user_context")


async def test_bearer_tokens(caller: Caller) -> None:
    told = (await caller.send("GET", "/view", headers=bearer("anna-token"))).json()
    assert (told["kind"], told["subject"]) == ("user", "anna")
    for token, code in (
        ("forged", "not_authenticated"),
        ("old-token", "token_expired"),
        ("ended-token", "session_revoked"),
    ):
        assert await caller.code("GET", "/view", headers=bearer(token)) == (401, code)
    for text in ("Bearer ", "Basic YTpi", "anna-token"):
        told = await caller.code("GET", "/view", headers={"Authorization": text})
        assert told == (401, "not_authenticated")


async def test_a_role_that_may_not_is_403(caller: Caller) -> None:
    told = await caller.code("POST", "/orders", BODY, bearer("bela-token"))
    assert told == (403, "not_permitted")


def session(of: Principal, csrf: str = "csrf-1") -> UserSession:
    return UserSession(
        id=of.session or "",
        user=of.id,
        roles=of.roles,
        strategies=None,
        started=NOON,
        expires=NOON + timedelta(hours=1),
        csrf=csrf,
    )


async def test_a_cookie_reads_and_writes_with_its_csrf_token(caller: Caller) -> None:
    await caller.behind.sessions.put(session(ANNA))
    assert (await caller.send("GET", "/view", headers=cookie("anna-token"))).status_code == 200
    right = cookie("anna-token", **{signing.CSRF_HEADER: "csrf-1"})
    assert (await caller.send("POST", "/orders", BODY, right)).status_code == 200


@pytest.mark.parametrize("token", ["", "csrf-2", "csrf-1x", None])
async def test_a_cookie_alone_does_not_write(caller: Caller, token: str | None) -> None:
    await caller.behind.sessions.put(session(ANNA))
    headers = cookie("anna-token", **({} if token is None else {signing.CSRF_HEADER: token}))
    assert await caller.code("POST", "/orders", BODY, headers) == (403, "csrf_failed")


async def test_an_empty_csrf_token_never_matches(caller: Caller) -> None:
    await caller.behind.sessions.put(session(ANNA, csrf=""))
    headers = cookie("anna-token", **{signing.CSRF_HEADER: ""})
    assert await caller.code("POST", "/orders", BODY, headers) == (403, "csrf_failed")


async def test_a_cookie_of_an_ended_session_does_not_write(caller: Caller) -> None:
    headers = cookie("anna-token", **{signing.CSRF_HEADER: "csrf-1"})
    assert await caller.code("POST", "/orders", BODY, headers) == (401, "session_revoked")


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_another_site_does_not_write_by_cookie_or_certificate(
    caller: Caller, site: str
) -> None:
    await caller.behind.sessions.put(session(ANNA))
    told = cookie("anna-token", **{signing.CSRF_HEADER: "csrf-1", "Sec-Fetch-Site": site})
    assert await caller.code("POST", "/orders", BODY, told) == (403, "csrf_failed")
    by_certificate = await with_certificate(caller, b"anna-der", "POST", **{"sec-fetch-site": site})
    assert by_certificate == 403


async def with_certificate(caller: Caller, der: bytes, method: str = "GET", **headers: str) -> int:
    """The status of a request over TLS with a client certificate."""
    sent: list[Any] = []
    body = BODY if method == "POST" else b""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": "/orders" if body else "/view",
        "raw_path": b"/orders" if body else b"/view",
        "query_string": b"",
        "scheme": "https",
        "headers": [(b"content-type", b"application/json")]
        + [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("203.0.113.7", 5),
        "server": ("here", 443),
        "extensions": {"tls": {"client_certificate": der}},
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await caller.app(scope, receive, send)
    status: int = sent[0]["status"]
    return status


async def test_client_certificates(caller: Caller) -> None:
    assert await with_certificate(caller, b"anna-der") == 200
    assert await with_certificate(caller, b"anna-der", "POST") == 200
    assert await with_certificate(caller, b"bela-der", "POST") == 403
    assert await with_certificate(caller, b"revoked-der") == 401
    assert await with_certificate(caller, b"stranger") == 401


async def test_two_that_disagree_are_refused(caller: Caller) -> None:
    both = bearer("anna-token") | cookie("bela-token")
    assert await caller.code("GET", "/view", headers=both) == (401, "not_authenticated")
    signed = caller.signed("GET", "/view") | bearer("anna-token")
    assert await caller.code("GET", "/view", headers=signed) == (401, "not_authenticated")
    assert await with_certificate(caller, b"anna-der", authorization="Bearer bela-token") == 401
    assert await with_certificate(caller, b"anna-der", authorization="Bearer anna-token") == 200


async def test_a_bad_one_is_not_made_good_by_another(caller: Caller) -> None:
    both = bearer("anna-token") | cookie("forged")
    assert await caller.code("GET", "/view", headers=both) == (401, "not_authenticated")
    assert await with_certificate(caller, b"revoked-der", authorization="Bearer anna-token") == 401


@pytest.mark.parametrize("content", [b"{", b'{"symbol":1}', b"[]", b""])
async def test_a_stranger_learns_nothing_of_a_body(caller: Caller, content: bytes) -> None:
    assert await caller.code("POST", "/orders", content, {}) == (401, "not_authenticated")
    signed = await caller.send("POST", "/orders", content)
    assert signed.status_code == 422


async def test_refusals_are_counted_and_audited(caller: Caller) -> None:
    before = counter("authentication_failures_total", code="token_expired")
    lacking = counter("permission_failures_total", permission="submit_orders")
    await caller.send("GET", "/view", headers=bearer("old-token"))
    await caller.send("POST", "/orders", BODY, bearer("bela-token"))
    assert counter("authentication_failures_total", code="token_expired") == before + 1
    assert counter("permission_failures_total", permission="submit_orders") == lacking + 1
    first, second = caller.behind.audit.entries
    assert (first.kind, first.actor, first.body["code"]) == (
        "access_refused",
        "unknown",
        "token_expired",
    )
    assert (second.actor, second.body["route"]) == ("bela", "/orders")
    assert second.body["address"] == "203.0.113.7"


async def test_a_flood_of_refusals_is_no_flood_of_entries(caller: Caller) -> None:
    for _ in range(NOTES_PER_MINUTE + 15):
        await caller.send("GET", "/view", headers=bearer("forged"))
    assert len(caller.behind.audit.entries) == NOTES_PER_MINUTE
    caller.behind.clock.advance(timedelta(minutes=1))
    await caller.send("GET", "/view", headers=bearer("forged"))
    assert caller.behind.audit.entries[-1].body["left_out"] == 15


async def test_refusals_hold_while_the_audit_log_is_broken(caller: Caller) -> None:
    caller.behind.audit.broken = True
    assert await caller.code("GET", "/view", headers={}) == (401, "not_authenticated")


class Gone:
    """A store that is not there."""

    async def seen(self, *_: object) -> bool:
        raise SafetyError("nonces cannot be known")

    async def take(self, *_: object) -> Any:
        raise LimiterUnavailable("quotas cannot be known")


@pytest.fixture
def gone(behind: Behind) -> Caller:
    behind.nonces = behind.limiter = Gone()
    return Caller(behind)


async def test_without_the_store_what_adds_risk_is_refused(gone: Caller) -> None:
    assert (await gone.send("GET", "/view")).status_code == 503
    assert await gone.code("POST", "/orders", BODY) == (503, "LimiterUnavailable")
    assert await gone.code("POST", "/signals") == (503, "LimiterUnavailable")


async def test_without_the_store_risk_can_still_be_taken_away(behind: Behind) -> None:
    behind.nonces = behind.limiter = Gone()
    cli = Caller(behind, "cli")
    passed = counter("rate_limiter_unavailable_total", limit="flatten", outcome="passed")
    headers = cli.signed("POST", "/flatten")
    assert (await cli.send("POST", "/flatten", headers=headers)).status_code == 200
    assert await cli.code("POST", "/flatten", headers=headers) == (401, "replayed")
    assert (await cli.send("POST", "/cancel")).status_code == 200
    assert (
        counter("rate_limiter_unavailable_total", limit="flatten", outcome="passed") == passed + 2
    )


async def test_door_stands_on_routes_of_another_class_too() -> None:
    caller = Caller(Behind())
    plain = APIRouter()

    @plain.get("/plain", dependencies=[needs(Permission.VIEW)])
    async def route() -> dict[str, bool]:
        return {"in": True}

    caller.app.include_router(plain)
    assert (await caller.send("GET", "/plain", headers={})).status_code == 401
    headers = caller.signed("GET", "/plain")
    assert (await caller.send("GET", "/plain", headers=headers)).status_code == 200
    assert await caller.code("GET", "/plain", headers=headers) == (401, "replayed")


async def test_an_exempt_connection_needs_nothing() -> None:
    caller = Caller(Behind())
    near = needs(Permission.VIEW_METRICS, exempt=lambda c: c.headers.get("x-near") == "yes")

    @caller.app.get("/numbers", dependencies=[near])
    async def numbers() -> dict[str, int]:
        return {"n": 1}

    assert (await caller.send("GET", "/numbers", headers={})).status_code == 401
    assert (await caller.send("GET", "/numbers", headers={"X-Near": "yes"})).status_code == 200


def test_marks_are_found_on_routes() -> None:
    app = FastAPI()

    @app.get("/a", dependencies=[needs(Permission.VIEW)])
    async def first() -> None:
        """Nothing."""

    @app.get("/b", dependencies=[public("why not")])
    async def second() -> None:
        """Nothing."""

    @app.get("/c")
    async def third() -> None:
        """Nothing."""

    found = {
        getattr(route, "path", ""): doors_of(getattr(route, "dependencies", []))
        for route in app.routes
    }
    assert found["/a"] == [Door(Permission.VIEW)]
    assert found["/b"] == [Door(None, "why not")]
    assert found["/c"] == []


def test_a_principal_trades_its_own_strategies() -> None:
    few = Principal(PrincipalKind.USER, "anna", strategies=frozenset({"momentum"}))
    trade_check(few, "momentum")
    trade_check(Principal(PrincipalKind.USER, "anna", strategies=None), "anything")
    with pytest.raises(Exception, match="may not trade the strategy 'pairs'") as refused:
        trade_check(few, "pairs")
    assert getattr(refused.value, "code", "") == "strategy_not_permitted"


async def test_an_order_for_a_strategy_of_others_is_403(caller: Caller) -> None:
    caller.behind.tokens.principals["carl-token"] = user_principal(
        "carl", [Role.OPERATOR], strategies=frozenset({"momentum"}), session="s-3"
    )
    shown = {**bearer("carl-token"), "Content-Type": "application/json"}
    ours, others = (b'{"symbol":"IBM","strategy_id":"%s"}' % one for one in (b"momentum", b"pairs"))
    assert (await caller.send("POST", "/orders", ours, headers=shown)).status_code == 200
    told = await caller.code("POST", "/orders", others, headers=shown)
    assert told == (403, "strategy_not_permitted")
    every = await caller.send(
        "POST",
        "/orders",
        others,
        headers={**bearer("anna-token"), "Content-Type": "application/json"},
    )
    assert every.status_code == 200
    entries = caller.behind.audit.entries
    assert [entry.body["code"] for entry in entries] == ["strategy_not_permitted"]


@pytest.mark.parametrize("token", ["carl-token", "anna-token"])
async def test_a_strategy_cannot_be_hidden_behind_another(caller: Caller, token: str) -> None:
    caller.behind.tokens.principals["carl-token"] = user_principal(
        "carl", [Role.OPERATOR], strategies=frozenset({"momentum"}), session="s-3"
    )
    shown = {**bearer(token), "Content-Type": "application/json"}
    body = b'{"symbol":"IBM","strategy_id":"pairs"}'
    for query in ("strategy_id=momentum", "strategy_id=pairs&strategy_id=momentum"):
        told = await caller.code("POST", f"/orders?{query}", body, headers=shown)
        assert told == (422, "invalid_input")
