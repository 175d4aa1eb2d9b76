"""What the venue sends, read: JSON and msgpack with exact numbers; the unreadable is parked.

The vendor sends JSON in text and in binary frames, and msgpack where it is asked for; which of
them a frame is can be told by its first byte, since no JSON message of theirs starts like a
msgpack map or array. What is neither raises InvalidInput and nothing else, however broken.
Nothing that is parked has been acted upon.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, TypeAlias, TypeVar

import msgpack

from tradewright.core.errors import InvalidInput

Json: TypeAlias = Mapping[str, Any]
_Row = TypeVar("_Row")
_Read = TypeVar("_Read")

_AS_DATETIME: Final = 3
_SHOWN: Final = 80
_KEPT: Final = 1000


def loads(text: str | bytes) -> Any:  # noqa: ANN401 - any JSON
    """Read JSON with numbers as exact decimals; raise InvalidInput for anything else."""
    try:
        return json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("body", _start(text), "is not JSON") from error


def decode(frame: str | bytes) -> Any:  # noqa: ANN401 - any message
    """Read a frame of a stream: JSON as text or bytes, or msgpack with its timestamps as times.

    Raises:
        InvalidInput: It is neither.
    """
    if isinstance(frame, str) or frame[:1] in (b"{", b"["):
        return loads(frame)
    try:
        return msgpack.unpackb(
            frame, timestamp=_AS_DATETIME, object_pairs_hook=_exact_map, list_hook=_exact_list
        )
    except (ValueError, OverflowError, RecursionError, msgpack.UnpackException) as error:
        raise InvalidInput("frame", _start(frame), "is neither JSON nor msgpack") from error


def as_object(value: object, what: str) -> Json:
    """Return a JSON object; refuse anything else."""
    if not isinstance(value, dict):
        raise InvalidInput(what, type(value).__name__, "is not a JSON object")
    return value


def as_list(value: object, what: str) -> list[Any]:
    """Return a JSON array; refuse anything else."""
    if not isinstance(value, list):
        raise InvalidInput(what, type(value).__name__, "is not a JSON array")
    return value


@dataclass(frozen=True, slots=True)
class Parked:
    """A message that means nothing to us, kept for people: why, and all of it."""

    reason: str
    message: Json


class Parking:
    """The latest of what could not be read, and the counts of all of it."""

    def __init__(self, tell: Callable[[Parked], None] | None = None) -> None:
        """Keep the latest, and pass every one on to `tell`, which decides how people hear."""
        self.latest: deque[Parked] = deque(maxlen=_KEPT)
        self.counts: Counter[str] = Counter()
        self._tell = tell
        self._met: dict[str, set[str]] = {}

    def park(self, what: str, parked: Parked) -> None:
        """Keep one; `what` is the kind of message that it was."""
        self.counts[what] += 1
        self.latest.append(parked)
        if self._tell is not None:
            self._tell(parked)

    def each(self, what: str, rows: Iterable[_Row], read: Callable[[_Row], _Read]) -> list[_Read]:
        """Read every row of a list that can be read; the others are parked."""
        found: list[_Read] = []
        for row in rows:
            try:
                found.append(read(row))
            except InvalidInput as error:
                told = row if isinstance(row, dict) else {"row": repr(row)[:_SHOWN]}
                self.park(what, Parked(f"{what} cannot be read: {error}", told))
        return found

    def strangers(self, what: str, body: Json, known: Iterable[str]) -> Sequence[str]:
        """Tell of fields that their documents do not have, each once; return the fresh ones."""
        met = self._met.setdefault(what, set(known))
        fresh = sorted(set(body) - met)
        if fresh:
            met.update(fresh)
            told = {name: body[name] for name in fresh}
            self.park(f"{what} fields", Parked(f"{what} has fields that are not known", told))
        return fresh

    def word(self, what: str, word: str, body: Json) -> None:
        """Tell of a word of theirs that we do not know."""
        self.park(f"{what} words", Parked(f"{what} says {word!r}, which is not known", body))


def _start(text: str | bytes) -> str:
    shown = text.decode(errors="replace") if isinstance(text, bytes) else text
    return shown[:_SHOWN]


def _exact(value: object) -> object:
    # The shortest decimal that is this float: what the sender had before it was packed.
    return Decimal(repr(value)) if isinstance(value, float) else value


def _exact_map(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    return {key: _exact(value) for key, value in pairs}


def _exact_list(values: Iterable[object]) -> list[object]:
    return [_exact(value) for value in values]
