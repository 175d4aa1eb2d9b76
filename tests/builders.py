"""Small, whole objects for tests: every argument that a test does not name is unremarkable.

Times stand in January 2024; `AAA` trades at 100 with ticks of a cent unless a test says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from tradewright.core.frames import BarFrame, to_nanos
from tradewright.core.ids import FillId, InstrumentId, OrderId, StrategyId
from tradewright.core.instrument import Instrument
from tradewright.core.market import CorporateAction
from tradewright.core.money import Money, Price, Quantity
from tradewright.core.orders import Fill, Order, OrderKind, Side, TimeInForce
from tradewright.core.session import Calendar, Session, Timeframe
from tradewright.core.signals import Target
from tradewright.data.history import MarketData
from tradewright.engine.run import RunSpec
from tradewright.execution.venue import VenueModel
from tradewright.portfolio.costs import BasisPoints, NoCommission, TradingCosts
from tradewright.risk.checks import RiskContext
from tradewright.risk.limits import Limits
from tradewright.risk.reservation import Exposure
from tradewright.strategies.strategy import MarketView, Needs

AT = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)
AAA = InstrumentId("AAA")
BBB = InstrumentId("BBB")
MOMENT = timedelta(seconds=1)
FREE = TradingCosts(NoCommission(), BasisPoints(Decimal(0)))
WIDE = Limits(max_position_weight=Decimal(10**6))

Row = tuple[float, float, float, float, float]
NAN = float("nan")
NO_BAR: Row = (NAN, NAN, NAN, NAN, NAN)
FIRST_DAY = date(2024, 1, 2)
OPEN_HOURS = timedelta(hours=6, minutes=30)


def dec(text: str | int) -> Decimal:
    return Decimal(text)


def cash(text: str | int) -> Money:
    return Money(Decimal(text))


def an_instrument(name: str = "AAA", **changes: Any) -> Instrument:
    return Instrument(InstrumentId(name), name, **changes)


def instruments(*names: str) -> dict[InstrumentId, Instrument]:
    return {InstrumentId(name): an_instrument(name) for name in names or ("AAA", "BBB")}


def an_order(
    side: Side = Side.BUY,
    quantity: str | int = 100,
    kind: OrderKind = OrderKind.MARKET,
    **changes: Any,
) -> Order:
    """An order of AAA; prices may be given as text."""
    for name in ("limit", "stop", "trail_price", "trail_fraction"):
        if isinstance(changes.get(name), str | int):
            changes[name] = Decimal(changes[name])
    facts: dict[str, Any] = {
        "id": OrderId("order-1"),
        "strategy": StrategyId("test"),
        "instrument": AAA,
        "time_in_force": TimeInForce.DAY,
        "decided_at": AT,
    }
    return Order(side=side, quantity=Quantity(Decimal(quantity)), kind=kind, **(facts | changes))


def a_fill(
    side: Side = Side.BUY,
    quantity: str | int = 100,
    price: str | int = 100,
    **changes: Any,
) -> Fill:
    """An execution of `an_order`; `fee` may be given as text."""
    fee = changes.pop("fee", "0")
    facts: dict[str, Any] = {
        "id": FillId("fill-1"),
        "order": OrderId("order-1"),
        "instrument": AAA,
        "fee": fee if isinstance(fee, Money) else cash(fee),
        "at": AT,
    }
    exact = {"quantity": Quantity(Decimal(quantity)), "price": Price(Decimal(price))}
    return Fill(side=side, **(facts | exact | changes))


def sessions(count: int, first: date = FIRST_DAY) -> tuple[Session, ...]:
    """Sessions of consecutive weekdays, 14:30 to 21:00 UTC."""
    days: list[date] = []
    day = first
    while len(days) < count:
        if day.weekday() < 5:
            days.append(day)
        day += timedelta(days=1)
    return tuple(
        Session(day, start, start + OPEN_HOURS)
        for day in days
        for start in [datetime(day.year, day.month, day.day, 14, 30, tzinfo=UTC)]
    )


def a_calendar(count: int = 30) -> Calendar:
    return Calendar("TEST", sessions(count))


def a_frame(rows: Mapping[str, Sequence[Row]], per_session: int = 1) -> BarFrame:
    """Bars of (open, high, low, close, volume); `per_session` of them to a session."""
    count = len(next(iter(rows.values())))
    days = sessions(-(-count // per_session))
    length = OPEN_HOURS / per_session
    starts = [days[row // per_session].open + length * (row % per_session) for row in range(count)]
    table = np.array([list(bars) for bars in rows.values()], dtype=np.float64)
    table = table.reshape(len(rows), count, 5)
    opens, highs, lows, closes, volumes = table.transpose(2, 1, 0)
    return BarFrame(
        Timeframe.DAY if per_session == 1 else Timeframe.MINUTE,
        tuple(InstrumentId(name) for name in rows),
        days,
        np.array([row // per_session for row in range(count)], dtype=np.int64),
        np.array([to_nanos(start) for start in starts], dtype=np.int64),
        np.array([to_nanos(start + length) for start in starts], dtype=np.int64),
        opens,
        highs,
        lows,
        closes,
        volumes,
    )


def flat_bars(closes: Sequence[float], volume: float = 1e6) -> list[Row]:
    """Bars that open, trade and close at one price; NaN where nothing traded."""
    return [(c, c, c, c, volume) if c == c else NO_BAR for c in closes]  # noqa: PLR0124 - NaN


def a_market(
    rows: Mapping[str, Sequence[Row]], *actions: CorporateAction, per_session: int = 1
) -> MarketData:
    frame = a_frame(rows, per_session)
    calendar = a_calendar(len(frame.sessions) + 30)
    return MarketData(frame, instruments(*rows), actions, calendar, "test market", simulated=True)


def a_venue_model(**changes: Any) -> VenueModel:
    """A venue without costs."""
    return VenueModel(**({"costs": FREE} | changes))


def an_exposure(
    held: Mapping[str, str | int] | None = None,
    *working: tuple[str, Side, str | int],
    equity_cash: str | int = 1_000_000,
    prices: Mapping[str, str | int] | None = None,
) -> Exposure:
    """Exposure with marks of 100, or those given; an instrument without a mark is unpriced."""
    marks = {"AAA": 100, "BBB": 100} if prices is None else prices
    return Exposure(
        Decimal(equity_cash),
        {InstrumentId(name): Decimal(quantity) for name, quantity in (held or {}).items()},
        [(InstrumentId(name), side, Decimal(quantity)) for name, side, quantity in working],
        lambda name: Decimal(marks[name]) if name in marks else None,
    )


def a_context(order: Order | None = None, **changes: Any) -> RiskContext:
    """A context in which everything may trade; `reduces` follows from `order` if it is given."""
    exposure: Exposure = changes.get("exposure") or an_exposure()
    reduces = order is not None and order.quantity <= exposure.reducible(
        order.instrument, order.side
    )
    facts: dict[str, Any] = {
        "at": AT,
        "limits": WIDE,
        "stopped": False,
        "market_open": True,
        "trades_on": AT.date(),
        "instrument": an_instrument(),
        "halted": False,
        "price": Decimal(100),
        "price_age": 0,
        "exposure": exposure,
        "commission": NoCommission(),
        "reduces": reduces,
    }
    return RiskContext(**(facts | changes))


class Planned:
    """A strategy that wishes for given weights on given dates, whatever it sees."""

    def __init__(
        self, weights: Mapping[date, Mapping[str, float]], needs: Needs | None = None
    ) -> None:
        self.id = StrategyId("planned")
        self.needs = needs or Needs()
        self.weights = weights
        self.asked: list[date] = []

    def decide(self, view: MarketView) -> Sequence[Target]:
        self.asked.append(view.session.date)
        wanted = self.weights.get(view.session.date, {})
        return [
            Target(self.id, InstrumentId(name), view.at, weight, "planned")
            for name, weight in wanted.items()
        ]


def a_spec(market: MarketData, **changes: Any) -> RunSpec:
    """A run over all of a market but its first session, without costs."""
    days = [session.date for session in market.frame.sessions]
    facts: dict[str, Any] = {
        "strategy": "momentum",
        "parameters": {},
        "first": days[min(1, len(days) - 1)],
        "last": days[-1],
        "capital": Decimal(10_000),
        "limits": WIDE,
        "commission": "none",
        "slippage_bps": Decimal(0),
    }
    return RunSpec(**(facts | changes))
