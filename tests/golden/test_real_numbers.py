"""Real prices, splits and dividends, each answer derived from the raw files by other means.

The files are read here with zipfile and csv alone and computed with in exact decimals; the
platform reads them through its adapter. Prices in them are in ten-thousandths of a dollar.
"""

from __future__ import annotations

import csv
import io
import zipfile
from bisect import bisect_right
from datetime import date, datetime, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

import pytest

from tests.architecture.tree import ROOT
from tests.builders import Planned
from tradewright.adapters.lean import LeanStore
from tradewright.backtest.backtest import Backtest, Result
from tradewright.backtest.replay import Replay
from tradewright.core.events import DividendPaid, SplitApplied
from tradewright.core.ids import InstrumentId
from tradewright.core.session import Span, Timeframe
from tradewright.data.calendars import market_calendar
from tradewright.data.history import MarketData
from tradewright.engine.run import RunSpec
from tradewright.execution.brokerage import SimulatedBrokerage
from tradewright.risk.limits import Limits

SHARED = ROOT.parent / "shared" / "data" / "lean"
USA = SHARED / "equity" / "usa"
CENT = Decimal("0.01")
CAPITAL = Decimal(100_000)

pytestmark = pytest.mark.skipif(
    not USA.is_dir(), reason="allowed: ../shared/data/lean is not on this machine"
)


class Day(NamedTuple):
    open: Decimal
    close: Decimal


def raw_days(ticker: str) -> dict[date, Day]:
    """The daily bars of a ticker, by date."""
    with zipfile.ZipFile(USA / "daily" / f"{ticker}.zip") as archive:
        text = archive.read(f"{ticker}.csv").decode()
    days: dict[date, Day] = {}
    for when, open_, _, _, close, _ in csv.reader(io.StringIO(text)):
        day = datetime.strptime(when, "%Y%m%d %H:%M").date()  # noqa: DTZ007 - a local date
        days[day] = Day(Decimal(open_) / 10_000, Decimal(close) / 10_000)
    return days


class Factors(NamedTuple):
    """What holds for bars up to and including `until`; `close` is the close of that date."""

    until: date
    price: Decimal
    split: Decimal
    close: Decimal


def raw_factors(ticker: str) -> list[Factors]:
    with (USA / "factor_files" / f"{ticker}.csv").open(encoding="ascii", newline="") as file:
        return [
            Factors(datetime.strptime(day, "%Y%m%d").date(), *map(Decimal, numbers))  # noqa: DTZ007
            for day, *numbers in csv.reader(file)
        ]


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)


def commission(shares: Decimal) -> Decimal:
    """Interactive Brokers, fixed: half a cent a share, at least a dollar."""
    return cents(max(shares * Decimal("0.005"), Decimal(1)))


def market(name: str, first: date, last: date) -> MarketData:
    """What the adapter makes of the files, from some sessions before `first` on."""
    store = LeanStore(SHARED)
    instrument = InstrumentId(name)
    span = Span(first - timedelta(days=10), last)
    known = {i.id: i for i in store.instruments() if i.id == instrument}
    return MarketData(
        store.read([instrument], Timeframe.DAY, span),
        known,
        tuple(store.actions([instrument])),
        market_calendar("XNYS"),
        "LEAN sample data",
    )


def bought(name: str, first: date, last: date, **changes: Any) -> tuple[Result, MarketData]:
    """Buy once with all cash at the open of `first` and hold to the close of `last`."""
    loaded = market(name, first, last)
    before = max(s.date for s in loaded.frame.sessions if s.date < first)
    facts: dict[str, Any] = {
        "strategy": "planned",
        "parameters": {},
        "first": first,
        "last": last,
        "capital": CAPITAL,
        "limits": Limits(leverage=Decimal(1)),
        "commission": "ib-fixed",
        "slippage_bps": Decimal(0),
    }
    spec = RunSpec(**(facts | changes))
    result = Backtest(spec, loaded, strategy=Planned({before: {name: 1.0}})).run()
    assert not result.refusals
    assert not result.alerts
    return result, loaded


