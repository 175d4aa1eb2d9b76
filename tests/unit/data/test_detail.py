from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from tests.builders import NO_BAR, Row, a_frame, a_market
from tradewright.core.errors import MissingData, QualityFailure
from tradewright.core.frames import FIELDS, NANOSECONDS, BarFrame, to_nanos
from tradewright.data.detail import detailed
from tradewright.data.history import Detail, MarketData
from tradewright.data.quality import Rule, Severity

Bars = Mapping[str, Sequence[Row]]
HOUR = 3600 * NANOSECONDS
PER_DAY = 3
# Two days of three finer bars, and what they add up to.
UP: Sequence[Row] = [(10, 11, 9, 10, 100), (10, 12, 10, 12, 200), (12, 12, 11, 11, 300)]
DOWN: Sequence[Row] = [(20, 20, 19, 19, 10), (19, 19, 15, 15, 20), (15, 16, 15, 16, 30)]
WHOLE_UP: Row = (10, 12, 9, 11, 600)
WHOLE_DOWN: Row = (20, 20, 15, 16, 60)
BEFORE: Row = (1, 1, 1, 1, 1)
NONE = [NO_BAR] * PER_DAY


def a_day_and_more(**changes: Row) -> MarketData:
    """A day before, and two that have finer bars; a name's third day may be another bar."""
    rows = {"AAA": [BEFORE, WHOLE_UP, WHOLE_DOWN], "BBB": [BEFORE, WHOLE_DOWN, WHOLE_UP]}
    for name, bar in changes.items():
        rows[name][2] = bar
    return a_market(rows)


def finer(**rows: Sequence[Row]) -> BarFrame:
    """Finer bars of the two days, those of the day before being absent."""
    usual: dict[str, Sequence[Row]] = {"AAA": [*UP, *DOWN], "BBB": [*DOWN, *UP]}
    return a_frame(
        {name: [*NONE, *bars] for name, bars in (usual | rows).items()}, per_session=PER_DAY
    )


def detail_of(market: MarketData, bars: BarFrame, first: int = 1) -> Detail:
    found = detailed(market, bars, range(first, len(market.frame))).detail
    assert found is not None
    return found


def bar(detail: Detail, row: int, column: int) -> list[float]:
    return [getattr(detail.frame, name).item(row, column) for name in FIELDS]


def test_each_row_has_its_own_finer_bars() -> None:
    detail = detail_of(a_day_and_more(), finer())
    assert (detail.of(1), detail.of(2)) == (range(3), range(3, 6))
    assert [bar(detail, row, 0) for row in range(6)] == [list(row) for row in (*UP, *DOWN)]
    assert [bar(detail, row, 1) for row in detail.of(2)] == [list(row) for row in UP]
    days = [detail.frame.session_of(row).date for row in range(6)]
    assert days == [date(2024, 1, 3)] * 3 + [date(2024, 1, 4)] * 3


def test_bars_that_add_up_are_no_finding() -> None:
    assert detail_of(a_day_and_more(), finer()).findings == ()


def test_the_rest_of_the_market_is_as_it_was() -> None:
    market = a_day_and_more()
    assert replace(detailed(market, finer(), range(1, 3)), detail=None) == market


def test_bars_of_other_rows_are_left_out() -> None:
    detail = detail_of(a_day_and_more(), finer(), first=2)
    assert detail.rows == range(2, 3)
    assert [bar(detail, row, 0) for row in detail.of(2)] == [list(row) for row in DOWN]
    with pytest.raises(ValueError, match="not in range"):
        detail.of(1)


def test_bars_outside_the_hours_are_left_out() -> None:
    bars = finer()
    early, late = bars.start.copy(), bars.end.copy()
    # The first bar of the first day comes before the open; the last of the second is too long.
    early[3], late[3] = early[3] - HOUR, early[3] - HOUR // 2
    late[8] += HOUR
    detail = detail_of(a_day_and_more(), replace(bars, start=early, end=late, known_at=late))
    assert (detail.of(1), detail.of(2)) == (range(2), range(2, 4))
    assert {finding.rule for finding in detail.findings} == {
        *(Rule.DETAIL_OPEN, Rule.DETAIL_HIGH, Rule.DETAIL_LOW, Rule.DETAIL_CLOSE),
        Rule.DETAIL_VOLUME,
    }


