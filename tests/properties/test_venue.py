"""The venue gives nothing that the bars did not have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NO_BAR, Row, a_frame, an_order, dec, instruments
from tradewright.core.events import Filled, OrderEvent
from tradewright.core.frames import BarFrame
from tradewright.core.ids import InstrumentId, OrderId
from tradewright.core.money import Price
from tradewright.core.orders import Order, OrderKind, Side, TimeInForce
from tradewright.execution.venue import SimulatedVenue, VenueModel
from tradewright.portfolio.costs import BasisPoints, PerShare, TradingCosts

NAMES = ("AAA", "BBB")
cents = st.integers(9_000, 11_000)


def a_bar(prices: Sequence[int], volume: int) -> Row:
    open_, close = prices[0] / 100, prices[1] / 100
    return (open_, max(prices) / 100, min(prices) / 100, close, float(volume))


bars = st.one_of(
    st.just(NO_BAR),
    *[st.builds(a_bar, st.lists(cents, min_size=2, max_size=4), st.integers(0, 2_000))] * 5,
)


@dataclass
class Scene:
    """A frame, and the orders with the rows at whose close they arrive."""

    frame: BarFrame
    arrivals: dict[int, list[Order]]
    model: VenueModel
    events: list[tuple[int, OrderEvent]] = field(default_factory=list)

    def play(self) -> SimulatedVenue:
        known = instruments(*NAMES)
        venue = SimulatedVenue(self.frame, known, self.model)
        self.events = []
        for row in range(len(self.frame)):
            for event in (*venue.open_bar(row), *venue.close_bar(row)):
                self.events.append((row, event))
            for order in self.arrivals.get(row, ()):
                self.events.append((row, venue.accept(order, self.frame.known(row))))
        return venue

    @property
    def orders(self) -> dict[OrderId, Order]:
        return {order.id: order for some in self.arrivals.values() for order in some}

    @property
    def fills(self) -> list[tuple[int, Filled]]:
        return [(row, event) for row, event in self.events if isinstance(event, Filled)]


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    rows = draw(st.integers(2, 8))
    frame = a_frame(
        {name: draw(st.lists(bars, min_size=rows, max_size=rows)) for name in NAMES},
        per_session=draw(st.sampled_from([1, 2, 3])),
    )
    arrivals: dict[int, list[Order]] = {}
    for number in range(draw(st.integers(1, 6))):
        order = draw(orders(number))
        arrivals.setdefault(draw(st.integers(0, rows - 2)), []).append(order)
    share = draw(st.sampled_from([None, "0.01", "0.1", "1"]))
    costs = TradingCosts(PerShare(), BasisPoints(Decimal(draw(st.sampled_from([0, 2, 50])))))
    return Scene(frame, arrivals, VenueModel(costs, None if share is None else dec(share)))


@st.composite
def orders(draw: st.DrawFn, number: int) -> Order:
    kind = draw(st.sampled_from(OrderKind))
    prices: dict[str, Any] = {}
    if kind in (OrderKind.LIMIT, OrderKind.STOP_LIMIT):
        prices["limit"] = str(dec(draw(cents)) / 100)
    if kind in (OrderKind.STOP, OrderKind.STOP_LIMIT):
        prices["stop"] = str(dec(draw(cents)) / 100)
    if kind is OrderKind.TRAILING_STOP:
        prices |= draw(st.sampled_from([{"trail_price": "1.5"}, {"trail_fraction": "0.0123"}]))
    plain = kind in (OrderKind.MARKET, OrderKind.LIMIT)
    forces = list(TimeInForce) if plain else [TimeInForce.DAY, TimeInForce.GTC]
    return an_order(
        draw(st.sampled_from(Side)),
        draw(st.integers(1, 500)),
        kind,
        id=OrderId(f"order-{number}"),
        instrument=InstrumentId(draw(st.sampled_from(NAMES))),
        time_in_force=draw(st.sampled_from(forces)),
        **prices,
    )


@given(scenes())
def test_an_order_is_never_filled_beyond_its_quantity_and_ends_once(scene: Scene) -> None:
    venue = scene.play()
    for name, order in scene.orders.items():
        mine = [event for _, event in scene.events if event.order == name]
        filled = sum(event.fill.quantity for event in mine if isinstance(event, Filled))
        assert filled <= order.quantity
        endings = [e for e in mine if e.kind in ("canceled", "expired", "rejected")]
        done = bool(endings) or filled == order.quantity
        assert len(endings) + (filled == order.quantity) <= 1
        assert (name in venue.working) is not done
        if endings:
            assert mine[-1] is endings[0]
        counts = [event.cumulative for event in mine if isinstance(event, Filled)]
        assert counts == sorted(counts)  # type: ignore[type-var]
        assert not counts or counts[-1] == filled


@given(scenes())
def test_no_bar_gives_more_than_its_share_of_volume(scene: Scene) -> None:
    scene.play()
    share = scene.model.volume_share
    for row in range(len(scene.frame)):
        for name in scene.frame.instruments:
            taken = sum(
                event.fill.quantity
                for at, event in scene.fills
                if at == row and event.fill.instrument == name
            )
            column = scene.frame.index(name)
            traded = scene.frame.price(row, column) is not None
            assert traded or not taken
            assert share is None or taken <= share * scene.frame.shares(row, column)


@given(scenes())
def test_prices_lie_within_the_bar_but_for_slippage_against_us(scene: Scene) -> None:
    scene.play()
    costs = scene.model.costs
    for row, event in scene.fills:
        fill, order = event.fill, scene.orders[event.order]
        bar = scene.frame.row(row, scene.frame.index(fill.instrument))
        assert bar is not None
        low, high = bar.low, bar.high
        if order.kind not in (OrderKind.LIMIT, OrderKind.STOP_LIMIT):
            low, high = (costs.fill_price(order.side, Price(price)) for price in (low, high))
        assert low <= fill.price <= high


@given(scenes())
def test_a_limit_is_never_worse_than_its_limit_and_a_stop_never_better_than_its_stop(
    scene: Scene,
) -> None:
    scene.play()
    first: set[OrderId] = set()
    for _, event in scene.fills:
        order, price = scene.orders[event.order], event.fill.price
        sign = order.side.sign
        if order.limit is not None:
            assert (price - order.limit) * sign <= 0
        if order.kind is OrderKind.STOP and order.stop is not None and order.id not in first:
            assert (price - order.stop) * sign >= 0
        first.add(order.id)


@given(scenes())
def test_only_orders_that_stay_outlive_their_session(scene: Scene) -> None:
    # The frame's end ends its last session, and no order arrives after that.
    venue = scene.play()
    forces = {scene.orders[name].time_in_force for name in venue.working}
    assert forces <= {TimeInForce.GTC}


@given(scenes())
def test_the_same_scene_plays_the_same_way(scene: Scene) -> None:
    scene.play()
    once = scene.events
    scene.play()
    assert scene.events == once
    assert {event.kind for _, event in once} <= {"accepted", "filled", "canceled", "expired"}
