"""The account's activities: fills and all else that moved its money, filtered and paged.

Both ends of a range of times are left out. A page goes on after the row whose id is its token,
in the direction asked for; a short page is the last.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from tradewright.exchange.exchange import Exchange
from tradewright.exchange.web import choice, count, time_of
from tradewright.exchange.words import BROKEN_RULE, NEW_YORK, UNPROCESSABLE, Refused

if TYPE_CHECKING:
    from tradewright.core.records import JsonValue

MOST: Final = 100
_FILL: Final = "FILL"
_TRANSFERS: Final = frozenset({"CSD", "CSW"})
_DIVIDENDS: Final = frozenset(
    {"DIV", "DIVCGL", "DIVCGS", "DIVFEE", "DIVFT", "DIVNRA", "DIVROC", "DIVTW", "DIVTXEX"}
)
_OTHERS: Final = frozenset(
    {
        *("ACATC", "ACATS", "CFEE", "CGD", "FEE", "INT", "INTNRA", "INTTW"),
        *("JNL", "JNLC", "JNLS", "MA", "NC", "PTC", "PTR", "REORG", "SPIN", "SPLIT", "FOPT"),
        *("OPASN", "OPCA", "OPCSH", "OPEXC", "OPEXP", "OPTRD"),
    }
)
# Two of the words stand for several types.
_WORDS: Final[Mapping[str, frozenset[str]]] = {
    **{kind: frozenset({kind}) for kind in (_FILL, *_TRANSFERS, *_DIVIDENDS, *_OTHERS)},
    "TRANS": _TRANSFERS,
    "MISC": _OTHERS,
}
_CATEGORIES: Final[Mapping[str, frozenset[str]]] = {
    "trade_activity": frozenset({_FILL}),
    "non_trade_activity": frozenset().union(*_WORDS.values()) - {_FILL},
}
_LATEST: Final = date.max - timedelta(days=1)


def activities(
    exchange: Exchange, query: Mapping[str, str], kind: str | None = None
) -> list[dict[str, JsonValue]]:
    """List activities of a `kind`, or of the types or the category that the query names.

    Raises:
        Refused: The query breaks a rule, or its token is no activity's id.
    """
    wanted = _kinds([kind]) if kind is not None else _asked(query)
    size = count(query, "page_size", MOST, MOST)
    forward = choice(query, "direction", ("desc", "asc")) == "asc"
    log = exchange.account.activities
    log.take(exchange.orders.executions)
    first, stop = _range(log.times, query)
    token = query.get("page_token")
    if token:
        seen = log.places.get(token)
        if seen is None:
            raise Refused(UNPROCESSABLE, BROKEN_RULE, f"invalid page_token: {token}")
        first, stop = (max(first, seen + 1), stop) if forward else (first, min(stop, seen))
    places = range(first, stop) if forward else range(stop - 1, first - 1, -1)
    page: list[dict[str, JsonValue]] = []
    for place in places:
        row = log.rows[place]
        if wanted is None or row["activity_type"] in wanted:
            page.append(dict(row))
            if len(page) == size:
                break
    return page


def types_of(words: str) -> frozenset[str]:
    """Return the activity types that comma-separated words name.

    Raises:
        Refused: There is no such type.
    """
    return _kinds(filter(None, words.split(",")))


def _asked(query: Mapping[str, str]) -> frozenset[str] | None:
    words, category = query.get("activity_types"), query.get("category")
    if words and category:
        message = "category cannot be used with activity_types"
        raise Refused(UNPROCESSABLE, BROKEN_RULE, message)
    if words:
        return types_of(words)
    return _CATEGORIES[choice(query, "category", tuple(_CATEGORIES))] if category else None


def _kinds(words: Iterable[str]) -> frozenset[str]:
    kinds: frozenset[str] = frozenset()
    for word in words:
        if word not in _WORDS:
            raise Refused(UNPROCESSABLE, BROKEN_RULE, f"invalid activity type: {word}")
        kinds |= _WORDS[word]
    return kinds


def _range(times: list[datetime], query: Mapping[str, str]) -> tuple[int, int]:
    after, until, on = (time_of(query, field) for field in ("after", "until", "date"))
    first = bisect_right(times, after) if after is not None else 0
    stop = bisect_left(times, until) if until is not None else len(times)
    if on is not None:
        day = min(on.astimezone(NEW_YORK).date(), _LATEST)
        begin = datetime.combine(day, time(), NEW_YORK)
        end = datetime.combine(day + timedelta(days=1), time(), NEW_YORK)
        first = max(first, bisect_left(times, begin))
        stop = min(stop, bisect_left(times, end))
    return first, stop
