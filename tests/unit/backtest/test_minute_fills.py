"""Orders of daily decisions that fill on finer bars, derived by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.builders import (
    AAA,
    AT,
    NO_BAR,
    Planned,
    Row,
    a_frame,
    a_market,
    a_spec,
    a_venue_model,
    an_order,
    dec,
    flat_bars,
    instruments,
)
from tradewright.backtest.backtest import Backtest, Result
from tradewright.backtest.choice import Way, run_backtest
from tradewright.backtest.detail import DetailedVenue
from tradewright.backtest.report.kept import KeptRun
from tradewright.backtest.report.markdown import run_markdown
from tradewright.backtest.spending import spent
from tradewright.cli.keep import keep_run
from tradewright.core.errors import ArraysRefused, InvalidInput, MissingData
from tradewright.core.events import BarClosed, BarOpened, Canceled, Filled, OrderEvent, SplitApplied
from tradewright.core.ids import OrderId
from tradewright.core.market import CorporateAction, Split
from tradewright.core.money import Price
from tradewright.core.orders import Order, OrderKind, Side, TimeInForce
from tradewright.core.session import Timeframe
from tradewright.data.detail import detailed
from tradewright.data.history import MarketData
from tradewright.execution.venue import SimulatedVenue, VenueModel
from tradewright.portfolio.construct import Construction

BUY, SELL = Side.BUY, Side.SELL
PER_DAY = 4
BEFORE: Row = (100, 100, 100, 100, 1000)
NOBODY: Sequence[Row] = [NO_BAR] * PER_DAY
# One daily bar of 100, 106, 94, 101 by two paths: up first, and down first.
UP_FIRST: Sequence[Row] = [
    (100, 102, 100, 102, 100),
    (102, 106, 101, 103, 200),
    (103, 103, 94, 95, 300),
    (95, 101, 95, 101, 400),
]
DOWN_FIRST: Sequence[Row] = [
    (100, 100, 97, 97, 100),
    (97, 98, 94, 96, 200),
    (96, 106, 96, 104, 300),
    (104, 104, 100, 101, 400),
]
QUIET: Sequence[Row] = [(101, 101, 101, 101, 500)] * PER_DAY


def added_up(bars: Sequence[Row]) -> Row:
    """The daily bar of a day's finer bars."""
    known = [bar for bar in bars if bar[3] == bar[3]]
    if not known:
        return NO_BAR
    opens, highs, lows, closes, volumes = zip(*known, strict=True)
    return (opens[0], max(highs), min(lows), closes[-1], sum(volumes))


def a_detailed_market(
    *days: Sequence[Row], actions: Sequence[CorporateAction] = (), **names: Sequence[Row]
) -> MarketData:
    """A day before, and then the days that are given, of AAA or of several names."""
    rows = names or {"AAA": [bar for day in days for bar in day]}
    count = len(next(iter(rows.values()))) // PER_DAY
    daily = {
        name: [BEFORE, *(added_up(bars[d * PER_DAY : (d + 1) * PER_DAY]) for d in range(count))]
        for name, bars in rows.items()
    }
    finer = a_frame({n: [*NOBODY, *bars] for n, bars in rows.items()}, per_session=PER_DAY)
    return detailed(a_market(daily, *actions), finer, range(1, count + 1))


def a_venue(market: MarketData, model: VenueModel | None = None) -> DetailedVenue:
    assert market.detail is not None
    return DetailedVenue(market.detail, market.instruments, model or a_venue_model())


def told(venue: DetailedVenue, row: int) -> list[tuple[str, str, str]]:
    """What happens in a row: the order, when, and how many at what price or the event."""
    found = []
    for event in (*venue.open_bar(row), *venue.close_bar(row)):
        what = event.kind.value
        if isinstance(event, Filled):
            what = f"{event.fill.quantity} at {event.fill.price.normalize():f}"
        found.append((str(event.order), f"{event.at:%H:%M}", what))
    return found


def limit_and_stop() -> tuple[Order, Order]:
    """The two ends of a bracket around a long position."""
    made = an_order(SELL, kind=OrderKind.LIMIT, limit="105", id=OrderId("limit"))
    return made, an_order(SELL, kind=OrderKind.STOP, stop="95", id=OrderId("stop"))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (UP_FIRST, [("limit", "17:45", "100 at 105"), ("stop", "19:22", "100 at 95")]),
        (DOWN_FIRST, [("stop", "17:45", "100 at 95"), ("limit", "19:22", "100 at 105")]),
    ],
)
def test_the_order_of_the_finer_bars_decides_what_comes_first(
    path: Sequence[Row], expected: list[tuple[str, str, str]]
) -> None:
    venue = a_venue(a_detailed_market(path))
    for order in limit_and_stop():
        venue.accept(order, AT)
    assert told(venue, 1) == expected


