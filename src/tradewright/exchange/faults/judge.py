"""The faults that are set: which rules strike a call, and the log of what was done.

A rule draws from a generator of its own, seeded by the script's seed and the rule's name: the same
seed and the same calls give the same faults, whatever the other rules do. With a state folder the
rules go on after a restart where they stood, and the log comes back with the commands; what hung
on a connection (a mute line, a message held back) ends with it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from zlib import crc32

import numpy as np

from tradewright.core.errors import InvalidInput, UnknownName
from tradewright.core.frozen import frozen
from tradewright.exchange.faults.rules import Call, Phase, Rule
from tradewright.exchange.faults.script import Script, read_rule
from tradewright.exchange.faults.standing import Count, Standing, StandingFile
from tradewright.exchange.words import moment, read_moment

if TYPE_CHECKING:
    from tradewright.core.records import JsonValue

_KEPT: Final = 100_000
_NONE: Final = Count()
_RANDOM: Final = "random "
_ROUTES: Final = {"route": "* /v*"}
_STREAMS: Final = {"stream": "*"}
_AT_RANDOM: Final[Mapping[str, tuple[Mapping[str, str], Mapping[str, Any]]]] = {
    "drop_before": (_ROUTES, {}),
    "drop_after_commit": (_ROUTES, {}),
    "delay_before": (_ROUTES, {"seconds": 1}),
    "delay_after": (_ROUTES, {"seconds": 1}),
    "answer": (_ROUTES, {"status": 503}),
    "html": (_ROUTES, {"status": 502}),
    "truncate": (_ROUTES, {}),
    "hang": (_ROUTES, {}),
    "duplicate": (_STREAMS, {}),
    "reorder": (_STREAMS, {}),
    "mute": (_STREAMS, {"seconds": 5}),
    "disconnect": (_STREAMS, {}),
}


@frozen
class Injected:
    """One fault that was done."""

    seq: int
    at: datetime
    rule: str
    action: str
    route: str
    symbol: str
    client_order_id: str

    def body(self) -> dict[str, JsonValue]:
        """The record as JSON."""
        return {
            "seq": self.seq,
            "at": moment(self.at),
            "rule": self.rule,
            "action": self.action,
            "route": self.route,
            "symbol": self.symbol,
            "client_order_id": self.client_order_id,
        }


class Line(Protocol):
    """An open connection of a stream."""

    @property
    def stream(self) -> str:
        """The stream that it carries."""

    def cut(self, code: int = 0) -> None:
        """End it."""


class Faults:
    """The rules that are set, how often each was met, and what was done."""

    def __init__(self, record: Callable[[Injected], None] | None = None) -> None:
        """Start without a rule; `record` is told of every fault."""
        self.active = False
        self.seed = 0
        self.log: deque[Injected] = deque(maxlen=_KEPT)
        self.lines: set[Line] = set()
        self.record = record
        self._done = 0
        self._armed: dict[str, _Armed] = {}
        self._by_phase: dict[Phase, list[_Armed]] = {}
        self._file: StandingFile | None = None

    def keep(self, folder: Path) -> None:
        """Keep the rules and their counts in a folder, and go on with those that it holds too.

        Raises:
            ConfigError: The folder cannot be written.
            QualityFailure: What it holds cannot be read.
        """
        file = StandingFile(folder)
        kept = file.standing
        self.seed = kept.seed if kept.rules else self.seed
        self._armed |= {rule.name: _Armed(rule, seed, count) for rule, seed, count in kept.rules}
        self._file = file
        self._arrange()

    def close(self) -> None:
        """Let go of the folder."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def apply(self, script: Script) -> None:
        """Set the rules of a script; one of a name that is set takes its place and starts anew."""
        self.seed = script.seed
        for rule in script.rules:
            self._armed[rule.name] = _Armed(rule, script.seed)
        self._arrange()

    def shake(self, seed: int, rates: Mapping[str, object]) -> None:
        """Strike at random, with a probability for each kind of fault, or a table that holds one.

        Rates that were set before are forgotten.

        Raises:
            InvalidInput: A kind cannot be random, or a probability is none.
        """
        script = Script(tuple(_random_rule(kind, rate) for kind, rate in rates.items()), seed)
        self._armed = {
            name: armed for name, armed in self._armed.items() if not name.startswith(_RANDOM)
        }
        self.apply(script)

    def clear(self, name: str | None = None) -> None:
        """Forget one rule, or all of them; the log stays.

        Raises:
            UnknownName: No rule has the name.
        """
        if name is None:
            self._armed.clear()
        elif self._armed.pop(name, None) is None:
            raise UnknownName("rule", name, sorted(self._armed))
        self._arrange()

    def restart(self) -> None:
        """Count and draw from the start again, with the rules that are set and an empty log."""
        self.log.clear()
        self._done = 0
        self._armed = {name: armed.anew() for name, armed in self._armed.items()}
        self._arrange()

    def strikes(self, call: Call, now: datetime) -> Sequence[Rule]:
        """Count a call, and return the rules that strike it in the order of their script."""
        struck: list[Rule] = []
        for armed in self._by_phase.get(call.phase, ()):
            if not armed.rule.match.holds(call, now):
                continue
            if armed.strikes():
                struck.append(armed.rule)
            self._count(armed)
        for rule in struck:
            self.note(rule.name, rule.kind, call, now)
        return struck

    def due(self, now: datetime) -> Sequence[Rule]:
        """Return the rules whose time of the market has come, by time; each comes once."""
        timed = [(armed.due_at, armed) for armed in self._by_phase.get(Phase.TIME, ())]
        come = [(at, armed) for at, armed in timed if at is not None and at <= now]
        come.sort(key=lambda pair: pair[0])
        for _, armed in come:
            armed.struck += 1
            self._count(armed)
        return [armed.rule for _, armed in come]

    def next_due(self, until: datetime) -> datetime | None:
        """When the next rule with a time of the market is due, if it is by `until`."""
        times = [armed.due_at for armed in self._by_phase.get(Phase.TIME, ())]
        return min((at for at in times if at is not None and at <= until), default=None)

    def note(self, rule: str, action: str, call: Call, now: datetime) -> None:
        """Write a fault into the log."""
        self._done += 1
        symbol = ",".join(call.symbols)
        injected = Injected(self._done, now, rule, action, call.label, symbol, call.client_order_id)
        self.log.append(injected)
        if self.record is not None:
            self.record(injected)

    def recall(self, body: Mapping[str, Any]) -> None:
        """Take a fault that was done before a restart back into the log."""
        self._done = int(body["seq"])
        self.log.append(Injected(**{**body, "at": read_moment(body["at"], "at")}))

    def standing(self) -> dict[str, JsonValue]:
        """The rules with how many calls each has counted and struck, as JSON."""
        return {
            "seed": self.seed,
            "rules": [
                {**armed.rule.source, "seen": armed.seen, "struck": armed.struck}
                for armed in self._armed.values()
            ],
            "injected": self._done,
        }

    def _arrange(self) -> None:
        self._by_phase = _by_phase(self._armed.values())
        self.active = bool(self._armed)
        if self._file is not None:
            rules = [(armed.rule, armed.seed, armed.count) for armed in self._armed.values()]
            self._file.write(Standing(self.seed, rules))

    def _count(self, armed: _Armed) -> None:
        if self._file is None:
            return
        self._file.count(armed.rule.name, armed.count)
        if self._file.is_long:
            self._arrange()


