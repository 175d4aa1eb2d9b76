"""`tradewright backtest` and `tradewright paper-run`: thin; parse, call, print."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.markup import escape

from tradewright.backtest.choice import Way, compiled_seconds, run_backtest, way_of
from tradewright.bootstrap import load_detail, load_market, load_settings
from tradewright.cli.doctor import findings, show_findings
from tradewright.cli.keep import keep_run
from tradewright.cli.parse import (
    Plan,
    amount,
    command_of,
    cost_names,
    day,
    detail_of,
    first_of_last,
    output_file,
    pairs,
    planned,
    run_spec,
    symbols_of,
    with_options,
    write_whole,
)
from tradewright.cli.rehearsal import PAPER_SESSIONS, paper_body, rehearse_in_process
from tradewright.cli.show import Steps, show_json, show_line, show_orders, show_summary
from tradewright.core.errors import InvalidInput
from tradewright.risk.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradewright.bootstrap import Settings
    from tradewright.core.records import Body
    from tradewright.data.history import MarketData
    from tradewright.engine.run import RunSpec
    from tradewright.portfolio.costs import CostNames

_MOMENTUM: Final = "momentum"
_TOP: Final = 3
_INVESTED: Final = Decimal("0.98")
_ROOM: Final = Decimal("0.9")

Data = Annotated[
    Path | None,
    typer.Option("--data", help="Folder of market data; without it a simulated market is used."),
]
Symbols = Annotated[
    list[str] | None, typer.Option("--symbols", help="Symbols, apart by spaces or commas.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the summary alone, as JSON.")]
Named = Annotated[
    str,
    typer.Option("--strategy", help="Its name (`strategy list`), or a file of yours: a.py:A."),
]
Commission = Annotated[
    str | None,
    typer.Option(
        "--commission",
        help="What the broker takes, as ib-tiered or per-share:rate=0.004,minimum=1.",
    ),
]
Slippage = Annotated[
    str | None,
    typer.Option(
        "--slippage", help="What a fill loses, as fixed, half-spread or square-root:coefficient=1."
    ),
]
Costs = Annotated[
    str | None,
    typer.Option(
        "--costs",
        help="All costs at once: optimistic, realistic, pessimistic, or a broker's, as ib-tiered, "
        "alpaca or schwab (docs/backtest.md).",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtesting:
    """What `backtest` is asked for: each field is an option of the command."""

    strategy: Named = _MOMENTUM
    data: Data = None
    symbols: Symbols = None
    start: Annotated[
        str | None, typer.Option("--from", help="First session to trade in, as 2020-08-31.")
    ] = None
    end: Annotated[
        str | None, typer.Option("--to", help="Last session to trade in, as 2021-03-31.")
    ] = None
    capital: Annotated[str, typer.Option("--capital", help="US dollars to start with.")] = "100000"
    choices: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="name=value: a parameter of the strategy (top=5, rebalance=month), or "
            "commission, slippage, slippage_bps, fees, impact, borrow, margin, costs, "
            "volume_share, sizing (fraction, volatility), fraction, "
            "target_volatility, min_trade, engine (events: the one that trades live; arrays: the "
            "compiled path, equal to it; auto: arrays where they can).",
        ),
    ] = None
    commission: Commission = None
    slippage: Slippage = None
    costs: Costs = None
    detail: Annotated[
        str | None,
        typer.Option("--detail", help="minute: fill the orders of daily decisions on minute bars."),
    ] = None
    as_json: AsJson = False


def plan_of(asked: Backtesting, way: Way = Way.EVENTS) -> tuple[Plan, Way]:
    """Return what is asked for before its data is known, and how it is run; by `way` if unsaid."""
    chosen = pairs(asked.choices)
    way = way_of(chosen.pop("engine", way))
    chosen = with_options(
        chosen, commission=asked.commission, slippage=asked.slippage, costs=asked.costs
    )
    return planned(asked.strategy, amount(asked.capital, "--capital"), chosen), way


def spec_and_market(asked: Backtesting, plan: Plan) -> tuple[RunSpec, MarketData]:
    """Load the market that is asked for, and return the plan's spec on it."""
    detail = detail_of(asked.detail)
    market = load_market(asked.data, symbols=symbols_of(asked.symbols), timeframe=plan.timeframe)
    spec = run_spec(plan, market, day(asked.start, "--from"), day(asked.end, "--to"))
    spec = replace(spec, detail=detail)
    return spec, load_detail(asked.data, market, spec)


