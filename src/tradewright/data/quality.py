"""Named rules about bars, and the report of what breaks them.

A finding is an error where the number cannot be true, and a warning where it can but deserves a
look. A bar that is wholly absent is no finding: an instrument need not trade.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tradewright.core.errors import InvalidInput, QualityFailure
from tradewright.core.frames import BarFrame, FloatArray, IntArray, from_nanos, to_nanos
from tradewright.core.session import Span
from tradewright.data.adjust import growth
from tradewright.data.assembly import session_days

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tradewright.core.ids import InstrumentId
    from tradewright.core.instrument import Instrument
    from tradewright.core.market import CorporateAction
    from tradewright.core.session import Calendar

BoolArray: TypeAlias = NDArray[np.bool_]


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    WARNING = "warning"


class Rule(StrEnum):
    """The closed list of rules, in the order in which they are tried.

    Those of detail are tried by `data.detail`, where fills are on finer bars.
    """

    INCOMPLETE_BAR = "incomplete_bar"
    NON_POSITIVE_PRICE = "non_positive_price"
    HIGH_BELOW_LOW = "high_below_low"
    OPEN_OUTSIDE_RANGE = "open_outside_range"
    CLOSE_OUTSIDE_RANGE = "close_outside_range"
    NEGATIVE_VOLUME = "negative_volume"
    UNORDERED_TIME = "unordered_time"
    OUTSIDE_SESSION = "outside_session"
    MISSING_SESSIONS = "missing_sessions"
    PRICE_JUMP = "price_jump"
    ZERO_VOLUME = "zero_volume"
    DETAIL_PRICES = "detail_prices"
    DETAIL_OPEN = "detail_open"
    DETAIL_HIGH = "detail_high"
    DETAIL_LOW = "detail_low"
    DETAIL_CLOSE = "detail_close"
    DETAIL_VOLUME = "detail_volume"
    DETAIL_ALONE = "detail_alone"

    @property
    def severity(self) -> Severity:
        """How bad it is to break the rule."""
        return Severity.WARNING if self in _WARNINGS else Severity.ERROR

    @property
    def meaning(self) -> str:
        """What is wrong; `{value}` stands for the number that shows it."""
        return _TEXTS[self][0]

    @property
    def remedy(self) -> str:
        """How to mend it."""
        return _TEXTS[self][1]


_WARNINGS = frozenset(
    {
        Rule.MISSING_SESSIONS,
        Rule.PRICE_JUMP,
        Rule.ZERO_VOLUME,
        Rule.DETAIL_OPEN,
        Rule.DETAIL_HIGH,
        Rule.DETAIL_LOW,
        Rule.DETAIL_CLOSE,
        Rule.DETAIL_VOLUME,
        Rule.DETAIL_ALONE,
    }
)
_MEND_BAR = "correct or remove the bar and read again"
_MEND_DETAIL = "look which of the two is right, and import that one again"
_TEXTS: Mapping[Rule, tuple[str, str]] = {
    Rule.INCOMPLETE_BAR: ("{value:.0f} of the bar's 5 numbers are missing or no number", _MEND_BAR),
    Rule.NON_POSITIVE_PRICE: ("a price is {value:g}, not above 0", _MEND_BAR),
    Rule.HIGH_BELOW_LOW: ("the high lies {value:g} below the low", _MEND_BAR),
    Rule.OPEN_OUTSIDE_RANGE: ("the open {value:g} lies outside low to high", _MEND_BAR),
    Rule.CLOSE_OUTSIDE_RANGE: ("the close {value:g} lies outside low to high", _MEND_BAR),
    Rule.NEGATIVE_VOLUME: ("the volume is {value:g}", _MEND_BAR),
    Rule.UNORDERED_TIME: (
        "starts {value:g} s after its end or after the next row's start",
        "sort the bars by time and keep one of each",
    ),
    Rule.OUTSIDE_SESSION: (
        "lies {value:g} s outside its session",
        "cut the bars to the session's hours",
    ),
    Rule.MISSING_SESSIONS: (
        "has no bar in {value:.0f} sessions from here",
        "import the missing sessions, or start after the gap",
    ),
    Rule.PRICE_JUMP: (
        "moves by {value:+.1%} against the last close, actions accounted for",
        "look whether a split is missing or the price is wrong",
    ),
    Rule.ZERO_VOLUME: ("has prices but no volume", "look whether the volume is missing"),
    Rule.DETAIL_PRICES: (
        "its finer bars close at {value:g} times its close and share no price with it",
        "import both raw: one of them is adjusted for splits, or is of something else",
    ),
    Rule.DETAIL_OPEN: ("the open of its finer bars lies {value:+g} off its own", _MEND_DETAIL),
    Rule.DETAIL_HIGH: ("the high of its finer bars lies {value:+g} off its own", _MEND_DETAIL),
    Rule.DETAIL_LOW: ("the low of its finer bars lies {value:+g} off its own", _MEND_DETAIL),
    Rule.DETAIL_CLOSE: ("the close of its finer bars lies {value:+g} off its own", _MEND_DETAIL),
    Rule.DETAIL_VOLUME: ("its finer bars hold {value:.1%} of its volume", _MEND_DETAIL),
    Rule.DETAIL_ALONE: ("has {value:.0f} finer bars and is absent itself", _MEND_DETAIL),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One breach: of which rule, where, and the number that shows it.

    `row` is the frame's row and `at` its start; for missing sessions the row before them and
    the first one's open. `instrument` is None where the row itself is at fault.
    """

    rule: Rule
    instrument: InstrumentId | None
    row: int
    at: datetime
    value: float

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return self.rule.severity

    @property
    def where(self) -> str:
        """The instrument and the start of the bar."""
        return f"{self.instrument or 'every instrument'} at {self.at:%Y-%m-%dT%H:%M:%SZ}"

    @property
    def what(self) -> str:
        """What is wrong, with the number."""
        return f"{self.rule}: {self.rule.meaning.format(value=self.value)}"


