"""The words of a fault script: every kind of action, what it may strike, its arguments.

A reader takes where a value stands and the value, and returns it as the rule wants it or refuses
it by name. Arguments of commands are checked by the exchange when it performs them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from tradewright.core.errors import InvalidInput
from tradewright.exchange.faults.rules import (
    SUBMIT,
    Action,
    Answer,
    Change,
    Command,
    Delay,
    Disconnect,
    Drop,
    Duplicate,
    Edit,
    Hang,
    Mute,
    Phase,
    Refuse,
    Reorder,
    StreamError,
    Truncate,
    Twist,
)

if TYPE_CHECKING:
    from tradewright.core.records import JsonValue

Table = Mapping[str, Any]
Reader = Callable[[str, Any], Any]
_MOST_SECONDS: Final = 86_400.0
_LOWEST_STATUS, _HIGHEST_STATUS = 200, 599
_HTML: Final = "<html>\r\n<head><title>{0}</title></head>\r\n<body>{0}</body>\r\n</html>\r\n"


@dataclass(frozen=True, slots=True)
class Kind:
    """A word of an action: what it may strike, how it is made, and from what."""

    phases: frozenset[Phase]
    make: Callable[..., Action]
    required: Mapping[str, Reader] = field(default_factory=dict)
    optional: Mapping[str, Reader] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)


def table_of(where: str, value: object) -> Table:
    """Read a table."""
    if not isinstance(value, Mapping):
        raise InvalidInput(where, value, "is not a table", "write it as a table of fields")
    return value


def text_of(where: str, value: object) -> str:
    """Read a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise InvalidInput(where, value, "is not a word", "write some text in quotes")
    return value


def route_of(where: str, value: object) -> str:
    """Read a route: a method and a path, or a path alone for any method."""
    method, space, path = text_of(where, value).partition(" ")
    if not space:
        method, path = "*", method
    if not path.startswith(("/", "*")):
        remedy = 'write a method and a path: "POST /v2/orders", "/v2/*"'
        raise InvalidInput(where, value, "is not a route", remedy)
    return f"{method.upper()} {path}"


