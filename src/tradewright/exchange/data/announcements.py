"""Corporate actions as the vendor lists them: by kind, from the day on which they happen.

The data says when an action takes effect and not when it was announced, so nothing is listed
ahead of its day. A delisting is a merger for cash at the last close, which is known after it. An
action is listed under the symbol of its day, a change of symbol under the one that it brought.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from tradewright.core.errors import MissingData
from tradewright.core.market import CashDividend, CorporateAction, Split
from tradewright.exchange.data.query import (
    DataRefused,
    date_of,
    limit_of,
    symbols_of,
    token_of,
    word_of,
)
from tradewright.exchange.market.names import beginning
from tradewright.exchange.words import NEW_YORK, identifier

if TYPE_CHECKING:
    from tradewright.exchange.data.bodies import Row
    from tradewright.exchange.data.shown import Shown

KINDS: Final = (
    "reverse_split",
    "forward_split",
    "unit_split",
    "cash_dividend",
    "stock_dividend",
    "spin_off",
    "cash_merger",
    "stock_merger",
    "stock_and_cash_merger",
    "redemption",
    "name_change",
    "worthless_removal",
    "rights_distribution",
    "partial_call",
    "reorganization",
)
_A_DAY: Final = timedelta(days=1)
_DEFAULT_LIMIT: Final = 100
_LIMIT: Final = 1000
_FILTERS: Final = ("symbols", "cusips", "types", "start", "end")


@dataclass(frozen=True, slots=True)
class _Announced:
    kind: str
    day: date
    symbol: str
    row: Row

    @property
    def id(self) -> str:
        return str(self.row["id"])


def corporate_actions(shown: Shown, query: Mapping[str, str]) -> Row:
    """Answer which corporate actions took effect, by kind and then by date.

    Raises:
        DataRefused: A field of the query cannot be read.
    """
    chosen = sorted(_chosen(shown, query), key=lambda a: (a.day, a.symbol, a.kind))
    if word_of(query, "sort", ("asc", "desc")) == "desc":
        chosen.reverse()
    limit = limit_of(query, _DEFAULT_LIMIT, _LIMIT)
    token = query.get("page_token")
    if token:
        places = [place for place, a in enumerate(chosen) if _token(a) == token]
        if not places:
            raise DataRefused("invalid page_token")
        chosen = chosen[places[0] + 1 :]
    page, more = chosen[:limit], len(chosen) > limit
    by_kind: dict[str, list[Row]] = defaultdict(list)
    for announced in page:
        by_kind[f"{announced.kind}s"].append(announced.row)
    return {
        "corporate_actions": dict(by_kind),
        "next_page_token": _token(page[-1]) if more else None,
    }


def _chosen(shown: Shown, query: Mapping[str, str]) -> Iterator[_Announced]:
    wanted = _listed(query, "ids")
    if wanted and any(query.get(field) for field in _FILTERS):
        raise DataRefused("ids is mutually exclusive with all other filters")
    kinds = _listed(query, "types")
    for kind in kinds - set(KINDS):
        raise DataRefused(f"invalid types: {kind}")
    symbols = symbols_of(query["symbols"]) if query.get("symbols") else ()
    today = shown.now.astimezone(NEW_YORK).date()
    start, end = date_of(query, "start") or today, date_of(query, "end") or today
    if end < start:
        raise DataRefused("end should not be before start")
    abroad = word_of(query, "region", ("us", "non_us", "all")) == "non_us"
    # Who lists no CUSIPs finds nothing by them.
    if abroad or (query.get("cusips") and not wanted):
        return
    for announced in _announced(shown):
        if wanted:
            if announced.id in wanted:
                yield announced
        elif (
            start <= announced.day <= end
            and (not kinds or announced.kind in kinds)
            and (not symbols or announced.symbol in symbols)
        ):
            yield announced


def _announced(shown: Shown) -> Iterator[_Announced]:
    traded = {instrument.id: instrument for instrument in shown.instruments.values()}
    today = shown.now.astimezone(NEW_YORK).date()
    for action in shown.market.data.actions:
        instrument = traded.get(action.instrument)
        if instrument is None or action.ex_date > today:
            continue
        symbol = instrument.symbol_on(action.ex_date)
        written = _written(shown, action, symbol)
        if written is not None:
            yield _announced_as(written[0], action.ex_date, symbol, written[1])
    for instrument in traded.values():
        called = (*(symbol for symbol, _ in instrument.former), instrument.symbol)
        for (before, last), after in zip(instrument.former, called[1:], strict=True):
            day = _next_session(shown, last)
            if day <= today:
                row: Row = {
                    "old_symbol": before,
                    "old_cusip": "",
                    "new_symbol": after,
                    "new_cusip": "",
                }
                yield _announced_as("name_change", day, after, row)


def _announced_as(kind: str, day: date, symbol: str, row: Row) -> _Announced:
    identity = identifier("corporate action", kind, symbol, day.isoformat())
    about = {"id": identity, "process_date": day.isoformat()}
    return _Announced(kind, day, symbol, about | row)


def _next_session(shown: Shown, last: date) -> date:
    try:
        return shown.market.calendar.next_session(beginning(last + _A_DAY)).date
    except MissingData:
        return last + _A_DAY


def _written(shown: Shown, action: CorporateAction, symbol: str) -> tuple[str, Row] | None:
    day = action.ex_date.isoformat()
    dates: Row = {"ex_date": day, "record_date": day, "payable_date": day}
    if isinstance(action, Split):
        rates: Row = {
            "symbol": symbol,
            "new_rate": action.ratio.numerator,
            "old_rate": action.ratio.denominator,
        }
        if action.ratio > 1:
            return "forward_split", rates | {"cusip": ""} | dates
        return "reverse_split", rates | {"old_cusip": "", "new_cusip": ""} | dates
    if isinstance(action, CashDividend):
        paid: Row = {"rate": float(action.amount), "special": False, "foreign": False}
        return "cash_dividend", {"symbol": symbol, "cusip": ""} | paid | dates
    return _merger(shown, symbol, action)


def _merger(shown: Shown, symbol: str, action: CorporateAction) -> tuple[str, Row] | None:
    sessions = [s for s in shown.tape.data.frame.sessions if s.date <= action.ex_date]
    if not sessions or shown.now < sessions[-1].close:
        return None
    last = shown.tape.trade(action.instrument, sessions[-1].close)
    if last is None:
        return None
    day = action.ex_date.isoformat()
    return "cash_merger", {
        "acquiree_symbol": symbol,
        "acquiree_cusip": "",
        "rate": float(last.price),
        "effective_date": day,
        "payable_date": day,
    }


def _listed(query: Mapping[str, str], field: str) -> frozenset[str]:
    return frozenset(query[field].split(",")) if query.get(field) else frozenset()


def _token(announced: _Announced) -> str:
    at = datetime(announced.day.year, announced.day.month, announced.day.day, tzinfo=NEW_YORK)
    return token_of(f"{announced.kind}.{announced.symbol}", int(at.timestamp()))
