"""`tradewright up`: the services together, with the embedded databases, until they are stopped.

All are children of this one process and of its process group; nothing is left when it ends,
however it ends. With --detach the same runs in a session of its own, and its note in the state
folder tells `status`, `logs` and `down` of it.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tradewright.bootstrap import environment_with, load_settings, service_databases
from tradewright.cli.show import Steps, show_json
from tradewright.core.clock import SystemClock
from tradewright.core.errors import ConfigError, PeerUnavailable

if TYPE_CHECKING:
    from pathlib import Path

    from tradewright.bootstrap import Settings
    from tradewright.core.records import Body
    from tradewright.ops.crew import Crew, Member
    from tradewright.ops.crew_note import CrewNote

DETACHED_SECONDS: Final = 150.0
LEADER: Final = "up"
_STOPS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def up(
    names: Annotated[
        list[str] | None, typer.Argument(help="The services; without any, all of them.")
    ] = None,
    *,
    detach: Annotated[
        bool, typer.Option("--detach", help="Leave them running and return once they are ready.")
    ] = False,
    any_port: Annotated[
        bool, typer.Option("--any-port", help="Take ports that are free instead of their own.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON alone.")] = False,
) -> None:
    """Start services with the embedded databases if none are set, and wait until they are ready."""
    from tradewright.ops.crew_note import is_held
    from tradewright.services.catalog import CATALOG, service_spec

    wanted = list(dict.fromkeys(names or CATALOG))
    for name in wanted:
        service_spec(name)
    settings = load_settings()
    arguments = [*wanted, *(["--any-port"] if any_port else [])]
    if detach:
        if is_held(settings.state_dir):
            raise ConfigError("services already run here", "stop them with `tradewright down`")
        note = _detached(settings, arguments)
        show_crew(note, as_json=as_json)
    else:
        _lead(settings, wanted, any_port=any_port, as_json=as_json)


def _lead(settings: Settings, names: Sequence[str], *, any_port: bool, as_json: bool) -> None:
    from tradewright.ops.crew import Crew
    from tradewright.ops.crew_note import held

    steps = Steps(quiet=as_json)
    logs = settings.state_dir / "logs"
    with _stop_asked() as stop, held(settings.state_dir), service_databases(settings) as found:
        if stop.is_set():
            return
        environment = environment_with(
            {"DATABASE_URL": found.database_url, "REDIS_URL": found.redis_url}
        )
        crew = Crew(logs, environment, authority=settings.tls_cert_path, stopped=stop.is_set)
        try:
            _begin(crew, names, steps, settings.state_dir, any_port=any_port)
            if not stop.is_set():
                show_crew(_note(crew, settings.state_dir, ready=True), as_json=as_json)
                steps.say("[dim]Ctrl-C stops them; see `tradewright logs -f`[/]")
            _watch(crew, stop)
        finally:
            with steps.step("stop", f"stopped {', '.join(names)}"):
                forced = crew.stop()
            if forced:
                steps.say(f"[bold red]had to be killed:[/] {', '.join(forced)}")


def _begin(crew: Crew, names: Sequence[str], steps: Steps, folder: Path, *, any_port: bool) -> None:
    for name in names:
        port = ["--port", "0"] if any_port else []
        crew.start(name, ["serve", name, "--with-parent", *port])
    _note(crew, folder, ready=False)
    with steps.step("start", f"{', '.join(names)} ready") as progress:

        def told(_member: Member) -> None:
            progress(sum(member.ready for member in crew.members), len(crew.members))

        crew.wait_until_ready(told)


def _watch(crew: Crew, stop: threading.Event) -> None:
    while not stop.wait(0.2):
        if (gone := crew.ended()) is not None:
            raise PeerUnavailable(gone.name, f"has ended: {gone.said()}; its log is {gone.log}")


def _note(crew: Crew, folder: Path, *, ready: bool) -> CrewNote:
    from tradewright.ops import crew_note

    members = tuple(
        crew_note.Sailor(m.name, m.process.pid, m.url, str(m.log), m.ready) for m in crew.members
    )
    started = SystemClock().now().isoformat(timespec="seconds")
    note = crew_note.CrewNote(os.getpid(), started, ready, members)
    crew_note.write(folder, note)
    return note


@contextmanager
def _stop_asked() -> Iterator[threading.Event]:
    stop = threading.Event()
    before = {number: signal.getsignal(number) for number in _STOPS}
    for number in _STOPS:
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, lambda _number, _frame: stop.set())
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _detached(settings: Settings, arguments: Sequence[str]) -> CrewNote:
    from tradewright.ops.crew import last_words, open_log
    from tradewright.ops.crew_note import read

    log = settings.state_dir / "logs" / f"{LEADER}.log"
    output = open_log(log)
    try:
        leader = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "tradewright", "up", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    finally:
        os.close(output)
    clock = SystemClock()
    deadline = clock.monotonic() + DETACHED_SECONDS
    with Steps(quiet=False).step("start", "services in the background"):
        while clock.monotonic() < deadline:
            note = read(settings.state_dir)
            if note is not None and note.ready and note.pid == leader.pid:
                return note
            if leader.poll() is not None:
                raise ConfigError(last_words(log))
            select.select([], [], [], 0.1)
    leader.terminate()
    raise ConfigError(f"not ready in {DETACHED_SECONDS:g} s", f"see {log}")


def show_crew(note: CrewNote, *, as_json: bool) -> None:
    """Print where services listen and where their logs are."""
    from rich.console import Console
    from rich.table import Table

    if as_json:
        show_json(crew_body(note))
        return
    table = Table(title="Services", title_justify="left")
    for column in ("service", "address", "process", "log"):
        table.add_column(column, overflow="fold")
    for one in note.members:
        table.add_row(one.name, one.url, str(one.pid), one.log)
    Console().print(table)


def crew_body(note: CrewNote) -> Body:
    """Return a crew as JSON."""
    services: Body = {
        one.name: {"url": one.url, "pid": one.pid, "log": one.log} for one in note.members
    }
    return {"pid": note.pid, "started": note.started, "services": services}
