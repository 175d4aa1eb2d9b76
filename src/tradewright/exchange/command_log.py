"""The log of commands: what an exchange is opened from again, and what makes an answer final.

A line is written before anyone hears of the command, so a process that is killed loses none; it
is on disk once `kept` returns. One flush serves all that were written before it began. While the
disk is quick the event loop waits for it, which costs less than to hand it to a thread; after one
that was slow the loop goes on during the next few.

While it is open the file is longer than its lines, with zeros in the rest: to flush what lies
within a file costs the file system no entry in its journal. A last line without its end was never
answered, nor was anything behind a zero: both are dropped.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from io import FileIO
from pathlib import Path
from typing import Any, Final, NamedTuple

from tradewright.core.clock import SystemClock
from tradewright.core.errors import ConfigError, QualityFailure
from tradewright.exchange.words import moment

FILE: Final = "commands.jsonl"
_HEAD: Final = "rehearsal"
_json: Final = json.JSONEncoder(separators=(",", ":")).encode
_ZERO: Final = b"\0"
_STEP: Final = 1 << 20
_BLOCK: Final = 1 << 16
_SLOW_SECONDS: Final = 0.003
_ASIDE: Final = 16
_RESET: Final = "empty the folder with `tradewright exchange reset --state FOLDER`"


class Entry(NamedTuple):
    """A command that was performed: its number, and the market's time and position then.

    `said` is its arguments as one line of JSON, where they are there as such.
    """

    number: int
    at: datetime
    position: int
    name: str
    arguments: Mapping[str, Any]
    said: str = ""


class CommandLog:
    """The commands of one exchange, in the order in which they were performed."""

    def __init__(self, folder: Path, facts: Mapping[str, str]) -> None:
        """Open the log in `folder`, or begin one; `facts` are what the exchange is made of.

        Raises:
            ConfigError: The folder cannot be written, another exchange has it open, or it holds
                the log of an exchange that is made of something else.
        """
        self.path = folder / FILE
        self.number = 0
        self._facts = dict(facts)
        self._end = self._room = 0
        self._written = 0
        self._synced = 0
        self._aside = 0
        self._flush: asyncio.Task[None] | None = None
        self._waiting: list[asyncio.Future[None]] = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = FileIO(self.path, "r+", opener=_opened)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        try:
            self._open(folder)
        except BaseException:
            self._file.close()
            raise

    def entries(self) -> Iterator[Entry]:
        """Read every command, oldest first; call it before the first `append`.

        Raises:
            QualityFailure: A line other than the last cannot be read.
        """
        with self.path.open("rb") as lines:
            next(lines, None)
            for place, line in enumerate(lines, 2):
                if line.startswith(_ZERO):
                    break
                entry = _parsed(line, f"{self.path}:{place}")
                self.number = entry.number
                yield entry

    def append(self, entry: Entry) -> None:
        """Write a command; it is on disk when `kept` has returned.

        Raises:
            ConfigError: It cannot be written.
        """
        line = _line(entry)
        try:
            self._put(line)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        self.number = entry.number
        self._written += 1

    async def kept(self) -> None:
        """Wait until every command that was written is on disk.

        Raises:
            ConfigError: The disk does not take it.
        """
        if self._synced == self._written:
            return
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        self._waiting.append(waiter)
        if self._flush is None:
            self._flush = loop.create_task(self._sync())
        await waiter

    def clear(self) -> None:
        """Forget every command.

        Raises:
            ConfigError: The file cannot be written.
        """
        try:
            self._file.truncate(0)
            self._end = self._room = 0
            self._begin()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise _unwritable(self.path, error) from error
        self.number = 0

    def close(self) -> None:
        """Put everything on disk and let go of the file."""
        if not self._file.closed:
            self._file.truncate(self._end)
            os.fsync(self._file.fileno())
            self._file.close()

    async def _sync(self) -> None:
        loop, waiting = asyncio.get_running_loop(), self._waiting
        try:
            while self._waiting:
                upto, waiting, self._waiting = self._written, self._waiting, []
                file = self._file.fileno()
                if self._aside:
                    self._aside -= 1
                    failure, _ = await loop.run_in_executor(None, _flushed, file)
                else:
                    failure, seconds = _flushed(file)
                    self._aside = _ASIDE if seconds > _SLOW_SECONDS else 0
                if failure is None:
                    self._synced = upto
                for waiter in waiting:
                    # Who waits may go away; the flush is everyone's.
                    if waiter.done():
                        continue
                    if failure is None:
                        waiter.set_result(None)
                    else:
                        waiter.set_exception(_unwritable(self.path, failure))
        finally:
            self._flush = None
            for waiter in (*waiting, *self._waiting):
                waiter.cancel()

    def _open(self, folder: Path) -> None:
        _lock(self._file, folder)
        whole = _end_of_lines(self._file)
        head = self._head() if whole else None
        self._file.truncate(whole)
        self._end = self._room = whole
        if head is None:
            self._begin()
            _sync_folder(folder)
            return
        told = head.get(_HEAD)
        before = told if isinstance(told, dict) else {}
        for field in (*self._facts, *before):
            if before.get(field) != self._facts.get(field):
                raise ConfigError(
                    f"{self.path} is the log of another rehearsal: its {field} is"
                    f" {before.get(field)!r}, this one's is {self._facts.get(field)!r}",
                    f"start it with the same {field}, use another --state folder, or {_RESET}",
                )

    def _head(self) -> Mapping[str, Any]:
        with self.path.open("rb") as lines:
            line = next(lines)
        try:
            head = json.loads(line)
        except ValueError:
            head = None
        if not isinstance(head, dict) or _HEAD not in head:
            raise ConfigError(f"{self.path} is not the log of a rehearsal", _RESET)
        return head

    def _begin(self) -> None:
        head = json.dumps({_HEAD: self._facts}, separators=(",", ":"))
        self._put(head.encode() + b"\n")

    def _put(self, line: bytes) -> None:
        file, end = self._file.fileno(), self._end + len(line)
        if end > self._room:
            room = max(self._room + _STEP, end)
            _write_at(file, bytes(room - self._room), self._room)
            self._room = room
        _write_at(file, line, self._end)
        self._end = end


def forget(folder: Path) -> bool:
    """Empty the state of an exchange that is not running; say whether there was any.

    Raises:
        ConfigError: It is running, or the folder cannot be written.
    """
    path = folder / FILE
    if not path.exists():
        return False
    try:
        with path.open("r+b", buffering=0) as file:
            _lock(file, folder)
            for other in folder.glob("*.jsonl"):
                other.unlink()
            _sync_folder(folder)
    except OSError as error:
        raise _unwritable(path, error) from error
    return True


def written(value: object) -> str:
    """Write a value as JSON, decimals as the numbers that they are, to the last digit."""
    try:
        return _json(value)
    except TypeError:
        return _exactly(value)


def _exactly(value: object) -> str:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        pairs = (f"{json.dumps(str(name))}:{_exactly(each)}" for name, each in value.items())
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_exactly, value)) + "]"
    return json.dumps(value)


def _line(entry: Entry) -> bytes:
    head = f'{{"n":{entry.number},"at":"{moment(entry.at)}","position":{entry.position}'
    arguments = entry.said or written(entry.arguments)
    body = f'"name":{_json(entry.name)},"arguments":{arguments}}}\n'
    return f"{head},{body}".encode()


def _parsed(line: bytes, where: str) -> Entry:
    try:
        read = json.loads(line, parse_float=Decimal)
        at = datetime.fromisoformat(read["at"])
        return Entry(int(read["n"]), at, int(read["position"]), read["name"], read["arguments"])
    except (ValueError, KeyError, TypeError) as error:
        raise QualityFailure(where, f"is no command: {error}", _RESET) from error


def _flushed(file: int) -> tuple[OSError | None, float]:
    # What went wrong, and how long it took.
    clock = SystemClock()
    began = clock.monotonic()
    failure = None
    try:
        os.fdatasync(file)
    except OSError as error:
        failure = error
    return failure, clock.monotonic() - began


def _lock(file: FileIO, folder: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConfigError(
            f"{folder} is the state of an exchange that is running",
            "stop that one, or name another folder with --state",
        ) from None


def _opened(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, 0o666)


def _write_at(file: int, data: bytes, place: int) -> None:
    if os.pwrite(file, data, place) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _end_of_lines(file: FileIO) -> int:
    # Of a machine that went down, a later line may be there without one before it, and neither
    # was answered: what counts ends before the first zero.
    file.seek(0)
    whole = place = 0
    while block := file.read(_BLOCK):
        zero = block.find(_ZERO)
        part = block if zero < 0 else block[:zero]
        if (last := part.rfind(b"\n")) >= 0:
            whole = place + last + 1
        if zero >= 0:
            break
        place += len(block)
    return whole


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"{path} cannot be written: {error.strerror}", "make room or choose another folder"
    )
