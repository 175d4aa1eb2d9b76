"""Selling short: what can be borrowed, and when a short sale is restricted.

An asset that is hard to borrow cannot be sold short here without a locate, and this exchange
has no locates. Rule 201 (the short sale restriction) does not forbid short sales: it asks that
they be offered above the national best bid.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from tradewright.core.instrument import Instrument
from tradewright.exchange.words import (
    BROKEN_RULE,
    FORBIDDEN,
    NOT_ALLOWED,
    NOT_TRADABLE,
    UNPROCESSABLE,
    Refused,
)

EASY: Final = "easy_to_borrow"
HARD: Final = "hard_to_borrow"
NOT_SHORTABLE: Final = "not_shortable"
_STATUSES: Final = (EASY, HARD, NOT_SHORTABLE)


class Shorting:
    """The borrow status of each asset, and the assets under the short sale restriction.

    Kept by instrument, not by symbol, so that a change of symbol changes neither.
    """

    def __init__(self) -> None:
        """Start with what the instruments themselves say, and nothing restricted."""
        self.restricted: set[str] = set()
        self._told: dict[str, str] = {}

    def status(self, instrument: Instrument) -> str:
        """Return easy_to_borrow, hard_to_borrow or not_shortable."""
        return self._told.get(instrument.id, EASY if instrument.shortable else NOT_SHORTABLE)

    def borrow(self, instrument: Instrument, status: object) -> None:
        """Give an asset another borrow status.

        Raises:
            Refused: There is no such status.
        """
        if status not in _STATUSES:
            message = f"invalid status: {status}; allowed: {', '.join(_STATUSES)}"
            raise Refused(UNPROCESSABLE, BROKEN_RULE, message)
        self._told[instrument.id] = str(status)

    def restrict(self, instrument: Instrument, *, on: bool) -> None:
        """Put an asset under the short sale restriction, or take it out."""
        if on:
            self.restricted.add(instrument.id)
        else:
            self.restricted.discard(instrument.id)

    def check(
        self, instrument: Instrument, quantity: Decimal, limit: Decimal | None, bid: Decimal | None
    ) -> None:
        """Check an order that would open or add to a short position.

        Raises:
            Refused: It cannot be borrowed, is not of whole shares, or breaks Rule 201.
        """
        if self.status(instrument) != EASY:
            message = f'asset "{instrument.symbol}" cannot be sold short'
            raise Refused(UNPROCESSABLE, NOT_TRADABLE, message)
        if quantity % 1:
            message = "fractional orders cannot be sold short"
            raise Refused(UNPROCESSABLE, NOT_TRADABLE, message)
        if instrument.id not in self.restricted:
            return
        if limit is None or (bid is not None and limit <= bid):
            message = (
                f'asset "{instrument.symbol}" is under a short sale restriction: '
                "short sales must be limit orders above the national best bid"
            )
            raise Refused(FORBIDDEN, NOT_ALLOWED, message)
