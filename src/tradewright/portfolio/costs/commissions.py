"""What a broker takes for an order.

A commission with a minimum is charged by order, not by fill: a fill costs what the order has
become dearer by, so that the parts of an order add up to the whole. Amounts are in the currency
of the price, to the cent, half up; none is negative and none falls as the order grows.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Protocol

from tradewright.core.errors import InvalidInput
from tradewright.core.money import ZERO, to_cents

if TYPE_CHECKING:
    from datetime import datetime

    from tradewright.core.orders import Side

_FIELD: Final = "commission"


class Commission(Protocol):
    """What the broker takes for an order."""

    def fee(
        self,
        before: Decimal,
        quantity: Decimal,
        price: Decimal,
        side: Side | None = None,
        at: datetime | None = None,
    ) -> Decimal:
        """Return the fee in currency, to the cent, of filling `quantity` more after `before`.

        `side` and `at` matter to what is charged on sales and by date; without them only what is
        charged whatever they are is counted.
        """
        ...


@dataclass(frozen=True, slots=True)
class PerShare:
    """A rate a share with a minimum an order: max(rate · shares, minimum).

    The default leaves out that broker's maximum of 1 % of the value, which orders at prices
    below 0.50 meet: `ib-fixed-capped` has it.

    Reference:
        Interactive Brokers, US stocks, fixed pricing: USD 0.005 a share, minimum USD 1.00.
    """

    rate: Decimal = Decimal("0.005")
    minimum: Decimal = Decimal("1.00")

    def __post_init__(self) -> None:
        """Refuse a negative rate or minimum."""
        if self.rate < 0 or self.minimum < 0:
            raise InvalidInput(_FIELD, (self.rate, self.minimum), "must not be negative")

    def fee(
        self,
        before: Decimal,
        quantity: Decimal,
        price: Decimal,
        side: Side | None = None,  # noqa: ARG002 - the protocol's
        at: datetime | None = None,  # noqa: ARG002 - the protocol's
    ) -> Decimal:
        """Return what the order has become dearer by."""
        if not before:
            fee = self.rate * quantity
            if fee > self.minimum:
                return to_cents(fee)
            return to_cents(self.minimum)
        return self.fee(ZERO, before + quantity, price) - self.fee(ZERO, before, price)


@dataclass(frozen=True, slots=True)
class PercentOfValue:
    """A fraction of the traded value of each fill (0.001 is 0.1 %)."""

    rate: Decimal

    def __post_init__(self) -> None:
        """Refuse a rate outside [0, 1]."""
        _check_rate(self.rate)

    def fee(
        self,
        before: Decimal,  # noqa: ARG002 - the protocol's
        quantity: Decimal,
        price: Decimal,
        side: Side | None = None,  # noqa: ARG002 - the protocol's
        at: datetime | None = None,  # noqa: ARG002 - the protocol's
    ) -> Decimal:
        """Return the fraction of this fill's value."""
        return to_cents(self.rate * quantity * price)


@dataclass(frozen=True, slots=True)
class PercentWithMinimum:
    """A fraction of an order's value with a minimum: max(rate · value, minimum).

    What filled before counts at the price of the fill that is charged.

    Reference:
        0.1 % and USD 1 are the specification's values (28.9), not a broker's.
    """

    rate: Decimal = Decimal("0.001")
    minimum: Decimal = Decimal("1.00")

    def __post_init__(self) -> None:
        """Refuse a rate outside [0, 1] and a negative minimum."""
        _check_rate(self.rate)
        if self.minimum < 0:
            raise InvalidInput(_FIELD, self.minimum, "must not be negative")

    def fee(
        self,
        before: Decimal,
        quantity: Decimal,
        price: Decimal,
        side: Side | None = None,  # noqa: ARG002 - the protocol's
        at: datetime | None = None,  # noqa: ARG002 - the protocol's
    ) -> Decimal:
        """Return what the order has become dearer by."""
        whole = self._order((before + quantity) * price)
        return whole - self._order(before * price) if before else whole

    def _order(self, value: Decimal) -> Decimal:
        return to_cents(max(self.rate * value, self.minimum))


