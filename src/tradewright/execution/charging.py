"""What a fill at the simulated venue is charged, where that depends on more than the fill.

The price of a fill may depend on its size and on what was known of the instrument before, and a
commission on what the account traded in the month: that count is kept here, for one account.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from tradewright.core.money import ZERO
from tradewright.core.orders import OrderKind

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from tradewright.core.money import Price
    from tradewright.core.orders import Order
    from tradewright.portfolio.costs import Backdrop, TradingCosts

_NEW_YORK: Final = ZoneInfo("America/New_York")
SLIPPING: Final = frozenset({OrderKind.MARKET, OrderKind.STOP, OrderKind.TRAILING_STOP})
"""The kinds that take what the market gives: a limit is kept or not filled."""


class Charging:
    """Prices and fees of fills, one after the other."""

    def __init__(self, costs: TradingCosts, backdrop: Backdrop) -> None:
        """Start with an empty month."""
        self._costs = costs
        self._backdrop = backdrop
        self._metered = costs.metered
        self._month = (0, 0)
        self._shares = ZERO

    def price(self, order: Order, quantity: Decimal, price: Price, at: datetime) -> Price:
        """Return what filling `quantity` at once pays where the market shows `price`."""
        if order.kind not in SLIPPING:
            return price
        known = self._backdrop.at(order.instrument, at)
        return self._costs.fill_price(order.side, price, quantity, known)

    def fee(
        self, order: Order, before: Decimal, quantity: Decimal, price: Decimal, at: datetime
    ) -> Decimal:
        """Return commission and fees of the next fill, and count its shares to the month."""
        if self._metered is None:
            return self._costs.fee(before, quantity, price, order.side, at)
        on = at.astimezone(_NEW_YORK)
        if self._month != (on.year, on.month):
            self._month, self._shares = (on.year, on.month), ZERO
        fee = self._metered.monthly_fee(self._shares, before, quantity, price)
        self._shares += quantity
        levies = self._costs.levies
        return fee if levies is None else fee + levies.fee(before, quantity, price, order.side, at)
