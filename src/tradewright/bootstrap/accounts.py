"""An account at the broker: its trading, market data and reference, wired with one conduct.

A rehearsal exchange and the vendor are wired alike, by the same function: where the account is
and who we are there is all that differs. Which of the two it is, the caller's `Place` says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.adapters.alpaca import (
    Access,
    Allowance,
    AlpacaBars,
    AlpacaBroker,
    AlpacaData,
    AlpacaMarketStream,
    Backoff,
    Handshakes,
    Lane,
    Manners,
    Parking,
    RequestBudget,
    Source,
    Symbols,
    Timeouts,
    no_fee,
)
from tradewright.core.clock import SystemClock
from tradewright.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import httpx

    from tradewright.adapters.alpaca import Channels, FeeRule, Parked
    from tradewright.broking import AlpacaSettings
    from tradewright.core.instrument import Instrument
    from tradewright.core.records import JsonValue
    from tradewright.ports import Clock

_WHOLE_ANSWER: Final = 3
_MINUTE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where an account is, and who we are there; `account` is the number that it must have."""

    url: str
    data_url: str
    stream_url: str
    key: str
    secret: str = field(repr=False)
    account: str = ""

    @property
    def trading(self) -> Access:
        """How its orders are reached."""
        return Access(self.url, self.key, self.secret, self.account)

    @property
    def data(self) -> Access:
        """How its market data is read."""
        return Access(self.data_url, self.key, self.secret)

    def stream(self, feed: str) -> Access:
        """How a feed of its market data is heard."""
        return Access(f"{self.stream_url}/v2/{feed}", self.key, self.secret)


@dataclass(frozen=True, slots=True)
class Conduct:
    """How we behave there; without numbers of requests nothing is held back."""

    requests_per_minute: int | None = None
    data_requests_per_minute: int | None = None
    handshakes_per_minute: int = 10
    timeouts: Timeouts = field(default_factory=Timeouts)
    source: Source = field(default_factory=Source)
    max_skew_seconds: float = 1.0


def account_place(settings: AlpacaSettings) -> Place:
    """Return where the account of the settings is.

    Raises:
        ConfigError: There are no keys to it.
    """
    key, secret = settings.alpaca_api_key_id, settings.alpaca_api_secret_key
    if key is None or secret is None:
        raise ConfigError(
            "ALPACA_API_KEY_ID and ALPACA_API_SECRET_KEY are not set",
            "set the keys of the account, or name a rehearsal exchange with --url",
        )
    base = settings.alpaca_base_url.rstrip("/").removesuffix("/v2")
    return Place(
        base,
        settings.data_url.rstrip("/"),
        settings.stream_url.rstrip("/"),
        key.get_secret_value(),
        secret.get_secret_value(),
        settings.live_trading_confirm,
    )


def exchange_place(url: str, key: str, secret: str) -> Place:
    """Return where the account of a rehearsal exchange is: all of it at one address."""
    base = url.rstrip("/")
    return Place(base, base, base.replace("http", "ws", 1), key, secret)


def conduct_of(settings: AlpacaSettings) -> Conduct:
    """Return how the settings tell us to behave."""
    read = settings.alpaca_request_timeout_seconds
    return Conduct(
        requests_per_minute=settings.alpaca_requests_per_minute,
        data_requests_per_minute=settings.alpaca_data_requests_per_minute,
        handshakes_per_minute=settings.alpaca_handshakes_per_minute,
        timeouts=Timeouts(
            connect=min(read, Timeouts().connect),
            read=read,
            write=read,
            whole=read * _WHOLE_ANSWER,
            quiet=settings.alpaca_quiet_seconds,
        ),
        source=Source(
            settings.alpaca_feed, delay=timedelta(seconds=settings.alpaca_data_delay_seconds)
        ),
        max_skew_seconds=settings.alpaca_max_skew_seconds,
    )


class Account:
    """One account, wired: `broker` trades, `data` reads quotes, and the rest is made when asked."""

    def __init__(
        self,
        place: Place,
        conduct: Conduct,
        instruments: Sequence[Instrument] = (),
        *,
        fee: FeeRule = no_fee,
        clock: Clock | None = None,
        tell: Callable[[str, str], None] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Wire it; nothing is sent yet.

        `tell` is given a stable code and a sentence of whatever the venue says that could not be
        read; `transport` replaces the network below HTTP, for drills.
        """
        self.place = place
        self.conduct = conduct
        self.clock = clock or SystemClock()
        self.symbols = Symbols.of(list(instruments))
        self.instruments = tuple(instruments)
        self._jitter = np.random.default_rng().random
        self._parking = Parking(None if tell is None else _telling(tell))
        self.budget = self._budget(conduct.requests_per_minute)
        self._data_budget = self._budget(conduct.data_requests_per_minute)
        self.broker = AlpacaBroker(
            place.trading,
            self.symbols,
            fee=fee,
            timeouts=conduct.timeouts,
            manners=self._manners(self.budget),
            clock=self.clock,
            parking=self._parking,
            transport=transport,
        )
        self.data = AlpacaData(
            place.data,
            self.symbols,
            source=conduct.source,
            timeouts=conduct.timeouts,
            manners=self._manners(self._data_budget),
            clock=self.clock,
            parking=self._parking,
        )

    def bars(self) -> AlpacaBars:
        """Return the reader of its history; reading blocks, so not on an event loop."""
        return AlpacaBars(
            self.place.data,
            self.instruments,
            source=self.conduct.source,
            timeouts=self.conduct.timeouts,
            manners=self._manners(self._data_budget),
            clock=self.clock,
            parking=self._parking,
        )

    def market_stream(
        self, channels: Channels, *, expects: Callable[[], bool] = lambda: True
    ) -> AlpacaMarketStream:
        """Return the stream of its feed; silence is suspicious while `expects` says so."""
        return AlpacaMarketStream(
            self.place.stream(self.conduct.source.feed),
            channels,
            self.symbols,
            refill=self.data.latest_quotes,
            timeouts=self.conduct.timeouts,
            manners=self._manners(
                self._data_budget, silence=self.conduct.timeouts.quiet, expects=expects
            ),
            clock=self.clock,
            parking=self._parking,
        )

    def requests_left(self) -> dict[str, JsonValue]:
        """Return how many requests may be sent now, by what they are for; empty without a limit."""
        now = self.clock.monotonic()
        lanes = (Lane.POLL, Lane.ORDER, Lane.EXIT)
        budget = self.budget
        return {} if budget is None else {lane.value: budget.left(lane, now) for lane in lanes}

    async def close(self) -> None:
        """Let go of all connections."""
        await self.broker.close()
        await self.data.close()

    def _budget(self, requests: int | None) -> RequestBudget | None:
        if requests is None:
            return None
        return RequestBudget(Allowance(requests, _MINUTE), jitter=self._jitter)

    def _manners(
        self,
        budget: RequestBudget | None,
        *,
        silence: float | None = None,
        expects: Callable[[], bool] = lambda: True,
    ) -> Manners:
        return Manners(
            backoff=Backoff(jitter=self._jitter),
            retry=Backoff(first=0.1, longest=1.0, jitter=self._jitter),
            handshakes=Handshakes(self.conduct.handshakes_per_minute, _MINUTE),
            budget=budget,
            silence=silence,
            expects=expects,
        )


def _telling(tell: Callable[[str, str], None]) -> Callable[[Parked], None]:
    return lambda parked: tell("message_parked", parked.reason)
