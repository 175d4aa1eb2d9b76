"""Two kept runs beside each other: what was asked, ordered, filled and earned, day by day.

Orders are matched by when they were decided, and fills by when they happened, with instrument and
side: ids carry the strategy and would keep two strategies' equal orders apart.
"""

from __future__ import annotations

import html
import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tradewright.analytics.compare import compare
from tradewright.backtest.report.figures import blank_layout, drawn_axis, drawn_line
from tradewright.backtest.report.page import filled_page
from tradewright.backtest.report.tables import NONE, Cell, percent, ratio, sign, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewright.analytics.compare import Comparison
    from tradewright.backtest.report.figures import Figure
    from tradewright.backtest.report.kept import KeptRun

NUMBERS: Final = (
    *("total_return", "cagr", "volatility", "sharpe", "sortino", "calmar", "max_drawdown"),
    *("hit_rate", "turnover", "final_equity", "fees", "dividends", "orders", "fills"),
)
SHOWN: Final = 100
_TOLERANCE: Final = 1e-9
_PERCENT: Final = {"total_return", "cagr", "volatility", "max_drawdown", "hit_rate", "turnover"}
_ORDERS: Final = ("decided_at", "instrument", "side")
_OF_ORDERS: Final = ("quantity", "status", "average_price")
_OF_FILLS: Final = ("quantity", "price", "fee")
_FILLS: Final = ("at", "instrument", "side")


def compare_runs(left: KeptRun, right: KeptRun) -> dict[str, Any]:
    """Return everything in which two runs differ, as JSON-ready values.

    Raises:
        InvalidInput: The runs have no session in common.
        MissingData: A file of a run is not there.
    """
    curves = _curves(left, right)
    first = curves.first_difference(_TOLERANCE)
    mine, theirs = left.body("summary.json"), right.body("summary.json")
    return {
        "left": left.id,
        "right": right.id,
        "spec": _spec(left.body("spec.json"), right.body("spec.json")),
        "numbers": {name: {"left": mine.get(name), "right": theirs.get(name)} for name in NUMBERS},
        "orders": _matched(left, right, "orders.csv", _ORDERS, _OF_ORDERS),
        "fills": _matched(left, right, "fills.csv", _FILLS, _OF_FILLS),
        "returns": {
            "sessions": len(curves.dates),
            "only_left": [day.isoformat() for day in curves.only_left],
            "only_right": [day.isoformat() for day in curves.only_right],
            "correlation": _number(curves.correlation),
            "tracking_error": _number(curves.tracking_error),
            "first_difference": None if first is None else first.isoformat(),
            "days": _days(curves),
        },
    }


def same(known: Mapping[str, Any]) -> bool:
    """Say whether two runs ordered, filled and earned the same, whatever was asked."""
    trades = all(_equal(known[part]) for part in ("orders", "fills"))
    returns = known["returns"]
    return trades and not (returns["days"] or returns["only_left"] or returns["only_right"])


def verdict(known: Mapping[str, Any]) -> str:
    """Say in one sentence how far two runs are apart."""
    if same(known):
        return "The runs are the same: orders, fills and the returns of every session are equal."
    orders, fills, returns = known["orders"], known["fills"], known["returns"]
    first = returns["first_difference"]
    since = f", the first on {first}" if first else ""
    return (
        f"{orders['same']:,} orders are the same, {_apart(orders):,} are not; {fills['same']:,} "
        f"fills are the same, {_apart(fills):,} are not; returns differ in "
        f"{len(returns['days']):,} of {returns['sessions']:,} common sessions{since}."
    )


def comparison_page(left: KeptRun, right: KeptRun, known: Mapping[str, Any]) -> str:
    """Return a comparison as one self-contained HTML page."""
    curves = _curves(left, right)
    return filled_page(
        "compare.html",
        {
            "title": "Two runs compared",
            "subtitle": f"<span>{html.escape(left.id)}</span><span>{html.escape(right.id)}</span>",
            "verdict": html.escape(verdict(known)),
            "numbers": table(["<", "Left", "Right"], number_rows(known)),
            "spec": table(["<", "<Left", "<Right"], spec_rows(known), empty="The same."),
            "orders": _trades(known["orders"], "decided_at"),
            "fills": _trades(known["fills"], "at"),
            "days": _day_table(known["returns"]),
        },
        {"growth": _figure(left, right, curves)},
    )


def number_rows(known: Mapping[str, Any]) -> list[list[str]]:
    """Return the rows of the two summaries: name, left, right."""
    return [
        [name.replace("_", " "), _told(name, pair["left"]), _told(name, pair["right"])]
        for name, pair in known["numbers"].items()
    ]


def spec_rows(known: Mapping[str, Any]) -> list[list[str]]:
    """Return the rows in which the specs differ: name, left, right."""
    return [
        [name, *(NONE if pair[side] is None else str(pair[side]) for side in ("left", "right"))]
        for name, pair in known["spec"].items()
    ]


def _curves(left: KeptRun, right: KeptRun) -> Comparison:
    return compare(*left.equity(), *right.equity())


