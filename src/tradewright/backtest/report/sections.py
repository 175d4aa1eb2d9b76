"""The report's statistics as HTML, from the values of `statistics.json`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tradewright.backtest.report.statistics import GROUPS
from tradewright.backtest.report.tables import NONE, Cell, percent, ratio, sign, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradewright.analytics.returns import Performance
    from tradewright.backtest.report.statistics import Row

_SIGNIFICANT = 2.0


def told(value: float | None, form: str) -> str:
    """Write a number as its row says: `%`, `x` a ratio, `n` a count."""
    if value is None:
        return NONE
    match form:
        case "%":
            return percent(value)
        case "x":
            return ratio(value)
        case _:
            return f"{value:,.0f}"


def group(known: Mapping[str, Any], name: str) -> str:
    """Write one group of numbers with what each is."""
    rows: tuple[Row, ...] = tuple(GROUPS[name][1])
    return table(
        ["<Number", "Value", "<What it is"],
        [[r.name, told(known[name][r.key], r.form), Cell(r.meaning, "note")] for r in rows],
        "facts",
    )


def beside(known: Mapping[str, Any], own: Performance) -> str:
    """Write the run's numbers beside those of its benchmark."""
    other = known["benchmark"]
    rows = [
        ("Total return", own.total_return, other["total_return"], "%"),
        ("Growth a year", own.cagr, other["cagr"], "%"),
        ("Volatility", own.volatility, other["volatility"], "%"),
        ("Sharpe", own.sharpe, other["sharpe"], "x"),
        ("Max drawdown", own.drawdown.depth, other["max_drawdown"], "%"),
    ]
    return table(
        ["<", "Run", str(other["name"])],
        [
            [name, told(one if math.isfinite(one) else None, form), told(two, form)]
            for name, one, two, form in rows
        ],
    )


def attribution(known: Mapping[str, Any]) -> str:
    """Write what the factors explain of the mean return."""
    fit = known["attribution"]
    if fit is None:
        return '<p class="none">There are too few sessions, or the market does not move.</p>'
    rows = [
        [
            one["factor"],
            told(one["loading"], "x"),
            _weighed(one["t_value"]),
            _tinted(one["contribution"]),
        ]
        for one in fit["loadings"]
    ]
    rows.append(["alpha, what is left", "", _weighed(fit["alpha_t_value"]), _tinted(fit["alpha"])])
    rows.append([Cell("mean return", "sum"), "", "", Cell(told(fit["mean"], "%"), "sum")])
    return table(["<Factor", "Loading", "t", "A year"], rows)


def explained(known: Mapping[str, Any]) -> str:
    """Say what the attribution used and how much it explains."""
    fit = known["attribution"]
    if fit is None:
        return ""
    names = ", ".join(one["factor"] for one in fit["loadings"])
    return (
        f"Least squares over {fit['sessions']:,} sessions on {names}; R² "
        f"{told(fit['r_squared'], 'x')}, unexplained {told(fit['residual'], '%')} a year. "
        "Arithmetic means; t above 2 or below −2 is bold."
    )


def crises(known: Mapping[str, Any]) -> str:
    """Write the bad times of the market that the run lived through."""
    name = str(known["benchmark"]["name"])
    return table(
        ["<Period", "<From", "<To", "Run", "Its drawdown", name, "<Dated by"],
        [
            [
                one["name"],
                one["first"],
                one["last"],
                _tinted(one["total_return"]),
                told(-one["max_drawdown"] if one["max_drawdown"] is not None else None, "%"),
                _tinted(one["benchmark"]),
                Cell(one["source"], "note"),
            ]
            for one in known["crises"]
        ],
        "dated",
        empty="The run lived through none of the periods that are listed in docs/metrics.md.",
    )


def _tinted(value: float | None) -> Cell:
    return Cell(told(value, "%"), "" if value is None else sign(value))


def _weighed(value: float | None) -> Cell:
    strong = value is not None and abs(value) >= _SIGNIFICANT
    return Cell(told(value, "x"), "strong" if strong else "")
