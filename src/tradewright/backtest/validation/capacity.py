"""How much money a strategy carries until what its own trading costs has eaten what it earns.

The fills of a run are taken as they were and made larger: with k times the money each trades k
times the shares, at the volumes and volatilities that were known before its session. Nobody else
trades on it, and it is not slowed down: both make the truth smaller or larger than the estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from tradewright.analytics.benchmark import alpha
from tradewright.analytics.returns import SESSIONS_A_YEAR, simple_returns
from tradewright.backtest.report.holdings import benchmark
from tradewright.backtest.summary import SessionCurve
from tradewright.core.errors import InvalidInput, MissingData, UnknownName
from tradewright.portfolio.costs.conditions import Backdrop
from tradewright.portfolio.costs.slippage import SquareRoot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from tradewright.core.frames import FloatArray
    from tradewright.core.orders import Fill
    from tradewright.data.history import MarketData
    from tradewright.portfolio.costs import TradingCosts
    from tradewright.portfolio.costs.conditions import Conditions

SQUARE_ROOT: Final = SquareRoot(spread_bps=Decimal(0), unknown_bps=Decimal(0))
"""σ √(Q / V): what size alone costs, by the square-root law with a coefficient of one."""
EDGES: Final = ("alpha", "return")
BUSY: Final = 0.1
"""The part of a day's volume beyond which a market order is no longer one among others."""

_MOST_SCALE: Final = 2.0**40
_STEPS: Final = 40
_POINTS: Final = 25
_DIGITS: Final = 12


class SizeCost(Protocol):
    """What size costs: a slippage or an impact of `portfolio.costs`."""

    def fraction(self, quantity: Decimal, conditions: Conditions) -> Decimal:
        """Return the part of the price that filling `quantity` at once loses."""
        ...


@dataclass(frozen=True, slots=True)
class _Together:
    slippage: SizeCost
    impact: SizeCost

    def fraction(self, quantity: Decimal, conditions: Conditions) -> Decimal:
        return self.slippage.fraction(quantity, conditions) + self.impact.fraction(
            quantity, conditions
        )


def sized(costs: TradingCosts) -> tuple[SizeCost, bool]:
    """Return what size costs by the models of a run, and whether the run has paid it.

    A run whose costs do not grow with size is estimated by the square-root law instead.
    """
    if costs.impact is not None:
        return _Together(costs.slippage, costs.impact), True
    if costs.slippage.sized:
        return costs.slippage, True
    return SQUARE_ROOT, False


@dataclass(frozen=True, slots=True, eq=False)
class Capacity:
    """What a strategy carries, in currency.

    `edge` is the return a year before the cost of size, `cost` what size costs a year at the
    run's own capital. `gone` is the capital at which nothing is left of the edge, `best` that
    which earns most in currency, `profit` what it earns a year then, `busy` that at which one
    trade in twenty is above a tenth of a day's volume. `capital` and `left` (points,) draw the
    return that is left by capital. `known` is the part of the traded value whose volume and
    volatility are known; the rest costs nothing here.
    """

    own: float
    edge: float
    cost: float
    gone: float
    best: float
    profit: float
    busy: float
    known: float
    capital: FloatArray
    left: FloatArray


def yearly_edge(dates: Sequence[date], equity: FloatArray, market: MarketData, kind: str) -> float:
    """Return what a run earns a year: its `alpha` over the benchmark, or its mean `return`.

    Args:
        dates: Dates of the equity values.
        equity: One value a session, shape (sessions + 1,).
        market: The data that it was on, which holds its benchmark.
        kind: Which of the two.

    Raises:
        UnknownName: It is neither.
        InvalidInput: A session is not in the data.
    """
    if kind not in EDGES:
        raise UnknownName("--edge", kind, EDGES)
    returns = simple_returns(equity)
    if kind == "return":
        return float(np.mean(returns)) * SESSIONS_A_YEAR
    frame = market.frame
    ends = np.append(np.flatnonzero(np.diff(frame.session)), len(frame) - 1)
    place = {frame.session_of(row).date: row for row in ends.tolist()}
    absent = [day for day in dates if day not in place]
    if absent:
        what = f"is not among the sessions of {market.label}"
        raise InvalidInput("session", str(absent[0]), what, "give the data that the run was on")
    rows = np.array([place[day] for day in dates], dtype=np.int64)
    curve = SessionCurve(rows, tuple(dates), equity, np.zeros(len(rows)))
    return alpha(returns, benchmark(curve, market)[1])


