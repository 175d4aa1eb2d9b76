"""A run's numbers explain each other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import AT, WIDE, a_spec, dec
from tests.properties.test_no_look_ahead import NAMES, ROWS, STRATEGIES, a_past, actions
from tradewright.backtest.backtest import Backtest, Result
from tradewright.backtest.replay import Replay
from tradewright.core.events import CashMoved, Filled, SplitApplied
from tradewright.core.events import DividendPaid as Dividend
from tradewright.core.market import CorporateAction
from tradewright.core.money import Money
from tradewright.core.orders import OrderStatus
from tradewright.data.history import MarketData
from tradewright.portfolio.ledger import Ledger


@dataclass
class Case:
    """What a run is made of, small enough to be shown when it fails."""

    seed: int
    actions: list[CorporateAction]
    commission: str
    slippage_bps: int
    volume_share: str | None
    strategy: Any

    def run(self) -> tuple[Result, MarketData]:
        market = replace(a_past(self.seed), actions=tuple(self.actions))
        spec = a_spec(
            market,
            commission=self.commission,
            slippage_bps=dec(self.slippage_bps),
            volume_share=None if self.volume_share is None else dec(self.volume_share),
            limits=replace(WIDE, max_price_age_rows=ROWS),
        )
        return Backtest(spec, market, strategy=self.strategy).run(), market


cases = st.builds(
    Case,
    st.integers(0, 10**6),
    actions(1, ROWS),
    st.sampled_from(["ib-fixed", "none", "percent"]),
    st.sampled_from([0, 2, 50]),
    st.sampled_from([None, "0.0001"]),
    st.sampled_from(STRATEGIES),
)


@settings(max_examples=60)
@given(cases)
def test_the_final_equity_is_the_end_of_the_curve(case: Case) -> None:
    result, _ = case.run()
    assert result.final_equity is not None
    assert float(result.final_equity) == pytest.approx(float(result.equity[-1]), abs=0.005)
    assert float(result.equity[0]) == float(result.spec.capital)


@settings(max_examples=60)
@given(cases)
def test_the_book_is_the_fold_of_fills_and_corporate_actions(case: Case) -> None:
    result, market = case.run()
    ledger = Ledger(market.instruments)
    ledger.apply(CashMoved(Money(result.spec.capital), AT, "opening balance"))
    happened: list[Any] = [Filled(fill.order, fill.at, fill) for fill in result.fills]
    booked = [
        event
        for event in Replay(market.frame, market.actions, first=1)
        if isinstance(event, SplitApplied | Dividend)
    ]
    # What takes effect as a session opens comes before the fills of its open.
    for event in sorted([*booked, *happened], key=lambda event: event.at):
        ledger.apply(event)
    assert result.book == ledger.snapshot()


@settings(max_examples=60)
@given(cases)
def test_every_order_of_a_run_has_come_to_its_end_and_no_fill_is_a_strangers(case: Case) -> None:
    result, _ = case.run()
    for state in result.orders.values():
        assert state.status in (OrderStatus.FILLED, OrderStatus.EXPIRED, OrderStatus.CANCELED)
        mine = [fill.quantity for fill in result.fills if fill.order == state.order.id]
        assert sum(mine) == state.filled
    assert {fill.order for fill in result.fills} <= set(result.orders)
    assert {fill.instrument for fill in result.fills} <= set(NAMES)
