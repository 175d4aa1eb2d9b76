"""The keys that clients show: who asks over HTTP and who asks over a socket are held to the same.

Keys can be rotated while the exchange runs: from then on the ones before are refused, as when
they are revoked at the vendor.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from tradewright.exchange.words import BROKEN_RULE, UNPROCESSABLE, Refused, identifier


class Keys:
    """One pair of key and secret; without any nobody is let in."""

    def __init__(self) -> None:
        """Start without keys."""
        self.pair: tuple[str, str] | None = None
        self._issued: tuple[str, str] | None = None
        self._rotations = 0

    def issue(self, key: str, secret: str) -> None:
        """Give the keys to start with; keys that were rotated since stay."""
        self._issued = key, secret
        if not self._rotations:
            self.pair = self._issued

    def restore(self) -> None:
        """Give the keys to start with again."""
        self.pair = self._issued
        self._rotations = 0

    def rotate(self, given: Mapping[str, Any]) -> dict[str, str]:
        """Give other keys, made up where `key` or `secret` is not given, and revoke the old ones.

        Raises:
            Refused: What is given is no text.
        """
        number = str(self._rotations + 1)
        made = {name: given.get(name, identifier(name, number)) for name in ("key", "secret")}
        for name, value in made.items():
            if not isinstance(value, str) or not value:
                message = f"invalid {name}: {value} is not a text"
                raise Refused(UNPROCESSABLE, BROKEN_RULE, message)
        self._rotations += 1
        self.pair = made["key"], made["secret"]
        return made

    def admits(self, key: bytes, secret: bytes) -> bool:
        """Say whether these are the keys; both are always compared, in constant time."""
        if self.pair is None:
            return False
        right_key = hmac.compare_digest(key, self.pair[0].encode())
        return hmac.compare_digest(secret, self.pair[1].encode()) and right_key
