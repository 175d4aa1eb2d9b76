"""`tradewright validate`: how far a backtest may be believed; a leak is the exit code 1."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import typer

from tradewright.analytics.round_trips import round_trips
from tradewright.backtest.choice import Way
from tradewright.backtest.report.holdings import payouts
from tradewright.backtest.search.folders import kept_search
from tradewright.backtest.summary import session_curve
from tradewright.backtest.validation import estimates, findings
from tradewright.backtest.validation.capacity import capacity, sized, yearly_edge
from tradewright.backtest.validation.cross_validation import cross_validate
from tradewright.backtest.validation.lookahead import find_leaks
from tradewright.backtest.validation.monte_carlo import (
    Paths,
    session_paths,
    trade_contributions,
    trade_paths,
)
from tradewright.backtest.validation.overfitting import (
    deflated_selection,
    deflated_sharpe,
    expected_maximum,
    overfitting,
    probabilistic_sharpe,
    track_record,
)
from tradewright.backtest.validation.regimes import split_by_regime
from tradewright.backtest.validation.sensitivity import around, sensitivity
from tradewright.backtest.validation.sheet import Sheet, Subject
from tradewright.backtest.validation.walk_forward import (
    Windows,
    evaluation,
    sessions_of,
    walk_forward,
)
from tradewright.bootstrap import load_settings
from tradewright.cli.parse import command_of
from tradewright.cli.show import Steps
from tradewright.cli.trade import plan_of, spec_and_market
from tradewright.cli.validating import (
    Doubting,
    Drawing,
    Filling,
    Finished,
    Looking,
    Splitting,
    Varying,
    Walking,
    finished,
    kept_and_shown,
    planned_run,
    returns_of_sets,
    sets_and_spec,
    spec_over,
    subject_of,
)
from tradewright.core.errors import InvalidInput, UnknownName

app = typer.Typer(help="How far a backtest may be believed.", no_args_is_help=True)

_LEAKS: Final = 1
_SCHEMES: Final = ("rolled", "anchored", "combinatorial")
_SEARCHES: Final = "searches"
_FEWEST_TRADES: Final = 2


def lookahead(asked: Looking) -> None:
    """Change the future of the data: whatever was decided before and differs is a leak."""
    steps = Steps(quiet=asked.as_json)
    spec, market, way = planned_run(asked, steps)
    with steps.step("lookahead", "Change what follows") as progress:
        found = find_leaks(
            spec, market, way=way, cuts=asked.cuts, seed=asked.seed, progress=progress
        )
    subject = subject_of(spec, market, seed=str(asked.seed))
    sheet = findings.told_leaks(found)
    kept_and_shown("lookahead", sheet, subject, asked.output, as_json=asked.as_json)
    raise typer.Exit(0 if found.clean else _LEAKS)


def forward(asked: Walking) -> None:
    """Choose parameters on the past, trade what follows with them, and move on."""
    if asked.scheme not in _SCHEMES:
        raise UnknownName("--scheme", asked.scheme, _SCHEMES)
    steps = Steps(quiet=asked.as_json)
    sets, spec, market, evaluate = sets_and_spec(
        asked, asked.params or (), asked.where, steps, asked.objective
    )
    if asked.scheme == "combinatorial":
        returns, ran = returns_of_sets(spec, sets, evaluate, steps)
        found = cross_validate(
            returns,
            groups=asked.groups,
            tested=asked.tested,
            embargo=asked.embargo,
            holding=asked.holding,
        )
        sheet = findings.told_paths(found, ran, sessions_of(spec, market))
    else:
        windows = Windows(asked.train, asked.test, anchored=asked.scheme == "anchored")
        with steps.step("walk", f"Walk forward over {len(sets):,} sets") as progress:
            walk = walk_forward(
                spec,
                market,
                sets,
                windows=windows,
                objective=asked.objective,
                evaluate=evaluate,
                progress=progress,
            )
        sheet = findings.told_walk(walk)
    subject = subject_of(spec, market, scheme=asked.scheme, sets=f"{len(sets):,}")
    kept_and_shown("walk-forward", sheet, subject, asked.output, as_json=asked.as_json)


def doubt(asked: Doubting) -> None:
    """Ask how likely the best of what was tried is luck: a search, a grid, or a single run."""
    steps = Steps(quiet=asked.as_json)
    if asked.search is not None:
        sheet, subject = _searched(asked)
    elif asked.params:
        sets, spec, market, evaluate = sets_and_spec(asked, asked.params, asked.where, steps)
        returns, ran = returns_of_sets(spec, sets, evaluate, steps)
        chosen = deflated_selection(returns, asked.trials)
        sheet = findings.told_overfitting(overfitting(returns, asked.blocks), chosen, ran)
        subject = subject_of(spec, market, sets=f"{len(sets):,}")
    else:
        run = finished(asked, asked.run, steps, data=False)
        sheet, subject = _single(run, asked.trials or 1), run.subject
    kept_and_shown("overfitting", sheet, subject, asked.output, as_json=asked.as_json)


def draw(asked: Drawing) -> None:
    """Put trades in other orders and draw sessions anew: how else it might have gone."""
    steps = Steps(quiet=asked.as_json)
    run = finished(asked, asked.run, steps, data=False)
    rng = np.random.default_rng(asked.seed)
    with steps.step("paths", f"Draw {asked.paths:,} paths"):
        drawn = _trade_paths(run, rng, asked.paths)
        drawn.append(session_paths(run.returns, rng, paths=asked.paths, block=asked.block))
    about = {**run.subject.about, "seed": str(asked.seed), "block": f"{drawn[-1].block:g} sessions"}
    subject = replace(run.subject, about=about)
    sheet = estimates.told_monte_carlo(drawn)
    kept_and_shown("monte-carlo", sheet, subject, asked.output, as_json=asked.as_json)


def vary(asked: Varying) -> None:
    """Run the same with parameters around its own: a plateau, or a needle."""
    steps = Steps(quiet=asked.as_json)
    if asked.params:
        sets, spec, market, evaluate = sets_and_spec(
            asked, asked.params, asked.where, steps, asked.objective
        )
    else:
        plan, way = plan_of(asked, Way.AUTO)
        with steps.step("load", "Load the market"):
            spec, market = spec_and_market(asked, plan)
            sets = around(spec)
            spec, market = spec_over(asked, plan, sets)
        evaluate = evaluation(market, way, asked.objective)
    with steps.step("sets", f"Run {len(sets):,} sets") as progress:
        known = sensitivity(spec, sets, evaluate, objective=asked.objective, progress=progress)
    subject = subject_of(spec, market)
    sheet = estimates.told_sensitivity(known)
    kept_and_shown("sensitivity", sheet, subject, asked.output, as_json=asked.as_json)


def split(asked: Splitting) -> None:
    """Say in which market it earned: rising or falling, calm or wild, and in each crisis."""
    steps = Steps(quiet=asked.as_json)
    run = finished(asked, asked.run, steps, data=True)
    parts = split_by_regime(run.dates, run.equity, run.data, trend=asked.trend, unrest=asked.unrest)
    sheet = estimates.told_regimes(parts)
    kept_and_shown("regimes", sheet, run.subject, asked.output, as_json=asked.as_json)


def fill(asked: Filling) -> None:
    """Estimate how much money it carries until what its own size costs has eaten its edge."""
    steps = Steps(quiet=asked.as_json)
    run = finished(asked, asked.run, steps, data=True)
    edge = yearly_edge(run.dates, run.equity, run.data, asked.edge)
    with steps.step("capacity", "Make every trade larger"):
        model, charged = sized(run.costs)
        found = capacity(run.fills, run.equity, run.data, edge, model=model, charged=charged)
    sheet = estimates.told_capacity(found, asked.edge)
    kept_and_shown("capacity", sheet, run.subject, asked.output, as_json=asked.as_json)


app.command("lookahead")(command_of(lookahead, Looking))
app.command("walk-forward")(command_of(forward, Walking))
app.command("overfitting")(command_of(doubt, Doubting))
app.command("monte-carlo")(command_of(draw, Drawing))
app.command("sensitivity")(command_of(vary, Varying))
app.command("regimes")(command_of(split, Splitting))
app.command("capacity")(command_of(fill, Filling))


def _searched(asked: Doubting) -> tuple[Sheet, Subject]:
    kept = kept_search(load_settings().runs_dir / _SEARCHES, asked.search or "")
    ran = [trial for trial in kept.trials if trial.returns is not None]
    returns = kept.kept.returns
    if len(ran) < _FEWEST_TRADES:
        rule = f"has {len(ran)} trials that ran"
        raise InvalidInput("--search", kept.id, rule, "search more sets")
    sheet = findings.told_overfitting(
        overfitting(returns, asked.blocks),
        deflated_selection(returns, asked.trials or len(kept.trials)),
        [dict(trial.parameters) for trial in ran],
    )
    run, days = kept.spec["run"], kept.kept.sessions
    return sheet, Subject(
        run["strategy"],
        run["parameters"],
        days[0].isoformat(),
        days[-1].isoformat(),
        run["data"],
        run["data"].startswith("simulated"),
        {"search": kept.id, "trials": f"{len(kept.trials):,}"},
    )


def _single(run: Finished, trials: int) -> Sheet:
    record = track_record(run.returns)
    # Of trials that are not known: as far apart as estimates from so many sessions without skill.
    deviation = (1 / max(record.sessions - 1, 1)) ** 0.5
    selection = {
        "luck": expected_maximum(trials, deviation),
        "probabilistic": probabilistic_sharpe(record),
        "deflated": deflated_sharpe(record, trials, deviation),
    }
    return findings.told_record(record, trials, selection)


def _trade_paths(run: Finished, rng: np.random.Generator, paths: int) -> list[Paths]:
    result, market = run.result, run.market
    if result is None or market is None:
        return []
    trips = round_trips(result.fills, market.instruments, market.actions, payouts(result, market))
    ends = market.frame.end[session_curve(result, market).rows]
    added = trade_contributions(trips, ends, run.equity)
    if len(added) < _FEWEST_TRADES or np.isnan(added).any():
        return []
    return [trade_paths(added, rng, paths=paths, shuffle=shuffle) for shuffle in (True, False)]
