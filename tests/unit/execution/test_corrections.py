"""What is done to an order from outside: held, halted, filled by hand, busted and corrected."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from tests.builders import (
    AAA,
    AT,
    FREE,
    a_frame,
    an_instrument,
    an_order,
    dec,
    flat_bars,
    instruments,
)
from tradewright.core.errors import InvalidInput
from tradewright.core.events import (
    BarClosed,
    BarOpened,
    Delisted,
    DividendPaid,
    SessionOpened,
    SplitApplied,
)
from tradewright.core.ids import FillId, OrderId
from tradewright.core.market import CashDividend, Delisting, Split
from tradewright.core.money import Price, Quantity
from tradewright.core.orders import OrderKind, OrderStatus, Side, TimeInForce
from tradewright.execution.brokerage import SimulatedBrokerage
from tradewright.execution.corrections import folded, standing
from tradewright.execution.venue import VenueModel
from tradewright.portfolio.costs import BasisPoints, PerShare, TradingCosts

BUY, SELL = Side.BUY, Side.SELL
PAID = TradingCosts(PerShare(), BasisPoints(Decimal(0)))
CASH = Decimal(100_000)


class Desk:
    """A brokerage over bars that open and close at the same price."""

    def __init__(self, *closes: float, costs: TradingCosts = FREE, lot: str = "1") -> None:
        self.frame = a_frame({"AAA": flat_bars(closes)})
        self.brokerage = SimulatedBrokerage(
            self.frame,
            {AAA: an_instrument("AAA", lot=dec(lot))},
            model=VenueModel(costs),
            cash=CASH,
            leverage=Decimal(1),
            at=AT - timedelta(hours=1),
            row=0,
        )

    def trade(self, row: int, side: Side, quantity: int) -> FillId:
        """Buy or sell at the open of a row; the fill's id."""
        order = an_order(side, quantity, id=OrderId(f"order-{row}"))
        self.brokerage.submit(order, self.frame.known(row - 1))
        self.live(row)
        return self.brokerage.fills[-1].id

    def live(self, row: int) -> None:
        session = self.frame.session_of(row)
        self.brokerage.step(SessionOpened(session, session.open))
        self.brokerage.step(BarOpened(self.frame, row))
        self.brokerage.step(BarClosed(self.frame, row))

    def check(self) -> None:
        """The book must be what the fills that stand make of the opening cash."""
        brokerage = self.brokerage
        fills = standing(brokerage.fills, brokerage.reversals)
        ledger = brokerage.ledger
        ledger.check()
        told = folded(instruments("AAA"), fills)
        assert ledger.cash == CASH + told.cash
        assert (ledger.fees, ledger.realised) == (told.fees, told.realised)
        assert ledger.positions == told.positions
        assert ledger.quantities == told.quantities


@pytest.mark.parametrize("row", [1, 2, 3, 4])
@pytest.mark.parametrize("instead", [None, ("97.5", "3"), ("140", "5")])
def test_the_book_is_the_sum_of_the_fills_that_stand(
    row: int, instead: tuple[str, str] | None
) -> None:
    desk = Desk(100, 100, 110, 120, 90, costs=PAID)
    fills = {
        number: desk.trade(number, side, quantity)
        for number, side, quantity in ((1, BUY, 10), (2, SELL, 6), (3, SELL, 8), (4, BUY, 5))
    }
    desk.check()
    before = desk.brokerage.fills.copy()
    if instead is None:
        reversal = desk.brokerage.bust(fills[row], AT)
        assert reversal.instead is None
    else:
        price, quantity = Price(dec(instead[0])), Quantity(dec(instead[1]))
        reversal = desk.brokerage.correct(fills[row], price, quantity, AT)
        assert reversal.instead is not None
        assert (reversal.instead.price, reversal.instead.quantity) == (price, quantity)
    # Nothing that happened is altered: what undoes it stands beside it.
    assert desk.brokerage.fills == before
    assert reversal.fill.id == fills[row]
    desk.check()
    state = desk.brokerage.orders[OrderId(f"order-{row}")]
    assert state.filled == (0 if instead is None else dec(instead[1]))
    assert state.status is OrderStatus.FILLED


def test_a_correction_can_be_corrected_and_busted_and_what_is_gone_cannot() -> None:
    desk = Desk(100, 100, 110)
    first = desk.trade(1, BUY, 10)
    second = desk.brokerage.correct(first, Price(dec(99)), Quantity(dec(8)), AT).instead
    assert second is not None
    with pytest.raises(InvalidInput, match="is not an execution that stands"):
        desk.brokerage.bust(first, AT)
    third = desk.brokerage.correct(second.id, Price(dec(98)), Quantity(dec(10)), AT).instead
    assert third is not None
    desk.check()
    assert desk.brokerage.ledger.cash == CASH - 980
    desk.brokerage.bust(third.id, AT)
    desk.check()
    assert desk.brokerage.ledger.cash == CASH
    assert not desk.brokerage.ledger.positions


@pytest.mark.parametrize("quantity", ["0", "-1", "11"])
def test_a_correction_fits_its_order(quantity: str) -> None:
    desk = Desk(100, 100)
    fill = desk.trade(1, BUY, 10)
    with pytest.raises(InvalidInput, match="is not between 0 and 10"):
        desk.brokerage.correct(fill, Price(dec(99)), Quantity(dec(quantity)), AT)
    desk.check()


