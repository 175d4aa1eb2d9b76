"""How questions about market data are read: symbols, times, lengths, limits and pages.

The data API refuses in its own way: the status and a message, without the code of the trading
API. A page's token says where the page before it ended, so pages neither overlap nor miss what
was printed between two questions.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from tradewright.core.errors import InvalidInput
from tradewright.core.frames import to_nanos
from tradewright.data.resample import BarLength, Unit, midnight
from tradewright.exchange.words import NEW_YORK, Refused

if TYPE_CHECKING:
    from tradewright.core.records import JsonValue

FEEDS: Final = ("sip", "iex", "delayed_sip", "otc", "boats", "overnight")
HISTORICAL_FEEDS: Final = ("sip", "iex", "otc", "boats")
ADJUSTMENTS: Final = ("raw", "split", "dividend", "spin-off", "all")
LIMIT: Final = 10_000
_DEFAULT_LIMIT: Final = 1000
_BAD: Final = 400
_SYMBOL: Final = re.compile(r"[A-Z0-9]{1,12}([./-][A-Z0-9]{1,6}){0,2}")
_LENGTH: Final = re.compile(r"([1-9][0-9]?)(Min|T|Hour|H|Day|D|Week|W|Month|M)")
_UNITS: Final = {
    "Min": Unit.MINUTE,
    "T": Unit.MINUTE,
    "Hour": Unit.HOUR,
    "H": Unit.HOUR,
    "Day": Unit.DAY,
    "D": Unit.DAY,
    "Week": Unit.WEEK,
    "W": Unit.WEEK,
    "Month": Unit.MONTH,
    "M": Unit.MONTH,
}
_UNMAPPED: Final = "-"
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


class DataRefused(Refused):
    """The data API refuses a question: a status and a message alone."""

    def __init__(self, message: str, status: int = _BAD) -> None:
        """Compose the vendor's error body."""
        super().__init__(status, status, message)

    @property
    def body(self) -> Mapping[str, JsonValue]:
        """The vendor's error body."""
        return {"message": self.message}


@dataclass(frozen=True, slots=True)
class Page:
    """A question about a stretch of time: whose data, from when to when, which page.

    Times are nanoseconds since 1970, both included; `cursor` is the symbol and time after which
    (before which, if `descending`) the page begins. Symbols mean what they meant on `asof`; with
    None they mean whoever was called so at the time.
    """

    symbols: tuple[str, ...]
    asof: date | None
    start: int
    end: int
    limit: int
    descending: bool
    cursor: tuple[str, int] | None

    def bounds(self, symbol: str) -> tuple[int, int]:
        """Return what is left of a symbol for this page: (after, to], empty if after >= to."""
        after, to = self.start - 1, self.end
        if self.cursor is not None and symbol == self.cursor[0]:
            if self.descending:
                to = min(to, self.cursor[1] - 1)
            else:
                after = max(after, self.cursor[1])
        return after, to

    @property
    def remaining(self) -> tuple[str, ...]:
        """The symbols that this page or a later one may hold."""
        if self.cursor is None:
            return self.symbols
        return self.symbols[self.symbols.index(self.cursor[0]) :]


def page_of(query: Mapping[str, str], now: datetime, symbols: tuple[str, ...]) -> Page:
    """Read which page of which stretch of time is asked for; nothing of it lies after `now`.

    Raises:
        DataRefused: A field cannot be read.
    """
    present = to_nanos(now)
    today = now.astimezone(NEW_YORK).date()
    start, end = _time(query, "start"), _time(query, "end")
    if start is not None and end is not None and end < start:
        raise DataRefused("end should not be before start")
    first = midnight(today, NEW_YORK) if start is None else start
    # Nothing was printed before; what is later than the present is not asked for either.
    first = max(first, 0)
    cursor = _cursor(query)
    if cursor is not None and cursor[0] not in symbols:
        raise DataRefused("invalid page_token: it belongs to another request")
    asof = query.get("asof")
    return Page(
        symbols=symbols,
        asof=None if asof == _UNMAPPED else _day(asof, "asof") if asof else today,
        start=first,
        end=present if end is None else min(end, present),
        limit=limit_of(query, _DEFAULT_LIMIT, LIMIT),
        descending=word_of(query, "sort", ("asc", "desc")) == "desc",
        cursor=cursor,
    )


