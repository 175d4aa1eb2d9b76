"""Passwords: which ones are taken, and argon2id hashes of them.

Every check costs one hash, for a name that nobody has too, so that time tells nothing. A hash
takes 46 MB for a moment, so few are made at once; the rest wait.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

from tradewright.core.errors import InvalidInput

if TYPE_CHECKING:
    from tradewright.ops.threads import Threads

SHORTEST: Final = 12
LONGEST: Final = 256
AT_ONCE: Final = 4
_HIDDEN: Final = "(hidden)"
_FEWEST_OWN: Final = 5
_SHORT_WORD: Final = 2
# OWASP's first recommendation: on one core, about a tenth of a second.
_HASHER: Final = PasswordHasher(
    time_cost=1, memory_cost=47_104, parallelism=1, hash_len=32, salt_len=16, type=Type.ID
)
# The hash of a random text that was thrown away: no password has it.
_NOBODY: Final = (
    "$argon2id$v=19$m=47104,t=1,p=1$X9CrMxXlZxnEmnaTBJQGIA"
    "$0000000000000000000000000000000000000000000"
)
_ROWS: Final = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "azertyuiop",
    "1qaz2wsx3edc4rfv5tgb6yhn",
)
_RUN: Final = 4
# fmt: off
_WORDS: Final = (
    "password", "passwort", "passphrase", "pass", "tradewright", "trading", "trader", "trade",
    "market", "stocks", "stock", "money", "dollar", "broker", "alpaca", "wallstreet", "bitcoin",
    "administrator", "admin", "root", "login", "user", "guest", "welcome", "letmein", "changeme",
    "secret", "default", "master", "manager", "system", "server", "computer", "internet",
    "iloveyou", "love", "princess", "sunshine", "dragon", "monkey", "football", "baseball",
    "basketball", "soccer", "superman", "batman", "starwars", "pokemon", "shadow", "michael",
    "charlie", "jordan", "ashley", "summer", "winter", "spring", "autumn", "january", "february",
    "march", "april", "june", "july", "august", "september", "october", "november", "december",
    "monday", "friday", "company", "office", "google", "facebook", "whatever", "freedom",
    "test", "hello", "correcthorsebatterystaple",
)
# fmt: on
_LEET: Final = str.maketrans("4@831!05$7", "aabeiiosst")


def new_password(text: str, *others: str | None) -> str:
    """Return a password that may be used, as it was typed.

    `others` are what the person is known by: a password built of them is refused.

    Raises:
        InvalidInput: It is too short, too long, or among the first that anyone would try.
    """
    if len(text) < SHORTEST:
        raise _refused(f"is shorter than {SHORTEST} characters", "take four words of your own")
    if len(text) > LONGEST:
        raise _refused(f"is longer than {LONGEST} characters", "take a shorter one")
    known = [part for other in others if other for part in _parts(other)]
    if _is_guessable(text.lower(), known):
        rule = "is built of names, common words or keys in a row"
        raise _refused(rule, "take four words that have nothing to do with each other or with you")
    return text


class Passwords:
    """Makes and checks hashes, a few at once and never on the event loop."""

    def __init__(self, threads: Threads) -> None:
        """Hash in `threads`."""
        self._threads = threads
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def hashed(self, password: str) -> str:
        """Return the argon2id hash of a password."""
        async with self._turns:
            return await self._threads.run(_HASHER.hash, password)

    async def matches(self, stored: str | None, password: str) -> bool:
        """Whether a password has this hash; takes as long when there is none."""
        async with self._turns:
            good = await self._threads.run(_matches, stored or _NOBODY, password)
        return good and stored is not None

    def is_stale(self, stored: str) -> bool:
        """Whether a hash was made with another cost than today's."""
        return _HASHER.check_needs_rehash(stored)


def _matches(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, password[:LONGEST])
    except (VerificationError, InvalidHashError):
        return False


def _refused(rule: str, remedy: str) -> InvalidInput:
    return InvalidInput("password", _HIDDEN, rule, remedy)


def _parts(text: str) -> list[str]:
    return [part for part in re.split(r"[^a-z0-9]+", text.lower()) if len(part) > _SHORT_WORD]


def _is_guessable(text: str, known: list[str]) -> bool:
    words = sorted((*known, *_WORDS), key=len, reverse=True)
    return min(_own(text, words), _own(text.translate(_LEET), words)) < _FEWEST_OWN


def _own(text: str, words: list[str]) -> int:
    # What is left of it without words and rows of keys: letters that differ, and half as much for
    # each other character, since these are mostly years and marks at the end.
    for word in words:
        text = text.replace(word, " ")
    left = _without_runs(text)
    letters = {letter for letter in left if letter.isalpha()}
    others = sum(not letter.isalpha() and not letter.isspace() for letter in left)
    return len(letters) + others // 2


def _without_runs(text: str) -> str:
    for row in _ROWS:
        for keys in (row, row[::-1]):
            for start in range(len(keys) - _RUN + 1):
                text = text.replace(keys[start : start + _RUN], "")
    return text
