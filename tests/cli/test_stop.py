"""Ctrl-C and kill -9 at any moment: nothing is left running, and nothing is broken."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.commands import Running, Watch, family, interrupt, left_in, run, runs_in, watched
from tradewright.adapters.embedded.process import wait_until

SOON = 3.0
GRACE = 30.0


@pytest.fixture(scope="module")
def folder(server_ground: Path) -> Path:
    """One folder for all, since each start meets what the one before left."""
    watched()
    made = server_ground / "interrupted"
    made.mkdir()
    return made


def services_start(command: Running) -> None:
    assert wait_until((command.folder / ".tradewright" / "postgres" / "lock").exists, GRACE)


def after(words: str, seconds: float = 0.0) -> Callable[[Running], None]:
    """The moment so many seconds after a step has ended."""

    def moment(command: Running) -> None:
        command.until(words)
        wait_until(lambda: False, seconds)

    return moment


@pytest.mark.parametrize(
    ("moment", "group"),
    [
        pytest.param(services_start, True, id="services start, from a terminal"),
        pytest.param(after("Load the market"), False, id="backtest"),
        pytest.param(after("Backtest momentum"), True, id="exchange starts, from a terminal"),
        pytest.param(after("Start the rehearsal exchange", 1.0), False, id="paper trading"),
    ],
)
def test_ctrl_c_leaves_nothing_running_and_no_run(
    folder: Path, moment: Callable[[Running], None], group: bool
) -> None:
    command = Running(folder, "demo")
    moment(command)
    watch = Watch(family(command.pid))
    told = interrupt(command, group=group)
    assert (told.code, told.out) == (130, "")
    assert "Traceback" not in told.err
    assert watch.left(SOON) == []
    # One that was being started at that moment ends as soon as it has started.
    assert wait_until(lambda: left_in(folder) == [], SOON), left_in(folder)
    assert runs_in(folder) == []


def test_kill_9_takes_services_and_exchange_with_it(folder: Path) -> None:
    command = Running(folder, "demo")
    command.until("Start the rehearsal exchange")
    watch = Watch(family(command.pid))
    # Itself, PostgreSQL and its workers, Redis, two watchdogs and the exchange.
    assert len(watch) > 6
    command.signal(signal.SIGKILL)
    assert command.end().code == -signal.SIGKILL
    assert watch.left(GRACE) == []
    assert left_in(folder) == []
    assert runs_in(folder) == []


def test_demo_works_after_all_that(folder: Path) -> None:
    body = run(folder, "demo", "--json").body()
    assert (body["parity"], body["reconciled"]) == (True, True)
    assert [path.name for path in runs_in(folder)] == [body["id"], "latest"]
    assert left_in(folder) == []