@pytest.mark.parametrize("path", [UP_FIRST, DOWN_FIRST])
def test_the_daily_bar_alone_cannot_tell_them_apart(path: Sequence[Row]) -> None:
    venue = SimulatedVenue(a_frame({"AAA": [added_up(path)]}), instruments("AAA"), a_venue_model())
    for order in limit_and_stop():
        venue.accept(order, AT - timedelta(hours=1))
    venue.open_bar(0)
    assert [event.order for event in venue.close_bar(0)] == ["limit", "stop"]


@pytest.mark.parametrize(("path", "first"), [(UP_FIRST, "limit"), (DOWN_FIRST, "stop")])
def test_what_the_caller_does_in_between_counts(path: Sequence[Row], first: str) -> None:
    venue = a_venue(a_detailed_market(path))
    for order in limit_and_stop():
        venue.accept(order, AT)
    happened: list[OrderEvent | None] = []
    assert not list(venue.open_bar(1))
    for event in venue.close_bar(1):
        happened.append(event)
        if isinstance(event, Filled):
            (other,) = venue.working
            happened.append(venue.cancel(other, event.at))
    filled, canceled = happened
    assert isinstance(filled, Filled)
    assert filled.order == first
    assert isinstance(canceled, Canceled)
    assert canceled.order != first
    assert not venue.working


def test_a_trailing_stop_follows_the_path() -> None:
    order = an_order(SELL, kind=OrderKind.TRAILING_STOP, trail_price="3")
    venue = a_venue(a_detailed_market(UP_FIRST))
    venue.accept(order, AT)
    # The second bar goes to 106 and closes 3 below.
    assert told(venue, 1) == [("order-1", "17:45", "100 at 103")]


def test_a_market_order_takes_the_first_open() -> None:
    venue = a_venue(a_detailed_market(DOWN_FIRST))
    venue.accept(an_order(), AT)
    assert told(venue, 1) == [("order-1", "14:30", "100 at 100")]


def test_a_share_of_the_volume_is_one_of_each_finer_bar() -> None:
    venue = a_venue(a_detailed_market(UP_FIRST), a_venue_model(volume_share=dec("0.1")))
    venue.accept(an_order(quantity=55), AT)
    assert told(venue, 1) == [
        ("order-1", "14:30", "10 at 100"),
        ("order-1", "16:07", "20 at 102"),
        ("order-1", "17:45", "25 at 103"),
    ]


def test_a_day_order_ends_with_the_day_and_another_goes_on() -> None:
    share = a_venue_model(volume_share=dec("0.1"))
    venue = a_venue(a_detailed_market(UP_FIRST, QUIET), share)
    venue.accept(an_order(quantity=300, id=OrderId("day")), AT)
    first = told(venue, 1)
    assert first[-1] == ("day", "21:00", "expired")
    assert sum(int(what.split()[0]) for _, _, what in first[:-1]) == 100
    venue.accept(an_order(quantity=120, id=OrderId("on"), time_in_force=TimeInForce.GTC), AT)
    assert [what for _, _, what in told(venue, 2)] == ["50 at 101", "50 at 101", "20 at 101"]


LATE: Sequence[Row] = [NO_BAR, (103, 106, 102, 104, 100), (104, 104, 99, 100, 100), NO_BAR]


@pytest.mark.parametrize(
    ("force", "expected"),
    [
        (TimeInForce.OPG, ("order-1", "14:30", "100 at 103")),
        (TimeInForce.CLS, ("order-1", "21:00", "100 at 100")),
        (TimeInForce.DAY, ("order-1", "14:30", "100 at 103")),
    ],
)
def test_who_prints_late_or_ends_early_has_its_auctions(
    force: TimeInForce, expected: tuple[str, str, str]
) -> None:
    market = a_detailed_market(AAA=LATE, BBB=UP_FIRST)
    venue = a_venue(market)
    venue.accept(an_order(time_in_force=force), AT)
    assert told(venue, 1) == [expected]


def test_an_auction_without_a_print_has_no_volume() -> None:
    market = a_detailed_market(AAA=LATE, BBB=UP_FIRST)
    venue = a_venue(market, a_venue_model(volume_share=dec("0.1")))
    venue.accept(an_order(id=OrderId("day"), quantity=15), AT)
    venue.accept(an_order(id=OrderId("cls"), time_in_force=TimeInForce.CLS), AT)
    assert told(venue, 1) == [
        ("day", "16:07", "10 at 103"),
        ("day", "17:45", "5 at 104"),
        ("cls", "21:00", "expired"),
    ]


