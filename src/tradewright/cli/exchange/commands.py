"""`tradewright exchange`: the rehearsal exchange as a process, and asking one that runs.

The first line of `serve` on standard output is one of JSON that says where it listens, written
once it answers: who starts it waits for that line.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tradewright.cli.exchange import faults
from tradewright.cli.exchange.running import HERE, AsJson, Key, Running, Secret, Url
from tradewright.cli.exchange.serving import Serving, exchange_of
from tradewright.cli.parent import end_with_parent, tell_address
from tradewright.cli.parse import command_of
from tradewright.cli.show import show_json, show_summary
from tradewright.core.errors import InvalidInput

if TYPE_CHECKING:
    from tradewright.core.records import Body

_LAST_PORT: Final = 65535

app = typer.Typer(help="The rehearsal exchange.", no_args_is_help=True)
app.add_typer(faults.app, name="faults")


def serve(asked: Serving) -> None:
    """Replay bars as an exchange that speaks Alpaca's trading API on this machine."""
    if asked.with_parent:
        end_with_parent()
    from tradewright.exchange import create_app
    from tradewright.exchange import serve as serve_app

    if not 0 <= asked.port <= _LAST_PORT:
        raise InvalidInput("--port", asked.port, f"is not a port (0 to {_LAST_PORT})")
    exchange = exchange_of(asked)
    served = create_app(
        exchange,
        key=asked.key,
        secret=asked.secret,
        speed=asked.speed,
        nights=not asked.skip_nights,
        one_stream=asked.one_stream,
        per_minute=asked.per_minute,
    )
    try:
        serve_app(served, port=asked.port, ready=tell_address)
    finally:
        exchange.close()


@app.callback()
def options() -> None:
    """The rehearsal exchange."""


app.command("serve")(command_of(serve, Serving))


@app.command()
def status(
    *,
    url: Url = HERE,
    key: Key = "rehearsal",
    secret: Secret = "rehearsal",  # noqa: S107 - the one that serve has when none is given
    as_json: AsJson = False,
) -> None:
    """Show where the replay of an exchange that runs stands."""
    _show(Running(url, key, secret).ask("GET", "status"), f"Exchange at {url}", as_json=as_json)


@app.command()
def reset(
    *,
    state: Annotated[
        Path | None, typer.Option("--state", help="The state folder of one that does not run.")
    ] = None,
    url: Url = HERE,
    key: Key = "rehearsal",
    secret: Secret = "rehearsal",  # noqa: S107 - the one that serve has when none is given
    as_json: AsJson = False,
) -> None:
    """Put an exchange back to its first moment: no order, no position, no fault."""
    if state is None:
        standing = Running(url, key, secret).ask("POST", "reset")
        _show(standing, f"Exchange at {url}, as at its start", as_json=as_json)
        return
    from tradewright.exchange.command_log import forget

    if not forget(state):
        raise InvalidInput("--state", str(state), "holds no exchange", "name its --state folder")
    _show({"state": str(state), "emptied": True}, "Exchange", as_json=as_json)


def _show(body: Body, title: str, *, as_json: bool) -> None:
    if as_json:
        show_json(body)
    else:
        show_summary(body, title)
