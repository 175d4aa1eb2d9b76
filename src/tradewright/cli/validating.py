"""What the `validate` commands are asked for, what they look at, and how they show and keep it.

A run that was kept is read and not run again: its equity and fills are enough for what takes one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import numpy as np
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tradewright.analytics.returns import simple_returns
from tradewright.backtest.choice import Way, run_backtest
from tradewright.backtest.report.kept import kept_run
from tradewright.backtest.report.page import write_text
from tradewright.backtest.search.objective import RISES
from tradewright.backtest.search.space import Space, parameters_of
from tradewright.backtest.search.where import rules_of
from tradewright.backtest.summary import session_curve
from tradewright.backtest.validation.sheet import Subject, sheet_page
from tradewright.backtest.validation.walk_forward import evaluation
from tradewright.bootstrap import SAMPLE_LABEL, load_market, load_settings
from tradewright.cli.parse import symbols_of
from tradewright.cli.show import show_json, show_line
from tradewright.cli.trade import Backtesting, plan_of, spec_and_market
from tradewright.core.clock import SystemClock
from tradewright.core.errors import ConfigError, InvalidInput, MissingData
from tradewright.core.ids import FillId, InstrumentId, OrderId
from tradewright.core.money import Money, Price, Quantity
from tradewright.core.orders import Fill, Side
from tradewright.core.session import Timeframe
from tradewright.engine.named import named_strategy
from tradewright.portfolio.costs import CostNames

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewright.backtest.backtest import Result
    from tradewright.backtest.validation.sheet import Sheet
    from tradewright.backtest.validation.walk_forward import Evaluate, Set
    from tradewright.cli.parse import Plan
    from tradewright.cli.show import Steps
    from tradewright.core.frames import FloatArray
    from tradewright.core.records import Body
    from tradewright.data.history import MarketData
    from tradewright.engine.run import RunSpec
    from tradewright.portfolio.costs import TradingCosts

VALIDATED: Final = "validated"
_MOST_SETS: Final = 20_000
_AT_ONCE: Final = 64

Output = Annotated[
    Path | None,
    typer.Option("--output", help="Folder for the page and its JSON; else under runs/validated."),
]
Run = Annotated[
    str | None,
    typer.Option("--run", help="A kept run instead of a new one: id, beginning of one, latest."),
]
Params = Annotated[
    list[str] | None,
    typer.Option("--param", help="A parameter and its values: fast=5:50:5, kind=a,b,c."),
]
Where = Annotated[
    list[str] | None,
    typer.Option("--where", help="A rule that a set must keep, as 'fast < slow'."),
]
Objective = Annotated[
    str, typer.Option("--objective", help=f"What is looked at: {', '.join(RISES)}.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Where chance begins.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Looking(Backtesting):
    """What `validate lookahead` is asked for."""

    cuts: Annotated[
        int, typer.Option("--cuts", min=1, help="Rows after which the future is changed.")
    ] = 8
    seed: Seed = 0
    output: Output = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Walking(Backtesting):
    """What `validate walk-forward` is asked for."""

    params: Params = None
    where: Where = None
    scheme: Annotated[
        str,
        typer.Option(
            "--scheme", help="rolled, anchored, or combinatorial: purged, along many paths."
        ),
    ] = "rolled"
    train: Annotated[
        int, typer.Option("--train", min=1, help="Sessions of a training, rolled or the first.")
    ] = 252
    test: Annotated[int, typer.Option("--test", min=1, help="Sessions of a test.")] = 63
    groups: Annotated[
        int, typer.Option("--groups", min=2, help="combinatorial: stretches of all sessions.")
    ] = 10
    tested: Annotated[
        int, typer.Option("--tested", min=1, help="combinatorial: stretches of a test.")
    ] = 2
    embargo: Annotated[
        float, typer.Option("--embargo", help="combinatorial: part left out after a test.")
    ] = 0.01
    holding: Annotated[
        int, typer.Option("--holding", min=0, help="combinatorial: sessions purged before a test.")
    ] = 0
    objective: Objective = "sharpe"
    output: Output = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubting(Backtesting):
    """What `validate overfitting` is asked for."""

    params: Params = None
    where: Where = None
    search: Annotated[
        str | None,
        typer.Option("--search", help="A kept search instead: id, beginning of one, latest."),
    ] = None
    run: Run = None
    trials: Annotated[
        int | None,
        typer.Option("--trials", min=1, help="Independent trials, if not as many as there are."),
    ] = None
    blocks: Annotated[
        int, typer.Option("--blocks", min=2, max=20, help="Blocks that halves are made of; even.")
    ] = 16
    output: Output = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing(Backtesting):
    """What `validate monte-carlo` is asked for."""

    run: Run = None
    paths: Annotated[int, typer.Option("--paths", min=1, help="How many.")] = 1000
    block: Annotated[
        float | None,
        typer.Option("--block", help="Mean sessions of a block; the cube root of all unless told."),
    ] = None
    seed: Seed = 0
    output: Output = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Varying(Backtesting):
    """What `validate sensitivity` is asked for."""

    params: Params = None
    where: Where = None
    objective: Objective = "sharpe"
    output: Output = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Splitting(Backtesting):
    """What `validate regimes` is asked for."""

    run: Run = None
    trend: Annotated[int, typer.Option("--trend", min=2, help="Closes in the trend's mean.")] = 200
    unrest: Annotated[
        int, typer.Option("--unrest", min=2, help="Returns in the deviation of unrest.")
    ] = 63
    output: Output = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling(Backtesting):
    """What `validate capacity` is asked for."""

    run: Run = None
    edge: Annotated[
        str,
        typer.Option("--edge", help="What size may cost: alpha (over the benchmark) or return."),
    ] = "alpha"
    output: Output = None


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """A run to look at: its sessions, equity and fills, its costs, and the result if it is new."""

    subject: Subject
    dates: Sequence[date]
    equity: FloatArray
    fills: Sequence[Fill]
    costs: TradingCosts
    market: MarketData | None
    result: Result | None

    @property
    def returns(self) -> FloatArray:
        """Simple returns a session."""
        return simple_returns(self.equity)

    @property
    def data(self) -> MarketData:
        """The market that it was on.

        Raises:
            MissingData: It was not loaded.
        """
        if self.market is None:
            raise MissingData(self.subject.label, "is not loaded", "name it with --data")
        return self.market


def planned_run(
    asked: Backtesting, steps: Steps, way: Way = Way.AUTO
) -> tuple[RunSpec, MarketData, Way]:
    """Return what a new run is to be, its market, and how it is run."""
    plan, chosen = plan_of(asked, way)
    with steps.step("load", "Load the market"):
        spec, market = spec_and_market(asked, plan)
    return spec, market, chosen


def finished(asked: Backtesting, run: str | None, steps: Steps, *, data: bool) -> Finished:
    """Return the kept run that is named, else run what is asked for; `data` wants its market.

    Raises:
        InvalidInput: There is no such run.
        MissingData: A file or the data of it is not there.
    """
    if run is not None:
        return _kept(asked, run, steps, data=data)
    spec, market, way = planned_run(asked, steps)
    with steps.step("backtest", f"Backtest {spec.strategy}") as progress:
        result = run_backtest(spec, market, way, progress)
    curve = session_curve(result, market)
    subject = subject_of(spec, market)
    return Finished(subject, curve.dates, curve.equity, result.fills, spec.costs(), market, result)


def sets_and_spec(
    asked: Backtesting,
    params: Sequence[str],
    where: Sequence[str] | None,
    steps: Steps,
    objective: str = "sharpe",
) -> tuple[list[Set], RunSpec, MarketData, Evaluate]:
    """Return all sets of a grid, the spec that they are laid over, its market, and how to run.

    The spec begins where the set that looks back the furthest can decide.

    Raises:
        InvalidInput: No set is left, they are too many, or the strategy refuses all.
    """
    plan, way = plan_of(asked, Way.AUTO)
    parameters = parameters_of(params)
    names = [one.name for one in parameters]
    for name in names:
        if name in plan.parameters:
            rule = "is fixed by --set and varied by --param"
            raise InvalidInput(name, plan.parameters[name], rule, "leave one of them out")
    space = Space(parameters, rules_of(where or (), names, plan.parameters))
    sets = [one for one, _ in zip(space.grid(), range(_MOST_SETS + 1), strict=False)]
    if not sets:
        raise InvalidInput("--where", ", ".join(where or ()), "leaves no set")
    if len(sets) > _MOST_SETS:
        rule = f"make more than {_MOST_SETS:,} sets"
        raise InvalidInput("--param", " ".join(params), rule, "take larger steps")
    with steps.step("load", "Load the market"):
        spec, market = spec_over(asked, plan, sets)
    return sets, spec, market, evaluation(market, way, objective)


def spec_over(asked: Backtesting, plan: Plan, sets: Sequence[Set]) -> tuple[RunSpec, MarketData]:
    """Return a plan's spec on its market, beginning where each of several sets can decide."""
    rows: list[tuple[int, Set]] = []
    refused: InvalidInput | None = None
    for one in sets:
        try:
            strategy = named_strategy(plan.strategy, {**plan.parameters, **one}, plan.sha256)
            rows.append((strategy.needs.rows, one))
        except InvalidInput as error:
            refused = refused or error
    if not rows:
        raise refused or InvalidInput("sets", 0, "are none")
    longest = max(rows, key=lambda pair: pair[0])[1]
    spec, market = spec_and_market(asked, replace(plan, parameters={**plan.parameters, **longest}))
    return replace(spec, parameters=dict(plan.parameters)), market


