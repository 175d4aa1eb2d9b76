"""Logins through an OpenID provider that is served over HTTP."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc.jwk import OctKey, RSAKey

from tests.services.logins import API, NOON, Stage, auth_stage
from tests.services.provider import CLIENT, Provider, provider_over_http
from tradewright.core.access import Role


@pytest.fixture
def provider() -> Iterator[Provider]:
    with provider_over_http(NOON) as running:
        yield running


@pytest.fixture
async def stage(
    database_url: str, redis_url: str, tmp_path: Path, provider: Provider
) -> AsyncIterator[Stage]:
    settings: dict[str, Any] = {
        "OIDC_ISSUER": provider.issuer,
        "AUTH0_CLIENT_ID": CLIENT,
        "OIDC_REDIRECT_URL": f"http://localhost{API}/callback",
        "AUTH_AFTER_LOGIN_URL": "http://127.0.0.1:8501/",
    }
    async with auth_stage(database_url, redis_url, tmp_path, **settings) as running:
        running.client.base_url = "http://localhost"
        yield running


async def away_and_back(stage: Stage) -> httpx.Response:
    """The way of a browser: to the provider and back with its code."""
    sent = await stage.client.get(f"{API}/login/oidc")
    assert sent.status_code == 303, sent.text
    async with httpx.AsyncClient(trust_env=False) as browser:
        back = await browser.get(sent.headers["location"])
    return await stage.client.get(back.headers["location"])


async def test_a_known_address_is_let_in_and_linked(stage: Stage, provider: Provider) -> None:
    user = await stage.add_user(email="anna@example.com", password=None)
    answer = await away_and_back(stage)
    assert answer.status_code == 200
    assert 'content="0;url=http://127.0.0.1:8501/"' in answer.text
    me = (await stage.client.get(f"{API}/me")).json()
    assert me["user_id"] == user.id
    stored = await stage.resources.users.get(user.id)
    assert stored is not None
    assert stored.subject == f"{provider.issuer}|person-1"
    assert len(await stage.audited("identity_linked")) == 1
    # From now on the identity counts, whatever its address.
    provider.claims = {"email": "new@example.com"}
    assert (await away_and_back(stage)).status_code == 200
    assert len(await stage.audited("login")) == 2


async def test_what_is_asked_is_bound_to_this_login(stage: Stage, provider: Provider) -> None:
    sent = await stage.client.get(f"{API}/login/oidc")
    asked = parse_qs(urlsplit(sent.headers["location"]).query)
    assert asked["response_type"] == ["code"]
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["client_id"] == [CLIENT]
    assert len(asked["state"][0]) == len(asked["nonce"][0]) == 64
    cookie = sent.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert f"Path={API}/callback" in cookie
    assert provider.asked == ["configuration", "keys"]


@pytest.mark.parametrize(
    "claims",
    [
        {"email_verified": False},
        {"email_verified": "true"},
        {"email": "stranger@example.com"},
        {"email": None},
    ],
    ids=str,
)
async def test_nobody_gets_an_account_by_an_identity(
    stage: Stage, provider: Provider, claims: dict[str, Any]
) -> None:
    await stage.add_user("anna", Role.ADMIN, email="anna@example.com")
    provider.claims = claims
    answer = await away_and_back(stage)
    assert (answer.status_code, answer.json()["code"]) == (401, "unknown_identity")
    assert len(await stage.resources.users.all()) == 1


async def test_an_account_that_is_linked_is_not_linked_again(
    stage: Stage, provider: Provider
) -> None:
    await stage.add_user(email="anna@example.com", subject=f"{provider.issuer}|somebody-else")
    answer = await away_and_back(stage)
    assert answer.json()["code"] == "unknown_identity"


async def test_a_disabled_account_stays_out(stage: Stage) -> None:
    await stage.add_user(email="anna@example.com", disabled=True)
    assert (await away_and_back(stage)).json()["code"] == "unknown_identity"


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "http://elsewhere/"},
        {"aud": "another-client"},
        {"aud": [CLIENT, "another"], "azp": "another"},
        {"aud": [CLIENT, "another"]},
        {"nonce": "of another login"},
        {"nonce": None},
        {"exp": int((NOON - timedelta(minutes=2)).timestamp())},
        {"exp": None},
        {"iat": int((NOON + timedelta(minutes=9)).timestamp())},
        {"sub": None},
        {"sub": ""},
        {"at_hash": "of-another-token"},
    ],
    ids=str,
)
async def test_a_word_that_is_not_for_us_is_refused(
    stage: Stage, provider: Provider, claims: dict[str, Any]
) -> None:
    await stage.add_user(email="anna@example.com")
    provider.claims = claims
    answer = await away_and_back(stage)
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_signature")


async def test_only_the_providers_key_and_algorithm_count(stage: Stage, provider: Provider) -> None:
    await stage.add_user(email="anna@example.com")
    stranger = RSAKey.generate_key(2048, parameters={"kid": str(provider.key.kid)})
    provider.signing = stranger
    assert (await away_and_back(stage)).json()["code"] == "bad_signature"
    public = base64.urlsafe_b64encode(provider.key.as_pem(private=False)).decode()
    provider.signing = OctKey.import_key(public, {"kid": str(provider.key.kid)})
    provider.algorithm = "HS256"
    assert (await away_and_back(stage)).json()["code"] == "bad_signature"


async def test_a_provider_may_change_its_keys(stage: Stage, provider: Provider) -> None:
    await stage.add_user(email="anna@example.com")
    assert (await away_and_back(stage)).status_code == 200
    provider.key = provider.signing = RSAKey.generate_key(2048, auto_kid=True)
    # Not asked for at once again, or forgers could make us ask all the time.
    assert (await away_and_back(stage)).json()["code"] == "bad_signature"
    stage.advance(minutes=2)
    assert (await away_and_back(stage)).status_code == 200


async def test_a_callback_without_its_browser_is_refused(stage: Stage) -> None:
    await stage.add_user(email="anna@example.com")
    sent = await stage.client.get(f"{API}/login/oidc")
    async with httpx.AsyncClient(trust_env=False) as browser:
        back = (await browser.get(sent.headers["location"])).headers["location"]
    state = stage.client.cookies["tradewright_oidc"]
    stage.client.cookies.clear()
    refused = await stage.client.get(back)
    assert (refused.status_code, refused.json()["code"]) == (401, "bad_state")
    cookie = {"Cookie": f"tradewright_oidc={state}"}
    assert (await stage.client.get(back, headers=cookie)).status_code == 200
    again = await stage.client.get(back, headers=cookie)
    assert again.json()["code"] == "challenge_expired"


async def test_a_code_of_nobody_is_refused(stage: Stage) -> None:
    await stage.client.get(f"{API}/login/oidc")
    state = stage.client.cookies["tradewright_oidc"]
    params = {"state": state, "code": "made-up"}
    answer = await stage.client.get(f"{API}/callback", params=params)
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_code")


async def test_our_second_factor_is_asked_for_unless_theirs_was(
    stage: Stage, provider: Provider
) -> None:
    user = await stage.add_guarded()
    stored = await stage.resources.users.get(user.id)
    assert stored is not None
    provider.claims = {"email": "olga@example.com"}
    answer = await stage.ask(
        "PATCH", f"/users/{user.id}", await admin(stage), email="olga@example.com"
    )
    assert answer.status_code == 200, answer.text
    asked = await away_and_back(stage)
    assert "#challenge=" in asked.text
    assert (await stage.client.get(f"{API}/me")).status_code == 401
    challenge = asked.text.split("#challenge=")[1].split('"')[0]
    done = await stage.post("/second-factor", challenge=challenge, code=stage.code())
    assert done.json()["status"] == "authenticated"
    provider.claims["amr"] = ["pwd", "mfa"]
    assert "#challenge=" not in (await away_and_back(stage)).text


async def admin(stage: Stage) -> str:
    await stage.add_user("root", Role.ADMIN)
    return str((await stage.login("root"))["access_token"])


async def test_a_provider_that_is_down_lets_nobody_in(stage: Stage, provider: Provider) -> None:
    provider.down = True
    answer = await stage.client.get(f"{API}/login/oidc")
    assert (answer.status_code, answer.json()["code"]) == (503, "state_unknown")


async def test_without_a_provider_there_is_no_such_login(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    async with auth_stage(database_url, redis_url, tmp_path) as stage:
        assert (await stage.client.get(f"{API}/login/oidc")).status_code == 404
        assert (await stage.client.get(f"{API}/callback")).status_code == 404
