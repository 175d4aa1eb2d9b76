"""What a set of parameters comes to: the job that workers do, over columns or by the engine.

Both ways give the same numbers. A set that the strategy refuses, or whose own code breaks, is an
outcome; anything else that goes wrong concerns the whole search and is raised.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.analytics.returns import performance, simple_returns
from tradewright.backtest.choice import Way, run_backtest
from tradewright.backtest.search.trials import State
from tradewright.backtest.summary import annual_turnover, session_curve, traded_value
from tradewright.core.errors import ArraysRefused, ConfigError, InvalidInput, UnknownName
from tradewright.engine.named import named_strategy, strategy_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewright.backtest.search.space import Space
    from tradewright.core.frames import FloatArray
    from tradewright.data.history import MarketData
    from tradewright.engine.run import RunSpec

OF_BOOKS: Final = frozenset({"turnover", "fees", "dividends"})
"""Numbers that a sweep over columns does not keep: they need the run's fills and book."""

_FAULTS: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
_SPOIL: Final = (*_FAULTS, ImportError)
_CELLS: Final = 40_000_000
_FEWEST: Final = 16
_MOST: Final = 256


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What one set came to; `measures` and `returns` are there only where it ran."""

    state: State
    measures: Mapping[str, float | None] = field(default_factory=dict)
    returns: FloatArray | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """A spec and a market, called with sets of parameters that are laid over the spec's own.

    `whole` runs each set on its own and measures its book as well.
    """

    spec: RunSpec
    market: MarketData
    way: Way
    whole: bool = False

    @property
    def at_once(self) -> int:
        """How many sets a piece of work should hold: one run by the engine is work enough."""
        if self.way is Way.EVENTS or self.whole:
            return 1
        cells = max(self.market.frame.close.size, 1)
        return max(_FEWEST, min(_MOST, _CELLS // cells))

    def __call__(self, sets: Sequence[Mapping[str, str]]) -> list[Outcome]:
        """Return what each set came to, in the order of the sets.

        Raises:
            ArraysRefused: The way is arrays alone and they cannot run a set equally.
            ConfigError: The way is arrays alone and they are not installed.
            DataError: The market cannot be trusted.
            InvalidInput: The strategy's file is not the one that is searched.
        """
        self._check_file()
        specs = [
            replace(self.spec, parameters=dict(self.spec.parameters) | dict(one)) for one in sets
        ]
        refused = [self._refused(spec) for spec in specs]
        sound = [spec for spec, outcome in zip(specs, refused, strict=True) if outcome is None]
        ran = iter(self._ran(sound))
        return [outcome or next(ran) for outcome in refused]

    def _check_file(self) -> None:
        wanted = self.spec.strategy_sha256
        file = strategy_file(self.spec.strategy) if wanted else None
        if file is not None and file.sha256 != wanted:
            rule = "is not the file that the search began with"
            raise InvalidInput("--strategy", self.spec.strategy, rule, "search anew")

    def _refused(self, spec: RunSpec) -> Outcome | None:
        try:
            spec.build_strategy()
        except InvalidInput as error:
            return Outcome(State.REFUSED, reason=str(error))
        return None

    def _ran(self, specs: Sequence[RunSpec]) -> list[Outcome]:
        if self.way is Way.EVENTS or self.whole or not specs:
            return [self._alone(spec) for spec in specs]
        try:
            return self._swept(specs)
        except _SPOIL:
            # One set spoils a sweep: which one it was is found by running each.
            return [self._alone(spec) for spec in specs]

    def _swept(self, specs: Sequence[RunSpec]) -> list[Outcome]:
        from tradewright.backtest.arrays import sweep  # noqa: PLC0415 - takes seconds to load

        done = sweep(self.spec, self.market, [spec.parameters for spec in specs])
        opening = np.full((len(specs), 1), float(self.spec.capital))
        curves = np.hstack((opening, done.equity))
        counts = zip(done.final_equity, done.orders, done.fills, done.refusals, strict=True)
        return [
            _outcome(
                curve,
                {
                    "final_equity": None if final is None else float(final),
                    "orders": int(orders),
                    "fills": int(fills),
                    "refusals": int(refusals),
                },
            )
            for curve, (final, orders, fills, refusals) in zip(curves, counts, strict=True)
        ]

    def _alone(self, spec: RunSpec) -> Outcome:
        market = self.market
        try:
            result = run_backtest(spec, market, self.way)
        except ArraysRefused:
            raise
        except InvalidInput as error:
            return Outcome(State.REFUSED, reason=str(error))
        except _FAULTS as fault:
            return Outcome(State.FAILED, reason=f"{type(fault).__name__}: {fault}")
        curve = session_curve(result, market)
        final = result.final_equity
        counted: dict[str, float | None] = {
            "final_equity": None if final is None else float(final),
            "orders": len(result.orders),
            "fills": len(result.fills),
            "refusals": len(result.refusals),
        }
        if self.whole:
            turnover = annual_turnover(traded_value(result.fills, market), curve.equity)
            counted |= {
                "turnover": _number(turnover),
                "fees": float(result.book.fees),
                "dividends": float(result.book.dividends),
            }
        return _outcome(curve.equity, counted)


def settled_way(way: Way, spec: RunSpec, market: MarketData) -> Way:
    """Return how a search is run: by events where the compiled path cannot run its spec.

    Raises:
        ArraysRefused: The way is arrays alone and they cannot run it equally.
        ConfigError: The way is arrays alone and they are not installed.
    """
    if way is Way.EVENTS:
        return way
    try:
        from tradewright.backtest.arrays import why_not  # noqa: PLC0415 - takes seconds to load
    except ModuleNotFoundError as absent:
        if way is Way.AUTO:
            return Way.EVENTS
        what = f"engine=arrays needs {absent.name}, which is not installed"
        raise ConfigError(what, "pip install 'tradewright[research]'") from absent
    reason = f"its orders fill on {spec.detail} bars" if spec.detail else why_not(spec, market)
    if reason is None:
        return way
    if way is Way.ARRAYS:
        raise ArraysRefused(reason)
    return Way.EVENTS


def longest_set(strategy: str, fixed: Mapping[str, str], space: Space) -> Mapping[str, str]:
    """Return the set, of those at the edges, that looks back the furthest.

    It says from when on every set can decide, so that all are compared over the same sessions.

    Raises:
        UnknownName: The strategy has no such parameter.
        InvalidInput: The strategy refuses every one of them.
    """
    found: tuple[int, Mapping[str, str]] | None = None
    refused: InvalidInput | None = None
    for chosen in space.corners():
        try:
            rows = named_strategy(strategy, {**fixed, **chosen}).needs.rows
        except UnknownName:
            raise
        except InvalidInput as error:
            refused = refused or error
            continue
        if found is None or rows > found[0]:
            found = rows, chosen
    if found is None:
        raise refused or InvalidInput("--param", "", "has no set")
    return found[1]


def _outcome(equity: FloatArray, counted: Mapping[str, float | None]) -> Outcome:
    known = performance(equity)
    measured = {
        "total_return": known.total_return,
        "cagr": known.cagr,
        "volatility": known.volatility,
        "sharpe": known.sharpe,
        "sortino": known.sortino,
        "calmar": known.calmar,
        "max_drawdown": known.drawdown.depth,
        "hit_rate": known.hit_rate,
    }
    numbers = {name: _number(value) for name, value in measured.items()}
    return Outcome(State.DONE, {**numbers, **counted}, simple_returns(equity))


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
