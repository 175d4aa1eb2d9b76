"""From bars to prints: the path that a bar's quotes and trades take through it.

A bar's path has seven points: open, first extreme, second extreme, close and a point half-way
between each two of them. A rising bar visits its low first, a falling one its high. Before each
point stands a quote and at each point a trade; the bar's volume is spread over the trades, so
what was traded adds up to the bar. Nothing here is random: what looks so is a hash of the bar's
start and the instrument's name.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewright.core.frames import FloatArray, IntArray
    from tradewright.core.instrument import Instrument
    from tradewright.data.quality import BoolArray

POINTS: Final = 7
OPENING: Final = 1
CLOSING: Final = 2
ROUND_LOT: Final = 100

# Where in a bar quotes and trades stand, as fractions of its length: each trade follows its quote,
# and all but the first and the last are moved by up to a fiftieth.
_QUOTED: Final = np.array([0.0, 0.14, 0.29, 0.43, 0.57, 0.71, 0.99])
_TRADED: Final = np.array([0.002, 0.20, 0.35, 0.50, 0.64, 0.80, 0.996])
_MOVED: Final = np.array([0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0]) * 0.02
_SHARES: Final = np.array([0.22, 0.10, 0.13, 0.10, 0.13, 0.10, 0.22])
# Who gets the shares that are left when parts are rounded down: corners before what is between.
_RANK: Final = np.array([0, 4, 2, 5, 3, 6, 1])
_FINEST: Final = 1e4
_SUB_DOLLAR: Final = 1e-4
_EPSILON: Final = 1e-6
_MICRO: Final = 1000
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class SpreadModel:
    """What quotes are made of where there are none.

    A bid and an ask stand `half_spread_bps` of the path's price away from it on either side,
    rounded outwards to ticks, one tick at least. Each shows `size_share` of the bar's volume in
    round lots, give or take half of it, one lot at least.
    """

    half_spread_bps: float = 1.0
    size_share: float = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class Trades:
    """Columns of trades by time: nanoseconds since 1970, dollars, shares, and what is special.

    `mark` is OPENING for the first trade of a session that began with it, CLOSING for the last
    of one that ended with it, 0 else.
    """

    at: IntArray
    price: FloatArray
    size: FloatArray
    mark: IntArray

    def between(self, after: int, to: int) -> Trades:
        """Return those with after < at <= to."""
        return self.rows(_between(self.at, after, to))

    def rows(self, chosen: slice | IntArray) -> Trades:
        """Return some of them."""
        return Trades(self.at[chosen], self.price[chosen], self.size[chosen], self.mark[chosen])

    @classmethod
    def joined(cls, parts: Sequence[Trades]) -> Trades:
        """Put columns that follow each other together."""
        if len(parts) == 1:
            return parts[0]
        names = ("at", "price", "size", "mark")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


@dataclass(frozen=True, slots=True, eq=False)
class Quotes:
    """Columns of quotes by time: nanoseconds since 1970, dollars and shares."""

    at: IntArray
    bid: FloatArray
    bid_size: FloatArray
    ask: FloatArray
    ask_size: FloatArray

    def between(self, after: int, to: int) -> Quotes:
        """Return those with after < at <= to."""
        return self.rows(_between(self.at, after, to))

    def rows(self, chosen: slice | IntArray) -> Quotes:
        """Return some of them."""
        return Quotes(
            self.at[chosen],
            self.bid[chosen],
            self.bid_size[chosen],
            self.ask[chosen],
            self.ask_size[chosen],
        )

    @classmethod
    def joined(cls, parts: Sequence[Quotes]) -> Quotes:
        """Put columns together, in order of time."""
        if len(parts) == 1:
            return parts[0]
        names = ("at", "bid", "bid_size", "ask", "ask_size")
        columns = [np.concatenate([getattr(part, name) for part in parts]) for name in names]
        order = np.argsort(columns[0], kind="stable")
        return cls(*(column[order] for column in columns))


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Bars of one instrument that did trade: times of shape (bars,), values of shape (5, bars).

    The values are open, high, low, close and volume; `mark` says of each bar whether its session
    opens or closes with it, as OPENING, CLOSING or the sum of both.
    """

    instrument: Instrument
    start: IntArray
    end: IntArray
    values: FloatArray
    mark: IntArray

    def rows(self, chosen: IntArray) -> Stretch:
        """Return some of the bars."""
        return Stretch(
            self.instrument,
            self.start[chosen],
            self.end[chosen],
            self.values[:, chosen],
            self.mark[chosen],
        )


