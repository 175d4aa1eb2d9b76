"""A real exchange on a free port over three days of minutes, and alpaca-py's clients of it.

AAA swings two dollars about 100, BBB half a dollar about 20 and CCC eight dollars about 400, in
130 minutes each; BBB splits and AAA pays a dividend on the third day, a Monday whose clocks have
just changed. DDD was delisted after the first.
"""

from __future__ import annotations

import ast
import contextlib
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import httpx
import numpy as np

from tests.unit.exchange.builders import FREE, KEY, SECRET, served
from tradewright.core.frames import BarFrame, FloatArray
from tradewright.core.ids import InstrumentId
from tradewright.core.instrument import Instrument
from tradewright.core.market import CashDividend, Split
from tradewright.core.session import Span, Timeframe
from tradewright.data.calendars import market_calendar
from tradewright.data.history import MarketData
from tradewright.data.sample import bar_times
from tradewright.exchange.exchange import Exchange
from tradewright.exchange.faults.judge import Faults
from tradewright.exchange.market.market import ReplayMarket
from tradewright.execution.venue import FillOn, VenueModel

with warnings.catch_warnings():
    # It brings the legacy client of websockets, whose end is announced.
    warnings.simplefilter("ignore", DeprecationWarning)
    from alpaca.data.historical.stock import StockHistoricalDataClient
    from alpaca.data.live.stock import StockDataStream
    from alpaca.trading.client import TradingClient
    from alpaca.trading.stream import TradingStream

NEW_YORK: Final = ZoneInfo("America/New_York")
THURSDAY, FRIDAY, MONDAY = date(2020, 3, 5), date(2020, 3, 6), date(2020, 3, 9)
TRADED: Final = Span(FRIDAY, MONDAY)
KNOWN: Final = Span(date(2020, 3, 2), date(2020, 3, 20))
CASH: Final = Decimal(100_000)
LEVELS: Final[Mapping[str, tuple[float, float]]] = {
    "AAA": (100.0, 2.0),
    "BBB": (20.0, 0.5),
    "CCC": (400.0, 8.0),
    "DDD": (5.0, 0.1),
}
ON_QUOTES: Final = replace(FREE, fill_on=FillOn.QUOTES)
SWING_MINUTES: Final = 130
SOON: Final = 10.0
KEYS: Final = {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET}


def at(day: date, clock: str) -> datetime:
    """A time of New York."""
    local = datetime.combine(day, time.fromisoformat(clock), NEW_YORK)
    return local.astimezone(UTC)


def minutes() -> MarketData:
    """The three days in minutes."""
    calendar = market_calendar("XNYS", KNOWN)
    times = bar_times(calendar.within(Span(THURSDAY, MONDAY)), Timeframe.MINUTE)
    count = len(times)
    swing = np.sin(np.arange(count + 1) * 2 * np.pi / SWING_MINUTES)
    path = np.array([base + span * swing for base, span in LEVELS.values()]).T
    path[:, 1] /= np.where(np.append(times.session, 2) == 2, 2, 1)
    path = path.round(2)
    opens: FloatArray = path[:-1].copy()
    closes: FloatArray = path[1:].copy()
    # The split happens overnight and not in the last minute of Friday.
    last = int(np.flatnonzero(times.session == 2)[0]) - 1
    closes[last, 1] = round(float(closes[last, 1]) * 2, 2)
    gone = times.session > 0
    opens[gone, 3] = closes[gone, 3] = np.nan
    volumes = np.tile(10_000.0 + np.arange(count)[:, None] % 7 * 100, len(LEVELS))
    volumes[gone, 3] = np.nan
    names = tuple(InstrumentId(name) for name in LEVELS)
    frame = BarFrame(
        Timeframe.MINUTE,
        names,
        times.sessions,
        times.session,
        times.start,
        times.end,
        opens,
        np.maximum(opens, closes) + 0.05,
        np.minimum(opens, closes) - 0.05,
        closes,
        volumes,
    )
    instruments = {
        name: Instrument(
            name, name, lot=Decimal("1e-9"), delisted=THURSDAY if name == "DDD" else None
        )
        for name in names
    }
    actions = (
        CashDividend(InstrumentId("AAA"), MONDAY, Decimal("0.50")),
        Split(InstrumentId("BBB"), MONDAY, Fraction(2)),
    )
    return MarketData(frame, instruments, actions, calendar, "three days", simulated=True)


