"""What is to be expected, told: paths, sensitivity, regimes and capacity as pages and as JSON."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.analytics.drawdown import max_drawdown
from tradewright.analytics.returns import SESSIONS_A_YEAR, simple_returns
from tradewright.backtest.report.tables import NONE, Cell, percent, ratio, sign, table
from tradewright.backtest.search.objective import RISES
from tradewright.backtest.validation.figures import (
    bars_figure,
    fan_figure,
    heat_figure,
    histogram_figure,
    left_figure,
    slice_figure,
)
from tradewright.backtest.validation.monte_carlo import LEVELS, Draw
from tradewright.backtest.validation.regimes import Regime
from tradewright.backtest.validation.sheet import Section, Sheet, Tile, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewright.backtest.validation.capacity import Capacity
    from tradewright.backtest.validation.monte_carlo import Paths
    from tradewright.backtest.validation.regimes import InCrisis, InRegime, RegimeSplit
    from tradewright.backtest.validation.sensitivity import SensitivityMap
    from tradewright.backtest.validation.walk_forward import Set
    from tradewright.core.frames import FloatArray
    from tradewright.core.records import Body, JsonValue

_TITLES: Final = {
    Draw.SHUFFLE: "The same trades in another order",
    Draw.TRADES: "Trades drawn anew",
    Draw.SESSIONS: "Sessions drawn anew in blocks",
}
_WEATHER: Final = (
    "Rising: at or above the mean of 200 closes. Wild: the last 63 returns deviate more than their "
    "median so far. Both as known at the close before each session."
)
_HEATS: Final = 6
_SLICES: Final = 12
_SHOWN: Final = 100
_PLATEAU: Final = 0.7


def told_monte_carlo(drawn: Sequence[Paths]) -> Sheet:
    """Tell what else might have happened."""
    main = drawn[-1]
    fall = max_drawdown(main.happened).depth
    worse = float(np.quantile(main.max_drawdown, 0.95))
    verdict = (
        f"In one path of twenty the account falls by {percent(worse)} or more at its worst; it "
        f"fell by {percent(fall)}. {percent(main.loss, 0)} of the paths end with a loss "
        f"({len(main.total_return):,} paths, {_TITLES[main.draw].lower()})."
    )
    tiles = [
        Tile("Paths that lose", percent(main.loss, 0), f"of {len(main.total_return):,}"),
        Tile("Worst fall, 95 %", percent(-worse), "one path in twenty falls deeper", "loss"),
        Tile("Fall that happened", percent(-fall), _placed(main, main.max_drawdown, fall), "loss"),
        Tile(
            "Return, 5 %", percent(_level(main.total_return, 0.05)), "one path in twenty is worse"
        ),
        Tile("Return, median", percent(_level(main.total_return, 0.5)), "over all sessions"),
    ]
    sections: list[Section] = []
    for paths in drawn:
        sections.append(Section(_TITLES[paths.draw], figure=fan_figure(paths)))
        depth = max_drawdown(paths.happened).depth
        title = "Maximum drawdown"
        sections.append(
            Section(
                f"{title}: {paths.draw}", figure=histogram_figure(paths.max_drawdown, depth, title)
            )
        )
    sections.append(Section("Quantiles over the paths", _quantiles(drawn)))
    body: Body = {"draws": {paths.draw.value: _paths(paths) for paths in drawn}}
    return Sheet("Monte Carlo", verdict, tiles, sections, body)


def told_sensitivity(known: SensitivityMap) -> Sheet:
    """Tell how much of a result hangs on its exact parameters."""
    mine = known.values[known.own]
    ran = [value for value in known.values if value is not None]
    plateau, objective = known.plateau, _named(known.objective)
    if mine is None or not math.isfinite(plateau):
        verdict = f"The run’s own {objective}, {_value(mine)}, gives no plateau to speak of."
    elif plateau >= _PLATEAU:
        verdict = f"A plateau: one step away the {objective} is {percent(plateau, 0)} of the own."
    else:
        verdict = f"A needle: one step away the {objective} is {percent(plateau, 0)} of the own."
    verdict += f" {percent(known.rank, 0)} of the other sets are no better."
    tiles = [
        Tile(f"Own {objective}", _value(mine), _set(known.sets[known.own])),
        Tile("Neighbours", percent(plateau, 0), "their mean over the own; 100 % is a plateau"),
        Tile("No better", percent(known.rank, 0), "sets; 100 % is what a search picks"),
        Tile("Above zero", percent(known.positive, 0), f"of {len(ran):,} sets that ran"),
        Tile("Sets", f"{len(known.sets):,}", f"{len(known.sets) - len(ran):,} have no value"),
    ]
    sections = [
        Section(f"{first} and {second}", figure=heat_figure(known, first, second), half=True)
        for first, second in list(combinations(known.varied, 2))[:_HEATS]
        if _crossed(known, first, second)
    ]
    sections += [
        Section(f"{name}, the rest as it is", figure=slice_figure(known, name), half=True)
        for name in known.varied[:_SLICES]
    ]
    order = sorted(range(len(known.sets)), key=lambda place: _key(known, place))
    rows: list[list[str | Cell]] = [
        [
            Cell(_set(known.sets[place]), "strong" if place == known.own else ""),
            _value(known.values[place]),
            Cell(known.reasons[place], "note"),
        ]
        for place in order[:_SHOWN]
    ]
    sections.append(Section("Sets", table(["<Set", objective, "<Note"], rows)))
    body: Body = {
        "objective": known.objective,
        "own": dict(known.sets[known.own]),
        "value": mine,
        "plateau": number(plateau),
        "rank": number(known.rank),
        "positive": number(known.positive),
        "sets": [
            {"parameters": dict(one), "value": value, "reason": reason}
            for one, value, reason in zip(known.sets, known.values, known.reasons, strict=True)
        ],
    }
    return Sheet("Sensitivity", verdict, tiles, sections, body)


def told_regimes(split: RegimeSplit) -> Sheet:
    """Tell in which weather a strategy earned."""
    known = [row for row in split.regimes if row.regime is not Regime.UNKNOWN]
    best = max(known, key=lambda row: row.mean, default=None)
    worst = min(known, key=lambda row: row.mean, default=None)
    if best is None or worst is None:
        verdict = "The data begins too late to know any regime: give sessions from before the run."
    else:
        verdict = (
            f"It earned most in a market that was {best.regime.value} ({percent(best.mean)} a "
            f"year) and least in one that was {worst.regime.value} ({percent(worst.mean)})."
        )
    tiles = [
        Tile(
            row.regime.value.capitalize(),
            percent(row.mean),
            f"a year in {row.sessions:,} sessions; Sharpe {ratio(row.sharpe)}",
            sign(row.mean),
        )
        for row in split.regimes
    ]
    pairs = {row.regime.value: (row.mean, _annual(row.benchmark, row.sessions)) for row in known}
    sections = [
        Section("A year, by regime", figure=bars_figure(pairs, ("Run", split.benchmark))),
        Section("By regime", _regime_table(split), note=_WEATHER),
        Section("Crises", _crisis_table(split)),
    ]
    body: Body = {
        "benchmark": split.benchmark,
        "regimes": [_regime_body(row) for row in split.regimes],
        "crises": [_crisis_body(one) for one in split.crises],
    }
    return Sheet("Regimes", verdict, tiles, sections, body)


def _regime_table(split: RegimeSplit) -> str:
    head = ["<Regime", "Sessions", "Growth", "A year", "Volatility", "Sharpe", "Hit rate"]
    rows: list[list[str | Cell]] = [
        [
            row.regime.value,
            f"{row.sessions:,}",
            Cell(percent(row.growth), sign(row.growth)),
            percent(row.mean),
            percent(row.volatility),
            ratio(row.sharpe),
            percent(row.hit_rate),
            percent(row.benchmark),
            percent(row.part, 0),
        ]
        for row in split.regimes
    ]
    return table([*head, split.benchmark, "Of all"], rows)


def _crisis_table(split: RegimeSplit) -> str:
    rows: list[list[str | Cell]] = [
        [
            one.name,
            one.first.isoformat(),
            one.last.isoformat(),
            Cell(percent(one.growth), sign(one.growth)),
            percent(-one.max_drawdown),
            Cell(percent(one.benchmark), sign(one.benchmark)),
        ]
        for one in split.crises
    ]
    head = ["<Period", "<From", "<To", "Run", "Its drawdown", split.benchmark]
    return table(head, rows, "dated", empty="The run lived through none of the listed periods.")


def _regime_body(row: InRegime) -> JsonValue:
    return {
        "regime": row.regime.value,
        "sessions": row.sessions,
        "total_return": number(row.growth),
        "mean": number(row.mean),
        "volatility": number(row.volatility),
        "sharpe": number(row.sharpe),
        "hit_rate": number(row.hit_rate),
        "benchmark": number(row.benchmark),
        "part": number(row.part),
    }


def _crisis_body(one: InCrisis) -> JsonValue:
    return {
        "name": one.name,
        "first": one.first.isoformat(),
        "last": one.last.isoformat(),
        "total_return": number(one.growth),
        "max_drawdown": number(one.max_drawdown),
        "benchmark": number(one.benchmark),
    }


def told_capacity(found: Capacity, edge: str) -> Sheet:
    """Tell how much money a strategy carries; `edge` says what was taken as its return."""
    if found.edge <= 0:
        verdict = f"There is no edge to carry money: the {edge} is {percent(found.edge)} a year."
    elif not math.isfinite(found.gone):
        verdict = "What it trades is so little that no capital within reason is too much."
    else:
        verdict = (
            f"The {edge} of {percent(found.edge)} a year is gone at {_dollars(found.gone)}; most "
            f"in dollars is earned at {_dollars(found.best)}, {_dollars(found.profit)} a year."
        )
    tiles = [
        Tile("Gone at", _dollars(found.gone), f"when size costs the whole {edge}"),
        Tile("Best at", _dollars(found.best), f"earning {_dollars(found.profit)} a year"),
        Tile("Noticed at", _dollars(found.busy), "one trade in 20 above a tenth of a day’s volume"),
        Tile("Edge", percent(found.edge), f"{edge} a year before size", sign(found.edge)),
        Tile("Size costs", percent(found.cost, 3), f"a year at {_dollars(found.own)}"),
    ]
    sections = [
        Section(
            "What is left of it",
            figure=left_figure(found.capital, found.left, found.own),
            note=f"Volumes are known for {percent(found.known, 0)} of what was traded; the rest "
            "costs nothing here. The line is the run's own mean equity.",
        )
    ]
    body: Body = {
        "edge": number(found.edge),
        "edge_is": edge,
        "size_cost": number(found.cost),
        "mean_equity": number(found.own),
        "gone_at": number(found.gone),
        "best_at": number(found.best),
        "best_profit": number(found.profit),
        "noticed_at": number(found.busy),
        "known": number(found.known),
    }
    return Sheet("Capacity", verdict, tiles, sections, body)


def _paths(paths: Paths) -> JsonValue:
    depth = max_drawdown(paths.happened).depth
    return {
        "paths": len(paths.total_return),
        "steps": paths.steps,
        "block": number(paths.block),
        "loss": number(paths.loss),
        "total_return": _levels(paths.total_return),
        "max_drawdown": _levels(paths.max_drawdown),
        "sharpe": _levels(paths.sharpe),
        "happened_max_drawdown": number(depth),
        "drawdown_place": number(paths.place(paths.max_drawdown, depth)),
    }


def _levels(values: FloatArray) -> JsonValue:
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    found = np.quantile(known, LEVELS).tolist()
    return {f"{level:.2f}": value for level, value in zip(LEVELS, found, strict=True)}


def _level(values: FloatArray, level: float) -> float:
    return float(np.quantile(values, level))


def _placed(paths: Paths, values: FloatArray, happened: float) -> str:
    return f"deeper than {percent(paths.place(values, happened), 0)} of the paths"


def _quantiles(drawn: Sequence[Paths]) -> str:
    rows: list[list[str | Cell]] = []
    for paths in drawn:
        happened = float(paths.happened[-1] - 1)
        returns = simple_returns(paths.happened)
        depth = max_drawdown(paths.happened).depth
        for name, values, own, form in (
            ("Total return", paths.total_return, happened, percent),
            ("Maximum drawdown", paths.max_drawdown, depth, percent),
            ("Sharpe", paths.sharpe, _sharpe(paths, returns), ratio),
        ):
            known = values[np.isfinite(values)]
            if len(known):
                cells = [form(value) for value in np.quantile(known, LEVELS).tolist()]
                rows.append([_TITLES[paths.draw], name, *cells, Cell(form(own), "strong")])
    head = ["<Paths", "<Number", *(f"{level:.0%}" for level in LEVELS), "Happened"]
    return table(head, rows)


def _sharpe(paths: Paths, returns: FloatArray) -> float:
    deviation = float(np.std(returns, ddof=1))
    if paths.draw is not Draw.SESSIONS or not deviation > 0:
        return math.nan
    return float(np.mean(returns) / deviation * np.sqrt(SESSIONS_A_YEAR))


def _crossed(known: SensitivityMap, first: str, second: str) -> bool:
    # A map needs sets in which both differ from the run's own.
    mine = known.sets[known.own]
    return any(one[first] != mine[first] and one[second] != mine[second] for one in known.sets)


def _key(known: SensitivityMap, place: int) -> tuple[bool, float]:
    value = known.values[place]
    if value is None:
        return True, 0.0
    return False, -value if RISES[known.objective] else value


def _annual(growth: float, sessions: int) -> float:
    return float((1 + growth) ** (SESSIONS_A_YEAR / sessions)) - 1 if sessions else math.nan


def _named(objective: str) -> str:
    words = objective.replace("_", " ")
    return f"{words.capitalize()} ratio" if objective in {"sharpe", "sortino", "calmar"} else words


def _value(value: float | None) -> str:
    return NONE if value is None else f"{value:.3f}".replace("-", "−")


def _set(chosen: Set) -> str:
    return ", ".join(f"{name} {value}" for name, value in chosen.items())


def _dollars(value: float) -> str:
    if not math.isfinite(value):
        return "no end"
    for size, unit in ((1e9, "bn"), (1e6, "m"), (1e3, "k")):
        if abs(value) >= size:
            return f"${value / size:,.1f} {unit}"
    return f"${value:,.0f}"
