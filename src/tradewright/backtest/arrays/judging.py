"""Compiled: targets to orders and the gate's verdicts, as `construct` and `checks` have them.

Where a comparison or a rounding lies so near to its boundary that floating point could err, or
where a number is not a plain one, the answer is that it is in doubt: never a guess.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from tradewright.backtest.arrays.ahead import fetch
from tradewright.backtest.arrays.booking import fee_cents, mark
from tradewright.backtest.arrays.state import (
    ALERTS,
    AT_WORK,
    BUYING_POWER,
    CALENDAR,
    CASH,
    COLUMN,
    DECIDED,
    DELTA,
    ENDED,
    FETCHED,
    FILLED,
    GOES_ON,
    GROSS_EXPOSURE,
    HELD,
    LARGEST,
    MARKET_UNKNOWN,
    NET_EXPOSURE,
    NO_PRICE,
    NOT_SHORTABLE,
    NOT_TRADABLE,
    OFF,
    OFF_GRID,
    ORDER_SIZE,
    ORDERS,
    POSITION_SIZE,
    PRICE_STALE,
    REDUCES,
    REFUSALS,
    REFUSED_CODE,
    ROW,
    ROW_ASKED,
    STATUS,
    TOO_LARGE,
    UNSIZED,
    WORKING,
    Account,
    Logs,
    Market,
    Rules,
    Wishes,
    compiled,
)

_SIZE_DOUBT: Final = 8e-15
"""Several times what the few operations between exact numbers and their floats can lose."""
_LIMIT_DOUBT: Final = 1e-12
_WHOLE: Final = 4503599627370496.0


@compiled
def _target(wishes: Wishes, account: Account, row: int, column: int) -> float:
    if len(wishes.weights) > 0:
        return float(wishes.weights[row, column])
    state = wishes.now[row, column]
    if account.held[column] != 0:
        return float(wishes.held[state])
    return float(wishes.flat[state])


@compiled
def next_wish(market: Market, wishes: Wishes, account: Account, first: int, stop: int) -> int:
    """Return the first row from `first` on, up to `stop`, in which there is a target."""
    columns = len(account.held)
    some = account.at[HELD] > 0 and len(wishes.due) > 0
    if columns == 1 and len(wishes.weights) == 0 and not some:
        wakes = wishes.wakes[np.int64(account.held[0] != 0)]
        states = wishes.now[:, 0]
        while account.at[FETCHED] < min(first + 64, len(states)):
            fetch(market.close, account.at[FETCHED], 0)
            fetch(market.open, account.at[FETCHED], 0)
            account.at[FETCHED] += 8
        row = first
        while row < stop and not wakes[np.uint8(states[row])]:
            row += 1
        return row
    for row in range(first, stop):
        if some and not wishes.due[row]:
            continue
        for column in range(columns):
            if not np.isnan(_target(wishes, account, row, column)):
                return row
    return stop


@compiled
def exposures(
    market: Market, rules: Rules, account: Account, row: int
) -> tuple[int, int, int, int, int]:
    """Return how it went, equity, worst-case gross, and highest and lowest net."""
    net = gross = up = down = 0
    size = 0.0
    for column in range(len(account.held)):
        held, buys, sells = account.held[column], account.buys[column], account.sells[column]
        if held == 0 and buys == 0 and sells == 0:
            continue
        price, _ = mark(market, rules, account, row, column)
        if price == OFF:
            return OFF_GRID, 0, 0, 0, 0
        if price < 0:
            return ROW_ASKED, 0, 0, 0, 0
        size += float(abs(held) + buys + sells) * price
        net += held * price
        gross += max(held + buys, sells - held) * price
        up += buys * price
        down += sells * price
    if size > LARGEST / 8:
        return TOO_LARGE, 0, 0, 0, 0
    return GOES_ON, account.at[CASH] + net, gross, net + up, net - down


@compiled
def _shares(
    wishes: Wishes, rules: Rules, row: int, column: int, worth: tuple[float, int, int, int]
) -> float:
    # Whole lots of a target, NaN where its size is not known, infinite where it is in doubt.
    target, equity, price, lot = worth
    if rules.fixed > 0:
        whole = rules.fixed // lot * lot
        return float(whole) if target > 0 else -float(whole)
    unit = wishes.scales[row, column] if len(wishes.scales) > 0 else rules.fraction
    if np.isnan(unit):
        return math.nan
    if price == 0:
        return math.inf
    exact = target * unit * float(equity) / (float(price) * float(lot))
    if not abs(exact) < _WHOLE or abs(exact - np.rint(exact)) <= _SIZE_DOUBT * abs(exact):
        return math.inf
    return float(np.trunc(exact)) * float(lot)


@compiled
def _sized(
    market: Market,
    wishes: Wishes,
    rules: Rules,
    account: Account,
    asked: tuple[int, int, float, int],
) -> tuple[int, float]:
    # The price and the shares of a target; NaN where there is no size, infinite where in doubt.
    row, column, target, equity = asked
    if target == 0.0:
        return 0, 0.0
    price, _ = mark(market, rules, account, row, column)
    if price < 0:
        return price, math.nan
    lot = market.lots[column]
    return price, _shares(wishes, rules, row, column, (target, equity, price, lot))


@compiled
def size(
    market: Market, wishes: Wishes, rules: Rules, account: Account, logs: Logs, equity: int
) -> int:
    """Return how many orders are wished for, sales first and then by name; negative: why not."""
    at = account.at
    row = at[ROW]
    at[UNSIZED] = 0
    sales = purchases = 0
    for column in market.by_name:
        target = _target(wishes, account, row, column)
        if np.isnan(target):
            continue
        fetch(market.open, row + 1, column)
        price, wanted = _sized(market, wishes, rules, account, (row, column, target, equity))
        if price < NO_PRICE:
            return -OFF_GRID if price == OFF else -ROW_ASKED
        if wanted != wanted:  # noqa: PLR0124 - NaN
            alert = logs.alerts[at[ALERTS] + at[UNSIZED]]
            alert[0], alert[1] = row, column
            at[UNSIZED] += 1
            continue
        if not abs(wanted) < _WHOLE:
            return -ROW_ASKED
        delta = int(wanted) - account.held[column]
        delta -= account.buys[column] - account.sells[column]
        if wanted != 0 and float(abs(delta)) * price > LARGEST / 8:
            return -TOO_LARGE
        if delta == 0 or (wanted != 0 and abs(delta) * price < rules.min_trade):
            continue
        if delta < 0:
            account.wanted[sales, 0], account.wanted[sales, 1] = column, delta
            sales += 1
        else:
            account.spare[purchases, 0], account.spare[purchases, 1] = column, delta
            purchases += 1
    for i in range(purchases):
        account.wanted[sales + i, 0] = account.spare[i, 0]
        account.wanted[sales + i, 1] = account.spare[i, 1]
    return sales + purchases


@compiled
def _exceeds(value: int, limit: float, equity: int) -> int:
    # 1 where value > limit × equity, 0 where not, negative where it is too near to say.
    most = limit * float(equity)
    if abs(value - most) <= _LIMIT_DOUBT * max(abs(float(value)), abs(most)):
        return -1
    return 1 if value > most else 0


@compiled
def _is_listed(market: Market, account: Account, row: int, column: int) -> int:
    # Whether the market and the instrument can take an order: 0, or the refusal.
    at, calendar = account.at, market.calendar
    count = len(market.calendar)
    while at[CALENDAR] + 1 < count and calendar[at[CALENDAR] + 1, 0] <= row:
        at[CALENDAR] += 1
    place = at[CALENDAR]
    if count == 0 or row < calendar[0, 0] or (place == count - 1 and row >= calendar[place, 1]):
        return MARKET_UNKNOWN
    day = calendar[place, 2] if row < calendar[place, 1] else calendar[place + 1, 2]
    listed, delisted = market.listed[column], market.delisted[column]
    if not market.tradable[column] or listed > day or (delisted >= 0 and day > delisted):
        return NOT_TRADABLE
    return 0


@compiled
def judge(
    market: Market,
    rules: Rules,
    account: Account,
    place: int,
    exposure: tuple[int, int, int, int, int],
) -> tuple[int, int, int, int]:
    """Return the gate's verdict, 0 for yes, negative for doubt, and exposure with the order."""
    row = account.at[ROW]
    _, equity, gross, highest, lowest = exposure
    column, delta = account.wanted[place, 0], account.wanted[place, 1]
    quantity = abs(delta)
    held, buys, sells = account.held[column], account.buys[column], account.sells[column]
    room = -held - buys if delta > 0 else held - sells
    reduces = quantity <= max(room, 0)
    after_gross, after_highest, after_lowest = gross, highest, lowest
    verdict = _is_listed(market, account, row, column)
    price, age = mark(market, rules, account, row, column)
    if price < 0:
        return -1, gross, highest, lowest
    value = quantity * price
    high, low = held + buys, held - sells
    after_gross -= max(high, -low) * price
    if delta > 0:
        high += quantity
        after_highest += value
    else:
        low -= quantity
        after_lowest -= value
    worst = max(high, -low)
    after_gross += worst * price
    if verdict == 0 and delta < 0 and not reduces and not market.shortable[column]:
        verdict = NOT_SHORTABLE
    if verdict == 0 and not reduces:
        if age > rules.max_age:
            verdict = PRICE_STALE
        elif 0 <= rules.max_order < value:
            verdict = ORDER_SIZE
        else:
            fee = fee_cents(rules, 0, quantity, price) * rules.cent if price else 0
            facts = (worst, price, after_gross, max(-after_lowest, after_highest), fee)
            verdict = _limited(rules, facts, equity)
    return verdict, after_gross, after_highest, after_lowest


