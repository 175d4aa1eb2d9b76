"""Selling short: what can be borrowed, and when a short sale is restricted.

An asset that is hard to borrow cannot be sold short here without a locate, and this exchange
has no locates. Rule 201 (the short sale restriction) does not forbid short sales: it asks that
they be offered above the national best bid, today and until the end of the next session.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from tradewright.core.ids import InstrumentId
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
_TWO_CLOSES: Final = 2
_STATUSES: Final = (EASY, HARD, NOT_SHORTABLE)


class Shorting:
    """The borrow status of each asset, and the assets under the short sale restriction.

    Kept by instrument, not by symbol, so that a change of symbol changes neither.
    """

    def __init__(self) -> None:
        """Start with what the instruments themselves say, and nothing restricted."""
        self._told: dict[InstrumentId, str] = {}
        # How many closes each restriction still lasts; None lasts until it is lifted by hand.
        self._restricted: dict[InstrumentId, int | None] = {}
        self._restrictions: list[Callable[[InstrumentId], None]] = []
        self._borrows: list[Callable[[InstrumentId], None]] = []

    def follow(
        self,
        restricted: Callable[[InstrumentId], None],
        borrowed: Callable[[InstrumentId], None] | None = None,
    ) -> None:
        """Tell of each restriction that begins or ends, and of each change of borrow status."""
        self._restrictions.append(restricted)
        if borrowed is not None:
            self._borrows.append(borrowed)

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
        for tell in self._borrows:
            tell(instrument.id)

    def is_restricted(self, name: InstrumentId) -> bool:
        """Say whether an asset is under the short sale restriction."""
        return name in self._restricted

    def restrict(self, instrument: Instrument, *, on: bool) -> None:
        """Put an asset under the short sale restriction until told otherwise, or take it out."""
        if on:
            self._begin(instrument.id, None)
        else:
            self._end(instrument.id)

    def trigger(self, instrument: Instrument) -> None:
        """Put an asset under the short sale restriction, today and the next session."""
        if self._restricted.get(instrument.id, _TWO_CLOSES) is not None:
            self._begin(instrument.id, _TWO_CLOSES)

    def end_session(self) -> None:
        """Let a session be over, and with it the restrictions that it was the last of."""
        for name, left in list(self._restricted.items()):
            if left == 1:
                self._end(name)
            elif left is not None:
                self._restricted[name] = left - 1

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
        if not self.is_restricted(instrument.id):
            return
        if limit is None or (bid is not None and limit <= bid):
            message = (
                f'asset "{instrument.symbol}" is under a short sale restriction: '
                "short sales must be limit orders above the national best bid"
            )
            raise Refused(FORBIDDEN, NOT_ALLOWED, message)

    def _begin(self, name: InstrumentId, closes: int | None) -> None:
        is_fresh = name not in self._restricted
        self._restricted[name] = closes
        if is_fresh:
            for tell in self._restrictions:
                tell(name)

    def _end(self, name: InstrumentId) -> None:
        if name in self._restricted:
            del self._restricted[name]
            for tell in self._restrictions:
                tell(name)
