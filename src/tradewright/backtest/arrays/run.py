"""Runs over whole columns: one spec, or one spec with many sets of parameters.

The loop is started at the coarsest scale that may do, and again at a finer one if a price does
not fit; what it leaves open the referee decides.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import product
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tradewright.backtest.arrays.columns import Ground, MarketColumns
from tradewright.backtest.arrays.facts import (
    SCALES,
    objection,
    rule_facts,
    wish_facts,
)
from tradewright.backtest.arrays.kernels import live
from tradewright.backtest.arrays.market import market_facts
from tradewright.backtest.arrays.referee import Referee
from tradewright.backtest.arrays.state import (
    ALERT_FACTS,
    ALERTS,
    CASH,
    CURSORS,
    DONE,
    FILL_FACTS,
    FILLS,
    GIVEN,
    OFF_GRID,
    OPENING,
    ORDER_FACTS,
    ORDERS,
    PARTIAL_SHARES,
    PENDING,
    REFUSAL_FACTS,
    REFUSALS,
    ROOM_WANTED,
    ROW,
    ROW_ASKED,
    TOO_LARGE,
    WORKING,
    Account,
    Logs,
)
from tradewright.core.errors import ArraysRefused
from tradewright.engine.run import rows_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tradewright.backtest.arrays.state import Rules, Wishes
    from tradewright.core.decisions import Refusal
    from tradewright.core.frames import FloatArray, IntArray
    from tradewright.data.history import MarketData
    from tradewright.engine.run import Rows, RunSpec
    from tradewright.strategies.strategy import Strategy

_ROOM: Final = 1024
_ROWS_PER_ORDER: Final = 16
_WHY: Final = {
    TOO_LARGE: "an amount does not fit sixty-four bits",
    PARTIAL_SHARES: "a volume is no whole number of shares",
}


@dataclass(frozen=True, slots=True, eq=False)
class ArrayResult:
    """What a run came to, as columns; `retold` makes the engine's own objects of it.

    `orders`, `fills`, `refusals` and `alerts` are tables of whole numbers whose columns `state`
    names, prices and cash in units of 1 / `scale` dollar. `equity` and `invested` [row] are at
    each close in float currency, from the row before the first that could trade. `final_equity`
    is exact; `asked` is how often something was decided by the engine's own code.
    """

    spec: RunSpec
    market: MarketData
    rows: Rows
    scale: int
    orders: IntArray
    fills: IntArray
    refusals: IntArray
    alerts: IntArray
    equity: FloatArray
    invested: FloatArray
    cash: Decimal
    held: IntArray
    final_equity: Decimal | None
    told: Sequence[Refusal]
    asked: int

    @property
    def times(self) -> IntArray:
        """The ends of the rows of the curve, in nanoseconds."""
        return self.market.frame.end[self.rows.first - 1 : self.rows.last + 1]


@dataclass(frozen=True, slots=True, eq=False)
class Sweep:
    """What each set of parameters came to, in the order of `parameters`.

    `equity` (sets, sessions) is at the last close of each session, whose ends are `times`.
    """

    parameters: Sequence[Mapping[str, str]]
    orders: IntArray
    fills: IntArray
    refusals: IntArray
    final_equity: Sequence[Decimal | None]
    times: IntArray
    equity: FloatArray


def run_arrays(
    spec: RunSpec,
    market: MarketData,
    *,
    strategy: Strategy | None = None,
    ground: Ground | None = None,
    tells: bool = False,
) -> ArrayResult:
    """Run a spec over whole columns.

    Args:
        spec: What is run.
        market: What it is run on.
        strategy: Stands for the one that the spec names.
        ground: What was computed for other runs over the same market.
        tells: Keep each refusal with its numbers, at the cost of deciding its row exactly.

    Raises:
        ArraysRefused: It cannot be run so that it equals the engine that trades.
    """
    run = _Run(spec, market, strategy, ground, np.empty(0, dtype=np.int64))
    return run.finished(strategy or spec.build_strategy(), run.blank(), tells=tells)[0]


def sweep(
    spec: RunSpec,
    market: MarketData,
    grid: Mapping[str, Sequence[Any]] | Iterable[Mapping[str, Any]],
    *,
    threads: int | None = None,
) -> Sweep:
    """Run a spec with many sets of parameters: all of a grid, or those that are listed.

    Each set is laid over the parameters of the spec. What sets share is computed once, and of
    each set no more is kept than is returned.

    Args:
        spec: What is run.
        market: What it is run on.
        grid: Values by name of a parameter, or sets of parameters.
        threads: How many at once; as many as there are processors for us unless told.

    Raises:
        ArraysRefused: A set cannot be run so that it equals the engine that trades.
        InvalidInput: The strategy refuses a set.
    """
    sets = [dict(spec.parameters) | one for one in _sets(grid)]
    rows = rows_of(spec, market)
    numbers = market.frame.session[rows.first : rows.last + 1]
    closes = np.append(np.flatnonzero(np.diff(numbers)), len(numbers) - 1) + rows.first
    counts = np.zeros((3, len(sets)), dtype=np.int64)
    finals: list[Decimal | None] = [None] * len(sets)
    equity = np.empty((len(sets), len(closes)))
    if sets:
        specs = [replace(spec, parameters=one) for one in sets]
        run = _Run(specs[0], market, None, Ground(market, keeps=True), closes)

        def work(places: range) -> None:
            logs = run.blank()
            for place in places:
                strategy = specs[place].build_strategy()
                done, logs = run.finished(strategy, logs)
                counts[:, place] = len(done.orders), len(done.fills), len(done.refusals)
                finals[place] = done.final_equity
                equity[place] = done.equity

        side_by_side = min(threads or len(os.sched_getaffinity(0)), len(sets))
        shares = [range(first, len(sets), side_by_side) for first in range(side_by_side)]
        with ThreadPoolExecutor(side_by_side) as pool:
            # Told of each, so that what one raises is raised here.
            list(pool.map(work, shares))
    orders, fills, refusals = counts
    return Sweep(sets, orders, fills, refusals, finals, market.frame.end[closes], equity)


def _sets(
    grid: Mapping[str, Sequence[Any]] | Iterable[Mapping[str, Any]],
) -> list[dict[str, str]]:
    if isinstance(grid, Mapping):
        names = list(grid)
        grid = [dict(zip(names, values, strict=True)) for values in product(*grid.values())]
    return [{name: str(value) for name, value in one.items()} for one in grid]


class _Run:
    # One market and one spec but for its strategy, lived through as often as is wanted.
    def __init__(
        self,
        spec: RunSpec,
        market: MarketData,
        strategy: Strategy | None,
        ground: Ground | None,
        marks: IntArray,
    ) -> None:
        ground = ground or Ground(market)
        reason = objection(spec, ground, strategy or spec.build_strategy())
        if reason is not None:
            raise ArraysRefused(reason)
        self._spec = spec
        self._ground = ground
        self._rows = rows_of(spec, market)
        self._market, self._opening = market_facts(
            market, ground.deeds, self._rows, prompt=ground.pace[1]
        )
        self._marks = marks
        self._counted: dict[tuple[int, bool], Rules] = {}

    def finished(
        self, strategy: Strategy, logs: Logs, *, tells: bool = False
    ) -> tuple[ArrayResult, Logs]:
        # The result is written into the logs, which may have had to grow.
        ground, spec = self._ground, self._spec
        columns = MarketColumns(ground, strategy.needs.features)
        wishes = wish_facts(strategy, columns, ground, spec.construction.sizing)
        for scale in SCALES:
            if spec.capital * scale % 1:
                continue
            rules = self._rules(scale, tells=tells)
            referee = Referee(self._ground, self._spec, strategy, scale)
            account = self._opened(scale)
            said, logs = self._lived(wishes, rules, account, logs, referee)
            if said in _WHY:
                raise ArraysRefused(_WHY[said])
            if said == DONE:
                return self._result(account, logs, referee, scale), logs
        what = "a price or the capital has more than eight decimals or fifteen digits"
        raise ArraysRefused(what)

    def _lived(
        self, wishes: Wishes, rules: Rules, account: Account, logs: Logs, referee: Referee
    ) -> tuple[int, Logs]:
        while (said := live(self._market, wishes, rules, account, logs)) != DONE:
            if said == ROOM_WANTED:
                logs = _roomier(logs, account)
            elif said == ROW_ASKED:
                referee.decide(account, logs, wishes)
            elif said == OFF_GRID or said in _WHY:
                return said, logs
            else:
                action = self._opening[account.at[OPENING]]
                referee.act(account, self._ground.deeds.actions[action])
        return said, logs

    def _rules(self, scale: int, *, tells: bool) -> Rules:
        key = scale, tells
        if key not in self._counted:
            self._counted[key] = rule_facts(self._spec, self._rows, scale, tells=tells)
        return self._counted[key]

    def _opened(self, scale: int) -> Account:
        count = len(self._ground.market.frame.instruments)
        at = np.zeros(CURSORS, dtype=np.int64)
        at[ROW] = at[PENDING] = self._rows.first - 1
        at[GIVEN] = -1
        at[CASH] = int(self._spec.capital * scale)
        zeros = np.zeros((5, count), dtype=np.int64)
        unknown = np.full((4, count), -1, dtype=np.int64)
        wanted = np.zeros((2, count, 3), dtype=np.int64)
        return Account(
            at,
            held=zeros[0],
            buys=zeros[1],
            sells=zeros[2],
            open_orders=zeros[3],
            used=zeros[4],
            seen=unknown[0],
            checked=unknown[1],
            curve_seen=unknown[2],
            curve_checked=unknown[3],
            wanted=wanted[0],
            spare=wanted[1],
        )

    def blank(self) -> Logs:
        lived = self._rows.last - self._rows.first + 2
        # Memory that is not written to costs nothing; to make room again and again does.
        room = _ROOM + 2 * len(self._ground.market.frame.instruments) + lived // _ROWS_PER_ORDER
        length = len(self._marks) or lived
        return Logs(
            np.empty((room, ORDER_FACTS), dtype=np.int64),
            np.empty((room, FILL_FACTS), dtype=np.int64),
            np.empty((room, REFUSAL_FACTS), dtype=np.int64),
            np.empty((room, ALERT_FACTS), dtype=np.int64),
            np.empty(room, dtype=np.int64),
            self._marks,
            np.empty(length),
            np.empty(length),
        )

    def _result(self, account: Account, logs: Logs, referee: Referee, scale: int) -> ArrayResult:
        at = account.at
        return ArrayResult(
            spec=self._spec,
            market=self._ground.market,
            rows=self._rows,
            scale=scale,
            orders=logs.orders[: at[ORDERS]],
            fills=logs.fills[: at[FILLS]],
            refusals=logs.refusals[: at[REFUSALS]],
            alerts=logs.alerts[: at[ALERTS]],
            equity=logs.equity,
            invested=logs.invested,
            cash=Decimal(int(at[CASH])) / scale,
            held=account.held,
            final_equity=referee.equity(account, self._rows.last),
            told=referee.refusals,
            asked=referee.asked,
        )


def _roomier(logs: Logs, account: Account) -> Logs:
    # Twice the room of what is nearly full.
    at, more = account.at, len(account.held)

    def grown(table: IntArray, used: int) -> IntArray:
        if used + more <= len(table):
            return table
        bigger = np.empty((2 * len(table), *table.shape[1:]), dtype=np.int64)
        bigger[:used] = table[:used]
        return bigger

    orders, working = int(at[ORDERS]), int(at[WORKING])
    fills = logs.fills
    while int(at[FILLS]) + working > len(fills):
        bigger = np.empty((2 * len(fills), FILL_FACTS), dtype=np.int64)
        bigger[: at[FILLS]] = fills[: at[FILLS]]
        fills = bigger
    return logs._replace(
        orders=grown(logs.orders, orders),
        fills=fills,
        refusals=grown(logs.refusals, int(at[REFUSALS])),
        alerts=grown(logs.alerts, int(at[ALERTS])),
        working=grown(logs.working, working),
    )
