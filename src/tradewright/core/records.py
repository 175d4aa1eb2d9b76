"""What is kept: journal entries and run records, and how the vocabulary is written down.

`to_body` and `from_body` turn any frozen dataclass of `core` into JSON-ready values and back:
decimals become strings, times ISO 8601, enums their values. Floats are written as they print.
"""

from __future__ import annotations

import dataclasses
import types
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import cache
from typing import (
    TYPE_CHECKING,
    Any,
    TypeAlias,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from tradewright.core import decisions, events, ids, instrument, market, money, orders, session
from tradewright.core.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradewright.core.ids import RunId

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
Body: TypeAlias = "dict[str, JsonValue]"
"""A JSON object."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One link of the journal: what happened, who says so, and the hash of all before it."""

    seq: int
    at: datetime
    actor: str
    kind: str
    body: Mapping[str, JsonValue]
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class Note:
    """A journal entry before it is linked: the journal adds number and hashes."""

    at: datetime
    actor: str
    kind: str
    body: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What makes a run addressable afterwards."""

    id: RunId
    started: datetime
    spec: Mapping[str, JsonValue]
    spec_hash: str
    data_hash: str
    code_revision: str
    metrics: Mapping[str, JsonValue]


_KEPT: tuple[type, ...] = (
    events.Submitted,
    events.Unconfirmed,
    events.Accepted,
    events.Reported,
    events.Filled,
    events.CancelAsked,
    events.CancelRefused,
    events.Canceled,
    events.Rejected,
    events.Expired,
    events.Replaced,
    events.Failed,
    events.FillReversed,
    events.SplitApplied,
    events.DividendPaid,
    events.Delisted,
    events.CashMoved,
    events.FinancingCharged,
    events.SwitchChanged,
    events.VenueChanged,
    events.TradabilityChanged,
    decisions.Approved,
    decisions.Refusal,
)
KINDS: Mapping[str, type] = {kept.__name__: kept for kept in _KEPT}


def note(subject: object, *, actor: str, at: datetime | None = None) -> Note:
    """Write down a fact of a kind that the journal keeps."""
    kind = type(subject).__name__
    if kind not in KINDS:
        raise InvalidInput("subject", kind, "is not kept in the journal")
    happened = at or subject.at  # type: ignore[attr-defined]
    return Note(happened, actor, kind, to_body(subject))


def recall(entry: JournalEntry | Note) -> Any:  # noqa: ANN401 - one of KINDS
    """Read a fact back from the journal."""
    if entry.kind not in KINDS:
        raise InvalidInput("kind", entry.kind, "is not kept in the journal")
    return from_body(KINDS[entry.kind], entry.body)


def to_body(subject: object) -> Body:
    """Write a frozen dataclass as JSON-ready values."""
    return {
        field.name: _plain(getattr(subject, field.name))
        for field in dataclasses.fields(subject)  # type: ignore[arg-type]
    }


def _plain(value: object) -> JsonValue:  # noqa: PLR0911 - one return a kind of value
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value):
        return to_body(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise InvalidInput("value", type(value).__name__, "cannot be written down")


@cache
def _hints(kind: type) -> dict[str, Any]:
    # The vocabulary imports its types for checking only; they are looked up here.
    names: dict[str, Any] = {}
    for module in (ids, instrument, market, money, orders, session, decisions, events):
        names.update(vars(module))
    names.update(datetime=datetime, date=date, timedelta=timedelta, Fraction=Fraction)
    names.update(Decimal=Decimal, Mapping=dict, JsonValue=object)
    hints = get_type_hints(kind, globalns=names)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def from_body(kind: type, body: Mapping[str, JsonValue]) -> Any:  # noqa: ANN401 - a `kind`
    """Read a frozen dataclass back; a body that does not fit its kind is refused."""
    hints = _hints(kind)
    unknown = set(body) - set(hints)
    if unknown:
        raise InvalidInput(f"{kind.__name__}.{min(unknown)}", "", "is no field of its kind")
    try:
        return kind(**{name: _read(hints[name], value) for name, value in body.items()})
    except InvalidInput:
        raise
    except (TypeError, ValueError, ArithmeticError, KeyError) as error:
        raise InvalidInput(kind.__name__, dict(body), f"does not fit its kind: {error}") from error


def _read(hint: Any, value: Any) -> Any:  # noqa: ANN401, PLR0911 - one return a kind of value
    origin = get_origin(hint)
    if origin in {Union, types.UnionType}:
        if value is None:
            return None
        return _read(next(arg for arg in get_args(hint) if arg is not type(None)), value)
    if origin is tuple:
        return tuple(_read(get_args(hint)[0], item) for item in value)
    if origin is dict:
        return dict(value)
    if hint is None or value is None:
        return None
    hint = getattr(hint, "__supertype__", hint)
    if hint in {datetime, date}:
        return hint.fromisoformat(value)
    if hint is timedelta:
        return timedelta(seconds=value)
    if dataclasses.is_dataclass(hint):
        return from_body(hint, value)  # type: ignore[arg-type]
    return hint(value)
