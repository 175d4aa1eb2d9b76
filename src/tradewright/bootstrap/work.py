"""Where work that can be parted is done: in this process, in others, or on a Dask cluster."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tradewright.adapters.executor import LocalExecutor
from tradewright.adapters.memory import MemoryExecutor
from tradewright.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tradewright.ports import Executor


def usual_workers() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def open_executor(
    workers: int, scheduler: str | None, tell: Callable[[str], None]
) -> Iterator[Executor]:
    """Open the workers of a scheduler, or so many local ones; `tell` is told of lost ones.

    One local worker is this process itself.

    Raises:
        InvalidInput: There are to be no workers.
        ConfigError: The scheduler does not answer, or Dask is not installed.
    """
    if scheduler is None:
        yield MemoryExecutor() if workers == 1 else LocalExecutor(workers, tell)
        return
    try:
        from tradewright.adapters.executor.dask import DaskExecutor
    except ModuleNotFoundError as absent:
        what = f"--scheduler needs {absent.name}, which is not installed"
        raise ConfigError(what, "pip install 'tradewright[dask]'") from absent
    executor = DaskExecutor(scheduler, tell)
    try:
        yield executor
    finally:
        executor.close()
