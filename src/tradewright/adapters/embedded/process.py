"""A server process: started in its own session, watched, adopted when left over, stopped.

A server never outlives its owner: `watchdog.py` stops it when the owning process is gone, even
by `kill -9`. Only when the watchdog was killed as well is a server left over; the next start
finds it by the process id that the server wrote, and adopts it if it is the same server.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tradewright.adapters.embedded.grounds import Account
from tradewright.core.clock import SystemClock
from tradewright.core.errors import ConfigError

# The servers read no environment of ours: PGPORT and the like would change what they do.
ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/local/bin:/usr/bin:/bin"}
LOG = "server.log"
WATCHDOG_NOTE = "watchdog.pid"
LOG_LIMIT_BYTES = 4_000_000
PROCESSES = Path("/proc")


class ServerProcess:
    """A running server, ours by birth or by adoption."""

    def __init__(
        self, pid: int, child: subprocess.Popen[bytes] | None, stops: Sequence[int]
    ) -> None:
        """Hold the process `pid`; `stops` are the signals that stop it, politest first."""
        self.pid = pid
        self._child = child
        self._stops = tuple(stops)
        self._watchdog: subprocess.Popen[bytes] | None = None

    @classmethod
    def spawn(
        cls, command: Sequence[str], account: Account, folder: Path, stops: Sequence[int]
    ) -> ServerProcess:
        """Start a server in its own session, so that Ctrl-C reaches us and not it, and watch it.

        Its log and the note of its watchdog are kept in `folder`.
        """
        with open_log(folder / LOG) as output:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=ENVIRONMENT,
                start_new_session=True,
                umask=0o077,
                **account.spawn_options(),
            )
        server = cls(child.pid, child, stops)
        # At once: an owner that is killed from here on leaves no server behind.
        server.watch(folder)
        return server

    def watch(self, folder: Path) -> None:
        """Start the watchdog and note its process id, for whoever adopts the server."""
        program = Path(__file__).with_name("watchdog.py")
        numbers = (os.getpid(), self.pid, self._stops[0], self._stops[-1])
        self._watchdog = subprocess.Popen(
            [sys.executable, "-I", "-S", str(program), *(str(int(number)) for number in numbers)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        (folder / WATCHDOG_NOTE).write_text(f"{self._watchdog.pid}\n", encoding="ascii")

    def is_running(self) -> bool:
        """Whether the process is still there."""
        if self._child is not None:
            return self._child.poll() is None
        return is_running(self.pid)

    def stop(self, seconds: float = 30.0) -> None:
        """Stop the server, politely first, and wait until it is gone."""
        for number in self._stops:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
            if wait_until(lambda: not self.is_running(), seconds):
                break
        if self._watchdog is not None:
            self._watchdog.wait()
            self._watchdog = None


def open_log(log: Path) -> contextlib.AbstractContextManager[int]:
    """Open a server's log for appending; a long one is set aside first."""
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".log.1"))
    return _descriptor(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600))


@contextlib.contextmanager
def _descriptor(number: int) -> Iterator[int]:
    try:
        yield number
    finally:
        os.close(number)


def run_once(command: Sequence[str], account: Account, what: str) -> None:
    """Run a program to its end; its last words become the `ConfigError` when it fails."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd="/",
        env=ENVIRONMENT,
        check=False,
        start_new_session=True,
        umask=0o077,
        **account.spawn_options(),
    )
    if done.returncode != 0:
        words = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        raise ConfigError(f"{what} failed: {telling_line(words)}", "mend that and start again")


def last_words(log: Path, since: int) -> str:
    """The line of a log, from a byte on, that says why the server stopped."""
    with log.open("rb") as stream:
        stream.seek(since)
        return telling_line(stream.read().decode(errors="replace").strip().splitlines())


def telling_line(lines: Sequence[str]) -> str:
    """The line of a log that says why the server stopped."""
    for line in reversed(lines):
        if any(mark in line for mark in ("FATAL:", "PANIC:", "error:", "Fatal", "Failed", "Bad ")):
            return line.strip()
    return lines[-1].strip() if lines else "it said nothing"


def is_running(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    if pid <= 0:
        return False
    if not hasattr(os, "pidfd_open"):
        with contextlib.suppress(PermissionError):
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                return False
        return True
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return False
    with _descriptor(descriptor):
        return not select.select([descriptor], [], [], 0)[0]


def command_of(pid: int) -> tuple[str, ...]:
    """The command line of a process; empty when it is gone or hides it."""
    if not is_running(pid):
        return ()
    if PROCESSES.is_dir():
        try:
            raw = (PROCESSES / str(pid) / "cmdline").read_bytes()
        except OSError:
            return ()
        return tuple(os.fsdecode(part) for part in raw.rstrip(b"\0").split(b"\0"))
    shown = subprocess.run(
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, check=False
    )
    return tuple(os.fsdecode(shown.stdout).split())


def processes_in(folder: Path, title: str) -> list[int]:
    """Processes that work in a folder under a title; none where the system does not show them."""
    found: list[int] = []
    for entry in PROCESSES.glob("[0-9]*"):
        try:
            inside = (entry / "cwd").readlink() == folder
        except OSError:
            continue
        pid = int(entry.name)
        if inside and " ".join(command_of(pid)).startswith(title):
            found.append(pid)
    return found


def noted_pid(note: Path) -> int:
    """The process id in the first line of a file; 0 when there is none."""
    try:
        first = note.read_text(encoding="utf-8", errors="replace").split("\n", 1)[0].strip()
    except OSError:
        return 0
    return int(first) if first.isdigit() else 0


def dismiss_watchdog(folder: Path) -> bool:
    """End the watchdog of a dead owner; say whether it may have told the server to stop.

    A server that was told to stop answers for a moment yet, so it must not be adopted.
    """
    note = folder / WATCHDOG_NOTE
    pid = noted_pid(note)
    watched = any(part.endswith("embedded/watchdog.py") for part in command_of(pid))
    if watched:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not is_running(pid), 5.0)
    note.unlink(missing_ok=True)
    return watched


def wait_until(holds: Callable[[], bool], seconds: float, every: float = 0.01) -> bool:
    """Wait until a condition holds; False when the time is over first."""
    clock, pause = SystemClock(), threading.Event()
    deadline = clock.monotonic() + seconds
    while not holds():
        if clock.monotonic() >= deadline:
            return False
        pause.wait(every)
    return True
