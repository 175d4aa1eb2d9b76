"""The report's tables as HTML; every cell is escaped here, and nowhere else."""

from __future__ import annotations

import html
import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from tradewright.analytics.drawdown import falls
from tradewright.backtest.spending import total_spent
from tradewright.backtest.summary import annual_turnover, by_code, traded_value
from tradewright.core.decisions import RefusalCode
from tradewright.core.money import ZERO, to_cents
from tradewright.data.history import History

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tradewright.backtest.backtest import Result
    from tradewright.backtest.parity import PaperSide
    from tradewright.backtest.summary import SessionCurve
    from tradewright.core.decisions import Refusal
    from tradewright.core.events import Alert
    from tradewright.core.orders import Fill, OrderState
    from tradewright.data.history import MarketData

NONE: Final = "–"
_WORST: Final = 5
_WARNED: Final = 50
_MONTHS: Final = (
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
)
_FULL_TINT: Final = 0.08
_STRONGEST: Final = 0.75
_PRICE_DECIMALS: Final = 4


@dataclass(frozen=True, slots=True)
class Cell:
    """Text with a class name of the style sheet, and a strength from -1 to 1 to tint it by."""

    text: str
    kind: str = ""
    tint: float = 0.0


def percent(value: float, digits: int = 1) -> str:
    """Write a fraction as a percentage with a true minus sign."""
    return _signed(f"{value:z.{digits}%}") if math.isfinite(value) else NONE


def ratio(value: float) -> str:
    """Write a ratio with two decimals."""
    return _signed(f"{value:z.2f}") if math.isfinite(value) else NONE


def amount(value: Decimal | None) -> str:
    """Write an amount of money to the cent."""
    return NONE if value is None else _signed(f"{to_cents(value):,f}")


def exact(value: Decimal | None) -> str:
    """Write a quantity or price with all digits that it has."""
    if value is None:
        return NONE
    whole = value == value.to_integral_value()
    return _signed(f"{value.quantize(Decimal(1)) if whole else value.normalize():,f}")


def sign(value: float | Decimal) -> str:
    """Return the class name of a gain or a loss, or nothing for zero."""
    return "gain" if value > 0 else "loss" if value < 0 else ""


