"""Keys: who is let in, and what a rotation changes."""

from __future__ import annotations

import pytest

from tradewright.exchange.keys import Keys
from tradewright.exchange.words import Refused


def test_only_the_right_pair_is_let_in() -> None:
    keys = Keys()
    assert not keys.admits(b"", b"")
    keys.issue("key", "secret")
    assert keys.admits(b"key", b"secret")
    for pair in ((b"key", b"other"), (b"other", b"secret"), (b"", b""), ("é".encode(), b"secret")):
        assert not keys.admits(*pair)


def test_rotated_keys_replace_the_old_ones_until_a_reset() -> None:
    keys = Keys()
    keys.issue("key", "secret")
    assert keys.rotate({"key": "new"}).keys() == {"key", "secret"}
    assert not keys.admits(b"key", b"secret")
    made = keys.rotate({"key": "a", "secret": "b"})
    assert (made, keys.pair) == ({"key": "a", "secret": "b"}, ("a", "b"))
    # A restart performs the rotation before the server gives its keys.
    keys.issue("key", "secret")
    assert keys.admits(b"a", b"b")
    keys.restore()
    assert keys.admits(b"key", b"secret")


def test_made_up_keys_are_the_same_in_every_rehearsal() -> None:
    first, second = Keys(), Keys()
    assert [first.rotate({}) for _ in range(2)] == [second.rotate({}) for _ in range(2)]
    assert first.rotate({}) != second.rotate({"key": "x"})


@pytest.mark.parametrize("given", [{"key": ""}, {"secret": 5}])
def test_keys_are_texts(given: dict[str, object]) -> None:
    with pytest.raises(Refused, match="is not a text"):
        Keys().rotate(given)
