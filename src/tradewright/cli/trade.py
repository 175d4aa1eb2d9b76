"""`tradewright backtest` and `tradewright paper-run`: thin; parse, call, print."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tradewright.backtest.choice import Way, run_backtest, way_of
from tradewright.bootstrap import load_market, load_settings
from tradewright.cli.doctor import findings, show_findings
from tradewright.cli.keep import keep_run
from tradewright.cli.parse import (
    Plan,
    amount,
    day,
    first_of_last,
    output_file,
    pairs,
    planned,
    run_spec,
    symbols_of,
    write_whole,
)
from tradewright.cli.rehearsal import PAPER_SESSIONS, paper_body, rehearse_in_process
from tradewright.cli.show import Steps, show_json, show_line, show_orders, show_summary
from tradewright.core.errors import InvalidInput
from tradewright.risk.limits import Limits

if TYPE_CHECKING:
    from tradewright.core.records import Body

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


def backtest(
    *,
    strategy: Annotated[
        str,
        typer.Option("--strategy", help="Its name (`strategy list`), or a file of yours: a.py:A."),
    ] = "momentum",
    data: Data = None,
    symbols: Symbols = None,
    start: Annotated[
        str | None, typer.Option("--from", help="First session to trade in, as 2020-08-31.")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="Last session to trade in, as 2021-03-31.")
    ] = None,
    capital: Annotated[str, typer.Option("--capital", help="US dollars to start with.")] = "100000",
    choices: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="name=value: a parameter of the strategy (top=5, rebalance=month), or "
            "commission, slippage_bps, volume_share, sizing (fraction, volatility), fraction, "
            "target_volatility, min_trade, engine (events: the one that trades live; arrays: the "
            "compiled path, equal to it; auto: arrays where they can).",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a strategy over history with the engine that trades live; write a run folder."""
    settings = load_settings()
    chosen = pairs(choices)
    way = way_of(chosen.pop("engine", Way.EVENTS))
    plan = planned(strategy, amount(capital, "--capital"), chosen)
    steps = Steps(quiet=as_json)
    with steps.step("load", "Load the market"):
        market = load_market(data, symbols=symbols_of(symbols), timeframe=plan.timeframe)
        spec = run_spec(plan, market, day(start, "--from"), day(end, "--to"))
    with steps.step("backtest", f"Backtest {strategy}") as progress:
        result = run_backtest(spec, market, way, progress)
    with steps.step("report", "Write the run folder"):
        folder, body = keep_run(settings.runs_dir, result, market, steps.seconds)
    _show(body, folder, as_json=as_json)


def paper_run(
    *,
    symbols: Symbols = None,
    capital: Annotated[
        str | None, typer.Option("--capital", help="US dollars to start with.")
    ] = None,
    max_position_size: Annotated[
        str | None, typer.Option("--max-position-size", help="US dollars a name at most.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check what is needed and stop.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", help="Write the summary to this JSON file.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show every order.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Trade the last five sessions of a market on paper, through the rehearsal exchange."""
    settings = load_settings()
    if dry_run:
        found = findings(settings)
        show_findings(found, as_json=as_json)
        raise typer.Exit(0 if all(one.fine for one in found) else 1)
    cash = amount(capital, "--capital") if capital else settings.paper_run_capital
    most = settings.paper_run_max_position_size
    if max_position_size:
        most = amount(max_position_size, "--max-position-size")
    if "max_position_size" in settings.model_fields_set and most > settings.max_position_size:
        rule = f"is above MAX_POSITION_SIZE ({settings.max_position_size})"
        raise InvalidInput("--max-position-size", str(most), rule, "lower it or raise the setting")
    limits = Limits(
        max_order_notional=most,
        max_position_notional=most,
        max_position_shares=settings.max_position_shares,
    )
    if output is not None:
        output_file(output)
    wanted = symbols_of(symbols) or (settings.paper_run_symbols if data else ())
    steps = Steps(quiet=as_json)
    with steps.step("load", "Load the market"):
        market = load_market(data, symbols=wanted)
        plan = Plan("momentum", _sized(len(market.instruments), cash, most), cash, limits=limits)
        spec = run_spec(plan, market, first_of_last(market, PAPER_SESSIONS), None)
    side = rehearse_in_process(spec, market, data, settings, steps)
    body = paper_body(side, market, steps.seconds)
    if output is not None:
        write_whole(output, json.dumps(body, indent=2) + "\n")
    if as_json:
        show_json(body)
    else:
        if verbose:
            show_orders(side)
        show_summary(body, f"Paper run over {market.label}")
    if not (side.parity and side.reconciled):
        raise typer.Exit(1)


def _sized(symbols: int, cash: Decimal, most: Decimal) -> dict[str, str]:
    # Targets that leave room below the limit of a name: prices move before the next decision.
    top = min(_TOP, symbols)
    invested = min(_INVESTED, _ROOM * top * most / cash)
    return {"top": str(top), "invested": format(invested, "f")}


def _show(body: Body, folder: Path, *, as_json: bool) -> None:
    if as_json:
        show_json(body)
        return
    show_summary(body, f"{body['strategy']} over {body['label']}")
    show_line(f"report: {folder / 'report.html'}")
