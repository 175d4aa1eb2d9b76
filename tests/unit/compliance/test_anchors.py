"""A signed head: what its signature covers, and what is no anchor."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tradewright.compliance.anchors import (
    is_anchored,
    new_anchor_key,
    public_half,
    read_anchor,
    sign_anchor,
)
from tradewright.compliance.chain import Head
from tradewright.core.errors import InvalidInput

AT = datetime(2026, 3, 4, 14, 30, tzinfo=UTC)
HEAD = Head(7, "ab" * 32)
KEY, OTHER = new_anchor_key(), new_anchor_key()


def changed(**facts: Any) -> str:
    return json.dumps(json.loads(sign_anchor(HEAD, AT, KEY).line()) | facts)


def test_an_anchor_is_read_back_and_its_signature_holds() -> None:
    made = sign_anchor(HEAD, AT, KEY)
    read = read_anchor(made.line())
    assert (read, read.head) == (made, HEAD)
    assert "\n" not in made.line()
    assert is_anchored(read, public_half(KEY))
    assert not is_anchored(read, public_half(OTHER))


def test_a_key_in_one_line_of_the_environment_signs_alike() -> None:
    line = KEY.replace("\n", "\\n")
    assert sign_anchor(HEAD, AT, line) == sign_anchor(HEAD, AT, KEY)


@pytest.mark.parametrize(
    "facts",
    [
        {"seq": 8},
        {"hash": "cd" * 32},
        {"signed_at": "2026-03-04T14:30:01+00:00"},
        {"key": "0" * 32},
        {"signature": ""},
        {"signature": "AAAA"},
        {"signature": "no base64!"},
        {"signature": "\u1234"},
    ],
)
def test_every_fact_is_signed(facts: dict[str, Any]) -> None:
    assert not is_anchored(read_anchor(changed(**facts)), public_half(KEY))


def test_a_key_that_calls_itself_another_is_not_believed() -> None:
    name = json.loads(sign_anchor(HEAD, AT, KEY).line())["key"]
    posing = json.loads(sign_anchor(HEAD, AT, OTHER).line()) | {"key": name}
    assert not is_anchored(read_anchor(json.dumps(posing)), public_half(KEY))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "7",
        "[" * 100_000,
        '{"seq": 7, "hash": "' + "ab" * 32 + '"}',
        changed(anchor="another/1"),
        changed(chain="tradewright/journal/1"),
        changed(seq=0),
        changed(seq=True),
        changed(seq="7"),
        changed(hash="AB" * 32),
        changed(hash=None),
        changed(signed_at="yesterday"),
        changed(signed_at="2026-03-04T14:30:00"),
        changed(signed_at=7),
        changed(more=1),
    ],
)
def test_what_is_no_anchor_is_refused(line: str) -> None:
    with pytest.raises(InvalidInput):
        read_anchor(line)


def test_times_are_utc() -> None:
    away = AT.astimezone(timezone(timedelta(hours=1)))
    with pytest.raises(InvalidInput, match="UTC"):
        sign_anchor(HEAD, away, KEY)


def test_keys_that_are_none_are_not_repeated() -> None:
    elliptic = ec.generate_private_key(ec.SECP256R1())
    pem = elliptic.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = elliptic.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for key in ("", "hidden-key", pem, public_half(KEY)):
        with pytest.raises(InvalidInput, match="no Ed25519 key") as refused:
            sign_anchor(HEAD, AT, key)
        assert "hidden-key" not in str(refused.value)
        assert refused.value.__cause__ is None
    for key in ("", "hidden-key", public.decode(), KEY):
        with pytest.raises(InvalidInput, match="public half"):
            is_anchored(sign_anchor(HEAD, AT, KEY), key)
