"""Sums over what is held: the same as added up anew, without asking for what has not changed."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import AAA, BBB, a_fill, dec
from tradewright.core.ids import InstrumentId
from tradewright.core.orders import Fill
from tradewright.portfolio.valuation import Tally

NAMES = [InstrumentId(name) for name in "ABCD"]
CHANGES = st.lists(
    st.tuples(st.sampled_from(NAMES), st.integers(-3, 3), st.booleans()), max_size=40
)


@given(CHANGES)
def test_sums_are_those_of_adding_everything_up(
    changes: list[tuple[InstrumentId, int, bool]],
) -> None:
    held: dict[InstrumentId, Decimal] = {}
    fills: list[Fill] = []
    tally = Tally(lambda name: (held[name] * 3, abs(held[name])), 2)
    version = 0
    for name, quantity, moved in changes:
        left = held.pop(name, Decimal(0)) + quantity
        if left:
            held[name] = left
        if moved:
            version += 1
        else:
            fills.append(replace(a_fill(), instrument=name))
        expected = (sum(held.values()) * 3, sum(map(abs, held.values())))
        assert tally.sums(held, fills, version) == expected


def test_only_what_has_filled_is_asked_for_again() -> None:
    held = {AAA: dec(1), BBB: dec(2)}
    asked: list[InstrumentId] = []

    def row(name: InstrumentId) -> tuple[Decimal]:
        asked.append(name)
        return (held[name],)

    tally = Tally(row, 1)
    fills: list[Fill] = []
    assert tally.sums(held, fills, 1) == (dec(3),)
    held[BBB] = dec(5)
    fills.append(replace(a_fill(), instrument=BBB))
    assert tally.sums(held, fills, 1) == (dec(6),)
    assert tally.sums(held, fills, 1) == (dec(6),)
    assert asked == [AAA, BBB, BBB]
    tally.sums(held, fills, 2)
    assert asked[3:] == [AAA, BBB]


def test_without_anything_held_the_sums_are_nothing() -> None:
    assert Tally(lambda _name: (dec(1), dec(1)), 2).sums({}, [], 0) == (dec(0), dec(0))