def test_all_cash_in_spy_from_an_open_to_a_close_is_right_to_the_cent() -> None:
    days = raw_days("spy")
    decided, entry, exit_ = date(2013, 10, 7), date(2013, 10, 8), date(2013, 10, 17)
    shares = (CAPITAL / days[decided].close).to_integral_value(ROUND_DOWN)
    # All that can be paid for at the close with the commission, and still at the open.
    assert shares * days[decided].close + commission(shares) <= CAPITAL
    assert (shares + 1) * days[decided].close + commission(shares + 1) > CAPITAL
    spent = shares * days[entry].open + commission(shares)
    assert spent <= CAPITAL
    expected = CAPITAL - spent + shares * days[exit_].close

    result, _ = bought("SPY", entry, exit_)
    (fill,) = result.fills
    assert (fill.quantity, fill.price) == (shares, days[entry].open)
    assert fill.fee.amount == commission(shares)
    assert result.book.cash == CAPITAL - spent
    assert result.final_equity is not None
    assert cents(result.final_equity) == result.final_equity == expected
    assert cents(Decimal(float(result.equity[-1]))) == expected


def test_the_equity_of_every_day_is_right_to_the_cent() -> None:
    days = raw_days("spy")
    entry, exit_ = date(2013, 10, 8), date(2013, 10, 17)
    result, _ = bought("SPY", entry, exit_)
    (fill,) = result.fills
    cash = CAPITAL - fill.quantity * days[entry].open - commission(fill.quantity)
    held = [day for day in sorted(days) if entry <= day <= exit_]
    expected = [CAPITAL, *(cash + fill.quantity * days[day].close for day in held)]
    assert [cents(Decimal(float(value))) for value in result.equity] == expected


SPLITS = [
    # Date, ratio, and the dates between which nothing else happens to the share.
    (date(2020, 8, 31), 4, date(2020, 8, 25), date(2020, 9, 4)),
    (date(2014, 6, 9), 7, date(2014, 6, 3), date(2014, 6, 13)),
]


@pytest.mark.parametrize(("day", "ratio", "first", "last"), SPLITS, ids=["4:1", "7:1"])
def test_a_split_of_aapl_multiplies_the_shares_and_leaves_the_value(
    day: date, ratio: int, first: date, last: date
) -> None:
    days = raw_days("aapl")
    before = max(d for d in days if d < day)
    result, loaded = bought("AAPL", first, last)
    (fill,) = result.fills
    cash = CAPITAL - fill.quantity * days[first].open - commission(fill.quantity)
    held = result.book.positions[InstrumentId("AAPL")]
    assert held.quantity == fill.quantity * ratio
    assert cents(held.cost) == fill.quantity * days[first].open
    # Whole shares became whole shares: no cash in lieu.
    assert result.book.cash == cash
    rows = loaded.frame.sessions[-len(result.equity) :]
    values = [cents(Decimal(float(value))) for value in result.equity]
    equity = {session.date: value for session, value in zip(rows, values, strict=True)}
    assert equity[before] == cash + fill.quantity * days[before].close
    assert equity[day] == cash + fill.quantity * ratio * days[day].close
    assert result.final_equity == cash + fill.quantity * ratio * days[last].close


