"""Any change of a chain is found, with the first number that is wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tradewright.compliance.chain import Break, Fault, canonical, head, link_all, verify
from tradewright.core.records import JournalEntry, JsonValue, Note

START = datetime(2024, 1, 2, tzinfo=UTC)
words = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=8)
scalars: st.SearchStrategy[JsonValue] = st.none() | st.booleans() | st.integers() | words
values: st.SearchStrategy[JsonValue] = scalars | st.lists(scalars, max_size=2)
notes = st.builds(
    Note,
    st.integers(0, 10**12).map(lambda n: START + timedelta(microseconds=n)),
    words,
    words,
    st.dictionaries(st.text(max_size=3), values, max_size=2),
)
chains = st.lists(notes, min_size=2, max_size=5).map(link_all)


@given(chains)
def test_an_untouched_chain_holds(chain: tuple[JournalEntry, ...]) -> None:
    assert verify(chain, known=[head(entry) for entry in chain]) is None


@given(chains, st.data())
def test_a_changed_fact_is_found(chain: tuple[JournalEntry, ...], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(chain) - 1))
    entry = chain[place]
    changed = data.draw(
        st.one_of(
            words.map(lambda actor: replace(entry, actor=actor)),
            words.map(lambda kind: replace(entry, kind=kind)),
            st.integers(-5, 5).map(
                lambda n: replace(entry, at=entry.at + timedelta(microseconds=n))
            ),
            st.dictionaries(words, values, max_size=2).map(lambda body: replace(entry, body=body)),
            st.integers(0, 63).map(lambda n: replace(entry, hash=flipped(entry.hash, n))),
            st.integers(0, 63).map(lambda n: replace(entry, previous=flipped(entry.previous, n))),
        ).filter(lambda other: differs(entry, other))
    )
    found = verify((*chain[:place], changed, *chain[place + 1 :]))
    assert found is not None
    assert found.seq == place + 1


def flipped(digest: str, place: int) -> str:
    other = format(int(digest[place], 16) ^ 1, "x")
    return digest[:place] + other + digest[place + 1 :]


def differs(one: JournalEntry, other: JournalEntry) -> bool:
    # In Python True equals 1; written down they differ.
    return replace(one, body={}) != replace(other, body={}) or canonical(one.body) != canonical(
        other.body
    )


@given(chains, st.data())
def test_a_removed_entry_is_found(chain: tuple[JournalEntry, ...], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(chain) - 2))
    assert verify((*chain[:place], *chain[place + 1 :])) == Break(place + 1, Fault.NUMBER)


@given(chains, notes, st.data())
def test_an_entry_put_in_is_found(
    chain: tuple[JournalEntry, ...], note: Note, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(chain) - 1))
    before = chain[:place]
    (extra,) = link_all([note], head(before[-1])) if before else link_all([note])
    # Even one that is rightly linked cannot make the entry behind it fit.
    assert verify((*before, extra, *chain[place:])) == Break(place + 2, Fault.NUMBER)


@given(chains, st.data())
def test_another_order_is_found(chain: tuple[JournalEntry, ...], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(chain))))
    first = next((place for place, at in enumerate(order) if place != at), None)
    expected = None if first is None else Break(first + 1, Fault.NUMBER)
    assert verify([chain[place] for place in order]) == expected


@given(chains, st.data())
def test_a_cut_tail_is_found_by_a_known_head(
    chain: tuple[JournalEntry, ...], data: st.DataObject
) -> None:
    kept = data.draw(st.integers(0, len(chain) - 1))
    cut = chain[:kept]
    assert verify(cut, known=[head(chain[-1])]) == Break(kept + 1, Fault.MISSING)


@given(chains, notes, st.data())
def test_a_rewritten_chain_is_found_by_a_known_head(
    chain: tuple[JournalEntry, ...], note: Note, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(chain) - 1))
    facts = [Note(entry.at, entry.actor, entry.kind, entry.body) for entry in chain]
    facts[place] = Note(note.at, note.actor, "Rewritten by somebody", note.body)
    assert verify(link_all(facts)) is None
    assert verify(link_all(facts), known=[head(chain[-1])]) == Break(len(chain), Fault.REWRITTEN)
