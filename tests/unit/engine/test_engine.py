"""Decide, construct, check and apply, composed: event in, commands out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from tests.builders import (
    AAA,
    AT,
    BBB,
    MOMENT,
    NAN,
    WIDE,
    Planned,
    a_fill,
    a_market,
    a_spec,
    cash,
    dec,
    flat_bars,
)
from tradewright.core.decisions import Approved, Refusal, RefusalCode
from tradewright.core.events import (
    Accepted,
    Alert,
    BarClosed,
    BarOpened,
    Canceled,
    CashMoved,
    Command,
    Delisted,
    DividendPaid,
    Event,
    Filled,
    FillReversed,
    Record,
    Rejected,
    SplitApplied,
    Submit,
    Submitted,
    SwitchChanged,
    TradabilityChanged,
    VenueChanged,
)
from tradewright.core.ids import FillId, InstrumentId, OrderId, VenueOrderId
from tradewright.core.market import CashDividend, CorporateAction, Delisting, Split
from tradewright.core.money import Price, Quantity
from tradewright.core.orders import Order, OrderStatus, Side, TimeInForce
from tradewright.core.session import Calendar, Timeframe
from tradewright.engine.engine import Engine
from tradewright.engine.run import assemble, rows_of
from tradewright.portfolio.construct import Construction
from tradewright.portfolio.costs import PerShare
from tradewright.portfolio.sizing import VolatilityTarget
from tradewright.risk.switches import GLOBAL
from tradewright.strategies.strategy import Needs

Weights = Mapping[int, Mapping[str, float]]
OPENED = CashMoved(cash("10000"), AT, "opening balance")
CLEAR = SwitchChanged(GLOBAL, engaged=False, at=AT)


class Run:
    """An engine over flat bars that decides by plan; rows are counted from 0."""

    def __init__(
        self,
        closes: Mapping[str, Sequence[float]],
        weights: Weights,
        *actions: CorporateAction,
        changes: Mapping[str, Any] | None = None,
        **spec: Any,
    ) -> None:
        market = a_market({name: flat_bars(row) for name, row in closes.items()}, *actions)
        self.market = replace(market, **(changes or {}))
        days = [session.date for session in market.frame.sessions]
        self.strategy = Planned({days[row]: wanted for row, wanted in weights.items()})
        spec_ = a_spec(market, **spec)
        rows = rows_of(spec_, self.market)
        self.engine: Engine = assemble(spec_, self.market, rows, strategy=self.strategy)
        self.handle(OPENED)
        self.handle(CLEAR)

    def handle(self, event: Event) -> tuple[Command, ...]:
        return self.engine.handle(event)

    def close(self, row: int) -> tuple[Command, ...]:
        return self.handle(BarClosed(self.market.frame, row))

    def orders(self, row: int) -> list[Order]:
        commands = self.close(row)
        assert all(isinstance(command, Submit) for command in commands), commands
        return [c.approved.order for c in commands if isinstance(c, Submit)]

    def fill(self, order: Order, price: str | int = 100) -> None:
        at = order.decided_at
        self.handle(Submitted(order.id, at))
        self.handle(Accepted(order.id, at, VenueOrderId("v")))
        fill = a_fill(
            order.side,
            str(order.quantity),
            price,
            id=FillId(f"fill of {order.id}"),
            order=order.id,
            instrument=order.instrument,
        )
        self.handle(Filled(order.id, at, fill))


ALL = {"AAA": 1.0}


def test_a_decision_becomes_an_approved_order() -> None:
    run = Run({"AAA": [100.0, 100.0]}, {0: ALL})
    (submit,) = run.close(0)
    assert isinstance(submit, Submit)
    assert isinstance(submit.approved, Approved)
    order = submit.approved.order
    assert (order.side, order.instrument, order.quantity) == (Side.BUY, AAA, dec(100))
    assert order.decided_at == submit.approved.at == run.market.frame.known(0)
    assert run.engine.desk.states[order.id].status is OrderStatus.PENDING_NEW


def test_the_strategy_is_asked_only_at_closes_that_a_later_row_can_trade() -> None:
    run = Run(
        {"AAA": [100.0] * 5},
        {},
        first=a_market({"AAA": flat_bars([1.0] * 5)}).frame.sessions[2].date,
    )
    for row in range(5):
        assert run.close(row) == ()
    assert [day.day for day in run.strategy.asked] == [3, 4, 5]


def test_what_closed_is_not_what_opened() -> None:
    run = Run({"AAA": [100.0, 100.0]}, {0: ALL})
    assert run.handle(BarOpened(run.market.frame, 0)) == ()
    assert run.strategy.asked == []


def test_before_a_switch_was_read_nothing_is_sent() -> None:
    run = Run({"AAA": [100.0, 100.0]}, {0: ALL})
    run.handle(SwitchChanged(GLOBAL, engaged=None, at=AT))
    (record,) = run.close(0)
    assert isinstance(record, Record)
    assert isinstance(record.subject, Refusal)
    assert record.subject.code is RefusalCode.SWITCH_UNKNOWN
    assert not run.engine.desk.states


def test_an_engaged_switch_lets_only_the_way_out_through() -> None:
    run = Run(
        {"AAA": [100.0] * 4, "BBB": [100.0] * 4}, {0: {"AAA": 0.5}, 1: {"AAA": 0.0, "BBB": 0.5}}
    )
    run.fill(run.orders(0)[0])
    run.handle(SwitchChanged(GLOBAL, engaged=True, at=AT))
    sell, refused = run.close(1)
    assert isinstance(sell, Submit)
    assert (sell.approved.order.side, sell.approved.order.instrument) == (Side.SELL, AAA)
    assert isinstance(refused, Record)
    assert isinstance(refused.subject, Refusal)
    assert refused.subject.code is RefusalCode.SWITCH_ENGAGED


def test_what_works_is_not_ordered_twice() -> None:
    run = Run({"AAA": [100.0] * 4}, {0: ALL, 1: ALL, 2: {"AAA": 0.5}})
    (first,) = run.orders(0)
    assert run.close(1) == ()
    run.handle(Canceled(first.id, AT))
    assert [order.quantity for order in run.orders(2)] == [50]


def test_orders_of_one_decision_share_the_room_there_is() -> None:
    run = Run(
        {"AAA": [100.0] * 2, "BBB": [100.0] * 2},
        {0: {"AAA": 0.6, "BBB": 0.6}},
        limits=replace(WIDE, leverage=dec(1)),
    )
    submit, record = run.close(0)
    assert isinstance(submit, Submit)
    assert submit.approved.order.instrument == AAA
    assert isinstance(record, Record)
    assert isinstance(record.subject, Refusal)
    assert (record.subject.order.instrument, record.subject.code) == (BBB, RefusalCode.BUYING_POWER)


def test_a_target_that_cannot_be_sized_is_told() -> None:
    run = Run({"AAA": [100.0] * 2, "BBB": [NAN] * 2}, {0: {"AAA": 0.5, "BBB": 0.5}})
    submit, alert = run.close(0)
    assert isinstance(submit, Submit)
    assert isinstance(alert, Alert)
    assert (alert.code, alert.message[:4]) == ("target_unsized", "BBB:")


def test_a_stale_price_refuses_and_a_limit_on_its_age_allows() -> None:
    closes = {"AAA": [100.0, NAN, NAN], "BBB": [1.0] * 3}
    (record,) = Run(closes, {1: ALL}).close(1)
    assert isinstance(record, Record)
    run = Run(closes, {1: ALL})
    run.close(0)
    (record,) = run.close(1)
    assert isinstance(record, Record)
    assert isinstance(record.subject, Refusal)
    assert record.subject.code is RefusalCode.PRICE_STALE
    patient = Run(closes, {1: ALL}, limits=replace(WIDE, max_price_age_rows=1))
    patient.close(0)
    assert len(patient.orders(1)) == 1


def test_a_halt_refuses_until_it_is_over() -> None:
    run = Run({"AAA": [100.0] * 4}, {0: ALL, 1: ALL})
    run.handle(TradabilityChanged(AAA, tradable=False, at=AT))
    (record,) = run.close(0)
    assert isinstance(record, Record)
    assert isinstance(record.subject, Refusal)
    assert record.subject.code is RefusalCode.INSTRUMENT_NOT_TRADABLE
    run.handle(TradabilityChanged(AAA, tradable=True, at=AT))
    assert len(run.orders(1)) == 1


def test_beyond_the_calendar_the_market_is_unknown() -> None:
    run = Run({"AAA": [100.0] * 2}, {0: ALL})
    short = Calendar("SHORT", run.market.frame.sessions[:1])
    run = Run({"AAA": [100.0] * 2}, {0: ALL}, changes={"calendar": short})
    (record,) = run.close(0)
    assert isinstance(record, Record)
    assert isinstance(record.subject, Refusal)
    assert record.subject.code is RefusalCode.MARKET_UNKNOWN


def test_fills_are_booked_with_their_fees_and_only_once() -> None:
    run = Run({"AAA": [100.0] * 3}, {0: ALL})
    (order,) = run.orders(0)
    fill = a_fill(quantity=100, price=99, fee="1.00", order=order.id)
    assert run.handle(Filled(order.id, AT, fill)) == ()
    (alert,) = run.handle(Filled(order.id, AT, fill))
    assert isinstance(alert, Alert)
    assert (alert.code, alert.message) == ("order_oddity", f"{order.id}: repeated fill")
    assert (run.engine.ledger.cash, run.engine.ledger.quantities) == (dec(99), {AAA: dec(100)})


def test_a_late_fill_is_booked_and_told() -> None:
    run = Run({"AAA": [100.0] * 3}, {0: ALL})
    (order,) = run.orders(0)
    run.handle(Canceled(order.id, AT))
    (alert,) = run.handle(Filled(order.id, AT, a_fill(quantity=10, order=order.id)))
    assert isinstance(alert, Alert)
    assert alert.message.endswith("fill after canceled")
    assert run.engine.ledger.quantities == {AAA: 10}


def test_an_order_that_is_not_ours_is_told_and_recorded_and_not_booked() -> None:
    run = Run({"AAA": [100.0] * 2}, {})
    event = Filled(OrderId("theirs"), AT, a_fill(order=OrderId("theirs")))
    alert, record = run.handle(event)
    assert isinstance(alert, Alert)
    assert alert.code == "order_unknown"
    assert record == Record(event)
    assert run.engine.ledger.cash == 10_000


def test_asking_again_at_the_same_instant_is_the_same_order() -> None:
    run = Run({"AAA": [100.0] * 2}, {0: ALL})
    (order,) = run.orders(0)
    run.handle(Rejected(order.id, AT, "no"))
    (alert,) = run.close(0)
    assert isinstance(alert, Alert)
    assert (alert.code, alert.message) == ("order_repeated", f"{order.id} was asked before")
    assert len(run.engine.desk.states) == 1


def test_corporate_actions_move_the_ledger() -> None:
    run = Run({"AAA": [100.0] * 3}, {0: ALL})
    run.fill(run.orders(0)[0])
    day = AT.date()
    run.handle(DividendPaid(CashDividend(AAA, day, dec("0.25")), AT))
    run.handle(SplitApplied(Split(AAA, day, Fraction(2)), dec(100), AT))
    assert (run.engine.ledger.cash, run.engine.ledger.quantities) == (dec(25), {AAA: dec(200)})
    run.handle(Delisted(Delisting(AAA, day), dec(40), AT))
    assert (run.engine.ledger.cash, run.engine.ledger.quantities) == (dec(8_025), {})


def test_the_equity_follows_the_closes_also_after_the_last_decision() -> None:
    run = Run({"AAA": [100.0, 110.0, 130.0]}, {0: ALL})
    run.fill(run.orders(0)[0])
    equities = []
    for row in (1, 2):
        run.close(row)
        equities.append((run.engine.price(AAA), run.engine.equity()))
    assert equities == [(dec(110), dec(11_000)), (dec(130), dec(13_000))]


def test_the_equity_is_unknown_while_something_held_has_no_price() -> None:
    run = Run({"AAA": [100.0] * 3, "BBB": [NAN] * 3}, {0: ALL})
    (order,) = run.orders(0)
    assert run.engine.price(BBB) is None
    assert run.engine.price(InstrumentId("ZZZ")) is None
    fill = a_fill(quantity=1, order=order.id)
    run.handle(Filled(order.id, AT, fill))
    assert run.engine.equity() == 10_000
    run.engine.ledger.book(replace(fill, instrument=BBB, id=FillId("other")))
    assert run.engine.equity() is None


def test_a_price_is_in_todays_shares_while_a_split_name_does_not_trade() -> None:
    frame = a_market({"AAA": flat_bars([1.0] * 3)}).frame
    split = Split(AAA, frame.sessions[1].date, Fraction(4))
    run = Run({"AAA": [100.0, NAN, NAN], "BBB": [1.0] * 3}, {0: ALL}, split)
    run.fill(run.orders(0)[0])
    run.handle(SplitApplied(split, dec(100), AT))
    run.close(1)
    assert run.engine.price(AAA) == 25
    assert run.engine.equity() == 10_000


def test_volatility_sizes_where_it_is_known() -> None:
    closes = [100.0, 101.0, 100.0, 101.0, 100.0, 101.0]
    how = Construction(sizing=VolatilityTarget(annual=dec("0.05"), volatility_window=3))
    run = Run({"AAA": closes}, {2: ALL, 4: ALL}, construction=how)
    for row in range(2):
        run.close(row)
    (alert,) = run.close(2)
    assert isinstance(alert, Alert)
    assert alert.code == "target_unsized"
    run.close(3)
    (order,) = run.orders(4)
    assert 0 < order.quantity < 60


def test_an_order_from_before_a_restart_is_checked_as_if_it_were_new() -> None:
    run = Run({"AAA": [100.0] * 4}, {0: ALL}, limits=replace(WIDE, leverage=dec(1)))
    (order,) = run.orders(0)
    again = run.engine.review(order, run.market.frame.known(0))
    assert isinstance(again, Approved)
    run.handle(SwitchChanged(GLOBAL, engaged=True, at=AT))
    stopped = run.engine.review(order, run.market.frame.known(0))
    assert isinstance(stopped, Refusal)
    assert stopped.code is RefusalCode.SWITCH_ENGAGED


def test_rows_from_before_a_restart_are_known_without_being_decided_on() -> None:
    run = Run({"AAA": [100.0, 110.0, 120.0]}, {0: ALL, 1: ALL})
    frame = run.market.frame
    run.engine.know(frame.known(1) - MOMENT)
    assert run.engine.price(AAA) == 100
    run.engine.know(frame.known(1))
    run.engine.know(frame.known(0))
    assert run.strategy.asked == []
    assert not run.engine.desk.states
    assert len(run.orders(1)) == 1


def test_knowing_more_shows_the_newer_price() -> None:
    run = Run({"AAA": [100.0, 110.0, 120.0]}, {})
    frame = run.market.frame
    run.engine.know(frame.known(0))
    before = run.engine.price(AAA)
    run.engine.know(frame.known(1))
    assert (before, run.engine.price(AAA)) == (dec(100), dec(110))


def test_fees_are_those_of_the_one_model() -> None:
    run = Run({"AAA": [100.0] * 2}, {}, commission="ib-fixed")
    assert run.engine.fee(dec(0), dec(597), dec(100)) == PerShare().fee(dec(0), dec(597), dec(100))


def test_commands_for_an_unchanged_wish_are_none() -> None:
    run = Run({"AAA": [100.0] * 3}, {0: ALL, 1: ALL})
    run.fill(run.orders(0)[0])
    assert run.close(1) == ()


def test_within_a_session_the_market_is_open_and_an_opening_order_is_too_late() -> None:
    market = a_market({"AAA": flat_bars([100.0] * 6)}, per_session=3)
    how = Construction(time_in_force=TimeInForce.OPG)
    spec = a_spec(market, timeframe=Timeframe.MINUTE, construction=how, first=AT.date())
    day = market.frame.sessions[0].date
    strategy = Planned({day: ALL}, Needs(Timeframe.MINUTE))
    engine = assemble(spec, market, rows_of(spec, market), strategy=strategy)
    engine.handle(OPENED)
    engine.handle(CLEAR)
    said: list[str] = []
    for row in range(3):
        (command,) = engine.handle(BarClosed(market.frame, row))
        refused = isinstance(command, Record) and isinstance(command.subject, Refusal)
        said.append(command.subject.code.value if refused else "sent")  # type: ignore[union-attr]
    assert said == ["market_closed", "market_closed", "sent"]


def test_a_fill_that_the_venue_takes_back_leaves_the_book_as_if_it_had_not_been() -> None:
    run = Run({"AAA": [100.0] * 4}, {0: {"AAA": 0.5}, 2: {"AAA": 0.0}})
    bought = run.orders(0)[0]
    run.fill(bought, "99.5")
    run.close(1)
    split = Split(AAA, run.market.frame.sessions[2].date, Fraction(2))
    run.handle(SplitApplied(split, dec(100), AT))
    before = run.engine.ledger.snapshot()
    assert before.cash == dec(10000) - dec("99.5") * 50
    assert run.engine.ledger.quantities == {AAA: dec(100)}
    name = FillId(f"fill of {bought.id}")
    changed = FillReversed(
        bought.id,
        AT,
        name,
        instead=FillId("corrected"),
        quantity=Quantity(dec(40)),
        price=Price(dec(101)),
    )
    (alert,) = run.handle(changed)
    assert isinstance(alert, Alert)
    assert alert.code == "order_oddity"
    assert run.engine.ledger.cash == dec(10000) - dec(101) * 40
    assert run.engine.ledger.quantities == {AAA: 80}
    run.handle(FillReversed(bought.id, AT, FillId("corrected")))
    assert run.engine.ledger.snapshot() == replace(before, cash=dec(10000), positions={})
    run.engine.ledger.check()


def test_an_unfit_venue_is_sent_reductions_alone() -> None:
    run = Run({"AAA": [100.0] * 5}, {0: {"AAA": 0.5}, 1: ALL, 2: {"AAA": 0.0}})
    run.fill(run.orders(0)[0])
    run.handle(VenueChanged(fit=False, at=AT, reason="the trade updates are not connected"))
    (refused,) = run.close(1)
    assert isinstance(refused, Record)
    assert isinstance(refused.subject, Refusal)
    assert refused.subject.code is RefusalCode.VENUE_UNFIT
    (sold,) = run.orders(2)
    assert (sold.side, sold.quantity) == (Side.SELL, dec(50))
