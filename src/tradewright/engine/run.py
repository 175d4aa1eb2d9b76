"""RunSpec: everything that makes a run reproducible, and the one way to build its engine.

Backtest, rehearsal and live are built by `assemble` from the same spec, so that nothing about
a decision depends on where it is made.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.core.errors import InvalidInput, MissingData
from tradewright.core.records import to_body
from tradewright.core.session import Timeframe
from tradewright.data.history import History
from tradewright.engine.engine import Engine, Rules
from tradewright.engine.named import named_strategy
from tradewright.engine.view import Served
from tradewright.execution.desk import Desk
from tradewright.execution.venue import VenueModel
from tradewright.features.volatility import volatility
from tradewright.portfolio.construct import Construction
from tradewright.portfolio.costs import CostNames, TradingCosts
from tradewright.portfolio.ledger import Ledger
from tradewright.risk.gate import PreTradeGate
from tradewright.risk.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradewright.core.records import Body
    from tradewright.data.history import MarketData
    from tradewright.strategies.strategy import Strategy

_FINER: Final = (Timeframe.MINUTE, Timeframe.DAY)


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What is run: strategy and parameters, when, with what money, at what costs and limits.

    `first` and `last` are the dates of the first and last session in which orders may trade;
    the strategy is first asked at the close before `first` and last at the close before `last`.
    Where `strategy` is a file and `strategy_sha256` is given, no other text of it is run.
    """

    strategy: str
    parameters: Mapping[str, str]
    first: date
    last: date
    capital: Decimal
    limits: Limits
    commission: str = "ib-fixed"
    slippage_bps: Decimal = Decimal(2)
    volume_share: Decimal | None = None
    construction: Construction = field(default_factory=Construction)
    timeframe: Timeframe = Timeframe.DAY
    data: str = ""
    strategy_sha256: str = ""
    detail: Timeframe | None = None
    """The finer bars that orders fill on, None where that are the bars that are decided on."""
    slippage: str = "fixed"
    """As in `portfolio.costs.names`, as are those below; `slippage_bps` are those of `fixed`."""
    fees: str = "none"
    impact: str = "none"
    borrow: str = "none"
    margin: str = "none"

    def __post_init__(self) -> None:
        """Refuse a run that has no time or no money, or fills where it cannot."""
        if self.last < self.first:
            raise InvalidInput("last", self.last, f"is before first ({self.first})")
        if self.capital <= 0:
            raise InvalidInput("capital", self.capital, "must be positive")
        fine = self.detail is None or (self.detail, self.timeframe) == _FINER
        if not fine:
            rule = f"does not go with decisions on {self.timeframe} bars"
            remedy = "orders of daily decisions fill on minute bars; leave it out else"
            raise InvalidInput("detail", self.detail, rule, remedy)

    def body(self) -> Body:
        """Return the spec as JSON-ready values."""
        return to_body(self)

    @property
    def hash(self) -> str:
        """SHA-256 over the spec's canonical JSON."""
        return hashlib.sha256(json.dumps(self.body(), sort_keys=True).encode()).hexdigest()

    def build_strategy(self) -> Strategy:
        """Return the strategy that the spec names, by its name or by its file."""
        return named_strategy(self.strategy, self.parameters, self.strategy_sha256)

    def venue_model(self) -> VenueModel:
        """Return the simulated venue's assumptions."""
        return VenueModel(self.costs(), self.volume_share)

    def cost_names(self) -> CostNames:
        """Return the names of the cost models."""
        return CostNames(
            self.commission,
            self.slippage,
            self.slippage_bps,
            self.fees,
            self.impact,
            self.borrow,
            self.margin,
        )

    def costs(self) -> TradingCosts:
        """Return what trading and holding costs."""
        return self.cost_names().models()


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a frame that a run lives through: `first` up to and with `last`.

    Trading is possible from `first` on; the row before it is the first that is decided on.
    """

    first: int
    last: int

    @property
    def lives(self) -> range:
        """The rows themselves."""
        return range(self.first, self.last + 1)

    @property
    def decides(self) -> range:
        """The rows at whose close the strategy is asked: there is a later row to trade in."""
        return range(self.first - 1, self.last)


def rows_of(spec: RunSpec, market: MarketData) -> Rows:
    """Find the rows of a run's dates.

    Raises:
        MissingData: The frame has no row in the span, or none before it to decide on.
    """
    frame = market.frame
    dates = [session.date for session in frame.sessions]
    span = bisect_left(dates, spec.first), bisect_right(dates, spec.last)
    first, stop = np.searchsorted(frame.session, span).tolist()
    if first == stop:
        known = f"{dates[0]}..{dates[-1]}" if dates else "nothing"
        raise MissingData(
            market.label,
            f"no bars between {spec.first} and {spec.last} (there are {known})",
            "choose --from and --to within what is there",
        )
    last = stop - 1
    if first == 0 and last > 0:
        first = 1
    if first == 0:
        raise MissingData(market.label, "one row of bars leaves nothing to decide on")
    return Rows(first, last)


def assemble(
    spec: RunSpec, market: MarketData, rows: Rows, *, strategy: Strategy | None = None
) -> Engine:
    """Build the engine of a run; `strategy` replaces the one that the spec names."""
    chosen = strategy or spec.build_strategy()
    if chosen.needs.timeframe is not market.frame.timeframe:
        raise InvalidInput(
            "timeframe",
            market.frame.timeframe.value,
            f"is not what {chosen.id} needs ({chosen.needs.timeframe.value})",
            f"load {chosen.needs.timeframe.value} bars",
        )
    features = list(chosen.needs.features)
    window = spec.construction.sizing.volatility_window
    if window:
        features.append(volatility(window))
    history = History(market.frame, market.actions)
    costs = spec.costs()
    charged = costs.commission if costs.levies is None else costs
    return Engine(
        chosen,
        Served(history, market.calendar, features),
        market.instruments,
        Rules(spec.limits, spec.construction, charged),
        desk=Desk(PreTradeGate()),
        ledger=Ledger(market.instruments),
        decides=rows.decides,
    )
