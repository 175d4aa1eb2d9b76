"""Logins as somebody attacks them: forged tokens, guesses, planted sessions, other sites."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey

from tests.services.logins import API, PASSWORD, SIGNING_KEY, Stage, auth_stage
from tradewright.adapters.tokens import new_signing_key, public_key
from tradewright.core.access import Role

KEY = OKPKey.import_key(SIGNING_KEY)
MINE_PEM = new_signing_key()
MINE = OKPKey.import_key(MINE_PEM)


@pytest.fixture
async def stage(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with auth_stage(
        database_url, redis_url, tmp_path, RATE_LIMIT_LOGINS="10000/minute"
    ) as found:
        yield found


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def bare(alg: object, signature: str = "") -> Callable[[dict[str, Any]], str]:
    return lambda claims: f"{part({'alg': alg, 'typ': 'at+jwt'})}.{part(claims)}.{signature}"


def by_me(**header: Any) -> Callable[[dict[str, Any]], str]:
    """Signed by a key that the token's own header hands over or points to."""
    named = {"alg": "Ed25519", "typ": "at+jwt", "kid": KEY.thumbprint()} | header
    key = load_pem_private_key(MINE_PEM.encode(), None)
    assert isinstance(key, Ed25519PrivateKey)

    def make(claims: dict[str, Any]) -> str:
        text = f"{part(named)}.{part(claims)}"
        signature = key.sign(text.encode())
        return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"

    return make


def hmac_with(secret: bytes, alg: str = "HS256") -> Callable[[dict[str, Any]], str]:
    key = OctKey.import_key(secret)
    header = {"alg": alg, "typ": "at+jwt", "kid": KEY.thumbprint()}
    return lambda claims: jwt.encode(header, claims, key, algorithms=[alg])


def elliptic(claims: dict[str, Any]) -> str:
    key = ECKey.generate_key("P-256")
    header = {"alg": "ES256", "typ": "at+jwt", "kid": KEY.thumbprint()}
    return jwt.encode(header, claims, key, algorithms=["ES256"])


PEM = json.dumps(public_key(SIGNING_KEY)).encode()
FORGERIES: dict[str, Callable[[dict[str, Any]], str]] = {
    "none": bare("none"),
    "None": bare("None"),
    "NONE with a signature": bare("NONE", "AAAA"),
    "no algorithm": bare(None),
    "an algorithm that is a list": bare(["Ed25519"]),
    "the public key as a shared secret": hmac_with(PEM),
    "the public point as a shared secret": hmac_with(
        base64.urlsafe_b64decode(str(public_key(SIGNING_KEY)["x"]) + "=")
    ),
    "a shared secret of another length": hmac_with(PEM, "HS512"),
    "another curve": elliptic,
    "my key in its header": by_me(jwk=MINE.as_dict(private=False)),
    "my key where it points": by_me(jku="http://127.0.0.1:9/keys", x5u="http://127.0.0.1:9/x"),
    "my key by its name": by_me(kid=MINE.thumbprint()),
    "a name that is a path": by_me(kid="../../../../dev/null"),
    "a name that is a question": by_me(kid="' OR 1=1 --"),
    "a name that is none": by_me(kid=["a"]),
    "a header that must be understood": by_me(crit=["b64"], b64=False),
    "an old name of the algorithm": by_me(alg="EdDSA"),
}


@pytest.mark.parametrize("kind", FORGERIES)
async def test_no_header_of_a_token_is_followed(stage: Stage, kind: str) -> None:
    await stage.add_user("anna", Role.ADMIN)
    login = await stage.login()
    claims = jwt.decode(login["access_token"], KEY, algorithms=["Ed25519"]).claims
    answer = await stage.get("/me", FORGERIES[kind](claims))
    assert answer.status_code == 401
    assert answer.json()["code"] in {"not_authenticated", "bad_signature"}
    assert (await stage.get("/me", login["access_token"])).status_code == 200


@pytest.mark.parametrize("change", ["pad", "newline", "bit", "swap"])
async def test_a_token_has_one_spelling(stage: Stage, change: str) -> None:
    await stage.add_user()
    token = str((await stage.login())["access_token"])
    head, claims, signature = token.split(".")
    spelled = {
        "pad": f"{head}.{claims}.{signature}=",
        "newline": f"{head}.{claims}.{signature[:40]}%0a{signature[40:]}",
        # The last letter of 64 bytes holds four bits that mean nothing.
        "bit": token[:-1] + chr(ord(token[-1]) + 1),
        "swap": f"{claims}.{head}.{signature}",
    }[change]
    answer = await stage.get("/me", spelled)
    # Another spelling of the same bytes is nobody else's token; anything else is refused.
    assert answer.status_code in ({200, 401} if change in {"bit", "pad"} else {401})


async def test_who_is_not_there_takes_as_long_as_who_is(stage: Stage) -> None:
    await stage.add_user("anna")
    await stage.add_user("gone", disabled=True)
    await stage.add_user("bare", password=None)
    shortest = dict.fromkeys(("anna", "gone", "bare", "nobody"), float("inf"))
    for _ in range(4):
        for name in shortest:
            began = time.perf_counter()
            answer = await stage.post("/login", name=name, password="wrong-wrong-wrong")
            took = time.perf_counter() - began
            assert answer.status_code == 401
            shortest[name] = min(shortest[name], took)
        stage.advance(hours=25)
    # One hash each; without it an answer takes a tenth of the time.
    assert max(shortest.values()) < 4 * min(shortest.values()), shortest


