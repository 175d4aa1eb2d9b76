"""What a server says to the process that started it, and how it ends with that process."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import Final

from tradewright.core.errors import ConfigError

_PIPE: Final = 4096


def tell_address(address: str) -> None:
    """Say where we listen, in one line of JSON on standard output.

    Raises:
        ConfigError: Nobody reads it any more.
    """
    try:
        print(json.dumps({"listening": address}), flush=True)
    except BrokenPipeError as gone:
        # What is still in the pipe is not to be tried again at the end of the process.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise ConfigError("nobody reads where it listens", "start it again") from gone


def end_with_parent() -> None:
    """Stop, as by SIGTERM, once standard input is closed."""

    def watch() -> None:
        # Who started this holds the other end, and the system closes it even after kill -9.
        while os.read(sys.stdin.fileno(), _PIPE):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()
