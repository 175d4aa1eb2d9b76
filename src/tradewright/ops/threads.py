"""The one bounded set of worker threads: for vendors' calls that block, never for our own.

A call runs in the context of who asked, so its log lines carry the request's ids. One that has
begun cannot be stopped: who no longer waits for it leaves it to its end.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from tradewright.ops import metrics

_Arguments = ParamSpec("_Arguments")
_Answer = TypeVar("_Answer")


class Threads:
    """Worker threads and how busy they are."""

    def __init__(self, most: int) -> None:
        """Have `most` threads at most; they start when they are needed."""
        self.most = most
        metrics.executor_max_workers.set(most)
        self._executor = ThreadPoolExecutor(max_workers=most, thread_name_prefix="worker")
        self._futures: set[Future[Any]] = set()
        self._lock = threading.Lock()
        self._asked = 0
        self._active = 0

    @property
    def queued(self) -> int:
        """Calls that wait for a thread."""
        with self._lock:
            return max(self._asked - self._active, 0)

    @property
    def active(self) -> int:
        """Threads at work."""
        with self._lock:
            return self._active

    async def run(
        self,
        function: Callable[_Arguments, _Answer],
        /,
        *arguments: _Arguments.args,
        **named: _Arguments.kwargs,
    ) -> _Answer:
        """Return what a function that blocks returns, off the event loop."""
        call = functools.partial(contextvars.copy_context().run, function, *arguments, **named)
        future: Future[_Answer] = self._executor.submit(self._work, call)
        self._count(asked=1)
        self._futures.add(future)
        future.add_done_callback(self._settle)
        return await asyncio.wrap_future(future)

    async def close(self, seconds: float) -> bool:
        """Take no more, drop what waits, and say whether all threads ended in time."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        begun = [asyncio.wrap_future(future) for future in self._futures]
        if not begun:
            return True
        _, still = await asyncio.wait(begun, timeout=seconds)
        return not still

    def _work(self, call: Callable[[], _Answer]) -> _Answer:
        self._count(active=1)
        try:
            return call()
        finally:
            self._count(active=-1)

    def _settle(self, future: Future[_Answer]) -> None:
        self._futures.discard(future)
        self._count(asked=-1)

    def _count(self, *, asked: int = 0, active: int = 0) -> None:
        with self._lock:
            self._asked += asked
            self._active += active
            metrics.executor_queue_depth.set(max(self._asked - self._active, 0))
            metrics.executor_active_threads.set(self._active)
