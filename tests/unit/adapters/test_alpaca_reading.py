"""Frames in every form, numbers exact, and nonsense that is parked and never raised further."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from decimal import Decimal

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewright.adapters.alpaca.reading import Parked, Parking, decode, loads
from tradewright.core.errors import InvalidInput
from tradewright.core.money import parse_decimal

MESSAGE = {"stream": "trade_updates", "data": {"qty": "1.5", "n": 3, "legs": None, "on": True}}


def test_numbers_of_json_are_exact() -> None:
    assert loads(b'{"qty": 190.29999999999998}') == {"qty": Decimal("190.29999999999998")}


@pytest.mark.parametrize("body", ["<html>", "", '{"torn": ', b"\xff\xfe{}", "[" * 100_000])
def test_what_is_not_json_is_refused(body: str | bytes) -> None:
    with pytest.raises(InvalidInput, match="is not JSON"):
        loads(body)


@pytest.mark.parametrize(
    "frame",
    [json.dumps(MESSAGE), json.dumps(MESSAGE).encode(), msgpack.packb(MESSAGE)],
    ids=["text", "binary", "msgpack"],
)
def test_a_message_is_the_same_in_every_form(frame: str | bytes) -> None:
    assert decode(frame) == MESSAGE


def test_msgpack_has_times_and_exact_numbers() -> None:
    at = datetime(2026, 1, 5, 14, 30, 0, 123456, tzinfo=UTC)
    quote = [{"T": "q", "bp": 190.1, "c": [0.2], "t": msgpack.Timestamp.from_datetime(at)}]
    assert decode(msgpack.packb(quote)) == [
        {"T": "q", "bp": Decimal("190.1"), "c": [Decimal("0.2")], "t": at}
    ]


@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused_and_nothing_else(frame: bytes) -> None:
    with contextlib.suppress(InvalidInput):
        decode(frame)


def test_what_cannot_be_read_is_kept_counted_and_told_and_the_rest_is_read() -> None:
    told: list[Parked] = []
    parking = Parking(told.append)
    rows = [{"qty": "1"}, {"qty": "many"}, {"qty": "3"}]
    assert parking.each("fill", rows, lambda row: parse_decimal(row["qty"])) == [1, 3]
    assert [parked.message for parked in told] == [{"qty": "many"}]
    assert list(parking.latest) == told
    assert parking.counts == {"fill": 1}


def test_a_field_that_is_not_known_is_told_once() -> None:
    parking = Parking()
    assert parking.strangers("order", {"id": 1, "hue": "blue"}, ("id",)) == ["hue"]
    assert parking.strangers("order", {"id": 2, "hue": "red", "pdt": 1}, ("id",)) == ["pdt"]
    assert [parked.message for parked in parking.latest] == [{"hue": "blue"}, {"pdt": 1}]
