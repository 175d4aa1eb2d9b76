"""What a venue says when it is asked: of one order, and of our account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradewright.core.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal

    from tradewright.core.ids import InstrumentId, OrderId, VenueOrderId
    from tradewright.core.orders import OrderStatus


@frozen
class VenueOrder:
    """An order as the venue knows it; `id` is ours (the client order id).

    `status` is None where its word, `raw_status`, is none that we know.
    """

    id: OrderId
    venue_id: VenueOrderId
    status: OrderStatus | None
    raw_status: str
    filled: Decimal
    average_price: Decimal | None
    updated_at: datetime
    reason: str = ""


@frozen
class VenueAccount:
    """The venue's book of our account: exact, signed quantities by instrument."""

    cash: Decimal
    equity: Decimal
    buying_power: Decimal
    positions: Mapping[InstrumentId, Decimal]
    trading_blocked: bool = False
    number: str = ""


@frozen
class VenueStanding:
    """What a venue says of itself: why it refuses our orders, if it does, and its clock.

    `skew_seconds` is how far our clock is ahead of the venue's.
    """

    blocked: str
    skew_seconds: float