async def test_a_code_is_good_once_whatever_the_clock_says(stage: Stage) -> None:
    user = await stage.add_guarded()
    asked = (await stage.post("/login", name="olga", password=PASSWORD)).json()
    code = stage.code()
    good = await stage.post("/second-factor", challenge=asked["challenge"], code=code)
    assert good.status_code == 200
    for seconds in (0, 20, 25):
        stage.advance(seconds=seconds)
        await stage.resources.users.clear_attempts(user.id)
        asked = (await stage.post("/login", name="olga", password=PASSWORD)).json()
        again = await stage.post("/second-factor", challenge=asked["challenge"], code=code)
        assert (again.status_code, again.json()["code"]) == (401, "bad_code")
    # Nor is one that was good before the last one.
    before = await stage.post("/second-factor", challenge=asked["challenge"], code=stage.code(-2))
    assert before.status_code in {401, 429}


async def test_a_challenge_is_of_one_login(stage: Stage) -> None:
    await stage.add_guarded("olga")
    await stage.add_guarded("otto")
    first = (await stage.post("/login", name="olga", password=PASSWORD)).json()
    assert "access_token" not in first or first["access_token"] is None
    # A challenge is no token and no refresh token.
    assert (await stage.get("/me", first["challenge"])).status_code == 401
    refreshed = await stage.post("/refresh", refresh_token=first["challenge"])
    assert refreshed.status_code == 401
    good = await stage.post("/second-factor", challenge=first["challenge"], code=stage.code())
    assert good.status_code == 200
    again = await stage.post("/second-factor", challenge=first["challenge"], code=stage.code(1))
    assert (again.status_code, again.json()["code"]) == (401, "challenge_expired")


async def test_a_login_never_takes_up_a_session_that_was_brought(stage: Stage) -> None:
    await stage.add_user("eve")
    await stage.add_user("anna", Role.ADMIN)
    planted = await stage.login("eve")
    session = f"tradewright_session={planted['access_token']}"
    stage.client.headers["Cookie"] = f"{session}; tradewright_csrf=eves"
    body = {"name": "anna", "password": PASSWORD, "cookies": True}
    answer = await stage.client.post(f"{API}/login", json=body)
    assert answer.status_code == 200
    told = answer.json()
    assert told["session_id"] != planted["session_id"]
    assert told["csrf_token"] not in {None, "eves"}
    assert planted["access_token"] not in str(answer.headers)
    del stage.client.headers["Cookie"]
    stage.client.cookies.clear()
    # What was planted is still eve's, and worth no more than before.
    me = (await stage.get("/me", planted["access_token"])).json()
    assert (me["name"], me["roles"]) == ("eve", ["viewer"])


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
async def test_no_form_of_another_site_logs_anybody_in(stage: Stage, kind: str) -> None:
    await stage.add_user("eve")
    body = json.dumps({"name": "eve", "password": PASSWORD, "cookies": True})
    for path in ("/login", "/refresh", "/setup", "/logout"):
        answer = await stage.client.post(
            f"{API}{path}", content=body, headers={"Content-Type": kind}
        )
        assert answer.status_code in {401, 415}, path
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("more", ["", "next=", "redirect_uri=", "return_to=", "url="])
async def test_a_browser_is_led_nowhere_but_to_the_console(stage: Stage, more: str) -> None:
    query = f"state=x&code=y&{more}https://evil.example.com" if more else "state=x&code=y"
    for path in ("/callback", "/login/oidc"):
        answer = await stage.client.get(f"{API}{path}?{query}")
        assert "evil.example.com" not in answer.text + str(answer.headers)


@pytest.mark.parametrize("field", ["user_id", "session_id", "must_enrol", "is_admin", "roles"])
async def test_nobody_gives_themselves_more_than_a_form_asks(stage: Stage, field: str) -> None:
    await stage.add_user("anna")
    token = str((await stage.login())["access_token"])
    asked = {"password": PASSWORD, "new_password": "other-words-that-fit", field: ["admin"]}
    answer = await stage.ask("POST", "/password", token, **asked)
    assert answer.status_code == 422
    answer = await stage.post("/login", name="anna", password=PASSWORD, **{field: "admin"})
    assert answer.status_code == 422
    assert (await stage.get("/me", token)).json()["roles"] == ["viewer"]


async def test_another_users_logins_cannot_be_reached(stage: Stage) -> None:
    await stage.add_user("eve")
    user = await stage.add_user("anna", Role.ADMIN)
    theirs = await stage.login("anna")
    mine = str((await stage.login("eve"))["access_token"])
    answer = await stage.ask("DELETE", f"/sessions/{theirs['session_id']}", mine)
    assert answer.status_code == 404
    for path in (f"/users/{user.id}", f"/users/{user.id}/sessions", "/users"):
        assert (await stage.get(path, mine)).status_code == 403
    assert (await stage.get("/me", theirs["access_token"])).status_code == 200


@pytest.mark.parametrize(
    "text", ["\ud800", "a\udfff-b\udc00", "\0", "a" * 4000, "\U0010ffff" * 50, " " * 12]
)
async def test_texts_that_cannot_be_kept_are_refused_quietly(stage: Stage, text: str) -> None:
    await stage.add_user("anna")
    for body in (
        {"name": "anna", "password": text},
        {"name": text, "password": PASSWORD},
    ):
        content = json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "x" * 3000}
        answer = await stage.client.post(f"{API}/login", content=content, headers=headers)
        assert answer.status_code in {401, 422}, answer.text
