"""The other side's book: it pays, books and refuses by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from tests.builders import (
    AAA,
    AT,
    BBB,
    FREE,
    NO_BAR,
    Row,
    a_frame,
    an_order,
    cash,
    dec,
    flat_bars,
    instruments,
)
from tradewright.core.errors import DuplicateOrder
from tradewright.core.events import (
    BarClosed,
    BarOpened,
    CashMoved,
    Delisted,
    DividendPaid,
    Event,
    Filled,
    QuoteSeen,
    SessionClosed,
    SessionOpened,
    SplitApplied,
)
from tradewright.core.ids import InstrumentId, OrderId
from tradewright.core.market import CashDividend, Delisting, Quote, Split
from tradewright.core.orders import Order, OrderKind, OrderStatus, Side, TimeInForce
from tradewright.execution.brokerage import SimulatedBrokerage
from tradewright.execution.venue import VenueModel
from tradewright.portfolio.ledger import Ledger

BUY, SELL = Side.BUY, Side.SELL
BEFORE = AT - timedelta(hours=1)
ONE = OrderId("order-1")


class Account:
    """A brokerage over some bars; row 0 has closed before it opens."""

    def __init__(
        self,
        bars: Mapping[str, Sequence[Row]],
        *,
        money: str = "10000",
        leverage: str = "1",
        share: str | None = None,
    ) -> None:
        self.frame = a_frame(bars)
        model = VenueModel(FREE, None if share is None else dec(share))
        self.brokerage = SimulatedBrokerage(
            self.frame,
            instruments(*bars),
            model=model,
            cash=dec(money),
            leverage=dec(leverage),
            at=BEFORE,
            row=0,
        )

    def submit(self, number: int = 1, side: Side = BUY, quantity: int = 50, **facts: Any) -> str:
        order = an_order(side, quantity, **({"id": OrderId(f"order-{number}")} | facts))
        (event,) = self.brokerage.submit(order, self.frame.known(0))
        return event.reason or event.kind.value

    def live(self, row: int, *before: Event) -> None:
        session = self.frame.session_of(row)
        for event in (
            SessionOpened(session, session.open),
            *before,
            BarOpened(self.frame, row),
            BarClosed(self.frame, row),
            SessionClosed(session, session.close),
        ):
            self.brokerage.step(event)

    def status(self, number: int = 1) -> OrderStatus:
        return self.brokerage.orders[OrderId(f"order-{number}")].status


def flat(closes: Sequence[float] = (100.0, 100.0, 100.0), **others: Sequence[float]) -> Account:
    named = {"AAA": closes} | others
    return Account({name: flat_bars(values) for name, values in named.items()})


def test_an_order_is_filled_and_booked() -> None:
    account = flat((100.0, 110.0))
    assert account.submit() == "accepted"
    account.live(1)
    brokerage = account.brokerage
    assert account.status() is OrderStatus.FILLED
    assert (brokerage.ledger.cash, brokerage.ledger.quantities) == (dec(4500), {AAA: dec(50)})
    assert [fill.quantity for fill in brokerage.fills] == [50]


@pytest.mark.parametrize(
    ("money", "leverage", "quantity", "said"),
    [
        ("10000", "1", 100, "accepted"),
        ("9999.99", "1", 100, "insufficient buying power"),
        ("10000", "2", 200, "accepted"),
        ("10000", "2", 201, "insufficient buying power"),
        ("0", "2", 1, "insufficient buying power"),
    ],
)
@pytest.mark.parametrize("side", [BUY, SELL])
def test_an_order_must_be_paid_for(
    side: Side, money: str, leverage: str, quantity: int, said: str
) -> None:
    account = Account({"AAA": flat_bars([100.0, 100.0])}, money=money, leverage=leverage)
    assert account.submit(1, side, quantity) == said
    rejected = said != "accepted"
    assert (account.status() is OrderStatus.REJECTED) is rejected
    account.live(1)
    assert bool(account.brokerage.fills) is not rejected


@pytest.mark.parametrize(
    ("kind", "prices", "most"),
    [
        (OrderKind.LIMIT, {"limit": "125"}, 80),
        (OrderKind.LIMIT, {"limit": "80"}, 125),
        (OrderKind.STOP, {"stop": "125"}, 80),
        (OrderKind.STOP_LIMIT, {"stop": "110", "limit": "125"}, 80),
    ],
)
def test_what_an_order_may_have_to_pay_is_its_own_price(
    kind: OrderKind, prices: Mapping[str, str], most: int
) -> None:
    assert flat().submit(1, BUY, most, kind=kind, **prices) == "accepted"
    assert flat().submit(1, BUY, most + 1, kind=kind, **prices) == "insufficient buying power"


def test_what_works_has_spoken_for_its_money() -> None:
    account = flat()
    assert account.brokerage.buying_power() == 10_000
    account.submit(1, BUY, 60)
    assert account.brokerage.buying_power() == 4_000
    assert account.submit(2, BUY, 41) == "insufficient buying power"
    assert account.submit(3, BUY, 40) == "accepted"
    account.brokerage.cancel(ONE, AT)
    assert account.brokerage.buying_power() == 6_000


def test_what_closes_a_position_needs_no_money_and_what_goes_beyond_it_does() -> None:
    account = flat((100.0, 100.0, 100.0))
    account.submit(1, BUY, 100)
    account.live(1)
    assert account.brokerage.buying_power() == 0
    assert account.submit(2, SELL, 101) == "insufficient buying power"
    assert account.submit(3, SELL, 100) == "accepted"


def test_a_short_is_covered_without_buying_power() -> None:
    account = flat((100.0, 100.0, 150.0, 150.0))
    account.submit(1, SELL, 100)
    account.live(1)
    account.live(2)
    assert account.brokerage.equity() == 5_000
    assert account.brokerage.buying_power() == 0
    assert account.submit(2, BUY, 101) == "insufficient buying power"
    assert account.submit(3, BUY, 100) == "accepted"


def test_without_a_price_buying_power_cannot_be_checked() -> None:
    account = Account({"AAA": [NO_BAR, *flat_bars([100.0])]})
    assert account.brokerage.price(AAA) is None
    assert account.submit() == "no price to check buying power with"
    assert account.submit(2, kind=OrderKind.LIMIT, limit="100") == "accepted"


def test_an_unknown_asset_has_no_price_and_is_rejected_by_the_venue() -> None:
    account = flat()
    unknown = InstrumentId("ZZZ")
    assert account.brokerage.price(unknown) is None
    assert account.submit(instrument=unknown) == 'asset "ZZZ" not found'


@pytest.mark.parametrize("force", [TimeInForce.IOC, TimeInForce.FOK])
def test_at_once_needs_an_open_market(force: TimeInForce) -> None:
    account = flat()
    assert account.submit(1, time_in_force=force) == f"{force} orders need an open market"
    session = account.frame.session_of(1)
    account.brokerage.step(SessionOpened(session, session.open))
    assert account.submit(2, time_in_force=force) == "accepted"
    account.brokerage.step(SessionClosed(session, session.close))
    assert account.submit(3, time_in_force=force) == f"{force} orders need an open market"


def test_an_id_is_used_once_even_for_what_was_rejected() -> None:
    account = flat()
    account.submit(1, BUY, 1000)
    assert account.status() is OrderStatus.REJECTED
    with pytest.raises(DuplicateOrder):
        account.submit(1, BUY, 1)
    with pytest.raises(DuplicateOrder):
        account.brokerage.replace(OrderId("order-2"), an_order(), AT)


SPLIT = SplitApplied(Split(AAA, AT.date(), Fraction(4)), dec(100), AT)
REVERSE = SplitApplied(Split(AAA, AT.date(), Fraction(1, 3)), dec(100), AT)
DIVIDEND = DividendPaid(CashDividend(AAA, AT.date(), dec("0.333")), AT)
GONE = Delisted(Delisting(AAA, AT.date()), dec(97), AT)
PAID_IN = CashMoved(cash(500), AT, "deposit")


@pytest.mark.parametrize(
    "event", [SPLIT, REVERSE, DIVIDEND, GONE, PAID_IN], ids=lambda event: type(event).__name__
)
@pytest.mark.parametrize("side", [BUY, SELL])
def test_corporate_actions_and_cash_are_booked_as_in_our_ledger(side: Side, event: Any) -> None:
    account = flat()
    account.submit(1, side)
    account.live(1)
    brokerage = account.brokerage
    ours = Ledger(instruments("AAA"))
    ours.apply(CashMoved(cash("10000"), BEFORE, "opening balance"))
    for fill in brokerage.fills:
        ours.apply(Filled(fill.order, fill.at, fill))
    ours.apply(event)
    brokerage.step(event)
    assert brokerage.ledger.snapshot() == ours.snapshot()


@pytest.mark.parametrize(
    ("event", "price"), [(SPLIT, "25"), (REVERSE, "300"), (DIVIDEND, "100")], ids=["4", "1/3", "d"]
)
def test_a_split_leaves_the_equity_from_its_open_to_its_first_close(
    event: Event, price: str
) -> None:
    account = flat((100.0, 100.0, 25.0))
    account.submit(1, BUY, 60)
    account.live(1)
    before = account.brokerage.equity()
    account.brokerage.step(event)
    assert account.brokerage.price(AAA) == dec(price)
    dividends = account.brokerage.ledger.dividends
    assert account.brokerage.equity() == before + dividends
    account.brokerage.step(BarClosed(account.frame, 2))
    assert account.brokerage.price(AAA) == 25


def test_two_splits_before_a_price_are_both_felt() -> None:
    account = Account({"AAA": [*flat_bars([100.0]), NO_BAR, NO_BAR], "BBB": flat_bars([1.0] * 3)})
    account.live(1, SPLIT)
    account.live(2, SPLIT)
    assert account.brokerage.price(AAA) == dec("6.25")


def test_a_split_cancels_what_works() -> None:
    account = flat()
    account.submit(1, kind=OrderKind.LIMIT, limit="90", time_in_force=TimeInForce.GTC)
    (event,) = account.brokerage.step(SPLIT)
    assert (account.status(), event.reason) == (OrderStatus.CANCELED, "corporate action")


def test_what_was_never_marked_counts_at_its_cost() -> None:
    account = Account({"AAA": flat_bars([100.0, 100.0])})
    account.brokerage = SimulatedBrokerage(
        account.frame,
        instruments("AAA"),
        model=VenueModel(FREE),
        cash=dec(10_000),
        leverage=dec(1),
        at=BEFORE,
    )
    order = an_order(quantity=10, kind=OrderKind.LIMIT, limit="100")
    account.brokerage.submit(order, BEFORE)
    session = account.frame.session_of(0)
    account.brokerage.step(SessionOpened(session, session.open))
    account.brokerage.step(BarOpened(account.frame, 0))
    assert account.brokerage.price(AAA) is None
    assert account.brokerage.equity() == 10_000
    assert account.brokerage.buying_power() == 9_000
    out = an_order(SELL, 10, id=OrderId("order-2"))
    (accepted,) = account.brokerage.submit(out, BEFORE)
    assert accepted.kind == "accepted"


def test_a_cancel_is_told_and_one_too_late_is_refused() -> None:
    account = flat()
    account.submit()
    (canceled,) = account.brokerage.cancel(ONE, AT)
    (refused,) = account.brokerage.cancel(ONE, AT)
    assert (canceled.kind, refused.kind) == ("canceled", "cancel_refused")
    assert account.status() is OrderStatus.CANCELED


def test_a_cancel_under_way_is_told_when_it_happens() -> None:
    account = flat()
    account.brokerage = SimulatedBrokerage(
        account.frame,
        instruments("AAA"),
        model=VenueModel(FREE, cancel_delay=timedelta(minutes=1)),
        cash=dec(10_000),
        leverage=dec(1),
        at=BEFORE,
        row=0,
    )
    account.submit()
    assert account.brokerage.cancel(ONE, BEFORE) == ()
    account.live(1)
    assert account.status() is OrderStatus.CANCELED


def successor(quantity: int, **facts: Any) -> Order:
    base: dict[str, Any] = {"id": OrderId("order-2"), "time_in_force": TimeInForce.GTC}
    return an_order(BUY, quantity, **(base | facts))


def partly() -> Account:
    """100 shares were asked, 40 of them are filled at 100."""
    account = Account(
        {"AAA": [(100.0, 100.0, 100.0, 100.0, 400.0)] * 4}, money="20000", share="0.1"
    )
    account.submit(1, BUY, 100, time_in_force=TimeInForce.GTC)
    account.live(1)
    assert account.brokerage.ledger.quantities == {AAA: 40}
    return account


def test_a_replacement_takes_over_what_is_filled() -> None:
    account = partly()
    events = account.brokerage.replace(ONE, successor(90), AT)
    assert [event.kind for event in events] == ["replaced", "accepted"]
    state = account.brokerage.orders[OrderId("order-2")]
    assert (state.filled, state.remaining, state.average_price) == (dec(40), dec(50), dec(100))
    account.live(2)
    account.live(3)
    assert account.status() is OrderStatus.REPLACED
    assert account.status(2) is OrderStatus.FILLED
    assert account.brokerage.orders[OrderId("order-2")].average_price == 100
    assert account.brokerage.ledger.quantities == {AAA: 90}


@pytest.mark.parametrize(
    ("quantity", "price", "kinds"),
    [
        # 20,000 of equity, 4,000 of it held: 16,000 pay for 160 more at 100, or 128 at 125.
        (200, None, ["replaced", "accepted"]),
        (201, None, ["cancel_refused"]),
        (168, "125", ["replaced", "accepted"]),
        (169, "125", ["cancel_refused"]),
        (40, None, ["cancel_refused"]),
    ],
)
def test_a_replacement_must_be_paid_for(quantity: int, price: str | None, kinds: list[str]) -> None:
    account = partly()
    facts = {} if price is None else {"kind": OrderKind.LIMIT, "limit": price}
    events = account.brokerage.replace(ONE, successor(quantity, **facts), AT)
    assert [event.kind for event in events] == kinds
    working = [o for o, s in account.brokerage.orders.items() if not s.status.is_terminal]
    assert working == ["order-2" if len(kinds) > 1 else "order-1"]


def test_a_replacement_of_what_has_ended_is_refused() -> None:
    account = flat()
    account.submit()
    account.live(1)
    (ended,) = account.brokerage.replace(ONE, successor(60), AT)
    (unknown,) = account.brokerage.replace(OrderId("order-9"), successor(60), AT)
    assert {ended.reason, unknown.reason} == {"cannot replace: order has ended"}


def test_what_does_not_concern_an_account_changes_nothing() -> None:
    account = flat()
    quote = Quote(BBB, AT, dec(1), dec(1), dec(2), dec(1))  # type: ignore[arg-type]
    assert list(account.brokerage.step(QuoteSeen(quote, AT))) == []
    assert account.brokerage.equity() == Decimal(10_000)
