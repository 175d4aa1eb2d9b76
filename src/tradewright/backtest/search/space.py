"""What is searched: the parameters, the values that each may take, and which sets go together.

A value is text, as `--set` takes it, so that what a search tried is what a run is given. Every
parameter can be reached by a number of [0, 1), its place: samplers and pictures know no more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Final, TypeAlias

from tradewright.core.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tradewright.backtest.search.where import Rule

Set: TypeAlias = "Mapping[str, str]"
"""One value for each parameter, by name."""

_MOST_STEPS: Final = 100_000
_MOST_CORNERS: Final = 4096
_DIGITS: Final = 6
_FEWEST: Final = 2
_FORMS: Final = (
    "write it as fast=5:50:5 (from:to:step), kind=a,b,c, x=uniform:0.1:0.9, x=log:0.001:1, "
    "n=int:5:50 or n=logint:5:500"
)


@dataclass(frozen=True)
class Steps:
    """A parameter that takes one of some values; `ordered` if they are numbers in order."""

    name: str
    values: tuple[str, ...]
    ordered: bool

    @property
    def size(self) -> int:
        """How many values there are."""
        return len(self.values)

    @property
    def ends(self) -> tuple[str, ...]:
        """The values at the edges: first and last of numbers, else all."""
        return (self.values[0], self.values[-1]) if self.ordered else self.values

    def at(self, place: float) -> str:
        """Return the value at a place of [0, 1)."""
        return self.values[min(int(place * len(self.values)), len(self.values) - 1)]

    def place(self, value: str) -> float:
        """Return the middle of the places that give a value."""
        return (self._places[value] + 0.5) / len(self.values)

    def index(self, value: str) -> int:
        """Return where a value stands among the values."""
        return self._places[value]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {value: place for place, value in enumerate(self.values)}


@dataclass(frozen=True, slots=True)
class Span:
    """A parameter that takes any number of [low, high], or any `whole` one.

    Where it is `log`, each factor is as likely as another, not each difference. Numbers are
    written with six digits.
    """

    name: str
    low: float
    high: float
    log: bool = False
    whole: bool = False

    @property
    def size(self) -> int | None:
        """How many values there are; None for a continuum."""
        return int(self.high) - int(self.low) + 1 if self.whole else None

    @property
    def ends(self) -> tuple[str, ...]:
        """The values at the edges."""
        return self.text(self.low), self.text(self.high)

    def at(self, place: float) -> str:
        """Return the value at a place of [0, 1)."""
        low, high = self._edges
        value = low + place * (high - low)
        return self.text(math.exp(value) if self.log else value)

    def place(self, value: str) -> float:
        """Return a place that gives a value."""
        low, high = self._edges
        number = math.log(float(value)) if self.log else float(value)
        return min(max((number - low) / (high - low), 0.0), math.nextafter(1.0, 0.0))

    def text(self, value: float) -> str:
        """Write a number as the parameter takes it."""
        inside = min(max(value, self.low), self.high)
        if self.whole:
            return str(min(max(round(inside), int(self.low)), int(self.high)))
        written = format(inside, f".{_DIGITS}g")
        return written if self.low <= float(written) <= self.high else repr(inside)

    @property
    def _edges(self) -> tuple[float, float]:
        # A whole number owns the half on either side, so that the ends are as likely as the rest.
        low, high = self.low, self.high
        if self.whole:
            low, high = low - 0.5, high + 0.5
        return (math.log(low), math.log(high)) if self.log else (low, high)


Parameter: TypeAlias = Steps | Span


@dataclass(frozen=True, slots=True)
class Space:
    """The parameters that are searched, and the rules that a set must keep."""

    parameters: tuple[Parameter, ...]
    rules: tuple[Rule, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parameters."""
        return tuple(parameter.name for parameter in self.parameters)

    @property
    def size(self) -> int | None:
        """How many sets there are before the rules; None for a continuum."""
        sizes = [parameter.size for parameter in self.parameters]
        return math.prod(size or 0 for size in sizes) if None not in sizes else None

    def keeps(self, chosen: Set) -> bool:
        """Say whether a set keeps all rules.

        Raises:
            InvalidInput: A rule cannot be answered for the set.
        """
        return all(rule(chosen) for rule in self.rules)

    def grid(self) -> Iterator[Set]:
        """Return every set that keeps the rules, the last parameter fastest.

        Raises:
            InvalidInput: A parameter is a continuum.
        """
        steps = [each for each in self.parameters if isinstance(each, Steps)]
        for each in self.parameters:
            if isinstance(each, Span):
                given = f"{each.low:g}:{each.high:g}"
                rule = "has no steps, so it makes no grid"
                remedy = f"write --param {each.name}={given}:STEP, or take another sampler"
                raise InvalidInput(f"--param {each.name}", given, rule, remedy)
        sets = (
            dict(zip(self.names, values, strict=True))
            for values in product(*(each.values for each in steps))
        )
        return (chosen for chosen in sets if self.keeps(chosen))

    def corners(self) -> Iterator[Set]:
        """Yield the sets at the edges of the space, whatever the rules; no more than 4,096."""
        ends = [parameter.ends for parameter in self.parameters]
        if math.prod(len(each) for each in ends) <= _MOST_CORNERS:
            yield from (dict(zip(self.names, one, strict=True)) for one in product(*ends))
            return
        last = {name: each[-1] for name, each in zip(self.names, ends, strict=True)}
        for name, each in zip(self.names, ends, strict=True):
            yield from (last | {name: value} for value in each[:_MOST_CORNERS])


