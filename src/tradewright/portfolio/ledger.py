"""The ledger: cash, positions, profit and fees, folded from events; the only place money moves.

Mutable inside, frozen snapshots outside. Settlement is immediate here: cash is what has been
traded, not what has cleared. Fees are kept apart from realised profit.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias, assert_never

from tradewright.core.errors import LedgerError
from tradewright.core.events import (
    CashMoved,
    Delisted,
    DividendPaid,
    Filled,
    FinancingCharged,
    SplitApplied,
)
from tradewright.core.frozen import maker
from tradewright.core.money import ZERO, Currency, to_cents
from tradewright.core.positions import Position

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradewright.core.ids import InstrumentId
    from tradewright.core.instrument import Instrument
    from tradewright.core.orders import Fill

# Every position begins as the same nothing, and nothing can change it.
_flat = lru_cache(maxsize=1024)(maker(Position))
LedgerEvent: TypeAlias = (
    Filled | SplitApplied | DividendPaid | Delisted | CashMoved | FinancingCharged
)


@dataclass(frozen=True, slots=True)
class Book:
    """The ledger at an instant: exact amounts, signed quantities, flat positions left out."""

    cash: Decimal
    positions: Mapping[InstrumentId, Position]
    realised: Decimal
    fees: Decimal
    dividends: Decimal
    deposits: Decimal
    financing: Decimal = ZERO
    """What borrowed shares and borrowed cash have cost."""


class Ledger:
    """Cash and positions of one account in one currency."""

    def __init__(
        self,
        instruments: Mapping[InstrumentId, Instrument],
        currency: Currency = Currency.USD,
    ) -> None:
        """Start empty: opening cash is a CashMoved like any other."""
        self.cash = ZERO
        self.fees = ZERO
        self.dividends = ZERO
        self.deposits = ZERO
        self.financing = ZERO
        self.positions: dict[InstrumentId, Position] = {}
        self.quantities: dict[InstrumentId, Decimal] = {}
        self._closed = ZERO
        self._instruments = instruments
        self._currency = currency

    def apply(self, event: LedgerEvent) -> None:
        """Book one event. What concerns an instrument that is not held changes nothing."""
        match event:
            case Filled():
                self.book(event.fill)
            case DividendPaid():
                self._dividend(event)
            case SplitApplied():
                self._split(event)
            case Delisted():
                self._delist(event)
            case CashMoved():
                if event.amount.currency is not self._currency:
                    raise self._foreign(event.amount.currency)
                self.cash += event.amount.amount
                self.deposits += event.amount.amount
            case FinancingCharged():
                if event.amount.currency is not self._currency:
                    raise self._foreign(event.amount.currency)
                self.cash -= event.amount.amount
                self.financing += event.amount.amount
            case _:
                assert_never(event)

    def book(self, fill: Fill) -> None:
        """Book one execution and its fee."""
        paid = fill.fee
        if paid.currency is not self._currency:
            raise self._foreign(paid.currency)
        name = fill.instrument
        held = self.positions.get(name)
        value = fill.quantity * fill.price * self._multiplier(name)
        position = (held or _flat(name)).apply(fill)
        fee = paid.amount
        self.cash += (-value if fill.side.sign > 0 else value) - fee
        self.fees += fee
        self._put(position)

    def restate(self, instrument: InstrumentId, before: Ledger, after: Ledger) -> None:
        """Correct what was booked of an instrument: it counted as `before` and is `after`."""
        self.cash += after.cash - before.cash
        self.fees += after.fees - before.fees
        self._closed += after._closed - before._closed
        position = after.positions.get(instrument)
        if position is None:
            self.positions.pop(instrument, None)
            self.quantities.pop(instrument, None)
        else:
            self.positions[instrument] = position
            self.quantities[instrument] = position.quantity

    def snapshot(self) -> Book:
        """Return the book as it stands, frozen."""
        return Book(
            self.cash,
            dict(self.positions),
            self.realised,
            self.fees,
            self.dividends,
            self.deposits,
            self.financing,
        )

    @property
    def realised(self) -> Decimal:
        """Profit of what was closed, fees left out."""
        return self._closed + sum((p.realised for p in self.positions.values()), ZERO)

    def check(self) -> None:
        """Raise LedgerError if a position disagrees with its lots."""
        for position in self.positions.values():
            lots = sum((lot.quantity for lot in position.lots), ZERO)
            if lots != position.quantity:
                name, held = position.instrument, position.quantity
                raise LedgerError(f"{name}: lots sum to {lots}, position is {held}")

    def _put(self, position: Position) -> None:
        instrument, quantity = position.instrument, position.quantity
        if quantity:
            self.positions[instrument] = position
            self.quantities[instrument] = quantity
        else:
            self._closed += position.realised
            self.positions.pop(instrument, None)
            self.quantities.pop(instrument, None)

    def _dividend(self, event: DividendPaid) -> None:
        quantity = self.quantities.get(event.dividend.instrument)
        if quantity is None:
            return
        amount = to_cents(quantity * event.dividend.amount)
        self.cash += amount
        self.dividends += amount

    def _split(self, event: SplitApplied) -> None:
        split = event.split
        held = self.positions.get(split.instrument)
        if held is None:
            return
        grown, fraction = held.split(split.ratio, self._instruments[split.instrument].lot)
        if fraction:
            price = event.reference * split.ratio.denominator / split.ratio.numerator
            grown = self._pay_out(grown, fraction, price)
        self._put(grown)

    def _delist(self, event: Delisted) -> None:
        held = self.positions.get(event.delisting.instrument)
        if held is not None:
            self._put(self._pay_out(held, held.quantity, event.price))

    def _pay_out(self, position: Position, quantity: Decimal, price: Decimal) -> Position:
        amount = to_cents(quantity * price * self._multiplier(position.instrument))
        self.cash += amount
        return position.reduced(quantity, price)

    def _multiplier(self, instrument: InstrumentId) -> Decimal:
        try:
            return self._instruments[instrument].multiplier
        except KeyError:
            raise LedgerError(f"a fill of {instrument}, which is not an instrument here") from None

    def _foreign(self, currency: Currency) -> LedgerError:
        return LedgerError(f"{currency} booked in a {self._currency} ledger")
