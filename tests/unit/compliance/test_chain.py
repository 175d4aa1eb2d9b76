from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType

import pytest

from tradewright.compliance.chain import (
    GENESIS,
    Break,
    Fault,
    Head,
    canonical,
    head,
    link,
    link_all,
    verify,
)
from tradewright.core.errors import InvalidInput
from tradewright.core.records import JournalEntry, JsonValue, Note

AT = datetime(2024, 3, 4, 14, 30, 0, 7, tzinfo=UTC)
NOTES = tuple(
    Note(AT + timedelta(seconds=n), "runner", "Submitted", {"order": f"o{n}", "n": n})
    for n in range(6)
)
CHAIN = link_all(NOTES)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"b": 1, "a": None}, '{"a":null,"b":1}'),
        ({"a": [True, "x", {"z": 1, "y": 2}]}, '{"a":[true,"x",{"y":2,"z":1}]}'),
        (MappingProxyType({"a": MappingProxyType({"b": 1})}), '{"a":{"b":1}}'),
        ("é\n\0", '"\\u00e9\\n\\u0000"'),
        (10**30, "1" + "0" * 30),
    ],
)
def test_one_way_to_write_a_value(value: JsonValue, written: str) -> None:
    assert canonical(value) == written


@pytest.mark.parametrize(
    "value",
    [{"a": 1.0}, {"a": [1, {"b": float("nan")}]}, {1: "a"}, {"a": Decimal(1)}, {"a": AT}],
)
def test_what_has_no_one_way_to_be_written_is_refused(value: JsonValue) -> None:
    with pytest.raises(InvalidInput, match="body"):
        canonical(value)


def test_the_hash_is_the_documented_one() -> None:
    facts = [
        "tradewright/journal/1",
        "1",
        "2024-03-04T14:30:00.000007+00:00",
        "runner",
        "Submitted",
        hashlib.sha256(b'{"n":0,"order":"o0"}').hexdigest(),
        hashlib.sha256(b"tradewright/journal/1").hexdigest(),
    ]
    framed = b"".join(len(f).to_bytes(8, "big") + f.encode() for f in facts)
    assert CHAIN[0].hash == hashlib.sha256(framed).hexdigest()
    assert CHAIN[0].previous == GENESIS.hash == facts[-1]


def test_linking_one_by_one_or_in_parts_is_the_same() -> None:
    assert link(NOTES[0]) == CHAIN[0]
    assert link(NOTES[3], head(CHAIN[2])) == CHAIN[3]
    assert (*link_all(NOTES[:4]), *link_all(NOTES[4:], head(CHAIN[3]))) == CHAIN
    assert [entry.seq for entry in CHAIN] == [1, 2, 3, 4, 5, 6]


def test_the_body_is_kept_as_it_will_be_read_back() -> None:
    entry = link(Note(AT, "a", "b", {"z": ("x", "y"), "a": 1}))  # type: ignore[dict-item]
    assert entry.body == {"a": 1, "z": ["x", "y"]}


@pytest.mark.parametrize(
    "note",
    [
        replace(NOTES[0], actor=""),
        replace(NOTES[0], kind="a\0b"),
        replace(NOTES[0], actor="a\nb"),
        replace(NOTES[0], at=AT.replace(tzinfo=None)),
        replace(NOTES[0], at=AT.astimezone(timezone(timedelta(hours=1)))),
        replace(NOTES[0], body={"price": 1.5}),
    ],
)
def test_a_note_that_cannot_be_written_exactly_is_refused(note: Note) -> None:
    with pytest.raises(InvalidInput):
        link(note)


def test_a_whole_chain_holds() -> None:
    assert verify(()) is None
    assert verify(CHAIN) is None
    assert verify(CHAIN, known=[GENESIS, head(CHAIN[2]), head(CHAIN[-1])]) is None
    assert verify(CHAIN[3:], after=head(CHAIN[2]), known=[head(CHAIN[1]), head(CHAIN[2])]) is None


def forged(entry: JournalEntry, previous: Head) -> JournalEntry:
    return link(Note(entry.at, entry.actor, entry.kind, {"order": "forged"}), previous)


@pytest.mark.parametrize(
    ("entries", "broken"),
    [
        ((*CHAIN[:2], *CHAIN[3:]), Break(3, Fault.NUMBER)),
        (CHAIN[1:], Break(1, Fault.NUMBER)),
        ((CHAIN[0], CHAIN[2], CHAIN[1], *CHAIN[3:]), Break(2, Fault.NUMBER)),
        ((*CHAIN[:3], CHAIN[2], *CHAIN[3:]), Break(4, Fault.NUMBER)),
        ((*CHAIN[:3], replace(CHAIN[3], seq=5), *CHAIN[4:]), Break(4, Fault.NUMBER)),
        ((CHAIN[0], replace(CHAIN[1], actor="other"), *CHAIN[2:]), Break(2, Fault.CONTENT)),
        ((CHAIN[0], replace(CHAIN[1], kind="Other"), *CHAIN[2:]), Break(2, Fault.CONTENT)),
        (
            (CHAIN[0], replace(CHAIN[1], at=AT + timedelta(microseconds=1)), *CHAIN[2:]),
            Break(2, Fault.CONTENT),
        ),
        ((CHAIN[0], replace(CHAIN[1], body={"n": 1.5}), *CHAIN[2:]), Break(2, Fault.CONTENT)),
        ((CHAIN[0], replace(CHAIN[1], hash="0" * 64), *CHAIN[2:]), Break(2, Fault.CONTENT)),
        ((CHAIN[0], replace(CHAIN[1], previous="0" * 64), *CHAIN[2:]), Break(2, Fault.LINK)),
        ((CHAIN[0], forged(CHAIN[1], head(CHAIN[0])), *CHAIN[2:]), Break(3, Fault.LINK)),
    ],
)
def test_the_first_bad_entry_is_named(entries: tuple[JournalEntry, ...], broken: Break) -> None:
    assert verify(entries) == broken


def test_a_cut_tail_shows_against_a_known_head() -> None:
    assert verify(CHAIN[:4]) is None
    assert verify(CHAIN[:4], known=[head(CHAIN[-1])]) == Break(5, Fault.MISSING)
    assert verify((), known=[head(CHAIN[0])]) == Break(1, Fault.MISSING)


def test_a_fork_shows_against_a_known_head() -> None:
    rest = link_all(
        [Note(AT, "runner", "Submitted", {"order": "fork"}), *NOTES[4:]], head(CHAIN[2])
    )
    fork = (*CHAIN[:3], *rest)
    assert verify(fork) is None
    assert verify(fork, known=[head(CHAIN[-1])]) == Break(6, Fault.REWRITTEN)
    assert verify(fork, known=[head(CHAIN[3])]) == Break(4, Fault.REWRITTEN)
    assert verify((), after=Head(2, "0" * 64), known=[head(CHAIN[1])]) == Break(2, Fault.REWRITTEN)
