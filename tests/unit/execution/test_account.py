"""What open orders claim is kept by instrument, and is always what adding it up would give."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest

from tests.builders import AAA, AT, BBB, FREE, a_frame, an_order, dec, flat_bars, instruments
from tradewright.core.events import BarClosed, BarOpened, SessionOpened
from tradewright.core.ids import OrderId
from tradewright.core.money import ZERO
from tradewright.core.orders import OrderKind, Side, TimeInForce
from tradewright.execution.brokerage import SimulatedBrokerage
from tradewright.execution.venue import VenueModel


def added_up(brokerage: SimulatedBrokerage) -> Decimal:
    """Leverage × equity less positions and orders, from the states alone."""
    held = brokerage.ledger.quantities
    gross = ZERO
    for name, quantity in held.items():
        gross += abs(quantity) * (brokerage.price(name) or ZERO)
    for state in brokerage.orders.values():
        order = state.order
        own = held.get(order.instrument, ZERO)
        opening = state.remaining - max(-own * order.side.sign, ZERO)
        price = order.limit or order.stop or brokerage.price(order.instrument) or ZERO
        gross += max(opening, ZERO) * price
    return max(2 * brokerage.equity() - gross, ZERO)


@pytest.mark.parametrize("seed", range(6))
def test_buying_power_is_what_adding_up_every_order_gives(seed: int) -> None:
    drawn = np.random.default_rng(seed)
    closes = {"AAA": [100, 101, 99, 103, 98, 97], "BBB": [20, 21, 19, 22, 20, 18]}
    frame = a_frame({name: flat_bars(prices) for name, prices in closes.items()})
    brokerage = SimulatedBrokerage(
        frame,
        instruments("AAA", "BBB"),
        model=VenueModel(FREE, volume_share=Decimal("0.00001")),
        cash=Decimal(20_000),
        leverage=Decimal(2),
        at=AT - timedelta(hours=1),
        row=0,
    )
    given = 0
    for row in range(1, 6):
        at = frame.known(row - 1)
        for _ in range(12):
            given += 1
            limit = (None, dec("95"), dec("105"))[drawn.integers(3)]
            order = an_order(
                (Side.BUY, Side.SELL)[drawn.integers(2)],
                int(drawn.integers(1, 21)),
                OrderKind.MARKET if limit is None else OrderKind.LIMIT,
                id=OrderId(f"order-{given}"),
                instrument=(AAA, BBB)[drawn.integers(2)],
                limit=limit,
                time_in_force=TimeInForce.GTC,
            )
            if drawn.random() < 0.8:
                brokerage.submit(order, at)
            else:
                brokerage.cancel(OrderId(f"order-{drawn.integers(1, given + 1)}"), at)
            if drawn.random() < 0.5:
                assert brokerage.buying_power() == added_up(brokerage)
        session = frame.session_of(row)
        for event in (
            SessionOpened(session, session.open),
            BarOpened(frame, row),
            BarClosed(frame, row),
        ):
            brokerage.step(event)
            assert brokerage.buying_power() == added_up(brokerage)
        if brokerage.fills:
            if row == 3:
                brokerage.bust(brokerage.fills[-1].id, at)
            assert brokerage.buying_power() == added_up(brokerage)
    assert brokerage.fills
