"""What the market says: bars, quotes, trades and corporate actions.

A bar has two clocks: when it happened (`start`, `end`) and when it could be known (`known_at`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from tradewright.core.errors import InvalidInput
from tradewright.core.frozen import frozen

if TYPE_CHECKING:
    from datetime import date, datetime
    from decimal import Decimal
    from fractions import Fraction

    from tradewright.core.ids import InstrumentId
    from tradewright.core.money import Price
    from tradewright.core.session import Timeframe


@frozen
class Bar:
    """Prices and volume of one instrument over one stretch of time, unadjusted."""

    instrument: InstrumentId
    timeframe: Timeframe
    start: datetime
    end: datetime
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Decimal
    known_at: datetime


@frozen
class Quote:
    """Best bid and ask with sizes in shares."""

    instrument: InstrumentId
    at: datetime
    bid: Price
    bid_size: Decimal
    ask: Price
    ask_size: Decimal


@frozen
class Trade:
    """One print on the tape."""

    instrument: InstrumentId
    at: datetime
    price: Price
    size: Decimal


@frozen
class Split:
    """From the open of `ex_date`, each old share is `ratio` new ones (4:1 is 4)."""

    instrument: InstrumentId
    ex_date: date
    ratio: Fraction

    def __post_init__(self) -> None:
        """Refuse a ratio that would make shares vanish or change sign."""
        if self.ratio <= 0:
            raise InvalidInput("ratio", self.ratio, "must be positive")


@frozen
class CashDividend:
    """Holders at the close before `ex_date` are owed `amount` a share of that close."""

    instrument: InstrumentId
    ex_date: date
    amount: Decimal

    def __post_init__(self) -> None:
        """Refuse a dividend that takes money."""
        if self.amount <= 0:
            raise InvalidInput("amount", self.amount, "must be positive")


@frozen
class Delisting:
    """The last session is `ex_date`; what is held after its close is paid at its last close."""

    instrument: InstrumentId
    ex_date: date


CorporateAction: TypeAlias = Split | CashDividend | Delisting