def check_source(query: Mapping[str, str], feeds: tuple[str, ...]) -> dict[str, str]:
    """Check feed and currency, and return what of them the answer repeats.

    Every feed shows the same tape.

    Raises:
        DataRefused: One of them cannot be served.
    """
    word_of(query, "feed", feeds)
    currency = query.get("currency")
    if currency not in (None, "", "USD"):
        raise DataRefused(f"invalid currency: {currency} is not supported by this exchange")
    return {"currency": currency} if currency else {}


def symbols_of(text: str | None, field: str = "symbols") -> tuple[str, ...]:
    """Read a list of symbols, in order of the alphabet, each once.

    Raises:
        DataRefused: There is none, or one that cannot be a symbol.
    """
    if not text:
        raise DataRefused(f"{field} is required")
    symbols = text.split(",")
    for symbol in symbols:
        if not _SYMBOL.fullmatch(symbol):
            raise DataRefused(f"invalid symbol: {symbol}")
    return tuple(sorted(set(symbols)))


def length_of(query: Mapping[str, str]) -> BarLength:
    """Read the length of bars, such as 5Min, 1Day or 3M.

    Raises:
        DataRefused: It is none.
    """
    text = query.get("timeframe")
    if not text:
        raise DataRefused("timeframe is required")
    found = _LENGTH.fullmatch(text)
    if found is None:
        raise DataRefused(f"invalid timeframe: {text}")
    try:
        return BarLength(int(found[1]), _UNITS[found[2]])
    except InvalidInput as error:
        raise DataRefused(f"invalid timeframe: {text}") from error


def adjustments_of(query: Mapping[str, str]) -> frozenset[str]:
    """Read what bars are to be adjusted for: any of split, dividend and spin-off.

    Raises:
        DataRefused: One is not known.
    """
    given = (query.get("adjustment") or "raw").split(",")
    for word in given:
        if word not in ADJUSTMENTS:
            raise DataRefused(f"invalid adjustment: {word}")
    chosen = set(given) - {"raw"}
    return frozenset(ADJUSTMENTS[1:-1] if "all" in chosen else chosen)


def limit_of(query: Mapping[str, str], default: int, most: int) -> int:
    """Read how many rows a page may have.

    Raises:
        DataRefused: It is no number from 1 to `most`.
    """
    text = query.get("limit")
    if text is None:
        return default
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit():
        raise DataRefused(f"invalid limit: {text}")
    if text.startswith("-") or not int(digits[:9]):
        raise DataRefused("invalid limit: must be at least 1")
    if len(digits) > len(str(LIMIT)) or int(digits) > most:
        raise DataRefused(f"invalid limit: larger than the allowed maximum of {most}")
    return int(digits)


def word_of(query: Mapping[str, str], field: str, allowed: tuple[str, ...]) -> str:
    """Read one of several words; the first is the default.

    Raises:
        DataRefused: It is none of them.
    """
    value = query.get(field, allowed[0])
    if value not in allowed:
        raise DataRefused(f"invalid {field}: {value}")
    return value


def date_of(query: Mapping[str, str], field: str) -> date | None:
    """Read a date, None where it is absent.

    Raises:
        DataRefused: It is no date such as 2024-01-03.
    """
    text = query.get(field)
    return None if text is None else _day(text, field)


def token_of(symbol: str, at: int) -> str:
    """Write the token of the page that follows a row."""
    return base64.urlsafe_b64encode(f"{symbol}|{at}".encode()).decode()


def _cursor(query: Mapping[str, str]) -> tuple[str, int] | None:
    token = query.get("page_token")
    if not token:
        return None
    try:
        symbol, _, at = base64.b64decode(token, b"-_", validate=True).decode().rpartition("|")
        return symbol, int(at)
    except (binascii.Error, ValueError) as error:
        raise DataRefused("invalid page_token") from error


def _time(query: Mapping[str, str], field: str) -> int | None:
    text = query.get(field)
    if not text:
        return None
    try:
        if _DATE.fullmatch(text):
            # A date is the whole of its day in New York.
            day = _day(text, field)
            if field == "end":
                return midnight(day + timedelta(days=1), NEW_YORK) - 1
            return midnight(day, NEW_YORK)
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            raise DataRefused(f"invalid {field}: {text} has no time zone")
        return to_nanos(at.astimezone(UTC))
    except (ValueError, OverflowError) as error:
        raise DataRefused(f"invalid {field}: {text} is not an RFC 3339 time") from error


def _day(text: str, field: str) -> date:
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError as error:
        raise DataRefused(f"invalid {field}: {text} is no date") from error
    raise DataRefused(f"invalid {field}: {text} is not a date such as 2024-01-03")
