"""The commands as a user runs them: a process in a folder of its own, and what it leaves behind.

Nothing of this process's environment reaches a command, so no setting of the machine does.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tradewright.adapters.embedded.process import wait_until
from tradewright.cli.main import main
from tradewright.settings import ALIASES, environment_names

LEAN = Path(__file__).parents[3] / "shared/data/lean"
PROCESSES = Path("/proc")
LONG = 120.0


class Told(NamedTuple):
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    def body(self) -> Any:
        """What it printed, which must be JSON and nothing else, after a success in silence."""
        assert (self.code, self.err) == (0, "")
        return json.loads(self.out)

    def complaint(self) -> str:
        """Its one line of error."""
        assert (self.code, self.out) == (2, ""), self
        (line,) = self.err.splitlines()
        assert line.startswith("error: ")
        return line


class Running:
    """A command that was started in a folder, as the leader of its own process group."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        prefix: Sequence[str] = (),
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        with ExitStack() as files:
            self._out = files.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8"))
            self._err = files.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8"))
            self._process = subprocess.Popen(
                [*prefix, sys.executable, "-m", "tradewright", *arguments],
                cwd=folder,
                env={"PATH": os.defpath, "HOME": str(folder), **(settings or {})},
                stdin=subprocess.DEVNULL,
                stdout=self._out,
                stderr=self._err,
                start_new_session=True,
            )
            self._files = files.pop_all()

    @property
    def pid(self) -> int:
        return self._process.pid

    def has_said(self, words: str) -> bool:
        """Whether words are on standard error by now."""
        return words in self._read(self._err.fileno())

    def until(self, words: str) -> None:
        """Wait until words are on standard error."""
        assert wait_until(lambda: self.has_said(words) or self._ended(), LONG)
        assert self.has_said(words), self._read(self._err.fileno())

    def signal(self, number: int, *, group: bool = False) -> None:
        """Send a signal to the process, or as a terminal does to its group."""
        if group:
            os.killpg(self.pid, number)
        else:
            os.kill(self.pid, number)

    def end(self) -> Told:
        """Wait for the end, which must come."""
        try:
            code = self._process.wait(LONG)
            return Told(code, *(self._read(stream.fileno()) for stream in (self._out, self._err)))
        finally:
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            self._files.close()

    def _ended(self) -> bool:
        return self._process.poll() is not None

    @staticmethod
    def _read(descriptor: int) -> str:
        # By place, since the command writes through the same open file.
        size = os.fstat(descriptor).st_size
        return os.pread(descriptor, size, 0).decode()


def run(folder: Path, *arguments: str, settings: Mapping[str, str] | None = None) -> Told:
    """Run a command to its end."""
    return Running(folder, *arguments, settings=settings).end()


def lean() -> str:
    """The folder of real market data, where there is one."""
    if not LEAN.is_dir():
        pytest.skip("allowed: the shared market data is not beside the repository")
    return str(LEAN)


def watched() -> None:
    """Skip where the system does not show its processes."""
    if not PROCESSES.is_dir() or not hasattr(os, "pidfd_open"):
        pytest.skip("allowed: this system does not show its processes")


def family(pid: int) -> list[int]:
    """A process and all that descend from it, whatever session they are in."""
    children: dict[int, list[int]] = {}
    for entry in PROCESSES.glob("[0-9]*"):
        try:
            facts = (entry / "stat").read_text()
        except OSError:
            continue
        # The name stands in brackets and may hold anything; state and parent follow it.
        state, parent = facts.rpartition(")")[2].split()[:2]
        if state != "Z":
            children.setdefault(int(parent), []).append(int(entry.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def left_in(folder: Path) -> list[str]:
    """Command lines of the processes that work in a folder or are told of it."""
    found = []
    place = str(folder)
    for entry in PROCESSES.glob("[0-9]*"):
        if int(entry.name) == os.getpid():
            continue
        try:
            cwd = str((entry / "cwd").readlink())
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if cwd.startswith(place) or place in command:
            found.append(command)
    return found


class Watch:
    """Processes held by descriptor, so that a number that is given out again is no matter."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._held: dict[int, int] = {}
        for pid in pids:
            try:
                self._held[pid] = os.pidfd_open(pid)
            except ProcessLookupError:
                continue

    def __len__(self) -> int:
        return len(self._held)

    def left(self, seconds: float) -> list[int]:
        """Let go, and return who has not ended after so many seconds."""
        try:
            return [
                pid
                for pid, descriptor in self._held.items()
                if not select.select([descriptor], [], [], seconds)[0]
            ]
        finally:
            for descriptor in self._held.values():
                os.close(descriptor)


def runs_in(folder: Path) -> list[Path]:
    """Everything in the folder of runs, hidden or not."""
    runs = folder / "runs"
    return sorted(runs.iterdir()) if runs.is_dir() else []


def interrupt(command: Running, *, group: bool) -> Told:
    """Press Ctrl-C and wait for the end."""
    command.signal(signal.SIGINT, group=group)
    return command.end()


class Inside:
    """Commands run inside this process, in a folder, for what needs no process of its own."""

    def __init__(
        self, folder: Path, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch
    ) -> None:
        self.folder = folder
        self._capsys = capsys
        self._patch = patch
        patch.chdir(folder)
        for name in (*environment_names(), *ALIASES, "FORCE_COLOR"):
            patch.delenv(name, raising=False)

    def set(self, **settings: str) -> None:
        """Give settings by the environment."""
        for name, value in settings.items():
            self._patch.setenv(name, value)

    def run(self, *arguments: str) -> Told:
        """Run a command to its end."""
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        out, err = self._capsys.readouterr()
        code = ended.value.code
        return Told(code if isinstance(code, int) else 1, out, err)
