"""The compiled loop: rows in, orders and fills out.

It stops, with the account as it stands, where it wants room or something decided exactly, and
goes on from there; `referee` decides by the engine's own code.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from tradewright.backtest.arrays.booking import curve, endings, openings, trade
from tradewright.backtest.arrays.judging import commit, exposures, judge, next_wish, size
from tradewright.backtest.arrays.state import (
    ALERTS,
    DONE,
    ENDING,
    FILLS,
    GIVEN,
    GOES_ON,
    OPENING,
    ORDERS,
    PHASE,
    REFUSALS,
    ROOM_WANTED,
    ROW,
    ROW_ASKED,
    WORKING,
    Account,
    Logs,
    Market,
    Rules,
    Wishes,
    compiled,
    kept,
)

if TYPE_CHECKING:
    from tradewright.core.frames import IntArray

_Live: TypeAlias = Callable[[Market, Wishes, Rules, Account, Logs], int]


@compiled
def _decide(market: Market, wishes: Wishes, rules: Rules, account: Account, logs: Logs) -> int:
    at = account.at
    row = at[ROW]
    if at[GIVEN] >= 0:
        commit(account, logs, at[GIVEN])
        at[GIVEN] = -1
        return GOES_ON
    if next_wish(market, wishes, account, row, row + 1) > row:
        return GOES_ON
    exposure = exposures(market, rules, account, row)
    if exposure[0] != GOES_ON:
        return exposure[0]
    count = size(market, wishes, rules, account, logs, exposure[1])
    if count < 0:
        return -count
    for i in range(count):
        verdict, gross, highest, lowest = judge(market, rules, account, i, exposure)
        if verdict < 0 or (verdict > 0 and rules.tells):
            return ROW_ASKED
        account.wanted[i, 2] = verdict
        if verdict == 0:
            exposure = (GOES_ON, exposure[1], gross, highest, lowest)
    commit(account, logs, count)
    return GOES_ON


@compiled
def _has_room(account: Account, logs: Logs) -> bool:
    at, more = account.at, len(account.held)
    return bool(
        at[ORDERS] + more <= len(logs.orders)
        and at[FILLS] + at[WORKING] <= len(logs.fills)
        and at[REFUSALS] + more <= len(logs.refusals)
        and at[ALERTS] + more <= len(logs.alerts)
        and at[WORKING] + more <= len(logs.working)
    )


@compiled
def _acts(market: Market, at: IntArray) -> bool:
    # Whether a corporate action is booked at the row.
    row, opening, ending = at[ROW], at[OPENING], at[ENDING]
    return bool(
        (opening < len(market.opening) and market.opening[opening, 0] == row)
        or (ending < len(market.ending) and market.ending[ending, 0] == row)
    )


@compiled
def _row(market: Market, wishes: Wishes, rules: Rules, account: Account, logs: Logs) -> int:
    # One row, taken up again in the phase in which it was left.
    at = account.at
    said = GOES_ON
    if at[PHASE] == 0:
        if not _has_room(account, logs):
            return ROOM_WANTED
        at[PHASE] = 1
    if at[PHASE] == 1:
        if at[ROW] >= rules.first:
            said = openings(market, rules, account, logs)
            if said == GOES_ON:
                said = trade(market, rules, account, logs)
        if said != GOES_ON:
            return said
        at[PHASE] = 2
    if at[PHASE] == 2:  # noqa: PLR2004 - the phases are numbered
        if at[ROW] < rules.last:
            said = _decide(market, wishes, rules, account, logs)
        if said != GOES_ON:
            return said
        at[PHASE] = 3
    return endings(market, rules, account, logs)


def _loop(text: str) -> _Live:
    # Machine code that is kept is looked up by what a function encloses, too: so it is never
    # that of another text of the functions below it.
    @kept
    def live(market: Market, wishes: Wishes, rules: Rules, account: Account, logs: Logs) -> int:
        """Live through the rows from where the account stands; return why it stopped."""
        at = account.at
        _ = text
        while True:
            over = at[ROW] > rules.last
            if over or (at[PHASE] == 0 and (at[WORKING] > 0 or _acts(market, at))):
                curve(market, rules, account, logs, at[ROW])
            if over:
                return DONE
            said = _row(market, wishes, rules, account, logs)
            if said != GOES_ON:
                return said
            row = at[ROW]
            following = row + 1
            if at[WORKING] == 0 and row < rules.last:
                stop = rules.last
                if at[OPENING] < len(market.opening):
                    stop = min(stop, market.opening[at[OPENING], 0])
                if at[ENDING] < len(market.ending):
                    stop = min(stop, market.ending[at[ENDING], 0])
                following = next_wish(market, wishes, account, row + 1, stop)
            at[ROW], at[PHASE] = following, 0

    result: _Live = live
    return result


_MODULES: Final = ("state", "ahead", "booking", "judging", "kernels")
live: Final = _loop(
    sha256(
        b"".join(Path(__file__).with_name(f"{name}.py").read_bytes() for name in _MODULES)
    ).hexdigest()
)
