from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewright.core.access import Role, UserContext
from tradewright.core.errors import InvalidInput
from tradewright.wire import signing
from tradewright.wire.signing import RequestFacts

SECRET = "k" * 40
FACTS = RequestFacts(
    service="orchestrator",
    timestamp="1772452800",
    nonce="n-1",
    method="POST",
    path="/api/v1/orders",
    query="a=1&b=2",
    body_hash=signing.body_hash(b"{}"),
    user_context='{"user":"anna"}',
)
TEXTS = st.text(max_size=30)
ANY = st.builds(RequestFacts, **{field.name: TEXTS for field in dataclasses.fields(RequestFacts)})


def test_signature_is_the_documented_one() -> None:
    # What a client in any other language has to make.
    text = json.dumps(
        {
            "version": "v1",
            "service": "orchestrator",
            "timestamp": "1772452800",
            "nonce": "n-1",
            "method": "POST",
            "path": "/api/v1/orders",
            "query": "a=1&b=2",
            "body_sha256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            "user_context": '{"user":"anna"}',
        },
        sort_keys=True,
        separators=(",", ":"),
    )
    assert signing.canonical(FACTS).decode() == text
    made = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
    assert signing.sign(FACTS, SECRET) == made


def test_no_body_is_hashed_as_empty_bytes() -> None:
    assert signing.body_hash(None) == signing.body_hash(b"") == hashlib.sha256(b"").hexdigest()


@given(ANY, ANY)
def test_two_requests_share_a_text_only_if_they_are_equal(a: RequestFacts, b: RequestFacts) -> None:
    assert (signing.canonical(a) == signing.canonical(b)) == (a == b)


@given(st.sampled_from([f.name for f in dataclasses.fields(RequestFacts)]), TEXTS)
def test_a_changed_fact_breaks_the_signature(name: str, value: str) -> None:
    changed = dataclasses.replace(FACTS, **{name: value})
    signature = signing.sign(FACTS, SECRET)
    assert signing.is_signed(changed, signature, [SECRET]) == (changed == FACTS)


def test_any_of_the_active_secrets_will_do() -> None:
    signature = signing.sign(FACTS, SECRET)
    assert signing.is_signed(FACTS, signature, ["other" * 10, SECRET])
    assert not signing.is_signed(FACTS, signature, ["other" * 10])
    assert not signing.is_signed(FACTS, signature, [])


@given(st.text(max_size=80))
def test_whatever_is_shown_as_a_signature_is_only_compared(signature: str) -> None:
    right = signing.sign(FACTS, SECRET)
    assert signing.is_signed(FACTS, signature, [SECRET]) == (signature == right)


@pytest.mark.parametrize("length", [1, 128])
def test_a_nonce_may_be_so_long(length: int) -> None:
    assert signing.is_nonce("n" * length)


@pytest.mark.parametrize("text", ["", "n" * 129, "a b", "a\n", "ä", "a\0"])
def test_what_is_no_nonce(text: str) -> None:
    assert not signing.is_nonce(text)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("1000", True),
        ("1030", True),
        ("970", True),
        ("1031", False),
        ("969", False),
        ("1000.0", False),
        ("-1000", False),
        ("", False),
        ("\u0661\u0660\u0660\u0660", False),
        ("9" * 12, False),
    ],
)
def test_timely(text: str, good: bool) -> None:
    assert signing.is_timely(text, 1000.0) is good


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a" * 32, ("a" * 32,)),
        (f"{'a' * 32},{'b' * 32}", ("a" * 32, "b" * 32)),
        (f" {'a' * 32} , {'b' * 40}\n", ("a" * 32, "b" * 40)),
    ],
)
def test_active_secrets(value: str, expected: tuple[str, ...]) -> None:
    assert signing.active_secrets(value) == expected


@pytest.mark.parametrize("value", ["", ",", "a" * 31, "a" * 32 + ",b", ",".join("abc" * 32)])
def test_secrets_that_will_not_do(value: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        signing.active_secrets(value)
    assert value[:31] not in str(refused.value) or not value.strip(",")


def test_the_name_of_a_services_secret() -> None:
    assert signing.secret_name("market_data") == "INTERNAL_TOKEN_SECRET_MARKET_DATA"


@given(
    st.text(min_size=1, max_size=20),
    st.frozensets(st.sampled_from(Role)),
    st.none() | st.frozensets(st.text(max_size=8), max_size=3),
)
def test_user_context_is_read_back(
    user: str, roles: frozenset[Role], strategies: frozenset[str] | None
) -> None:
    context = UserContext(user, roles, strategies)
    text = signing.write_user_context(context)
    assert text.isascii()
    assert signing.read_user_context(text) == context


def test_an_empty_text_is_the_same_as_nothing() -> None:
    assert not signing.is_same("", "")
    assert signing.is_same("a", "a")
    assert not signing.is_same("a", "b")
