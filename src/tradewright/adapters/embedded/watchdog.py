"""Stops a server when the process that started it is gone; run by path as a tiny program.

It imports the standard library alone and never the package, so that it starts in milliseconds.
A parent-death signal (`prctl`) was rejected: Linux delivers it when the *thread* that started
the server ends, drops it when the account changes, and other systems do not have it.
"""

from __future__ import annotations

import os
import select
import signal
import sys

POLL_SECONDS = 0.5
GRACE_SECONDS = 20.0


def watch(
    parent: int, server: int, polite: int, firm: int, *, grace: float = GRACE_SECONDS
) -> None:
    """Wait for either process; when the parent goes first, stop the server, firmly if need be."""
    parent_fd, server_fd = _open(parent), _open(server)
    if parent_fd is not None and server_fd is not None and os.getppid() == parent:
        ended, _, _ = select.select([parent_fd, server_fd], [], [])
        if server_fd in ended:
            return
    else:
        while os.getppid() == parent and _alive(server):
            select.select([], [], [], POLL_SECONDS)
    _signal(server, polite)
    if not _gone_within(server, server_fd, grace):
        _signal(server, firm)


def _open(pid: int) -> int | None:
    if sys.platform != "linux":
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _gone_within(pid: int, pid_fd: int | None, seconds: float) -> bool:
    if pid_fd is not None:
        return bool(select.select([pid_fd], [], [], seconds)[0])
    waited = 0.0
    while waited < seconds and _alive(pid):
        select.select([], [], [], POLL_SECONDS)
        waited += POLL_SECONDS
    return not _alive(pid)


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_IGN)
    watch(*(int(argument) for argument in sys.argv[1:5]))
