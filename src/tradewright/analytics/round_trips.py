"""Round trips: from flat to flat again in one instrument, and what they say of a strategy.

Adding to a position and selling part of it belong to the trip that is under way; a fill that
crosses zero ends one trip and begins the next. Dividends and interest are no part of a trip, and
what is still held at the end is no trip yet.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING, Final

from tradewright.core.market import Split
from tradewright.core.money import ZERO
from tradewright.core.orders import Side

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from tradewright.core.ids import InstrumentId
    from tradewright.core.instrument import Instrument
    from tradewright.core.market import CorporateAction
    from tradewright.core.orders import Fill

_NAN: Final = float("nan")
_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """One trip: `profit` is after fees, `value` what was paid, or shorted, to open it."""

    instrument: InstrumentId
    side: Side
    opened_at: datetime
    closed_at: datetime
    value: Decimal
    profit: Decimal
    fees: Decimal

    @property
    def result(self) -> float:
        """Profit as a fraction of `value`; NaN where nothing was paid."""
        return float(self.profit / self.value) if self.value else _NAN

    @property
    def days(self) -> float:
        """Days from the first fill to the last, nights and weekends counted."""
        return (self.closed_at - self.opened_at).total_seconds() / _DAY


@dataclass(frozen=True, slots=True)
class Payout:
    """What ends a position without a fill: a delisting pays `price` a share."""

    instrument: InstrumentId
    at: datetime
    price: Decimal


def round_trips(
    fills: Iterable[Fill],
    instruments: Mapping[InstrumentId, Instrument],
    actions: Sequence[CorporateAction] = (),
    payouts: Sequence[Payout] = (),
) -> list[RoundTrip]:
    """Fold fills into round trips, in the order in which they ended.

    Args:
        fills: In order of time, quantities and prices as they were.
        instruments: Where multipliers are found.
        actions: Splits change what is held before the fills of their date; the fraction of a
            share that a split pays in cash is left out.
        payouts: What ended positions without a fill.
    """
    splits: dict[InstrumentId, list[Split]] = defaultdict(list)
    for action in actions:
        if isinstance(action, Split):
            splits[action.instrument].append(action)
    ours: dict[InstrumentId, list[Fill | Payout]] = defaultdict(list)
    events: list[Fill | Payout] = [*fills, *payouts]
    for event in sorted(events, key=lambda one: one.at):
        ours[event.instrument].append(event)
    found = [
        trip
        for name, own in ours.items()
        for trip in _trips(own, instruments[name].multiplier, splits[name])
    ]
    return sorted(found, key=lambda trip: (trip.closed_at, trip.instrument))


@dataclass(slots=True)
class _Open:
    opened_at: datetime
    side: Side
    held: Decimal = ZERO
    value: Decimal = ZERO
    cash: Decimal = ZERO
    fees: Decimal = ZERO


def _trips(
    events: Sequence[Fill | Payout], multiplier: Decimal, splits: Sequence[Split]
) -> list[RoundTrip]:
    found: list[RoundTrip] = []
    trip: _Open | None = None
    waiting = sorted(splits, key=lambda split: split.ex_date)
    for event in events:
        while waiting and waiting[0].ex_date <= event.at.date():
            ratio = waiting.pop(0).ratio
            if trip is not None:
                grown = trip.held * ratio.numerator / ratio.denominator
                trip.held = grown.to_integral_value(ROUND_DOWN)
        if isinstance(event, Payout):
            signed, fee = -trip.held if trip else ZERO, ZERO
        else:
            signed, fee = event.quantity * event.side.sign, event.fee.amount
        size = abs(signed)
        while signed:
            if trip is None or not trip.held:
                trip = _Open(event.at, Side.BUY if signed > 0 else Side.SELL)
            closes = (trip.held > 0) is not (signed > 0) and trip.held
            part = max(-abs(trip.held), min(abs(trip.held), signed)) if closes else signed
            _book(trip, part, event.price * multiplier, fee * abs(part) / size)
            signed -= part
            if not trip.held:
                found.append(_ended(event, trip))
                trip = None
    return found


def _book(trip: _Open, part: Decimal, price: Decimal, fee: Decimal) -> None:
    if not trip.held or (trip.held > 0) is (part > 0):
        trip.value += abs(part) * price
    trip.held += part
    trip.cash -= part * price
    trip.fees += fee


def _ended(event: Fill | Payout, trip: _Open) -> RoundTrip:
    return RoundTrip(
        event.instrument,
        trip.side,
        trip.opened_at,
        event.at,
        trip.value,
        trip.cash - trip.fees,
        trip.fees,
    )


@dataclass(frozen=True, slots=True)
class TripStatistics:
    """What a set of round trips says; a ratio without anything to divide by is NaN.

    A win has a profit above zero, a loss one below; a trip that came to nothing is neither and
    counts in `trips` and `expectancy` alone. `average_win` and `average_loss` are fractions of
    what was paid, the loss positive. `kelly` is w - (1 - w) / payoff with w the win rate.
    """

    trips: int
    wins: int
    losses: int
    win_rate: float
    average_win: float
    average_loss: float
    payoff: float
    profit_factor: float
    expectancy: float
    kelly: float
    days: float


def trip_statistics(trips: Sequence[RoundTrip]) -> TripStatistics:
    """Measure round trips.

    Win rate is wins over wins and losses; payoff the average win over the average loss; profit
    factor the sum of profits over the sum of losses, in currency; expectancy the mean result of a
    trip; days the mean time of one.

    Args:
        trips: In any order.

    Reference:
        J. L. Kelly, "A new interpretation of information rate", Bell System Technical Journal
        35(4), 1956, in the form for two outcomes of different size.
    """
    won = [trip for trip in trips if trip.profit > 0]
    lost = [trip for trip in trips if trip.profit < 0]
    decided = len(won) + len(lost)
    win_rate = len(won) / decided if decided else _NAN
    average_win = _mean([trip.result for trip in won])
    average_loss = -_mean([trip.result for trip in lost])
    payoff = average_win / average_loss if lost else _NAN
    given = -sum((trip.profit for trip in lost), ZERO)
    return TripStatistics(
        trips=len(trips),
        wins=len(won),
        losses=len(lost),
        win_rate=win_rate,
        average_win=average_win,
        average_loss=average_loss,
        payoff=payoff,
        profit_factor=float(sum((trip.profit for trip in won), ZERO) / given) if given else _NAN,
        expectancy=_mean([trip.result for trip in trips]),
        kelly=win_rate - (1 - win_rate) / payoff if won and lost else _NAN,
        days=_mean([trip.days for trip in trips]),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else _NAN
