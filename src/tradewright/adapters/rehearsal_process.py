"""The rehearsal exchange as a process of its own, started and ended with its owner.

It speaks to us over HTTP and a stream alone, as a broker would; the one thing said beside that
is the address it listens at, in its first line of output.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from typing import TYPE_CHECKING, Final, Self

from tradewright.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 10.0


class ExchangeProcess:
    """`tradewright exchange serve` with the given arguments, as a context manager."""

    def __init__(self, arguments: Sequence[str], *, start_seconds: float = START_SECONDS) -> None:
        """Start at once; `address` waits until it listens."""
        self._log = tempfile.TemporaryFile(mode="w+", encoding="utf-8")  # noqa: SIM115 - kept
        command = [sys.executable, "-m", "tradewright", "exchange", "serve", "--with-parent"]
        # A session of its own, since Ctrl-C is ours to pass on, once.
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            [*command, *arguments],
            # Never written to: the exchange stops when it ends, which it does with us.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            start_new_session=True,
        )
        self._start_seconds = start_seconds
        self._address = ""

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def address(self) -> str:
        """Return the base URL, once it listens.

        Raises:
            ConfigError: It ended, or did not listen in time.
        """
        if self._address:
            return self._address
        line = self._first_line()
        try:
            self._address = str(json.loads(line)["listening"])
        except (ValueError, KeyError, TypeError):
            self.stop()
            raise ConfigError(
                f"the rehearsal exchange did not start: {self._last_words() or 'no answer'}",
                "mend what it says, or start it by hand with `tradewright exchange serve`",
            ) from None
        return self._address

    def stop(self) -> None:
        """End it: asked first, made to if it does not listen."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Self:
        """Return the running process."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it, whatever happened."""
        self.stop()
        self._log.close()

    def _first_line(self) -> str:
        lines: list[str] = []
        stream = self._process.stdout
        if stream is None:
            return ""
        reader = threading.Thread(target=lambda: lines.append(stream.readline()), daemon=True)
        reader.start()
        reader.join(self._start_seconds)
        return lines[0] if lines else ""

    def _last_words(self) -> str:
        self._log.seek(0)
        words = self._log.read().strip().splitlines()
        return words[-1] if words else ""
