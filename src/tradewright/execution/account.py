"""A simulated account: what it holds, what that is worth, and what it can still pay for.

What working orders would open counts as spent. It is kept by instrument for the price and the
position at which it was added up, so that an order among thousands costs no more than the first.
"""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tradewright.core.events import BarClosed, SplitApplied
from tradewright.core.money import ZERO
from tradewright.portfolio.ledger import Ledger
from tradewright.portfolio.valuation import Tally

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from tradewright.core.frames import BarFrame
    from tradewright.core.ids import InstrumentId, OrderId
    from tradewright.core.instrument import Instrument
    from tradewright.core.orders import Fill, Order, OrderState


class Marks(Protocol):
    """Prices that are better than the last close, where there are any."""

    @property
    def version(self) -> int:
        """A number that changes whenever one of the prices may."""

    def price(self, instrument: InstrumentId) -> Decimal | None:
        """Return the price in force, None where there is none."""


class _Committed(NamedTuple):
    price: Decimal | None
    held: Decimal
    total: Decimal


class SimulatedAccount:
    """Cash, positions and the claims of open orders on them."""

    def __init__(
        self,
        frame: BarFrame,
        instruments: Mapping[InstrumentId, Instrument],
        *,
        leverage: Decimal,
        row: int = -1,
    ) -> None:
        """Open after `row`, empty; it can pay for `leverage` times its equity."""
        self.ledger = Ledger(instruments)
        self.fills: list[Fill] = []
        self.marks: Marks | None = None
        self._instruments = instruments
        self._frame = frame
        self._leverage = leverage
        self._row = row
        self._rescale: dict[InstrumentId, Fraction] = {}
        self._open: dict[InstrumentId, dict[OrderId, OrderState]] = defaultdict(dict)
        self._committed: dict[InstrumentId, _Committed] = {}
        self._worth = Tally(self._values, 2)
        self._changes = 0

    def price(self, instrument: InstrumentId) -> Decimal | None:
        """Return the last price, in shares of now; None before the first.

        It is the last close, or what `marks` says where that is given.
        """
        mark = None if self.marks is None else self.marks.price(instrument)
        if mark is not None or instrument not in self._frame:
            return mark
        last = self._frame.last_price(self._row, self._frame.index(instrument))
        if last is None:
            return None
        ratio = self._rescale.get(instrument)
        return last[0] * ratio.denominator / ratio.numerator if ratio else last[0]

    @property
    def version(self) -> tuple[int, int]:
        """Numbers that change whenever a price may, or what is held by other than a fill."""
        return self._changes, self.marks.version if self.marks is not None else 0

    def equity(self) -> Decimal:
        """Cash and positions at the last prices (positions never marked count at cost)."""
        return self.ledger.cash + self._valued()[0]

    def buying_power(self) -> Decimal:
        """Return leverage × equity less positions and what working orders would open."""
        net, gross = self._valued()
        for name in self._open:
            gross += self._claims(name).total
        return max(self._leverage * (self.ledger.cash + net) - gross, ZERO)

    def _valued(self) -> tuple[Decimal, ...]:
        # What the positions come to, and the sum of their absolute values.
        return self._worth.sums(self.ledger.quantities, self.fills, self.version)

    def _opened(self, state: OrderState) -> None:
        order = state.order
        name = order.instrument
        claims = self._committed.get(name)
        if claims is not None or not self._open[name]:
            claims = self._claims(name)
            cost = self._cost(order, state.remaining) or ZERO
            self._committed[name] = _Committed(claims.price, claims.held, claims.total + cost)
        self._open[name][order.id] = state

    def _changed(self, before: OrderState, after: OrderState) -> None:
        name = after.order.instrument
        own = self._open.get(name)
        if own is None or after.order.id not in own:
            return
        if after.filled != before.filled:
            self._committed.pop(name, None)
        elif after.status.is_terminal and name in self._committed:
            claims = self._claims(name)
            cost = self._cost(before.order, before.remaining) or ZERO
            self._committed[name] = _Committed(claims.price, claims.held, claims.total - cost)
        if after.status.is_terminal:
            del own[after.order.id]
            if not own:
                del self._open[name]
                self._committed.pop(name, None)
        else:
            own[after.order.id] = after

    def _claims(self, name: InstrumentId) -> _Committed:
        price, held = self.price(name), self.ledger.quantities.get(name, ZERO)
        claims = self._committed.get(name)
        if claims is None or claims.price != price or claims.held != held:
            states = self._open[name].values() if name in self._open else ()
            costs = (self._cost(state.order, state.remaining) for state in states)
            total = sum((cost for cost in costs if cost is not None), ZERO)
            claims = self._committed[name] = _Committed(price, held, total)
        return claims

    def _cost(self, order: Order, quantity: Decimal) -> Decimal | None:
        # What closes a position frees money; only what goes beyond it must be paid for.
        held = self.ledger.quantities.get(order.instrument, ZERO)
        opening = quantity - max(-held * order.side.sign, ZERO)
        if opening <= 0:
            return ZERO
        price = order.limit or order.stop or self.price(order.instrument)
        return None if price is None else opening * price * self._multiplier(order.instrument)

    def _values(self, name: InstrumentId) -> tuple[Decimal, Decimal]:
        price = self.price(name)
        marked = self.ledger.positions[name].average if price is None else price
        value = self.ledger.quantities[name] * marked * self._multiplier(name)
        return value, abs(value)

    def _multiplier(self, name: InstrumentId) -> Decimal:
        return self._instruments[name].multiplier

    def _grow(self, event: SplitApplied) -> None:
        name = event.split.instrument
        self._rescale[name] = self._rescale.get(name, Fraction(1)) * event.split.ratio

    def _mark(self, event: BarClosed) -> None:
        self._row = event.row
        if self._rescale:
            self._rescale = {
                name: ratio
                for name, ratio in self._rescale.items()
                if self._frame.price(event.row, self._frame.index(name)) is None
            }