def test_a_day_without_any_trade_ends_its_orders() -> None:
    venue = a_venue(a_detailed_market(UP_FIRST, NOBODY))
    market = an_order(id=OrderId("late"))
    list(venue.open_bar(1))
    list(venue.close_bar(1))
    venue.accept(market, AT + timedelta(days=1, hours=6.5))
    assert told(venue, 2) == [("late", "21:00", "expired")]


def test_events_of_the_market_are_lived_through_by_row() -> None:
    market = a_detailed_market(UP_FIRST, QUIET)
    venue = a_venue(market)
    for order in limit_and_stop():
        venue.accept(order, AT)
    split = Split(AAA, date(2024, 1, 3), Fraction(2))
    at = market.frame.started(1)
    assert not list(venue.step(BarOpened(market.frame, 1)))
    assert [event.order for event in venue.step(BarClosed(market.frame, 1))] == ["limit", "stop"]
    venue.accept(an_order(), AT)
    (event,) = venue.step(SplitApplied(split, Price(Decimal(100)), at))
    assert isinstance(event, Canceled)
    assert event.reason == "corporate action"


def a_run(market: MarketData, plan: Mapping[date, Mapping[str, float]], **changes: Any) -> Result:
    spec = a_spec(market, detail=Timeframe.MINUTE, **changes)
    return Backtest(spec, market, strategy=Planned(plan)).run()


FIRST, SECOND = date(2024, 1, 2), date(2024, 1, 3)


def test_a_run_decides_by_the_day_and_fills_by_the_minute() -> None:
    market = a_detailed_market(UP_FIRST, DOWN_FIRST, QUIET)
    strategy = Planned({FIRST: {"AAA": 0.5}, SECOND: {"AAA": 0.0}})
    spec = a_spec(market, detail=Timeframe.MINUTE, volume_share=dec("0.1"))
    result = Backtest(spec, market, strategy=strategy).run()
    days = [session.date for session in market.frame.sessions]
    assert strategy.asked == days[:-1]
    # 50 shares at 100: 10 at the first open, then 20 at 102 and the last 20 at 103.
    assert [
        (f"{f.at:%d %H:%M}", f.side, int(f.quantity), float(f.price)) for f in result.fills
    ] == [
        ("03 14:30", BUY, 10, 100),
        ("03 16:07", BUY, 20, 102),
        ("03 17:45", BUY, 20, 103),
        ("04 14:30", SELL, 10, 100),
        ("04 16:07", SELL, 20, 97),
        ("04 17:45", SELL, 20, 96),
    ]
    # Paid 5,100 for 50 shares, worth 101 at the first close; sold for 4,860.
    assert result.equity.tolist() == [10_000, 9_950, 9_760, 9_760]
    assert result.invested.tolist() == [0, 5_050, 0, 0]
    assert len(result.times) == len(result.equity) == 4
    assert result.final_equity == 9_760


def test_a_split_takes_the_orders_before_it_away() -> None:
    split = Split(AAA, date(2024, 1, 4), Fraction(2))
    halved = [(o / 2, h / 2, low / 2, c / 2, v * 2) for o, h, low, c, v in UP_FIRST]
    market = a_detailed_market(UP_FIRST, halved, actions=[split])
    result = a_run(market, {FIRST: {"AAA": 0.5}, SECOND: {"AAA": 0.0}})
    (fill,) = result.fills
    assert (int(fill.quantity), float(fill.price)) == (50, 100)
    _, canceled = result.orders.values()
    assert canceled.reason == "corporate action"
    # 100 shares at 50.50.
    assert result.equity.tolist() == [10_000, 10_050, 10_050]


def test_a_run_without_detail_is_not_touched_by_it() -> None:
    market = a_detailed_market(UP_FIRST, DOWN_FIRST)
    plan = Planned({FIRST: {"AAA": 0.5}})
    spec = a_spec(market, volume_share=dec("0.01"))
    with_it, without = (
        Backtest(spec, one, strategy=plan).run() for one in (market, replace(market, detail=None))
    )
    assert list(with_it.fills) == list(without.fills)
    assert [fill.quantity for fill in with_it.fills] == [10]


def test_an_order_for_the_close_takes_the_last_minutes_close() -> None:
    market = a_detailed_market(UP_FIRST, QUIET)
    how = Construction(time_in_force=TimeInForce.CLS)
    result = a_run(market, {FIRST: {"AAA": 0.5}}, construction=how)
    (fill,) = result.fills
    assert (f"{fill.at:%d %H:%M}", float(fill.price)) == ("03 21:00", 101)


