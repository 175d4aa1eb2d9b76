"""`tradewright data`: bring market data in, list it, check it.

Results go to standard output and progress to standard error, so that `--json` can be piped.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tradewright.bootstrap import bar_reader, bar_store
from tradewright.cli.parse import day
from tradewright.core.errors import ChecksumMismatch, MissingData, QualityFailure
from tradewright.core.session import Timeframe
from tradewright.data.calendars import market_calendar
from tradewright.data.quality import Severity, inspect, require
from tradewright.data.sample import FIRST, sample_market

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tradewright.core.frames import BarFrame
    from tradewright.core.ids import InstrumentId
    from tradewright.core.instrument import Instrument
    from tradewright.ports import BarReader

Line: TypeAlias = "dict[str, str | int | None]"

app = typer.Typer(help="Bring market data in, list it, check it.", no_args_is_help=True)

Format = Annotated[
    str | None, typer.Option("--format", help="lean, csv or parquet; looked up if not given.")
]
Frame = Annotated[Timeframe, typer.Option("--timeframe", help="The length of a bar.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON alone.")]
Folder = Annotated[Path, typer.Argument(help="A folder of market data.")]
Target = Annotated[Path, typer.Option("--to", help="The folder to keep it in.")]


@app.command("import")
def import_(
    source: Folder,
    fmt: Format = None,
    timeframe: Frame = Timeframe.DAY,
    to: Target = Path("market"),
    as_json: AsJson = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Read a folder, check every bar and keep all of it, or nothing, in a store of our own."""
    reader = bar_reader(source, fmt)
    with _progress() as progress:
        task = progress.add_task("reading", total=3)
        frame = _read_all(reader, timeframe)
        actions = reader.actions(frame.instruments)
        progress.update(task, description="checking", advance=1)
        report = inspect(frame, calendar=market_calendar(), actions=actions)
        require(report)
        progress.update(task, description="writing", advance=1)
        bar_store(to).write(frame, reader.instruments(), actions)
        progress.update(task, description="done", advance=1)
    result = {
        "instruments": len(frame.instruments),
        "rows": len(frame),
        "actions": len(actions),
        "warnings": len(report.warnings),
        "timeframe": timeframe.value,
        "to": str(to),
    }
    if as_json:
        typer.echo(json.dumps(result))
        return
    counts = ", ".join(f"{result[name]} {name}" for name in ("instruments", "rows", "actions"))
    typer.echo(f"{counts} are now in {to}")
    if report.warnings:
        typer.echo(f"{result['warnings']} warnings: tradewright data check {to} shows them")