def backtest(asked: Backtesting) -> None:
    """Run a strategy over history with the engine that trades live; write a run folder."""
    settings = load_settings()
    plan, way = plan_of(asked)
    steps = Steps(quiet=asked.as_json)
    with steps.step("load", "Load the market"):
        spec, market = spec_and_market(asked, plan)
    _tell_findings(steps, market)
    with steps.step("backtest", f"Backtest {asked.strategy}") as progress:
        result = run_backtest(spec, market, way, progress)
    if spent := compiled_seconds(way):
        steps.seconds["compiled"] = spent
    with steps.step("report", "Write the run folder"):
        folder, body = keep_run(settings.runs_dir, result, market, steps.seconds, file=plan.file)
    _show(body, folder, as_json=asked.as_json)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperRunning:
    """What `paper-run` is asked for: each field is an option of the command."""

    strategy: Named = _MOMENTUM
    choices: Annotated[
        list[str] | None,
        typer.Option("--set", help="name=value: a parameter of the strategy, sizing or a cost."),
    ] = None
    symbols: Symbols = None
    capital: Annotated[str | None, typer.Option("--capital", help="US dollars to start with.")] = (
        None
    )
    max_position_size: Annotated[
        str | None, typer.Option("--max-position-size", help="US dollars a name at most.")
    ] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check what is needed and stop.")] = (
        False
    )
    output: Annotated[
        Path | None, typer.Option("--output", help="Write the summary to this JSON file.")
    ] = None
    verbose: Annotated[bool, typer.Option("--verbose", help="Show every order.")] = False
    commission: Commission = None
    slippage: Slippage = None
    costs: Costs = None
    data: Data = None
    as_json: AsJson = False


def paper_run(asked: PaperRunning) -> None:
    """Trade the last five sessions of a market on paper, through the rehearsal exchange."""
    settings = load_settings()
    if asked.dry_run:
        found = findings(settings)
        show_findings(found, as_json=asked.as_json)
        raise typer.Exit(0 if all(one.fine for one in found) else 1)
    cash = amount(asked.capital, "--capital") if asked.capital else settings.paper_run_capital
    most = _most(asked, settings)
    limits = Limits(
        max_order_notional=most,
        max_position_notional=most,
        max_position_shares=settings.max_position_shares,
    )
    chosen = pairs(asked.choices)
    plan = planned(asked.strategy, cash, chosen)
    plan = replace(plan, costs=_paper_costs(asked, chosen), limits=limits)
    if asked.output is not None:
        output_file(asked.output)
    wanted = symbols_of(asked.symbols) or (settings.paper_run_symbols if asked.data else ())
    steps = Steps(quiet=asked.as_json)
    with steps.step("load", "Load the market"):
        market = load_market(asked.data, symbols=wanted, timeframe=plan.timeframe)
        if plan.strategy == _MOMENTUM:
            sized = _sized(len(market.instruments), cash, most)
            plan = replace(plan, parameters={**sized, **plan.parameters})
        spec = run_spec(plan, market, first_of_last(market, PAPER_SESSIONS), None)
    side = rehearse_in_process(spec, market, asked.data, settings, steps)
    body = paper_body(side, market, steps.seconds)
    if asked.output is not None:
        write_whole(asked.output, json.dumps(body, indent=2) + "\n")
    if asked.as_json:
        show_json(body)
    else:
        if asked.verbose:
            show_orders(side)
        show_summary(body, f"Paper run over {market.label}")
    if not (side.parity and side.reconciled):
        raise typer.Exit(1)


def _most(asked: PaperRunning, settings: Settings) -> Decimal:
    most = settings.paper_run_max_position_size
    if asked.max_position_size:
        most = amount(asked.max_position_size, "--max-position-size")
    if "max_position_size" in settings.model_fields_set and most > settings.max_position_size:
        rule = f"is above MAX_POSITION_SIZE ({settings.max_position_size})"
        raise InvalidInput("--max-position-size", str(most), rule, "lower it or raise the setting")
    return most


def _paper_costs(asked: PaperRunning, chosen: Mapping[str, str]) -> CostNames:
    options = {"commission": asked.commission, "slippage": asked.slippage, "costs": asked.costs}
    names = cost_names(with_options(chosen, **options))
    # What is traded on paper borrows nothing, and the exchange charges no interest.
    names = replace(names, borrow="none", margin="none")
    names.check_followed()
    return names


def _sized(symbols: int, cash: Decimal, most: Decimal) -> dict[str, str]:
    # Targets that leave room below the limit of a name: prices move before the next decision.
    top = min(_TOP, symbols)
    invested = min(_INVESTED, _ROOM * top * most / cash)
    return {"top": str(top), "invested": format(invested, "f")}


def _tell_findings(steps: Steps, market: MarketData) -> None:
    found = market.detail.findings if market.detail else ()
    if found:
        first = f"{found[0].where} {found[0].what}"
        more = f" and {len(found) - 1:,} more like it; findings.csv of the run lists them"
        steps.say(f"[yellow]![/] {escape(first)}{more if len(found) > 1 else ''}")


def _show(body: Body, folder: Path, *, as_json: bool) -> None:
    if as_json:
        show_json(body)
        return
    show_summary(body, f"{body['strategy']} over {body['label']}")
    show_line(f"report: {folder / 'report.html'}")


backtest_command = command_of(backtest, Backtesting)
paper_run_command = command_of(paper_run, PaperRunning)
