"""What regulators take of US sales, by date: the SEC's Section 31 fee and FINRA's TAF.

Both are taken from sellers alone. Neither is the broker's, so both come on top of a commission
of nothing. A rate holds from its date until the next; before the first there is no rate here,
and the first is taken. Brokers differ in how they round: here each fee is rounded up to the cent
by order, as Alpaca says of its own, and the parts of an order add up to the whole.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from tradewright.core.money import CENT, ZERO
from tradewright.core.orders import Side

if TYPE_CHECKING:
    from collections.abc import Sequence

_NEW_YORK: Final = ZoneInfo("America/New_York")
_UNVERIFIED: Final = "unverified"


class Levies(Protocol):
    """What is taken of a fill besides the broker's commission."""

    def fee(
        self,
        before: Decimal,
        quantity: Decimal,
        price: Decimal,
        side: Side | None = None,
        at: datetime | None = None,
    ) -> Decimal:
        """Return the amount in currency, to the cent; nothing without `side` and `at`."""
        ...


class SaleRate(NamedTuple):
    """Dollars a million dollars sold, from a trade date on, and who says so."""

    since: date
    per_million: Decimal
    source: str


class ShareRate(NamedTuple):
    """Dollars a share sold and at most a trade, from a trade date on, and who says so."""

    since: date
    rate: Decimal
    most: Decimal
    source: str


SECTION_31: Final = (
    SaleRate(date(2014, 3, 18), Decimal("22.10"), "FINRA Information Notice 3/3/14"),
    SaleRate(date(2015, 2, 14), Decimal("18.40"), _UNVERIFIED),
    SaleRate(date(2016, 2, 16), Decimal("21.80"), "FINRA Information Notice 3/15/16 (rate)"),
    SaleRate(date(2017, 7, 4), Decimal("23.10"), "FINRA Information Notice 5/7/18 (rate)"),
    SaleRate(date(2018, 5, 22), Decimal("13.00"), "FINRA Information Notice 5/7/18"),
    SaleRate(date(2019, 4, 16), Decimal("20.70"), "SEC Fee Rate Advisory #2 for 2019"),
    SaleRate(date(2020, 2, 18), Decimal("22.10"), "FINRA Information Notice 2/3/20"),
    SaleRate(date(2021, 2, 25), Decimal("5.10"), "FINRA Information Notice 2/16/21"),
    SaleRate(date(2022, 5, 14), Decimal("22.90"), _UNVERIFIED),
    SaleRate(date(2023, 2, 27), Decimal("8.00"), "Interactive Brokers, cost examples (rate)"),
    SaleRate(date(2024, 5, 22), Decimal("27.80"), "FINRA Information Notice 4/24/25 (rate)"),
    SaleRate(date(2025, 5, 14), ZERO, "FINRA Information Notice 4/24/25"),
    SaleRate(date(2026, 4, 4), Decimal("20.60"), _UNVERIFIED),
)
"""Section 31 of the Securities Exchange Act; "(rate)": the date on which it began is not said."""

TRADING_ACTIVITY: Final = (
    ShareRate(
        date(2012, 7, 1), Decimal("0.000119"), Decimal("5.95"), "FINRA, SR-FINRA-2020-032 (rate)"
    ),
    ShareRate(date(2022, 1, 1), Decimal("0.000130"), Decimal("6.49"), "FINRA, SR-FINRA-2020-032"),
    ShareRate(date(2023, 1, 1), Decimal("0.000145"), Decimal("7.27"), "FINRA, SR-FINRA-2020-032"),
    ShareRate(date(2024, 1, 1), Decimal("0.000166"), Decimal("8.30"), "FINRA, SR-FINRA-2020-032"),
    ShareRate(date(2026, 1, 1), Decimal("0.000195"), Decimal("9.79"), _UNVERIFIED),
)
"""Trading Activity Fee on covered equity securities, FINRA By-Laws, Schedule A, section 1."""

_MILLION: Final = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class UsSales:
    """Section 31 and TAF of sales: ⌈rate · value⌉ + ⌈min(rate · shares, most)⌉, to the cent.

    The date is the New York date of the fill. What filled before counts at the price of the fill
    that is charged.
    """

    def fee(
        self,
        before: Decimal,
        quantity: Decimal,
        price: Decimal,
        side: Side | None = None,
        at: datetime | None = None,
    ) -> Decimal:
        """Return what the order has become dearer by."""
        if side is not Side.SELL or at is None:
            return ZERO
        on = at.astimezone(_NEW_YORK).date()
        sale, share = section_31(on), trading_activity(on)
        shares = before + quantity
        per_value = sale.per_million * price / _MILLION
        fee = _up(per_value * shares) + _up(min(share.rate * shares, share.most))
        if before:
            fee -= _up(per_value * before) + _up(min(share.rate * before, share.most))
        return fee


def section_31(on: date) -> SaleRate:
    """Return the rate of a trade date."""
    return SECTION_31[_place([rate.since for rate in SECTION_31], on)]


def trading_activity(on: date) -> ShareRate:
    """Return the rate of a trade date."""
    return TRADING_ACTIVITY[_place([rate.since for rate in TRADING_ACTIVITY], on)]


def _place(since: Sequence[date], on: date) -> int:
    return max(bisect_right(since, on) - 1, 0)


def _up(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_CEILING)
