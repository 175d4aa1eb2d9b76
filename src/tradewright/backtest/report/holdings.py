"""What a run held of each name at each close, and what it is measured against.

Holdings are folded from fills, in the shares of the day by the splits between; the fraction of a
share that a split pays in cash is counted as still held.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.analytics.returns import simple_returns
from tradewright.analytics.round_trips import Payout
from tradewright.core.frames import from_nanos, to_nanos
from tradewright.core.ids import InstrumentId
from tradewright.core.market import Delisting
from tradewright.data.adjust import growth, split_growth
from tradewright.data.history import History

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewright.backtest.backtest import Result
    from tradewright.backtest.summary import SessionCurve
    from tradewright.core.frames import FloatArray, IntArray
    from tradewright.core.orders import Fill
    from tradewright.data.history import MarketData

MARKET: Final = InstrumentId("SPY")
EQUAL_WEIGHT: Final = "equal weight"
SPREADS: Final = {
    "IWM": "small less large (IWM − SPY)",
    "QQQ": "Nasdaq less large (QQQ − SPY)",
    "EEM": "emerging less large (EEM − SPY)",
}


@dataclass(frozen=True, slots=True, eq=False)
class Holdings:
    """Signed value of each name that was traded, shape (sessions + 1, names)."""

    names: tuple[InstrumentId, ...]
    values: FloatArray


def holdings(result: Result, market: MarketData, curve: SessionCurve) -> Holdings:
    """Value what was held at the closes of a run's sessions."""
    frame = market.frame
    names = tuple(sorted({fill.instrument for fill in result.fills}))
    columns = np.array([frame.index(name) for name in names], dtype=np.int64)
    splits = split_growth(frame, market.actions)[:, columns]
    units = np.zeros((len(frame.end), len(names)))
    rows = fill_rows(frame.end, result.fills)
    where = {name: i for i, name in enumerate(names)}
    for row, fill in zip(rows.tolist(), result.fills, strict=True):
        column = where[fill.instrument]
        units[row, column] += float(fill.quantity) * fill.side.sign / splits[row, column]
    held = np.cumsum(units, axis=0)
    for action in market.actions:
        if isinstance(action, Delisting) and action.instrument in where:
            held[_after(market, action) :, where[action.instrument]] = 0
    worth = filled(frame.close[:, columns] * splits)
    scale = np.array([float(market.instruments[name].multiplier) for name in names])
    values = np.where(np.abs(held) > _NOTHING, held * worth * scale, 0.0)
    return Holdings(names, np.asarray(values[curve.rows]))


def payouts(result: Result, market: MarketData) -> list[Payout]:
    """What delistings within the run paid a share."""
    traded = {fill.instrument for fill in result.fills}
    last = int(np.searchsorted(market.frame.end, result.times[-1]))
    gone = sorted(
        (_after(market, action) - 1, action.instrument)
        for action in market.actions
        if isinstance(action, Delisting) and action.instrument in traded
    )
    found, history = [], History(market.frame, market.actions)
    for row, name in gone:
        if 0 <= row < last:
            history.advance(row)
            known = history.price(market.frame.index(name))
            if known is not None:
                found.append(Payout(name, from_nanos(int(market.frame.end[row])), known[0]))
    return found


def total_returns(name: InstrumentId, market: MarketData, curve: SessionCurve) -> FloatArray:
    """Returns a session of holding one instrument, dividends reinvested, shape (sessions,)."""
    frame = market.frame
    column = frame.index(name)
    worth = frame.close[:, [column]] * growth(frame, market.actions)[:, [column]]
    return simple_returns(filled(worth)[curve.rows, 0])


def equal_weight(curve: SessionCurve, market: MarketData) -> FloatArray:
    """Equity of holding every instrument that trades at equal weight, set right each session.

    Dividends are reinvested and nothing is paid for trading, so it is a yardstick and no
    strategy. Shape (sessions + 1,), beginning at the curve's first value.
    """
    frame = market.frame
    worth = frame.close * growth(frame, market.actions)
    before = filled(worth)[curve.rows[:-1]]
    # After a missing bar the next one brings the whole move; after the last there is none.
    moves = worth[curve.rows[1:]] / before - 1
    known = ~np.isnan(moves)
    mean = np.where(known, moves, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return np.asarray(curve.equity[0] * np.cumprod(np.concatenate(([1.0], 1 + mean))))


def benchmark(curve: SessionCurve, market: MarketData) -> tuple[str, FloatArray]:
    """Name and returns a session of what the run is measured against.

    It is SPY where the data has it in every session, and else the equally weighted pool.
    """
    if MARKET in market.frame.instruments:
        found = total_returns(MARKET, market, curve)
        if not np.isnan(found).any():
            return str(MARKET), found
    return EQUAL_WEIGHT, simple_returns(equal_weight(curve, market))


def factors(curve: SessionCurve, market: MarketData) -> Mapping[str, FloatArray]:
    """Returns of the factors that the data has: the benchmark, and spreads of index funds.

    A spread is the return of a fund less that of SPY; it is there where both are in every session.
    """
    name, market_returns = benchmark(curve, market)
    found = {f"market ({name})": market_returns}
    if name == MARKET:
        for fund, label in SPREADS.items():
            if InstrumentId(fund) in market.frame.instruments:
                spread = total_returns(InstrumentId(fund), market, curve) - market_returns
                if not np.isnan(spread).any():
                    found[label] = spread
    return found


def fill_rows(ends: IntArray, fills: Sequence[Fill]) -> IntArray:
    """Row of the bar that each fill is in, from the ends of the bars in nanoseconds."""
    at = np.array([to_nanos(fill.at) for fill in fills], dtype=np.int64)
    return np.minimum(np.searchsorted(ends, at), len(ends) - 1)


def filled(prices: FloatArray) -> FloatArray:
    """Prices with each NaN replaced by the last before it, shape (rows, instruments)."""
    known = np.where(np.isnan(prices), 0, np.arange(len(prices))[:, None])
    return np.take_along_axis(prices, np.maximum.accumulate(known), axis=0)


_NOTHING: Final = 1e-9


def _after(market: MarketData, action: Delisting) -> int:
    dates = [session.date for session in market.frame.sessions]
    inside = [i for i, day in enumerate(dates) if day <= action.ex_date]
    return int(np.searchsorted(market.frame.session, inside[-1] + 1)) if inside else 0
