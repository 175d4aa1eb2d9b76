"""Known secrets and what looks like one are hidden; all else is left to be read."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewright.adapters.memory import MemorySecretStore
from tradewright.ops.redaction import (
    LEAST_LENGTH,
    MASK,
    LearningSecrets,
    Redactor,
    is_secret_name,
)

SECRET = "Zq7/x+Kd\"9'\\mü%4=="
PEM = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEG\n-----END PRIVATE KEY-----"
JWT = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhbm5hIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "shown",
    [
        SECRET,
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        repr(SECRET),
        repr(SECRET.encode()),
        quote(SECRET),
        quote(SECRET, safe=""),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
        SECRET.encode().hex(),
    ],
)
def test_a_known_secret_is_found_however_it_is_written(shown: str) -> None:
    hidden = Redactor([SECRET]).text(f"before {shown} after")
    assert hidden.startswith("before ")
    assert hidden.endswith(" after")
    assert MASK in hidden
    assert not any(part in hidden for part in ("Zq7", "Kd", "mü", "5a71372f"))


def test_both_secrets_of_a_rotation_are_known() -> None:
    redactor = Redactor(["first-secret-1,second-secret-2"])
    assert redactor.text("a second-secret-2 b first-secret-1") == f"a {MASK} b {MASK}"


def test_the_password_within_a_url_is_known_by_itself() -> None:
    redactor = Redactor(["postgresql://trader:p%40ss-w0rd@db:5432/x"])
    assert redactor.text("it was p@ss-w0rd or p%40ss-w0rd") == f"it was {MASK} or {MASK}"


def test_the_lines_of_a_key_are_known_by_themselves() -> None:
    key = PEM.replace("MIGHAgEAMBMGByqGSM49AgEG", "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49")
    assert MASK in Redactor([key]).text("line MIGHAgEAMBMGByqGSM49AgEGCCqGSM49 of it")


def test_the_longer_of_two_secrets_is_hidden_whole() -> None:
    assert Redactor(["secret-one", "secret-one-and-more"]).text("secret-one-and-more") == MASK


def test_short_values_are_words() -> None:
    assert Redactor(["a", "trade"[: LEAST_LENGTH - 1]]).text("a trade") == "a trade"


LOOKS_LIKE_ONE = {
    "Authorization: Bearer abc.def-ghi": "abc.def",
    "authorization: Basic dXNlcjpwYXNz": "dXNlcjpwYXNz",
    "{'Authorization': 'Token abcdefgh', 'x': 1}": "abcdefgh",
    "[(b'authorization', b'Bearer abcdefgh'), (b'x', b'y')]": "abcdefgh",
    "Cookie: session=abcdefgh; theme=dark": "abcdefgh",
    "Set-Cookie: id=abcdefgh; HttpOnly": "abcdefgh",
    "sent Bearer abcdefghijkl to it": "abcdefghijkl",
    "APCA-API-KEY-ID: abcdefgh": "abcdefgh",
    "headers={'APCA-API-SECRET-KEY': 'abcdefgh'}": "abcdefgh",
    "key PKABCDEFGHIJKLMNOPQR was used": "PKABCDEFGHIJKLMNOPQR",
    "postgresql://trader:hunter2@db/x": "hunter2",
    "redis://:hunter2@cache:6379/0": "hunter2",
    "amqp://u:p@ss:word@host": "ss:word",
    f"loaded {PEM} from disk": "MIGHAgEA",
    "-----BEGIN EC PRIVATE KEY-----\nMIGHAgEA": "MIGHAgEA",
    f"token is {JWT}": "eyJzdWIi",
    '{"password": "hunter2"}': "hunter2",
    '{"body": "{\\"password\\": \\"hunter2\\"}"}': "hunter2",
    "password=hunter2&user=anna": "hunter2",
    "password = 'hunter2'": "hunter2",
    "client_secret: hunter2": "hunter2",
    "refresh_token=hunter2;": "hunter2",
    "?code=abcdefgh12&state=ijklmnop34": "abcdefgh12",
    "&state=ijklmnop34": "ijklmnop34",
    "INTERNAL_TOKEN_SECRET_GATEWAY=hunter2": "hunter2",
    "otp: 123456": "123456",
    "X-Signature: deadbeef": "deadbeef",
    "X-CSRF-Token: deadbeef": "deadbeef",
}


@pytest.mark.parametrize("text", LOOKS_LIKE_ONE)
def test_what_looks_like_a_secret_is_hidden(text: str) -> None:
    hidden = Redactor().text(text)
    assert LOOKS_LIKE_ONE[text] not in hidden
    assert MASK in hidden


@pytest.mark.parametrize(
    "text",
    [
        "order 123 accepted by the venue at 182.31",
        "GET /api/v1/orders?status=open 200",
        "no PostgreSQL for database 'x' at db:5432: connection refused",
        "http://localhost:8001/health answers",
        "the secret JWT_SIGNING_KEY is not set; put it into the folder",
        "PK and AK are how key ids begin",
        "keyboard, tokenizer, passing, authorizations",
        "state=open code=404",
    ],
)
def test_what_is_no_secret_is_left(text: str) -> None:
    assert Redactor().text(text) == text


def test_hiding_twice_changes_nothing_more() -> None:
    redactor = Redactor([SECRET])
    for text in LOOKS_LIKE_ONE:
        once = redactor.text(text)
        assert redactor.text(once) == once


@pytest.mark.parametrize(
    "name",
    [
        *("password", "Password", "new_password", "client-secret", "Authorization", "cookie"),
        *("access_token", "api_key", "APCA-API-SECRET-KEY", "private_key", "otp", "X-Signature"),
        *("csrf_token", "passphrase", "recovery_codes", "credentials", "ALPACA_API_KEY_ID"),
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["strategy_id", "key", "status", "passed", "tokenizer", "monkey", "route", "context"]
)
def test_other_names(name: str) -> None:
    assert not is_secret_name(name)


def test_values_keep_their_shape() -> None:
    redactor = Redactor([SECRET])
    value = {
        "password": "hunter2",
        "tokens": 3,
        "token": None,
        "inner": [{"cookie": {"a": "b"}}, (SECRET, 1.5, True), {SECRET: "x"}],
        "bytes": b"ok",
        "infinite": float("inf"),
        "odd": ValueError(SECRET),
    }
    assert redactor.value(value) == {
        "password": MASK,
        "tokens": 3,
        "token": None,
        "inner": [{"cookie": MASK}, [MASK, 1.5, True], {MASK: "x"}],
        "bytes": "ok",
        "infinite": "inf",
        "odd": MASK,
    }


def test_a_value_that_holds_itself_ends() -> None:
    value: list[object] = []
    value.append(value)
    assert "too deep" in json.dumps(Redactor().value(value))


def test_a_line_that_needs_no_look_is_told_from_one_that_does() -> None:
    redactor = Redactor([SECRET])
    assert not redactor.may_hide('{"message":"order accepted","price":"182.31"}')
    assert redactor.may_hide(json.dumps({"message": f"x {SECRET}"}))
    assert redactor.may_hide(json.dumps({"message": repr([SECRET])}))


@given(st.text(min_size=LEAST_LENGTH, max_size=40), st.text(max_size=20), st.text(max_size=20))
def test_no_known_secret_passes(secret: str, before: str, after: str) -> None:
    redactor = Redactor([secret])
    shown = redactor.value({"m": [before + secret + after, repr(secret), secret.encode()]})
    left = json.dumps(shown, ensure_ascii=False).replace(MASK, "")
    # What the mask and the writing itself are made of cannot tell anything.
    if secret.strip() and secret not in json.dumps({"m": [before + after, "''", "", MASK]}):
        assert json.dumps(secret, ensure_ascii=False)[1:-1] not in left or (
            secret in before + after
        )


@given(st.text(min_size=LEAST_LENGTH, max_size=40), st.text(max_size=20))
def test_a_line_with_a_known_secret_is_always_looked_at(secret: str, before: str) -> None:
    redactor = Redactor([secret])
    assert redactor.may_hide(json.dumps({"message": before + secret}))
    assert redactor.may_hide(json.dumps({"message": repr({"a": secret})}))


def test_a_rotated_secret_is_learned_when_it_is_read() -> None:
    store = MemorySecretStore({"JWT_SIGNING_KEY": "the-first-value"})
    redactor = Redactor()
    secrets = LearningSecrets(store, redactor.learn)
    assert secrets.get("JWT_SIGNING_KEY") == "the-first-value"
    assert redactor.text("the-first-value") == MASK
    assert list(secrets.names()) == ["JWT_SIGNING_KEY"]
    secrets.refresh()