def capacity(
    fills: Sequence[Fill],
    equity: FloatArray,
    market: MarketData,
    edge: float,
    *,
    model: SizeCost = SQUARE_ROOT,
    charged: bool = False,
) -> Capacity:
    """Estimate the capacity of a run.

    With k times the money the cost of a year is c(k) = Σ vᵢ f(k qᵢ, σᵢ, Vᵢ) / (Ē · years) of
    equity, vᵢ and qᵢ being a fill's value and shares, f the model, Ē mean equity. The edge is
    gone where c(k) = edge; profit k Ē (edge - c(k)) is largest below that. For f = σ √(Q / V)
    the two are k = (edge / c(1))² and 4/9 of it.

    Args:
        fills: What the run traded.
        equity: One value a session, shape (sessions + 1,), all above zero.
        market: The data that it was on.
        edge: What it earns a year as a fraction of equity, after its other costs.
        model: What size costs.
        charged: Whether `edge` has paid this model at the run's own size already.

    Raises:
        InvalidInput: The equity is not above zero, or has no session.
        MissingData: Nothing was traded, or no volume is known.

    Reference:
        R. C. Grinold and R. N. Kahn, Active Portfolio Management, 2nd ed., 2000, chapter 16, for
        the law; A. F. Perold and R. S. Salomon, "The right amount of assets under management",
        Financial Analysts Journal 47(3), 1991, for wealth beyond which profit falls.
    """
    if len(equity) < 2 or not np.all(equity > 0):  # noqa: PLR2004 - a return needs two
        raise InvalidInput("equity", len(equity), "is not above zero over at least one session")
    trades = _trades(fills, market)
    mean = float(np.mean(equity))
    years = (len(equity) - 1) / SESSIONS_A_YEAR

    def cost(scale: float) -> float:
        return sum(trade.cost(scale, model) for trade in trades) / (mean * years)

    own = cost(1.0)
    before = edge + own if charged else edge
    gone = _crossing(cost, before)
    best = _largest(cost, before, gone)
    shares = np.array([trade.share for trade in trades])
    busy = float(np.quantile(shares[shares > 0], 0.95))
    scales = np.geomspace(max(gone, 1e-6) / 1000, max(gone, 1e-6) * 2, _POINTS)
    if not 0 < gone < _MOST_SCALE:
        scales = np.geomspace(0.1, 1000, _POINTS)
    value = sum(trade.value for trade in trades)
    return Capacity(
        own=mean,
        edge=before,
        cost=own,
        gone=gone * mean if gone < _MOST_SCALE else float("inf"),
        best=best * mean if gone < _MOST_SCALE else float("inf"),
        profit=best * mean * (before - cost(best)) if 0 < gone < _MOST_SCALE else 0.0,
        busy=mean * BUSY / busy,
        known=sum(trade.value for trade in trades if trade.share > 0) / value,
        capital=scales * mean,
        left=np.array([before - cost(scale) for scale in scales.tolist()]),
    )


@dataclass(frozen=True, slots=True)
class _Trade:
    value: float
    quantity: Decimal
    conditions: Conditions
    share: float

    def cost(self, scale: float, model: SizeCost) -> float:
        # Without a volume there is no size to speak of.
        if not self.share:
            return 0.0
        size = self.quantity * Decimal(format(scale, f".{_DIGITS}g"))
        return self.value * float(model.fraction(size, self.conditions))


def _trades(fills: Sequence[Fill], market: MarketData) -> list[_Trade]:
    if not fills:
        raise MissingData("fills", "nothing was traded", "estimate a run that trades")
    backdrop = Backdrop(market.frame, market.actions)
    found = []
    for fill in fills:
        known = backdrop.at(fill.instrument, fill.at)
        value = float(fill.price * fill.quantity * market.instruments[fill.instrument].multiplier)
        usable = known.volume is not None and known.volatility is not None
        share = float(fill.quantity / known.volume) if usable and known.volume else 0.0
        found.append(_Trade(value, fill.quantity, known, share))
    if not any(trade.share for trade in found):
        what = "no volume is known before any trade"
        raise MissingData(market.label, what, "give data with volumes, from before the run too")
    return found


def _crossing(cost: Callable[[float], float], edge: float) -> float:
    # The scale at which the cost has grown to the edge; a cost rises with size.
    if edge <= 0:
        return 0.0
    low, high = 0.0, 1.0
    while cost(high) < edge:
        low, high = high, high * 4
        if high >= _MOST_SCALE:
            return high
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if cost(middle) < edge else (low, middle)
    return (low + high) / 2


def _largest(cost: Callable[[float], float], edge: float, gone: float) -> float:
    # Golden section: profit rises to one top and falls from there.
    if not 0 < gone < _MOST_SCALE:
        return 0.0
    part = (5**0.5 - 1) / 2
    low, high = 0.0, gone
    for _ in range(_STEPS):
        left, right = high - part * (high - low), low + part * (high - low)
        if left * (edge - cost(left)) < right * (edge - cost(right)):
            low = left
        else:
            high = right
    return (low + high) / 2