def path(prices: FloatArray, tick: float, rising: BoolArray | None = None) -> FloatArray:
    """Return the prices of the seven points, shape (bars, 7), of open, high, low, close (4, bars).

    The points between are rounded to ticks and lie within the bar. A bar is `rising` where it
    closes no lower than it opens, unless told.
    """
    opens, highs, lows, closes = prices
    if rising is None:
        rising = closes >= opens
    first, second = np.where(rising, lows, highs), np.where(rising, highs, lows)
    corners = np.stack([opens, first, second, closes], axis=1)
    found = np.empty((len(opens), POINTS))
    found[:, ::2] = corners
    halves = (corners[:, 1:] + corners[:, :-1]) / 2
    rounded = _to_cents(np.rint(halves / _tick(halves, tick)) * _tick(halves, tick))
    found[:, 1::2] = np.clip(rounded, lows[:, None], highs[:, None])
    return found


def shares(volume: FloatArray) -> FloatArray:
    """Spread volumes of shape (bars,) over the seven trades, shape (bars, 7): whole shares.

    They add up to the volume; what a volume has beyond whole shares goes to the first trade, and
    a trade of no shares does not happen.
    """
    whole = np.floor(volume)
    spread = np.floor(whole[:, None] * _SHARES)
    left = whole - spread.sum(axis=1)
    spread += left[:, None] > _RANK
    spread[:, 0] += volume - whole
    return np.asarray(spread)


def trades_of(bars: Stretch) -> Trades:
    """Return the trades of bars."""
    size = shares(bars.values[4])
    happen = size > 0
    mark = np.zeros(size.shape, dtype=np.int64)
    mark[:, 0] = bars.mark & OPENING
    mark[:, -1] += bars.mark & CLOSING
    return Trades(
        _times(bars, _TRADED)[happen],
        path(bars.values[:4], float(bars.instrument.tick))[happen],
        size[happen],
        mark[happen],
    )


def quotes_of(bars: Stretch, model: SpreadModel) -> Quotes:
    """Return the quotes that the model makes of bars: the bid below the ask, both above 0."""
    price = path(bars.values[:4], float(bars.instrument.tick))
    tick = _tick(price, float(bars.instrument.tick))
    ticks = price / tick
    half = np.maximum(np.ceil(ticks * (model.half_spread_bps / 1e4) - _EPSILON), 1.0)
    bid = np.maximum(np.floor(ticks + _EPSILON) - half, 1.0)
    ask = np.maximum(np.ceil(ticks - _EPSILON) + half, bid + 1.0)
    shown = bars.values[4][:, None] * (model.size_share / ROUND_LOT)
    sizes = [
        np.maximum(np.floor(shown * (0.5 + _noise(bars, salt))), 1.0) * ROUND_LOT
        for salt in (POINTS, 2 * POINTS)
    ]
    return Quotes(
        _times(bars, _QUOTED).ravel(),
        _to_cents(bid * tick).ravel(),
        sizes[0].ravel(),
        _to_cents(ask * tick).ravel(),
        sizes[1].ravel(),
    )


def quotes_of_quotes(bid: Stretch, ask: Stretch) -> Quotes:
    """Return the quotes of quote bars, whose two sides are given as bars.

    Where the paths of bid and ask cross between open and close, the bid gives way.
    """
    tick = float(bid.instrument.tick)
    rising = bid.values[3] + ask.values[3] >= bid.values[0] + ask.values[0]
    asks = path(ask.values[:4], tick, rising)
    bids = np.minimum(path(bid.values[:4], tick, rising), asks)
    sizes = [np.repeat(side.values[4], POINTS) for side in (bid, ask)]
    return Quotes(_times(bid, _QUOTED).ravel(), bids.ravel(), sizes[0], asks.ravel(), sizes[1])


def _times(bars: Stretch, fractions: FloatArray) -> IntArray:
    length = (bars.end - bars.start)[:, None]
    moved = fractions + (_noise(bars, 0) - 0.5) * 2 * _MOVED
    return np.asarray(bars.start[:, None] + (length * moved / _MICRO).astype(np.int64) * _MICRO)


def _noise(bars: Stretch, salt: int) -> FloatArray:
    # The finaliser of splitmix64, in [0, 1): shape (bars, 7).
    key = np.uint64(zlib.crc32(bars.instrument.id.encode()))
    point = np.arange(salt, salt + POINTS, dtype=np.uint64)
    mixed = bars.start.astype(np.uint64)[:, None] + (point * _GOLDEN + (key << np.uint64(32)))
    mixed ^= mixed >> np.uint64(30)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return np.asarray((mixed >> np.uint64(11)).astype(np.float64) / 2.0**53)


def _tick(price: FloatArray, tick: float) -> FloatArray:
    return np.where(price >= 1, tick, min(tick, _SUB_DOLLAR))


def _to_cents(price: FloatArray) -> FloatArray:
    # To the float that prints as the tick does: 0.30000000000000004 is no price.
    return np.asarray(np.rint(price * _FINEST) / _FINEST)


def _between(at: IntArray, after: int, to: int) -> slice:
    first, stop = np.searchsorted(at, (after, to), side="right").tolist()
    return slice(first, stop)
