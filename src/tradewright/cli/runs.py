"""`tradewright runs` and `tradewright report`: find a run that was kept, show it, compare two."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tradewright.backtest.report.comparison import compare_runs, comparison_page, same
from tradewright.backtest.report.kept import KeptStrategy, Since, kept_run, kept_runs
from tradewright.backtest.report.markdown import comparison_markdown, run_markdown
from tradewright.backtest.report.page import write_text
from tradewright.bootstrap import load_settings
from tradewright.cli.show import show_json, show_line, show_summary
from tradewright.core.errors import ConfigError

if TYPE_CHECKING:
    from tradewright.core.records import Body

runs = typer.Typer(help="The runs that were kept.", no_args_is_help=True)
report = typer.Typer(help="Show a run's report, compare two runs.", no_args_is_help=True)

_LISTED: Final = (
    *("id", "strategy", "label", "first", "last", "final_equity"),
    *("total_return", "sharpe", "max_drawdown"),
)
_COLUMNS: Final = {
    "id": "run",
    "strategy": "strategy",
    "first": "first",
    "last": "last",
    "total_return": "return",
    "sharpe": "Sharpe",
    "max_drawdown": "fall",
}
Run = Annotated[str, typer.Argument(help="A run's id, the beginning of one, or latest.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON alone.")]


@runs.command("list")
def list_(
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the runs that were kept, newest first."""
    found = kept_runs(load_settings().runs_dir)
    bodies = [run.body("summary.json") for run in found[:limit]]
    if as_json:
        show_json({"runs": [{key: body.get(key) for key in _LISTED} for body in bodies]})
        return
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for key, title in _COLUMNS.items():
        words = key in {"id", "strategy"}
        table.add_column(title, justify="left" if words else "right", no_wrap=True)
    for body in bodies:
        table.add_row(*(_cell(key, body.get(key)) for key in _COLUMNS))
    Console().print(table)
    if len(found) > limit:
        show_line(f"{len(found) - limit} older runs are not listed; --limit lists more")


@runs.command("show")
def show(run: Run = "latest", *, as_json: AsJson = False) -> None:
    """Show a run's summary, where its folder is, and the file of a strategy of your own."""
    kept = kept_run(load_settings().runs_dir, run)
    body: Body = dict(kept.body("summary.json"))
    if as_json:
        show_json({**body, **_own(kept.strategy())})
        return
    show_summary(body, f"{body['strategy']} over {body['label']}")
    _tell(kept.strategy())
    show_line(f"folder: {kept.path}")
    show_line(f"report: {kept.path / 'report.html'}")


@report.command("show")
def show_report(run: Run = "latest", *, as_json: AsJson = False) -> None:
    """Print a run's numbers as Markdown with what each is, or all of them as JSON."""
    kept = kept_run(load_settings().runs_dir, run)
    if as_json:
        summary, statistics = kept.body("summary.json"), kept.body("statistics.json")
        body: Body = {"summary": dict(summary), "statistics": dict(statistics)}
        show_json({**body, **_own(kept.strategy())})
        return
    show_line(run_markdown(kept))
    _tell(kept.strategy())
    show_line(f"report: {kept.path / 'report.html'}")


@report.command("compare")
def compare(
    left: Run,
    right: Run,
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", help="Folder for compare.html, compare.md and compare.json."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare two runs: spec, orders, fills and returns day by day; exit code 1 if they differ."""
    root = load_settings().runs_dir
    one, two = kept_run(root, left), kept_run(root, right)
    known = compare_runs(one, two)
    folder = output or root / "compared" / f"{one.id}~{two.id}"
    text = comparison_markdown(known)
    _folder(folder)
    write_text(folder / "compare.html", comparison_page(one, two, known))
    write_text(folder / "compare.md", text)
    write_text(folder / "compare.json", json.dumps(known, indent=2, allow_nan=False) + "\n")
    if as_json:
        show_json(known)
    else:
        show_line(text)
        show_line(f"report: {folder / 'compare.html'}")
    raise typer.Exit(0 if same(known) else 1)


def _own(strategy: KeptStrategy | None) -> Body:
    if strategy is None:
        return {}
    return {
        "strategy_file": {
            "path": str(strategy.path),
            "sha256": strategy.sha256,
            "kept": str(strategy.kept),
            "since": strategy.since.value,
        }
    }


def _tell(strategy: KeptStrategy | None) -> None:
    if strategy is None:
        return
    show_line(f"strategy: {strategy.path}, kept as it was run: {strategy.kept}")
    told = {Since.CHANGED: "has changed since this run", Since.GONE: "is no longer there"}
    if strategy.since in told:
        show_line(
            f"mind: {strategy.path} {told[strategy.since]}; "
            f"what was run is --strategy {strategy.again}"
        )


def _folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        remedy = "choose another folder with --output"
        raise ConfigError(f"{path} cannot be written: {error.strerror}", remedy) from error


def _cell(key: str, value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}" if key == "sharpe" else f"{value:.1%}"
    return "–" if value is None else escape(str(value))
