"""The look-ahead detector: what was decided must not change when the future does.

A run is made again over markets that are the same up to a cut, and after it empty, mirrored or
another. Whatever was computed, decided, ordered or filled up to the cut and differs is a leak. What
a strategy reads from elsewhere, a file of its own say, is not changed with the market: a leak
through it is not seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.backtest.backtest import Backtest
from tradewright.backtest.choice import Way
from tradewright.backtest.validation.worlds import Future, with_future
from tradewright.core.errors import ArraysRefused, ConfigError, InvalidInput, MissingData
from tradewright.data.history import History
from tradewright.engine.run import rows_of
from tradewright.engine.view import Served
from tradewright.strategies.strategy import Selective, Stateful, Weighing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from tradewright.backtest.backtest import Result
    from tradewright.core.frames import BarFrame, FloatArray
    from tradewright.core.ids import InstrumentId
    from tradewright.core.signals import Target
    from tradewright.data.history import MarketData
    from tradewright.engine.run import Rows, RunSpec
    from tradewright.strategies.strategy import MarketView, Strategy

CUTS: Final = 8
_TOLERANCE: Final = 1e-9
# What code that reads past the end of its data commonly raises.
_FAULTS: Final = (ArithmeticError, LookupError, TypeError, ValueError)


class Kind(StrEnum):
    """What differed: a feature's value, a target, an order, a refusal, a fill, or it failed."""

    FEATURE = "feature"
    TARGET = "target"
    ORDER = "order"
    REFUSAL = "refusal"
    FILL = "fill"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Leak:
    """One kind of thing that changed with what came after `cut`.

    `at` and `instrument` are of the earliest that changed, `subject` the feature's name or what
    of the target or order, `was` and `became` its values in the market as it was and with the
    other `future`. `changed` counts all that did; `rows` is from the earliest to the cut: 0 means
    that only what was decided at the cut itself knew of what followed.
    """

    strategy: str
    way: Way
    kind: Kind
    subject: str
    at: datetime
    instrument: str
    cut: datetime
    future: Future
    was: str
    became: str
    changed: int
    rows: int


@dataclass(frozen=True, slots=True)
class Examination:
    """What a look for leaks came to: over which cuts, how many runs, and what leaked.

    `decisions` are instants at which something was decided.
    """

    strategy: str
    ways: tuple[Way, ...]
    cuts: tuple[datetime, ...]
    decisions: int
    runs: int
    leaks: tuple[Leak, ...]

    @property
    def clean(self) -> bool:
        """Whether nothing that was decided depended on what came after."""
        return not self.leaks


