"""A small market of five sessions for exchange and broker tests, and an exchange that serves it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np

from tradewright.core.frames import BarFrame, to_nanos
from tradewright.core.ids import InstrumentId
from tradewright.core.instrument import Instrument
from tradewright.core.market import CorporateAction
from tradewright.core.session import Calendar, Session, Span, Timeframe
from tradewright.data.history import MarketData
from tradewright.exchange.app import create_app
from tradewright.exchange.exchange import Exchange
from tradewright.exchange.faults.judge import Faults
from tradewright.exchange.market.market import ReplayMarket
from tradewright.exchange.server import ExchangeServer
from tradewright.execution.venue import VenueModel
from tradewright.portfolio.costs import BasisPoints, NoCommission, TradingCosts

KEY, SECRET = "rehearsal-key", "rehearsal-secret"
DAYS = [date(2024, 1, day) for day in (2, 3, 4, 5, 8, 9, 10)]
TRADED = Span(DAYS[1], DAYS[4])
CASH = Decimal(100_000)
FREE = VenueModel(TradingCosts(NoCommission(), BasisPoints(Decimal(0))))

Row = tuple[float, float, float, float, float]
AAA: Sequence[Row] = [
    (100.0, 101.0, 99.0, 100.0, 1_000.0),
    (101.0, 105.0, 100.0, 104.0, 1_000.0),
    (104.0, 106.0, 98.0, 99.0, 1_000.0),
    (99.0, 100.0, 90.0, 95.0, 1_000.0),
    (95.0, 97.0, 94.0, 96.0, 1_000.0),
]
BBB: Sequence[Row] = [(10.0, 11.0, 9.0, 10.0, 50_000.0)] * 5
PRICES: Mapping[str, Sequence[Row]] = {"AAA": AAA, "BBB": BBB}


def opened(day: int) -> datetime:
    """The open of the numbered session; 0 lies before the traded span."""
    return datetime(DAYS[day].year, DAYS[day].month, DAYS[day].day, 14, 30, tzinfo=UTC)


def closed(day: int) -> datetime:
    return opened(day) + timedelta(hours=6, minutes=30)


def sessions() -> tuple[Session, ...]:
    return tuple(Session(day, opened(i), closed(i)) for i, day in enumerate(DAYS))


def a_market(
    prices: Mapping[str, Sequence[Row]] = PRICES,
    actions: tuple[CorporateAction, ...] = (),
    *,
    shortable: bool = True,
) -> MarketData:
    """Daily bars of the first five sessions; the calendar knows two more."""
    names = tuple(InstrumentId(name) for name in prices)
    rows = len(next(iter(prices.values())))
    columns = np.array([prices[name] for name in prices]).transpose(2, 1, 0)
    frame = BarFrame(
        Timeframe.DAY,
        names,
        sessions()[:rows],
        np.arange(rows),
        np.array([to_nanos(opened(row)) for row in range(rows)]),
        np.array([to_nanos(closed(row)) for row in range(rows)]),
        *columns,
    )
    instruments = {name: Instrument(name, name, shortable=shortable) for name in names}
    return MarketData(frame, instruments, actions, Calendar("XNYS", sessions()), "a test market")


def an_exchange(
    data: MarketData | None = None,
    *,
    model: VenueModel = FREE,
    cash: Decimal = CASH,
    leverage: Decimal = Decimal(1),
    span: Span = TRADED,
    faults: Faults | None = None,
) -> Exchange:
    """An exchange whose market stands before its second session, with cash in the account."""
    market = ReplayMarket.over(data or a_market(), span, model=model, cash=cash, leverage=leverage)
    return Exchange(market, leverage=leverage, faults=faults)


@contextlib.contextmanager
def served(exchange: Exchange, *, one_stream: bool = False) -> Iterator[ExchangeServer]:
    """An exchange on a free port, on a thread of its own, stopped at the end."""
    ready = threading.Event()
    app = create_app(exchange, key=KEY, secret=SECRET, one_stream=one_stream)
    server = ExchangeServer(app, port=0, ready=lambda _url: ready.set())
    thread = threading.Thread(target=lambda: asyncio.run(server.listen()))
    thread.start()
    try:
        assert ready.wait(10)
        yield server
    finally:
        server.stop()
        thread.join(10)
        assert not thread.is_alive()