@dataclass(frozen=True, slots=True)
class PerTrade:
    """The same amount for every order, taken with its first fill."""

    amount: Decimal = Decimal("4.95")

    def __post_init__(self) -> None:
        """Refuse a negative amount."""
        if self.amount < 0:
            raise InvalidInput(_FIELD, self.amount, "must not be negative")

    def fee(
        self,
        before: Decimal,
        quantity: Decimal,  # noqa: ARG002 - the protocol's
        price: Decimal,  # noqa: ARG002 - the protocol's
        side: Side | None = None,  # noqa: ARG002 - the protocol's
        at: datetime | None = None,  # noqa: ARG002 - the protocol's
    ) -> Decimal:
        """Return the amount for a first fill, nothing for a later one."""
        return ZERO if before else to_cents(self.amount)


@dataclass(frozen=True, slots=True)
class NoCommission:
    """Trading is free, as at brokers who live on order flow."""

    def fee(
        self,
        before: Decimal,  # noqa: ARG002 - the protocol's
        quantity: Decimal,  # noqa: ARG002 - the protocol's
        price: Decimal,  # noqa: ARG002 - the protocol's
        side: Side | None = None,  # noqa: ARG002 - the protocol's
        at: datetime | None = None,  # noqa: ARG002 - the protocol's
    ) -> Decimal:
        """Return nothing."""
        return ZERO


@dataclass(frozen=True, slots=True)
class Tier:
    """A rate a share up to so many shares a calendar month; None has no end."""

    up_to: Decimal | None
    rate: Decimal


@dataclass(frozen=True, slots=True)
class TieredPerShare:
    """Rates a share that fall with the shares of the month, each on the shares within its tier.

    An order costs min(max(Σ rate · shares in the tier, minimum), most · value): where the
    maximum is below the minimum, the maximum holds. `most` is a fraction of the order's value,
    None for none.

    Reference:
        Interactive Brokers, US stocks, tiered pricing: volume tiers are marginal and by
        calendar month. Exchange, clearing and pass-through fees of that plan are not counted.
    """

    tiers: tuple[Tier, ...]
    minimum: Decimal = ZERO
    most: Decimal | None = None

    def __post_init__(self) -> None:
        """Refuse tiers that do not rise to an open end, and negative numbers."""
        ends = [tier.up_to for tier in self.tiers]
        rising = [end for end in ends[:-1] if end is not None]
        if not ends or ends[-1] is not None or len(rising) < len(ends) - 1:
            raise InvalidInput("tiers", ends, "must end in one without an end")
        if rising != sorted(set(rising)) or (rising and rising[0] <= 0):
            raise InvalidInput("tiers", ends, "must rise from above zero")
        if self.minimum < 0 or any(tier.rate < 0 for tier in self.tiers):
            raise InvalidInput(_FIELD, self.minimum, "must not be negative")
        if self.most is not None:
            _check_rate(self.most)

    @property
    def counts_months(self) -> bool:
        """Whether the fee of an order depends on what else was traded in its month."""
        return len(self.tiers) > 1

    def fee(
        self,
        before: Decimal,
        quantity: Decimal,
        price: Decimal,
        side: Side | None = None,  # noqa: ARG002 - the protocol's
        at: datetime | None = None,  # noqa: ARG002 - the protocol's
    ) -> Decimal:
        """Return what the order has become dearer by, as if it were the first of its month."""
        return self.monthly_fee(before, before, quantity, price)

    def monthly_fee(
        self, month: Decimal, before: Decimal, quantity: Decimal, price: Decimal
    ) -> Decimal:
        """Return what the order has become dearer by after `month` shares in this month.

        `month` counts this order's `before` too, which stand last among them.
        """
        start = max(month - before, ZERO)
        whole = self._order(start, before + quantity, price)
        return whole - self._order(start, before, price) if before else whole

    def _order(self, start: Decimal, shares: Decimal, price: Decimal) -> Decimal:
        amount = max(self._summed(start + shares) - self._summed(start), self.minimum)
        if self.most is not None:
            amount = min(amount, self.most * shares * price)
        return to_cents(amount)

    def _summed(self, shares: Decimal) -> Decimal:
        total = begin = ZERO
        for tier in self.tiers:
            end = shares if tier.up_to is None else min(tier.up_to, shares)
            total += tier.rate * (end - begin)
            begin = end
        return total


def _check_rate(rate: Decimal) -> None:
    if not 0 <= rate <= 1:
        raise InvalidInput(_FIELD, rate, "must be a fraction in [0, 1]")
