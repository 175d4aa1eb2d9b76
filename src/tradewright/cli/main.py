"""The command `tradewright` and its groups; errors become one line and a stable exit code.

0 fine, 1 the run failed or found something wrong, 2 the input or the surroundings are wrong,
130 stopped by Ctrl-C.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from tradewright import __version__
from tradewright.cli.catalog import OnDemand
from tradewright.core.errors import (
    ConfigError,
    DataError,
    InvalidInput,
    TradewrightError,
    VenueUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

BAD_INPUT = 2
FAILED = 1
STOPPED = 130

app = typer.Typer(
    cls=OnDemand,
    help="Systematic trading of US equities, from raw data to live orders.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:  # noqa: FBT001 - called by the option
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    *,
    _version_wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Systematic trading of US equities, from raw data to live orders."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line, or the given one; an error is one line on standard error."""
    try:
        app(arguments)
    except (ConfigError, DataError, InvalidInput) as error:
        _tell(str(error))
        sys.exit(BAD_INPUT)
    except TradewrightError as error:
        _tell(str(error))
        sys.exit(BAD_INPUT if isinstance(error, VenueUnavailable) else FAILED)
    except KeyboardInterrupt:
        _tell("stopped")
        sys.exit(STOPPED)


def _tell(line: str) -> None:
    text = Text.assemble(("error", "bold red"), ": ", " ".join(line.split()))
    Console(stderr=True, soft_wrap=True).print(text)