def returns_of_sets(
    spec: RunSpec, sets: Sequence[Set], evaluate: Evaluate, steps: Steps
) -> tuple[FloatArray, list[Set]]:
    """Run every set; return the returns of those that ran, (sessions, sets), and which they are."""
    columns: list[FloatArray] = []
    ran: list[Set] = []
    reason = "none was tried"
    with steps.step("sets", f"Run {len(sets):,} sets") as progress:
        for first in range(0, len(sets), _AT_ONCE):
            some = sets[first : first + _AT_ONCE]
            for one, outcome in zip(some, evaluate(spec, some), strict=True):
                if outcome.returns is None:
                    reason = outcome.reason
                    continue
                columns.append(outcome.returns)
                ran.append(one)
            progress(min(first + _AT_ONCE, len(sets)), len(sets))
    if not columns:
        raise InvalidInput("sets", len(sets), f"do not run: {reason}", "choose others")
    return np.stack(columns, axis=1), ran


def subject_of(spec: RunSpec, market: MarketData, **about: str) -> Subject:
    """Return what a spec on a market is, for the page."""
    return Subject(
        spec.strategy,
        dict(spec.parameters),
        spec.first.isoformat(),
        spec.last.isoformat(),
        market.label,
        market.simulated,
        about,
    )


def kept_and_shown(
    kind: str, sheet: Sheet, subject: Subject, output: Path | None, *, as_json: bool
) -> None:
    """Write a validation's page and JSON, and show it."""
    folder = output or load_settings().runs_dir / VALIDATED / _name(kind, subject)
    body: Body = {"validation": kind, "verdict": sheet.verdict, **subject.body(), **sheet.body}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        remedy = "choose another folder with --output"
        raise ConfigError(f"{folder} cannot be written: {error.strerror}", remedy) from error
    page = folder / f"{kind}.html"
    write_text(page, sheet_page(sheet, subject))
    text = json.dumps(body, indent=2, allow_nan=False, ensure_ascii=False)
    write_text(folder / f"{kind}.json", text + "\n")
    if as_json:
        show_json(body | {"page": str(page)})
        return
    table = Table(title=escape(f"{sheet.title}: {subject.strategy}"), title_justify="left")
    for heading in ("number", "value", "what it is"):
        table.add_column(heading, justify="right" if heading == "value" else "left")
    for tile in sheet.tiles:
        table.add_row(escape(tile.name), escape(tile.value), escape(tile.note))
    Console().print(table)
    show_line(sheet.verdict)
    for line in sheet.lines:
        show_line(line)
    show_line(f"picture: {page}")


