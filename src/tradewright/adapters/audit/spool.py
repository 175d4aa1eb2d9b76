"""Audit entries that wait on disk for the database: linked lines of JSON, each on disk for sure.

A spool belongs to one process of one service: files are locked, so several share a folder without
mixing. What a dead process left is taken over by the next of its service. A last line that was cut
by a crash was never promised to anybody and is dropped; any other flaw is kept and told of.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from tradewright.compliance.chain import SPOOL_DOMAIN, Head, canonical, head, link, verify
from tradewright.core.errors import ConfigError, InvalidInput, SafetyError
from tradewright.core.records import JournalEntry, JsonValue, Note

_SERVICE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_SLOTS: Final = 64
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class Page:
    """Some of what waits: notes by their ids, where the next page begins, and its last link.

    `intact` is False where lines are missing, moved, changed or unreadable.
    """

    notes: Mapping[str, Note]
    end: int
    last: Head | None
    intact: bool


class AuditSpool:
    """One file of entries that wait; use it from one thread at a time."""

    def __init__(self, path: Path, descriptor: int, most_bytes: int) -> None:
        """Take over an open, locked file; call `open` instead."""
        self.path = path
        self._descriptor = descriptor
        self._most = most_bytes
        self._size = os.fstat(descriptor).st_size
        self._head: Head | None = None
        self.count = 0
        self._settle()

    @classmethod
    def open(cls, folder: Path, service: str, most_bytes: int) -> AuditSpool:
        """Open the first spool of a service that no other process holds.

        Raises:
            InvalidInput: The service's name cannot be a folder's.
            ConfigError: The folder cannot be used, or is open to others.
        """
        if not _SERVICE.fullmatch(service):
            raise InvalidInput("service", service, "is no lower-case name")
        home = folder / service
        _make(home)
        for number in range(_SLOTS):
            descriptor = _locked(home / f"{number}.jsonl")
            if descriptor is not None:
                return cls(home / f"{number}.jsonl", descriptor, most_bytes)
        raise ConfigError(f"{home}: all {_SLOTS} spools are in use", "end processes of the service")

    def leftovers(self) -> Iterator[AuditSpool]:
        """Open, one after the other, what dead processes of the service left behind."""
        for path in sorted(self.path.parent.glob("*.jsonl")):
            if path != self.path and path.stat().st_size:
                descriptor = _locked(path)
                if descriptor is not None:
                    yield AuditSpool(path, descriptor, self._most)

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return self._size

    @property
    def name(self) -> str:
        """What tells this content from any other: the hash of its last entry; empty for none."""
        return self._head.hash if self._head else ""

    def append(self, notes: Mapping[str, Note]) -> None:
        """Write notes by their ids, all or none; they are on disk when this returns.

        Raises:
            SafetyError: They are not: the spool or the disk is full, or broken.
        """
        lines, last = [], self._head
        for name, note in notes.items():
            body: Mapping[str, JsonValue] = {"id": name, "body": dict(note.body)}
            entry = link(Note(note.at, note.actor, note.kind, body), last, domain=SPOOL_DOMAIN)
            lines.append(_line(entry))
            last = head(entry)
        data = b"".join(lines)
        if self._size + len(data) > self._most:
            what = f"the audit spool {self.path} is full ({self._size} of {self._most} bytes)"
            raise SafetyError(f"{what}; bring the database back, or raise AUDIT_SPOOL_MAX_MB")
        try:
            _write(self._descriptor, data, self._size)
            os.fsync(self._descriptor)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
            what = f"the audit spool {self.path} cannot be written: {error.strerror}"
            raise SafetyError(f"{what}; make room on its disk") from error
        self._size += len(data)
        self._head = last
        self.count += len(notes)

    def page(self, start: int, limit: int, after: Head | None) -> Page:
        """Read at most `limit` entries from byte `start`, which follow the link `after`.

        Raises:
            SafetyError: The file cannot be read.
        """
        notes: dict[str, Note] = {}
        entries: list[JournalEntry] = []
        end, intact = start, True
        for line in self._lines(start):
            if len(notes) >= limit:
                break
            end += len(line)
            try:
                entry = _entry(line)
                name, note = _unwrapped(entry)
            except (ValueError, KeyError, TypeError):
                intact = False
                continue
            entries.append(entry)
            notes[name] = note
        intact = intact and verify(entries, after=after, domain=SPOOL_DOMAIN) is None
        return Page(notes, end, head(entries[-1]) if entries else after, intact)

    def clear(self, *, intact: bool) -> None:
        """Empty the spool once all of it lasts elsewhere; one that was damaged is kept aside.

        Raises:
            SafetyError: It cannot be emptied.
        """
        try:
            if not intact:
                aside = self.path.with_suffix(f".{self.name[:12] or 'unread'}.damaged")
                aside.write_bytes(b"".join(self._lines(0)))
                aside.chmod(0o600)
            os.ftruncate(self._descriptor, 0)
            os.fsync(self._descriptor)
        except OSError as error:
            what = f"the audit spool {self.path} cannot be emptied: {error.strerror}"
            raise SafetyError(what) from error
        self._size, self._head, self.count = 0, None, 0

    def close(self) -> None:
        """Let go of the file; what is in it waits for the next process."""
        os.close(self._descriptor)

    def _lines(self, start: int) -> Iterator[bytes]:
        try:
            with self.path.open("rb") as file:
                file.seek(start)
                left = self._size - start
                while left > 0 and (line := file.readline(left)):
                    left -= len(line)
                    yield line
        except OSError as error:
            what = f"the audit spool {self.path} cannot be read: {error.strerror}"
            raise SafetyError(what) from error

    def _settle(self) -> None:
        whole = 0
        for line in self._lines(0):
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            self.count += 1
            with contextlib.suppress(ValueError, KeyError, TypeError):
                self._head = head(_entry(line))
        if whole < self._size:
            os.ftruncate(self._descriptor, whole)
            self._size = whole


def _line(entry: JournalEntry) -> bytes:
    fields: Mapping[str, JsonValue] = {
        "seq": entry.seq,
        "at": entry.at.isoformat(timespec="microseconds"),
        "actor": entry.actor,
        "kind": entry.kind,
        "body": dict(entry.body),
        "previous": entry.previous,
        "hash": entry.hash,
    }
    return canonical(fields).encode() + b"\n"


def _entry(line: bytes) -> JournalEntry:
    fields = json.loads(line)
    return JournalEntry(
        int(fields["seq"]),
        datetime.fromisoformat(fields["at"]),
        str(fields["actor"]),
        str(fields["kind"]),
        dict(fields["body"]),
        str(fields["previous"]),
        str(fields["hash"]),
    )


def _unwrapped(entry: JournalEntry) -> tuple[str, Note]:
    body = entry.body["body"]
    if not isinstance(body, dict):
        raise TypeError
    return str(entry.body["id"]), Note(entry.at, entry.actor, entry.kind, body)


def _write(descriptor: int, data: bytes, at: int) -> None:
    done = 0
    while done < len(data):
        done += os.pwrite(descriptor, data[done:], at + done)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        mode = folder.stat().st_mode
    except OSError as error:
        what = f"the audit spool's folder {folder} cannot be used: {error.strerror}"
        raise ConfigError(what, "set AUDIT_SPOOL_DIR to a folder of this account") from error
    if mode & _OTHERS:
        raise ConfigError(f"{folder} is open to others", f"chmod 700 {folder}")


def _locked(path: Path) -> int | None:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        what = f"the audit spool {path} cannot be opened: {error.strerror}"
        raise ConfigError(what, "set AUDIT_SPOOL_DIR to a folder of this account") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    if os.fstat(descriptor).st_mode & _OTHERS:
        os.close(descriptor)
        raise ConfigError(f"{path} is open to others", f"chmod 600 {path}")
    sync = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(sync)
    finally:
        os.close(sync)
    return descriptor


def total_waiting(folder: Path) -> Sequence[tuple[str, int]]:
    """What waits in the spools below a folder: bytes by service."""
    found: dict[str, int] = {}
    for path in sorted(folder.glob("*/*.jsonl")):
        found[path.parent.name] = found.get(path.parent.name, 0) + path.stat().st_size
    return [(service, size) for service, size in found.items() if size]
