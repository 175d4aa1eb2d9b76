"""The referee: decides exactly, by the engine's own code, what the compiled loop leaves open.

It reads the account as the loop left it, asks `construct`, the gate and the ledger, and writes
their answers where the loop takes them up.
"""

from __future__ import annotations

from copy import copy
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Final

from tradewright.backtest.arrays.state import (
    ALERTS,
    BUYING_POWER,
    CASH,
    COLUMN,
    DELTA,
    FILLED,
    GIVEN,
    GROSS_EXPOSURE,
    HELD,
    MARKET_UNKNOWN,
    NET_EXPOSURE,
    NOT_SHORTABLE,
    NOT_TRADABLE,
    OPENING,
    ORDER_SIZE,
    POSITION_SIZE,
    PRICE_STALE,
    ROW,
    UNSIZED,
    WORKING,
)
from tradewright.core.decisions import Refusal, RefusalCode
from tradewright.core.errors import MissingData
from tradewright.core.events import DividendPaid, SplitApplied
from tradewright.core.ids import FillId, OrderId
from tradewright.core.market import CashDividend, Split
from tradewright.core.money import ZERO, Money, Price, Quantity
from tradewright.core.orders import Fill, Side
from tradewright.core.signals import Target
from tradewright.features.volatility import volatility
from tradewright.portfolio.construct import Holdings, construct
from tradewright.portfolio.ledger import Ledger
from tradewright.risk.checks import RiskContext
from tradewright.risk.gate import PreTradeGate
from tradewright.risk.reservation import Exposure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date, datetime

    from tradewright.backtest.arrays.columns import Ground
    from tradewright.backtest.arrays.state import Account, Logs, Wishes
    from tradewright.core.ids import InstrumentId
    from tradewright.core.market import CorporateAction
    from tradewright.core.orders import Order
    from tradewright.data.history import History
    from tradewright.engine.run import RunSpec
    from tradewright.portfolio.construct import Plan
    from tradewright.portfolio.costs import Commission
    from tradewright.strategies.strategy import Strategy

_OPENED_AT: Final = Price(Decimal(1))

CODES: Final[Mapping[int, RefusalCode]] = {
    MARKET_UNKNOWN: RefusalCode.MARKET_UNKNOWN,
    NOT_TRADABLE: RefusalCode.INSTRUMENT_NOT_TRADABLE,
    NOT_SHORTABLE: RefusalCode.NOT_SHORTABLE,
    PRICE_STALE: RefusalCode.PRICE_STALE,
    ORDER_SIZE: RefusalCode.ORDER_SIZE,
    POSITION_SIZE: RefusalCode.POSITION_SIZE,
    GROSS_EXPOSURE: RefusalCode.GROSS_EXPOSURE,
    NET_EXPOSURE: RefusalCode.NET_EXPOSURE,
    BUYING_POWER: RefusalCode.BUYING_POWER,
    BUYING_POWER + 1: RefusalCode.PRICE_MISSING,
    BUYING_POWER + 2: RefusalCode.EQUITY_UNKNOWN,
}
"""What the loop's verdicts mean; the last two only the referee gives."""
_VERDICTS: Final = {code: number for number, code in CODES.items()}


