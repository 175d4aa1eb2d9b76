"""What a run came to in one small mapping with stable keys, listed in `docs/metrics.md`.

Statistics are over one equity value a session, whatever the bars. Exact amounts are strings,
statistics are numbers, and what has no value is None, never NaN.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from tradewright.analytics.returns import SESSIONS_A_YEAR, performance, session_ends
from tradewright.backtest.spending import total_spent
from tradewright.core.money import ZERO, to_cents

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from tradewright.backtest.backtest import Result
    from tradewright.backtest.parity import PaperSide
    from tradewright.core.decisions import Refusal
    from tradewright.core.frames import FloatArray, IntArray
    from tradewright.core.orders import Fill
    from tradewright.core.records import Body, JsonValue
    from tradewright.data.history import MarketData
    from tradewright.portfolio.costs import Cost


@dataclass(frozen=True, slots=True, eq=False)
class SessionCurve:
    """Equity and gross invested value at the end of each session, shape (sessions + 1,).

    The first value is from before the first order could trade. `rows` are the rows of the
    market's frame that the values stand in, `dates` the local dates of their sessions.
    """

    rows: IntArray
    dates: tuple[date, ...]
    equity: FloatArray
    invested: FloatArray

    @property
    def sessions(self) -> int:
        """How many sessions were traded in."""
        return len(self.rows) - 1


def session_curve(result: Result, market: MarketData) -> SessionCurve:
    """Reduce a result's equity to one value a session."""
    frame = market.frame
    first = int(np.searchsorted(frame.end, result.times[0]))
    rows = np.arange(first, first + len(result.times))
    # The opening value stays even where the first session has begun before it.
    ends = np.concatenate(([0], session_ends(frame.session[rows[1:]]) + 1))
    chosen = rows[ends]
    dates = tuple(frame.sessions[index].date for index in frame.session[chosen].tolist())
    return SessionCurve(chosen, dates, result.equity[ends], result.invested[ends])


def traded_value(fills: Iterable[Fill], market: MarketData) -> Decimal:
    """Exact value of all that was bought and sold."""
    instruments = market.instruments
    return sum((f.price * f.quantity * instruments[f.instrument].multiplier for f in fills), ZERO)


def annual_turnover(traded: Decimal, equity: FloatArray) -> float:
    """Half of what was traded over mean equity, a year of 252 sessions.

    Args:
        traded: Value bought and sold.
        equity: One value a session, shape (sessions + 1,).

    Returns:
        1.0 where the whole account is replaced once a year; NaN where mean equity is not
        positive or there is no session.
    """
    sessions = len(equity) - 1
    mean = float(np.mean(equity)) if sessions else math.nan
    return float(traded) / 2 / mean * SESSIONS_A_YEAR / sessions if mean > 0 else math.nan


def by_code(refusals: Sequence[Refusal]) -> dict[str, int]:
    """Count refusals by code, codes in alphabetical order."""
    counts = Counter(refusal.code.value for refusal in refusals)
    return dict(sorted(counts.items()))


def summary(
    run_id: str,
    result: Result,
    market: MarketData,
    *,
    paper: PaperSide | None = None,
    seconds: Mapping[str, float] | None = None,
) -> Body:
    """Return the stable keys of `summary.json`; `seconds` are those of each step."""
    spec, curve = result.spec, session_curve(result, market)
    measured = performance(curve.equity)
    body: Body = {
        "id": run_id,
        "strategy": spec.strategy,
        "label": market.label,
        "simulated": market.simulated,
        "symbols": len(market.frame.instruments),
        "first": spec.first.isoformat(),
        "last": spec.last.isoformat(),
        "sessions": curve.sessions,
        "orders": len(result.orders),
        "fills": len(result.fills),
        "refusals": dict(by_code(result.refusals)),
        "alerts": len(result.alerts),
        "capital": format(spec.capital, "f"),
        "final_equity": None if result.final_equity is None else format(result.final_equity, "f"),
        "fees": format(result.book.fees, "f"),
        "dividends": format(result.book.dividends, "f"),
        "financing": format(result.book.financing, "f"),
        "costs": _parts(total_spent(result, market)),
        "total_return": _number(measured.total_return),
        "cagr": _number(measured.cagr),
        "volatility": _number(measured.volatility),
        "sharpe": _number(measured.sharpe),
        "sortino": _number(measured.sortino),
        "calmar": _number(measured.calmar),
        "max_drawdown": _number(measured.drawdown.depth),
        "hit_rate": _number(measured.hit_rate),
        "turnover": _number(annual_turnover(traded_value(result.fills, market), curve.equity)),
        "seconds": {step: _number(round(spent, 3)) for step, spent in (seconds or {}).items()},
    }
    if spec.detail is not None and market.detail is not None:
        body |= {
            "detail": spec.detail.value,
            "detail_findings": len(market.detail.findings),
        }
    if paper is not None:
        body |= _paper(paper)
    return body


def _paper(paper: PaperSide) -> Body:
    return {
        "parity": paper.parity,
        "reconciled": paper.reconciled,
        "paper": {
            "sessions": paper.sessions,
            "orders": len(paper.orders),
            "fills": len(paper.fills),
            "refusals": dict(by_code(paper.refusals)),
        },
    }


def _parts(cost: Cost) -> Body:
    return {field.name: format(to_cents(getattr(cost, field.name)), "f") for field in fields(cost)}


def _number(value: float) -> JsonValue:
    return value if math.isfinite(value) else None
