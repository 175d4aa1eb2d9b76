"""The hash chain of journal and audit log: how entries are linked, and how a break is found.

A chain alone does not show that its tail was cut off or that its owner rewrote it from some
entry on: both need a head that was noted elsewhere, so `verify` takes the heads that are known.
Each chain has a domain of its own, so that entries of one are no entries of another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from tradewright.core.clock import require_utc
from tradewright.core.errors import InvalidInput
from tradewright.core.records import JournalEntry, JsonValue, Note

DOMAIN = "tradewright/journal/1"
AUDIT_DOMAIN = "tradewright/audit/1"
SPOOL_DOMAIN = "tradewright/audit-spool/1"
_LENGTH_BYTES = 8


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry of a chain at some time: its number and its hash."""

    seq: int
    hash: str


def genesis(domain: str = DOMAIN) -> Head:
    """The head of a chain that has no entry yet."""
    return Head(0, hashlib.sha256(domain.encode()).hexdigest())


GENESIS = genesis()


class Fault(StrEnum):
    """What is wrong with an entry."""

    NUMBER = "number"
    """Another number stands here: an entry was removed, put in, or moved."""
    LINK = "link"
    """The entry does not name the hash of the one before."""
    CONTENT = "content"
    """The entry does not have the hash of its content."""
    MISSING = "missing"
    """The chain ends before a known head."""
    REWRITTEN = "rewritten"
    """The chain holds together, but is not the one of a known head."""


@dataclass(frozen=True, slots=True)
class Break:
    """The first number from which a chain cannot be trusted, and why."""

    seq: int
    fault: Fault


def canonical(value: JsonValue | Mapping[str, JsonValue]) -> str:
    """The one way a JSON value is written before it is hashed: sorted keys, ASCII, no blanks.

    Raises:
        InvalidInput: A float, whose digits differ between writers, or what is no JSON at all.
    """
    return json.dumps(_exact(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def link(note: Note, previous: Head | None = None, *, domain: str = DOMAIN) -> JournalEntry:
    """Link a note behind the entry at `previous`, or as the first of its chain.

    The body is kept as it will be read back.

    Raises:
        InvalidInput: The note cannot be written exactly.
    """
    previous = previous or genesis(domain)
    for field, text in (("actor", note.actor), ("kind", note.kind)):
        if not text or not text.isprintable():
            raise InvalidInput(field, text, "is empty or not printable")
    at = require_utc(note.at).astimezone(UTC)
    written = canonical(note.body)
    seq = previous.seq + 1
    digest = _digest(domain, seq, at, note.actor, note.kind, written, previous.hash)
    return JournalEntry(seq, at, note.actor, note.kind, json.loads(written), previous.hash, digest)


def link_all(
    notes: Iterable[Note], previous: Head | None = None, *, domain: str = DOMAIN
) -> tuple[JournalEntry, ...]:
    """Link notes one behind the other."""
    entries: list[JournalEntry] = []
    for note in notes:
        entry = link(note, previous, domain=domain)
        entries.append(entry)
        previous = head(entry)
    return tuple(entries)


def head(entry: JournalEntry) -> Head:
    """The head of a chain that ends with this entry."""
    return Head(entry.seq, entry.hash)


def verify(
    entries: Iterable[JournalEntry],
    *,
    after: Head | None = None,
    known: Sequence[Head] = (),
    domain: str = DOMAIN,
) -> Break | None:
    """The first break of a chain, None when it holds.

    Args:
        entries: The chain in order, beginning behind `after`.
        after: The entry before the first, which is trusted; None for a chain from its start.
        known: Heads noted elsewhere; without one a cut tail cannot be seen.
        domain: That of the chain.
    """
    after = after or genesis(domain)
    expected = {noted.seq: noted.hash for noted in known}
    if expected.get(after.seq, after.hash) != after.hash:
        return Break(after.seq, Fault.REWRITTEN)
    previous = after
    for entry in entries:
        fault = _fault(entry, previous, expected, domain)
        if fault is not None:
            return Break(previous.seq + 1, fault)
        previous = head(entry)
    if any(seq > previous.seq for seq in expected):
        return Break(previous.seq + 1, Fault.MISSING)
    return None


def _fault(
    entry: JournalEntry, previous: Head, expected: Mapping[int, str], domain: str
) -> Fault | None:
    if entry.seq != previous.seq + 1:
        return Fault.NUMBER
    if entry.previous != previous.hash:
        return Fault.LINK
    if entry.hash != _hash_of(entry, domain):
        return Fault.CONTENT
    if expected.get(entry.seq, entry.hash) != entry.hash:
        return Fault.REWRITTEN
    return None


def _hash_of(entry: JournalEntry, domain: str) -> str:
    try:
        written = canonical(entry.body)
    except InvalidInput:
        # A body that could never have been linked has no hash.
        return ""
    return _digest(domain, entry.seq, entry.at, entry.actor, entry.kind, written, entry.previous)


def _digest(
    domain: str, seq: int, at: datetime, actor: str, kind: str, body: str, previous: str
) -> str:
    moment = at.astimezone(UTC).isoformat(timespec="microseconds")
    payload = hashlib.sha256(body.encode()).hexdigest()
    digest = hashlib.sha256()
    # Each fact behind its length, so that no two lists of facts are written alike.
    for fact in (domain, str(seq), moment, actor, kind, payload, previous):
        data = fact.encode()
        digest.update(len(data).to_bytes(_LENGTH_BYTES, "big") + data)
    return digest.hexdigest()


def _exact(value: object) -> JsonValue:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Mapping):
        return {_key(key): _exact(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(item) for item in value]
    raise InvalidInput("body", value, "is no exact JSON value", "write it as a string")


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise InvalidInput("body", key, "is a key that is no string")
    return key