def test_a_bust_goes_back_through_splits_and_leaves_dividends() -> None:
    desk = Desk(100, 100, 25, 25)
    brokerage = desk.brokerage
    fill = desk.trade(1, BUY, 10)
    brokerage.step(DividendPaid(CashDividend(AAA, AT.date(), dec("0.5")), AT))
    brokerage.step(SplitApplied(Split(AAA, AT.date(), Fraction(4)), dec(100), AT))
    kept = desk.trade(2, BUY, 3)
    assert brokerage.ledger.quantities[AAA] == 43
    brokerage.bust(fill, AT)
    ledger = brokerage.ledger
    ledger.check()
    assert ledger.quantities[AAA] == 3
    assert ledger.cash == CASH + 5 - 75
    brokerage.bust(kept, AT)
    assert AAA not in ledger.quantities
    assert ledger.cash == CASH + 5


def test_a_bust_after_a_delisting_takes_the_payment_back() -> None:
    desk = Desk(100, 100, 100)
    fill = desk.trade(1, BUY, 10)
    desk.brokerage.step(Delisted(Delisting(AAA, AT.date()), dec(90), AT))
    assert desk.brokerage.ledger.cash == CASH - 100
    desk.brokerage.bust(fill, AT)
    assert desk.brokerage.ledger.cash == CASH
    assert desk.brokerage.ledger.realised == 0


def test_an_order_is_filled_by_hand_while_it_works_and_after_it_has_ended() -> None:
    desk = Desk(100, 100, 100)
    brokerage = desk.brokerage
    name = OrderId("order-1")
    order = an_order(
        BUY,
        10,
        id=name,
        kind=OrderKind.LIMIT,
        limit=Price(dec(50)),
        time_in_force=TimeInForce.GTC,
    )
    brokerage.submit(order, desk.frame.known(0))
    brokerage.execute(name, Decimal(4), Price(dec(51)), AT)
    assert brokerage.orders[name].status is OrderStatus.PARTIALLY_FILLED
    brokerage.cancel(name, AT)
    brokerage.execute(name, Decimal(5), Price(dec(52)), AT)
    state = brokerage.orders[name]
    assert (state.status, state.filled) == (OrderStatus.CANCELED, dec(9))
    assert len({fill.id for fill in brokerage.fills}) == 2
    desk.check()
    with pytest.raises(InvalidInput, match="is not between 0 and what is left, 1"):
        brokerage.execute(name, Decimal(2), Price(dec(52)), AT)
    with pytest.raises(InvalidInput, match="is not an order of this account"):
        brokerage.execute(OrderId("nobody's"), Decimal(1), Price(dec(52)), AT)


@pytest.mark.parametrize("what", ["order", "instrument"])
def test_what_is_held_or_halted_does_not_trade_until_it_is_let_go(what: str) -> None:
    desk = Desk(100, 100, 101, 102)
    brokerage = desk.brokerage
    name = OrderId("order-1")
    order = an_order(BUY, 10, id=name, time_in_force=TimeInForce.GTC)
    brokerage.submit(order, desk.frame.known(0))
    if what == "order":
        brokerage.hold(name)
    else:
        brokerage.halt(AAA)
    desk.live(1)
    assert not brokerage.fills
    if what == "order":
        brokerage.release(name)
    else:
        brokerage.resume(AAA)
    desk.live(2)
    assert [fill.price for fill in brokerage.fills] == [101]


def test_a_halt_in_the_middle_of_a_bar_keeps_the_rest_of_it_from_filling() -> None:
    desk = Desk(100, 100, 100)
    brokerage = desk.brokerage
    order = an_order(
        BUY, 10, kind=OrderKind.LIMIT, limit=Price(dec(100)), time_in_force=TimeInForce.CLS
    )
    brokerage.submit(order, desk.frame.known(0))
    session = desk.frame.session_of(1)
    brokerage.step(SessionOpened(session, session.open))
    brokerage.step(BarOpened(desk.frame, 1))
    brokerage.halt(AAA)
    brokerage.step(BarClosed(desk.frame, 1))
    assert not brokerage.fills
    assert brokerage.orders[order.id].status is OrderStatus.EXPIRED


def test_whole_orders_fill_in_whole_shares_where_fractions_trade() -> None:
    desk = Desk(100, 100, lot="0.000000001")
    venue = VenueModel(FREE, volume_share=Decimal("0.0000052"))
    brokerage = SimulatedBrokerage(
        desk.frame,
        {AAA: an_instrument("AAA", lot=dec("0.000000001"))},
        model=venue,
        cash=CASH,
        leverage=Decimal(1),
        at=AT - timedelta(hours=1),
        row=0,
    )
    room = desk.frame.shares(1, 0) * Decimal("0.0000052")
    assert room % 1
    whole = an_order(BUY, 10, id=OrderId("whole"), time_in_force=TimeInForce.GTC)
    part = an_order(BUY, "2.5", id=OrderId("part"), time_in_force=TimeInForce.GTC)
    for order in (whole, part):
        brokerage.submit(order, desk.frame.known(0))
    session = desk.frame.session_of(1)
    brokerage.step(SessionOpened(session, session.open))
    brokerage.step(BarOpened(desk.frame, 1))
    assert [fill.quantity for fill in brokerage.fills] == [room // 1, room % 1]
