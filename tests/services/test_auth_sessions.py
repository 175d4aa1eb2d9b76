"""Tokens and sessions: expiry, rotation, reuse, revocation, forgeries, and Redis gone."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey

from tests.services.logins import PASSWORD, SIGNING_KEY, Relay, Stage, auth_stage
from tradewright.adapters.tokens import new_signing_key, public_key
from tradewright.core.access import Role
from tradewright.wire.signing import CSRF_HEADER

KEY = OKPKey.import_key(SIGNING_KEY)


@pytest.fixture
async def stage(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with auth_stage(database_url, redis_url, tmp_path) as running:
        yield running


async def code_of(stage: Stage, token: str) -> tuple[int, str]:
    answer = await stage.get("/me", token)
    return answer.status_code, answer.json().get("code", "")


async def test_an_access_token_expires_and_is_refreshed(stage: Stage) -> None:
    await stage.add_user()
    first = await stage.login()
    stage.advance(seconds=604)
    assert await code_of(stage, first["access_token"]) == (200, "")
    stage.advance(seconds=2)
    assert await code_of(stage, first["access_token"]) == (401, "token_expired")
    second = (await stage.post("/refresh", refresh_token=first["refresh_token"])).json()
    assert second["session_id"] == first["session_id"]
    assert second["refresh_token"] != first["refresh_token"]
    assert await code_of(stage, second["access_token"]) == (200, "")


async def test_a_refresh_token_that_comes_back_ends_the_session(stage: Stage) -> None:
    await stage.add_user()
    first = await stage.login()
    second = (await stage.post("/refresh", refresh_token=first["refresh_token"])).json()
    stolen = await stage.post("/refresh", refresh_token=first["refresh_token"])
    assert (stolen.status_code, stolen.json()["code"]) == (401, "token_reused")
    assert await code_of(stage, second["access_token"]) == (401, "session_revoked")
    last = await stage.post("/refresh", refresh_token=second["refresh_token"])
    assert (last.status_code, last.json()["code"]) == (401, "session_revoked")
    assert len(await stage.audited("refresh_token_reused")) == 1


@pytest.mark.parametrize("token", ["x", "x.y", ".", "é.é", "a" * 500])
async def test_what_is_no_refresh_token_is_refused(stage: Stage, token: str) -> None:
    answer = await stage.post("/refresh", refresh_token=token)
    assert (answer.status_code, answer.json()["code"]) == (401, "session_revoked")


async def test_a_login_that_rests_ends(stage: Stage) -> None:
    await stage.add_user()
    login = await stage.login()
    stage.advance(minutes=30, seconds=1)
    answer = await stage.post("/refresh", refresh_token=login["refresh_token"])
    assert answer.json()["code"] == "session_revoked"


async def test_a_login_ends_after_its_longest_time_however_busy(stage: Stage) -> None:
    await stage.add_user()
    login = await stage.login()
    for _ in range(12 * 60 // 29):
        stage.advance(minutes=29)
        answer = await stage.post("/refresh", refresh_token=login["refresh_token"])
        assert answer.status_code == 200
        login = answer.json()
    assert login["session_expires_at"].startswith("2026-03-05T00:00:07")
    stage.advance(minutes=29)
    answer = await stage.post("/refresh", refresh_token=login["refresh_token"])
    assert answer.status_code == 401


async def test_a_logout_acts_at_once(stage: Stage) -> None:
    await stage.add_user()
    login = await stage.login()
    assert (await stage.post("/logout", login["access_token"])).status_code == 204
    assert await code_of(stage, login["access_token"]) == (401, "session_revoked")
    assert len(await stage.audited("logout")) == 1


async def test_logins_are_listed_and_ended(stage: Stage) -> None:
    await stage.add_user()
    await stage.add_user("ben")
    mine = [await stage.login() for _ in range(3)]
    other = await stage.login("ben")
    token = mine[0]["access_token"]
    listed = (await stage.get("/sessions", token)).json()["sessions"]
    assert {one["session_id"] for one in listed} == {one["session_id"] for one in mine}
    assert [one["session_id"] for one in listed if one["present"]] == [mine[0]["session_id"]]
    assert all(one["address"] == "127.0.0.1" and one["agent"] for one in listed)
    theirs = await stage.ask("DELETE", f"/sessions/{other['session_id']}", token)
    assert theirs.status_code == 404
    assert await code_of(stage, other["access_token"]) == (200, "")
    one = await stage.ask("DELETE", f"/sessions/{mine[1]['session_id']}", token)
    assert one.status_code == 204
    assert await code_of(stage, mine[1]["access_token"]) == (401, "session_revoked")
    every = await stage.ask("DELETE", "/sessions", token)
    assert every.json() == {"revoked": 2}
    assert await code_of(stage, token) == (401, "session_revoked")
    assert await code_of(stage, other["access_token"]) == (200, "")


async def test_the_oldest_login_gives_way(stage: Stage) -> None:
    user = await stage.add_user()
    first = await stage.login()
    held = await stage.resources.sessions.get(first["session_id"])
    assert held is not None
    for n in range(20):
        await stage.resources.sessions.put(replace(held, id=f"{n:064x}", user=user.id))
    stage.advance(seconds=1)
    latest = await stage.login()
    live = await stage.resources.sessions.of_user(user.id)
    assert len(live) == 20
    assert live[-1].id == latest["session_id"]


def forged(**header: Any) -> Callable[[dict[str, Any]], str]:
    def make(claims: dict[str, Any]) -> str:
        parts = [json.dumps(part).encode() for part in ({"typ": "at+jwt"} | header, claims)]
        first, second = (base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
        return f"{first}.{second}."

    return make


def signed(key: Any, alg: str, **header: Any) -> Callable[[dict[str, Any]], str]:
    def make(claims: dict[str, Any]) -> str:
        named = {"alg": alg, "typ": "at+jwt", "kid": KEY.thumbprint()} | header
        return jwt.encode(named, claims, key, algorithms=[alg])

    return make


def changed(**claims: Any) -> Callable[[dict[str, Any]], str]:
    return lambda given: signed(KEY, "Ed25519")({**given, **claims})


PUBLIC = OctKey.import_key(json.dumps(public_key(SIGNING_KEY)["x"]).encode() * 2)
OTHER = OKPKey.import_key(new_signing_key())


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (forged(alg="none"), "not_authenticated"),
        (forged(alg="Ed25519", kid=KEY.thumbprint()), "bad_signature"),
        (signed(PUBLIC, "HS256"), "not_authenticated"),
        (signed(OTHER, "Ed25519"), "bad_signature"),
        (signed(OTHER, "Ed25519", kid=OTHER.thumbprint()), "bad_signature"),
        (signed(KEY, "Ed25519", typ="JWT"), "not_authenticated"),
        (changed(aud="elsewhere"), "not_authenticated"),
        (changed(iss="elsewhere"), "not_authenticated"),
        (changed(roles=["emperor"]), "not_authenticated"),
        (changed(roles=7), "not_authenticated"),
        (changed(nbf=4_000_000_000), "not_authenticated"),
        (changed(exp="soon"), "not_authenticated"),
        (changed(exp=1), "token_expired"),
        (changed(sid="0" * 64), "session_revoked"),
        (lambda given: signed(KEY, "Ed25519")({k: v for k, v in given.items() if k != "exp"}),
         "not_authenticated"),
        (lambda _given: "no.token.atall", "not_authenticated"),
        (lambda _given: "a" * 5000, "not_authenticated"),
    ],
)  # fmt: skip
async def test_forgeries_are_refused(
    stage: Stage, make: Callable[[dict[str, Any]], str], code: str
) -> None:
    await stage.add_user()
    login = await stage.login()
    claims = jwt.decode(login["access_token"], KEY, algorithms=["Ed25519"]).claims
    good = signed(KEY, "Ed25519")(claims)
    assert await code_of(stage, good) == (200, "")
    assert await code_of(stage, make(claims)) == (401, code)


async def test_keys_rotate_without_a_restart(stage: Stage) -> None:
    await stage.add_user()
    before = await stage.login()
    old = public_key(SIGNING_KEY)
    stage.secrets.values["JWT_VERIFICATION_KEYS"] = json.dumps({"keys": [old]})
    stage.secrets.values["JWT_SIGNING_KEY"] = following = new_signing_key()
    assert await code_of(stage, before["access_token"]) == (200, "")
    after = await stage.login()
    assert await code_of(stage, after["access_token"]) == (200, "")
    keys = (await stage.client.get("/.well-known/jwks.json")).json()["keys"]
    assert keys == [public_key(following), old]
    del stage.secrets.values["JWT_VERIFICATION_KEYS"]
    assert await code_of(stage, before["access_token"]) == (401, "bad_signature")
    assert await code_of(stage, after["access_token"]) == (200, "")


async def test_without_keys_nobody_is_let_in(stage: Stage) -> None:
    await stage.add_user()
    login = await stage.login()
    for broken in ("no key", ""):
        stage.secrets.values["JWT_SIGNING_KEY"] = broken
        assert await code_of(stage, login["access_token"]) == (503, "state_unknown")


async def test_browsers_get_cookies_and_no_token(stage: Stage) -> None:
    await stage.add_user()
    answer = await stage.post("/login", name="anna", password=PASSWORD, cookies=True)
    login = answer.json()
    assert (login["access_token"], login["refresh_token"]) == (None, None)
    set_cookies = answer.headers.get_list("set-cookie")
    assert len(set_cookies) == 3
    for cookie in set_cookies:
        assert "SameSite=strict" in cookie
        assert ("HttpOnly" in cookie) == (not cookie.startswith("tradewright_csrf"))
    assert (await stage.client.get("/api/v1/auth/me")).status_code == 200
    refused = await stage.client.post("/api/v1/auth/logout")
    assert (refused.status_code, refused.json()["code"]) == (403, "csrf_failed")
    refused = await stage.client.post("/api/v1/auth/refresh", json={})
    assert (refused.status_code, refused.json()["code"]) == (403, "csrf_failed")
    csrf = {CSRF_HEADER: login["csrf_token"]}
    stage.advance(minutes=11)
    assert (await stage.client.get("/api/v1/auth/me")).json()["code"] == "token_expired"
    refreshed = await stage.client.post("/api/v1/auth/refresh", json={}, headers=csrf)
    assert refreshed.status_code == 200
    assert (await stage.client.get("/api/v1/auth/me")).status_code == 200
    gone = await stage.client.post("/api/v1/auth/logout", headers=csrf)
    assert gone.status_code == 204
    assert not stage.client.cookies


async def test_over_tls_cookies_are_bound_to_it(stage: Stage) -> None:
    await stage.add_user()
    stage.client.base_url = "https://testserver"
    answer = await stage.post("/login", name="anna", password=PASSWORD, cookies=True)
    names = {cookie.partition("=")[0] for cookie in answer.headers.get_list("set-cookie")}
    assert names == {
        "__Host-tradewright_session",
        "__Host-tradewright_csrf",
        "__Secure-tradewright_refresh",
    }
    assert all("Secure" in cookie for cookie in answer.headers.get_list("set-cookie"))
    assert (await stage.client.get("/api/v1/auth/me")).status_code == 200
    token = stage.client.cookies["__Host-tradewright_session"]
    stage.client.cookies.clear()
    planted = {"Cookie": f"tradewright_session={token}"}
    answer = await stage.client.get("/api/v1/auth/me", headers=planted)
    assert answer.status_code == 401


async def test_without_redis_nobody_is_let_in(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    relay = Relay(tmp_path, redis_url)
    await relay.open()
    async with auth_stage(database_url, relay.url, tmp_path) as stage:
        user = await stage.add_user("anna", Role.ADMIN)
        login = await stage.login()
        token = login["access_token"]
        await relay.shut()
        for answer in (
            await stage.get("/me", token),
            await stage.post("/refresh", refresh_token=login["refresh_token"]),
            await stage.post("/login", name="anna", password=PASSWORD),
            await stage.ask("PATCH", f"/users/{user.id}", token, disabled=False),
        ):
            assert answer.status_code == 503, answer.text
            assert answer.json()["code"] in {"state_unknown", "limiter_unavailable"}
        await relay.open()
        assert await code_of(stage, token) == (200, "")
        await stage.resources.redis.flushdb()
        assert await code_of(stage, token) == (401, "session_revoked")
    await relay.shut()
