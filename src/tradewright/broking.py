"""The broker's settings: where it is, who we are there, how we behave, and what contradicts itself.

A URL that is not set follows from the others, so that the address of a rehearsal exchange is given
once. Real money needs three facts that agree, and nothing here is one of them by default.
"""

from __future__ import annotations

from typing import Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr

LIVE_HOST: Final = "api.alpaca.markets"
PAPER_HOST: Final = "https://paper-api.alpaca.markets"
_DATA_HOST: Final = "https://data.alpaca.markets"
_STREAM_HOST: Final = "wss://stream.data.alpaca.markets"
HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_SAFE: Final = {"http": "https", "ws": "wss"}
# How the vendor's key ids begin: one kind of account each.
_PAPER_KEY, _LIVE_KEY = "PK", "AK"


class AlpacaSettings(BaseModel):
    """The broker: where it is, who we are there, and how we behave."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    alpaca_api_key_id: SecretStr | None = Field(
        None, alias="ALPACA_API_KEY_ID", description="The broker's key id."
    )
    alpaca_api_secret_key: SecretStr | None = Field(
        None, alias="ALPACA_API_SECRET_KEY", description="The broker's secret key."
    )
    alpaca_base_url: str = Field(
        PAPER_HOST, alias="ALPACA_BASE_URL", description="The broker's host; paper by default."
    )
    alpaca_data_url: str | None = Field(
        None,
        alias="ALPACA_DATA_URL",
        description="Host of market data; unset: the vendor's, or a local ALPACA_BASE_URL.",
    )
    alpaca_stream_url: str | None = Field(
        None,
        alias="ALPACA_STREAM_URL",
        description="Host of the market data stream; unset: the vendor's, or a local one.",
    )
    alpaca_feed: Literal["iex", "sip"] = Field(
        "iex", alias="ALPACA_FEED", description="Which market data is read: iex or sip."
    )
    alpaca_data_delay_seconds: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        alias="ALPACA_DATA_DELAY_SECONDS",
        description="How late history is read; sip without real-time rights needs 900.",
    )
    alpaca_requests_per_minute: int = Field(
        200,
        ge=10,
        alias="ALPACA_REQUESTS_PER_MINUTE",
        description="Requests to the account at most; a part is kept for cancels and exits.",
    )
    alpaca_data_requests_per_minute: int = Field(
        200,
        ge=10,
        alias="ALPACA_DATA_REQUESTS_PER_MINUTE",
        description="Requests for market data at most.",
    )
    alpaca_handshakes_per_minute: int = Field(
        10,
        ge=1,
        alias="ALPACA_HANDSHAKES_PER_MINUTE",
        description="Attempts to connect a stream at most.",
    )
    alpaca_request_timeout_seconds: float = Field(
        10.0,
        gt=0,
        allow_inf_nan=False,
        alias="ALPACA_REQUEST_TIMEOUT_SECONDS",
        description="Wait for an answer to begin at most; three times that for all of it.",
    )
    alpaca_quiet_seconds: float = Field(
        60.0,
        gt=0,
        allow_inf_nan=False,
        alias="ALPACA_QUIET_SECONDS",
        description="Silence of the trade updates after which the lists are compared.",
    )
    alpaca_max_skew_seconds: float = Field(
        1.0,
        gt=0,
        allow_inf_nan=False,
        alias="ALPACA_MAX_SKEW_SECONDS",
        description="Difference of clocks beyond which only reductions are sent.",
    )
    dry_run: bool = Field(
        default=True,
        alias="DRY_RUN",
        description="False is one of the three facts that the live host needs; true refuses it.",
    )
    live_trading_confirm: str = Field(
        "", alias="LIVE_TRADING_CONFIRM", description="The account number, to trade real money."
    )

    @property
    def is_live(self) -> bool:
        """Whether the broker's host is the one where money is real."""
        return address(self.alpaca_base_url)[1] == LIVE_HOST

    @property
    def is_rehearsal(self) -> bool:
        """Whether the broker's host is this machine: a rehearsal exchange, in the market's time."""
        return address(self.alpaca_base_url)[1] in HERE

    @property
    def data_url(self) -> str:
        """Where market data is read."""
        return self.alpaca_data_url or self._beside(_DATA_HOST)

    @property
    def stream_url(self) -> str:
        """Where market data is streamed from, without the feed."""
        beside = self._beside(_STREAM_HOST)
        return self.alpaca_stream_url or beside.replace("http", "ws", 1)

    def _beside(self, theirs: str) -> str:
        return self.alpaca_base_url.rstrip("/") if self.is_rehearsal else theirs


def broker_faults(settings: AlpacaSettings) -> list[str]:
    """Say which of the broker's settings cannot be meant together; empty if they can."""
    wrong = _of_addresses(settings) + _of_keys(settings)
    confirmed = settings.live_trading_confirm
    if settings.is_live and (settings.dry_run or not confirmed):
        wrong.append(
            "ALPACA_BASE_URL is the live host without DRY_RUN=false and LIVE_TRADING_CONFIRM"
        )
    if not settings.is_live and confirmed:
        wrong.append("LIVE_TRADING_CONFIRM is set but ALPACA_BASE_URL is not the live host")
    return wrong


def address(url: str) -> tuple[str, str]:
    """Return scheme and host of a URL, both empty where it is none."""
    try:
        parts = urlsplit(url)
        # A dot at the end of a host name leads to the same host.
        return parts.scheme, (parts.hostname or "").removesuffix(".")
    except ValueError:
        return "", ""


def _of_addresses(settings: AlpacaSettings) -> list[str]:
    given = {
        "ALPACA_BASE_URL": ("http", settings.alpaca_base_url),
        "ALPACA_DATA_URL": ("http", settings.data_url),
        "ALPACA_STREAM_URL": ("ws", settings.stream_url),
    }
    wrong: list[str] = []
    for name, (plain, url) in given.items():
        scheme, host = address(url)
        if not host or (scheme != _SAFE[plain] and not (host in HERE and scheme == plain)):
            wrong.append(f"{name}: {url!r} is not an {_SAFE[plain]} address")
    return wrong


def _of_keys(settings: AlpacaSettings) -> list[str]:
    key = settings.alpaca_api_key_id
    if (key is None) != (settings.alpaca_api_secret_key is None):
        return ["ALPACA_API_KEY_ID and ALPACA_API_SECRET_KEY must be given together"]
    shown = "" if key is None else key.get_secret_value()
    if settings.is_live and shown.startswith(_PAPER_KEY):
        return ["ALPACA_API_KEY_ID is a paper key but ALPACA_BASE_URL is the live host"]
    if settings.alpaca_base_url.rstrip("/") == PAPER_HOST and shown.startswith(_LIVE_KEY):
        return ["ALPACA_API_KEY_ID is a live key but ALPACA_BASE_URL is the paper host"]
    return []