def an_exchange(*, model: VenueModel = ON_QUOTES, leverage: str = "2") -> Exchange:
    """An exchange that stands before Friday's session and lets itself be spoiled."""
    market = ReplayMarket.over(
        minutes(), TRADED, model=model, cash=CASH, leverage=Decimal(leverage)
    )
    return Exchange(market, leverage=Decimal(leverage), faults=Faults())


@dataclass(frozen=True, slots=True)
class Ground:
    """A served exchange, and who asks it."""

    url: str
    exchange: Exchange
    http: httpx.Client

    @property
    def socket(self) -> str:
        """The address of its streams."""
        return self.url.replace("http", "ws", 1)

    @property
    def now(self) -> datetime:
        """The market's time."""
        return datetime.fromisoformat(self.http.get("/rehearsal/status").json()["now"])

    def advance(self, to: datetime) -> None:
        """Let the market live on to a time."""
        answer = self.http.post("/rehearsal/advance", json={"to": to.isoformat()})
        assert answer.status_code == 200, answer.text

    def perform(self, name: str, **arguments: object) -> Any:
        """Have the exchange do one of the things that no client of the vendor can ask for."""
        body = {"name": name, "arguments": arguments}
        answer = self.http.post("/rehearsal/perform", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def minutes(self, count: int = 1) -> None:
        """Let some minutes pass."""
        self.advance(self.now + timedelta(minutes=count))

    def bar(self, symbol: str, at_time: datetime) -> Mapping[str, float]:
        """The minute that a time of trading lies in."""
        frame = self.exchange.market.data.frame
        row = int(np.searchsorted(frame.end, int(at_time.timestamp()) * 10**9, side="right"))
        column = frame.index(InstrumentId(symbol))
        names = ("open", "high", "low", "close")
        return {name: float(getattr(frame, name)[row, column]) for name in names}


@contextlib.contextmanager
def ground(exchange: Exchange | None = None) -> Iterator[Ground]:
    """Serve an exchange on a free port for as long as it is needed."""
    shown = exchange or an_exchange()
    with (
        served(shown) as running,
        httpx.Client(base_url=running.url, headers=KEYS, trust_env=False) as http,
    ):
        yield Ground(running.url, shown, http)


@contextlib.contextmanager
def trading_client(url: str) -> Iterator[TradingClient]:
    """alpaca-py's trading client."""
    client = TradingClient(KEY, SECRET, url_override=url)
    try:
        yield client
    finally:
        client._session.close()


@contextlib.contextmanager
def data_client(url: str) -> Iterator[StockHistoricalDataClient]:
    """alpaca-py's client of historical data."""
    client = StockHistoricalDataClient(KEY, SECRET, url_override=url)
    try:
        yield client
    finally:
        client._session.close()


@contextlib.contextmanager
def listening(stream: TradingStream | StockDataStream, wake: Callable[[], None]) -> Iterator[None]:
    """Run a stream on a thread until it listens; `wake` makes it look whether it should stop."""
    thread = threading.Thread(target=stream.run)
    thread.start()
    try:
        wait_until(lambda: stream._running)
        yield
    finally:
        stream.stop()
        wake()
        thread.join(SOON)
        assert not thread.is_alive()


def wait_until(holds: Callable[[], bool], seconds: float = SOON) -> None:
    """Wait for something that another thread brings about."""
    pause = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if holds():
            return
        pause.wait(0.01)
    raise AssertionError("it did not happen in time")


def public_methods(client: type) -> set[str]:
    """Every method of a client that a user may call."""
    return {
        name for name in dir(client) if not name.startswith("_") and callable(getattr(client, name))
    }


def called_in(path: str) -> set[str]:
    """The names of all methods that a module calls."""
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    return {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
