"""Which passwords are taken, and that hashes tell nothing."""

from __future__ import annotations

import pytest

from tradewright.core.errors import InvalidInput
from tradewright.ops.threads import Threads
from tradewright.services.auth.passwords import LONGEST, SHORTEST, Passwords, new_password


@pytest.mark.parametrize(
    "text",
    [
        "quartz-lemon-orbit-velvet",
        "correct horse battery staple",
        "kX9#vQ2!mZ7@",
        "8264019375620174",
        "ünïcödé-wörds-here",
        "a wet night in Kraków, 1987",
    ],
)
def test_good_passwords_are_taken_as_typed(text: str) -> None:
    assert new_password(text, "anna.smith", "anna@example.com") == text


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "shorter"),
        ("a" * (SHORTEST - 1), "shorter"),
        ("quartz-lemo" + "n" * LONGEST, "longer"),
        ("aaaaaaaaaaaaaaaa", "built of"),
        ("abababababababab", "built of"),
        ("passwordpassword", "built of"),
        ("Password123456!!", "built of"),
        ("P@ssw0rd!P@ssw0rd", "built of"),
        ("qwertyuiop123456", "built of"),
        ("poiuytrewq0987654321", "built of"),
        ("1qaz2wsx3edc4rfv", "built of"),
        ("abcdefghijklmnop", "built of"),
        ("letmein-welcome-2024", "built of"),
        ("tradewright-admin1", "built of"),
        ("anna.smith-anna.smith", "built of"),
        ("Anna-Smith-example-1987", "built of"),
        ("correcthorsebatterystaple", "built of"),
    ],
)
def test_poor_passwords_are_refused_without_being_repeated(text: str, rule: str) -> None:
    with pytest.raises(InvalidInput, match=rule) as caught:
        new_password(text, "anna.smith", "anna@example.com")
    assert caught.value.remedy
    assert not text or text not in str(caught.value)


async def test_a_hash_matches_its_password_alone() -> None:
    passwords = Passwords(Threads(2))
    stored = await passwords.hashed("quartz-lemon-orbit-velvet")
    assert stored.startswith("$argon2id$")
    assert await passwords.matches(stored, "quartz-lemon-orbit-velvet")
    assert not await passwords.matches(stored, "quartz-lemon-orbit-velve")
    assert not await passwords.matches(stored, "")
    assert not await passwords.matches(None, "quartz-lemon-orbit-velvet")
    assert not await passwords.matches("no hash", "quartz-lemon-orbit-velvet")
    assert not passwords.is_stale(stored)
    assert passwords.is_stale(stored.replace("m=47104", "m=8192"))


async def test_two_hashes_of_one_password_differ() -> None:
    passwords = Passwords(Threads(2))
    assert await passwords.hashed("same-password") != await passwords.hashed("same-password")
