"""A made-up US market on real trading days, for trying things out without data.

The symbols (SIM01, SIM02, …) say that nothing of it is true. It has what real data has: one
market factor, calm and wild spells, half days, splits and dividends in the raw prices, a late
listing, a delisting and bars that are missing. The same arguments give the same market.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.core.errors import InvalidInput, MissingData
from tradewright.core.frames import NANOSECONDS, BarFrame, FloatArray, IntArray
from tradewright.core.ids import InstrumentId
from tradewright.core.instrument import Instrument
from tradewright.core.market import CashDividend, CorporateAction, Delisting, Split
from tradewright.core.session import Session, Span, Timeframe
from tradewright.data.assembly import Times, daily_times
from tradewright.data.calendars import market_calendar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewright.core.session import Calendar
    from tradewright.data.quality import BoolArray

SIMULATED: Final = "SIMULATED"
"""The venue of instruments that do not exist."""
FIRST: Final = date(2014, 1, 2)
SESSIONS: Final = 750

_YEAR: Final = 252
_QUARTER: Final = 63
_MARKET_VOLATILITY: Final = 0.15 / _YEAR**0.5
_OVERNIGHT: Final = 0.3
_FULL_DAY: Final = 6.5 * 3600
# Symbol, when as a part of the sample, and ratio of the splits that every sample has.
_SURE_SPLITS: Final = ((0, 0.4, Fraction(2)), (1, 0.7, Fraction(4)), (2, 0.55, Fraction(3, 2)))
_DEAR: Final = 400.0
_CHEAP: Final = 4.0
_MISSING: Final = 1 / 2000
_LISTS_AND_DELISTS_FROM: Final = 4


@dataclass(frozen=True, slots=True)
class SampleMarket:
    """Simulated bars with their instruments, corporate actions and calendar."""

    frame: BarFrame
    instruments: tuple[Instrument, ...]
    actions: tuple[CorporateAction, ...]
    calendar: Calendar


def sample_market(
    *,
    seed: int = 7,
    symbols: int = 10,
    first: date = FIRST,
    last: date | None = None,
    sessions: int | None = None,
    timeframe: Timeframe = Timeframe.DAY,
) -> SampleMarket:
    """Simulate a market from `first` on, until `last` or for a number of sessions (750).

    With four symbols or more the last one lists late and the one before it is delisted.

    Raises:
        InvalidInput: There are fewer than one symbol or two sessions, or both ends are given.
        MissingData: The calendar does not reach that far.
    """
    if symbols < 1:
        raise InvalidInput("symbols", symbols, "must be at least 1")
    calendar = market_calendar("XNYS")
    days = _days(calendar, first, last, sessions)
    ids = [InstrumentId(f"SIM{number:02d}") for number in range(1, symbols + 1)]
    simulation = _Simulation(np.random.default_rng(seed), bar_times(days, timeframe), symbols)
    lives = _lives(len(days), symbols)
    instruments = tuple(
        Instrument(
            symbol,
            symbol,
            venue=SIMULATED,
            listed=days[life.start].date if life.start else None,
            delisted=days[life.stop - 1].date if life.stop < len(days) else None,
        )
        for symbol, life in zip(ids, lives, strict=True)
    )
    frame, actions = simulation.market(timeframe, ids, lives)
    return SampleMarket(frame, instruments, actions, calendar)


def bar_times(sessions: Sequence[Session], timeframe: Timeframe) -> Times:
    """The times of all bars that fill sessions; hours run by the clock, cut to the session."""
    days = daily_times(sessions)
    if timeframe is Timeframe.DAY:
        return days
    step = timeframe.seconds * NANOSECONDS
    starts = [
        np.unique(np.append(np.arange(-(-opened // step) * step, closed, step), opened))
        for opened, closed in zip(days.start.tolist(), days.end.tolist(), strict=True)
    ]
    session = np.repeat(days.session, [len(part) for part in starts])
    start = np.concatenate(starts)
    end = np.minimum(start - start % step + step, days.end[session])
    return Times(days.sessions, session, start, end, end)


def _days(
    calendar: Calendar, first: date, last: date | None, count: int | None
) -> Sequence[Session]:
    if last is not None and count is not None:
        raise InvalidInput("sessions", count, f"and last {last} are two ends", "give one of them")
    final = calendar.sessions[-1].date
    days = calendar.within(Span(first, last or final))
    if last is None:
        wanted = SESSIONS if count is None else count
        if wanted > len(days):
            what = f"has {len(days)} sessions from {first} on, not {wanted}"
            raise MissingData(f"calendar {calendar.name}", what, "start earlier")
        days = days[: max(wanted, 0)]
    if len(days) < 2:  # noqa: PLR2004 - a market has a before and an after
        raise InvalidInput("sessions", len(days), "must be at least 2")
    return days


def _lives(sessions: int, symbols: int) -> list[slice]:
    lives = [slice(0, sessions)] * symbols
    if symbols >= _LISTS_AND_DELISTS_FROM:
        lives[-1] = slice(sessions // 3, sessions)
        lives[-2] = slice(0, max(sessions * 3 // 4, 1))
    return lives


class _Simulation:
    def __init__(self, rng: np.random.Generator, times: Times, symbols: int) -> None:
        self._rng = rng
        self._times = times
        self._symbols = symbols
        self._days = len(times.sessions)
        self._opening = np.flatnonzero(np.diff(times.session, prepend=-1))
        self._closing = np.append(self._opening[1:], len(times)) - 1

    def market(
        self, timeframe: Timeframe, ids: Sequence[InstrumentId], lives: Sequence[slice]
    ) -> tuple[BarFrame, tuple[CorporateAction, ...]]:
        opens, highs, lows, closes, moves = self._values()
        daily = closes[self._closing]
        shares = np.ones(daily.shape)
        actions: list[CorporateAction] = []
        for column, symbol in enumerate(ids):
            for day, ratio in _splits(column, daily[:, column]):
                shares[day:, column] *= float(ratio)
                if lives[column].start < day < lives[column].stop:
                    actions.append(Split(symbol, self._date(day), ratio))
        level, yields = self._dividends(shares)
        columns = [column * level[self._times.session] for column in (opens, highs, lows, closes)]
        opens, highs, lows, closes = (np.maximum(column.round(2), 0.01) for column in columns)
        volumes = self._volumes(moves, shares)
        actions += self._paid(ids, lives, closes[self._closing], yields)
        actions += [
            Delisting(symbol, self._date(life.stop - 1))
            for symbol, life in zip(ids, lives, strict=True)
            if life.stop < self._days
        ]
        absent = self._absent(lives)
        highs = np.maximum(highs, np.maximum(opens, closes))
        lows = np.minimum(lows, np.minimum(opens, closes))
        for part in (opens, highs, lows, closes, volumes):
            part[absent] = np.nan
        times = self._times
        frame = BarFrame(
            timeframe,
            tuple(ids),
            times.sessions,
            times.session,
            times.start,
            times.end,
            opens,
            highs,
            lows,
            closes,
            volumes,
        )
        return frame, tuple(sorted(actions, key=lambda a: (a.ex_date, a.instrument)))

    def _date(self, day: int) -> date:
        return self._times.sessions[day].date

    def _values(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
        # What a share of the first day would be worth, dividends kept, and moves in deviations.
        rng, names, session = self._rng, self._symbols, self._times.session
        market = _MARKET_VOLATILITY * _spells(rng, self._days, 1)
        own = rng.uniform(0.1, 0.3, names) / _YEAR**0.5 * _spells(rng, self._days, names)
        beta = rng.uniform(0.5, 1.5, names)
        length = (self._times.end - self._times.start) / NANOSECONDS / _FULL_DAY
        drift = rng.normal(0.09, 0.04, names) / _YEAR - (own**2 + (beta * market) ** 2) / 2

        def moves(part: IntArray, variance: FloatArray) -> FloatArray:
            root = np.sqrt(variance)[:, None]
            factor = market[part] * root * rng.standard_normal((len(part), 1))
            rest = own[part] * root * rng.standard_normal((len(part), names))
            return np.asarray(beta * factor + rest)

        body = moves(session, (1 - _OVERNIGHT) * length) + drift[session] * length[:, None]
        gap = np.zeros(body.shape)
        gap[self._opening] = moves(np.arange(self._days), np.full(self._days, _OVERNIGHT))
        path = np.cumsum(gap + body, axis=0)
        price = np.exp(rng.normal(4.0, 0.5, names))
        opens, closes = price * np.exp(path - body), price * np.exp(path)
        spread = own[session] * np.sqrt(length)[:, None]
        highs = np.maximum(opens, closes) * np.exp(0.4 * spread * self._away(spread.shape))
        lows = np.minimum(opens, closes) * np.exp(-0.4 * spread * self._away(spread.shape))
        return opens, highs, lows, closes, np.abs(body) / spread

    def _away(self, shape: tuple[int, ...]) -> FloatArray:
        return np.abs(self._rng.standard_normal(shape))

    def _dividends(self, shares: FloatArray) -> tuple[FloatArray, FloatArray]:
        # Raw prices per unit of value, and the yield that goes off on each ex-date.
        pays = self._rng.random(self._symbols) < 0.7  # noqa: PLR2004
        pays[0] = True
        size = np.where(pays, self._rng.uniform(0.002, 0.008, self._symbols), 0.0)
        offset = self._rng.integers(1, _QUARTER, self._symbols)
        day: IntArray = np.arange(self._days, dtype=np.int64)[:, None]
        yields = np.where((day > 0) & ((day - offset) % _QUARTER == 0), size, 0.0)
        return np.cumprod(1 - yields, axis=0) / shares, yields

    def _paid(
        self,
        ids: Sequence[InstrumentId],
        lives: Sequence[slice],
        closes: FloatArray,
        yields: FloatArray,
    ) -> list[CorporateAction]:
        paid: list[CorporateAction] = []
        for day, column in np.argwhere(yields > 0).tolist():
            life = lives[column]
            cents = round(float(closes[day - 1, column] * yields[day, column]) * 100)
            if life.start < day < life.stop and cents > 0:
                amount = Decimal(cents).scaleb(-2)
                paid.append(CashDividend(ids[column], self._date(day), amount))
        return paid

    def _volumes(self, moves: FloatArray, shares: FloatArray) -> FloatArray:
        rng, session = self._rng, self._times.session
        usual = np.exp(rng.normal(14.5, 1.0, self._symbols)) * shares
        length = (self._times.end - self._times.start) / NANOSECONDS / _FULL_DAY
        noise = np.exp(0.3 * rng.standard_normal(moves.shape))
        volumes = usual[session] * length[:, None] * (0.6 + 0.5 * moves) * noise
        return np.asarray(np.maximum(volumes.round(), 1.0))

    def _absent(self, lives: Sequence[slice]) -> BoolArray:
        session = self._times.session
        absent = np.zeros((len(session), self._symbols), dtype=np.bool_)
        if self._symbols > 1:
            # One at most in a row, so that no row is without any bar.
            inner = np.arange(1, len(session) - 1)
            count = min(max(round(absent.size * _MISSING), 1), len(inner) // 4)
            rows = self._rng.choice(inner, count, replace=False)
            absent[rows, self._rng.integers(0, self._symbols, count)] = True
        for column, life in enumerate(lives):
            if (life.start, life.stop) != (0, self._days):
                absent[:, column] |= (session < life.start) | (session >= life.stop)
        return absent


def _spells(rng: np.random.Generator, days: int, names: int) -> FloatArray:
    shocks = rng.normal(0.0, 0.12, (days, names))
    logs = np.empty((days, names))
    state = rng.normal(0.0, 0.4, names)
    for day in range(days):
        state = 0.96 * state + shocks[day]
        logs[day] = state
    return np.asarray(np.exp(logs))


def _splits(column: int, values: FloatArray) -> list[tuple[int, Fraction]]:
    sure = {
        max(round(part * len(values)), 1): ratio
        for which, part, ratio in _SURE_SPLITS
        if which == column
    }
    found = []
    shares, day = 1.0, 1
    while day < len(values):
        raw: FloatArray = values[day - 1 : -1] / shares
        due: BoolArray = np.logical_or(raw > _DEAR, raw < _CHEAP)
        due[[d - day for d in sure if d >= day]] = True
        if not due.any():
            break
        day += int(np.argmax(due))
        raw_close = values[day - 1] / shares
        ratio = sure.get(day, Fraction(4) if raw_close > _DEAR else Fraction(1, 10))
        found.append((day, ratio))
        shares *= float(ratio)
        day += 1
    return found
