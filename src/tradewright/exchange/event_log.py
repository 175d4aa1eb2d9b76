"""The log of events: everything that came of the commands, one line of JSON each.

It follows from the commands alone: an exchange that is opened again writes the same bytes. So it
needs no care on its way to disk, and is written anew from the first line each time.
"""

from __future__ import annotations

import io
import json
from array import array
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from tradewright.core.errors import ConfigError
from tradewright.exchange.words import moment
from tradewright.exchange.written import as_json

if TYPE_CHECKING:
    from tradewright.core.records import JsonValue

FILE: Final = "events.jsonl"
_BUFFER: Final = 1 << 16


class EventLog:
    """Numbered events, in a file of the state folder or in memory."""

    def __init__(self, folder: Path | None) -> None:
        """Begin an empty log.

        Raises:
            ConfigError: The file cannot be written.
        """
        self._ends = array("Q", [0])
        self._file: BinaryIO = io.BytesIO()
        if folder is not None:
            path = folder / FILE
            try:
                self._file = path.open("w+b", buffering=_BUFFER)
            except OSError as error:
                raise ConfigError(
                    f"{path} cannot be written: {error.strerror}", "choose another folder"
                ) from error

    def __len__(self) -> int:
        """Return the number of the last event."""
        return len(self._ends) - 1

    def append(self, at: datetime, kind: str, data: Mapping[str, JsonValue]) -> None:
        """Write what happened at a time of the market."""
        ends = self._ends
        line = f'{{"n":{len(ends)},"at":"{moment(at)}","kind":"{kind}","data":{as_json(data)}}}\n'
        ends.append(ends[-1] + self._file.write(line.encode()))

    def read(self, after: int, limit: int) -> list[JsonValue]:
        """Return the events after a number, `limit` of them at most."""
        first = min(after, len(self))
        stop = min(first + limit, len(self))
        self._file.seek(self._ends[first])
        lines = self._file.read(self._ends[stop] - self._ends[first])
        self._file.seek(0, io.SEEK_END)
        return [json.loads(line) for line in lines.splitlines()]

    def clear(self) -> None:
        """Forget every event."""
        self._file.seek(0)
        self._file.truncate(0)
        self._ends = array("Q", [0])

    def flush(self) -> None:
        """Let who reads the file see every event."""
        self._file.flush()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
