"""`tradewright demo`, the main job: a first trading day, offline, in under a minute."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.markup import escape

from tradewright.backtest.backtest import Backtest
from tradewright.bootstrap import ExchangeProcess, bar_reader, databases, load_market, load_settings
from tradewright.cli.keep import keep_run
from tradewright.cli.parse import Plan, first_of_last, run_spec
from tradewright.cli.rehearsal import PAPER_SESSIONS, exchange_arguments, trade_steps
from tradewright.cli.show import Steps, show_json, show_line, show_orders, show_summary

if TYPE_CHECKING:
    from tradewright.data.history import MarketData

CAPITAL: Final = Decimal(100_000)
PARAMETERS: Final = {"top": "3", "rebalance": "week"}


def demo(
    *,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Folder of market data; without it a simulated market."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary alone, as JSON.")
    ] = False,
) -> None:
    """Backtest momentum, trade the last five sessions on paper, reconcile, compare, report."""
    settings = load_settings()
    steps = Steps(quiet=as_json)
    if data is not None:
        # A folder that cannot be read is told before anything is started.
        bar_reader(data)
    with ExitStack() as running:
        with steps.step("services", "Start PostgreSQL and Redis"):
            found = running.enter_context(databases(settings))
        with steps.step("load", "Load the market"):
            market = load_market(data)
        steps.say(_told(market))
        plan = Plan("momentum", PARAMETERS, CAPITAL)
        whole = run_spec(plan, market, None, None)
        last = run_spec(plan, market, first_of_last(market, PAPER_SESSIONS), None)
        exchange = running.enter_context(ExchangeProcess(exchange_arguments(last, market, data)))
        with steps.step("backtest", "Backtest momentum over it") as progress:
            result = Backtest(whole, market).run(progress)
        side = trade_steps(last, market, exchange, (found, settings), steps)
    with steps.step("report", "Write the run folder"):
        folder, body = keep_run(settings.runs_dir, result, market, steps.seconds, side)
    if as_json:
        show_json(body)
    else:
        show_orders(side)
        show_summary(body, f"A trading day over {market.label}")
        show_line(
            f"\nLook at {folder / 'report.html'} next, then `{_own_command()} backtest --help`."
        )
    if not (side.parity and side.reconciled):
        raise typer.Exit(1)


def _own_command() -> str:
    # `make run` does not put it on the path.
    if which("tradewright"):
        return "tradewright"
    own = Path(sys.executable).with_name("tradewright")
    return str(own.relative_to(Path.cwd()) if own.is_relative_to(Path.cwd()) else own)


def _told(market: MarketData) -> str:
    frame = market.frame
    span = f"{frame.sessions[0].date} to {frame.sessions[-1].date}"
    kind = (
        "[bold yellow]SIMULATED market[/]"
        if market.simulated
        else f"[bold]{escape(market.label)}[/]"
    )
    return f"  {kind}: {len(frame.instruments)} symbols, {len(frame.sessions)} sessions, {span}"