@app.command("sample")
def sample(
    to: Target = Path("market"),
    symbols: Annotated[int, typer.Option("--symbols", help="How many symbols.")] = 10,
    sessions: Annotated[int, typer.Option("--sessions", help="How many trading days.")] = 750,
    first: Annotated[str, typer.Option("--from", help="The first day.")] = "2010-01-04",
    seed: Annotated[int, typer.Option("--seed", help="Another seed, another market.")] = 7,
    as_json: AsJson = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Write a simulated market, with splits, dividends and half days, to try things out on."""
    with _progress() as progress:
        task = progress.add_task("simulating", total=2)
        made = sample_market(
            seed=seed, symbols=symbols, sessions=sessions, first=day(first, "--from") or FIRST
        )
        progress.update(task, description="writing", advance=1)
        bar_store(to).write(made.frame, made.instruments, made.actions)
        progress.update(task, description="done", advance=1)
    result = {
        "instruments": len(made.frame.instruments),
        "rows": len(made.frame),
        "actions": len(made.actions),
        "simulated": True,
        "to": str(to),
    }
    if as_json:
        typer.echo(json.dumps(result))
        return
    typer.echo(f"{symbols} simulated symbols over {sessions} sessions are now in {to}")


@app.command("list")
def list_(
    folder: Folder,
    fmt: Format = None,
    timeframe: Frame = Timeframe.DAY,
    as_json: AsJson = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """List the instruments of a folder with their first and last session and their actions."""
    reader = bar_reader(folder, fmt)
    rows = list(_described(reader, timeframe))
    if as_json:
        typer.echo(json.dumps(rows))
        return
    _print(f"{timeframe.capitalize()} bars in {folder}", rows)


@app.command()
def check(
    folder: Folder,
    fmt: Format = None,
    timeframe: Frame = Timeframe.DAY,
    as_json: AsJson = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Try every rule on a folder's bars; exit with 1 if an error was found, else with 0."""
    reader = bar_reader(folder, fmt)
    rows = list(_findings(reader, timeframe))
    errors = sum(row["severity"] == Severity.ERROR for row in rows)
    if as_json:
        counts = {"errors": errors, "warnings": len(rows) - errors}
        typer.echo(json.dumps(counts | {"findings": rows}))
    else:
        if rows:
            _print(f"Findings in {folder}", rows)
        typer.echo(f"{errors} errors, {len(rows) - errors} warnings")
    if errors:
        raise typer.Exit(1)


def _read_all(reader: BarReader, timeframe: Timeframe) -> BarFrame:
    ids = [instrument.id for instrument in reader.instruments()]
    try:
        return reader.read(ids, timeframe)
    except MissingData as error:
        # Not every instrument need have bars of this length.
        have = [i for i in ids if _read_one(reader, i, timeframe) is not None]
        if not have:
            raise MissingData(error.where, f"has no {timeframe} bars", error.remedy) from error
        return reader.read(have, timeframe)


def _read_one(reader: BarReader, instrument: InstrumentId, timeframe: Timeframe) -> BarFrame | None:
    try:
        return reader.read([instrument], timeframe)
    except MissingData:
        return None


def _described(reader: BarReader, timeframe: Timeframe) -> Iterator[Line]:
    for instrument in _tracked(reader.instruments(), "reading"):
        frame = _read_one(reader, instrument.id, timeframe)
        sessions = () if frame is None else frame.sessions
        yield {
            "symbol": instrument.symbol,
            "sessions": len(sessions),
            "bars": 0 if frame is None else int((frame.close > 0).sum()),
            "first": sessions[0].date.isoformat() if sessions else None,
            "last": sessions[-1].date.isoformat() if sessions else None,
            "actions": len(reader.actions([instrument.id])),
            "delisted": instrument.delisted.isoformat() if instrument.delisted else None,
        }


def _findings(reader: BarReader, timeframe: Timeframe) -> Iterator[Line]:
    seen = False
    for instrument in _tracked(reader.instruments(), "checking"):
        try:
            frame = _read_one(reader, instrument.id, timeframe)
            if frame is None:
                continue
            seen = True
            actions = reader.actions([instrument.id])
            report = inspect(frame, calendar=market_calendar(), actions=actions)
        except (QualityFailure, ChecksumMismatch) as error:
            seen = True
            yield _line(Severity.ERROR, error.where, error.what, error.remedy)
            continue
        for finding in report.findings:
            yield _line(finding.severity, finding.where, finding.what, finding.rule.remedy)
    if not seen:
        raise MissingData("market data", f"there are no {timeframe} bars", "try --timeframe")


def _line(severity: Severity, where: str, what: str, remedy: str) -> Line:
    return {"severity": severity.value, "where": where, "what": what, "remedy": remedy}


def _print(title: str, lines: Sequence[Line]) -> None:
    table = Table(title=title)
    for name in lines[0]:
        table.add_column(name, overflow="fold")
    for line in lines:
        table.add_row(*("" if value is None else str(value) for value in line.values()))
    Console().print(table)


def _tracked(instruments: Sequence[Instrument], doing: str) -> Iterator[Instrument]:
    with _progress() as progress:
        yield from progress.track(instruments, description=doing)


def _progress() -> Progress:
    return Progress(console=Console(stderr=True), transient=True)
