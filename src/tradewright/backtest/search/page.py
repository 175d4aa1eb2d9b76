"""The picture of a search: one HTML page in the style of a run's report."""

from __future__ import annotations

import html
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

from tradewright.analytics.returns import SESSIONS_A_YEAR
from tradewright.backtest.report.page import filled_page
from tradewright.backtest.report.tables import Cell, facts, percent, ratio, table
from tradewright.backtest.search.figures import (
    counted,
    heat_figure,
    influences,
    slice_figure,
    title_of,
    tradeoff_figure,
    trials_figure,
)
from tradewright.backtest.search.folders import STATES
from tradewright.backtest.search.objective import RISES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewright.backtest.report.figures import Figure
    from tradewright.backtest.search.folders import KeptSearch
    from tradewright.backtest.search.trials import Trial

PAGE: Final = "search.html"
_LISTED: Final = 20
_MOST_SLICES: Final = 8
_MOST_HEATS: Final = 6
_FRACTIONS: Final = frozenset(
    {"total_return", "cagr", "volatility", "max_drawdown", "hit_rate", "turnover"}
)
_SHOWN: Final = ("total_return", "sharpe", "max_drawdown")


def search_page(search: KeptSearch) -> str:
    """Return the picture of a search as one self-contained page."""
    known = counted(search)
    names = influences(search)
    figures: dict[str, Figure] = {}
    slices = heats = ""
    if known:
        figures["trials"] = trials_figure(search)
        for place, name in enumerate(names[:_MOST_SLICES]):
            figures[f"slice-{place}"] = slice_figure(search, name)
            slices += _section(f"By {name}", f"slice-{place}")
        pairs = list(combinations(names, 2))[:_MOST_HEATS]
        for place, (first, second) in enumerate(pairs):
            figures[f"heat-{place}"] = heat_figure(search, first, second)
            heats += _section(f"{first} and {second}", f"heat-{place}")
        if len(search.objectives.names) > 1:
            figures["tradeoff"] = tradeoff_figure(search)
    body = search.body()
    parts = {
        "title": html.escape(f"Search of {body['strategy']}"),
        "subtitle": _subtitle(search),
        "notice": _notice(search),
        "tiles": _tiles(search),
        "trials": _place("trials", figures),
        "tradeoff": _section("One against the other", "tradeoff") if "tradeoff" in figures else "",
        "slices": slices,
        "heats": heats,
        "best": best_table(search, known),
        "failed": _failed(search),
        "search": _facts(search),
    }
    return filled_page("search.html", parts, figures)


def shown_value(name: str, value: float | None) -> str:
    """Write the value of an objective for people."""
    if value is None:
        return "–"
    return percent(value, 2) if name in _FRACTIONS else ratio(value)


def best_table(search: KeptSearch, known: Sequence[Trial]) -> str:
    """Write the best trials, those that none beats first."""
    objectives = search.objectives
    front = search.best
    numbers = {trial.number for trial in front}
    rest = [trial for trial in known if trial.number not in numbers]
    rest.sort(key=lambda trial: [-gain for gain in objectives.gains(trial) or ()])
    names = [each["name"] for each in search.spec["space"]]
    others = [name for name in _SHOWN if name not in objectives.names]
    head = ["Trial", *(title_of(name) for name in (*objectives.names, *others)), "Fills", *names]
    rows: list[list[str | Cell]] = [
        [
            Cell(f"#{trial.number}", "strong" if trial.number in numbers else ""),
            *(shown_value(name, trial.measures.get(name)) for name in (*objectives.names, *others)),
            f"{trial.measures.get('fills') or 0:,.0f}",
            *(trial.parameters[name] for name in names),
        ]
        for trial in [*front, *rest][:_LISTED]
    ]
    return table(head, rows, empty="No trial can be compared.")


