"""A kept run, or two compared, as Markdown: what a terminal and a pull request can show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tradewright.backtest.report.comparison import SHOWN, number_rows, spec_rows, verdict
from tradewright.backtest.report.sections import told
from tradewright.backtest.report.statistics import GROUPS
from tradewright.backtest.report.tables import percent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewright.backtest.report.kept import KeptRun

_WORDS: Final = {"", "What it is", "Factor", "Period", "From", "To", "Session"}
_SUMMARY: Final = {
    "Final equity": ("final_equity", ""),
    "Total return": ("total_return", "%"),
    "Growth a year": ("cagr", "%"),
    "Volatility": ("volatility", "%"),
    "Sharpe": ("sharpe", "x"),
    "Sortino": ("sortino", "x"),
    "Calmar": ("calmar", "x"),
    "Max drawdown": ("max_drawdown", "%"),
    "Hit rate": ("hit_rate", "%"),
    "Turnover a year": ("turnover", "%"),
    "Orders": ("orders", "n"),
    "Fills": ("fills", "n"),
    "Fees": ("fees", ""),
}


def run_markdown(run: KeptRun) -> str:
    """Return a run's numbers with what each is.

    Raises:
        MissingData: A file of the run is not there.
    """
    known, measured = run.body("summary.json"), run.body("statistics.json")
    parts = [
        f"# {known['strategy']} over {known['label']}",
        f"Run `{run.id}`, {known['first']} to {known['last']}, {known['sessions']:,} sessions, "
        f"{known['symbols']:,} symbols"
        + (f", fills on {known['detail']} bars" if "detail" in known else "")
        + (", **simulated data**." if known["simulated"] else "."),
        _table(["", "Value"], [[name, _shown(known, *row)] for name, row in _SUMMARY.items()]),
    ]
    for name, (title, rows) in GROUPS.items():
        against = f": {measured['benchmark']['name']}" if name == "benchmark" else ""
        lines = [[row.name, told(measured[name][row.key], row.form), row.meaning] for row in rows]
        parts += [f"## {title}{against}", _table(["", "Value", "What it is"], lines)]
    parts += _attribution(measured["attribution"]) + _crises(measured)
    return "\n\n".join(parts) + "\n"


def comparison_markdown(known: Mapping[str, Any]) -> str:
    """Return a comparison of two runs, as `compare_runs` gives it."""
    returns = known["returns"]
    days = [
        [day["date"], *(_fine(day[side]) for side in ("left", "right", "difference"))]
        for day in returns["days"][:SHOWN]
    ]
    parts = [
        f"# {known['left']} against {known['right']}",
        verdict(known),
        "## Numbers",
        _table(["", "Left", "Right"], number_rows(known)),
    ]
    if known["spec"]:
        parts += ["## What was asked for", _table(["", "Left", "Right"], spec_rows(known))]
    if days:
        parts += [
            f"## Returns that differ, the first {SHOWN} at most",
            _table(["Session", "Left", "Right", "Right less left"], days),
        ]
    return "\n\n".join(parts) + "\n"


def _attribution(fit: Mapping[str, Any] | None) -> list[str]:
    if fit is None:
        return []
    rows = [
        [one["factor"], told(one["loading"], "x"), told(one["t_value"], "x"), _year(one)]
        for one in fit["loadings"]
    ]
    rows.append(["alpha", "", told(fit["alpha_t_value"], "x"), told(fit["alpha"], "%")])
    about = f"R² {told(fit['r_squared'], 'x')} over {fit['sessions']:,} sessions."
    head = ["Factor", "Loading", "t", "A year"]
    return ["## Factor attribution", _table(head, rows), about]


def _year(one: Mapping[str, Any]) -> str:
    return told(one["contribution"], "%")


def _crises(measured: Mapping[str, Any]) -> list[str]:
    rows = [
        [
            *(one["name"], one["first"], one["last"]),
            *(told(one[key], "%") for key in ("total_return", "benchmark")),
        ]
        for one in measured["crises"]
    ]
    head = ["Period", "From", "To", "Run", measured["benchmark"]["name"]]
    return ["## Crises", _table(head, rows)] if rows else []


def _shown(known: Mapping[str, Any], key: str, form: str) -> str:
    value = known[key]
    return told(value, form) if form else str(value)


def _fine(value: float | None) -> str:
    return "–" if value is None else percent(value, 3)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---" if title in _WORDS else "---:" for title in head]
    lines = [head, rule, *rows]
    return "\n".join(f"| {' | '.join(_escaped(c) for c in line)} |" for line in lines)


def _escaped(cell: str) -> str:
    return cell.replace("|", r"\|").replace("\n", " ")