def _name(kind: str, subject: Subject) -> str:
    # A file's name may hold anything; what is left of it is enough to tell two apart.
    stem = "".join(mark for mark in Path(subject.strategy).stem if mark.isalnum() or mark in "-_")
    return f"{SystemClock().now():%Y%m%dT%H%M%S}-{kind}-{stem[:40]}"


def _kept(asked: Backtesting, name: str, steps: Steps, *, data: bool) -> Finished:
    kept = kept_run(load_settings().runs_dir, name)
    spec: Mapping[str, Any] = kept.body("spec.json")["spec"]
    summary = kept.body("summary.json")
    dates, equity = kept.equity()
    market = None
    if data:
        with steps.step("load", "Load the market"):
            market = _market_of(asked, spec)
    names = {one: spec[one] for one in CostNames.__dataclass_fields__ if one in spec}
    if "slippage_bps" in names:
        names["slippage_bps"] = Decimal(names["slippage_bps"])
    subject = Subject(
        spec["strategy"],
        spec["parameters"],
        spec["first"],
        spec["last"],
        str(summary["label"]),
        bool(summary["simulated"]),
        {"run": kept.id},
    )
    fills = [_fill(row) for row in kept.rows("fills.csv")]
    return Finished(subject, dates, equity, fills, CostNames(**names).models(), market, None)


def _market_of(asked: Backtesting, spec: Mapping[str, Any]) -> MarketData:
    folder = asked.data
    if folder is None and spec["data"] != SAMPLE_LABEL:
        folder = Path(str(spec["data"]))
        if not folder.is_dir():
            what = "is not a folder any more"
            raise MissingData(str(folder), what, "name the run's data with --data")
    return load_market(
        folder, symbols=symbols_of(asked.symbols), timeframe=Timeframe(spec["timeframe"])
    )


def _fill(row: Mapping[str, str]) -> Fill:
    return Fill(
        FillId(row["id"]),
        OrderId(row["order"]),
        InstrumentId(row["instrument"]),
        Side(row["side"]),
        Quantity(Decimal(row["quantity"])),
        Price(Decimal(row["price"])),
        Money(Decimal(row["fee"])),
        datetime.fromisoformat(row["at"]),
        row["liquidity"],
    )
