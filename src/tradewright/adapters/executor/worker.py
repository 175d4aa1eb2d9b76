"""The other side of a local worker: a process that is handed one job and does piece after piece.

It ends when its pipe or its parent does, whatever it is doing, so that nothing is left running.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from contextlib import suppress
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

READY: Final = "ready"
DONE: Final = "done"
BROKEN: Final = "broken"


def serve(pipe: Connection[Any, Any]) -> None:
    """Say that it is ready, take the job, then answer each piece: done, or broken and why."""
    # Ctrl-C reaches the whole group: the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        _work(pipe)


def _work(pipe: Connection[Any, Any]) -> None:
    try:
        pipe.send((READY, None))
        job = pickle.loads(pipe.recv_bytes())  # noqa: S301  # nosec B301 - from our own parent
        while True:
            pipe.send((DONE, job(pipe.recv())))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise
    except BaseException as fault:
        pipe.send((BROKEN, _told(fault)))
        # It is told where it belongs, not over the parent's own words.
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - to the end
        raise


def _told(fault: BaseException) -> str:
    what = " ".join("".join(traceback.format_exception_only(fault)).split())
    steps = traceback.extract_tb(fault.__traceback__)
    return f"{what} ({Path(steps[-1].filename).name}, line {steps[-1].lineno})" if steps else what


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
