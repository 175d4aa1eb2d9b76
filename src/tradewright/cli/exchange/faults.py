"""`tradewright exchange faults`: scripts of faults for an exchange that runs.

A script is applied whole or not at all; it is the exchange that reads it, so that it is judged by
the rules of the version that will do the faults.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tradewright.cli.exchange.running import HERE, AsJson, Key, Running, Secret, Url
from tradewright.cli.show import show_json, show_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tradewright.core.records import Body, JsonValue

app = typer.Typer(help="Scripted faults of an exchange that runs.", no_args_is_help=True)


@app.callback()
def options() -> None:
    """Scripted faults of an exchange that runs (started with --faults)."""


@app.command("apply")
def apply(
    file: Annotated[Path, typer.Argument(help="A script of faults: TOML, or JSON as .json.")],
    *,
    url: Url = HERE,
    key: Key = "rehearsal",
    secret: Secret = "rehearsal",  # noqa: S107 - the one that serve has when none is given
    as_json: AsJson = False,
) -> None:
    """Set the rules of a script; a rule of a name that is set takes its place."""
    standing = Running(url, key, secret).ask("POST", "faults", file)
    _show(standing, url, as_json=as_json)


@app.command("list")
def list_(
    *,
    url: Url = HERE,
    key: Key = "rehearsal",
    secret: Secret = "rehearsal",  # noqa: S107 - the one that serve has when none is given
    as_json: AsJson = False,
) -> None:
    """List the rules that are set, how many calls each has seen and how many it struck."""
    _show(Running(url, key, secret).ask("GET", "faults"), url, as_json=as_json)


@app.command()
def clear(
    name: Annotated[str | None, typer.Argument(help="One rule's name; all without.")] = None,
    *,
    url: Url = HERE,
    key: Key = "rehearsal",
    secret: Secret = "rehearsal",  # noqa: S107 - the one that serve has when none is given
    as_json: AsJson = False,
) -> None:
    """Forget one rule, or all of them; the log stays."""
    Running(url, key, secret).ask("DELETE", f"faults/{name}" if name else "faults")
    if as_json:
        show_json({"cleared": name or "all"})
    else:
        show_line(f"cleared {name or 'every rule'}")


@app.command()
def log(
    *,
    after: Annotated[int, typer.Option("--after", help="Only those after this number.")] = 0,
    url: Url = HERE,
    key: Key = "rehearsal",
    secret: Secret = "rehearsal",  # noqa: S107 - the one that serve has when none is given
    as_json: AsJson = False,
) -> None:
    """Show every fault that was done, in order."""
    done = Running(url, key, secret).ask("GET", f"faults/log?after={after}")
    if as_json:
        show_json({"log": done["rows"]})
        return
    columns = ("seq", "at", "rule", "action", "route", "symbol", "client_order_id")
    _table(f"Faults done at {url}", columns, _rows(done["rows"]))


def _show(standing: Body, url: str, *, as_json: bool) -> None:
    if as_json:
        show_json(standing)
        return
    columns = ("name", "match", "action", "seen", "struck")
    _table(f"Faults set at {url}", columns, _rows(standing["rules"]))


def _rows(found: JsonValue) -> list[Mapping[str, JsonValue]]:
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def _table(title: str, columns: Sequence[str], rows: Iterable[Mapping[str, JsonValue]]) -> None:
    table = Table(title=escape(title), title_justify="left")
    for name in columns:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(escape(_words(row.get(name))) for name in columns))
    Console().print(table)


def _words(value: JsonValue) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(inner)}" for name, inner in value.items())
    return "" if value is None else str(value)
