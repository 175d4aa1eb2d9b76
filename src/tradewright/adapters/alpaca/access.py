"""Where the venue is, who we are there, how long we wait for it and how often we ask.

The account number is part of who we are: keys that open another account than the one that was
meant are refused before the first order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tradewright.adapters.alpaca.budget import RequestBudget
from tradewright.core.errors import ConfigError

VENUE: Final = "alpaca"
DATA_URL: Final = "https://data.alpaca.markets"
MARKET_STREAM_URL: Final = "wss://stream.data.alpaca.markets"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait: for a connection, for bytes to come or go, for a pooled connection.

    `whole` is for a request from its first byte to the answer's last. `ping` is how often a
    stream is probed, and how long the answer may take. After `quiet` seconds without a trade
    update the venue is asked whether the stream has kept something from us.
    """

    connect: float = 5.0
    read: float = 10.0
    write: float = 10.0
    pool: float = 5.0
    whole: float = 30.0
    ping: float = 20.0
    close: float = 2.0
    quiet: float = 60.0


@dataclass(frozen=True, slots=True)
class Access:
    """Address and keys; with `account`, the number of the account that the keys must open."""

    base_url: str
    key: str
    secret: str = field(repr=False)
    account: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """The headers that say who we are."""
        return {"APCA-API-KEY-ID": self.key, "APCA-API-SECRET-KEY": self.secret}

    @property
    def stream_url(self) -> str:
        """Address of the trade updates; it follows from the other."""
        scheme, _, rest = self.base_url.rstrip("/").partition("://")
        return f"{'wss' if scheme == 'https' else 'ws'}://{rest}/stream"

    def refused(self) -> ConfigError:
        """Compose the error of credentials that the venue does not take."""
        return ConfigError(
            f"{self.base_url} does not accept the key {self.key[:4]}…",
            "check key and secret (ALPACA_API_KEY_ID, ALPACA_API_SECRET_KEY), and that they belong "
            "to this address (ALPACA_BASE_URL: paper or live)",
        )

    def require_account(self, number: object) -> None:
        """Do nothing for the account that was meant; raise ConfigError for another."""
        if self.account and number != self.account:
            raise ConfigError(
                f"{self.base_url} opens account {number!r}, not {self.account!r}",
                "use the keys of the account that LIVE_TRADING_CONFIRM names",
            )


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits between attempts: doubling from `first` to `longest` seconds.

    `jitter` returns a number in [0, 1) that takes up to half of a wait away, so that many
    clients do not come back at once.
    """

    first: float = 1.0
    longest: float = 30.0
    jitter: Callable[[], float] = lambda: 0.0

    def delay(self, attempt: int) -> float:
        """Return the wait before attempt number `attempt`, counted from 0."""
        doubled = self.first * 2.0 ** min(attempt, 32)
        return min(self.longest, doubled) * (1 - self.jitter() / 2)


class Handshakes:
    """At most so many handshakes in a stretch of time; pure, seconds are arguments."""

    def __init__(self, most: int = 10, seconds: float = 60.0) -> None:
        """Allow `most` in any `seconds`."""
        self._seconds = seconds
        self._tried: deque[float] = deque(maxlen=most)

    def wait(self, now: float) -> float:
        """Return the seconds until another is allowed, 0 for at once."""
        if len(self._tried) < (self._tried.maxlen or 0):
            return 0.0
        return max(self._tried[0] + self._seconds - now, 0.0)

    def tried(self, now: float) -> None:
        """Count one."""
        self._tried.append(now)


@dataclass(frozen=True, slots=True)
class Manners:
    """How we behave towards the venue; one object a connection, since it counts.

    `retry` spaces repeated reads and cancels, `backoff` reconnections and the mending of gaps. A
    connection that lasted less than `steady` seconds counts as another failure. With
    `silence`, a stream without a frame for so many seconds is given up while `expects` says
    that there should be some. Without a `budget` nothing is held back.
    """

    backoff: Backoff = field(default_factory=Backoff)
    retry: Backoff = field(default_factory=lambda: Backoff(first=0.1, longest=1.0))
    handshakes: Handshakes = field(default_factory=Handshakes)
    budget: RequestBudget | None = None
    steady: float = 30.0
    silence: float | None = None
    expects: Callable[[], bool] = lambda: True
