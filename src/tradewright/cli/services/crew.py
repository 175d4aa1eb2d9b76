"""`tradewright status`, `logs` and `down`: the services that `tradewright up` left running."""

from __future__ import annotations

import json
import os
import select
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tradewright.bootstrap import load_settings
from tradewright.cli.show import show_json, show_line
from tradewright.core.clock import SystemClock
from tradewright.core.errors import ConfigError, InvalidInput

if TYPE_CHECKING:
    from tradewright.bootstrap import Settings
    from tradewright.core.records import Body
    from tradewright.ops.crew_note import CrewNote

DOWN_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.2
_FIELDS: Final = ("timestamp", "level", "message")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON alone.")]


def status(*, as_json: AsJson = False) -> None:
    """Show how the services are that run here; exit code 1 if one is not healthy, or none runs."""
    from tradewright.ops.crew import ask

    settings = load_settings()
    note = running_crew(settings)
    answers = {
        one.name: ask(one.url + "/health", settings.tls_cert_path) if one.url else None
        for one in note.members
    }
    rows: Body = {one.name: _standing(answers[one.name], one.url, one.pid) for one in note.members}
    fine = all(answer and answer[1].get("status") == "healthy" for answer in answers.values())
    if as_json:
        show_json({"healthy": fine, "pid": note.pid, "started": note.started, "services": rows})
    else:
        _show(rows)
    raise typer.Exit(0 if fine else 1)


def down(*, as_json: AsJson = False) -> None:
    """Stop the services that run here, and their databases."""
    from tradewright.ops.crew_note import is_held

    settings = load_settings()
    note = running_crew(settings)
    os.kill(note.pid, signal.SIGTERM)
    clock = SystemClock()
    deadline = clock.monotonic() + DOWN_SECONDS
    while is_held(settings.state_dir):
        if clock.monotonic() > deadline:
            what = f"process {note.pid} has not ended in {DOWN_SECONDS:g} s"
            raise ConfigError(what, "see its log with `tradewright logs up`")
        select.select([], [], [], 0.1)
    if as_json:
        show_json({"stopped": [one.name for one in note.members]})
    else:
        show_line(f"stopped {', '.join(one.name for one in note.members)}")


def logs(
    names: Annotated[
        list[str] | None, typer.Argument(help="The services; without any, all that have a log.")
    ] = None,
    *,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", help="Lines of each to begin with.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show the last lines of services' logs; with --json as they were written."""
    folder = load_settings().state_dir / "logs"
    there = {path.stem: path for path in sorted(folder.glob("*.log"))}
    wanted = list(names or there)
    for name in wanted:
        if name not in there:
            remedy = f"choose of: {', '.join(there) or 'none has run yet'}"
            raise InvalidInput("service", name, f"has no log in {folder}", remedy)
    readers = [_Reader(name, there[name], whole=as_json) for name in wanted]
    for reader in readers:
        reader.begin(lines)
    while follow:
        for reader in readers:
            reader.go_on()
        select.select([], [], [], _LOOK_SECONDS)


class _Reader:
    def __init__(self, name: str, path: Path, *, whole: bool) -> None:
        self._name = name
        self._path = path
        self._whole = whole
        self._place = 0
        self._file = 0

    def begin(self, lines: int) -> None:
        content = self._read(0)
        self._show(content.splitlines()[-lines:] if lines > 0 else [])

    def go_on(self) -> None:
        facts = self._path.stat() if self._path.exists() else None
        # A long log was set aside and another begun in its place.
        if facts is not None and (facts.st_ino != self._file or facts.st_size < self._place):
            self._place = 0
        self._show(self._read(self._place).splitlines())

    def _read(self, place: int) -> str:
        if not self._path.exists():
            return ""
        with self._path.open("rb") as stream:
            self._file = os.fstat(stream.fileno()).st_ino
            stream.seek(place)
            content = stream.read()
        # A line that is being written is for the next look.
        whole = content[: content.rfind(b"\n") + 1]
        self._place = place + len(whole)
        return whole.decode("utf-8", "replace")

    def _show(self, lines: Sequence[str]) -> None:
        for line in lines:
            show_line(line if self._whole else f"{self._name:<10} {_plain(line)}")


def _plain(line: str) -> str:
    try:
        said: Any = json.loads(line)
    except ValueError:
        return line
    if not isinstance(said, dict) or not all(name in said for name in _FIELDS):
        return line
    rest = {
        name: value
        for name, value in said.items()
        if value is not None and name not in (*_FIELDS, "service", "log_schema_version", "logger")
    }
    told = " ".join(f"{name}={value}" for name, value in rest.items())
    return f"{said['timestamp'][11:23]} {said['level']:<7} {said['message']} {told}".rstrip()


def running_crew(settings: Settings) -> CrewNote:
    """Return the note of the services that run here.

    Raises:
        ConfigError: None do.
    """
    from tradewright.ops.crew_note import read

    note = read(settings.state_dir)
    if note is None:
        raise ConfigError(
            f"no services run in {settings.state_dir}",
            "start them with `tradewright up --detach`, or name their TRADEWRIGHT_STATE_DIR",
        )
    return note


def _standing(answer: tuple[int, dict[str, Any]] | None, url: str, pid: int) -> Body:
    body = answer[1] if answer else {}
    checks = body.get("checks", {})
    amiss = [f"{name}: {one.get('error')}" for name, one in checks.items() if one.get("error")]
    return {
        "status": str(body.get("status", "no answer")),
        "url": url,
        "pid": pid,
        "uptime_seconds": body.get("uptime_seconds"),
        "amiss": list(amiss),
    }


def _show(rows: Body) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="Services", title_justify="left")
    for column in ("service", "status", "address", "process", "up", "amiss"):
        table.add_column(column, overflow="fold")
    for name, row in rows.items():
        assert isinstance(row, dict)  # noqa: S101 - made so above
        colour = "green" if row["status"] == "healthy" else "bold red"
        seconds, amiss = row["uptime_seconds"], row["amiss"]
        table.add_row(
            name,
            f"[{colour}]{escape(str(row['status']))}[/]",
            str(row["url"]),
            str(row["pid"]),
            f"{seconds:.0f} s" if isinstance(seconds, int | float) else "–",
            escape("; ".join(map(str, amiss)) if isinstance(amiss, list) else ""),
        )
    Console().print(table)
