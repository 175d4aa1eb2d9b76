"""What was found, told: leaks, walks forward, paths and overfitting as pages and as JSON."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.analytics.returns import SESSIONS_A_YEAR, performance, sharpe
from tradewright.backtest.report.tables import NONE, Cell, percent, ratio, sign, table
from tradewright.backtest.validation.figures import (
    histogram_figure,
    paths_figure,
    scatter_figure,
    walk_figure,
)
from tradewright.backtest.validation.overfitting import minimum_track_record
from tradewright.backtest.validation.sheet import Section, Sheet, Tile, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from tradewright.backtest.validation.cross_validation import CrossValidation
    from tradewright.backtest.validation.lookahead import Examination, Leak
    from tradewright.backtest.validation.overfitting import Overfitting, Record, Selection
    from tradewright.backtest.validation.walk_forward import Set, WalkForward
    from tradewright.core.records import Body, JsonValue

_SHOWN: Final = 100
_SURE: Final = 0.95
_YEAR: Final = SESSIONS_A_YEAR**0.5
_DRAWN_PATHS: Final = 50


def told_leaks(found: Examination) -> Sheet:
    """Tell what a look for leaks came to."""
    kinds: dict[str, list[Leak]] = {}
    for leak in found.leaks:
        kinds.setdefault(_what(leak), []).append(leak)
    ways = " and ".join(way.value for way in found.ways)
    verdict = (
        f"Nothing that {found.strategy} decided depends on what came after: {found.runs:,} runs "
        f"over {ways}, cut at {len(found.cuts):,} rows."
        if found.clean
        else f"{found.strategy} looks ahead: {', '.join(kinds)} changed before a cut when only "
        "what followed it was changed."
    )
    rows: list[list[str | Cell]] = [
        [
            leak.kind.value,
            leak.subject,
            f"{leak.at:%Y-%m-%d %H:%M}",
            leak.instrument or NONE,
            leak.was,
            Cell(leak.became, "loss"),
            f"{leak.rows:,}",
            f"{leak.changed:,}",
            f"{leak.cut:%Y-%m-%d %H:%M}",
            leak.future.value,
            leak.way.value,
        ]
        for leak in found.leaks[:_SHOWN]
    ]
    head = ["<What", "<Name", "<Earliest, UTC", "<Instrument", "Was", "Became"]
    head += ["Rows before", "Changed", "<Cut after, UTC", "<Future", "<Engine"]
    tiles = [
        Tile("Leaks", f"{len(found.leaks):,}", "none is good", "loss" if found.leaks else "gain"),
        Tile("Decisions", f"{found.decisions:,}", "instants at which something was decided"),
        Tile("Cuts", f"{len(found.cuts):,}", "rows after which the future was changed"),
        Tile("Runs", f"{found.runs:,}", ways),
    ]
    note = "Rows before: from the earliest that changed to the cut; 0 knew only what followed."
    leaks = Section("What changed", table(head, rows, "dated", empty="Nothing."), note=note)
    body: Body = {
        "clean": found.clean,
        "decisions": found.decisions,
        "runs": found.runs,
        "engines": [way.value for way in found.ways],
        "cuts": [at.isoformat() for at in found.cuts],
        "leaks": [_leak(leak) for leak in found.leaks],
    }
    lines = [_line(some[0], len(some)) for some in kinds.values()]
    return Sheet("Look-ahead", verdict, tiles, [leaks], body, lines)


def told_walk(walk: WalkForward) -> Sheet:
    """Tell what a walk forward came to."""
    known = performance(walk.equity)
    kept = walk.efficiency
    verdict = (
        f"Out of sample over {len(walk.returns):,} sessions the Sharpe ratio is "
        f"{ratio(known.sharpe)} and growth a year {percent(known.cagr)}; "
        + (
            f"{percent(kept, 0)} of what training showed was kept."
            if math.isfinite(kept)
            else "training showed no gain to keep."
        )
    )
    tiles = [
        Tile("Sharpe", ratio(known.sharpe), "out of sample"),
        Tile("Growth a year", percent(known.cagr), "out of sample", sign(known.cagr)),
        Tile("Max drawdown", percent(-known.drawdown.depth), "out of sample", "loss"),
        Tile("Efficiency", percent(kept, 0), "mean return out of sample over that in training"),
        Tile("Tests that gained", percent(walk.positive, 0), f"of {len(walk.folds):,}"),
    ]
    head = ["<Trained on", "<Tested on", "<Chosen", "Of", f"{walk.objective} then", "after", "Gain"]
    rows: list[list[str | Cell]] = []
    for fold in walk.folds:
        gain = float(np.prod(1 + fold.outside) - 1)
        rows.append(
            [
                f"{fold.trained_on[0]} to {fold.trained_on[1]}",
                f"{fold.tested_on[0]} to {fold.tested_on[1]}",
                _set(fold.chosen) if fold.chosen is not None else "cash",
                f"{fold.measured:,}",
                ratio(fold.trained),
                ratio(fold.tested),
                Cell(percent(gain), sign(gain)),
            ]
        )
    sections = [
        Section("Growth out of sample", figure=walk_figure(walk), note="Dots: a test begins."),
        Section("Tests", table(head, rows, "dated")),
    ]
    body: Body = {
        "objective": walk.objective,
        "sets": len(walk.sets),
        "sessions": len(walk.returns),
        **_performance(walk),
        "efficiency": number(kept),
        "tests_gained": number(walk.positive),
        "folds": [
            {
                "trained_on": [day.isoformat() for day in fold.trained_on],
                "tested_on": [day.isoformat() for day in fold.tested_on],
                "chosen": None if fold.chosen is None else dict(fold.chosen),
                "measured": fold.measured,
                "trained": number(fold.trained),
                "tested": number(fold.tested),
                "total_return": number(float(np.prod(1 + fold.outside) - 1)),
            }
            for fold in walk.folds
        ],
    }
    return Sheet("Walk forward", verdict, tiles, sections, body)


def told_paths(found: CrossValidation, sets: Sequence[Set], dates: Sequence[date]) -> Sheet:
    """Tell what a combinatorial cross-validation came to."""
    ratios = found.sharpes[np.isfinite(found.sharpes)]
    middle = float(np.median(ratios)) if len(ratios) else math.nan
    paths = len(found.sharpes)
    verdict = (
        f"Over {paths:,} paths out of sample the median Sharpe ratio is {ratio(middle)}; "
        f"{percent(found.loss, 0)} of the paths lost money."
    )
    low, high = np.quantile(ratios, (0.05, 0.95)) if len(ratios) else (math.nan, math.nan)
    tiles = [
        Tile("Median Sharpe", ratio(middle), "over the paths"),
        Tile("5 % to 95 %", f"{ratio(float(low))} to {ratio(float(high))}", "Sharpe ratios"),
        Tile("Paths that lost", percent(found.loss, 0), f"of {paths:,}"),
        Tile("Splits", f"{len(found.chosen):,}", "trainings, each with its own choice"),
        Tile("Sets", f"{len(sets):,}", f"{len(np.unique(found.chosen)):,} were ever chosen"),
    ]
    growth = np.asarray(np.cumprod(1 + found.returns[:_DRAWN_PATHS], axis=1), dtype=np.float64)
    places, counts = np.unique(found.chosen, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    rows: list[list[str | Cell]] = [
        [_set(sets[int(places[i])]), f"{int(counts[i]):,}"] for i in order.tolist()[:_SHOWN]
    ]
    sections = [
        Section("Growth along each path", figure=paths_figure(growth, dates)),
        Section("What was chosen", table(["<Set", "Splits"], rows)),
    ]
    body: Body = {
        "paths": paths,
        "splits": len(found.chosen),
        "sets": len(sets),
        "median_sharpe": number(middle),
        "sharpes": [number(value) for value in found.sharpes.tolist()],
        "loss": number(found.loss),
    }
    return Sheet("Combinatorial cross-validation", verdict, tiles, sections, body)


def told_record(record: Record, trials: int, selection: Mapping[str, float]) -> Sheet:
    """Tell what a single record is worth; `selection` has `luck`, probabilistic and deflated."""
    needed = minimum_track_record(record)
    tiles = [
        *_selection_tiles(record, trials, selection),
        Tile("Sessions needed", f"{math.ceil(needed):,}", "to be sure of it by 95 %")
        if math.isfinite(needed)
        else Tile("Sessions needed", NONE, "the ratio is not above zero"),
    ]
    body: Body = {"trials": trials, **_record(record, selection)}
    verdict = _luck(record, trials, selection["deflated"])
    return Sheet("Skill or luck", verdict, tiles, [], body)


def told_overfitting(found: Overfitting, chosen: Selection, sets: Sequence[Set]) -> Sheet:
    """Tell how likely the best of several trials is overfitted."""
    selection = {
        "luck": chosen.luck,
        "probabilistic": chosen.probabilistic,
        "deflated": chosen.deflated,
    }
    best = sets[chosen.best]
    verdict = (
        f"The probability of backtest overfitting is {percent(found.probability, 0)}: so often the "
        f"set that was best in one half was at the median or below in the other. "
        + _luck(chosen.record, chosen.trials, chosen.deflated)
    )
    tiles = [
        Tile("Overfitting", percent(found.probability, 0), "PBO: 50 % is what noise shows"),
        Tile("Loss", percent(found.loss, 0), "splits whose best lost out of sample"),
        *_selection_tiles(chosen.record, chosen.trials, selection),
        Tile("Slope", ratio(found.slope), "of out of sample on in sample"),
    ]
    places, counts = np.unique(found.chosen, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    rows: list[list[str | Cell]] = [
        [
            Cell(_set(sets[int(places[i])]), "strong" if places[i] == chosen.best else ""),
            percent(counts[i] / len(found.chosen)),
        ]
        for i in order.tolist()[:_SHOWN]
    ]
    annual = (found.inside * _YEAR, found.outside * _YEAR)
    sections = [
        Section(
            "Rank out of sample of the best in sample",
            figure=histogram_figure(
                found.logits,
                0.0,
                "Logit of the relative rank",
                form=".1f",
                told=("Splits", "median"),
            ),
            note="Left of the median it was worse than half of all sets.",
        ),
        Section("Sharpe ratio of the best", figure=scatter_figure(*annual, "Sharpe ratio")),
        Section("What was best in sample", table(["<Set", "Splits"], rows)),
    ]
    body: Body = {
        "probability": number(found.probability),
        "loss": number(found.loss),
        "slope": number(found.slope),
        "splits": len(found.logits),
        "trials": chosen.trials,
        "best": dict(best),
        **_record(chosen.record, selection),
    }
    return Sheet("Overfitting", verdict, tiles, sections, body)


def _what(leak: Leak) -> str:
    kind = leak.kind.value
    return kind if leak.subject == kind else f"{kind} {leak.subject}"


def _line(leak: Leak, count: int) -> str:
    of = f" of {leak.instrument}" if leak.instrument else ""
    more = f"; {count - 1:,} more like it" if count > 1 else ""
    return (
        f"{leak.strategy}: {_what(leak)}{of} at {leak.at:%Y-%m-%d %H:%M} UTC was {leak.was} and "
        f"became {leak.became} with {leak.future.value} after {leak.cut:%Y-%m-%d %H:%M}{more}"
    )


def _leak(leak: Leak) -> JsonValue:
    return {
        "kind": leak.kind.value,
        "subject": leak.subject,
        "engine": leak.way.value,
        "at": leak.at.isoformat(),
        "instrument": leak.instrument,
        "was": leak.was,
        "became": leak.became,
        "changed": leak.changed,
        "rows": leak.rows,
        "cut": leak.cut.isoformat(),
        "future": leak.future.value,
    }


def _selection_tiles(record: Record, trials: int, selection: Mapping[str, float]) -> list[Tile]:
    return [
        Tile("Sharpe", ratio(record.sharpe * _YEAR), f"{record.sessions:,} sessions"),
        Tile("Above zero", percent(selection["probabilistic"]), "probabilistic Sharpe ratio"),
        Tile("Luck", ratio(selection["luck"] * _YEAR), f"Sharpe of the best of {trials:,} by luck"),
        Tile("Deflated", percent(selection["deflated"]), "probability that it is no luck"),
    ]


def _luck(record: Record, trials: int, deflated: float) -> str:
    if not math.isfinite(deflated):
        return "There is no Sharpe ratio to judge."
    many = f"{trials:,} trials" if trials > 1 else "a single trial"
    held = "stands up" if deflated >= _SURE else "does not stand up"
    return (
        f"A Sharpe ratio of {ratio(record.sharpe * _YEAR)} as the best of {many} {held}: "
        f"{percent(deflated)} that it is no luck, where 95 % would be usual."
    )


def _record(record: Record, selection: Mapping[str, float]) -> Body:
    return {
        "sharpe": number(record.sharpe * _YEAR),
        "sessions": record.sessions,
        "skewness": number(record.skewness),
        "kurtosis": number(record.kurtosis),
        "probabilistic_sharpe": number(selection["probabilistic"]),
        "luck_sharpe": number(selection["luck"] * _YEAR),
        "deflated_sharpe": number(selection["deflated"]),
        "minimum_track_record": number(minimum_track_record(record)),
    }


def _performance(walk: WalkForward) -> Body:
    known = performance(walk.equity)
    return {
        "total_return": number(known.total_return),
        "cagr": number(known.cagr),
        "sharpe": number(sharpe(walk.returns)),
        "max_drawdown": number(known.drawdown.depth),
    }


def _set(chosen: Set) -> str:
    return ", ".join(f"{name} {value}" for name, value in chosen.items()) or "as given"