def table(
    head: Sequence[str], rows: Sequence[Sequence[str | Cell]], kind: str = "", *, empty: str = ""
) -> str:
    """Write a table; a column is set to the right unless its heading begins with `<`.

    Without rows it is the sentence `empty`, if there is one.
    """
    if empty and not rows:
        return f'<p class="none">{html.escape(empty)}</p>'
    left = [title.startswith("<") for title in head]
    titles = "".join(
        f"<th{_left(at_left)}>{html.escape(title.removeprefix('<'))}</th>"
        for title, at_left in zip(head, left, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(_cell(cell, at_left) for cell, at_left in zip(row, left, strict=True))
        + "</tr>"
        for row in rows
    )
    name = f' class="{html.escape(kind)}"' if kind else ""
    return (
        f'<div class="scroll"><table{name}><thead><tr>{titles}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def monthly_returns(curve: SessionCurve) -> str:
    """Write returns by month and year, tinted by size."""
    months, years = _changes(curve, months=True), _changes(curve, months=False)
    rows = [
        [
            Cell(str(year), "year"),
            *(_tinted(months.get((year, month))) for month in range(1, 13)),
            Cell(percent(years[year, 0]), f"year {sign(years[year, 0])}"),
        ]
        for year in sorted({year for year, _ in years})
    ]
    return table(["<", *_MONTHS, "Year"], rows, "heat")


def worst_drawdowns(curve: SessionCurve) -> str:
    """Write the deepest drawdowns with their dates."""
    deepest = sorted(falls(curve.equity), key=lambda fall: -fall.depth)[:_WORST]
    return table(
        ["Depth", "<Peak", "<Trough", "<Recovered", "Sessions"],
        [
            [
                percent(-fall.depth),
                curve.dates[fall.start].isoformat(),
                curve.dates[fall.trough].isoformat(),
                "not yet" if fall.recovery is None else curve.dates[fall.recovery].isoformat(),
                str(fall.duration),
            ]
            for fall in deepest
        ],
        "dated",
        empty="Equity never fell.",
    )


def trading_by_year(result: Result, market: MarketData, curve: SessionCurve) -> str:
    """Write turnover and costs by calendar year, and at last of the whole run.

    Turnover is half of what was traded over mean equity: of the year so far, and for the whole
    run as a yearly mean.
    """
    fills: dict[int, list[Fill]] = defaultdict(list)
    for fill in result.fills:
        fills[fill.at.year].append(fill)
    equity: dict[int, list[float]] = defaultdict(list)
    for day, value in zip(curve.dates[1:], curve.equity[1:].tolist(), strict=True):
        equity[day.year].append(value)
    rows = []
    for year, values in sorted(equity.items()):
        traded, mean = traded_value(fills[year], market), sum(values) / len(values)
        turnover = float(traded) / 2 / mean if mean > 0 else math.nan
        rows.append(_trading(str(year), fills[year], traded, turnover))
    traded = traded_value(result.fills, market)
    rows.append(_trading("All", result.fills, traded, annual_turnover(traded, curve.equity)))
    return table(["<Year", "Fills", "Traded", "Turnover", "Fees", "bp of traded"], rows)


def cost_parts(result: Result, market: MarketData) -> str:
    """Write what the fills of a run cost by part, and what holding did."""
    cost, traded = total_spent(result, market), traded_value(result.fills, market)
    parts = {
        "Commission": cost.commission,
        "Fees on sales": cost.fees,
        "Slippage, in the prices": cost.slippage,
        "Impact, in the prices": cost.impact,
        "Interest on borrowed shares and cash": result.book.financing,
    }
    rows: list[list[str | Cell]] = [
        [name, amount(paid), f"{paid / traded * 10_000:.2f}" if traded else NONE]
        for name, paid in parts.items()
    ]
    return table(["<What was paid", "Dollars", "bp of traded"], rows)


def order_counts(orders: Iterable[OrderState]) -> str:
    """Count orders by status."""
    counts = Counter(state.status.value for state in orders)
    rows = [[status, f"{count:,}"] for status, count in sorted(counts.items())]
    return table(["<Status", "Orders"], rows, empty="No order was placed.")


def alerts_told(alerts: Sequence[Alert]) -> str:
    """Write what the engine told people, the first fifty of them."""
    rows: list[list[str | Cell]] = [
        [f"{alert.at:%Y-%m-%d %H:%M}", alert.code, Cell(alert.message, "note")]
        for alert in alerts[:_WARNED]
    ]
    return table(["<When, UTC", "<Code", "<What"], rows, "dated")


def refusal_counts(refusals: Sequence[Refusal]) -> str:
    """Count refusals by code, with what each means."""
    return table(
        ["<Code", "Orders", "<Meaning"],
        [[k, f"{n:,}", RefusalCode(k).meaning] for k, n in by_code(refusals).items()],
        empty="No order was refused.",
    )


def open_positions(result: Result, market: MarketData, row: int) -> str:
    """Write what is held at the close of a row of the market's frame."""
    history = History(market.frame, market.actions)
    history.advance(row)
    rows: list[list[str | Cell]] = []
    for name, position in sorted(result.book.positions.items()):
        known = history.price(market.frame.index(name))
        price = known[0] if known else None
        value = gain = None
        if price is not None:
            multiplier = market.instruments[name].multiplier
            value = position.quantity * price * multiplier
            gain = value - position.cost * multiplier
        rows.append(
            [
                name,
                exact(position.quantity),
                amount(position.average),
                amount(price),
                amount(value),
                Cell(amount(gain), sign(gain or ZERO)),
            ]
        )
    head = ["<Instrument", "Quantity", "Average cost", "Close", "Value", "Open profit"]
    return table(head, rows, empty="Nothing is held.")


def paper_orders(paper: PaperSide) -> str:
    """Write the orders of the paper sessions, backtest beside paper."""
    rows: list[list[str | Cell]] = []
    for pair in paper.pairs:
        order = pair.order
        rows.append(
            [
                f"{order.decided_at:%Y-%m-%d %H:%M}",
                order.instrument,
                Cell(order.side.value, "gain" if order.side.sign > 0 else "loss"),
                *_side(pair.expected),
                *_side(pair.actual),
                Cell("same", "gain") if pair.equal else Cell("differs", "loss"),
            ]
        )
    side = ["Quantity", "<Status", "Price"]
    head = ["<Decided, UTC", "<Instrument", "<Side"]
    titles = [*(f"{t} · backtest" for t in side), *(f"{t} · paper" for t in side)]
    return table([*head, *titles, "<Order"], rows, empty="No order was placed on either side.")


def differences(paper: PaperSide) -> str:
    """Write what the two books do not share."""
    return table(
        ["<What", "Ours", "Venue’s"],
        [[d.what, exact(d.ours), exact(d.theirs)] for d in paper.differences],
    )


def facts(pairs: Mapping[str, str]) -> str:
    """Write names and values, one a row."""
    rows = "".join(
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>"
        for name, value in pairs.items()
    )
    return f"<dl>{rows}</dl>"


def _side(state: OrderState | None) -> list[str | Cell]:
    if state is None:
        return [NONE, Cell("absent", "loss"), NONE]
    price = state.average_price
    shown = None if price is None else round(price, _PRICE_DECIMALS)
    return [exact(state.order.quantity), state.status.value, exact(shown)]


def _trading(
    year: str, fills: Sequence[Fill], traded: Decimal, turnover: float
) -> list[str | Cell]:
    fees = sum((fill.fee.amount for fill in fills), ZERO)
    share = f"{fees / traded * 10_000:.2f}" if traded else NONE
    return [year, f"{len(fills):,}", amount(traded), percent(turnover, 0), amount(fees), share]


def _changes(curve: SessionCurve, *, months: bool) -> dict[tuple[int, int], float]:
    ends: dict[tuple[int, int], float] = {}
    for day, value in zip(curve.dates[1:], curve.equity[1:].tolist(), strict=True):
        ends[day.year, day.month if months else 0] = value
    changes, before = {}, float(curve.equity[0])
    for period, value in ends.items():
        changes[period] = value / before - 1 if before > 0 else math.nan
        before = value
    return changes


def _tinted(change: float | None) -> Cell:
    if change is None or not math.isfinite(change):
        return Cell("")
    return Cell(percent(change), sign(change), max(-1.0, min(1.0, change / _FULL_TINT)))


def _signed(text: str) -> str:
    return text.replace("-", "−")


def _left(at_left: bool) -> str:  # noqa: FBT001 - of one column
    return ' class="left"' if at_left else ""


def _cell(cell: str | Cell, at_left: bool) -> str:  # noqa: FBT001 - of one column
    given = Cell(cell) if isinstance(cell, str) else cell
    kinds = " ".join(kind for kind in (given.kind, "left" if at_left else "") if kind)
    name = f' class="{html.escape(kinds)}"' if kinds else ""
    tint = f' style="--tint:{abs(given.tint) * _STRONGEST:.0%}"' if given.tint else ""
    return f"<td{name}{tint}>{html.escape(given.text)}</td>"