@compiled
def _limited(rules: Rules, facts: tuple[int, int, int, int, int], equity: int) -> int:
    worst, price, gross, net, fee = facts
    weighed = _exceeds(worst * price, rules.max_weight, equity)
    if 0 <= rules.max_position < worst * price:
        return POSITION_SIZE
    if weighed != 0:
        return POSITION_SIZE if weighed > 0 else -1
    if 0 <= rules.max_shares < worst:
        return POSITION_SIZE
    for value, limit, code in (
        (gross, rules.max_gross, GROSS_EXPOSURE),
        (net, rules.max_net, NET_EXPOSURE),
        (gross + fee, rules.leverage, BUYING_POWER),
    ):
        exceeds = _exceeds(value, limit, equity)
        if exceeds != 0:
            return code if exceeds > 0 else -1
    return 0


@compiled
def commit(account: Account, logs: Logs, count: int) -> None:
    """Write down the orders and the refusals of a row."""
    at = account.at
    row = at[ROW]
    at[ALERTS] += at[UNSIZED]
    at[UNSIZED] = 0
    for i in range(count):
        column, delta, verdict = account.wanted[i, 0], account.wanted[i, 1], account.wanted[i, 2]
        if verdict != 0:
            refusal = logs.refusals[at[REFUSALS]]
            refusal[DECIDED], refusal[COLUMN], refusal[DELTA] = row, column, delta
            refusal[REFUSED_CODE] = verdict
            at[REFUSALS] += 1
            continue
        held = account.held[column]
        nearer = -held <= delta < 0 if held > 0 else 0 < delta <= -held
        facts = logs.orders[at[ORDERS]]
        facts[DECIDED], facts[COLUMN], facts[DELTA] = row, column, delta
        facts[FILLED], facts[STATUS], facts[ENDED] = 0, AT_WORK, -1
        facts[REDUCES] = held != 0 and account.open_orders[column] == 0 and nearer
        logs.working[at[WORKING]] = at[ORDERS]
        at[WORKING] += 1
        at[ORDERS] += 1
        account.open_orders[column] += 1
        if delta > 0:
            account.buys[column] += delta
        else:
            account.sells[column] -= delta
