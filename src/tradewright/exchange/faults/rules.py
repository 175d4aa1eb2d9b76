"""What a fault is: a rule that says which call it strikes, and what it then does to it.

A call is one request, one handshake of a stream, or one message of a stream. What a stream
answers to its client (authorization, subscriptions) is struck only by rules that name its event,
so that the first message of a rule is the first update and not the greeting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, TypeAlias

from tradewright.core.frozen import frozen

if TYPE_CHECKING:
    from tradewright.core.records import JsonValue

TRADE_UPDATES: Final = "trade_updates"
MARKET_DATA: Final = "market_data"
SUBMIT: Final = "POST /v2/orders"


class Phase(StrEnum):
    """What a rule strikes: a request, a connection that opens, a message, or the market's time."""

    REQUEST = "request"
    HANDSHAKE = "handshake"
    MESSAGE = "message"
    TIME = "time"


@frozen
class Call:
    """One request, handshake or message, as rules see it; empty where it has no such fact."""

    phase: Phase
    route: str
    query: str = ""
    event: str = ""
    symbols: tuple[str, ...] = ()
    client_order_id: str = ""
    order: str = ""
    execution: str = ""
    is_control: bool = False

    @property
    def label(self) -> str:
        """How the log names the call."""
        return f"{self.route} {self.event}".rstrip()


@dataclass(frozen=True, slots=True)
class Match:
    """Which calls a rule counts, and which of those it strikes.

    Words are globs. Of the calls that are counted, the `nth`, each `every`-th or the `first` so
    many are struck, each with `probability`, and no more than `count` in all; 0 means not given.
    The window of market time holds its start and not its end.
    """

    route: str = ""
    query: str = ""
    stream: str = ""
    event: str = ""
    symbol: str = ""
    client_order_id: str = ""
    nth: int = 0
    every: int = 0
    first: int = 0
    probability: float = 1.0
    count: int = 0
    since: datetime | None = None
    until: datetime | None = None
    at: datetime | None = None

    def holds(self, call: Call, now: datetime) -> bool:
        """Say whether the call is one that the rule counts."""
        return (
            fnmatchcase(call.route, self.stream or self.route)
            and (bool(self.event) or not call.is_control)
            and _fits(call.event, self.event)
            and _fits(call.query, self.query)
            and (not self.symbol or any(_fits(name, self.symbol) for name in call.symbols))
            and _fits(call.client_order_id, self.client_order_id)
            and (self.since is None or self.since <= now)
            and (self.until is None or now < self.until)
        )

    def picks(self, number: int) -> bool:
        """Say whether the call counted as `number`, from 1, is one to strike."""
        if self.nth:
            return number == self.nth
        if self.every:
            return number % self.every == 0
        return not self.first or number <= self.first


def _fits(word: str, pattern: str) -> bool:
    return not pattern or fnmatchcase(word, pattern)


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the connection without an answer; of a stream, lose the message."""

    after_commit: bool = False
    reset: bool = False


@dataclass(frozen=True, slots=True)
class Delay:
    """Take the request, or give its answer, that many seconds later; messages pass each other."""

    seconds: float
    after_commit: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer with this instead: without asking the exchange, or after it has done its part."""

    status: int
    body: str
    media_type: str
    headers: Mapping[str, str]
    after_commit: bool = False


@dataclass(frozen=True, slots=True)
class Truncate:
    """Break off after `keep` bytes, or halfway; the length that was announced stays."""

    keep: int | None = None


@dataclass(frozen=True, slots=True)
class Hang:
    """Send nothing until the client leaves."""

    after_commit: bool = False


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Send the message that many times more."""

    times: int = 1


@dataclass(frozen=True, slots=True)
class Reorder:
    """Send the message after the next `by` messages of its connection."""

    by: int = 1


@dataclass(frozen=True, slots=True)
class Mute:
    """Send nothing more on the connection while rules are set, or for `seconds`; it stays open."""

    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Cut the connection: at the message, or `seconds` after it opened.

    With a `code` the client is told in a closing frame; without, the line is cut.
    """

    seconds: float = 0.0
    code: int = 0


@dataclass(frozen=True, slots=True)
class Refuse:
    """Refuse the handshake with an HTTP status."""

    status: int


@dataclass(frozen=True, slots=True)
class StreamError:
    """Send an error of the data stream instead of the message, then close."""

    code: int
    message: str


class Change(StrEnum):
    """What an edit does to a field."""

    ADD = "add_field"
    SET = "set_field"
    REMOVE = "remove_field"


@dataclass(frozen=True, slots=True)
class Edit:
    """Change a field of an answer or message; the path is dotted, `*` is every element."""

    change: Change
    field: str
    value: JsonValue = None


@dataclass(frozen=True, slots=True)
class Twist:
    """Give the order that is submitted a fate; it travels inside the command."""

    name: str
    value: JsonValue = True


@dataclass(frozen=True, slots=True)
class Command:
    """Have the exchange perform a command once the request is done, or at its time."""

    name: str
    arguments: Mapping[str, JsonValue]


Action: TypeAlias = (
    Drop
    | Delay
    | Answer
    | Truncate
    | Hang
    | Duplicate
    | Reorder
    | Mute
    | Disconnect
    | Refuse
    | StreamError
    | Edit
    | Twist
    | Command
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One scripted fault; `kind` is the word of the script for its action."""

    name: str
    match: Match
    kind: str
    action: Action
    source: Mapping[str, JsonValue]

    @property
    def phase(self) -> Phase:
        """What the rule strikes."""
        if self.match.at is not None:
            return Phase.TIME
        if self.match.route:
            return Phase.REQUEST
        opening = isinstance(self.action, Refuse) or (
            isinstance(self.action, Disconnect) and self.action.seconds > 0
        )
        return Phase.HANDSHAKE if opening else Phase.MESSAGE


def edited(body: JsonValue, edit: Edit) -> JsonValue:
    """Return the body with the edit done to it, or to each of its elements if it is a list."""
    if isinstance(body, list):
        return [edited(each, edit) for each in body]
    _edit(body, edit.field.split("."), edit)
    return body


def _edit(body: JsonValue, path: list[str], edit: Edit) -> None:
    if isinstance(body, list):
        for each in body:
            _edit(each, path[1:] if path[0] == "*" else path, edit)
        return
    if not isinstance(body, dict):
        return
    head, *rest = path
    if rest:
        inner = list(body.values()) if head == "*" else [body.get(head)]
        for each in inner:
            _edit(each, rest, edit)
    elif edit.change is Change.REMOVE:
        body.pop(head, None)
    elif edit.change is Change.SET or head not in body:
        body[head] = edit.value