def _subtitle(search: KeptSearch) -> str:
    spec, days = search.spec, search.kept.sessions
    parts = (
        f"{spec['sampler']} search, seed {spec['seed']}",
        f"{days[0]} to {days[-1]}, {len(days):,} sessions",
        str(spec["run"]["data"]),
        f"{len(search.trials):,} trials: {STATES[search.state]}",
    )
    return "".join(f"<span>{html.escape(part)}</span>" for part in parts)


def _tiles(search: KeptSearch) -> str:
    known, best, lucky = counted(search), search.best, search.deflated()
    name = search.objectives.names[0]
    way = "more is better" if RISES[name] else "less is better"
    tiles = [
        ("Trials", f"{len(search.trials):,}", f"{len(known):,} can be compared"),
        (f"Best {title_of(name)}", shown_value(name, best[0].objective if best else None), way),
    ]
    if lucky is not None:
        tiles += [
            ("Best Sharpe by luck", _annual(lucky["luck"]), "of as many trials without skill"),
            ("Deflated Sharpe", _share(lucky["deflated"]), "probability that it is no luck"),
        ]
    if best:
        fills = best[0].measures.get("fills") or 0
        tiles.append(("Fills of the best", f"{fills:,.0f}", f"trial #{best[0].number}"))
    return "".join(
        f'<div class="tile"><h3>{html.escape(title)}</h3><p>{html.escape(value)}</p>'
        f"<small>{html.escape(note)}</small></div>"
        for title, value, note in tiles
    )


def _notice(search: KeptSearch) -> str:
    count = len(search.trials)
    return (
        f'<p class="notice"><strong>{count:,} sets were tried on the same data.</strong> '
        "The best of many looks good by luck alone: believe the deflated Sharpe ratio, a broad "
        "region rather than a single cell, and sessions that the search has not seen.</p>"
    )


def _failed(search: KeptSearch) -> str:
    some = [trial for trial in search.trials if not trial.counts]
    rows = [
        [f"#{trial.number}", trial.state.value, _set(trial), trial.reason or "no value"]
        for trial in some[:_LISTED]
    ]
    shown = table(["Trial", "<State", "<Set", "<Why"], rows, empty="Every trial can be compared.")
    left = len(some) - len(rows)
    return shown + (f"<small>and {left:,} more</small>" if left > 0 else "")


def _facts(search: KeptSearch) -> str:
    spec = search.spec
    known = {"search": search.id, "objectives": ", ".join(search.objectives.names)}
    known |= {each["name"]: _range(each) for each in spec["space"]}
    known |= {f"rule {place + 1}": text for place, text in enumerate(spec["rules"])}
    for name in ("sampler", "seed", "batch", "trials", "patience", "min_trades", "way"):
        known[name.replace("_", " ")] = "–" if spec[name] is None else str(spec[name])
    fixed: Mapping[str, str] = spec["run"]["parameters"]
    known |= {f"fixed {name}": value for name, value in fixed.items()}
    known["data hash"] = str(search.kept.spec["data_hash"])
    return facts(known)


def _range(parameter: Mapping[str, Any]) -> str:
    if "values" in parameter:
        values: Sequence[str] = parameter["values"]
        few = len(values) <= _LISTED
        return ", ".join(values) if few else f"{values[0]} to {values[-1]}, {len(values):,} values"
    kinds = [word for word in ("log", "whole") if parameter[word]]
    return f"{parameter['low']:g} to {parameter['high']:g} {' '.join(kinds)}".strip()


def _set(trial: Trial) -> str:
    return ", ".join(f"{name} {value}" for name, value in trial.parameters.items())


def _section(title: str, figure: str) -> str:
    return (
        f"<section><h2>{html.escape(title)}</h2>"
        f'<div class="chart" data-figure="{figure}"></div></section>'
    )


def _place(name: str, figures: Mapping[str, Figure]) -> str:
    if name in figures:
        return f'<div class="chart" data-figure="{name}"></div>'
    return '<p class="none">No trial can be compared.</p>'


def _annual(value: object) -> str:
    return ratio(value * SESSIONS_A_YEAR**0.5) if isinstance(value, float) else "–"


def _share(value: object) -> str:
    return percent(value) if isinstance(value, float) else "–"