def test_the_columns_are_those_of_the_market() -> None:
    usual = finer()
    swapped = usual.columns([usual.instruments[1], usual.instruments[0]])
    detail = detail_of(a_day_and_more(), swapped)
    assert detail.frame.instruments == a_day_and_more().frame.instruments
    assert bar(detail, 0, 0) == list(UP[0])


def test_what_the_market_lacks_is_left_out() -> None:
    one = a_market({"AAA": [BEFORE, WHOLE_UP, WHOLE_DOWN]})
    assert detail_of(one, finer()).frame.instruments == one.frame.instruments


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (
            {"AAA": [*NONE, *DOWN]},
            (
                "AAA has none on a day that it trades: 2024-01-03; give --from 2024-01-04 "
                "--to 2024-01-04, import them"
            ),
        ),
        (
            {"AAA": [*NONE, *NONE]},
            "AAA has none on 2 days that it trades: 2024-01-03..2024-01-04; import them",
        ),
        (
            {"AAA": [*NONE, *DOWN], "BBB": [*DOWN, *NONE]},
            (
                "AAA has none on a day that it trades: 2024-01-03; BBB has none on a day that it "
                "trades: 2024-01-04; import them, leave those symbols out, or run without detail"
            ),
        ),
    ],
)
def test_a_day_that_trades_without_finer_bars_is_refused(rows: Bars, told: str) -> None:
    with pytest.raises(MissingData) as refused:
        detailed(a_day_and_more(), finer(**rows), range(1, 3))
    assert f"minute bars in test market: {told}" in str(refused.value)


def test_an_instrument_without_any_finer_bars_is_refused() -> None:
    usual = finer()
    with pytest.raises(MissingData, match="BBB has none on 2 days"):
        detailed(a_day_and_more(), usual.columns(usual.instruments[:1]), range(1, 3))


def test_many_gaps_are_counted() -> None:
    names = [f"N{number}" for number in range(5)]
    days = 9
    market = a_market({name: [WHOLE_UP] * days for name in names})
    every_other = [row for day in range(days) for row in (UP if day % 2 else NONE)]
    bars = a_frame(dict.fromkeys(names, every_other), per_session=PER_DAY)
    with pytest.raises(MissingData) as refused:
        detailed(market, bars, range(days))
    assert "2024-01-02, 2024-01-04, 2024-01-08 and 2 more gaps" in str(refused.value)
    assert "2 more symbols lack some" in str(refused.value)


def test_who_does_not_trade_needs_no_finer_bars() -> None:
    market = a_day_and_more(AAA=NO_BAR)
    detail = detail_of(market, finer(AAA=[*UP, *NONE]))
    assert np.isnan(bar(detail, 3, 0)).all()
    assert detail.findings == ()


def test_finer_bars_of_who_does_not_trade_are_dropped_and_told() -> None:
    detail = detail_of(a_day_and_more(AAA=NO_BAR), finer())
    assert all(np.isnan(bar(detail, row, 0)).all() for row in detail.of(2))
    (found,) = detail.findings
    assert (found.rule, found.instrument, found.row, found.value) == (
        Rule.DETAIL_ALONE,
        "AAA",
        2,
        3.0,
    )


def test_a_day_on_which_nothing_traded_has_one_blank_row() -> None:
    market = a_day_and_more(AAA=NO_BAR, BBB=NO_BAR)
    usual = finer()
    kept = usual.rows(0, 2 * PER_DAY)
    detail = detail_of(market, kept)
    assert detail.of(2) == range(3, 4)
    assert np.isnan(detail.frame.close[3]).all()
    session = market.frame.sessions[2]
    assert detail.frame.start[3] == to_nanos(session.open)
    assert detail.frame.end[3] == to_nanos(session.close)


