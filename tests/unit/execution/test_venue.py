"""Kinds of orders against shapes of bars, derived by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from tests.builders import (
    AAA,
    AT,
    BBB,
    NAN,
    NO_BAR,
    Row,
    a_frame,
    a_venue_model,
    an_instrument,
    an_order,
    dec,
    flat_bars,
    instruments,
)
from tradewright.core.errors import DuplicateOrder, InvalidInput
from tradewright.core.events import (
    Accepted,
    BarClosed,
    BarOpened,
    Canceled,
    CancelRefused,
    Delisted,
    DividendPaid,
    Event,
    Filled,
    OrderEvent,
    Rejected,
    Replaced,
    SplitApplied,
)
from tradewright.core.ids import InstrumentId, OrderId
from tradewright.core.market import CashDividend, Delisting, Split
from tradewright.core.orders import Order, OrderKind, Side, TimeInForce
from tradewright.execution.venue import SimulatedVenue, VenueModel
from tradewright.portfolio.costs import BasisPoints, NoCommission, PerShare, TradingCosts

BUY, SELL = Side.BUY, Side.SELL
MARKET, LIMIT, STOP = OrderKind.MARKET, OrderKind.LIMIT, OrderKind.STOP
STOP_LIMIT, TRAILING = OrderKind.STOP_LIMIT, OrderKind.TRAILING_STOP
GTC, DAY, IOC, FOK, OPG, CLS = (
    TimeInForce[name] for name in ("GTC", "DAY", "IOC", "FOK", "OPG", "CLS")
)
BEFORE = AT - timedelta(hours=1)
TENTH = Decimal("0.1")

# ruff: noqa: E501 - tables are read by their columns

# open, high, low, close, volume
CALM: Row = (100.0, 102.0, 98.0, 101.0, 1000.0)
GAP_UP: Row = (110.0, 112.0, 108.0, 111.0, 1000.0)
GAP_DOWN: Row = (90.0, 92.0, 88.0, 91.0, 1000.0)


class Market:
    """A venue and its frame, lived through row by row."""

    def __init__(
        self, bars: Sequence[Row], model: VenueModel | None = None, per_session: int = 1
    ) -> None:
        self.frame = a_frame({"AAA": bars}, per_session)
        self.venue = SimulatedVenue(self.frame, instruments("AAA"), model or a_venue_model())
        self.row = 0

    def live(self, rows: int | None = None) -> list[str]:
        """Live through some rows or all and tell what happened: when, what, how many, at what."""
        stop = len(self.frame) if rows is None else self.row + rows
        told: list[str] = []
        for row in range(self.row, stop):
            told += [tell(f"{row} open", e) for e in self.venue.open_bar(row)]
            told += [tell(f"{row} range", e) for e in self.venue.close_bar(row)]
        self.row = stop
        return told


def tell(when: str, event: OrderEvent) -> str:
    if isinstance(event, Filled):
        return f"{when}: {event.fill.quantity} at {event.fill.price.normalize():f}"
    return f"{when}: {event.kind}"


def happens(
    bars: Sequence[Row], order: Order, model: VenueModel | None = None, per_session: int = 1
) -> list[str]:
    market = Market(bars, model, per_session)
    assert isinstance(market.venue.accept(order, BEFORE), Accepted)
    return market.live()


ONE_BAR: list[tuple[str, Side, OrderKind, Mapping[str, str], Row, list[str]]] = [
    ("a market buy trades at the open", BUY, MARKET, {}, CALM, ["open: 100 at 100"]),
    ("a market sell trades at the open", SELL, MARKET, {}, CALM, ["open: 100 at 100"]),
    # Limits.
    ("a buy limit above the open gets the open", BUY, LIMIT, {"limit": "101"}, CALM, ["open: 100 at 100"]),
    ("a buy limit at the open", BUY, LIMIT, {"limit": "100"}, CALM, ["open: 100 at 100"]),
    ("a buy limit in the range", BUY, LIMIT, {"limit": "99"}, CALM, ["range: 100 at 99"]),
    ("a buy limit at the low is touched", BUY, LIMIT, {"limit": "98"}, CALM, ["range: 100 at 98"]),
    ("a buy limit below the low", BUY, LIMIT, {"limit": "97.99"}, CALM, []),
    ("a sell limit below the open gets the open", SELL, LIMIT, {"limit": "99"}, CALM, ["open: 100 at 100"]),
    ("a sell limit in the range", SELL, LIMIT, {"limit": "101.50"}, CALM, ["range: 100 at 101.5"]),
    ("a sell limit at the high is touched", SELL, LIMIT, {"limit": "102"}, CALM, ["range: 100 at 102"]),
    ("a sell limit above the high", SELL, LIMIT, {"limit": "102.01"}, CALM, []),
    ("a buy limit far above a gap down", BUY, LIMIT, {"limit": "100"}, GAP_DOWN, ["open: 100 at 90"]),
    # Stops.
    ("a buy stop in the range", BUY, STOP, {"stop": "101"}, CALM, ["range: 100 at 101"]),
    ("a buy stop at the high", BUY, STOP, {"stop": "102"}, CALM, ["range: 100 at 102"]),
    ("a buy stop above the high", BUY, STOP, {"stop": "102.01"}, CALM, []),
    ("a buy stop that the open has jumped", BUY, STOP, {"stop": "105"}, GAP_UP, ["open: 100 at 110"]),
    ("a sell stop in the range", SELL, STOP, {"stop": "99"}, CALM, ["range: 100 at 99"]),
    ("a sell stop below the low", SELL, STOP, {"stop": "97.99"}, CALM, []),
    ("a sell stop that the open has jumped", SELL, STOP, {"stop": "95"}, GAP_DOWN, ["open: 100 at 90"]),
    ("a sell stop at the open", SELL, STOP, {"stop": "100"}, CALM, ["open: 100 at 100"]),
    # Stop-limits.
    ("a buy stop-limit in the range", BUY, STOP_LIMIT, {"stop": "101", "limit": "101.50"}, CALM, ["range: 100 at 101"]),
    ("a buy stop-limit not reached", BUY, STOP_LIMIT, {"stop": "103", "limit": "104"}, CALM, []),
    ("a buy limit beyond its stop waits", BUY, STOP_LIMIT, {"stop": "101", "limit": "99"}, CALM, []),
    ("a sell limit beyond its stop waits", SELL, STOP_LIMIT, {"stop": "99", "limit": "101"}, CALM, []),
    ("a gap within the limit", BUY, STOP_LIMIT, {"stop": "105", "limit": "110"}, GAP_UP, ["open: 100 at 110"]),
    ("a gap past the limit, then back to it", BUY, STOP_LIMIT, {"stop": "105", "limit": "109"}, GAP_UP, ["range: 100 at 109"]),
    ("a gap past the limit for good", SELL, STOP_LIMIT, {"stop": "95", "limit": "93"}, GAP_DOWN, []),
    # Trailing stops, which begin at the open.
    ("a sell trails by price from the open", SELL, TRAILING, {"trail_price": "2"}, CALM, ["range: 100 at 98"]),
    ("a sell trails by a fraction", SELL, TRAILING, {"trail_fraction": "0.01"}, CALM, ["range: 100 at 99"]),
    ("a sell that trails too far off", SELL, TRAILING, {"trail_price": "5"}, CALM, []),
    ("a buy trails by price from the open", BUY, TRAILING, {"trail_price": "2"}, CALM, ["range: 100 at 102"]),
    ("a buy trails by a fraction", BUY, TRAILING, {"trail_fraction": "0.015"}, CALM, ["range: 100 at 101.5"]),
    # 100 less 1.234 % is 98.766: 98.76 is the first price that reaches it.
    ("a sell that trails between ticks", SELL, TRAILING, {"trail_fraction": "0.01234"}, CALM, ["range: 100 at 98.76"]),
    ("a buy that trails between ticks", BUY, TRAILING, {"trail_fraction": "0.01234"}, CALM, ["range: 100 at 101.24"]),
    # The high of 102 comes before the close for certain, so 101 is 1 below it.
    ("a close below the day's best", SELL, TRAILING, {"trail_price": "1"}, (100.0, 102.0, 99.5, 101.0, 1e3), ["range: 100 at 101"]),
    ("a close above the day's best", BUY, TRAILING, {"trail_price": "1"}, (100.0, 100.5, 98.0, 99.0, 1e3), ["range: 100 at 99"]),
    ("a bar that did not trade", BUY, MARKET, {}, NO_BAR, []),
    ("a limit in a bar that did not trade", BUY, LIMIT, {"limit": "1000"}, NO_BAR, []),
]  # fmt: skip


@pytest.mark.parametrize("row", ONE_BAR, ids=lambda row: row[0])
def test_one_bar(row: tuple[str, Side, OrderKind, Mapping[str, str], Row, list[str]]) -> None:
    _, side, kind, prices, bar, told = row
    order = an_order(side, kind=kind, time_in_force=GTC, **prices)
    assert happens([bar], order) == [f"0 {what}" for what in told]


FLAT = (100.0, 100.0, 100.0, 100.0, 1000.0)
SEVERAL: list[tuple[str, Side, OrderKind, Mapping[str, str], Sequence[Row], list[str]]] = [
    (
        "a stop-limit that waited fills at its limit in the next bar",
        BUY,
        STOP_LIMIT,
        {"stop": "101", "limit": "99"},
        [CALM, CALM],
        ["1 range: 100 at 99"],
    ),
    (
        "a stop-limit that waited fills at a better open",
        BUY,
        STOP_LIMIT,
        {"stop": "101", "limit": "99"},
        [CALM, GAP_DOWN],
        ["1 open: 100 at 90"],
    ),
    (
        "a trailing sell follows the high of the bar before",
        SELL,
        TRAILING,
        {"trail_price": "5"},
        [(100.0, 104.0, 99.5, 103.0, 1e3), (102.0, 102.0, 98.0, 98.0, 1e3)],
        ["1 range: 100 at 99"],
    ),
    (
        "a trailing sell is jumped by the open",
        SELL,
        TRAILING,
        {"trail_price": "5"},
        [CALM, GAP_DOWN],
        ["1 open: 100 at 90"],
    ),
    (
        # The open at 110 surely comes before the low of 104, and 110 less 5 is 105.
        "a trailing sell follows an open that gaps up before the range is tried",
        SELL,
        TRAILING,
        {"trail_price": "5"},
        [FLAT, (110.0, 111.0, 104.0, 107.0, 1e3)],
        ["1 range: 100 at 105"],
    ),
    (
        "a trailing buy follows an open that gaps down before the range is tried",
        BUY,
        TRAILING,
        {"trail_price": "5"},
        [FLAT, (90.0, 96.0, 89.0, 93.0, 1e3)],
        ["1 range: 100 at 95"],
    ),
    (
        "a trailing buy by a fraction follows the low of the bar before",
        BUY,
        TRAILING,
        {"trail_fraction": "0.10"},
        [(100.0, 100.0, 80.0, 82.0, 1e3), (85.0, 90.0, 84.0, 89.0, 1e3)],
        ["1 range: 100 at 88"],
    ),
    (
        "a missing bar is waited out",
        BUY,
        MARKET,
        {},
        [NO_BAR, NO_BAR, GAP_UP],
        ["2 open: 100 at 110"],
    ),
    (
        "a limit works from session to session",
        SELL,
        LIMIT,
        {"limit": "109"},
        [CALM, NO_BAR, CALM, GAP_UP],
        ["3 open: 100 at 110"],
    ),
]


@pytest.mark.parametrize("row", SEVERAL, ids=lambda row: row[0])
def test_several_bars(
    row: tuple[str, Side, OrderKind, Mapping[str, str], Sequence[Row], list[str]],
) -> None:
    _, side, kind, prices, bars, told = row
    assert happens(bars, an_order(side, kind=kind, time_in_force=GTC, **prices)) == told


HALVES = [CALM, CALM, GAP_UP, GAP_UP]
FORCES: list[tuple[str, TimeInForce, Mapping[str, Any], list[str]]] = [
    ("a day order ends with its session", DAY, {"limit": "95"}, ["1 range: expired"]),
    ("a good-till-cancelled one does not", GTC, {"limit": "95"}, []),
    ("an opening order trades at the first bar", OPG, {}, ["0 open: 100 at 100"]),
    ("an opening limit past the open is gone", OPG, {"limit": "99"}, ["0 open: canceled"]),
    ("a closing order trades at the last close", CLS, {}, ["1 range: 100 at 101"]),
    ("a closing limit within the close gets the close", CLS, {"limit": "102"}, ["1 range: 100 at 101"]),
    ("a closing limit past the close expires", CLS, {"limit": "100.50"}, ["1 range: expired"]),
    ("at once or not at all", IOC, {"limit": "99"}, ["0 open: canceled"]),
    ("all at once or not at all", FOK, {"limit": "99"}, ["0 open: canceled"]),
    ("at once when it can", IOC, {"limit": "100"}, ["0 open: 100 at 100"]),
    ("all at once when it can", FOK, {}, ["0 open: 100 at 100"]),
]  # fmt: skip


@pytest.mark.parametrize("row", FORCES, ids=lambda row: row[0])
def test_times_in_force_over_two_sessions_of_two_bars(
    row: tuple[str, TimeInForce, Mapping[str, Any], list[str]],
) -> None:
    _, force, facts, told = row
    order = an_order(**facts, kind=LIMIT if "limit" in facts else MARKET, time_in_force=force)
    assert happens(HALVES, order, per_session=2) == told


@pytest.mark.parametrize(
    ("force", "told"),
    [
        (OPG, ["1 range: expired"]),
        (CLS, ["1 range: 100 at 101"]),
        (DAY, ["1 open: 100 at 100"]),
        (IOC, ["1 open: 100 at 100"]),
    ],
)
def test_an_order_that_arrives_within_a_session(force: TimeInForce, told: list[str]) -> None:
    market = Market(HALVES, per_session=2)
    market.live(1)
    market.venue.accept(an_order(time_in_force=force), market.frame.known(0))
    assert market.live() == told


def test_an_order_that_arrives_at_a_close_works_in_the_next_session() -> None:
    market = Market([CALM, GAP_UP])
    market.live(1)
    market.venue.accept(an_order(), market.frame.known(0))
    assert market.live() == ["1 open: 100 at 110"]


def test_a_day_order_expires_unfilled_where_nothing_traded() -> None:
    assert happens([NO_BAR, CALM], an_order()) == ["0 range: expired"]


def test_an_order_that_arrives_after_the_open_sees_nothing_of_that_bar() -> None:
    market = Market([CALM, CALM])
    market.venue.open_bar(0)
    order = an_order(kind=LIMIT, limit="99", time_in_force=GTC)
    market.venue.accept(order, market.frame.started(0) + timedelta(minutes=1))
    assert market.venue.close_bar(0) == []
    market.row = 1
    assert market.live() == ["1 range: 100 at 99"]


def slipping(bps: int) -> VenueModel:
    return VenueModel(TradingCosts(NoCommission(), BasisPoints(Decimal(bps))))


@pytest.mark.parametrize(
    ("side", "kind", "prices", "paid"),
    [
        (BUY, MARKET, {}, "open: 100 at 100.1"),
        (SELL, MARKET, {}, "open: 100 at 99.9"),
        (BUY, STOP, {"stop": "101"}, "range: 100 at 101.101"),
        (SELL, STOP, {"stop": "100"}, "open: 100 at 99.9"),
        (SELL, TRAILING, {"trail_price": "1"}, "range: 100 at 98.901"),
        # A limit is never worse than its limit.
        (BUY, LIMIT, {"limit": "100"}, "open: 100 at 100"),
        (SELL, LIMIT, {"limit": "101"}, "range: 100 at 101"),
        (BUY, STOP_LIMIT, {"stop": "101", "limit": "101"}, "range: 100 at 101"),
    ],
)
def test_slippage_of_ten_basis_points(
    side: Side, kind: OrderKind, prices: Mapping[str, str], paid: str
) -> None:
    order = an_order(side, kind=kind, time_in_force=GTC, **prices)
    assert happens([CALM], order, slipping(10)) == [f"0 {paid}"]


def test_a_market_order_at_the_close_slips_and_a_limit_does_not() -> None:
    at_close = an_order(time_in_force=CLS)
    assert happens([CALM], at_close, slipping(10)) == ["0 range: 100 at 101.101"]
    limited = an_order(time_in_force=CLS, kind=LIMIT, limit="101")
    assert happens([CALM], limited, slipping(10)) == ["0 range: 100 at 101"]


THIN = a_venue_model(volume_share=TENTH)
SHARES: list[tuple[str, TimeInForce, OrderKind, Mapping[str, str], Sequence[Row], list[str]]] = [
    (
        "the rest goes on at the next opens",
        GTC,
        MARKET,
        {},
        [CALM, CALM, CALM],
        ["0 open: 100 at 100", "1 open: 100 at 100", "2 open: 50 at 100"],
    ),
    (
        "the rest of a day order expires",
        DAY,
        MARKET,
        {},
        [CALM, CALM],
        ["0 open: 100 at 100", "0 range: expired"],
    ),
    ("at once what there is", IOC, MARKET, {}, [CALM], ["0 open: 100 at 100", "0 open: canceled"]),
    ("all or nothing", FOK, MARKET, {}, [CALM], ["0 open: canceled"]),
    (
        "a limit takes its share at the open and no more over the range",
        GTC,
        LIMIT,
        {"limit": "100"},
        [CALM],
        ["0 open: 100 at 100"],
    ),
    (
        "a stop that was held back is a market order from then on",
        GTC,
        STOP,
        {"stop": "101"},
        [CALM, (50.0, 50.0, 50.0, 50.0, 1e4)],
        ["0 range: 100 at 101", "1 open: 150 at 50"],
    ),
    (
        "a trailing stop that was held back is one too",
        GTC,
        TRAILING,
        {"trail_price": "1"},
        [CALM, (50.0, 50.0, 50.0, 50.0, 1e4)],
        ["0 range: 100 at 101", "1 open: 150 at 50"],
    ),
    (
        "a stop-limit that was held back keeps its limit",
        GTC,
        STOP_LIMIT,
        {"stop": "101", "limit": "101"},
        [CALM, GAP_UP, CALM],
        ["0 range: 100 at 101", "2 open: 100 at 100"],
    ),
    ("a bar without volume fills nothing", GTC, MARKET, {}, [(1.0, 1.0, 1.0, 1.0, 0.0)], []),
    ("whole lots only", GTC, MARKET, {}, [(1.0, 1.0, 1.0, 1.0, 19.0)], ["0 open: 1 at 1"]),
    (
        "the rest at the close expires",
        CLS,
        MARKET,
        {},
        [CALM],
        ["0 range: 100 at 101", "0 range: expired"],
    ),
]


@pytest.mark.parametrize("row", SHARES, ids=lambda row: row[0])
def test_a_tenth_of_the_volume(
    row: tuple[str, TimeInForce, OrderKind, Mapping[str, str], Sequence[Row], list[str]],
) -> None:
    _, force, kind, prices, bars, told = row
    facts: dict[str, Any] = {"quantity": 250, "kind": kind, "time_in_force": force, **prices}
    order = an_order(**facts)
    assert happens(bars, order, THIN) == told


def test_a_held_back_stop_still_slips() -> None:
    model = VenueModel(TradingCosts(NoCommission(), BasisPoints(Decimal(10))), TENTH)
    order = an_order(quantity=150, kind=STOP, stop="101", time_in_force=GTC)
    told = happens([CALM, CALM], order, model)
    assert told == ["0 range: 100 at 101.101", "1 open: 50 at 100.1"]


def numbered(number: int, **facts: Any) -> Order:
    return an_order(id=OrderId(f"order-{number}"), **facts)


def test_orders_of_one_bar_share_its_volume_in_their_order_of_arrival() -> None:
    market = Market([CALM, CALM], THIN)
    for number, side in enumerate((BUY, SELL, BUY)):
        market.venue.accept(numbered(number, side=side, quantity=60, time_in_force=GTC), BEFORE)
    assert market.live(1) == ["0 open: 60 at 100", "0 open: 40 at 100"]
    assert market.live(1) == ["1 open: 20 at 100", "1 open: 60 at 100"]


def test_an_order_that_could_not_be_filled_whole_takes_nothing_from_the_next() -> None:
    market = Market([CALM], THIN)
    market.venue.accept(numbered(1, quantity=150, time_in_force=FOK), BEFORE)
    market.venue.accept(numbered(2, quantity=100), BEFORE)
    assert market.live() == ["0 open: canceled", "0 open: 100 at 100"]


def test_instruments_do_not_share_their_volume() -> None:
    frame = a_frame({"AAA": [CALM], "BBB": [CALM]})
    venue = SimulatedVenue(frame, instruments("AAA", "BBB"), THIN)
    for number, name in enumerate((AAA, BBB)):
        venue.accept(numbered(number, instrument=name), BEFORE)
    assert [tell("0 open", e) for e in venue.open_bar(0)] == ["0 open: 100 at 100"] * 2


def test_the_parts_of_an_order_pay_one_minimum() -> None:
    model = VenueModel(TradingCosts(PerShare(), BasisPoints(Decimal(0))), TENTH)
    market = Market([CALM] * 3, model)
    market.venue.accept(an_order(quantity=250, time_in_force=GTC), BEFORE)
    fills = []
    for row in range(3):
        fills += [e for e in market.venue.open_bar(row) if isinstance(e, Filled)]
    assert [e.fill.fee.amount for e in fills] == [dec("1.00"), dec("0.00"), dec("0.25")]
    assert [e.cumulative for e in fills] == [100, 200, 250]
    assert len({e.fill.id for e in fills}) == 3
    assert [e.seq for e in fills] == sorted({e.seq for e in fills})


def test_a_fill_says_what_traded_and_when() -> None:
    market = Market([CALM])
    market.venue.accept(an_order(SELL), BEFORE)
    (event,) = market.venue.open_bar(0)
    assert isinstance(event, Filled)
    fill = event.fill
    assert (fill.order, fill.instrument, fill.side) == ("order-1", AAA, SELL)
    assert (fill.at, event.at) == (AT, AT)


OBJECTIONS: list[tuple[Mapping[str, Any], str]] = [
    ({"instrument": InstrumentId("ZZZ")}, 'asset "ZZZ" not found'),
    ({"instrument": InstrumentId("OFF")}, 'asset "OFF" not found'),
    ({"instrument": InstrumentId("NOT")}, 'asset "NOT" is not tradable'),
    ({"quantity": "1.5"}, "qty must be a multiple of 1"),
    ({"kind": LIMIT, "limit": "10.005"}, "invalid price 10.005. sub-penny increment"),
    ({"kind": STOP, "stop": "10.005"}, "invalid price 10.005. sub-penny increment"),
    ({"kind": STOP, "stop": "10", "time_in_force": OPG}, "opg orders must be market or limit"),
    (
        {"kind": TRAILING, "trail_price": "1", "time_in_force": IOC},
        "ioc orders must be market or limit",
    ),
]


@pytest.mark.parametrize(("facts", "reason"), OBJECTIONS, ids=[r for _, r in OBJECTIONS])
def test_what_the_venue_cannot_trade_is_rejected(facts: Mapping[str, Any], reason: str) -> None:
    frame = a_frame({"AAA": [CALM], "NOT": [CALM]})
    known = instruments("AAA", "OFF") | {InstrumentId("NOT"): an_instrument("NOT", tradable=False)}
    venue = SimulatedVenue(frame, known)
    answer = venue.accept(an_order(**facts), BEFORE)
    assert isinstance(answer, Rejected)
    assert answer.reason.startswith(reason)
    assert not venue.working


def test_a_price_below_a_dollar_may_have_four_decimals() -> None:
    venue = Market([CALM]).venue
    answer = venue.accept(an_order(kind=LIMIT, limit="0.1234"), BEFORE)
    assert isinstance(answer, Accepted)
    assert answer.venue_id == "sim-order-1"


def test_an_id_is_taken_once_even_after_its_order_has_ended() -> None:
    market = Market([CALM])
    market.venue.accept(an_order(), BEFORE)
    for _ in range(2):
        with pytest.raises(DuplicateOrder, match="order-1"):
            market.venue.accept(an_order(), BEFORE)
        market.live()
        market.row = 0


def test_a_cancel_ends_what_still_works() -> None:
    market = Market([CALM])
    market.venue.accept(an_order(), BEFORE)
    answer = market.venue.cancel(OrderId("order-1"), BEFORE)
    assert isinstance(answer, Canceled)
    assert market.live() == []


def test_a_cancel_of_what_has_ended_or_was_never_there_is_refused() -> None:
    market = Market([CALM])
    market.venue.accept(an_order(), BEFORE)
    market.live()
    ended = market.venue.cancel(OrderId("order-1"), BEFORE)
    unknown = market.venue.cancel(OrderId("order-9"), BEFORE)
    assert isinstance(ended, CancelRefused)
    assert isinstance(unknown, CancelRefused)
    assert (ended.reason, unknown.reason) == ("order has ended", "order is not known")


MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (AT - 2 * MINUTE, ["0 open: canceled"]),
        (AT - MINUTE, ["0 open: canceled"]),
        (AT - MINUTE / 2, ["0 open: 100 at 100"]),
    ],
)
def test_a_cancel_takes_its_time(asked: datetime, told: list[str]) -> None:
    market = Market([CALM], a_venue_model(cancel_delay=MINUTE))
    market.venue.accept(an_order(), BEFORE)
    assert market.venue.cancel(OrderId("order-1"), asked) is None
    assert market.live() == told


def test_a_cancel_under_way_ends_an_order_before_the_bar_is_over() -> None:
    market = Market([CALM], a_venue_model(cancel_delay=MINUTE))
    market.venue.accept(an_order(kind=LIMIT, limit="99", time_in_force=GTC), BEFORE)
    market.venue.cancel(OrderId("order-1"), AT)
    assert market.live() == ["0 range: canceled"]


def test_an_order_takes_its_time_to_arrive() -> None:
    market = Market([CALM, GAP_UP], a_venue_model(submit_delay=MINUTE))
    market.venue.accept(an_order(time_in_force=GTC), AT - MINUTE / 2)
    assert market.live() == ["1 open: 100 at 110"]


def test_an_order_on_its_way_at_the_close_does_not_expire_with_that_session() -> None:
    market = Market([CALM, GAP_UP], a_venue_model(submit_delay=MINUTE))
    market.venue.accept(an_order(), market.frame.known(0) - MINUTE / 2)
    assert market.live() == ["1 open: 100 at 110"]


def replaced(market: Market, **facts: Any) -> list[str]:
    answers = market.venue.replace(OrderId("order-1"), numbered(2, **facts), AT)
    return [getattr(answer, "reason", "") or answer.kind.value for answer in answers]


def test_a_replacement_takes_the_place_of_an_order() -> None:
    market = Market([CALM, GAP_UP])
    market.venue.accept(an_order(kind=LIMIT, limit="90", time_in_force=GTC), BEFORE)
    answers = market.venue.replace(
        OrderId("order-1"), numbered(2, kind=LIMIT, limit="98", time_in_force=GTC), BEFORE
    )
    assert isinstance(answers[0], Replaced)
    assert (answers[0].order, answers[0].successor) == ("order-1", "order-2")
    assert isinstance(answers[1], Accepted)
    assert answers[1].order == "order-2"
    assert market.live(1) == ["0 range: 100 at 98"]


def test_the_new_quantity_of_a_replacement_includes_what_is_filled() -> None:
    market = Market([CALM, CALM, CALM], THIN)
    market.venue.accept(an_order(quantity=250, time_in_force=GTC), BEFORE)
    assert market.live(1) == ["0 open: 100 at 100"]
    assert replaced(market, quantity=150, time_in_force=GTC) == ["replaced", "accepted"]
    market.venue.close_bar(0)
    (event,) = market.venue.open_bar(1)
    assert isinstance(event, Filled)
    assert (event.fill.quantity, event.cumulative) == (dec(50), dec(150))
    assert not market.venue.working


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"quantity": 100}, "cannot replace: 100 are filled already"),
        ({"quantity": 99}, "cannot replace: 100 are filled already"),
        ({"quantity": "100.5"}, "cannot replace: qty must be a multiple of 1"),
        ({"side": SELL}, "cannot replace: instrument and side stay"),
        ({"instrument": BBB}, "cannot replace: instrument and side stay"),
        (
            {"kind": LIMIT, "limit": "99.999", "quantity": 250},
            "cannot replace: invalid price 99.999. sub-penny increment",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_replacement_that_cannot_be_leaves_the_order_as_it_was(
    facts: Mapping[str, Any], reason: str
) -> None:
    market = Market([CALM, CALM], THIN)
    market.venue.accept(an_order(quantity=200, time_in_force=GTC), BEFORE)
    market.live(1)
    assert replaced(market, **facts) == [reason]
    assert set(market.venue.working) == {"order-1"}
    assert market.live() == ["1 open: 100 at 100"]


def test_what_has_ended_or_was_never_there_is_not_replaced() -> None:
    market = Market([CALM])
    assert replaced(market) == ["cannot replace: order has ended"]
    market.venue.accept(an_order(), BEFORE)
    market.live()
    assert replaced(market) == ["cannot replace: order has ended"]


def test_a_replacement_of_a_known_id_changes_nothing() -> None:
    market = Market([CALM])
    market.venue.accept(an_order(), BEFORE)
    with pytest.raises(DuplicateOrder):
        market.venue.replace(OrderId("order-1"), an_order(quantity=200), BEFORE)
    assert market.live() == ["0 open: 100 at 100"]


ACTIONS: list[tuple[Event, str]] = [
    (SplitApplied(Split(AAA, AT.date(), Fraction(2)), dec(100), AT), "corporate action"),
    (Delisted(Delisting(AAA, AT.date()), dec(100), AT), "delisted"),
]


@pytest.mark.parametrize(("action", "reason"), ACTIONS, ids=["split", "delisting"])
def test_a_split_or_a_delisting_cancels_the_orders_of_its_instrument(
    action: Event, reason: str
) -> None:
    frame = a_frame({"AAA": [CALM], "BBB": [CALM]})
    venue = SimulatedVenue(frame, instruments("AAA", "BBB"))
    for number, name in enumerate((AAA, BBB, AAA)):
        venue.accept(numbered(number, instrument=name, time_in_force=GTC), BEFORE)
    events = venue.step(action)
    assert [(e.order, e.reason) for e in events] == [("order-0", reason), ("order-2", reason)]
    assert set(venue.working) == {"order-1"}


def test_other_events_of_the_market_do_not_concern_orders() -> None:
    market = Market([CALM])
    market.venue.accept(an_order(kind=LIMIT, limit="98", time_in_force=GTC), BEFORE)
    dividend = DividendPaid(CashDividend(AAA, AT.date(), dec(1)), AT)
    assert market.venue.step(dividend) == []
    assert market.venue.step(BarOpened(market.frame, 0)) == []
    (filled,) = market.venue.step(BarClosed(market.frame, 0))
    assert isinstance(filled, Filled)


@pytest.mark.parametrize(
    "wrong",
    [
        {"volume_share": Decimal(0)},
        {"volume_share": Decimal("1.1")},
        {"submit_delay": -MINUTE},
        {"cancel_delay": -MINUTE},
    ],
)
def test_assumptions_that_cannot_be_are_refused(wrong: Mapping[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        a_venue_model(**wrong)


def test_flat_bars_fill_every_kind_at_the_one_price_there_is() -> None:
    for number, (kind, prices) in enumerate(
        [(LIMIT, {"limit": "100"}), (STOP, {"stop": "100"}), (MARKET, {})]
    ):
        order = numbered(number, kind=kind, **prices)
        assert happens(flat_bars([100.0]), order) == ["0 open: 100 at 100"]


def test_a_bar_whose_range_is_not_known_fills_at_its_open_only() -> None:
    bar = (100.0, NAN, NAN, 101.0, 1000.0)
    assert happens([bar], an_order(kind=LIMIT, limit="99", time_in_force=GTC)) == []
    assert happens([bar], an_order(kind=LIMIT, limit="100")) == ["0 open: 100 at 100"]


def test_the_first_row_of_a_frame_begins_a_session_also_if_it_is_the_only_one() -> None:
    told = happens([CALM, CALM], an_order(time_in_force=OPG), per_session=2)
    assert told == ["0 open: 100 at 100"]


def test_an_order_that_arrives_as_the_market_closes_is_for_the_next_session() -> None:
    market = Market([CALM, GAP_UP])
    market.venue.open_bar(0)
    market.venue.accept(an_order(), market.frame.known(0))
    assert market.venue.close_bar(0) == []
    market.row = 1
    assert market.live() == ["1 open: 100 at 110"]