def parameters_of(texts: Sequence[str]) -> tuple[Parameter, ...]:
    """Read parameters, each as `name=` and its values.

    `5:50:5` goes from 5 to 50 by 5, both with it; `a,b,c` is a choice; `uniform:0.1:0.9` and
    `log:0.001:1` are continua, `int:5:50` and `logint:5:500` whole numbers.

    Raises:
        InvalidInput: There is none, one cannot be read, or one is named twice.
    """
    found: dict[str, Parameter] = {}
    for text in texts:
        name, equals, values = (part.strip() for part in text.partition("="))
        if not equals or not name or not values:
            raise InvalidInput("--param", text, "is not name=values", _FORMS)
        if name in found:
            raise InvalidInput("--param", text, f"names {name} twice", "give each once")
        found[name] = _parameter(name, values)
    if not found:
        raise InvalidInput("--param", "", "is missing: nothing would be searched", _FORMS)
    return tuple(found.values())


def _parameter(name: str, text: str) -> Parameter:
    kind, colon, rest = text.partition(":")
    if colon and kind in _SPANS:
        return _span(name, kind, rest)
    if "," in text:
        return _choice(name, [value.strip() for value in text.split(",")])
    if colon:
        return _range(name, text)
    remedy = f"write --set {name}={text} to fix it, or give several values"
    raise InvalidInput(f"--param {name}", text, "is one value, which leaves no choice", remedy)


_SPANS: Final = {
    "uniform": (False, False),
    "log": (True, False),
    "int": (False, True),
    "logint": (True, True),
}


def _span(name: str, kind: str, text: str) -> Span:
    log, whole = _SPANS[kind]
    low, high = _numbers(name, text, 2)
    if low >= high:
        raise _wrong(name, text, "does not rise", "give the lower end first")
    if log and low <= 0:
        raise _wrong(name, text, "does not begin above zero, as a log range must", "raise it")
    if whole and (low % 1 or high % 1):
        raise _wrong(name, text, "has an end that is no whole number", "take uniform or log")
    return Span(name, float(low), float(high), log, whole)


def _range(name: str, text: str) -> Steps:
    low, high, step = _numbers(name, text, 3)
    if step <= 0:
        raise _wrong(name, text, f"has the step {step}, which does not go up", "give one above 0")
    if low >= high:
        raise _wrong(name, text, "does not rise", "give the lower end first")
    count = int((high - low) / step) + 1
    if count > _MOST_STEPS:
        raise _wrong(name, text, f"has {count:,} steps", f"take at most {_MOST_STEPS:,}")
    if count < _FEWEST:
        raise _wrong(name, text, "has no second value", "take a smaller step")
    return Steps(name, tuple(_plain(low + step * i) for i in range(count)), ordered=True)


def _choice(name: str, values: Sequence[str]) -> Steps:
    if "" in values:
        raise _wrong(name, ",".join(values), "has an empty value", "leave no comma over")
    if len(set(values)) < len(values):
        raise _wrong(name, ",".join(values), "has a value twice", "give each once")
    numbers = [_number(value) for value in values]
    rising = [number for number in numbers if number is not None]
    ordered = len(rising) == len(values) and rising == sorted(rising)
    return Steps(name, tuple(values), ordered)


def _numbers(name: str, text: str, count: int) -> list[Decimal]:
    numbers = [_number(part) for part in text.split(":")]
    found = [number for number in numbers if number is not None]
    if len(found) != count or len(found) < len(numbers):
        raise _wrong(name, text, f"is not {count} numbers with colons between", _FORMS)
    return found


def _number(text: str) -> Decimal | None:
    try:
        value = Decimal(text.strip())
    except ArithmeticError:
        return None
    return value if value.is_finite() else None


def _plain(value: Decimal) -> str:
    whole = value == value.to_integral_value()
    return format(value.quantize(Decimal(1)) if whole else value.normalize(), "f")


def _wrong(name: str, text: str, rule: str, remedy: str) -> InvalidInput:
    return InvalidInput(f"--param {name}", text, rule, remedy)
