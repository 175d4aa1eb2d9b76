"""Background tasks with owners: each has a name, a group, and a time in which it must stop.

A task ends by itself or is cancelled; nothing else may stop it, and nothing that it raises is
lost. Groups are stopped in order, trading before data before system, so that what feeds on others
ends first. Stopping again is asking how it went.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from tradewright.core.errors import InvalidInput
from tradewright.ops import metrics
from tradewright.ops.logging import logger
from tradewright.ports import Clock

GROUPS: Final = ("trading", "data", "system")
"""The order in which groups are stopped; others come after."""
STOP_SECONDS: Final = 30.0

_log: Final = logger(__name__)


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """A task as it stands; `outcome` is empty while it runs, then `failed`."""

    name: str
    group: str
    critical: bool
    stop_seconds: float
    created_at: datetime
    outcome: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Stopped:
    """How stopping went: the names of the tasks that still run, none if all ended."""

    still_running: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Whether every task ended."""
        return not self.still_running


class Tasks:
    """The background tasks of one service."""

    def __init__(self, clock: Clock) -> None:
        """Own no task yet."""
        self._clock = clock
        self._running: dict[str, tuple[TaskFacts, asyncio.Task[Any]]] = {}
        self._failed: dict[str, TaskFacts] = {}
        self._stopping: asyncio.Task[Stopped] | None = None

    def start(
        self,
        name: str,
        work: Coroutine[Any, Any, Any],
        *,
        group: str = "system",
        critical: bool = False,
        stop_seconds: float = STOP_SECONDS,
    ) -> asyncio.Task[Any]:
        """Run `work` as a task; a critical one that fails makes the service unhealthy.

        Raises:
            InvalidInput: A task of this name runs, or the tasks are being stopped.
        """
        if name in self._running or self._stopping is not None:
            work.close()
            rule = "is the name of a task that runs" if name in self._running else "comes too late"
            raise InvalidInput("name", name, rule, "name each task once, before the stop")
        facts = TaskFacts(name, group, critical, stop_seconds, self._clock.now())
        task = asyncio.create_task(work, name=name)
        self._running[name] = (facts, task)
        self._failed.pop(name, None)
        metrics.background_tasks.labels(group).inc()
        task.add_done_callback(lambda done: self._ended(facts, done))
        return task

    @property
    def running(self) -> Mapping[str, int]:
        """How many tasks run, by group."""
        return Counter(facts.group for facts, _ in self._running.values())

    @property
    def failed(self) -> tuple[TaskFacts, ...]:
        """The tasks that ended with an error and were not started again."""
        return tuple(self._failed.values())

    def status(self) -> tuple[TaskFacts, ...]:
        """Every task that runs, and every one that failed, in order of their start."""
        known = [*(facts for facts, _ in self._running.values()), *self._failed.values()]
        return tuple(sorted(known, key=lambda facts: (facts.created_at, facts.name)))

    async def stop(self, seconds: float) -> Stopped:
        """Stop every task, group by group, within `seconds`; again, say how it went."""
        if self._stopping is None:
            # A task of its own, since whoever asks first may be cancelled while it goes on.
            self._stopping = asyncio.create_task(self._stop(seconds), name="stop tasks")
        return await asyncio.shield(self._stopping)

    async def _stop(self, seconds: float) -> Stopped:
        deadline = self._clock.monotonic() + seconds
        for group in sorted(self.running, key=_rank):
            members = [(f, t) for f, t in self._running.values() if f.group == group]
            for _, task in members:
                task.cancel()
            patience = max((facts.stop_seconds for facts, _ in members), default=0.0)
            left = min(patience, deadline - self._clock.monotonic())
            # Even without time left, one turn: most tasks end as soon as they are told.
            await asyncio.wait([task for _, task in members], timeout=max(left, 0.01))
        await asyncio.sleep(0)
        still = tuple(sorted(self._running))
        if still:
            _log.error("tasks still run after the stop", tasks=still)
        return Stopped(still)

    def _ended(self, facts: TaskFacts, task: asyncio.Task[Any]) -> None:
        del self._running[facts.name]
        metrics.background_tasks.labels(facts.group).dec()
        if task.cancelled():
            _log.debug("task cancelled", task=facts.name, group=facts.group)
            return
        error = task.exception()
        if error is None:
            _log.info("task ended", task=facts.name, group=facts.group)
            return
        metrics.background_task_failures.labels(facts.name).inc()
        failed = replace(facts, outcome="failed", error=type(error).__name__)
        self._failed[facts.name] = failed
        _log.error(
            "task failed",
            task=facts.name,
            group=facts.group,
            critical=facts.critical,
            exc_info=(type(error), error, error.__traceback__),
        )


def _rank(group: str) -> tuple[int, str]:
    return (GROUPS.index(group) if group in GROUPS else len(GROUPS), group)


async def every(seconds: float, work: Callable[[], object]) -> None:
    """Do `work` now and every `seconds` until cancelled; it must neither block nor raise."""
    while True:
        doing = work()
        if inspect.isawaitable(doing):
            await doing
        await asyncio.sleep(seconds)
