"""LEAN's map and factor files: the tickers that a security had, its splits and its dividends.

A factor row `date, price factor, split factor, close` holds for bars up to and including its
date, so what lies between it and the next row happened at the next session. Factors are rounded
and so mean an interval: the plainest split ratio and the roundest dividend in it are taken.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from tradewright.core.errors import MissingData, QualityFailure
from tradewright.core.ids import InstrumentId
from tradewright.core.instrument import FormerSymbol
from tradewright.core.market import CashDividend, CorporateAction, Split
from tradewright.core.session import Span

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tradewright.core.session import Calendar

STILL_LISTED: Final = date(2050, 12, 31)
MEND_LINE: Final = "correct or remove the line and read again"
_ROUNDED_FROM: Final = 6
_DIVIDEND_DECIMALS: Final = 4
_HALF_CENT: Final = Decimal("0.005")


class Period(NamedTuple):
    """A ticker that a security had from `first` to `last`, both included."""

    first: date
    last: date
    ticker: str


class Listing(NamedTuple):
    """A security under today's ticker, the stem of its files and the tickers that it had."""

    id: InstrumentId
    stem: str
    periods: tuple[Period, ...]

    @property
    def former(self) -> tuple[FormerSymbol, ...]:
        """The symbols that it had before today's, oldest first."""
        return tuple(FormerSymbol(p.ticker.upper(), p.last) for p in self.periods[:-1])

    @property
    def listed(self) -> date | None:
        """The first date of the security, if the map file says it."""
        first = self.periods[0].first
        return first if first > date.min else None

    @property
    def delisted(self) -> date | None:
        """The last date of the security, None while it is listed."""
        last = self.periods[-1].last
        return last if last < STILL_LISTED else None


def unmapped(ticker: str) -> Listing:
    """A ticker without a map file: a security that was never called otherwise."""
    return Listing(InstrumentId(ticker.upper()), ticker, (Period(date.min, STILL_LISTED, ticker),))


def read_map(path: Path) -> Listing:
    """Read a map file, rows of `last date under this ticker, ticker[, exchange]`.

    Raises:
        QualityFailure: A line cannot be read, or dates do not rise; names file and line.
    """
    periods: list[Period] = []
    for where, (last_text, ticker, *_) in _rows(path, 2):
        last = to_date(last_text, where)
        if not periods:
            periods.append(Period(last, last, ticker))
        elif last < periods[-1].last:
            raise QualityFailure(where, f"{last} comes before the line above", MEND_LINE)
        elif ticker == periods[-1].ticker:
            periods[-1] = periods[-1]._replace(last=last)
        else:
            periods.append(Period(periods[-1].last + timedelta(days=1), last, ticker))
    if not periods:
        raise QualityFailure(str(path), "holds no ticker", "copy the file again")
    return Listing(InstrumentId(periods[-1].ticker.upper()), path.stem, tuple(periods))


def read_actions(instrument: InstrumentId, path: Path, calendar: Calendar) -> list[CorporateAction]:
    """Read a factor file's splits and dividends, each on the session after its row's date.

    The first row's date begins the file and the last row ends it: neither is an action. Where
    both factors change on a row, the dividend refers to a share before the split.

    A split ratio is the fraction of the smallest denominator, and a dividend the amount of the
    fewest decimals (at most 4), that agree with the factors as rounded in the file.

    Raises:
        QualityFailure: A line cannot be read or makes no sense; names file and line.
    """
    rows = [_Factors.parse(where, fields) for where, fields in _rows(path, 4)]
    actions: list[CorporateAction] = []
    for row, after in pairwise(rows):
        if (row.price, row.split) == (after.price, after.split):
            continue
        ex_date = _session_after(row, calendar)
        if row.split != after.split:
            actions.append(Split(instrument, ex_date, _ratio(row.split, after.split)))
        amount = _dividend(row, after)
        if amount > 0:
            actions.append(CashDividend(instrument, ex_date, amount))
    return actions


def to_date(text: str, where: str) -> date:
    """Read a date such as 20130102."""
    try:
        return datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007 - a local date
    except ValueError as error:
        raise QualityFailure(where, f"{text!r} is no date such as 20130102", MEND_LINE) from error


class _Factors(NamedTuple):
    where: str
    date: date
    price: Decimal
    split: Decimal
    close: Decimal

    @classmethod
    def parse(cls, where: str, fields: list[str]) -> _Factors:
        try:
            price, split, close = numbers = [Decimal(text) for text in fields[1:4]]
        except InvalidOperation as error:
            raise QualityFailure(where, f"{fields} are no factors", MEND_LINE) from error
        if not (all(n.is_finite() for n in numbers) and price > 0 and split > 0 and close >= 0):
            raise QualityFailure(where, f"{fields} are no factors", MEND_LINE)
        return cls(where, to_date(fields[0], where), price, split, close)


def _rows(path: Path, least: int) -> Iterator[tuple[str, list[str]]]:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise QualityFailure(str(path), f"cannot be read: {error}", "copy it again") from error
    for number, line in enumerate(lines, 1):
        where = f"{path} line {number}"
        fields = [field.strip() for field in line.split(",")]
        if fields == [""]:
            continue
        if len(fields) < least:
            raise QualityFailure(where, f"{line!r} has less than {least} fields", MEND_LINE)
        yield where, fields


def _session_after(row: _Factors, calendar: Calendar) -> date:
    sessions = calendar.within(Span(row.date + timedelta(days=1), row.date + timedelta(days=30)))
    if not sessions:
        raise MissingData(row.where, f"calendar {calendar.name} has no session after {row.date}")
    return sessions[0].date


def _doubt(factor: Decimal) -> Decimal:
    # Half of the last printed decimal; a factor of few decimals is exact, not rounded.
    decimals = -int(factor.as_tuple().exponent)
    return Decimal(5).scaleb(-decimals - 1) if decimals >= _ROUNDED_FROM else Decimal(0)


def _ratio(before: Decimal, after: Decimal) -> Fraction:
    # Some files pad split factors with zeros, which are not precision.
    before, after = before.normalize(), after.normalize()
    low = Fraction(after - _doubt(after)) / Fraction(before + _doubt(before))
    high = Fraction(after + _doubt(after)) / Fraction(before - _doubt(before))
    return _plainest(low, high)


def _plainest(low: Fraction, high: Fraction) -> Fraction:
    whole = Fraction(low.numerator // low.denominator)
    if whole == low:
        return low
    if whole + 1 <= high:
        return whole + 1
    return whole + 1 / _plainest(1 / (high - whole), 1 / (low - whole))


def _dividend(row: _Factors, after: _Factors) -> Decimal:
    kept = row.price / after.price
    amount = row.close * (1 - kept)
    if kept > 1 or (kept < 1 and not row.close):
        raise QualityFailure(
            row.where, "makes no dividend: its price factor or close is wrong", MEND_LINE
        )
    doubt = row.close * (_doubt(row.price) + _doubt(after.price) * kept) / after.price
    doubt += _HALF_CENT * (1 - kept)
    for decimals in range(_DIVIDEND_DECIMALS):
        rounded = round(amount, decimals)
        if abs(rounded - amount) <= doubt:
            return rounded
    return round(amount, _DIVIDEND_DECIMALS)
