"""Every command by name: where it is defined, and the first line of its help.

A command is loaded when it is asked for, so that `tradewright status` does not wait for what a
backtest needs; help of the whole shows these lines and loads nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typer._click import Command, Context


class Entry(NamedTuple):
    """A command or a group: an attribute of a module of ours, and what help says of it."""

    module: str
    attribute: str
    said: str


COMMANDS: Final[Mapping[str, Entry]] = {
    "account": Entry(
        "account",
        "account",
        "Show what the broker says: account, positions, open orders, clock and requests left.",
    ),
    "demo": Entry(
        "demo",
        "demo",
        "Backtest momentum, trade the last five sessions on paper, reconcile, compare, report.",
    ),
    "backtest": Entry(
        "trade",
        "backtest_command",
        "Run a strategy over history with the engine that trades live; write a run folder.",
    ),
    "paper-run": Entry(
        "trade",
        "paper_run_command",
        "Trade the last five sessions of a market on paper, through the rehearsal exchange.",
    ),
    "doctor": Entry(
        "doctor",
        "doctor",
        "Look at Python, settings, databases, clock, calendar, disk and account; say what to mend.",
    ),
    "serve": Entry(
        "services.serve",
        "serve",
        "Serve one service until SIGTERM or Ctrl-C, with the embedded databases if none are set.",
    ),
    "up": Entry(
        "services.up",
        "up",
        "Start services with the embedded databases if none are set, and wait until they are"
        " ready.",
    ),
    "status": Entry(
        "services.crew",
        "status",
        "Show how the services are that run here; exit code 1 if one is not healthy, or none runs.",
    ),
    "logs": Entry(
        "services.crew",
        "logs",
        "Show the last lines of services' logs; with --json as they were written.",
    ),
    "down": Entry("services.crew", "down", "Stop the services that run here, and their databases."),
    "audit": Entry("services.audit", "app", "Verify the audit log, list it, note its head."),
    "auth": Entry(
        "services.auth", "app", "Make the first admin, keep accounts and keys, end logins."
    ),
    "certs": Entry("services.certs", "app", "Our certificate authority for operators."),
    "config": Entry("services.config", "app", "Look at the settings, and have them read anew."),
    "data": Entry("data", "app", "Bring market data in, list it, check it."),
    "exchange": Entry("exchange.commands", "app", "The rehearsal exchange."),
    "report": Entry("runs", "report", "Show a run's report, compare two runs."),
    "runs": Entry("runs", "runs", "The runs that were kept."),
    "search": Entry("search.commands", "app", "Search the parameters of a strategy."),
    "strategy": Entry("strategy", "app", "Strategies: those that ship, and your own."),
    "validate": Entry("validate", "app", "How far a backtest may be believed."),
}


class OnDemand(TyperGroup):
    """The commands of the catalogue, each loaded once it is asked for."""

    def __init__(self, **given: Any) -> None:  # noqa: ANN401 - as the class above takes them
        """Begin with what help shows."""
        super().__init__(**given)
        for name, entry in COMMANDS.items():
            self.add_command(TyperCommand(name, help=entry.said))

    def resolve_command(
        self, ctx: Context, args: list[str]
    ) -> tuple[str | None, Command | None, list[str]]:
        """Return the command that is asked for, ready to run."""
        for name in args[:1]:
            if name in COMMANDS:
                self.add_command(loaded(name))
        return super().resolve_command(ctx, args)


def loaded(name: str) -> Command:
    """Load a command of the catalogue."""
    entry = COMMANDS[name]
    found = getattr(import_module(f"tradewright.cli.{entry.module}"), entry.attribute)
    if isinstance(found, typer.Typer):
        group = get_group(found)
        group.name = name
        return group
    alone = typer.Typer(add_completion=False)
    alone.command(name)(found)
    return get_command(alone)