@pytest.mark.parametrize(("day", "ratio", "first", "last"), SPLITS, ids=["4:1", "7:1"])
def test_at_the_moment_of_a_split_the_account_is_worth_what_it_was(
    day: date, ratio: int, first: date, last: date
) -> None:
    days = raw_days("aapl")
    loaded = market("AAPL", first, last)
    name = InstrumentId("AAPL")
    spec = RunSpec("momentum", {}, first, last, CAPITAL, Limits(), slippage_bps=Decimal(0))
    row = next(i for i, s in enumerate(loaded.frame.sessions) if s.date >= first)
    account = SimulatedBrokerage(
        loaded.frame,
        loaded.instruments,
        model=spec.venue_model(),
        cash=CAPITAL,
        leverage=Decimal(1),
        at=loaded.frame.known(row - 1),
        row=row - 1,
    )
    result, _ = bought("AAPL", first, last)
    (order,) = [state.order for state in result.orders.values()]
    account.submit(order, loaded.frame.known(row - 1))
    moved = []
    for event in Replay(loaded.frame, loaded.actions, first=row):
        shares, worth = account.ledger.quantities.get(name), account.equity()
        account.step(event)
        if isinstance(event, SplitApplied):
            moved.append((event.split.ex_date, event.split.ratio, event.reference))
            assert shares is not None
            assert account.ledger.quantities[name] == shares * ratio
            assert cents(account.equity()) == worth
    assert moved == [(day, Fraction(ratio), days[max(d for d in days if d < day)].close)]


def spy_dividends(year: int) -> dict[date, tuple[Decimal, Decimal, Decimal]]:
    """Ex-date to the least, the plainest and the largest amount that the factors allow.

    A factor row holds up to its date, so its dividend goes ex on the next trading day, and
    p(before) / p(after) = 1 - amount / close. The factors are rounded to seven decimals and
    the close to the cent; of the amounts within, the one of the fewest decimals, at most four.
    """
    traded = sorted(raw_days("spy"))
    half = Decimal("0.00000005")
    found: dict[date, tuple[Decimal, Decimal, Decimal]] = {}
    for row, after in pairwise(raw_factors("spy")):
        ex_date = traded[bisect_right(traded, row.until)]
        if ex_date.year != year or row.price == after.price:
            continue
        least = (row.close - CENT / 2) * (1 - (row.price + half) / (after.price - half))
        most = (row.close + CENT / 2) * (1 - (row.price - half) / (after.price + half))
        middle = row.close * (1 - row.price / after.price)
        plain = [round(middle, decimals) for decimals in range(5)]
        found[ex_date] = (least, next(p for p in plain if least <= p <= most), most)
    return found


def test_dividends_on_a_held_spy_position_are_paid_on_the_ex_dates() -> None:
    days = raw_days("spy")
    first, last = date(2013, 1, 2), date(2013, 12, 31)
    dividends = spy_dividends(2013)
    assert list(dividends) == [
        date(2013, 3, 15),
        date(2013, 6, 21),
        date(2013, 9, 20),
        date(2013, 12, 20),
    ]
    result, loaded = bought("SPY", first, last)
    (fill,) = result.fills
    held = fill.quantity
    paid = {day: cents(held * plain) for day, (_, plain, _) in dividends.items()}
    assert result.book.dividends == sum(paid.values())

    # The cash of each day is its equity less the shares at the raw close.
    rows = loaded.frame.sessions[-len(result.equity) :]
    cash = {
        session.date: cents(Decimal(float(value)) - held * days[session.date].close)
        for session, value in zip(rows[1:], result.equity[1:], strict=True)
    }
    changes = {
        day: cash[day] - cash[before] for before, day in pairwise(cash) if cash[day] != cash[before]
    }
    assert changes == paid
    assert cash[first] == CAPITAL - held * days[first].open - commission(held)
    assert result.book.cash == cash[first] + sum(paid.values())


def test_the_amounts_of_spys_dividends_are_what_the_factors_say() -> None:
    loaded = market("SPY", date(2013, 1, 2), date(2013, 12, 31))
    events = [
        event.dividend
        for event in Replay(loaded.frame, loaded.actions, first=1)
        if isinstance(event, DividendPaid) and event.at.year == 2013
    ]
    dividends = spy_dividends(2013)
    assert [event.ex_date for event in events] == list(dividends)
    for event, (least, plain, most) in zip(events, dividends.values(), strict=True):
        assert least <= event.amount <= most
        assert event.amount == plain
