"""Every number of a run beyond its summary, as JSON-ready values: `statistics.json`.

The groups and keys are stable and defined in `docs/metrics.md`. Fractions are fractions, and what
has no value is None. What a run is measured against is said under `benchmark`.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tradewright.analytics import tails
from tradewright.analytics.attribution import attribute
from tradewright.analytics.benchmark import relative
from tradewright.analytics.crises import crises_within
from tradewright.analytics.drawdown import max_drawdown, ulcer_index
from tradewright.analytics.exposures import effective_names, exposures
from tradewright.analytics.returns import performance, simple_returns, total_return
from tradewright.analytics.round_trips import round_trips, trip_statistics
from tradewright.backtest.report.holdings import benchmark, factors, holdings, payouts
from tradewright.core.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from tradewright.backtest.backtest import Result
    from tradewright.backtest.summary import SessionCurve
    from tradewright.core.frames import FloatArray
    from tradewright.core.records import Body, JsonValue
    from tradewright.data.history import MarketData


@dataclass(frozen=True, slots=True)
class Row:
    """A number's key, its name, how it is written (`%`, `x` or `n`), and what it is."""

    key: str
    name: str
    form: str
    meaning: str


GROUPS: Final[Mapping[str, tuple[str, Sequence[Row]]]] = {
    "benchmark": (
        "Against the benchmark",
        (
            Row("alpha", "Alpha", "%", "growth a year that beta does not explain"),
            Row("beta", "Beta", "x", "slope of returns on the benchmark’s, cov / var"),
            Row("correlation", "Correlation", "x", "Pearson’s, of session returns"),
            Row("tracking_error", "Tracking error", "%", "deviation of r − b, a year"),
            Row("information_ratio", "Information ratio", "x", "mean of r − b over tracking error"),
            Row("up_capture", "Up capture", "%", "growth a year over its, in sessions it rose"),
            Row("down_capture", "Down capture", "%", "growth a year over its, in sessions it fell"),
            Row("batting_average", "Batting average", "%", "sessions above the benchmark’s"),
        ),
    ),
    "tails": (
        "Risk and shape",
        (
            Row("value_at_risk", "Value at risk, 5 %", "%", "loss that one session in 20 exceeds"),
            Row("expected_shortfall", "Expected shortfall, 5 %", "%", "mean loss of those"),
            Row("normal_value_at_risk", "Value at risk, normal", "%", "−(μ + σ z), z of 5 %"),
            Row("normal_expected_shortfall", "Shortfall, normal", "%", "−μ + σ φ(z) / 5 %"),
            Row("downside_deviation", "Downside deviation", "%", "√ mean of min(r, 0)², a year"),
            Row("ulcer_index", "Ulcer index", "%", "√ mean of squared drawdowns"),
            Row("omega", "Omega", "x", "sum of gains over sum of losses"),
            Row("tail_ratio", "Tail ratio", "x", "size of the 95th percentile over the 5th’s"),
            Row("skewness", "Skewness", "x", "below zero the longer tail is of losses"),
            Row("excess_kurtosis", "Excess kurtosis", "x", "above zero tails are fatter"),
            Row("stability", "Stability", "x", "R² of a line through cumulative log returns"),
        ),
    ),
    "exposure": (
        "Exposure on average",
        (
            Row("gross", "Gross", "%", "all that is held over equity"),
            Row("net", "Net", "%", "long less short over equity"),
            Row("largest", "Largest name", "%", "largest holding of a session over equity"),
            Row("effective_names", "Effective names", "x", "equal holdings as concentrated"),
        ),
    ),
    "round_trips": (
        "Round trips",
        (
            Row("trips", "Round trips", "n", "from flat to flat again in one instrument"),
            Row("win_rate", "Win rate", "%", "wins among wins and losses, after fees"),
            Row("average_win", "Average win", "%", "of what was paid to open"),
            Row("average_loss", "Average loss", "%", "of what was paid, of losses"),
            Row("payoff", "Payoff", "x", "average win over average loss"),
            Row("profit_factor", "Profit factor", "x", "sum of profits over sum of losses"),
            Row("expectancy", "Expectancy", "%", "mean result of a trip"),
            Row("kelly", "Kelly fraction", "%", "w − (1 − w) / payoff"),
            Row("days", "Days held", "x", "mean, nights and weekends counted"),
        ),
    ),
}


