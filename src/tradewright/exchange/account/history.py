"""The history of the portfolio: equity in windows of time, and the profit since a baseline.

Windows are labelled with their beginning and hold the equity at their end; those of a day are
labelled 20:00 of New York, as the vendor's are. Profit is measured from the close before: each
day its own with `per_day`, the first day's for all with `no_reset`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from tradewright.core.session import Session, Span
from tradewright.exchange.account.activities import types_of
from tradewright.exchange.account.clock import Hours
from tradewright.exchange.exchange import Exchange
from tradewright.exchange.web import choice, time_of
from tradewright.exchange.words import BROKEN_RULE, NEW_YORK, UNPROCESSABLE, Refused

if TYPE_CHECKING:
    from tradewright.core.records import JsonValue

_STEPS: Final = {"1Min": 60, "5Min": 300, "15Min": 900, "1H": 3600}
_DAY: Final = "1D"
_A_DAY: Final = timedelta(days=1)
_RECENTLY: Final = timedelta(days=14)
_PERIOD: Final = re.compile(r"([1-9]\d{0,3})([DWMA])", re.ASCII)
_REPORTING: Final = ("market_hours", "extended_hours", "continuous")
_LONGEST_INTRADAY: Final = 30
_MINUTES_BELOW: Final = 7
_LABEL_OF_DAY: Final = time(20)
_RATIO_PLACES: Final = 4


@dataclass(frozen=True, slots=True)
class _Asked:
    first: date
    begin: datetime | None
    end: datetime
    timeframe: str
    reporting: str
    reset: bool
    cashflow: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class _Window:
    label: int
    end: int
    session: Session | None


def history(exchange: Exchange, query: Mapping[str, str]) -> dict[str, JsonValue]:
    """Write the equity and the profit over the time that is asked for.

    Raises:
        Refused: The query breaks a rule, such as minutes of more than 30 days.
    """
    asked = _read(exchange, query)
    windows = list(_windows(exchange, asked))
    curve = exchange.account.curve
    now, worth = _seconds(exchange.market.now), float(exchange.account.standing.equity)
    equity = [
        round(worth if window.end >= now else curve.at(window.end) or 0.0, 2) for window in windows
    ]
    bases = _baselines(exchange, windows, asked, equity)
    profit = [round(worth - base, 2) for worth, base in zip(equity, bases, strict=True)]
    ratio = [
        round(gain / base, _RATIO_PLACES) if base else 0.0
        for gain, base in zip(profit, bases, strict=True)
    ]
    before = _close_before(exchange, windows)
    base_value = bases[0] if bases else round(curve.at(_seconds(asked.end)) or curve.dollars[0], 2)
    body: dict[str, JsonValue] = {
        "timestamp": [window.label for window in windows],
        "equity": [*equity],
        "profit_loss": [*profit],
        "profit_loss_pct": [*ratio],
        "base_value": base_value,
        "timeframe": asked.timeframe,
    }
    if before is not None:
        body["base_value_asof"] = before.date.isoformat()
    if asked.cashflow is not None:
        body["cashflow"] = _cashflow(exchange, windows, asked.cashflow)
    return body


def _read(exchange: Exchange, query: Mapping[str, str]) -> _Asked:
    now = exchange.market.now
    begin, end = time_of(query, "start"), time_of(query, "end") or time_of(query, "date_end")
    period = query.get("period")
    if begin is not None and end is not None and period:
        raise _refused("only two of start, end and period can be specified at the same time")
    until = min(end or now, now)
    if begin is not None and period:
        until = min(until, _later(begin, period))
    last = _last_day(exchange, until)
    first = begin.astimezone(NEW_YORK).date() if begin else _earlier(last, period or "1M")
    if begin is not None and begin > (end or max(until, begin)):
        raise _refused("end must not be before start")
    return _Asked(
        first,
        begin,
        until,
        _timeframe(query, (last - first).days + 1),
        _reporting(query),
        choice(query, "pnl_reset", ("per_day", "no_reset")) == "per_day",
        _flows(query.get("cashflow_types") or "NONE"),
    )


def _timeframe(query: Mapping[str, str], days: int) -> str:
    asked = query.get("timeframe")
    if not asked:
        if days < _MINUTES_BELOW:
            return "1Min"
        return "15Min" if days < _LONGEST_INTRADAY else _DAY
    if asked != _DAY and asked not in _STEPS:
        raise _refused(f"invalid timeframe: {asked}; allowed: {', '.join([*_STEPS, _DAY])}")
    if asked != _DAY and days > _LONGEST_INTRADAY + 1:
        raise _refused(f"only 1D timeframe is allowed for more than {_LONGEST_INTRADAY} days")
    return asked


def _reporting(query: Mapping[str, str]) -> str:
    extended = query.get("extended_hours", "").lower() == "true"
    if extended and not query.get("intraday_reporting"):
        return "extended_hours"
    return choice(query, "intraday_reporting", _REPORTING)


def _flows(words: str) -> frozenset[str] | None:
    if words == "NONE":
        return None
    return frozenset() if words == "ALL" else types_of(words)


def _windows(exchange: Exchange, asked: _Asked) -> Iterator[_Window]:
    opened, last = exchange.account.curve.seconds[0], asked.end.astimezone(NEW_YORK).date()
    if asked.first > last:
        return
    if asked.reporting == "continuous" and asked.timeframe != _DAY:
        yield from _around_the_clock(asked, opened)
        return
    for session in exchange.market.calendar.within(Span(asked.first, last)):
        if asked.timeframe == _DAY:
            yield from _day(session, asked, opened)
        else:
            yield from _within(session, asked, opened)


def _day(session: Session, asked: _Asked, opened: int) -> Iterator[_Window]:
    end, close = _seconds(asked.end), _seconds(session.close)
    if _seconds(session.open) <= end and close > opened:
        label = datetime.combine(session.date, _LABEL_OF_DAY, NEW_YORK)
        yield _Window(_seconds(label), min(close, end), session)


def _within(session: Session, asked: _Asked, opened: int) -> Iterator[_Window]:
    hours, step, end = Hours.of(session), _STEPS[asked.timeframe], _seconds(asked.end)
    extended = asked.reporting == "extended_hours"
    begin = _seconds(hours.begin if extended else hours.open)
    close = _seconds(hours.end if extended else hours.close)
    # A start within a session stands for that session's beginning, one after it for the next's.
    if asked.begin is not None and _seconds(asked.begin) >= close:
        return
    for label in range(begin, min(close, end + 1), step):
        if label + step > opened:
            yield _Window(label, min(label + step, close, end), session)


def _around_the_clock(asked: _Asked, opened: int) -> Iterator[_Window]:
    step, end = _STEPS[asked.timeframe], _seconds(asked.end)
    begin = asked.begin or datetime.combine(asked.first, time(), NEW_YORK)
    for label in range(_seconds(begin) // step * step, end + 1, step):
        if label + step > opened:
            yield _Window(label, min(label + step, end), None)


def _baselines(
    exchange: Exchange, windows: Sequence[_Window], asked: _Asked, equity: Sequence[float]
) -> list[float]:
    bases: list[float] = []
    known: dict[Session, float] = {}
    for window, worth in zip(windows, equity, strict=True):
        if bases and (not asked.reset or window.session is None):
            bases.append(bases[0])
            continue
        before = _session_before(exchange, window)
        if before is not None and before in known:
            bases.append(known[before])
            continue
        value = exchange.account.curve.at(_seconds(before.close)) if before is not None else None
        base = round(value, 2) if value is not None else (bases[-1] if bases else worth)
        if before is not None:
            known[before] = base
        bases.append(base)
    return bases


def _close_before(exchange: Exchange, windows: Sequence[_Window]) -> Session | None:
    before = _session_before(exchange, windows[0]) if windows else None
    opened = exchange.account.curve.seconds[0]
    return before if before is not None and _seconds(before.close) >= opened else None


def _session_before(exchange: Exchange, window: _Window) -> Session | None:
    sessions = exchange.market.calendar.sessions
    if window.session is not None:
        index = bisect_left(sessions, window.session.date, key=lambda session: session.date)
    else:
        index = bisect_left(sessions, window.label + 1, key=lambda session: _seconds(session.close))
    return sessions[index - 1] if index else None


def _cashflow(
    exchange: Exchange, windows: Sequence[_Window], kinds: frozenset[str]
) -> dict[str, JsonValue]:
    flows: dict[str, list[float]] = {kind: [0.0] * len(windows) for kind in sorted(kinds)}
    ends = [window.end for window in windows]
    if not ends:
        return {kind: [*flow] for kind, flow in flows.items()}
    for at, row in exchange.account.entries.rows:
        second = _seconds(at)
        if not min(windows[0].label, ends[0]) <= second <= ends[-1]:
            continue
        kind = str(row["activity_type"])
        if kinds and kind not in kinds:
            continue
        flow = flows.setdefault(kind, [0.0] * len(windows))
        place = bisect_left(ends, second)
        flow[place] = round(flow[place] + float(str(row["net_amount"])), 2)
    return {kind: [*flow] for kind, flow in flows.items()}


def _last_day(exchange: Exchange, until: datetime) -> date:
    # A period ends with a session, so that a day asked for on a Sunday is the Friday.
    day = until.astimezone(NEW_YORK).date()
    recent = exchange.market.calendar.within(Span(day - _RECENTLY, day))
    before = [session.date for session in recent if session.open <= until]
    return before[-1] if before else day


def _earlier(last: date, period: str) -> date:
    count, unit = _read_period(period)
    if unit in "DW":
        return last - timedelta(days=count * (7 if unit == "W" else 1) - 1)
    return _months(last, -count * (12 if unit == "A" else 1)) + _A_DAY


def _later(begin: datetime, period: str) -> datetime:
    count, unit = _read_period(period)
    if unit in "DW":
        return begin + timedelta(days=count * (7 if unit == "W" else 1))
    return datetime.combine(
        _months(begin.date(), count * (12 if unit == "A" else 1)), begin.timetz()
    )


def _read_period(period: str) -> tuple[int, str]:
    read = _PERIOD.fullmatch(period)
    if read is None:
        raise _refused(f"invalid period: {period} is not a number and D, W, M or A")
    return int(read[1]), read[2]


def _months(day: date, count: int) -> date:
    month = day.year * 12 + day.month - 1 + count
    year = min(max(month // 12, date.min.year), date.max.year - 1)
    first = date(year, month % 12 + 1, 1)
    following = (first + 31 * _A_DAY).replace(day=1)
    return min(first + (day.day - 1) * _A_DAY, following - _A_DAY)


def _seconds(at: datetime) -> int:
    return int(at.timestamp())


def _refused(message: str) -> Refused:
    return Refused(UNPROCESSABLE, BROKEN_RULE, message)
