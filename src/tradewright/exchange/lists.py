"""What is asked of the lists: orders and executions, filtered and paged by the vendor's rules.

Both ends of a range of times are left out, and a range is over the time of submission: an old
order that traded today is not in today's range.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeVar

from tradewright.exchange.market import ReplayMarket, Update
from tradewright.exchange.tickets import Ticket
from tradewright.exchange.words import (
    BROKEN_RULE,
    NEW_YORK,
    UNPROCESSABLE,
    Refused,
    read_moment,
)

if TYPE_CHECKING:
    from tradewright.core.records import JsonValue

MOST_ORDERS: Final = 500
MOST_EXECUTIONS: Final = 100
_ORDERS: Final = 50
_Row = TypeVar("_Row")


def orders(market: ReplayMarket, query: Mapping[str, str]) -> list[dict[str, JsonValue]]:
    """List orders by status, symbols, side and time of submission."""
    status = _choice(query, "status", ("open", "closed", "all"))
    limit = _count(query, "limit", _ORDERS, MOST_ORDERS)
    symbols = set(filter(None, query.get("symbols", "").split(",")))
    after, until = _time(query, "after"), _time(query, "until")
    chosen = [
        ticket
        for ticket in _between(market, query)
        if status in {"all", "open" if ticket.is_open else "closed"}
        and (not symbols or ticket.symbol in symbols)
        and query.get("side") in {None, "", ticket.order.side.value}
        and (after is None or ticket.created_at > after)
        and (until is None or ticket.created_at < until)
    ]
    if query.get("asset_class") not in {None, "", "us_equity", "all"}:
        return []
    return [ticket.body() for ticket in _directed(chosen, query)[:limit]]


def executions(market: ReplayMarket, query: Mapping[str, str]) -> list[Update]:
    """List executions by time; `page_token` is the id of the last row that was seen."""
    size = _count(query, "page_size", MOST_EXECUTIONS, MOST_EXECUTIONS)
    after, until = _time(query, "after"), _time(query, "until")
    day = query.get("date")
    chosen = []
    for row in market.executions:
        at = read_moment(str(row["transaction_time"]), "transaction_time")
        on_day = day is None or at.astimezone(NEW_YORK).date().isoformat() == day[:10]
        if on_day and (after is None or at > after) and (until is None or at < until):
            chosen.append(row)
    rows = _directed(chosen, query)
    token = query.get("page_token")
    if token:
        seen = [index for index, row in enumerate(rows) if row["id"] == token]
        if not seen:
            raise Refused(UNPROCESSABLE, BROKEN_RULE, f"invalid page_token: {token}")
        rows = rows[seen[0] + 1 :]
    return list(rows[:size])


def _between(market: ReplayMarket, query: Mapping[str, str]) -> Sequence[Ticket]:
    tickets = list(market.tickets.values())
    after, before = query.get("after_order_id"), query.get("before_order_id")
    if (after or before) and (query.get("after") or query.get("until")):
        message = "order ids and times cannot be used together"
        raise Refused(UNPROCESSABLE, BROKEN_RULE, message)
    stop = tickets.index(market.ticket(before)) if before else len(tickets)
    first = tickets.index(market.ticket(after)) + 1 if after else 0
    return tickets[first:stop]


def _directed(rows: Sequence[_Row], query: Mapping[str, str]) -> Sequence[_Row]:
    direction = _choice(query, "direction", ("desc", "asc"))
    return rows if direction == "asc" else rows[::-1]


def _choice(query: Mapping[str, str], field: str, allowed: tuple[str, ...]) -> str:
    value = query.get(field) or allowed[0]
    if value not in allowed:
        message = f"invalid {field}: {value}; allowed: {', '.join(allowed)}"
        raise Refused(UNPROCESSABLE, BROKEN_RULE, message)
    return value


def _count(query: Mapping[str, str], field: str, default: int, most: int) -> int:
    text = query.get(field) or str(default)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= most:
        message = f"invalid {field}: {text} is not a number from 1 to {most}"
        raise Refused(UNPROCESSABLE, BROKEN_RULE, message)
    return int(text)


def _time(query: Mapping[str, str], field: str) -> datetime | None:
    text = query.get(field)
    return read_moment(text, field) if text else None
