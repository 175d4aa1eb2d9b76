"""A simulated venue that lives through the finer bars of each row of the bars decided on.

It is asked by row of the longer frame and answers with what the simulated venue does over that
row's finer bars, one after another. The answers come as they happen: what is done to an order
between two of them counts for the bars that are left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradewright.core.errors import MissingData
from tradewright.core.events import BarClosed, BarOpened
from tradewright.execution.venue import SimulatedVenue
from tradewright.portfolio.costs import Backdrop

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from tradewright.core.events import (
        Accepted,
        Canceled,
        CancelRefused,
        Event,
        OrderEvent,
        Rejected,
    )
    from tradewright.core.ids import InstrumentId, OrderId
    from tradewright.core.instrument import Instrument
    from tradewright.core.orders import Order
    from tradewright.data.history import Detail, MarketData
    from tradewright.engine.run import Rows, RunSpec
    from tradewright.execution.venue import VenueModel


class DetailedVenue:
    """The simulated venue over finer bars, asked by rows of longer ones."""

    def __init__(
        self,
        detail: Detail,
        instruments: Mapping[InstrumentId, Instrument],
        model: VenueModel,
        backdrop: Backdrop | None = None,
    ) -> None:
        """Open for the rows of a detail; costs depend on the `backdrop`, by default its."""
        self._detail = detail
        self._venue = SimulatedVenue(detail.frame, instruments, model, backdrop)
        self.working = self._venue.working

    def accept(self, order: Order, at: datetime) -> Accepted | Rejected:
        """Take an order, or reject what this venue cannot trade.

        Raises:
            DuplicateOrder: The venue has, or had, an order of this id.
        """
        return self._venue.accept(order, at)

    def cancel(self, order: OrderId, at: datetime) -> Canceled | CancelRefused | None:
        """Cancel what still works; None while the cancel is under way."""
        return self._venue.cancel(order, at)

    def open_bar(self, row: int) -> Iterator[OrderEvent]:
        """Fill at the open of a row's first finer bar."""
        yield from self._venue.open_bar(self._detail.of(row).start)

    def close_bar(self, row: int) -> Iterator[OrderEvent]:
        """Fill over a row's finer bars, and at the opens of all but the first."""
        finer = self._detail.of(row)
        for place in finer:
            if place != finer.start:
                yield from self._venue.open_bar(place)
            yield from self._venue.close_bar(place)
            if not self.working:
                return

    def step(self, event: Event) -> Iterator[OrderEvent]:
        """Live through one event of the market; what the orders did comes in order."""
        match event:
            case BarOpened():
                yield from self.open_bar(event.row)
            case BarClosed():
                yield from self.close_bar(event.row)
            case _:
                yield from self._venue.step(event)


def venue_of(spec: RunSpec, market: MarketData, rows: Rows) -> SimulatedVenue | DetailedVenue:
    """Return the venue on which a spec's orders fill.

    What costs depend on is known from the bars that are decided on, whatever orders fill on.

    Raises:
        MissingData: The spec fills on finer bars, and the market has none for these rows.
    """
    model, backdrop = spec.venue_model(), Backdrop(market.frame, market.actions)
    if spec.detail is None:
        return SimulatedVenue(market.frame, market.instruments, model, backdrop)
    detail = market.detail
    if (
        detail is None
        or detail.frame.timeframe is not spec.detail
        or not (rows.first in detail.rows and rows.last in detail.rows)
    ):
        what = f"has no {spec.detail} bars beside the run's {spec.timeframe} bars"
        raise MissingData(market.label, what, "put them there with data.detail.detailed")
    return DetailedVenue(detail, market.instruments, model, backdrop)
