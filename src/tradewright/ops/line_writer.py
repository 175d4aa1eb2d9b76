"""Log lines written by a thread of their own, so that a slow disk never holds up an event loop.

A line is made where it is logged, with the ids of its request, and written a moment later together
with its neighbours. At the end of the process all are written; a process that is killed loses what
was logged in its last hundredth of a second. When nothing can be written for long, the oldest lines
are dropped and counted.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import Final

from tradewright.ops import metrics

PAUSE_SECONDS: Final = 0.02
MOST_LINES: Final = 50_000
CLOSE_SECONDS: Final = 2.0


class LineWriter(logging.Handler):
    """Hands finished lines to another outlet, from a thread."""

    def __init__(self, outlet: logging.Handler, *, most: int = MOST_LINES) -> None:
        """Write to `outlet`, which is this writer's from here on; keep `most` lines at most."""
        super().__init__(outlet.level)
        outlet.setFormatter(None)
        self._outlet = outlet
        self._lines: deque[str] = deque(maxlen=most)
        self._most = most
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._write, name="log writer", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Make a record's line, to be written soon."""
        if len(self._lines) >= self._most:
            metrics.log_failures.inc()
        self._lines.append(self.format(record))
        if not self._wake.is_set():
            self._wake.set()

    def close(self) -> None:
        """Write what waits, and end."""
        self._closing.set()
        self._wake.set()
        self._thread.join(CLOSE_SECONDS)
        self._outlet.close()
        super().close()

    def _write(self) -> None:
        while not self._closing.is_set():
            self._wake.wait()
            # A little later there are more, and one write does for all of them.
            self._closing.wait(PAUSE_SECONDS)
            self._wake.clear()
            self._write_all()
        self._write_all()

    def _write_all(self) -> None:
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        if lines:
            self._outlet.handle(logging.makeLogRecord({"msg": "\n".join(lines)}))
