"""Starts of services that failed, kept on disk: a process that did not start shows no metrics.

The count is of all times and never falls; the next start that succeeds shows it as
`startup_failures_total`. A start that fails before it knows its state folder is not in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from tradewright.ops import metrics
from tradewright.ops.logging import logger

FOLDER: Final = "starts"
_STOPPED: Final = (KeyboardInterrupt, SystemExit, asyncio.CancelledError)
_log: Final = logger(__name__)


@contextmanager
def counted_start(state: Path, service: str) -> Iterator[Callable[[], None]]:
    """Count the start of a service as failed, unless what is yielded is called before it ends.

    Being told to stop is no failure.
    """
    counter = state / FOLDER / f"{service}.failed"
    started = False

    def succeed() -> None:
        nonlocal started
        if not started:
            started = True
            metrics.startup_failures.labels(service).inc(_read(counter))

    try:
        yield succeed
    except BaseException as error:
        if not started and not isinstance(error, _STOPPED):
            failed = _read(counter) + 1
            _write(counter, failed)
            kind = type(error).__name__
            _log.critical("the service did not start", kind=kind, reason=str(error), failed=failed)
        raise


def _read(counter: Path) -> int:
    try:
        return max(0, int(counter.read_text(encoding="ascii")))
    except (OSError, ValueError):
        # It never failed, or nobody can say any more how often it did.
        return 0


def _write(counter: Path, count: int) -> None:
    # Where nothing can be written the start itself has failed over it, and says so.
    with suppress(OSError):
        counter.parent.mkdir(parents=True, exist_ok=True)
        fresh = counter.with_suffix(".tmp")
        fresh.write_text(f"{count}\n", encoding="ascii")
        fresh.replace(counter)