def _spec(left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
    # Ids and hashes follow from the rest.
    names = ("spec", "data", "data_hash", "code_revision", "versions")
    mine, theirs = (_flat("", {name: body.get(name) for name in names}) for body in (left, right))
    return {
        name: {"left": mine.get(name), "right": theirs.get(name)}
        for name in sorted(mine.keys() | theirs.keys())
        if mine.get(name) != theirs.get(name)
    }


def _flat(prefix: str, body: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in body.items():
        if isinstance(value, dict):
            found |= _flat(f"{prefix}{name}.", value)
        else:
            found[f"{prefix}{name}"] = value
    return found


def _matched(
    left: KeptRun, right: KeptRun, name: str, keys: Sequence[str], compared: Sequence[str]
) -> dict[str, Any]:
    mine, theirs = (_placed(run.rows(name), keys) for run in (left, right))
    changed = []
    for place in sorted(mine.keys() & theirs.keys()):
        one, two = mine[place], theirs[place]
        apart = {key: [one[key], two[key]] for key in compared if one[key] != two[key]}
        if apart:
            changed.append({**{key: one[key] for key in keys}, "differs": apart})
    fields = (*keys, *compared)
    return {
        "same": len(mine.keys() & theirs.keys()) - len(changed),
        "changed": changed,
        "only_left": _alone(mine, theirs, fields),
        "only_right": _alone(theirs, mine, fields),
    }


def _placed(
    rows: Sequence[dict[str, str]], keys: Sequence[str]
) -> dict[tuple[str, ...], dict[str, str]]:
    counts: dict[tuple[str, ...], int] = defaultdict(int)
    found = {}
    for row in rows:
        place = tuple(row[key] for key in keys)
        found[*place, f"{counts[place]:06}"] = row
        counts[place] += 1
    return found


def _alone(
    mine: Mapping[tuple[str, ...], dict[str, str]],
    theirs: Mapping[tuple[str, ...], dict[str, str]],
    fields: Sequence[str],
) -> list[dict[str, str]]:
    return [{f: mine[place][f] for f in fields} for place in sorted(mine.keys() - theirs.keys())]


def _days(curves: Comparison) -> list[dict[str, Any]]:
    rows = zip(
        curves.dates,
        curves.left_returns.tolist(),
        curves.right_returns.tolist(),
        curves.differences.tolist(),
        strict=True,
    )
    return [
        {
            "date": day.isoformat(),
            "left": _number(one),
            "right": _number(two),
            "difference": _number(apart),
        }
        for day, one, two, apart in rows
        if not abs(apart) <= _TOLERANCE
    ]


def _figure(left: KeptRun, right: KeptRun, curves: Comparison) -> Figure:
    dates = [day.isoformat() for day in curves.dates]
    one, two = (np.asarray(some / some[0]) for some in (curves.left, curves.right))
    traces = [
        drawn_line(dates, one, left.id, "y", color="@accent", width=1.8),
        drawn_line(dates, two, right.id, "y", color="@c1", width=1.8),
        drawn_line(dates, curves.differences, "Right less left", "y2", color="@loss", width=1.2),
    ]
    forms = ("%{y:.3f}", "%{y:.3f}", "%{y:.2%}")
    for trace, form in zip(traces, forms, strict=True):
        trace["hovertemplate"] = form
    layout = blank_layout(440)
    layout["xaxis"] |= {"anchor": "y2", "range": [dates[0], dates[-1]]}
    layout |= {
        "yaxis": drawn_axis("Growth of one", [0.36, 1.0], tickformat=".2~f"),
        "yaxis2": drawn_axis("Difference", [0.0, 0.28], tickformat=".2~%", nticks=4),
    }
    return {"data": traces, "layout": layout}


def _trades(known: Mapping[str, Any], when: str) -> str:
    told = (
        f"{known['same']:,} are the same, {len(known['changed']):,} differ, "
        f"{len(known['only_left']):,} are only left and {len(known['only_right']):,} only right."
    )
    rows = [
        [row[when], row["instrument"], row["side"], name, *pair]
        for row in known["changed"]
        for name, pair in row["differs"].items()
    ]
    for side in ("left", "right"):
        for row in known[f"only_{side}"]:
            quantity = row["quantity"]
            pair = [quantity, "absent"] if side == "left" else ["absent", quantity]
            rows.append([row[when], row["instrument"], row["side"], "quantity", *pair])
    rows.sort()
    more = f" The first {SHOWN} differences:" if len(rows) > SHOWN else ""
    head = ["<When", "<Instrument", "<Side", "<What", "Left", "Right"]
    listed = table(head, rows[:SHOWN], "dated") if rows else ""
    return f"<p>{html.escape(told + more)}</p>{listed}"


def _day_table(returns: Mapping[str, Any]) -> str:
    days = sorted(returns["days"], key=lambda day: -abs(day["difference"] or math.inf))[:SHOWN]
    rows: list[list[str | Cell]] = [
        [
            day["date"],
            _fine(day["left"]),
            _fine(day["right"]),
            Cell(_fine(day["difference"]), sign(day["difference"] or 0.0)),
        ]
        for day in days
    ]
    about = (
        f"Correlation {_ratio(returns['correlation'])}, tracking error "
        f"{_fine(returns['tracking_error'])} a year. Largest differences first, {SHOWN} at most."
    )
    head = ["<Session", "Left", "Right", "Right less left"]
    return f"<p>{about}</p>" + table(head, rows, empty="Every session’s return is the same.")


def _equal(known: Mapping[str, Any]) -> bool:
    return _apart(known) == 0


def _apart(known: Mapping[str, Any]) -> int:
    return sum(len(known[part]) for part in ("changed", "only_left", "only_right"))


def _told(name: str, value: float | str | None) -> str:
    if isinstance(value, float):
        return percent(value) if name in _PERCENT else ratio(value)
    return NONE if value is None else str(value)


def _fine(value: float | None) -> str:
    return NONE if value is None else percent(value, 3)


def _ratio(value: float | None) -> str:
    return NONE if value is None else ratio(value)


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