class Referee:
    """The engine's code, asked about single rows and actions of one run."""

    def __init__(self, ground: Ground, spec: RunSpec, strategy: Strategy, scale: int) -> None:
        """Keep what the engine would be built of."""
        self.refusals: list[Refusal] = []
        self.asked = 0
        self._row = 0
        self._ground = ground
        self._spec = spec
        self._strategy = strategy
        self._scale = scale
        self._frame = ground.market.frame
        self._instruments = ground.market.instruments
        self._gate = PreTradeGate()

    @cached_property
    def _history(self) -> History:
        # Of our own, since each run stands at a row of its own.
        return copy(self._ground.history)

    @cached_property
    def _commission(self) -> Commission:
        return self._spec.venue_model().costs.commission

    def decide(self, account: Account, logs: Logs, wishes: Wishes) -> None:
        """Decide a row: its orders, refusals and unsized targets."""
        row = int(account.at[ROW])
        self.asked += 1
        self._row = row
        at = self._frame.known(row)
        working = list(self._working(account, logs))
        exposure = Exposure(self._cash(account), self._held(account), working, self._price)
        plan = self._plan(self._targets(account, wishes, row, at), exposure, account, working)
        is_open, trades_on = self._market(at)
        for place, order in enumerate(plan.orders):
            context = self._context(order, exposure, at, (is_open, trades_on))
            answer = self._gate.check(order, context)
            sign = order.side.sign
            column = self._frame.index(order.instrument)
            account.wanted[place] = column, sign * int(order.quantity), 0
            if isinstance(answer, Refusal):
                self.refusals.append(answer)
                account.wanted[place, 2] = _VERDICTS[answer.code]
            elif len(plan.orders) > 1:
                exposure.add(order.instrument, order.side, order.quantity)
        first = int(account.at[ALERTS])
        for i, target in enumerate(plan.unsized):
            logs.alerts[first + i] = row, self._frame.index(target.instrument)
        account.at[UNSIZED] = len(plan.unsized)
        account.at[GIVEN] = len(plan.orders)

    def act(self, account: Account, action: CorporateAction) -> None:
        """Book a dividend or a split, and go past it."""
        self.asked += 1
        column = self._frame.index(action.instrument)
        row, held = int(account.at[ROW]), Decimal(int(account.held[column]))
        at = self._frame.session_of(row).open
        ledger = Ledger(self._instruments)
        side = Side.BUY if held > 0 else Side.SELL
        opened = Quantity(abs(held))
        nothing = Money(ZERO)
        ledger.book(
            Fill(FillId(""), OrderId(""), action.instrument, side, opened, _OPENED_AT, nothing, at)
        )
        before = ledger.cash
        if isinstance(action, CashDividend):
            ledger.apply(DividendPaid(action, at))
        elif isinstance(action, Split):
            last = self._frame.last_price(row - 1, column)
            if last is not None:
                ledger.apply(SplitApplied(action, last[0], at))
        left = int(ledger.quantities.get(action.instrument, ZERO))
        account.at[CASH] += int((ledger.cash - before) * self._scale)
        account.held[column] = left
        account.at[HELD] -= not left
        account.at[OPENING] += 1

    def equity(self, account: Account, row: int) -> Decimal | None:
        """Return the exact equity at the last prices known at a row."""
        self._row = row
        return Exposure(self._cash(account), self._held(account), (), self._price).equity

    def _cash(self, account: Account) -> Decimal:
        return Decimal(int(account.at[CASH])) / self._scale

    def _held(self, account: Account) -> dict[InstrumentId, Decimal]:
        names = self._frame.instruments
        columns = account.held.nonzero()[0].tolist()
        return {names[i]: Decimal(int(account.held[i])) for i in columns}

    def _working(
        self, account: Account, logs: Logs
    ) -> Iterator[tuple[InstrumentId, Side, Decimal]]:
        for order in logs.working[: account.at[WORKING]].tolist():
            facts = logs.orders[order]
            rest = int(facts[DELTA] - facts[FILLED])
            side = Side.BUY if rest > 0 else Side.SELL
            yield self._frame.instruments[facts[COLUMN]], side, Decimal(abs(rest))

    def _last(self, instrument: InstrumentId) -> tuple[Decimal, int] | None:
        # The last price and its age in rows. History is needed where a split may lie between
        # alone: to make it costs more than the rest of a run.
        column, row = self._frame.index(instrument), self._row
        price = self._frame.price(row, column)
        if price is not None:
            return price, 0
        if not self._ground.is_split(column):
            found = self._frame.last_price(row, column)
            return None if found is None else (found[0], row - found[1])
        self._history.row = self._row
        return self._history.price(column)

    def _price(self, instrument: InstrumentId) -> Decimal | None:
        found = self._last(instrument)
        return None if found is None else found[0]

    def _volatility(self, instrument: InstrumentId) -> Decimal | None:
        window = self._spec.construction.sizing.volatility_window
        values = self._ground.feature(volatility(window))
        value = values.item(self._row, self._frame.index(instrument))
        return Decimal(repr(value)) if value == value else None  # noqa: PLR0124 - not NaN

    def _targets(self, account: Account, wishes: Wishes, row: int, at: datetime) -> list[Target]:
        targets = []
        for column, name in enumerate(self._frame.instruments):
            if len(wishes.weights):
                weight = wishes.weights.item(row, column)
            else:
                levels = wishes.held if account.held[column] else wishes.flat
                weight = levels.item(wishes.now.item(row, column))
            if weight == weight:  # noqa: PLR0124 - not NaN
                targets.append(Target(self._strategy.id, name, at, weight))
        return targets

    def _plan(
        self,
        targets: Sequence[Target],
        exposure: Exposure,
        account: Account,
        working: Sequence[tuple[InstrumentId, Side, Decimal]],
    ) -> Plan:
        netted: dict[InstrumentId, Decimal] = {}
        for name, side, quantity in working:
            netted[name] = netted.get(name, ZERO) + side.sign * quantity
        held = self._held(account)
        holdings = Holdings(exposure.equity, held, netted, self._price, self._volatility)
        return construct(targets, holdings, self._instruments, self._spec.construction)

    def _market(self, at: datetime) -> tuple[bool | None, date | None]:
        calendar = self._ground.market.calendar
        try:
            session = calendar.session_at(at)
            if session is None:
                return False, calendar.next_session(at).date
        except MissingData:
            return None, None
        return True, session.date

    def _context(
        self,
        order: Order,
        exposure: Exposure,
        at: datetime,
        market: tuple[bool | None, date | None],
    ) -> RiskContext:
        name = order.instrument
        found = self._last(name)
        return RiskContext(
            at,
            self._spec.limits,
            stopped=False,
            market_open=market[0],
            trades_on=market[1],
            instrument=self._instruments.get(name),
            halted=False,
            price=None if found is None else found[0],
            price_age=0 if found is None else found[1],
            exposure=exposure,
            commission=self._commission,
            reduces=order.quantity <= exposure.reducible(name, order.side),
        )
