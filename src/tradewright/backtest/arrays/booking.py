"""Compiled: what happens to orders, cash and quantities, as the venue and the ledger have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.backtest.arrays.state import (
    ACTION_ASKED,
    CASH,
    COLUMN,
    CURVED,
    DECIDED,
    DELISTED,
    DELTA,
    DONE_WITH,
    ENDED,
    ENDING,
    FILL_FEE,
    FILL_ORDER,
    FILL_PRICE,
    FILL_QUANTITY,
    FILL_ROW,
    FILLED,
    FILLS,
    GOES_ON,
    HELD,
    LARGEST,
    MICRO,
    NO_PRICE,
    OFF,
    OFF_GRID,
    OPENING,
    PARTIAL_SHARES,
    PENDING,
    RAN_OUT,
    ROW,
    SESSION,
    SPLIT,
    SPLIT_AWAY,
    STATUS,
    TOO_LARGE,
    UNCLEAR,
    WORKING,
    Account,
    Logs,
    Market,
    Rules,
    compiled,
)

if TYPE_CHECKING:
    from tradewright.core.frames import IntArray

_EXACT_DIGITS: Final = 1e15


@compiled
def to_ticks(value: float, scale: int) -> int:
    """Return a column's number at `scale`, negative where it is not a plain decimal of it."""
    # A decimal of at most fifteen digits is the shortest that means its float, so that this is
    # the very number that the engine reads from the column.
    scaled = value * scale
    if not abs(scaled) < _EXACT_DIGITS:
        return OFF
    ticks = int(np.rint(scaled))
    if ticks < 0 or ticks / scale != value:
        return OFF
    return ticks


@compiled
def _cents(amount: int, unit: int) -> int:
    # Half up, away from zero, of amount / unit cents.
    size = (2 * abs(amount) + unit) // (2 * unit)
    return size if amount >= 0 else -size


@compiled
def _order_cents(rules: Rules, quantity: int, price: int) -> int:
    # Of an order of so many shares; the larger of two is the larger in cents, too.
    if rules.by_value:
        value = quantity * price
        whole, rest = value // rules.fee_unit, value % rules.fee_unit
        charged = whole * rules.fee_rate + _cents(rest * rules.fee_rate, rules.fee_unit)
        return max(charged, rules.fee_least)
    return _cents(max(rules.fee_rate * quantity, rules.fee_least), rules.fee_unit)


@compiled
def fee_cents(rules: Rules, before: int, quantity: int, price: int) -> int:
    """Return the commission in cents of filling `quantity` more after `before`."""
    if rules.by_fill or before == 0:
        return _order_cents(rules, quantity, price)
    return _order_cents(rules, before + quantity, price) - _order_cents(rules, before, price)


