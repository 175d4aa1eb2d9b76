"""Symbols over time: which instrument a symbol means, now and at any time that has passed.

An instrument is its id and a symbol is only its name: symbols change on their dates, and what one
company gave up another may take. A change holds from midnight in New York of its day; one that a
rehearsal orders holds from that moment, and in questions by date from its session on.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from tradewright.core.frames import from_nanos, to_nanos
from tradewright.core.instrument import FormerSymbol, Instrument
from tradewright.data.resample import midnight
from tradewright.exchange.words import NEW_YORK

if TYPE_CHECKING:
    from tradewright.core.ids import InstrumentId

_DAY: Final = timedelta(days=1)
_EVER: Final = 2**63 - 1


class Bearer(NamedTuple):
    """An instrument that a symbol means, from `first` to `last`, nanoseconds since 1970."""

    instrument: Instrument
    first: int
    last: int


class Names:
    """The instruments of a market by their symbols."""

    def __init__(
        self,
        instruments: dict[InstrumentId, Instrument],
        traded: Sequence[InstrumentId],
        start: datetime,
    ) -> None:
        """Call the `traded` of the instruments what they were called at `start`.

        What changes a name later changes it in `instruments` too.
        """
        self._instruments = instruments
        self._traded = traded
        self.coming: dict[date, dict[InstrumentId, str]] = defaultdict(dict)
        today = _day(start)
        for name in traded:
            instrument = instruments[name]
            past = tuple(each for each in instrument.former if each.last < today)
            for each in instrument.former[len(past) :]:
                day = each.last + _DAY
                self.coming[day][name] = instrument.symbol_on(day)
            if len(past) < len(instrument.former):
                called = instrument.symbol_on(today)
                instruments[name] = replace(instrument, symbol=called, former=past)
        self.now: dict[str, Instrument] = {}
        self._call(today)
        self._since: list[tuple[int, Mapping[str, Instrument]]] = [(-_EVER, dict(self.now))]
        self._followers: list[Callable[[Instrument, Instrument], None]] = []

    def follow(self, hear: Callable[[Instrument, Instrument], None]) -> None:
        """Tell of every instrument that changed its symbol: before and after."""
        self._followers.append(hear)

    def relist(self, listed: Iterable[Instrument], at: datetime) -> None:
        """Put instruments in the place of those of their ids, all at once."""
        pairs = [(self._instruments[each.id], each) for each in listed]
        self._instruments.update({after.id: after for _, after in pairs})
        self._call(_day(at))
        changed = [(before, after) for before, after in pairs if before.symbol != after.symbol]
        if changed:
            self._since.append((to_nanos(at), dict(self.now)))
        for before, after in changed:
            for hear in self._followers:
                hear(before, after)

    def due(self, day: date) -> list[Instrument]:
        """Return the instruments whose symbols change on a day, as they are called from then."""
        return [
            renamed(self._instruments[name], symbol, day)
            for name, symbol in self.coming[day].items()
            if self._instruments[name].symbol != symbol
        ]

    def at(self, nanos: int) -> Mapping[str, Instrument]:
        """Return the instruments by the symbols that they had at a time that has passed."""
        return self._since[bisect_right(self._since, nanos, key=_since) - 1][1]

    def changes(self, after: int, to: int) -> Sequence[int]:
        """Return when symbols changed, after < at <= to."""
        first = bisect_right(self._since, after, key=_since)
        return [at for at, _ in self._since[first : bisect_right(self._since, to, key=_since)]]

    def bearers(self, symbol: str, asof: date | None, now: datetime) -> Sequence[Bearer]:
        """Return whose data a symbol means, by time.

        It means the instrument that is called so on the date `asof`, whatever that was called at
        other times. Where none was, or without a date, it means who was called so, while it was.
        """
        if asof is not None:
            found = self.now.get(symbol) if asof >= _day(now) else self._called(symbol, asof)
            if found is not None:
                return [Bearer(found, -_EVER, _EVER)]
        if not any(self._instruments[name].former for name in self._traded):
            found = self.now.get(symbol)
            return [] if found is None else [Bearer(found, -_EVER, _EVER)]
        bearers = [
            Bearer(instrument, first, last)
            for name in self._traded
            for instrument in [self._instruments[name]]
            for called, first, last in _periods(instrument)
            if called == symbol
        ]
        return sorted(bearers, key=lambda bearer: bearer.first)

    def _called(self, symbol: str, day: date) -> Instrument | None:
        every = (self._instruments[name] for name in self._traded)
        found = [each for each in every if each.symbol_on(day) == symbol]
        listed = [each for each in found if each.is_listed(day)]
        return next(iter(listed or found), None)

    def _call(self, today: date) -> None:
        every = [self._instruments[name] for name in self._traded]
        self.now.clear()
        self.now.update({each.symbol: each for each in every})
        # What is not listed yet, or no more, gives way to what is.
        self.now.update({each.symbol: each for each in every if each.is_listed(today)})


def renamed(instrument: Instrument, symbol: str, day: date) -> Instrument:
    """Return an instrument that is called otherwise from a day on."""
    former = (*instrument.former, FormerSymbol(instrument.symbol, day - _DAY))
    return replace(instrument, symbol=symbol, former=former)


def beginning(day: date) -> datetime:
    """Return the midnight in New York with which a day begins."""
    return from_nanos(midnight(day, NEW_YORK))


def _periods(instrument: Instrument) -> Iterable[tuple[str, int, int]]:
    first = -_EVER
    for symbol, last in instrument.former:
        stop = midnight(last + _DAY, NEW_YORK)
        yield symbol, first, stop - 1
        first = stop
    yield instrument.symbol, first, _EVER


def _day(at: datetime) -> date:
    return at.astimezone(NEW_YORK).date()


def _since(entry: tuple[int, Mapping[str, Instrument]]) -> int:
    return entry[0]
