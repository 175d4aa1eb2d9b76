"""What the process takes of its machine: memory, open files, and what is left of the disk.

Limits say when that is worth a warning. The process's own view of memory is read, not the
machine's: a container is killed for the first.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from tradewright.ops.health import NotWell
from tradewright.ops.logging import logger

MEGABYTE: Final = 2**20
WATCH_SECONDS: Final = 30.0

_log: Final = logger(__name__)


@dataclass(frozen=True, slots=True)
class MachineLimits:
    """When to warn: memory in bytes, files by count, free disk in bytes."""

    memory_bytes: int
    memory_critical_bytes: int
    open_files: int
    free_disk_bytes: int


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """What the process takes, and what the disk of its folder has."""

    memory_bytes: int
    open_files: int
    free_disk_bytes: int
    total_disk_bytes: int


class Machine:
    """Measures this process against limits."""

    def __init__(self, folder: Path, limits: MachineLimits) -> None:
        """Look at the disk of `folder`, or of the nearest folder above that is there."""
        self._folder = folder.absolute()
        self._limits = limits
        self._process = psutil.Process()

    def facts(self) -> MachineFacts:
        """Measure now."""
        place = next(p for p in (self._folder, *self._folder.parents) if p.exists())
        disk = psutil.disk_usage(str(place))
        return MachineFacts(
            memory_bytes=self._process.memory_info().rss,
            open_files=self._process.num_fds(),
            free_disk_bytes=disk.free,
            total_disk_bytes=disk.total,
        )

    async def memory(self) -> None:
        """Raise NotWell when the process holds too much memory."""
        held = self.facts().memory_bytes
        if held > self._limits.memory_bytes:
            raise NotWell(f"{held // MEGABYTE} MB held")

    async def files(self) -> None:
        """Raise NotWell when the process holds too many files open."""
        held = self.facts().open_files
        if held > self._limits.open_files:
            raise NotWell(f"{held} open files")

    async def disk(self) -> None:
        """Raise NotWell when little of the disk is left."""
        free = self.facts().free_disk_bytes
        if free < self._limits.free_disk_bytes:
            raise NotWell(f"{free // MEGABYTE} MB free")

    def limit(self, limits: MachineLimits) -> None:
        """Warn by other limits from now on."""
        self._limits = limits

    def relieve(self) -> bool:
        """Collect garbage when the process holds too much; say whether it did."""
        held = self.facts().memory_bytes
        if held <= self._limits.memory_bytes:
            return False
        # What was frozen at the start is looked through again only when it is late.
        late = held > self._limits.memory_critical_bytes
        if late:
            gc.unfreeze()
        found = gc.collect()
        say = _log.error if late else _log.warning
        say("much memory is held", megabytes=held // MEGABYTE, collected=found)
        return True
