"""`tradewright search`: try many sets of parameters, keep what each came to, show the best."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tradewright.backtest.report.page import write_text
from tradewright.backtest.search.folders import STATES, kept_search, kept_searches
from tradewright.backtest.search.page import PAGE, search_page, shown_value
from tradewright.bootstrap import load_settings
from tradewright.cli.parse import command_of
from tradewright.cli.search.searching import (
    SEARCHES,
    Searching,
    command_line,
    prepared,
    resumed,
    searched,
)
from tradewright.cli.show import Steps, show_json, show_line
from tradewright.core.errors import MissingData

if TYPE_CHECKING:
    from tradewright.backtest.search.folders import KeptSearch
    from tradewright.backtest.search.trials import Trial

app = typer.Typer(help="Search the parameters of a strategy.", no_args_is_help=True)

_FAILED: Final = 1
_LISTED: Final = 10
Name = Annotated[str, typer.Argument(help="A search's id, the beginning of one, or latest.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON alone.")]


def run(asked: Searching) -> None:
    """Try sets of parameters of a strategy over history; keep each trial in a folder."""
    steps = Steps(quiet=asked.as_json)
    _told(searched(prepared(asked, steps), steps), as_json=asked.as_json)


app.command("run")(command_of(run, Searching))


@app.command()
def resume(
    search: Name = "latest",
    *,
    trials: Annotated[
        int | None, typer.Option("--trials", help="Try so many in all, instead of as many as then.")
    ] = None,
    workers: Annotated[int | None, typer.Option("--workers", help="Processes to work in.")] = None,
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", help="Address of a Dask scheduler to work on.")
    ] = None,
    max_seconds: Annotated[
        float | None, typer.Option("--max-seconds", help="Stop after so long.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Go on with a search that was stopped; it ends as if it had never been."""
    steps = Steps(quiet=as_json)
    kept = _kept(search)
    how = {"workers": workers, "scheduler": scheduler, "max_seconds": max_seconds}
    _told(searched(resumed(kept, trials, how, steps), steps), as_json=as_json)


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """List the searches that were kept, newest first."""
    found = kept_searches(load_settings().runs_dir / SEARCHES)
    if as_json:
        show_json({"searches": [one.body() for one in found]})
        return
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for title in ("search", "strategy", "sampler", "trials", "state", "objective", "best"):
        table.add_column(title, justify="right" if title in {"trials", "best"} else "left")
    for one in found:
        names, first = one.objectives.names, one.best[:1]
        value = shown_value(names[0], first[0].objective if first else None)
        spec, count = one.spec, f"{len(one.trials):,}"
        cells = (one.id, spec["run"]["strategy"], spec["sampler"], count, one.state)
        table.add_row(*(escape(cell) for cell in cells), ", ".join(names), value)
    Console().print(table)


@app.command()
def show(search: Name = "latest", *, as_json: AsJson = False) -> None:
    """Draw a search as an HTML page: trial by trial, and what each parameter does."""
    kept = _kept(search)
    page = kept.path / PAGE
    write_text(page, search_page(kept))
    if as_json:
        show_json(kept.body() | {"page": str(page)})
        return
    _summary(kept)
    show_line(f"picture: {page}")


@app.command()
def best(search: Name = "latest", *, as_json: AsJson = False) -> None:
    """Print the best set, and the command that runs it."""
    kept = _kept(search)
    found = kept.best
    if not found:
        raise MissingData(kept.id, "has no trial that can be compared", "`search show` says why")
    lines = [command_line(kept, trial) for trial in found]
    if as_json:
        trials = [
            trial.body() | {"command": line} for trial, line in zip(found, lines, strict=True)
        ]
        show_json({"id": kept.id, "objectives": list(kept.objectives.names), "best": list(trials)})
    else:
        for trial, line in zip(found, lines, strict=True):
            show_line(f"trial {trial.number}: {_values(kept, trial)}\n{line}")


def _kept(name: str) -> KeptSearch:
    return kept_search(load_settings().runs_dir / SEARCHES, name)


def _told(folder: Path, *, as_json: bool) -> None:
    kept = kept_search(folder.parent, folder.name)
    if as_json:
        show_json(kept.body())
    else:
        _summary(kept)
        show_line(f"`tradewright search show {kept.id}` draws it")
    if not kept.best:
        raise typer.Exit(_FAILED)


def _summary(kept: KeptSearch) -> None:
    names = [each["name"] for each in kept.spec["space"]]
    objectives = kept.objectives
    table = Table(title=escape(f"Search {kept.id}"), title_justify="left")
    for title in ("trial", *objectives.names, "fills", *names):
        table.add_column(escape(title), justify="right")
    front = kept.best
    known = [trial for trial in kept.trials if trial.counts and trial not in front]
    known.sort(key=lambda trial: [-gain for gain in objectives.gains(trial) or ()])
    for trial in [*front, *known][:_LISTED]:
        values = (shown_value(n, v) for n, v in zip(objectives.names, trial.values, strict=True))
        fills = f"{trial.measures.get('fills') or 0:,.0f}"
        table.add_row(
            str(trial.number), *values, fills, *(escape(trial.parameters[n]) for n in names)
        )
    Console().print(table)
    count, compared = len(kept.trials), len(front) + len(known)
    show_line(f"{count:,} trials: {STATES[kept.state]}; {compared:,} compared")
    lucky = kept.deflated()
    if lucky is not None and isinstance(lucky["deflated"], float):
        told = f"{lucky['deflated']:.1%} that the best Sharpe ratio is no luck"
        show_line(f"deflated Sharpe ratio of trial {lucky['number']}: {told}")


def _values(kept: KeptSearch, trial: Trial) -> str:
    pairs = zip(kept.objectives.names, trial.values, strict=True)
    return ", ".join(f"{name} {shown_value(name, value)}" for name, value in pairs)
