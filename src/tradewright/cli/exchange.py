"""`tradewright exchange serve`: the rehearsal exchange as a process.

Its first line on standard output is one of JSON that says where it listens, written once it
answers: who starts it waits for that line.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tradewright.bootstrap import load_market
from tradewright.cli.parse import amount, day, symbols_of
from tradewright.core.errors import ConfigError, InvalidInput
from tradewright.core.session import Span, Timeframe
from tradewright.execution.venue import VenueModel
from tradewright.portfolio.costs import BasisPoints, TradingCosts
from tradewright.portfolio.costs import commission as commission_of

if TYPE_CHECKING:
    from datetime import date

STEP: Final = "step"
_LAST_PORT: Final = 65535
_LOOK_SECONDS: Final = 0.25

app = typer.Typer(help="The rehearsal exchange.", no_args_is_help=True)

Data = Annotated[
    Path | None,
    typer.Option("--data", help="Folder of market data; without it a simulated market is used."),
]
Symbols = Annotated[
    list[str] | None, typer.Option("--symbols", help="Symbols, apart by spaces or commas.")
]
Speed = Annotated[
    str, typer.Option("--speed", help="Times real time, or step: only POST /rehearsal/advance.")
]
WithParent = Annotated[
    bool, typer.Option("--with-parent", help="Stop when the process that started this ends.")
]


@app.callback()
def options() -> None:
    """The rehearsal exchange."""


@app.command("serve")
def serve(  # noqa: PLR0913 - one parameter an option
    *,
    start: Annotated[str, typer.Option("--from", help="First session, a date.")],
    end: Annotated[str, typer.Option("--to", help="Last session, a date.")],
    data: Data = None,
    symbols: Symbols = None,
    timeframe: Annotated[
        Timeframe, typer.Option("--timeframe", help="The length of a bar.")
    ] = Timeframe.DAY,
    port: Annotated[int, typer.Option("--port", help="Port on this machine; 0 takes any.")] = 8010,
    cash: Annotated[str, typer.Option("--cash", help="US dollars in the account.")] = "100000",
    leverage: Annotated[
        str, typer.Option("--leverage", help="Buying power as a multiple of equity.")
    ] = "2",
    speed: Speed = STEP,
    commission: Annotated[
        str, typer.Option("--commission", help="ib-fixed, per-share, percent or none.")
    ] = "ib-fixed",
    slippage_bps: Annotated[
        str, typer.Option("--slippage-bps", help="Basis points lost on each fill.")
    ] = "2",
    volume_share: Annotated[
        str | None, typer.Option("--volume-share", help="Fraction of a bar's volume to take.")
    ] = None,
    key: Annotated[str, typer.Option("--key", help="Key id that clients show.")] = "rehearsal",
    secret: Annotated[str, typer.Option("--secret", help="Its secret.")] = "rehearsal",  # noqa: S107
    with_parent: WithParent = False,
) -> None:
    """Replay bars as an exchange that speaks Alpaca's trading API on this machine."""
    if with_parent:
        _end_with_parent()
    from tradewright.exchange import ReplayMarket, create_app
    from tradewright.exchange import serve as serve_app

    if not 0 <= port <= _LAST_PORT:
        raise InvalidInput("--port", port, f"is not a port (0 to {_LAST_PORT})")
    pace = _pace(speed)
    share = amount(volume_share, "--volume-share") if volume_share else None
    slippage = BasisPoints(amount(slippage_bps, "--slippage-bps", zero=True))
    market = ReplayMarket.over(
        load_market(data, symbols=symbols_of(symbols), timeframe=timeframe),
        Span(_day(start, "--from"), _day(end, "--to")),
        model=VenueModel(TradingCosts(commission_of(commission), slippage), share),
        cash=amount(cash, "--cash"),
        leverage=amount(leverage, "--leverage"),
    )
    serve_app(create_app(market, key=key, secret=secret, speed=pace), port=port, ready=_tell)


def _tell(address: str) -> None:
    try:
        print(json.dumps({"listening": address}), flush=True)
    except BrokenPipeError as gone:
        # Nobody waits for us any more; what is still in the pipe is not to be tried again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise ConfigError("nobody reads where the exchange listens", "start it again") from gone


def _day(text: str, option: str) -> date:
    found = day(text, option)
    if found is None:
        raise InvalidInput(option, text, "is not a date", "write it as 2020-08-31")
    return found


def _pace(text: str) -> float | None:
    return None if text == STEP else float(amount(text, "--speed"))


def _end_with_parent() -> None:
    parent = os.getppid()
    never = threading.Event()

    def watch() -> None:
        # An orphan is adopted, so its parent's id changes; even by kill -9.
        while os.getppid() == parent:
            never.wait(_LOOK_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()
