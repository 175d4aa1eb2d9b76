"""What is asked of the list of orders: filtered, nested and paged by the vendor's rules.

Both ends of a range of times are left out, and a range is over the time of submission: an old
order that traded today is not in today's range. Nested, a leg is listed under its primary order
alone, and the two are open while one of them is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

from tradewright.core.orders import Side
from tradewright.exchange.exchange import Exchange
from tradewright.exchange.trading.book import Book
from tradewright.exchange.trading.tickets import Ticket
from tradewright.exchange.web import choice, count, time_of, truth
from tradewright.exchange.words import BROKEN_RULE, UNPROCESSABLE, Refused
from tradewright.exchange.written import Written

MOST_ORDERS: Final = 500
_ORDERS: Final = 50
_OURS: Final = frozenset({"us_equity", "all"})


def orders(exchange: Exchange, query: Mapping[str, str]) -> list[Written]:
    """List orders by status, symbols, side, class and place or time of submission."""
    limit = count(query, "limit", _ORDERS, MOST_ORDERS)
    nested = truth(query, "nested")
    chosen = _chosen(exchange.orders.floor.book, query, nested=nested)
    classes = set(filter(None, query.get("asset_class", "").split(",")))
    if classes and not classes & _OURS:
        return []
    page = islice(chosen, limit)
    return [ticket.nested() if nested else ticket.body() for ticket in page]


def _chosen(book: Book, query: Mapping[str, str], *, nested: bool) -> Iterator[Ticket]:
    status = choice(query, "status", ("open", "closed", "all"))
    symbols = set(filter(None, query.get("symbols", "").split(",")))
    side = choice(query, "side", ("", *Side))
    backwards = choice(query, "direction", ("desc", "asc")) == "desc"
    first, stop = _range(book, query)
    if status == "open" and not nested:
        tickets = book.open_between(first, stop, backwards=backwards)
    else:
        tickets = book.placed(first, stop, backwards=backwards)
    return (
        ticket
        for ticket in tickets
        if (status == "all" or _is(status, ticket, nested=nested))
        and not (nested and ticket.parent is not None)
        and (not symbols or ticket.symbol in symbols)
        and (not side or ticket.order.side == side)
    )


def _is(status: str, ticket: Ticket, *, nested: bool) -> bool:
    # Of a group, one list shows what the other does not: it is open, or all of it has ended.
    is_open = any(each.is_open for each in ticket.family) if nested else ticket.is_open
    return is_open == (status == "open")


def _range(book: Book, query: Mapping[str, str]) -> tuple[int, int]:
    after, until = time_of(query, "after"), time_of(query, "until")
    after_id, before_id = query.get("after_order_id"), query.get("before_order_id")
    if (after_id or before_id) and (after or until):
        message = "order ids and times cannot be used together"
        raise Refused(UNPROCESSABLE, BROKEN_RULE, message)
    if after_id and before_id:
        message = "before_order_id and after_order_id cannot be used together"
        raise Refused(UNPROCESSABLE, BROKEN_RULE, message)
    return book.between(
        first=book.ticket(after_id).place + 1 if after_id else 0,
        stop=book.ticket(before_id).place if before_id else None,
        after=after,
        until=until,
    )
