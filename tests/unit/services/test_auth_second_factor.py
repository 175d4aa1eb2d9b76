"""TOTP by the vectors of RFC 6238, the seal around secrets, and recovery codes."""

from __future__ import annotations

import base64
import itertools
from datetime import UTC, datetime

import pytest

from tradewright.adapters.memory import MemorySecretStore
from tradewright.core.errors import ConfigError, SafetyError
from tradewright.services.auth.second_factor import (
    Seal,
    matching_step,
    new_recovery_codes,
    new_totp_secret,
    recovery_hash,
    without_recovery,
)

# RFC 6238, appendix B, the rows of SHA-1; the last six of eight digits.
RFC_SECRET = base64.b32encode(b"12345678901234567890").decode()
VECTORS = [
    (59, "287082"),
    (1111111109, "081804"),
    (1111111111, "050471"),
    (1234567890, "005924"),
    (2000000000, "279037"),
    (20000000000, "353130"),
]
KEYS = [base64.b64encode(bytes([n]) * 32).decode() for n in range(3)]


def random(count: int, state: itertools.count[int] = itertools.count()) -> bytes:  # noqa: B008
    return bytes(next(state) % 256 for _ in range(count))


@pytest.mark.parametrize(("seconds", "code"), VECTORS)
def test_codes_are_those_of_the_standard(seconds: int, code: str) -> None:
    at = datetime.fromtimestamp(seconds, UTC)
    assert matching_step(RFC_SECRET, code, at, None) == seconds // 30


@pytest.mark.parametrize("code", ["", "28708", "2870822", "28708a", "²87082", "000000"])
def test_what_is_no_code_matches_no_step(code: str) -> None:
    assert matching_step(RFC_SECRET, code, datetime.fromtimestamp(59, UTC), None) is None


def test_no_step_is_taken_twice_or_after_a_later_one() -> None:
    at = datetime.fromtimestamp(59, UTC)
    assert matching_step(RFC_SECRET, "287 082", at, 0) == 1
    assert matching_step(RFC_SECRET, "287082", at, 1) is None
    assert matching_step(RFC_SECRET, "287082", at, 2) is None


def test_a_sealed_secret_opens_for_its_owner_alone() -> None:
    seal = Seal(MemorySecretStore({"SESSION_ENCRYPTION_KEY": KEYS[0]}), random)
    sealed = seal.close("SECRET", "u-1")
    assert sealed.startswith("v1.")
    assert "SECRET" not in base64.urlsafe_b64decode(sealed[3:]).decode("latin-1")
    assert seal.open(sealed, "u-1") == "SECRET"
    assert seal.close("SECRET", "u-1") != sealed
    flipped = sealed[:-2] + ("A" if sealed[-2] != "A" else "B") + sealed[-1]
    for broken, owner in ((sealed, "u-2"), (flipped, "u-1"), ("v1.", "u-1"), ("v1.%%%", "u-1")):
        with pytest.raises(SafetyError, match=owner):
            seal.open(broken, owner)


def test_the_key_of_the_seal_rotates() -> None:
    secrets = MemorySecretStore({"SESSION_ENCRYPTION_KEY": KEYS[0]})
    seal = Seal(secrets, random)
    before = seal.close("SECRET", "u-1")
    secrets.values["SESSION_ENCRYPTION_KEY"] = f"{KEYS[1]}, {KEYS[0]}"
    after = seal.close("SECRET", "u-1")
    assert seal.open(before, "u-1") == seal.open(after, "u-1") == "SECRET"
    secrets.values["SESSION_ENCRYPTION_KEY"] = KEYS[1]
    assert seal.open(after, "u-1") == "SECRET"
    with pytest.raises(SafetyError):
        seal.open(before, "u-1")


@pytest.mark.parametrize("key", ["short", base64.b64encode(b"k" * 31).decode(), "%%%", ","])
def test_a_key_that_is_none_is_named_and_not_shown(key: str) -> None:
    seal = Seal(MemorySecretStore({"SESSION_ENCRYPTION_KEY": key}), random)
    with pytest.raises(ConfigError, match="SESSION_ENCRYPTION_KEY") as caught:
        seal.close("SECRET", "u-1")
    assert f"'{key}'" not in str(caught.value)


def test_a_secret_is_long_and_base32() -> None:
    secret = new_totp_secret(random)
    assert len(base64.b32decode(secret)) == 20


def test_recovery_codes_differ_and_are_used_once() -> None:
    codes = new_recovery_codes(random)
    assert len(set(codes)) == 10
    assert all(len(code.replace("-", "")) == 16 for code in codes)
    stored = tuple(map(recovery_hash, codes))
    left = without_recovery(stored, f" {codes[4].upper().replace('-', ' ')} ")
    assert left == stored[:4] + stored[5:]
    assert without_recovery(left, codes[4]) is None
    assert without_recovery(stored, "wrong") is None