def test_a_run_whose_finer_bars_are_not_there_is_refused() -> None:
    market = a_detailed_market(UP_FIRST, DOWN_FIRST, QUIET)
    assert market.detail is not None
    spec = a_spec(market, detail=Timeframe.MINUTE)
    shorter = replace(market.detail, rows=range(1, 3))
    other = replace(market.detail, frame=replace(market.detail.frame, timeframe=Timeframe.HOUR))
    for detail in (None, shorter, other):
        with pytest.raises(MissingData, match="test market: has no minute bars beside"):
            Backtest(spec, replace(market, detail=detail), strategy=Planned({}))


def test_what_a_fill_cost_is_against_the_minute_that_it_filled_in() -> None:
    market = a_detailed_market(UP_FIRST, DOWN_FIRST)
    costs = {"slippage_bps": dec(100), "volume_share": dec("0.1")}
    result = a_run(market, {FIRST: {"AAA": 0.5}}, **costs)
    # One per cent of 10 shares at 100, 20 at 102 and 20 at 103.
    assert [float(fill.price) for fill in result.fills] == [101.0, 103.02, 104.03]
    assert [cost.slippage for _, cost in spent(result, market)] == [10, dec("20.4"), dec("20.6")]


@pytest.mark.parametrize(
    ("detail", "timeframe"),
    [
        (Timeframe.MINUTE, Timeframe.MINUTE),
        (Timeframe.MINUTE, Timeframe.HOUR),
        (Timeframe.HOUR, Timeframe.DAY),
        (Timeframe.DAY, Timeframe.DAY),
    ],
)
def test_only_daily_decisions_fill_on_minutes(detail: Timeframe, timeframe: Timeframe) -> None:
    market = a_market({"AAA": flat_bars([100.0, 101.0])})
    with pytest.raises(InvalidInput, match=f"does not go with decisions on {timeframe} bars"):
        a_spec(market, detail=detail, timeframe=timeframe)


def crossing() -> dict[str, Any]:
    return {"strategy": "sma-cross", "parameters": {"fast": "1", "slow": "2"}}


def test_the_compiled_path_refuses_it_and_auto_takes_the_events() -> None:
    market = a_detailed_market(UP_FIRST, DOWN_FIRST, QUIET)
    spec = a_spec(market, detail=Timeframe.MINUTE, **crossing())
    with pytest.raises(ArraysRefused, match="its orders fill on minute bars; use events"):
        run_backtest(spec, market, Way.ARRAYS)
    taken, events = (run_backtest(spec, market, way) for way in (Way.AUTO, Way.EVENTS))
    assert list(taken.fills) == list(events.fills)


def test_a_kept_run_names_its_detail_and_what_was_found(tmp_path: Path) -> None:
    market = a_detailed_market(UP_FIRST, DOWN_FIRST, QUIET)
    assert market.detail is not None
    frame = market.frame
    taller = replace(frame, high=frame.high + 1.0)
    bars = market.detail.frame
    off = detailed(replace(market, frame=taller, detail=None), bars, range(1, 4))
    spec = a_spec(off, detail=Timeframe.MINUTE, **crossing())
    result = Backtest(spec, off).run()
    folder, body = keep_run(tmp_path, result, off, {"load": 1.0})
    assert (body["detail"], body["detail_findings"]) == ("minute", 3)
    kept = json.loads((folder / "spec.json").read_text())
    assert kept["spec"]["detail"] == "minute"
    findings = pl.read_csv(folder / "findings.csv", infer_schema=False)
    assert findings.columns == ["at", "rule", "severity", "instrument", "what", "remedy"]
    assert findings.row(0)[:5] == (
        "2024-01-03T14:30:00Z",
        "detail_high",
        "warning",
        "AAA",
        "detail_high: the high of its finer bars lies -1 off its own",
    )
    page = (folder / "report.html").read_text()
    assert "day bars, fills on minute bars" in page
    assert "3 (findings.csv)" in page
    assert "symbols, fills on minute bars" in run_markdown(KeptRun(folder)).replace(
        "1 symbols", "symbols"
    )


def test_the_finer_bars_are_part_of_the_datas_name(tmp_path: Path) -> None:
    market, other = (a_detailed_market(path, QUIET) for path in (UP_FIRST, DOWN_FIRST))
    hashes = set()
    for one, detail in ((market, None), (market, Timeframe.MINUTE), (other, Timeframe.MINUTE)):
        result = Backtest(a_spec(one, detail=detail, **crossing()), one).run()
        folder, _ = keep_run(tmp_path, result, one, {})
        hashes.add(json.loads((folder / "spec.json").read_text())["data_hash"])
    assert len(hashes) == 3