@dataclass(frozen=True, slots=True)
class QualityReport:
    """All findings by row, then rule, then instrument."""

    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that must be mended."""
        return tuple(f for f in self.findings if f.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings that deserve a look."""
        return tuple(f for f in self.findings if f.severity is Severity.WARNING)


def inspect(
    frame: BarFrame,
    *,
    calendar: Calendar | None = None,
    actions: Sequence[CorporateAction] = (),
    jump: float = 0.5,
    extended: bool = False,
) -> QualityReport:
    """Try every rule on a frame, save those that need finer bars beside it.

    Args:
        frame: Raw bars.
        calendar: The sessions to expect between an instrument's first and last bar; without
            it they are the frame's own.
        actions: Splits and dividends that explain jumps.
        jump: The largest move from one close to the next, as a fraction, that is no finding.
        extended: Whether bars outside the session's hours are wanted.

    Raises:
        QualityFailure: A dividend is not below the close before it.
    """
    cells = bar_faults(frame.open, frame.high, frame.low, frame.close, frame.volume)
    findings = [
        Finding(
            rule, frame.instruments[column], row, frame.started(row), float(values[row, column])
        )
        for rule, (fault, values) in cells.items()
        for row, column in np.argwhere(fault).tolist()
    ]
    findings.extend(_time_faults(frame, extended=extended))
    findings.extend(_gaps(frame, calendar))
    if not any(finding.severity is Severity.ERROR for finding in findings):
        findings.extend(_jumps(frame, actions, jump))
    order = {rule: place for place, rule in enumerate(Rule)}
    findings.sort(key=lambda f: (f.row, order[f.rule], f.instrument or ""))
    return QualityReport(tuple(findings))


def require(report: QualityReport) -> None:
    """Do nothing for a report without errors; raise QualityFailure, naming the first, else."""
    errors = report.errors
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        first = errors[0]
        raise QualityFailure(first.where, first.what + more, first.rule.remedy)


def admit(frame: BarFrame, instruments: Sequence[Instrument]) -> None:
    """Refuse what no store may take: bars with errors, and bars of nothing that is described.

    Bars outside the session's hours are taken.

    Raises:
        QualityFailure: A bar has an error.
        InvalidInput: An instrument of the frame is not among `instruments`.
    """
    described = {instrument.id for instrument in instruments}
    for instrument in frame.instruments:
        if instrument not in described:
            rule = "has bars but is not among the instruments"
            raise InvalidInput("instruments", instrument, rule, "pass its Instrument too")
    require(inspect(frame, extended=True))