def find_leaks(
    spec: RunSpec,
    market: MarketData,
    *,
    way: Way = Way.AUTO,
    build: Callable[[MarketData], Strategy] | None = None,
    cuts: int = CUTS,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Examination:
    """Run a spec over markets with other futures and return what changed before the cuts.

    Cuts are made where something was decided, evenly over the run: what knows only the next row
    shows nowhere else.

    Args:
        spec: What is run.
        market: What it is run on.
        way: `auto` looks at the events, and at the arrays too where they can run it.
        build: Makes the strategy for a market; the one that the spec names unless given.
        cuts: How many rows to cut after.
        seed: Where other futures come from.
        progress: Is told runs done and runs in all.

    Raises:
        InvalidInput: There is no cut to make.
        MissingData: The run decides nothing, so there is nothing to look at.
        ArraysRefused: The arrays alone were wanted and cannot run it.
    """
    if cuts < 1:
        raise InvalidInput("cuts", cuts, "must be at least 1")
    # Finer bars change what a fill costs, and nothing that is decided knows of them.
    spec, market = replace(spec, detail=None), replace(market, detail=None)
    made = build or (lambda _market: spec.build_strategy())
    ways = _ways(spec, market, way, made(market))
    tell = progress or (lambda _done, _total: None)
    total = len(ways) * (1 + cuts * len(Future))
    leaks: list[Leak] = []
    places: list[int] = []
    looked: list[Way] = []
    decisions = runs = 0
    rows = rows_of(spec, market)
    for one in ways:
        try:
            truth = _said(spec, market, made(market), one)
        except ArraysRefused:
            # Some things are refused only on the way.
            if way is Way.ARRAYS:
                raise
            continue
        looked.append(one)
        runs += 1
        decisions = max(decisions, len(truth.decided))
        places = _places(truth, rows, market.frame, cuts)
        for place, future in ((p, f) for p in places for f in Future):
            try:
                found = list(
                    _leaks(_Case(spec, market, made, one, place, future, seed), truth, rows)
                )
            except ArraysRefused:
                continue
            leaks += found
            runs += 1
            tell(runs, max(total, runs))
    known = tuple(market.frame.known(place) for place in places)
    return Examination(made(market).id, tuple(looked), known, decisions, runs, tuple(leaks))


def _ways(spec: RunSpec, market: MarketData, way: Way, strategy: Strategy) -> tuple[Way, ...]:
    if way is Way.EVENTS:
        return (Way.EVENTS,)
    try:
        reason = _why_not(spec, market, strategy)
    except ConfigError:
        if way is Way.ARRAYS:
            raise
        return (Way.EVENTS,)
    if way is Way.ARRAYS:
        if reason is not None:
            raise ArraysRefused(reason)
        return (Way.ARRAYS,)
    return (Way.EVENTS,) if reason is not None else (Way.EVENTS, Way.ARRAYS)


def _why_not(spec: RunSpec, market: MarketData, strategy: Strategy) -> str | None:
    try:
        from tradewright.backtest.arrays import why_not  # noqa: PLC0415 - takes seconds to load
    except ModuleNotFoundError as absent:
        what = f"engine=arrays needs {absent.name}, which is not installed"
        raise ConfigError(what, "pip install 'tradewright[research]'") from absent
    return why_not(spec, market, strategy=strategy)


_Place = tuple["datetime", str, int]


@dataclass(frozen=True, slots=True, eq=False)
class _Said:
    # All that a run computed and decided: columns by kind and name, and things by when and whose.
    columns: Mapping[tuple[Kind, str], FloatArray]
    things: Mapping[Kind, Mapping[_Place, str]]
    decided: Sequence[datetime]


@dataclass(frozen=True, slots=True)
class _Case:
    spec: RunSpec
    market: MarketData
    build: Callable[[MarketData], Strategy]
    way: Way
    cut: int
    future: Future
    seed: int


def _said(spec: RunSpec, market: MarketData, strategy: Strategy, way: Way) -> _Said:
    columns = {(Kind.FEATURE, name): one for name, one in _features(strategy, market).items()}
    targets: dict[_Place, str] = {}
    if way is Way.ARRAYS:
        from tradewright.backtest.arrays.retold import result_of  # noqa: PLC0415 - see above

        columns |= {(Kind.TARGET, name): one for name, one in _wishes(strategy, market).items()}
        result = result_of(spec, market, strategy=strategy)
    else:
        result = Backtest(spec, market, strategy=_heard(strategy, targets)).run()
    things = {Kind.TARGET: targets, **_done(result)}
    decided = sorted({at for at, _, _ in (targets or things[Kind.ORDER])})
    return _Said(columns, things, decided)


def _features(strategy: Strategy, market: MarketData) -> Mapping[str, FloatArray]:
    history = History(market.frame, market.actions)
    return Served(history, market.calendar, strategy.needs.features).features


def _wishes(strategy: Strategy, market: MarketData) -> dict[str, FloatArray]:
    from tradewright.backtest.arrays.columns import (  # noqa: PLC0415 - see above
        Ground,
        MarketColumns,
    )

    columns = MarketColumns(Ground(market), strategy.needs.features)
    if isinstance(strategy, Weighing):
        return {"weights": strategy.weights(columns)}
    if isinstance(strategy, Stateful):
        states = strategy.states(columns)
        return {"states": states.now.astype(np.float64)}
    return {}


def _done(result: Result) -> dict[Kind, Mapping[_Place, str]]:
    orders: dict[_Place, str] = {}
    for state in result.orders.values():
        order = state.order
        what = f"{order.side.value} {order.quantity:f} {order.kind.value}"
        _note(orders, order.decided_at, order.instrument, what)
    refusals: dict[_Place, str] = {}
    for refusal in result.refusals:
        order = refusal.order
        what = f"{refusal.code.value}: {order.side.value} {order.quantity:f}"
        _note(refusals, refusal.at, order.instrument, what)
    fills: dict[_Place, str] = {}
    for fill in result.fills:
        what = f"{fill.side.value} {fill.quantity:f} @ {fill.price:f}"
        _note(fills, fill.at, fill.instrument, what)
    return {Kind.ORDER: orders, Kind.REFUSAL: refusals, Kind.FILL: fills}


def _note(things: dict[_Place, str], at: datetime, name: InstrumentId, what: str) -> None:
    number = 0
    while (at, name, number) in things:
        number += 1
    things[at, str(name), number] = what


def _heard(strategy: Strategy, targets: dict[_Place, str]) -> Strategy:
    if isinstance(strategy, Selective):
        return _HeardSelective(strategy, targets)
    return _Heard(strategy, targets)


class _Heard:
    # A strategy whose answers are noted.
    def __init__(self, inner: Strategy, targets: dict[_Place, str]) -> None:
        self._inner = inner
        self._targets = targets
        self.id, self.needs = inner.id, inner.needs

    def decide(self, view: MarketView) -> Sequence[Target]:
        targets = self._inner.decide(view)
        for target in targets:
            _note(self._targets, target.at, target.instrument, repr(float(target.weight)))
        return targets


class _HeardSelective(_Heard):
    def __init__(self, inner: Selective, targets: dict[_Place, str]) -> None:
        super().__init__(inner, targets)
        self.wakes = inner.wakes


def _places(truth: _Said, rows: Rows, frame: BarFrame, cuts: int) -> list[int]:
    if not truth.decided:
        what = "nothing is decided between the first session and the last"
        raise MissingData("look-ahead", what, "give a longer span, or other parameters")
    decided = np.array([frame.row_at(at) for at in truth.decided])
    decided = decided[(decided >= rows.first - 1) & (decided < rows.last)]
    chosen = decided[np.linspace(0, len(decided) - 1, min(cuts, len(decided))).round().astype(int)]
    every = np.linspace(rows.first - 1, rows.last - 1, cuts).round().astype(int)
    found = dict.fromkeys([*chosen.tolist(), *every.tolist()])
    return sorted(list(found)[: max(cuts, 1)])


def _leaks(case: _Case, truth: _Said, rows: Rows) -> Iterator[Leak]:
    frame = case.market.frame
    until = frame.session_of(case.cut + 1).date
    world = with_future(case.market, case.cut, case.future, case.seed)
    spec = replace(case.spec, last=until)
    try:
        other = _said(spec, world, case.build(world), case.way)
    except ArraysRefused:
        raise
    except _FAULTS as fault:
        what = f"{type(fault).__name__}: {fault}"
        yield _leak(case, Kind.FAILURE, "run", case.cut, "", ("runs", what), 1)
        return
    for (kind, name), column in truth.columns.items():
        yield from _apart(case, kind, name, column, other.columns.get((kind, name)), rows)
    for kind, things in truth.things.items():
        yield from _unlike(case, kind, things, other.things[kind])


def _apart(
    case: _Case,
    kind: Kind,
    name: str,
    own: FloatArray,
    other: FloatArray | None,
    rows: Rows,
) -> Iterator[Leak]:
    # Rows at which something is decided, up to the cut; what stands before warms up.
    span = slice(rows.first - 1, case.cut + 1)
    if other is None:
        yield _leak(case, kind, name, case.cut, "", ("is served", "is not"), 1)
        return
    mine, theirs = own[span], other[span]
    scale = np.maximum(np.abs(mine), np.abs(theirs))
    same = (np.abs(mine - theirs) <= _TOLERANCE * scale) | (mine == theirs)
    same |= np.isnan(mine) & np.isnan(theirs)
    if same.all():
        return
    row, column = np.argwhere(~same)[0].tolist()
    values = (f"{mine[row, column]:.6g}", f"{theirs[row, column]:.6g}")
    instrument = case.market.frame.instruments[column]
    row += span.start
    yield _leak(case, kind, name, row, instrument, values, int((~same).sum()))


def _unlike(
    case: _Case, kind: Kind, own: Mapping[_Place, str], other: Mapping[_Place, str]
) -> Iterator[Leak]:
    frame = case.market.frame
    # At the instant of the cut things are decided, but what is filled then may be so by the next
    # bar, which opens as this one closes.
    until = frame.known(case.cut)

    def before(place: _Place) -> bool:
        return place[0] < until or (place[0] == until and kind is not Kind.FILL)

    mine = {place: what for place, what in own.items() if before(place)}
    theirs = {place: what for place, what in other.items() if before(place)}
    places = sorted(
        place
        for place in mine.keys() | theirs.keys()
        if not _equal(kind, mine.get(place), theirs.get(place))
    )
    if places:
        first = places[0]
        values = (mine.get(first, "none"), theirs.get(first, "none"))
        row = frame.row_at(first[0])
        yield _leak(case, kind, str(kind), row, first[1], values, len(places), first[0])


def _equal(kind: Kind, one: str | None, two: str | None) -> bool:
    if one == two or one is None or two is None or kind is not Kind.TARGET:
        return one == two
    return abs(float(one) - float(two)) <= _TOLERANCE * max(abs(float(one)), abs(float(two)))


def _leak(
    case: _Case,
    kind: Kind,
    subject: str,
    row: int,
    instrument: str,
    values: tuple[str, str],
    changed: int,
    at: datetime | None = None,
) -> Leak:
    frame = case.market.frame
    was, became = values
    return Leak(
        case.spec.strategy,
        case.way,
        kind,
        subject,
        at or frame.known(row),
        instrument,
        frame.known(case.cut),
        case.future,
        was,
        became,
        changed,
        case.cut - row,
    )
