"""What users change about themselves, and how admins keep the register."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.services.logins import PASSWORD, Stage, auth_stage
from tradewright.adapters.memory import MemoryAuditLog
from tradewright.core.access import Role
from tradewright.core.errors import SafetyError
from tradewright.services.auth.app import rooms_of
from tradewright.services.auth.ground import Origin
from tradewright.services.auth.register import Change, Entry

OTHER = "marble-cactus-violin-harbor"


@pytest.fixture
async def stage(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    limits = {"RATE_LIMIT_LOGINS": "10000/minute"}
    async with auth_stage(database_url, redis_url, tmp_path, **limits) as running:
        yield running


async def admin_token(stage: Stage) -> str:
    await stage.add_user("root", Role.ADMIN)
    return str((await stage.login("root"))["access_token"])


async def status_of(stage: Stage, token: str) -> int:
    return (await stage.get("/me", token)).status_code


async def test_another_password_ends_every_other_login(stage: Stage) -> None:
    await stage.add_user()
    there, here = await stage.login(), await stage.login()
    token = here["access_token"]
    answer = await stage.post("/password", token, present=PASSWORD, following=OTHER)
    fresh = answer.json()
    assert fresh["status"] == "authenticated"
    assert await status_of(stage, there["access_token"]) == 401
    assert await status_of(stage, token) == 401
    assert await status_of(stage, fresh["access_token"]) == 200
    assert (await stage.post("/login", name="anna", password=PASSWORD)).status_code == 401
    assert (await stage.login(password=OTHER))["status"] == "authenticated"
    assert len(await stage.audited("password_changed")) == 1


async def test_the_present_password_is_asked_for_and_counted(stage: Stage) -> None:
    await stage.add_user()
    token = (await stage.login())["access_token"]
    statuses = [
        (await stage.post("/password", token, present="wrong", following=OTHER)).status_code
        for _ in range(6)
    ]
    assert statuses == [401] * 5 + [429]


@pytest.mark.parametrize("following", ["sh0rt!", "anna-anna-anna", "password123456", "a" * 300])
async def test_a_poor_password_is_refused_and_not_repeated(stage: Stage, following: str) -> None:
    await stage.add_user()
    token = (await stage.login())["access_token"]
    answer = await stage.post("/password", token, present=PASSWORD, following=following)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "password")
    assert following not in answer.text
    assert (await stage.login())["status"] == "authenticated"


async def test_an_authenticator_is_enrolled_and_taken_away(stage: Stage) -> None:
    await stage.add_user()
    token = (await stage.login())["access_token"]
    refused = await stage.post("/second-factor/enrol", token, password="wrong")
    assert refused.json()["code"] == "bad_credentials"
    begun = (await stage.post("/second-factor/enrol", token, password=PASSWORD)).json()
    uri = urlsplit(begun["otpauth_uri"])
    assert parse_qs(uri.query) == {"secret": [begun["secret"]], "issuer": ["tradewright"]}
    wrong = await stage.post("/second-factor/confirm", token, code="000000")
    assert (wrong.status_code, wrong.json()["code"]) == (401, "bad_code")
    code = stage.code(secret=begun["secret"])
    done = (await stage.post("/second-factor/confirm", token, code=code)).json()
    assert len(set(done["recovery_codes"])) == 10
    assert await status_of(stage, token) == 401
    token = done["login"]["access_token"]
    me = (await stage.get("/me", token)).json()
    assert (me["second_factor"], me["recovery_codes_left"]) == (True, 10)
    again = await stage.post("/second-factor/enrol", token, password=PASSWORD)
    assert again.status_code == 409
    # The code that confirmed does not open a login as well.
    asked = (await stage.post("/login", name="anna", password=PASSWORD)).json()
    used = await stage.post("/second-factor", challenge=asked["challenge"], code=code)
    assert used.json()["code"] == "bad_code"
    stage.advance(seconds=60)
    fresh = stage.code(secret=begun["secret"])
    gone = await stage.post("/second-factor/remove", token, password=PASSWORD, code=fresh)
    assert gone.status_code == 200, gone.text
    assert (await stage.post("/login", name="anna", password=PASSWORD)).json()["challenge"] is None


async def test_the_secret_lies_sealed_in_the_database(stage: Stage) -> None:
    await stage.add_user()
    token = (await stage.login())["access_token"]
    begun = (await stage.post("/second-factor/enrol", token, password=PASSWORD)).json()
    code = stage.code(secret=begun["secret"])
    done = (await stage.post("/second-factor/confirm", token, code=code)).json()
    async with stage.resources.pool.connection() as link:
        rows = await (await link.execute("SELECT * FROM users")).fetchall()
        audit = await (await link.execute("SELECT * FROM audit_log")).fetchall()
    written = f"{rows} {audit}"
    for secret in (begun["secret"], PASSWORD, *done["recovery_codes"]):
        assert secret not in written
        assert secret.replace("-", "") not in written


async def test_a_recovery_code_opens_once(stage: Stage) -> None:
    await stage.add_user()
    token = (await stage.login())["access_token"]
    begun = (await stage.post("/second-factor/enrol", token, password=PASSWORD)).json()
    code = stage.code(secret=begun["secret"])
    done = (await stage.post("/second-factor/confirm", token, code=code)).json()
    spoken = done["recovery_codes"][3].upper().replace("-", " ")
    answers = []
    for _ in range(2):
        asked = (await stage.post("/login", name="anna", password=PASSWORD)).json()
        answer = await stage.post("/second-factor", challenge=asked["challenge"], code=spoken)
        answers.append(answer.status_code)
    assert answers == [200, 401]
    (entry,) = await stage.audited("recovery_code_used")
    assert '"left":9' in entry["body"]


async def test_roles_that_trade_keep_their_second_factor(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    demanded: dict[str, Any] = {"AUTH_REQUIRE_SECOND_FACTOR": True}
    async with auth_stage(database_url, redis_url, tmp_path, **demanded) as stage:
        await stage.add_guarded()
        token = (await stage.login("olga"))["access_token"]
        stage.advance(seconds=60)
        kept = await stage.post(
            "/second-factor/remove", token, password=PASSWORD, code=stage.code()
        )
        assert (kept.status_code, kept.json()["code"]) == (403, "second_factor_required")


async def test_an_account_is_made_set_up_and_used(stage: Stage) -> None:
    token = await admin_token(stage)
    made = await stage.post(
        "/users", token, name="Ben", roles=["operator"], strategies=["pairs"], email="b@ex.org"
    )
    assert made.status_code == 201
    body = made.json()
    assert (body["user"]["name"], body["user"]["has_password"]) == ("ben", False)
    setup = body["setup_token"]
    poor = await stage.client.post(
        "/api/v1/auth/setup", json={"token": setup, "password": "ben-ben-ben-ben"}
    )
    assert poor.status_code == 422
    done = await stage.client.post(
        "/api/v1/auth/setup", json={"token": setup, "password": PASSWORD}
    )
    assert done.status_code == 204
    again = await stage.client.post("/api/v1/auth/setup", json={"token": setup, "password": OTHER})
    assert (again.status_code, again.json()["code"]) == (401, "bad_setup_token")
    me = (await stage.get("/me", (await stage.login("ben"))["access_token"])).json()
    assert (me["roles"], me["strategies"]) == (["operator"], ["pairs"])
    assert [user["name"] for user in (await stage.get("/users", token)).json()["users"]] == [
        "ben",
        "root",
    ]


async def test_a_setup_token_goes_stale(stage: Stage) -> None:
    token = await admin_token(stage)
    made = (await stage.post("/users", token, name="ben")).json()
    stage.advance(hours=24, seconds=1)
    late = await stage.client.post(
        "/api/v1/auth/setup", json={"token": made["setup_token"], "password": PASSWORD}
    )
    assert late.json()["code"] == "bad_setup_token"


@pytest.mark.parametrize(
    "change",
    [
        {"roles": ["viewer"]},
        {"strategies": ["trend"]},
        {"every_strategy": True},
        {"disabled": True},
        {"email": "ben@example.com"},
    ],
    ids=str,
)
async def test_a_change_acts_at_once(stage: Stage, change: dict[str, Any]) -> None:
    token = await admin_token(stage)
    ben = await stage.add_user("ben", Role.OPERATOR, strategies=frozenset({"pairs"}))
    login = await stage.login("ben")
    answer = await stage.ask("PATCH", f"/users/{ben.id}", token, **change)
    assert answer.status_code == 200
    assert await status_of(stage, login["access_token"]) == 401
    refreshed = await stage.post("/refresh", refresh_token=login["refresh_token"])
    assert refreshed.status_code == 401
    shown = answer.json()
    for name, value in change.items():
        assert (shown["strategies"] is None) if name == "every_strategy" else shown[name] == value


async def test_the_last_admin_stays(stage: Stage) -> None:
    token = await admin_token(stage)
    me = (await stage.get("/me", token)).json()["user_id"]
    for change in ({"disabled": True}, {"roles": ["viewer"]}):
        answer = await stage.ask("PATCH", f"/users/{me}", token, **change)
        assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")
    assert await status_of(stage, token) == 200


async def test_an_admin_unlocks_resets_and_ends_logins(stage: Stage) -> None:
    token = await admin_token(stage)
    olga = await stage.add_guarded()
    for _ in range(5):
        await stage.post("/login", name="olga", password="wrong-password")
    assert (await stage.post("/login", name="olga", password=PASSWORD)).status_code == 429
    shown = (await stage.get(f"/users/{olga.id}", token)).json()
    assert shown["failures"] == 5
    assert (await stage.post(f"/users/{olga.id}/unlock", token)).json()["failures"] == 0
    login = await stage.login("olga")
    listed = (await stage.get(f"/users/{olga.id}/sessions", token)).json()["sessions"]
    assert [one["session_id"] for one in listed] == [login["session_id"]]
    ended = await stage.ask("DELETE", f"/users/{olga.id}/sessions", token)
    assert ended.json() == {"revoked": 1}
    assert await status_of(stage, login["access_token"]) == 401
    reset = (await stage.post(f"/users/{olga.id}/reset", token, second_factor=True)).json()
    assert not reset["user"]["second_factor"]
    assert (await stage.post("/login", name="olga", password=PASSWORD)).status_code == 401
    body = {"token": reset["setup_token"], "password": OTHER}
    assert (await stage.client.post("/api/v1/auth/setup", json=body)).status_code == 204
    assert (await stage.login("olga", OTHER))["status"] == "authenticated"


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
async def test_only_admins_keep_the_register(stage: Stage, role: Role) -> None:
    user = await stage.add_user("ben", role)
    token = (await stage.login("ben"))["access_token"]
    for method, path in (
        ("GET", "/users"),
        ("POST", "/users"),
        ("GET", f"/users/{user.id}"),
        ("PATCH", f"/users/{user.id}"),
        ("POST", f"/users/{user.id}/unlock"),
        ("POST", f"/users/{user.id}/reset"),
        ("DELETE", f"/users/{user.id}/sessions"),
    ):
        answer = await stage.ask(method, path, token, roles=["admin"])
        assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")


async def test_what_is_not_there_or_cannot_be(stage: Stage) -> None:
    token = await admin_token(stage)
    assert (await stage.get("/users/nobody", token)).status_code == 404
    taken = await stage.post("/users", token, name="ROOT")
    assert (taken.status_code, taken.json()["code"]) == (409, "conflict")
    for body in ({"name": "a b"}, {"name": "ben", "email": "ben"}, {"name": "b", "roles": ["god"]}):
        assert (await stage.post("/users", token, **body)).status_code == 422
    assert len((await stage.get("/users", token)).json()["users"]) == 1


async def test_nothing_is_done_that_cannot_be_recorded(stage: Stage) -> None:
    user = await stage.add_user("root", Role.ADMIN)
    audit = MemoryAuditLog()
    rooms = rooms_of(replace(stage.resources, audit=audit))
    audit.broken = True
    for refused in (
        rooms.register.create(Entry("ben", frozenset()), "root"),
        rooms.register.change(user.id, Change(disabled=True), "root"),
        rooms.register.reset(user.id, "root"),
        rooms.desk.login("root", PASSWORD, Origin()),
    ):
        with pytest.raises(SafetyError):
            await refused
    assert [one.name for one in await stage.resources.users.all()] == ["root"]
    assert (await stage.login("root"))["status"] == "authenticated"
    assert len(await stage.resources.sessions.of_user(user.id)) == 1
