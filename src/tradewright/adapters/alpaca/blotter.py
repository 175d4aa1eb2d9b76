"""What we have told our side of each order at the venue, and so what is still news.

The stream forgets whatever happens while it is down; the venue's lists do not. Compared with
this, they give the events that were missed, each once. Pure: the lists are arguments.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from tradewright.core.events import (
    Accepted,
    Canceled,
    CancelRefused,
    Expired,
    Filled,
    FillReversed,
    OrderEvent,
    Rejected,
    Replaced,
    Reported,
)
from tradewright.core.ids import FillId, OrderId, VenueOrderId
from tradewright.core.money import ZERO
from tradewright.core.orders import Fill, OrderStatus
from tradewright.core.reports import VenueOrder

_FILLS_KEPT: Final = 50_000
_FOUND: Final = "found at the venue"
_ENDINGS: Final = (Canceled, Expired, Rejected, Replaced)


@dataclass(slots=True)
class _Standing:
    status: OrderStatus | None = None
    # None until a count is told: an order from before our time may have filled in part.
    filled: Decimal | None = None
    quantity: Decimal | None = None
    counts: set[Decimal] = field(default_factory=set)
    ended: bool = False


class Blotter:
    """Ids both ways, and how far each order has been told of."""

    def __init__(self) -> None:
        """Start without orders."""
        self.venue_ids: dict[OrderId, VenueOrderId] = {}
        self.order_ids: dict[VenueOrderId, OrderId] = {}
        self._standings: dict[OrderId, _Standing] = {}
        self._fills: OrderedDict[FillId, None] = OrderedDict()

    @property
    def open(self) -> Sequence[OrderId]:
        """The orders that have not ended, as far as has been told."""
        return tuple(order for order, told in self._standings.items() if not told.ended)

    def remember(self, order: OrderId, venue_id: VenueOrderId) -> None:
        """Note which order of theirs is which of ours."""
        self.venue_ids[order] = venue_id
        self.order_ids[venue_id] = order

    def submitted(self, known: VenueOrder, quantity: Decimal) -> None:
        """Note an order of ours that the venue has just taken, or says to have had already."""
        self.remember(known.id, known.venue_id)
        standing = self._standings.setdefault(known.id, _Standing(known.status, ZERO))
        standing.quantity = quantity
        if known.status is OrderStatus.REJECTED:
            standing.ended = True

    def heard(self, event: OrderEvent, *, ended: bool = False) -> None:
        """Note an event that our side is told; `ended` says of a fill that it was the last."""
        if event.venue_id is not None:
            self.remember(event.order, event.venue_id)
        standing = self._standings.setdefault(event.order, _Standing())
        if isinstance(event, Filled):
            self._filled(standing, event)
        elif isinstance(event, FillReversed):
            self._undone(standing, event)
        elif isinstance(event, Accepted | Reported):
            told = event.status if isinstance(event, Reported) else OrderStatus.ACCEPTED
            if standing.status is None or told.rank >= standing.status.rank:
                standing.status = told
        elif isinstance(event, CancelRefused):
            # It works on: its next pending cancel or replacement is news again.
            standing.status = OrderStatus.NEW
        if ended or isinstance(event, _ENDINGS):
            standing.ended = True

    def news(
        self,
        working: Iterable[VenueOrder],
        gone: Iterable[VenueOrder],
        fills: Iterable[tuple[Fill, Decimal]],
    ) -> tuple[Sequence[OrderEvent], bool]:
        """Return what has not been told, in an order that can be told, and whether it is all.

        Args:
            working: The venue's open orders.
            gone: Those of ours that are not among them any more.
            fills: Executions since before the gap, oldest first, each with its cumulative;
                read after the orders, so that it holds what their counts hold.
        """
        events: list[OrderEvent] = []
        for known in working:
            risen = self._risen(known)
            if risen is not None:
                self._tell(events, risen)
        whole = True
        for fill, cumulative in fills:
            # Of an order that is met here first it is not known yet whether it has ended.
            whole = whole and fill.order in self._standings
            venue_id = self.venue_ids.get(fill.order)
            event = Filled(fill.order, fill.at, fill, cumulative, venue_id=venue_id)
            if not self._is_told(event):
                self._tell(events, event)
        for known in gone:
            standing = self._standings.setdefault(known.id, _Standing())
            if standing.ended:
                continue
            if standing.filled is not None and known.filled > standing.filled:
                # Its last executions are not listed yet: its end must wait for them.
                whole = False
            elif known.status is OrderStatus.FILLED:
                standing.ended = True
            elif (ending := _ending(known)) is not None:
                self._tell(events, ending)
        return events, whole

    def _tell(self, events: list[OrderEvent], event: OrderEvent) -> None:
        events.append(event)
        self.heard(event)

    def _risen(self, known: VenueOrder) -> OrderEvent | None:
        standing = self._standings.get(known.id)
        if standing is None:
            return Accepted(known.id, known.updated_at, known.venue_id, reason=_FOUND)
        status = known.status
        # How much of it has filled is for its fills to say.
        if standing.ended or status is None or status is OrderStatus.PARTIALLY_FILLED:
            return None
        if standing.status is None or status.rank > standing.status.rank:
            return Reported(known.id, known.updated_at, status, known.venue_id)
        return None

    def _filled(self, standing: _Standing, event: Filled) -> None:
        self._fills[event.fill.id] = None
        if len(self._fills) > _FILLS_KEPT:
            self._fills.popitem(last=False)
        if event.cumulative is None:
            return
        standing.counts.add(event.cumulative)
        standing.filled = max(standing.filled or ZERO, event.cumulative)
        if standing.quantity is not None and standing.filled >= standing.quantity:
            standing.ended = True

    def _undone(self, standing: _Standing, event: FillReversed) -> None:
        if event.instead is not None:
            self._fills[event.instead] = None
        # Other executions may bring the order to these counts once more.
        standing.counts.clear()
        standing.filled = None

    def _is_told(self, event: Filled) -> bool:
        # Two channels may name one execution differently; each brings its order to a count of
        # its own.
        if event.fill.id in self._fills:
            return True
        standing = self._standings.get(event.order)
        return standing is not None and event.cumulative in standing.counts


def _ending(known: VenueOrder) -> OrderEvent | None:
    order, at, reason = known.id, known.updated_at, known.reason or _FOUND
    match known.status:
        case OrderStatus.CANCELED:
            return Canceled(order, at, reason, known.venue_id)
        case OrderStatus.EXPIRED:
            return Expired(order, at, reason, known.venue_id)
        case OrderStatus.REJECTED:
            return Rejected(order, at, reason, known.venue_id)
        case OrderStatus.REPLACED:
            # By whom is not said here; the order itself names its successor.
            return Canceled(order, at, f"replaced, {reason}", known.venue_id)
        case _:
            return None
