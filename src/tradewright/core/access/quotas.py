"""How often something may be done: quotas, how they stand, and numbers that are used once.

A quota is counted in a sliding window: no span of its length ever holds more uses than its limit.
"""

from __future__ import annotations

from typing import Final

from tradewright.core.frozen import frozen

FORGOTTEN: Final = "which nonces were used before is no longer known; sign the request anew"
"""Why a request that was signed before the memory of nonces began is refused."""


@frozen
class Quota:
    """How often something may be done: `limit` times in any `window_seconds`, counted under `key`.

    Buckets of one key share their count, whichever service or process asks.
    """

    key: str
    limit: int
    window_seconds: int


@frozen
class QuotaState:
    """Where a quota stands after a request: what is left, and when the oldest use falls out."""

    quota: Quota
    remaining: int
    reset_seconds: float
    spent: bool
    """No use was left, so the request does not fit."""


@frozen
class Nonce:
    """A number that its service uses once; it is remembered for `ttl_seconds`.

    `signed` is when the request that uses it says that it was signed, in unix seconds.
    """

    service: str
    value: str
    ttl_seconds: int
    signed: int


@frozen
class Passage:
    """What the turnstile says: the nonce was new or not, and how each quota stands."""

    replayed: bool
    quotas: tuple[QuotaState, ...] = ()

    @property
    def spent(self) -> tuple[QuotaState, ...]:
        """The quotas that had nothing left; if there is one, none was used."""
        return tuple(state for state in self.quotas if state.spent)