def test_a_late_first_print_is_the_opening_and_an_early_last_one_the_close() -> None:
    late: Row = (10, 12, 9, 11, 600)
    market = a_day_and_more(AAA=late)
    detail = detail_of(market, finer(AAA=[*UP, NO_BAR, late, NO_BAR]))
    assert [bar(detail, row, 0) for row in detail.of(2)] == [
        [10, 10, 10, 10, 0],
        list(late),
        [11, 11, 11, 11, 0],
    ]
    assert detail.findings == ()


OFF: Sequence[tuple[Row, list[tuple[Rule, float]]]] = [
    ((20.5, 20.5, 15, 16, 60), [(Rule.DETAIL_OPEN, -0.5), (Rule.DETAIL_HIGH, -0.5)]),
    ((20, 19.99, 15, 16, 60), [(Rule.DETAIL_HIGH, 0.01)]),
    ((20, 20, 15.01, 16, 60), [(Rule.DETAIL_LOW, -0.01)]),
    ((20, 20, 15, 16.25, 60), [(Rule.DETAIL_CLOSE, -0.25)]),
    ((20, 20, 15, 16, 63), []),
    ((20, 20, 15, 16, 80), [(Rule.DETAIL_VOLUME, 0.75)]),
    ((20, 20, 15, 16, 0), [(Rule.DETAIL_VOLUME, float("inf"))]),
    ((20, 20, 15, 16.0000001, 60), []),
]


@pytest.mark.parametrize(("day", "found"), OFF)
def test_what_does_not_add_up_is_a_finding(day: Row, found: list[tuple[Rule, float]]) -> None:
    market = a_day_and_more(AAA=day)
    detail = detail_of(market, finer())
    assert [(one.rule, one.value) for one in detail.findings] == found
    for one in detail.findings:
        assert (one.instrument, one.row, one.severity) == ("AAA", 2, Severity.WARNING)
        assert one.at == market.frame.started(2)
    # What orders fill on are the finer bars, whatever was found.
    assert bar(detail, 3, 0) == list(DOWN[0])


def test_findings_come_by_day_then_by_name() -> None:
    market = a_market({"BBB": [BEFORE, WHOLE_UP, WHOLE_UP], "AAA": [BEFORE, WHOLE_UP, WHOLE_UP]})
    taller = (10, 13, 9, 11, 600)
    rows = [*UP[:1], taller, *UP[2:]] * 2
    found = detail_of(market, finer(AAA=rows, BBB=rows)).findings
    assert [(f.row, f.instrument) for f in found if f.rule is Rule.DETAIL_HIGH] == [
        *((1, "AAA"), (1, "BBB")),
        *((2, "AAA"), (2, "BBB")),
    ]


@pytest.mark.parametrize("ratio", [0.25, 7.0])
def test_prices_adjusted_on_one_side_alone_are_refused(ratio: float) -> None:
    adjusted = [(o * ratio, h * ratio, low * ratio, c * ratio, v) for o, h, low, c, v in DOWN]
    with pytest.raises(QualityFailure) as refused:
        detailed(a_day_and_more(), finer(AAA=[*UP, *adjusted]), range(1, 3))
    assert f"AAA at 2024-01-04T14:30:00Z: detail_prices: its finer bars close at {ratio:g}" in str(
        refused.value
    )
    assert "one of them is adjusted for splits" in str(refused.value)


def test_a_day_of_blanks_and_no_finer_bars_at_all() -> None:
    market = a_market({"AAA": [BEFORE, NO_BAR, NO_BAR]})
    nothing = replace(a_frame({"AAA": [NO_BAR]}, per_session=2).rows(0, 0))
    detail = detail_of(market, nothing)
    assert (len(detail.frame), detail.of(1), detail.of(2)) == (2, range(1), range(1, 2))
    assert np.isnan(detail.frame.close).all()
    assert detail.frame.known(1) - detail.frame.started(1) == timedelta(hours=6.5)