def bar_faults(
    opens: FloatArray, highs: FloatArray, lows: FloatArray, closes: FloatArray, volumes: FloatArray
) -> Mapping[Rule, tuple[BoolArray, FloatArray]]:
    """Where bars break a rule about one bar alone, and the number that shows it, by rule.

    The arrays are of one shape, and so are those returned. A bar of NaN alone is absent and
    breaks nothing; an incomplete bar breaks only that rule. Rules that nothing breaks are
    left out.
    """
    columns = (opens, highs, lows, closes, volumes)
    missing = np.zeros(opens.shape, dtype=np.int8)
    for column in columns:
        missing += ~np.isfinite(column)
    complete = missing == 0
    incomplete = (missing > 0) & ~np.logical_and.reduce([np.isnan(column) for column in columns])
    lowest = np.minimum(np.minimum(opens, highs), np.minimum(lows, closes))
    ranged = complete & (highs >= lows)
    faults: dict[Rule, tuple[BoolArray, FloatArray]] = {
        Rule.INCOMPLETE_BAR: (incomplete, missing.astype(np.float64)),
        Rule.NON_POSITIVE_PRICE: (complete & (lowest <= 0), lowest),
        Rule.HIGH_BELOW_LOW: (complete & (highs < lows), lows - highs),
        Rule.OPEN_OUTSIDE_RANGE: (ranged & ((opens > highs) | (opens < lows)), opens),
        Rule.CLOSE_OUTSIDE_RANGE: (ranged & ((closes > highs) | (closes < lows)), closes),
        Rule.NEGATIVE_VOLUME: (complete & (volumes < 0), volumes),
        Rule.ZERO_VOLUME: (complete & (volumes == 0), volumes),
    }
    return {rule: found for rule, found in faults.items() if found[0].any()}


def first_fault(values: FloatArray, *, blank: bool = False) -> tuple[int, str] | None:
    """Return the first bar of one instrument that cannot be true, and what is wrong with it.

    `values` are open, high, low, close, volume of shape (5, bars); with `blank` a bar of NaN
    alone is absent, without it incomplete.
    """
    faults = dict(bar_faults(*values))
    if not blank:
        absent: BoolArray = np.logical_and.reduce(np.isnan(values), axis=0)
        fault, missing = faults.get(Rule.INCOMPLETE_BAR, (absent, np.zeros(absent.shape)))
        counts: FloatArray = np.where(absent, float(len(values)), missing)
        faults[Rule.INCOMPLETE_BAR] = (np.logical_or(fault, absent), counts)
    first = [
        (int(np.argmax(fault)), place, f"{rule}: {rule.meaning.format(value=shown[fault][0])}")
        for place, (rule, (fault, shown)) in enumerate(faults.items())
        if rule.severity is Severity.ERROR and fault.any()
    ]
    return None if not first else (min(first)[0], min(first)[2])


def _time_faults(frame: BarFrame, *, extended: bool) -> Iterator[Finding]:
    late = np.maximum(frame.start - frame.end, -1)
    late[:-1] = np.maximum(late[:-1], frame.start[:-1] - frame.start[1:])
    opens = np.array([to_nanos(s.open) for s in frame.sessions], dtype=np.int64)[frame.session]
    closes = np.array([to_nanos(s.close) for s in frame.sessions], dtype=np.int64)[frame.session]
    outside = np.maximum(opens - frame.start, frame.end - closes)
    rules = [(Rule.UNORDERED_TIME, late, late >= 0)]
    if not extended:
        rules.append((Rule.OUTSIDE_SESSION, outside, outside > 0))
    for rule, nanos, fault in rules:
        for row in np.flatnonzero(fault).tolist():
            yield Finding(rule, None, row, frame.started(row), float(nanos[row]) / 1e9)


def _gaps(frame: BarFrame, calendar: Calendar | None) -> Iterator[Finding]:
    if not len(frame):
        return
    first, last = frame.session_of(0).date, frame.session_of(-1).date
    sessions = frame.sessions if calendar is None else calendar.within(Span(first, last))
    expected = session_days(sessions)
    dates = session_days(frame.sessions)[frame.session]
    place = np.searchsorted(expected, dates)
    for column, instrument in enumerate(frame.instruments):
        rows = np.flatnonzero(~np.isnan(frame.close[:, column]))
        steps = np.diff(place[rows])
        for step in np.flatnonzero(steps > 1).tolist():
            opened = sessions[int(place[rows[step]]) + 1].open
            missed = float(steps[step] - 1)
            yield Finding(Rule.MISSING_SESSIONS, instrument, int(rows[step]), opened, missed)


def _jumps(frame: BarFrame, actions: Sequence[CorporateAction], jump: float) -> Iterator[Finding]:
    wealth = frame.close * growth(frame, actions)
    for column, instrument in enumerate(frame.instruments):
        rows: IntArray = np.flatnonzero(~np.isnan(wealth[:, column]))
        path = wealth[rows, column]
        moves = path[1:] / path[:-1] - 1
        for step in np.flatnonzero(np.abs(moves) > jump).tolist():
            row = int(rows[step + 1])
            yield Finding(
                Rule.PRICE_JUMP,
                instrument,
                row,
                from_nanos(int(frame.start[row])),
                float(moves[step]),
            )
