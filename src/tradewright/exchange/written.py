"""JSON that is written once: an object as the text it goes out as, read by who asks for a field.

An order is told of up to four times as it comes in: to its client, to the log and to listeners.
None of them reads it, so it is kept as text. What is read of it does not change the text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tradewright.core.records import JsonValue

quoted: Final = encode_basestring_ascii
"""Write a text as JSON."""


class Written(Mapping[str, "JsonValue"]):
    """A JSON object; `text` is how it is written."""

    __slots__ = ("_read", "text")

    def __init__(self, text: str) -> None:
        """Take the text of an object."""
        self.text = text
        self._read: dict[str, JsonValue] | None = None

    def __getitem__(self, name: str) -> JsonValue:
        """Return the value of a field."""
        return self._fields()[name]

    def __iter__(self) -> Iterator[str]:
        """Yield the names of the fields, in order."""
        return iter(self._fields())

    def __len__(self) -> int:
        """Count the fields."""
        return len(self._fields())

    def _fields(self) -> dict[str, JsonValue]:
        if self._read is None:
            self._read = json.loads(self.text)
        return self._read


def quoted_or_null(text: str | None) -> str:
    """Write a text as JSON, or null."""
    return "null" if text is None else quoted(text)


def as_json(value: object) -> str:
    """Write a value as JSON, in as few characters as can be."""
    if isinstance(value, Written):
        return value.text
    if isinstance(value, list) and value and isinstance(value[0], Written):
        return f"[{','.join(map(as_json, value))}]"
    return _encode(value)


def _plain(value: object) -> object:
    if isinstance(value, Written):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


_encode: Final = json.JSONEncoder(separators=(",", ":"), default=_plain).encode