def whole(least: int, most: int = 2**53) -> Reader:
    """Make a reader of whole numbers between two ends, both allowed."""

    def read(where: str, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            rule = f"is not a whole number from {least}" + (f" to {most}" if most < 2**53 else "")
            raise InvalidInput(where, value, rule, f"write a number such as {max(least, 1)}")
        return value

    return read


def number(least: float, most: float) -> Reader:
    """Make a reader of numbers between two ends, both allowed."""

    def read(where: str, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidInput(where, value, "is not a number", f"write one up to {most:g}")
        if not least <= value <= most:
            rule = f"is not between {least:g} and {most:g}"
            raise InvalidInput(where, value, rule, f"write one up to {most:g}")
        return float(value)

    return read


def flag_of(where: str, value: object) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise InvalidInput(where, value, "is neither true nor false", "write true or false")
    return value


def moment_of(where: str, value: object) -> datetime:
    """Read a time with its zone."""
    remedy = "write a time with its zone: 2024-01-03T14:30:00Z"
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise InvalidInput(where, value, "is not a time", remedy) from error
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise InvalidInput(where, str(value), "is not a time with a zone", remedy)
    return value.astimezone(UTC)


def anything(_where: str, value: JsonValue) -> JsonValue:
    """Read any value of JSON."""
    return value


def headers_of(where: str, value: object) -> Mapping[str, str]:
    """Read a table of texts."""
    table = table_of(where, value)
    return {text_of(where, name): text_of(f"{where}.{name}", each) for name, each in table.items()}


def _answer(
    status: int = 500,
    body: JsonValue = "",
    headers: Mapping[str, str] | None = None,
    *,
    after_commit: bool = False,
) -> Answer:
    text = body if isinstance(body, str) else json.dumps(body)
    kind = "text/plain; charset=utf-8" if isinstance(body, str) else "application/json"
    return Answer(status, text, kind, headers or {}, after_commit)


def _html(status: int = 502, body: str | None = None, *, after_commit: bool = False) -> Answer:
    text = _HTML.format(f"{status} upstream") if body is None else body
    return Answer(status, text, "text/html; charset=utf-8", {}, after_commit)


def _editing(change: Change) -> Callable[..., Edit]:
    return lambda field, value=None: Edit(change, field, value)


def _twisting(name: str, **defaults: JsonValue) -> Callable[..., Twist]:
    return lambda **given: Twist(name, next(iter({**defaults, **given}.values()), True))


def _fill_on_cancel(*, late: bool = False) -> Twist:
    return Twist("fill_on_cancel", "late" if late else True)


def _commanding(name: str) -> Callable[..., Command]:
    return lambda **given: Command(name, given)


MATCH: Final[Mapping[str, Reader]] = {
    "route": route_of,
    "query": text_of,
    "stream": text_of,
    "event": text_of,
    "symbol": text_of,
    "client_order_id": text_of,
    "nth": whole(1),
    "every": whole(1),
    "first": whole(1),
    "probability": number(0, 1),
    "count": whole(1),
    "since": moment_of,
    "until": moment_of,
    "at": moment_of,
}
_REQUESTS: Final = frozenset({Phase.REQUEST})
_MESSAGES: Final = frozenset({Phase.MESSAGE})
_BOTH: Final = _REQUESTS | _MESSAGES
_HANDSHAKES: Final = frozenset({Phase.HANDSHAKE})
_CUTS: Final = frozenset({Phase.HANDSHAKE, Phase.MESSAGE, Phase.TIME})
_COMMANDS: Final = frozenset({Phase.REQUEST, Phase.MESSAGE, Phase.TIME})
_SECONDS: Final = number(0, _MOST_SECONDS)
_STATUS: Final = whole(_LOWEST_STATUS, _HIGHEST_STATUS)
_RESET: Final[Mapping[str, Reader]] = {"reset": flag_of}
_COMMIT: Final[Mapping[str, Reader]] = {"after_commit": flag_of}
_FIELD: Final[Mapping[str, Reader]] = {"field": text_of}
_VALUE: Final[Mapping[str, Reader]] = {"value": anything}
_TWISTED: Final[Mapping[str, str]] = {"route": SUBMIT}


def _command(name: str, required: str = "", optional: str = "") -> Kind:
    return Kind(
        _COMMANDS,
        _commanding(name),
        dict.fromkeys(required.split(), anything),
        dict.fromkeys(optional.split(), anything),
    )


KINDS: Final[Mapping[str, Kind]] = {
    "drop_before": Kind(
        _BOTH, lambda reset=False: Drop(after_commit=False, reset=reset), {}, _RESET
    ),
    "drop_after_commit": Kind(
        _REQUESTS, lambda reset=False: Drop(after_commit=True, reset=reset), {}, _RESET
    ),
    "delay_before": Kind(_BOTH, Delay, {"seconds": _SECONDS}),
    "delay_after": Kind(
        _REQUESTS, lambda seconds: Delay(seconds, after_commit=True), {"seconds": _SECONDS}
    ),
    "answer": Kind(
        _REQUESTS,
        _answer,
        {"status": _STATUS},
        {"body": anything, "headers": headers_of, **_COMMIT},
    ),
    "html": Kind(_REQUESTS, _html, {}, {"status": _STATUS, "body": text_of, **_COMMIT}),
    "truncate": Kind(_BOTH, Truncate, {}, {"keep": whole(0)}),
    "hang": Kind(_REQUESTS, Hang, {}, _COMMIT),
    "duplicate": Kind(_MESSAGES, Duplicate, {}, {"times": whole(1, 100)}),
    "reorder": Kind(_MESSAGES, Reorder, {}, {"by": whole(1, 1000)}),
    "mute": Kind(_MESSAGES, Mute, {}, {"seconds": _SECONDS}),
    "disconnect": Kind(_CUTS, Disconnect, {}, {"seconds": _SECONDS, "code": whole(1000, 4999)}),
    "refuse": Kind(_HANDSHAKES, Refuse, {"status": whole(400, _HIGHEST_STATUS)}),
    "stream_error": Kind(
        _MESSAGES,
        StreamError,
        {"code": whole(400, _HIGHEST_STATUS), "message": text_of},
        {},
        {"stream": "market_data", "event": "authenticated"},
    ),
    "add_field": Kind(_BOTH, _editing(Change.ADD), _FIELD, _VALUE),
    "set_field": Kind(_BOTH, _editing(Change.SET), _FIELD, _VALUE),
    "remove_field": Kind(_BOTH, _editing(Change.REMOVE), _FIELD),
    "hold_fill": Kind(_REQUESTS, _twisting("hold"), {}, {}, _TWISTED),
    "late_reject": Kind(
        _REQUESTS,
        _twisting("reject", reason="rejected by the venue"),
        {},
        {"reason": text_of},
        _TWISTED,
    ),
    "fill_on_cancel": Kind(_REQUESTS, _fill_on_cancel, {}, {"late": flag_of}, _TWISTED),
    "replace_race": Kind(_REQUESTS, _twisting("replace_race"), {}, {}, _TWISTED),
    "halt": _command("halt", "", "symbol code seconds reason"),
    "resume": _command("resume", "", "symbol"),
    "hold": _command("hold", "", "order"),
    "release": _command("release", "", "order"),
    "reject": _command("reject", "", "order reason"),
    "mark": _command("mark", "status", "order"),
    "both_legs": _command("both_legs", "", "order"),
    "bust": _command("bust", "", "execution"),
    "correct": _command("correct", "", "execution price qty"),
    "cancel_by_venue": _command("cancel_by_venue", "", "order reason"),
    "place_external": _command("place_external", "body"),
    "block": _command("block", "field", "value"),
    "skew": _command("skew", "seconds"),
    "close_market": _command("close_market", "", "closed"),
    "freeze": _command("freeze", "", "symbol frozen"),
    "corrupt": _command("corrupt", "", "symbol kind"),
    "split": _command("split", "symbol ratio"),
    "dividend": _command("dividend", "symbol amount"),
    "rename": _command("rename", "symbol to"),
    "delist": _command("delist", "symbol", "price"),
    "late_trade": _command("late_trade", "symbol", "price size minutes"),
    "bust_trade": _command("bust_trade", "symbol"),
    "correct_trade": _command("correct_trade", "symbol", "price size"),
    "ssr": _command("ssr", "symbol", "on"),
    "borrow": _command("borrow", "symbol status"),
    "rotate_keys": _command("rotate_keys", "", "key secret"),
}
"""Every word of an action: what it may strike and its arguments."""