@compiled
def _slipped(rules: Rules, delta: int, price: int) -> int:
    if rules.slip_unit == 0:
        return price
    unit, step = rules.slip_unit * rules.slip_step, rules.slip_step
    if delta > 0:
        return -(-(price * rules.slip_buy) // unit) * step
    return max(price * rules.slip_sell // unit, 1) * step


@compiled
def _last(market: Market, seen: IntArray, checked: IntArray, row: int, column: int) -> int:
    # What was looked through before is not looked through again: `row` never goes back.
    at, stop = row, checked[column]
    while at > stop and np.isnan(market.close[at, column]):
        at -= 1
    if at > stop:
        seen[column] = at
    checked[column] = max(row, stop)
    return int(seen[column])


@compiled
def last_row(market: Market, account: Account, row: int, column: int) -> int:
    """Return the last row up to `row` with a close, -1 before the first."""
    return _last(market, account.seen, account.checked, row, column)


@compiled
def mark(market: Market, rules: Rules, account: Account, row: int, column: int) -> tuple[int, int]:
    """Return the last price and its age in rows; a negative price says why there is none."""
    value = market.close[row, column]
    if value == value:  # noqa: PLR0124 - not NaN
        return to_ticks(value, rules.scale), 0
    last = last_row(market, account, row, column)
    if last < 0:
        return NO_PRICE, 0
    if market.splits[column]:
        return UNCLEAR, 0
    return to_ticks(market.close[last, column], rules.scale), row - last


@compiled
def _stale_worth(market: Market, account: Account, row: int, column: int) -> float:
    # The last price before a row, in today's shares; 0 before the first.
    last = _last(market, account.curve_seen, account.curve_checked, row, column)
    if last < 0:
        return 0.0
    value = market.close[last, column]
    if market.splits[column]:
        for i in range(len(market.opening)):
            action = market.opening[i]
            if action[1] == column and action[2] == SPLIT and last < action[0] <= row:
                value = value * action[4] / action[3]
    return float(value)


@compiled
def curve(market: Market, rules: Rules, account: Account, logs: Logs, stop: int) -> None:
    """Note equity at the closes up to, not including, a row; nothing was booked meanwhile."""
    first = account.at[PENDING]
    account.at[PENDING] = stop
    at, marks, held, close = account.at, logs.marks, account.held, market.close
    cash = at[CASH] / rules.scale
    every = len(marks) == 0
    begin = end = first - rules.first + 1
    if every:
        end += stop - first
    else:
        begin = end = at[CURVED]
        while end < len(marks) and marks[end] < stop:
            end += 1
        at[CURVED] = end
    equity, invested = logs.equity[begin:end], logs.invested[begin:end]
    equity[:] = cash
    invested[:] = 0.0
    if at[HELD] == 0:
        return
    for column in range(len(held)):
        quantity = float(held[column])
        if quantity == 0.0:
            continue
        for i in range(len(equity)):
            row = first + i if every else marks[begin + i]
            worth = close[row, column]
            if worth != worth:  # noqa: PLR0124 - NaN
                worth = _stale_worth(market, account, row, column)
            equity[i] += quantity * worth
            invested[i] += abs(quantity * worth)


@compiled
def _book(account: Account, column: int, change: int) -> None:
    before = account.held[column]
    account.held[column] = before + change
    if before == 0:
        account.at[HELD] += 1
    if before + change == 0:
        account.at[HELD] -= 1


@compiled
def _end(account: Account, logs: Logs, order: int, row: int, status: int) -> None:
    facts = logs.orders[order]
    facts[STATUS] = status
    facts[ENDED] = row
    column = facts[COLUMN]
    rest = facts[DELTA] - facts[FILLED]
    if rest > 0:
        account.buys[column] -= rest
    else:
        account.sells[column] += rest
    account.open_orders[column] -= 1


@compiled
def _withdraw(account: Account, logs: Logs, row: int, column: int, status: int) -> None:
    at, kept = account.at, 0
    for i in range(at[WORKING]):
        order = logs.working[i]
        if logs.orders[order, COLUMN] == column:
            _end(account, logs, order, row, status)
        else:
            logs.working[kept] = order
            kept += 1
    at[WORKING] = kept


@compiled
def openings(market: Market, rules: Rules, account: Account, logs: Logs) -> int:
    """Book the dividends and splits that take effect at a row."""
    at = account.at
    row = at[ROW]
    while at[OPENING] < len(market.opening) and market.opening[at[OPENING], 0] == row:
        action = market.opening[at[OPENING]]
        column, kind, up, down = action[1], action[2], action[3], action[4]
        held = account.held[column]
        if kind == SPLIT:
            if last_row(market, account, row - 1, column) >= 0:
                _withdraw(account, logs, row, column, SPLIT_AWAY)
                if held * up % (down * market.lots[column]) != 0:
                    return ACTION_ASKED
                _book(account, column, held * up // down - held)
        elif held != 0:
            if abs(float(held) * float(up)) > LARGEST:
                return ACTION_ASKED
            at[CASH] += _cents(held * up, down) * rules.cent
        at[OPENING] += 1
    return GOES_ON


@compiled
def endings(market: Market, rules: Rules, account: Account, logs: Logs) -> int:
    """Pay out what is delisted after a row."""
    at = account.at
    row = at[ROW]
    while at[ENDING] < len(market.ending) and market.ending[at[ENDING], 0] == row:
        column = market.ending[at[ENDING], 1]
        last = last_row(market, account, row, column)
        if last >= 0:
            _withdraw(account, logs, row, column, DELISTED)
            held = account.held[column]
            if held != 0:
                price = to_ticks(market.close[last, column], rules.scale)
                if price < 0:
                    return OFF_GRID
                at[CASH] += _cents(held * price, rules.cent) * rules.cent
                _book(account, column, -held)
        at[ENDING] += 1
    return GOES_ON


@compiled
def _room(market: Market, rules: Rules, account: Account, row: int, column: int) -> int:
    # What is left of our share of a bar's volume; -1 where the volume is no whole number.
    volume = market.volume[row, column]
    if not volume > 0:
        return 0
    if volume != np.rint(volume) or volume * rules.share > LARGEST:
        return -1
    room = int(volume) * rules.share // rules.share_unit - int(account.used[column])
    return max(int(room // market.lots[column] * market.lots[column]), 0)


@compiled
def _fill(  # noqa: PLR0911 - each says why
    market: Market, rules: Rules, account: Account, logs: Logs, order: int
) -> int:
    # The quantity that is filled at the open, or why it cannot be said: a negative number.
    at, facts = account.at, logs.orders[order]
    row, column = at[ROW], facts[COLUMN]
    opened = market.open[row, column]
    if np.isnan(opened):
        return 0
    rest = facts[DELTA] - facts[FILLED]
    quantity = abs(rest)
    if rules.share_unit > 0:
        room = _room(market, rules, account, row, column)
        if room < 0:
            return -PARTIAL_SHARES
        quantity = min(quantity, room)
        account.used[column] += quantity
    if quantity == 0:
        return 0
    ticks = to_ticks(opened, rules.scale)
    if ticks < 0:
        return -OFF_GRID
    if float(ticks) * max(rules.slip_buy, 1) > LARGEST:
        return -TOO_LARGE
    price = _slipped(rules, rest, ticks)
    if float(quantity) * price > LARGEST / 8 or abs(float(at[CASH])) > LARGEST / 8:
        return -TOO_LARGE
    fee = fee_cents(rules, abs(facts[FILLED]), quantity, price)
    signed = quantity if rest > 0 else -quantity
    at[CASH] -= signed * price + fee * rules.cent
    _book(account, column, signed)
    facts[FILLED] += signed
    if signed > 0:
        account.buys[column] -= quantity
    else:
        account.sells[column] -= quantity
    fill = logs.fills[at[FILLS]]
    fill[FILL_ORDER], fill[FILL_ROW], fill[FILL_QUANTITY] = order, row, quantity
    fill[FILL_PRICE], fill[FILL_FEE] = price, fee
    at[FILLS] += 1
    return int(quantity)


@compiled
def _is_known(market: Market, decided: int, row: int) -> bool:
    # In microseconds, as the engine's times are.
    return bool(market.known[decided] // MICRO <= market.start[row] // MICRO)


@compiled
def trade(market: Market, rules: Rules, account: Account, logs: Logs) -> int:
    """Fill at the open of a row, and end the session's orders at its close."""
    at = account.at
    row = at[ROW]
    if at[WORKING] == 0:
        return GOES_ON
    if rules.share_unit > 0:
        account.used[:] = 0
    while market.closing[at[SESSION]] < row:
        at[SESSION] += 1
    runs_out = rules.one_day and market.closing[at[SESSION]] == row
    kept = 0
    for i in range(at[WORKING]):
        order = logs.working[i]
        facts = logs.orders[order]
        if market.prompt or _is_known(market, facts[DECIDED], row):
            answer = _fill(market, rules, account, logs, order)
            if answer < 0:
                return -answer
        if facts[FILLED] == facts[DELTA]:
            _end(account, logs, order, row, DONE_WITH)
        elif runs_out:
            _end(account, logs, order, row, RAN_OUT)
        else:
            logs.working[kept] = order
            kept += 1
    at[WORKING] = kept
    return GOES_ON
