"""What the compiled loop works on: tables of numbers, and the places of each number in them.

Money and prices are whole numbers of one scale, so that their sums are exact. The constants are
frozen into the machine code when it is made, and so is every function that the loop calls; what
is kept on disk is that of `kernels.live` alone, which counts the text of all these modules in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast

import numba

if TYPE_CHECKING:
    from collections.abc import Callable

    from tradewright.core.frames import BoolArray, FloatArray, IntArray, SignArray

_Function = TypeVar("_Function", bound="Callable[..., object]")

# What the loop says when it stops.
DONE: Final = 0
GOES_ON: Final = 1
ROOM_WANTED: Final = 2
ROW_ASKED: Final = 3
ACTION_ASKED: Final = 4
OFF_GRID: Final = 5
TOO_LARGE: Final = 6
PARTIAL_SHARES: Final = 7

# Places in `Account.at`.
ROW: Final = 0
PHASE: Final = 1
ORDERS: Final = 2
FILLS: Final = 3
WORKING: Final = 4
REFUSALS: Final = 5
ALERTS: Final = 6
CASH: Final = 7
OPENING: Final = 8
ENDING: Final = 9
CALENDAR: Final = 10
GIVEN: Final = 11
UNSIZED: Final = 12
HELD: Final = 13
CURVED: Final = 14
PENDING: Final = 15
SESSION: Final = 16
FETCHED: Final = 17
CURSORS: Final = 18

# Columns of an order, a fill, a refusal and an alert in `Logs`.
DECIDED: Final = 0
COLUMN: Final = 1
DELTA: Final = 2
FILLED: Final = 3
REDUCES: Final = 4
STATUS: Final = 5
ENDED: Final = 6
ORDER_FACTS: Final = 7
FILL_ORDER: Final = 0
FILL_ROW: Final = 1
FILL_QUANTITY: Final = 2
FILL_PRICE: Final = 3
FILL_FEE: Final = 4
FILL_FACTS: Final = 5
REFUSED_CODE: Final = 3
REFUSAL_FACTS: Final = 4
ALERT_FACTS: Final = 2

# Where an order stands.
AT_WORK: Final = 0
DONE_WITH: Final = 1
RAN_OUT: Final = 2
SPLIT_AWAY: Final = 3
DELISTED: Final = 4

# Refusals, in the order of the gate's checks.
MARKET_UNKNOWN: Final = 1
NOT_TRADABLE: Final = 2
NOT_SHORTABLE: Final = 3
PRICE_STALE: Final = 4
ORDER_SIZE: Final = 5
POSITION_SIZE: Final = 6
GROSS_EXPOSURE: Final = 7
NET_EXPOSURE: Final = 8
BUYING_POWER: Final = 9

DIVIDEND: Final = 0
SPLIT: Final = 1

NO_PRICE: Final = -1
UNCLEAR: Final = -2
OFF: Final = -3

MICRO: Final = 1000
"""Nanoseconds in a microsecond."""

LARGEST: Final = 4e18
"""What no product may come near, so that no sum of a few leaves sixty-four bits."""


class Market(NamedTuple):
    """Bars and what goes with them. Times are nanoseconds, dates ordinals, -1 for none.

    What is asked about times at many rows stands here as rows, so that the columns of times are
    not read: on minute bars each look at one costs as much as the rest of an order.
    """

    open: FloatArray
    close: FloatArray
    volume: FloatArray
    start: IntArray
    known: IntArray
    prompt: bool
    """Each row is known before the next one starts."""
    closing: IntArray
    """The last row of each session."""
    lots: IntArray
    by_name: IntArray
    tradable: BoolArray
    shortable: BoolArray
    listed: IntArray
    delisted: IntArray
    splits: BoolArray
    opening: IntArray
    """Dividends and splits: row, column, kind, numerator, denominator."""
    ending: IntArray
    """Delistings: row, column."""
    calendar: IntArray
    """Sessions of the calendar: the first rows known at its open and at its close, and date."""


class Wishes(NamedTuple):
    """The strategy's targets: see `States`; `weights` stands for them where it is not empty."""

    now: SignArray
    flat: FloatArray
    held: FloatArray
    due: BoolArray
    weights: FloatArray
    scales: FloatArray
    wakes: BoolArray
    """Whether a state, as an unsigned byte, means a target: (flat, held), (256)."""


class Rules(NamedTuple):
    """Numbers of a spec; money at `scale`, -1 where a limit is not set."""

    first: int
    last: int
    scale: int
    cent: int
    fixed: int
    fraction: float
    min_trade: int
    one_day: bool
    max_order: int
    max_position: int
    max_shares: int
    max_weight: float
    max_gross: float
    max_net: float
    leverage: float
    max_age: int
    slip_buy: int
    slip_sell: int
    slip_unit: int
    slip_step: int
    by_value: bool
    by_fill: bool
    fee_rate: int
    fee_least: int
    fee_unit: int
    share: int
    share_unit: int
    tells: bool


class Account(NamedTuple):
    """What changes from row to row; `at` holds the cursors and the cash."""

    at: IntArray
    held: IntArray
    buys: IntArray
    sells: IntArray
    open_orders: IntArray
    seen: IntArray
    checked: IntArray
    curve_seen: IntArray
    curve_checked: IntArray
    used: IntArray
    wanted: IntArray
    """Column, signed quantity, verdict of what is wished for in a row."""
    spare: IntArray


class Logs(NamedTuple):
    """What grows: records by row of each array, and the curve at `marks` (empty: every row)."""

    orders: IntArray
    fills: IntArray
    refusals: IntArray
    alerts: IntArray
    working: IntArray
    marks: IntArray
    equity: FloatArray
    invested: FloatArray


# Nothing is allocated in these functions: without the counting of references that numba would
# do for each array at each call they are four times as fast, and are made in half the time.
_PLAIN: Final[dict[str, Any]] = {"nogil": True, "_nrt": False, "error_model": "numpy"}


def compiled(function: _Function) -> _Function:
    """Compile where a compiled function that is kept calls it, and into that."""
    return cast("_Function", numba.njit(**_PLAIN, forceinline=True)(function))


def kept(function: _Function) -> _Function:
    """Compile at the first call, and keep it on disk; other threads run meanwhile."""
    return cast("_Function", numba.njit(**_PLAIN, cache=True)(function))
