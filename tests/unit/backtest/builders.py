"""A small market and a run over it, by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from tradewright.backtest.backtest import Result
from tradewright.backtest.parity import PaperSide
from tradewright.backtest.report import Provenance
from tradewright.core.decisions import Refusal, RefusalCode
from tradewright.core.frames import BarFrame
from tradewright.core.ids import FillId, InstrumentId, OrderId, StrategyId
from tradewright.core.instrument import Instrument
from tradewright.core.market import CorporateAction
from tradewright.core.money import Money, Price, Quantity
from tradewright.core.orders import (
    Fill,
    Order,
    OrderKind,
    OrderState,
    OrderStatus,
    Side,
    TimeInForce,
)
from tradewright.core.positions import Position
from tradewright.core.session import Calendar, Session, Timeframe
from tradewright.data.history import MarketData
from tradewright.engine.run import RunSpec
from tradewright.portfolio.ledger import Book
from tradewright.risk.limits import Limits

A, B = InstrumentId("AAA"), InstrumentId("BBB")
FIRST = datetime(2020, 1, 30, tzinfo=UTC)
CLOSES = [[10.0, 50.0], [11.0, np.nan], [12.0, 45.0], [6.0, 45.0], [6.6, 54.0]]
EQUITY = [1000.0, 1100.0, 990.0, 990.0, 1089.0]
INVESTED = [0.0, 550.0, 990.0, 495.0, 495.0]
CAPITAL = Decimal(1000)
PROVENANCE = Provenance("ab" * 32, "cd" * 32, "0123abc", {"python": "3.11.7"}, {"load": 1.25})


def a_market(
    *,
    closes: Sequence[Sequence[float]] = CLOSES,
    rows_a_session: int = 1,
    actions: Sequence[CorporateAction] = (),
    names: Sequence[InstrumentId] = (A, B),
    label: str = "by hand",
    simulated: bool = False,
) -> MarketData:
    """Days from 30 January 2020 on, opening at 14:30 and closing at 21:00."""
    column = np.array(closes)
    session = np.arange(len(column)) // rows_a_session
    sessions = tuple(_session(day) for day in range(int(session[-1]) + 1))
    part = timedelta(hours=6.5) / rows_a_session
    opened = [sessions[s].open for s in session.tolist()]
    starts = [at + part * (i % rows_a_session) for i, at in enumerate(opened)]
    start = np.array([int(at.timestamp()) for at in starts]) * 1_000_000_000
    end = start + int(part.total_seconds()) * 1_000_000_000
    timeframe = Timeframe.DAY if rows_a_session == 1 else Timeframe.HOUR
    frame = BarFrame(
        timeframe,
        tuple(names),
        sessions,
        session,
        start,
        end,
        column,
        column,
        column,
        column,
        column * 0 + 100,
    )
    instruments = {name: Instrument(name, name) for name in names}
    return MarketData(
        frame, instruments, tuple(actions), Calendar("XNYS", sessions), label, simulated
    )


def _session(day: int) -> Session:
    at = FIRST + timedelta(days=day)
    return Session(at.date(), at + timedelta(hours=14.5), at + timedelta(hours=21))


def an_order(number: int, *, instrument: InstrumentId = A, side: Side = Side.BUY) -> Order:
    """An order of ten shares that is decided at the close of the first day."""
    return Order(
        OrderId(f"order-{number}"),
        StrategyId("momentum"),
        instrument,
        side,
        Quantity(Decimal(10)),
        OrderKind.MARKET,
        TimeInForce.DAY,
        FIRST + timedelta(hours=21),
    )


def a_state(order: Order, price: str = "11") -> OrderState:
    """The order, filled at once."""
    notional = order.quantity * Decimal(price)
    at = order.decided_at + timedelta(hours=20)
    return OrderState(order, OrderStatus.FILLED, at, filled=order.quantity, notional=notional)


def a_fill(order: Order, price: str = "11", day: int = 1, fee: str = "1.00") -> Fill:
    """All of an order, at the open of a day."""
    return Fill(
        FillId(f"fill-{order.id}"),
        order.id,
        order.instrument,
        order.side,
        order.quantity,
        Price(Decimal(price)),
        Money(Decimal(fee)),
        FIRST + timedelta(days=day, hours=14.5),
    )


def a_refusal(number: int, code: RefusalCode = RefusalCode.ORDER_SIZE) -> Refusal:
    """An order that was refused at the close of the first day."""
    return Refusal(an_order(number), code, FIRST, {"limit": Decimal("20.50")})


def a_spec(**changes: Any) -> RunSpec:
    """Momentum over the days of `a_market` but the first."""
    spec = RunSpec(
        "momentum",
        {"top": "1"},
        date(2020, 1, 31),
        date(2020, 2, 3),
        CAPITAL,
        Limits.of_capital(CAPITAL),
    )
    return replace(spec, **changes)


def a_result(market: MarketData, **changes: Any) -> Result:
    """Ten of A bought on the second day, ten sold on the third; prices 11 and 12."""
    bought, sold = an_order(1), an_order(2, side=Side.SELL)
    position = Position(A, Decimal(5), Decimal(50))
    known: dict[str, Any] = {
        "spec": a_spec(),
        "times": market.frame.end,
        "equity": np.array(EQUITY),
        "invested": np.array(INVESTED),
        "orders": {bought.id: a_state(bought), sold.id: a_state(sold, "12")},
        "fills": [a_fill(bought), a_fill(sold, "12", 2, "1.01")],
        "refusals": [],
        "alerts": [],
        "book": Book(
            Decimal("1056.00"),
            {A: position},
            Decimal(10),
            Decimal("2.01"),
            Decimal("0.5"),
            CAPITAL,
        ),
        "final_equity": Decimal("1089.000"),
        "rows": 4,
    }
    return Result(**(known | changes))


def a_paper_side(
    result: Result, *, orders: Mapping[OrderId, OrderState] | None = None, **changes: Any
) -> PaperSide:
    """The result's orders, asked in paper mode as well."""
    known: dict[str, Any] = {
        "sessions": 2,
        "expected": result.orders,
        "orders": result.orders if orders is None else orders,
        "fills": result.fills,
        "refusals": [],
        "differences": (),
        "book": result.book,
    }
    return PaperSide(**(known | changes))
