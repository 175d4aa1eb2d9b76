"""The cost models of a run together: what a trade will cost, what it is charged, what it did cost.

The three questions have one answer for the same inputs: `expected` before, `fill_price` and `fee`
at the venue, `attributed` afterwards. Slippage and impact are in the price of a fill, commission
and fees beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from tradewright.core.errors import InvalidInput
from tradewright.core.money import ZERO, Price
from tradewright.portfolio.costs.commissions import Commission, PerShare, TieredPerShare
from tradewright.portfolio.costs.conditions import UNKNOWN
from tradewright.portfolio.costs.slippage import BasisPoints, Slippage, worse

if TYPE_CHECKING:
    from datetime import datetime

    from tradewright.core.orders import Fill, Side
    from tradewright.portfolio.costs.carrying import Borrow, MarginInterest
    from tradewright.portfolio.costs.conditions import Conditions
    from tradewright.portfolio.costs.impact import Impact
    from tradewright.portfolio.costs.levies import Levies

_ONE: Final = Decimal(1)
_A_WHOLE: Final = Decimal(10_000)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a trade costs, in currency, by part.

    `slippage` and `impact` are what the price is worse by, times the quantity; of a trade that
    was made, slippage is below zero where the price got better.
    """

    commission: Decimal = ZERO
    fees: Decimal = ZERO
    slippage: Decimal = ZERO
    impact: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        """All parts together."""
        return self.commission + self.fees + self.slippage + self.impact

    def bps(self, value: Decimal) -> Decimal:
        """Return the total in basis points of a traded value, which must not be zero."""
        return self.total * _A_WHOLE / value

    def __add__(self, other: Cost) -> Cost:
        """Add part by part."""
        return Cost(
            self.commission + other.commission,
            self.fees + other.fees,
            self.slippage + other.slippage,
            self.impact + other.impact,
        )


@dataclass(frozen=True, slots=True)
class TradingCosts:
    """All that trading and holding costs; None is a part that costs nothing."""

    commission: Commission = field(default_factory=PerShare)
    slippage: Slippage = field(default_factory=BasisPoints)
    levies: Levies | None = None
    impact: Impact | None = None
    borrow: Borrow | None = None
    margin: MarginInterest | None = None

    def __post_init__(self) -> None:
        """Refuse to count size twice."""
        if self.impact is not None and self.slippage.sized:
            rule = "does not go with a slippage that grows with size: it would count size twice"
            named = type(self.impact).__name__.lower()
            raise InvalidInput("impact", named, rule, "choose half-spread or fixed slippage")

    @property
    def fixed(self) -> BasisPoints | None:
        """The slippage, where it is all there is to a price and the same for any trade."""
        slippage = self.slippage
        return slippage if isinstance(slippage, BasisPoints) and self.impact is None else None

    @property
    def metered(self) -> TieredPerShare | None:
        """The commission, where it depends on what was traded in the month."""
        model = self.commission
        return model if isinstance(model, TieredPerShare) and model.counts_months else None

    def fill_price(
        self,
        side: Side,
        price: Price,
        quantity: Decimal = ZERO,
        conditions: Conditions = UNKNOWN,
    ) -> Price:
        """Return what filling `quantity` at once pays where the market shows `price`."""
        fixed = self.fixed
        if fixed is not None:
            return fixed.fill_price(side, price)
        fraction = self.slippage.fraction(quantity, conditions)
        return worse(side, price, fraction + self._moved(quantity, conditions))

    def fee(
        self,
        before: Decimal,
        quantity: Decimal,
        price: Decimal,
        side: Side | None = None,
        at: datetime | None = None,
    ) -> Decimal:
        """Return commission and fees of filling `quantity` more after `before`.

        A commission that depends on the month's shares is that of the month's first order.
        """
        fee = self.commission.fee(before, quantity, price, side, at)
        return (
            fee if self.levies is None else fee + self.levies.fee(before, quantity, price, side, at)
        )

    def expected(
        self,
        side: Side,
        quantity: Decimal,
        price: Price,
        conditions: Conditions = UNKNOWN,
        *,
        at: datetime | None = None,
        month: Decimal = ZERO,
        multiplier: Decimal = _ONE,
    ) -> Cost:
        """Return what an order would cost that fills at once where the market shows `price`.

        Args:
            side: Of the order.
            quantity: Shares, positive.
            price: What the market shows.
            conditions: What is known of the instrument.
            at: When it would fill; without it no fees by date are counted.
            month: Shares traded in this calendar month so far.
            multiplier: Of the instrument.
        """
        paid = self.fill_price(side, price, quantity, conditions)
        metered, levies = self.metered, self.levies
        if metered is None:
            commission = self.commission.fee(ZERO, quantity, paid, side, at)
        else:
            commission = metered.monthly_fee(month, ZERO, quantity, paid)
        fees = ZERO if levies is None else levies.fee(ZERO, quantity, paid, side, at)
        lost = (paid - price) * side.sign * quantity * multiplier
        impact = self._impact(price, quantity, conditions) * multiplier
        impact = min(impact, lost)
        return Cost(commission, fees, lost - impact, impact)

    def attributed(
        self,
        fill: Fill,
        reference: Price,
        conditions: Conditions = UNKNOWN,
        *,
        before: Decimal = ZERO,
        multiplier: Decimal = _ONE,
    ) -> Cost:
        """Divide what a fill did cost into its parts.

        The fee on the fill is fees by the model, and commission for the rest. What the price is
        worse than `reference` by is impact as far as the model says so, and slippage for the rest.

        Args:
            fill: What was done.
            reference: What the market showed.
            conditions: What was known of the instrument.
            before: What the order had filled before.
            multiplier: Of the instrument.
        """
        levies, charged = self.levies, fill.fee.amount
        fees = ZERO
        if levies is not None:
            fees = levies.fee(before, fill.quantity, fill.price, fill.side, fill.at)
            fees = min(fees, charged)
        lost = (fill.price - reference) * fill.side.sign * fill.quantity * multiplier
        impact = self._impact(reference, fill.quantity, conditions) * multiplier
        impact = max(min(impact, lost), ZERO)
        return Cost(charged - fees, fees, lost - impact, impact)

    def _impact(self, price: Decimal, quantity: Decimal, conditions: Conditions) -> Decimal:
        return price * quantity * self._moved(quantity, conditions)

    def _moved(self, quantity: Decimal, conditions: Conditions) -> Decimal:
        return ZERO if self.impact is None else self.impact.fraction(quantity, conditions)
