"""Logging in: passwords, lockout, the second factor and what each tells a stranger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.services.logins import NOON, PASSWORD, Stage, auth_stage
from tradewright.core.access import Role
from tradewright.core.access.accounts import LOCK_DELAYS

FREE = sum(not delay for delay in LOCK_DELAYS)


@pytest.fixture
async def stage(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    limits = {"RATE_LIMIT_LOGINS": "10000/minute"}
    async with auth_stage(database_url, redis_url, tmp_path, **limits) as running:
        yield running


async def test_a_password_lets_in_and_the_token_speaks_for_the_user(stage: Stage) -> None:
    user = await stage.add_user(
        "anna", Role.RESEARCHER, email="anna@example.com", strategies=frozenset({"pairs"})
    )
    login = await stage.login()
    assert login["status"] == "authenticated"
    assert (login["token_type"], login["expires_in"]) == ("Bearer", 600)
    me = (await stage.get("/me", login["access_token"])).json()
    assert (me["user_id"], me["name"], me["roles"]) == (user.id, "anna", ["researcher"])
    assert me["strategies"] == ["pairs"]
    assert "generate_signals" in me["permissions"]
    assert "submit_orders" not in me["permissions"]
    assert me["session_id"] == login["session_id"]
    (entry,) = await stage.audited("login")
    assert entry["actor"] == "anna"


@pytest.mark.parametrize("name", ["ANNA", " anna ", "anna@example.com", "Anna@Example.com"])
async def test_a_name_or_an_address_in_any_case(stage: Stage, name: str) -> None:
    await stage.add_user(email="anna@example.com")
    assert (await stage.login(name))["status"] == "authenticated"


async def test_refusals_say_the_same_of_everybody(stage: Stage) -> None:
    await stage.add_user("anna")
    await stage.add_user("dora", disabled=True)
    await stage.add_user("eve", password=None)
    answers = [
        await stage.post("/login", name=name, password=password)
        for name, password in (
            ("anna", "wrong-password"),
            ("dora", PASSWORD),
            ("eve", PASSWORD),
            ("nobody", PASSWORD),
        )
    ]
    bodies = [{**answer.json(), "trace_id": ""} for answer in answers]
    assert {answer.status_code for answer in answers} == {401}
    assert all(body == bodies[0] for body in bodies)
    assert bodies[0]["code"] == "bad_credentials"
    assert len(await stage.audited("login_failed")) == 4


@pytest.mark.parametrize("name", ["anna", "nobody"])
async def test_attempts_lock_somebody_and_nobody_alike(stage: Stage, name: str) -> None:
    await stage.add_user("anna")
    waits = []
    for delay in LOCK_DELAYS[: FREE + 2]:
        answer = await stage.post("/login", name=name, password="wrong-password")
        assert answer.status_code == 401
        if delay:
            answer = await stage.post("/login", name=name, password="wrong-password")
            assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
            waits.append(int(answer.headers["Retry-After"]))
        stage.clock.advance(delay)
    assert waits == [30, 60]


async def test_a_locked_account_refuses_the_right_password_too(stage: Stage) -> None:
    await stage.add_user()
    for _ in range(FREE + 1):
        await stage.post("/login", name="anna", password="wrong-password")
    assert (await stage.post("/login", name="anna", password=PASSWORD)).status_code == 429
    stage.advance(seconds=30)
    assert (await stage.login())["status"] == "authenticated"
    # A login forgets what failed before.
    for _ in range(FREE):
        await stage.post("/login", name="anna", password="wrong-password")
    assert (await stage.login())["status"] == "authenticated"


async def test_many_guesses_at_once_are_no_way_around_the_lock(stage: Stage) -> None:
    await stage.add_user()
    answers = await asyncio.gather(
        *(stage.post("/login", name="anna", password=f"wrong-{n}") for n in range(15))
    )
    codes = [answer.status_code for answer in answers]
    assert codes.count(401) == FREE + 1
    assert codes.count(429) == 15 - FREE - 1


async def test_the_second_factor_is_asked_for_and_used_once(stage: Stage) -> None:
    await stage.add_guarded()
    answer = (await stage.post("/login", name="olga", password=PASSWORD)).json()
    assert answer["status"] == "second_factor_required"
    assert answer["access_token"] is None
    code = stage.code()
    done = await stage.post("/second-factor", challenge=answer["challenge"], code=code)
    assert done.json()["status"] == "authenticated"
    again = await stage.post("/second-factor", challenge=answer["challenge"], code=code)
    assert (again.status_code, again.json()["code"]) == (401, "challenge_expired")
    # The same code does not open another login either.
    answer = (await stage.post("/login", name="olga", password=PASSWORD)).json()
    replayed = await stage.post("/second-factor", challenge=answer["challenge"], code=code)
    assert (replayed.status_code, replayed.json()["code"]) == (401, "bad_code")


async def test_one_code_for_two_challenges_at_once_opens_one(stage: Stage) -> None:
    await stage.add_guarded()
    asked = [(await stage.post("/login", name="olga", password=PASSWORD)).json() for _ in range(2)]
    answers = await asyncio.gather(
        *(
            stage.post("/second-factor", challenge=one["challenge"], code=stage.code())
            for one in asked
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 401]


@pytest.mark.parametrize(("steps", "status"), [(-2, 401), (-1, 200), (0, 200), (1, 200), (2, 401)])
async def test_a_clock_may_be_half_a_minute_off(stage: Stage, steps: int, status: int) -> None:
    await stage.add_guarded()
    asked = (await stage.post("/login", name="olga", password=PASSWORD)).json()
    answer = await stage.post(
        "/second-factor", challenge=asked["challenge"], code=stage.code(steps)
    )
    assert answer.status_code == status


async def test_a_challenge_ends_with_time_and_with_guesses(stage: Stage) -> None:
    await stage.add_guarded()
    asked = (await stage.post("/login", name="olga", password=PASSWORD)).json()
    stage.advance(minutes=5, seconds=1)
    late = await stage.post("/second-factor", challenge=asked["challenge"], code=stage.code())
    assert late.json()["code"] == "challenge_expired"
    asked = (await stage.post("/login", name="olga", password=PASSWORD)).json()
    codes = []
    for _ in range(7):
        wrong = await stage.post("/second-factor", challenge=asked["challenge"], code="000000")
        codes.append(wrong.json()["code"])
        stage.advance(seconds=31)
    assert set(codes) <= {"bad_code", "rate_limited", "challenge_expired"}
    assert codes[-1] == "challenge_expired"
    assert codes.count("bad_code") <= 5


async def test_wrong_codes_count_towards_the_lock_of_the_account(stage: Stage) -> None:
    await stage.add_guarded()
    statuses = []
    for _ in range(4):
        answer = await stage.post("/login", name="olga", password=PASSWORD)
        statuses.append(answer.status_code)
        if answer.status_code == 200:
            challenge = answer.json()["challenge"]
            wrong = await stage.post("/second-factor", challenge=challenge, code="000000")
            statuses.append(wrong.status_code)
    assert statuses[-1] == 429


async def test_a_role_that_trades_is_worth_nothing_without_a_second_factor(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    demanded: dict[str, Any] = {"AUTH_REQUIRE_SECOND_FACTOR": True}
    async with auth_stage(database_url, redis_url, tmp_path, **demanded) as stage:
        await stage.add_user("olga", Role.OPERATOR)
        await stage.add_user("vera", Role.VIEWER)
        assert not (await stage.login("vera"))["must_enrol"]
        login = await stage.login("olga")
        assert login["must_enrol"]
        me = (await stage.get("/me", login["access_token"])).json()
        assert (me["roles"], me["permissions"]) == ([], ["manage_own_session"])
        token = login["access_token"]
        begun = (await stage.post("/second-factor/enrol", token, password=PASSWORD)).json()
        code = stage.code(secret=begun["secret"])
        done = (await stage.post("/second-factor/confirm", token, code=code)).json()
        assert not done["login"]["must_enrol"]
        me = (await stage.get("/me", done["login"]["access_token"])).json()
        assert me["roles"] == ["operator"]


async def test_an_address_that_tries_too_often_waits(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    few = {"RATE_LIMIT_LOGINS": "3/minute"}
    async with auth_stage(database_url, redis_url, tmp_path, **few) as stage:
        answers = [await stage.post("/login", name=f"n{n}", password="x") for n in range(4)]
        assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
        assert int(answers[-1].headers["Retry-After"]) > 0


async def test_a_name_is_not_written_down_when_it_is_nobodys(stage: Stage) -> None:
    await stage.post("/login", name=PASSWORD, password="anna")
    (entry,) = await stage.audited("login_failed")
    assert PASSWORD not in str(entry)
    assert entry["actor"] == "unknown"
    assert entry["at"].year == NOON.year


@pytest.mark.parametrize("text", ["\0", "a\0b", "é" * 80, "'; --", "\u202e", "a@\0"])
async def test_strange_texts_are_nobodys(stage: Stage, text: str) -> None:
    assert (await stage.post("/login", name=text, password=text)).status_code == 401
    assert (await stage.post("/second-factor", challenge=text, code="123456")).status_code == 401
    assert (await stage.post("/refresh", refresh_token=text)).status_code == 401
    body = {"token": f"{text}.{text}", "password": PASSWORD}
    assert (await stage.client.post("/api/v1/auth/setup", json=body)).status_code == 401