def cut(faults: Faults, stream: str, code: int = 0) -> int:
    """Cut every open connection of the streams that a glob names; return how many."""
    named = [line for line in faults.lines if fnmatchcase(line.stream, stream)]
    for line in named:
        line.cut(code)
    return len(named)


class _Armed:
    def __init__(self, rule: Rule, seed: int, count: Count = _NONE) -> None:
        self.rule = rule
        self.seed = seed
        self.phase = rule.phase
        self.seen = count.seen
        self.struck = count.struck
        self._drawn = count.drawn
        # A chance is one step of the generator, so those that were drawn can be stepped over.
        stream = np.random.PCG64([seed, crc32(rule.name.encode())])
        self._chance = np.random.Generator(stream.advance(count.drawn))

    @property
    def count(self) -> Count:
        return Count(self.seen, self.struck, self._drawn)

    def anew(self) -> _Armed:
        return _Armed(self.rule, self.seed)

    def strikes(self) -> bool:
        match = self.rule.match
        self.seen += 1
        if not match.picks(self.seen) or 0 < match.count <= self.struck:
            return False
        if match.probability < 1:
            self._drawn += 1
            if self._chance.random() >= match.probability:
                return False
        self.struck += 1
        return True

    @property
    def due_at(self) -> datetime | None:
        return None if self.struck else self.rule.match.at


def _by_phase(armed: Iterable[_Armed]) -> dict[Phase, list[_Armed]]:
    arranged: dict[Phase, list[_Armed]] = {}
    for each in armed:
        arranged.setdefault(each.phase, []).append(each)
    return arranged


def _random_rule(kind: str, rate: object) -> Rule:
    if kind not in _AT_RANDOM:
        raise UnknownName("rates: kind", kind, sorted(_AT_RANDOM))
    match, arguments = _AT_RANDOM[kind]
    given = dict(rate) if isinstance(rate, Mapping) else {"probability": rate}
    probability = given.pop("probability", None)
    if probability is None:
        remedy = "write a number from 0 to 1, or a table with one"
        raise InvalidInput(f"rates: {kind}.probability", None, "is missing", remedy)
    return read_rule(
        {
            "name": f"{_RANDOM}{kind}",
            "match": {**match, "probability": probability},
            "action": {"do": kind, **arguments, **given},
        }
    )