def statistics(result: Result, market: MarketData, curve: SessionCurve) -> dict[str, Any]:
    """Measure a run; the groups are those of `GROUPS`, and `attribution` and `crises`."""
    name, against = benchmark(curve, market)
    returns = simple_returns(curve.equity)
    yardstick = curve.equity[0] * np.cumprod(np.append(1.0, 1 + against))
    measured = performance(np.asarray(yardstick))
    trips = trip_statistics(
        round_trips(result.fills, market.instruments, market.actions, payouts(result, market))
    )
    return {
        "benchmark": {
            "name": name,
            **_numbers(asdict(relative(returns, against))),
            "total_return": _number(measured.total_return),
            "cagr": _number(measured.cagr),
            "volatility": _number(measured.volatility),
            "sharpe": _number(measured.sharpe),
            "max_drawdown": _number(measured.drawdown.depth),
        },
        "tails": _tails(returns, curve.equity),
        "exposure": _exposure(result, market, curve),
        "round_trips": _numbers(asdict(trips)),
        "attribution": _attribution(returns, factors(curve, market)),
        "crises": _crises(curve, np.asarray(yardstick)),
    }


def _tails(returns: FloatArray, equity: FloatArray) -> Body:
    measures = (
        *(tails.value_at_risk, tails.expected_shortfall),
        *(tails.normal_value_at_risk, tails.normal_expected_shortfall),
        *(tails.downside_deviation, tails.omega, tails.tail_ratio),
        *(tails.skewness, tails.excess_kurtosis, tails.stability),
    )
    found = {measure.__name__: measure(returns) for measure in measures}
    return _numbers({**found, "ulcer_index": ulcer_index(equity)})


def _exposure(result: Result, market: MarketData, curve: SessionCurve) -> Body:
    held = holdings(result, market, curve).values[1:]
    known = exposures(held, curve.equity[1:])
    some = effective_names(held)
    some = some[~np.isnan(some)]
    return _numbers(
        {
            "gross": float(np.mean(known.gross)),
            "net": float(np.mean(known.net)),
            "largest": float(np.mean(known.largest)),
            "effective_names": float(np.mean(some)) if len(some) else math.nan,
        }
    )


def _attribution(returns: FloatArray, known: Mapping[str, FloatArray]) -> JsonValue:
    try:
        fit = attribute(returns, known)
    except InvalidInput:
        # Too few sessions, or a market that does not move: there is nothing to attribute to.
        return None
    return {
        "mean": _number(fit.mean),
        "alpha": _number(fit.alpha),
        "alpha_t_value": _number(fit.alpha_t_value),
        "r_squared": _number(fit.r_squared),
        "residual": _number(fit.residual),
        "sessions": fit.sessions,
        "loadings": [
            {"factor": one.factor, **_numbers(asdict(one), "loading t_value contribution")}
            for one in fit.loadings
        ],
    }


def _crises(curve: SessionCurve, yardstick: FloatArray) -> list[JsonValue]:
    found: list[JsonValue] = []
    for one in crises_within(curve.dates[0], curve.dates[-1]):
        part = slice(_at(curve.dates, one.first), _at(curve.dates, one.last) + 1)
        own, theirs = curve.equity[part], yardstick[part]
        if own[0] > 0 and theirs[0] > 0:
            found.append(
                {
                    "name": one.name,
                    "first": one.first.isoformat(),
                    "last": one.last.isoformat(),
                    "total_return": _number(total_return(own)),
                    "max_drawdown": _number(max_drawdown(own).depth),
                    "benchmark": _number(total_return(theirs)),
                    "source": one.source,
                }
            )
    return found


def _at(dates: Sequence[date], day: date) -> int:
    # The last session at or before a day.
    return max(i for i, known in enumerate(dates) if known <= day)


def _numbers(values: Mapping[str, float], names: str = "") -> Body:
    chosen = names.split() or list(values)
    return {name: _number(values[name]) for name in chosen}


def _number(value: float) -> JsonValue:
    return value if math.isfinite(value) else None
