"""`tradewright exchange serve`: the rehearsal exchange as a process.

Its first line on standard output is one of JSON that says where it listens, written once it
answers: who starts it waits for that line.
"""

from __future__ import annotations

import inspect
import json
import os
import signal
import sys
import threading
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Final, get_type_hints

import typer

from tradewright.bootstrap import load_market
from tradewright.cli.parse import amount, day, symbols_of
from tradewright.core.errors import ConfigError, InvalidInput
from tradewright.core.session import Span, Timeframe
from tradewright.execution.venue import VenueModel
from tradewright.portfolio.costs import BasisPoints, TradingCosts, commission

STEP: Final = "step"
_LAST_PORT: Final = 65535
_LOOK_SECONDS: Final = 0.25

app = typer.Typer(help="The rehearsal exchange.", no_args_is_help=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What `serve` is asked for: each field is an option of the command."""

    start: Annotated[str, typer.Option("--from", help="First session, a date.")]
    end: Annotated[str, typer.Option("--to", help="Last session, a date.")]
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Folder of market data; without it a simulated market."),
    ] = None
    symbols: Annotated[
        list[str] | None, typer.Option("--symbols", help="Symbols, apart by spaces or commas.")
    ] = None
    timeframe: Annotated[Timeframe, typer.Option("--timeframe", help="The length of a bar.")] = (
        Timeframe.DAY
    )
    port: Annotated[int, typer.Option("--port", help="Port on this machine; 0 takes any.")] = 8010
    speed: Annotated[
        str,
        typer.Option("--speed", help="Times real time, or step: by POST /rehearsal/advance."),
    ] = STEP
    cash: Annotated[str, typer.Option("--cash", help="US dollars in the account.")] = "100000"
    leverage: Annotated[
        str, typer.Option("--leverage", help="Buying power as a multiple of equity.")
    ] = "2"
    commission: Annotated[
        str, typer.Option("--commission", help="ib-fixed, per-share, percent or none.")
    ] = "ib-fixed"
    slippage_bps: Annotated[
        str, typer.Option("--slippage-bps", help="Basis points lost on each fill.")
    ] = "2"
    volume_share: Annotated[
        str | None, typer.Option("--volume-share", help="Fraction of a bar's volume to take.")
    ] = None
    key: Annotated[str, typer.Option("--key", help="Key id that clients show.")] = "rehearsal"
    secret: Annotated[str, typer.Option("--secret", help="Its secret.")] = "rehearsal"  # noqa: S105
    with_parent: Annotated[
        bool, typer.Option("--with-parent", help="Stop when the process that started this ends.")
    ] = False


def serve(asked: Serving) -> None:
    """Replay bars as an exchange that speaks Alpaca's trading API on this machine."""
    if asked.with_parent:
        _end_with_parent()
    from tradewright.exchange import ReplayMarket, create_app
    from tradewright.exchange import serve as serve_app

    if not 0 <= asked.port <= _LAST_PORT:
        raise InvalidInput("--port", asked.port, f"is not a port (0 to {_LAST_PORT})")
    pace = None if asked.speed == STEP else float(amount(asked.speed, "--speed"))
    market = ReplayMarket.over(
        load_market(asked.data, symbols=symbols_of(asked.symbols), timeframe=asked.timeframe),
        Span(_day(asked.start, "--from"), _day(asked.end, "--to")),
        model=_model(asked),
        cash=amount(asked.cash, "--cash"),
        leverage=amount(asked.leverage, "--leverage"),
    )
    served = create_app(market, key=asked.key, secret=asked.secret, speed=pace)
    serve_app(served, port=asked.port, ready=_tell)


@app.callback()
def options() -> None:
    """The rehearsal exchange."""


def _command(**given: object) -> None:
    serve(Serving(**given))  # type: ignore[arg-type]


def _signature(made: type) -> inspect.Signature:
    kinds = get_type_hints(made, include_extras=True)
    asked = inspect.signature(made).parameters.values()
    return inspect.Signature([one.replace(annotation=kinds[one.name]) for one in asked])


# A command's options are read off its signature; so many of them are one object here.
_command.__doc__ = serve.__doc__
_command.__signature__ = _signature(Serving)  # type: ignore[attr-defined]
app.command("serve")(_command)


def _model(asked: Serving) -> VenueModel:
    share = amount(asked.volume_share, "--volume-share") if asked.volume_share else None
    slippage = BasisPoints(amount(asked.slippage_bps, "--slippage-bps", zero=True))
    return VenueModel(TradingCosts(commission(asked.commission), slippage), share)


def _day(text: str, option: str) -> date:
    found = day(text, option)
    if found is None:
        raise InvalidInput(option, text, "is not a date", "write it as 2020-08-31")
    return found


def _tell(address: str) -> None:
    try:
        print(json.dumps({"listening": address}), flush=True)
    except BrokenPipeError as gone:
        # What is still in the pipe is not to be tried again at the end of the process.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise ConfigError("nobody reads where the exchange listens", "start it again") from gone


def _end_with_parent() -> None:
    parent = os.getppid()
    never = threading.Event()

    def watch() -> None:
        # An orphan is adopted, so its parent's id changes; even by kill -9.
        while os.getppid() == parent:
            never.wait(_LOOK_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()
