from __future__ import annotations

from dataclasses import replace
from datetime import date
from fractions import Fraction

import numpy as np
import pytest

from tests.frames import frame_of, picked, sessions
from tradewright.core.errors import InvalidInput, QualityFailure
from tradewright.core.frames import BarFrame
from tradewright.core.ids import InstrumentId
from tradewright.core.instrument import Instrument
from tradewright.core.market import Split
from tradewright.data.calendars import market_calendar
from tradewright.data.quality import (
    Finding,
    Rule,
    Severity,
    admit,
    first_fault,
    inspect,
    require,
)

A = InstrumentId("A")
NAN = float("nan")
DAYS = [session.date for session in sessions(8)]


def found(frame: BarFrame) -> list[tuple[str, int, float]]:
    return [(f.rule.value, f.row, f.value) for f in inspect(frame).findings]


@pytest.mark.parametrize(
    ("field", "values", "expected"),
    [
        ("open", [10, NAN], ("incomplete_bar", 1, 1)),
        ("close", [10, NAN], ("incomplete_bar", 1, 1)),
        ("volume", [5, NAN], ("incomplete_bar", 1, 1)),
        ("high", [10, float("inf")], ("incomplete_bar", 1, 1)),
        ("low", [10, 0], ("non_positive_price", 1, 0)),
        ("low", [10, -1], ("non_positive_price", 1, -1)),
        ("high", [10, 9], ("high_below_low", 1, 1)),
        ("open", [10, 11], ("open_outside_range", 1, 11)),
        ("close", [9, 10], ("close_outside_range", 0, 9)),
        ("volume", [5, -2], ("negative_volume", 1, -2)),
        ("volume", [0, 5], ("zero_volume", 0, 0)),
    ],
)
def test_bar_rules(field: str, values: list[float], expected: tuple[str, int, float]) -> None:
    frame = frame_of({"A": [10.0, 10.0]}, columns={field: {"A": values}})
    assert found(frame) == [expected]


def test_sound_bars_have_no_findings() -> None:
    assert found(frame_of({"A": [10.0, 11.0], "B": [NAN, 5.0]})) == []


def test_absent_bars_break_nothing_but_gaps_are_told() -> None:
    frame = frame_of({"A": [10.0, NAN, NAN, 10.0], "B": [5.0, 5.0, 5.0, 5.0]})
    (gap,) = inspect(frame).findings
    assert (gap.rule, gap.instrument, gap.value) == (Rule.MISSING_SESSIONS, "A", 2)
    assert gap.at.date() == DAYS[1]


def test_gap_that_no_instrument_fills_shows_against_the_calendar() -> None:
    whole = frame_of({"A": [10.0, 10.0, 10.0]})
    frame = replace(picked(whole, [0, 2]), sessions=whole.sessions[::2], session=np.arange(2))
    assert found(frame) == []
    (gap,) = inspect(frame, calendar=market_calendar()).findings
    assert (gap.rule, gap.value) == (Rule.MISSING_SESSIONS, 1)


def test_jump_is_a_warning_unless_an_action_explains_it() -> None:
    frame = frame_of({"A": [100.0, 25.0]})
    (jump,) = inspect(frame).findings
    assert (jump.rule, jump.severity, jump.value) == (Rule.PRICE_JUMP, Severity.WARNING, -0.75)
    assert inspect(frame, actions=[Split(A, DAYS[1], Fraction(4))]).findings == ()
    assert inspect(frame, jump=0.8).findings == ()


def test_row_outside_its_session_is_an_error_unless_it_is_wanted() -> None:
    whole = frame_of({"A": [10.0, 10.0]})
    frame = picked(whole, [0, 1], whole.start - np.array([0, 60_000_000_000]))
    assert found(frame) == [("outside_session", 1, 60)]
    assert inspect(frame, extended=True).findings == ()


def test_rows_that_start_together_are_an_error() -> None:
    whole = frame_of({"A": [10.0, 10.0]})
    frame = picked(whole, [0, 1], whole.start[[1, 1]])
    assert [name for name, *_ in found(frame)][:1] == ["unordered_time"]


def test_require_names_the_first_error_and_counts_the_rest() -> None:
    frame = frame_of({"A": [10.0, 10.0, 10.0]}, columns={"high": {"A": [10, 9, 8]}})
    with pytest.raises(QualityFailure) as refused:
        require(inspect(frame))
    assert str(refused.value) == (
        "A at 2013-11-05T14:30:00Z: high_below_low: the high lies 1 below the low (and 1 more); "
        "correct or remove the bar and read again"
    )


def test_require_lets_warnings_pass() -> None:
    report = inspect(frame_of({"A": [10.0, 100.0]}))
    assert report.warnings
    require(report)


def test_admit_wants_every_instrument_described() -> None:
    frame = frame_of({"A": [10.0], "B": [10.0]})
    with pytest.raises(InvalidInput, match="'B' has bars but is not among the instruments"):
        admit(frame, [Instrument(A, "A")])


def test_first_fault_tells_absent_from_incomplete() -> None:
    values = np.full((5, 3), 10.0)
    values[:, 1] = NAN
    assert first_fault(values, blank=True) is None
    assert first_fault(values) == (
        1,
        "incomplete_bar: 5 of the bar's 5 numbers are missing or no number",
    )


def test_every_rule_has_a_meaning_and_a_remedy() -> None:
    at = sessions(1)[0].open
    for rule in Rule:
        finding = Finding(rule, A, 0, at, 1.0)
        assert rule.remedy
        assert finding.what.startswith(rule.value)
        assert finding.where == "A at 2013-11-04T14:30:00Z"


def test_row_findings_name_no_instrument() -> None:
    finding = Finding(Rule.OUTSIDE_SESSION, None, 0, sessions(1, date(2013, 11, 4))[0].open, 1.0)
    assert finding.where.startswith("every instrument")
