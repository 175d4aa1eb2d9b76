"""The report of a run: one HTML page that needs nothing but a browser.

The page forbids itself every request by its content policy, so what it shows cannot depend on
a network and tells nobody that it was opened. All text of a run is escaped on its way in.
"""

from __future__ import annotations

import html
import json
import tempfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tradewright.analytics.returns import performance
from tradewright.backtest.report import sections, tables
from tradewright.backtest.report.charts import curve_figure, price_charts
from tradewright.backtest.report.panels import (
    exposure_figure,
    rolling_figure,
    rolling_window,
    trading_figure,
)
from tradewright.backtest.report.statistics import GROUPS, statistics
from tradewright.backtest.report.tables import NONE, amount, percent, ratio, sign
from tradewright.backtest.summary import annual_turnover, by_code, session_curve, traded_value
from tradewright.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewright.backtest.backtest import Result
    from tradewright.backtest.parity import PaperSide
    from tradewright.backtest.report.charts import PriceChart
    from tradewright.backtest.report.figures import Figure
    from tradewright.backtest.summary import SessionCurve
    from tradewright.core.records import JsonValue
    from tradewright.data.history import MarketData
    from tradewright.engine.named import StrategyFile

_SAFE_IN_SCRIPT: Final = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)
_OWN: Final = {"style": "style.css", "draw": "draw.js"}
_SECTIONS: Final = (
    ("equity", "Equity"),
    ("months", "Months"),
    ("benchmark", "Benchmark and factors"),
    ("risk", "Risk"),
    ("crises", "Crises"),
    ("exposures", "Exposures"),
    ("trades", "Trades"),
    ("costs", "Costs"),
    ("positions", "Positions"),
    ("run", "The run"),
)


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a run was made of and by, so that it can be made again."""

    spec_hash: str
    data_hash: str
    code_revision: str
    versions: Mapping[str, str]
    seconds: Mapping[str, float]
    """Time that each step took."""
    strategy_file: StrategyFile | None = None


def write_report(
    path: Path,
    result: Result,
    market: MarketData,
    *,
    title: str,
    paper: PaperSide | None = None,
    provenance: Provenance | None = None,
) -> None:
    """Write the report to `path`, whole or not at all.

    Raises:
        ConfigError: The place cannot be written.
    """
    page = report_page(result, market, title=title, paper=paper, provenance=provenance)
    write_text(path, page)


def write_text(path: Path, text: str) -> None:
    """Write a text to `path`, whole or not at all.

    Raises:
        ConfigError: The place cannot be written.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=".report-", dir=path.parent) as folder:
            staged = Path(folder) / path.name
            staged.write_text(text, encoding="utf-8")
            staged.replace(path)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error}", "choose another place for the report"
        ) from error


def report_page(
    result: Result,
    market: MarketData,
    *,
    title: str,
    paper: PaperSide | None = None,
    provenance: Provenance | None = None,
) -> str:
    """Return the report as one self-contained HTML page."""
    curve = session_curve(result, market)
    charts = price_charts(result, market, curve)
    figures = {"curve": curve_figure(curve, market), "rolling": rolling_figure(curve, market)}
    if charts:
        figures["exposure"] = exposure_figure(result, market, curve)
        figures["costs"] = trading_figure(result, market, curve)
    known = statistics(result, market, curve)
    figures |= {f"price-{i}": chart.figure for i, chart in enumerate(charts)}
    parts = {
        "title": html.escape(title),
        "subtitle": _subtitle(result, market, curve),
        "banner": _banner(market),
        "notice": _notice(result),
        "tiles": _tiles(result, market, curve, known["benchmark"]),
        "paper": _paper(paper),
        "months": tables.monthly_returns(curve),
        "drawdowns": tables.worst_drawdowns(curve),
        "prices": _prices(charts, result),
        "trading": tables.trading_by_year(result, market, curve),
        "cost_parts": tables.cost_parts(result, market),
        "orders": tables.order_counts(result.orders.values()),
        "refusals": tables.refusal_counts(result.refusals),
        "alerts": _alerts(result),
        "positions": tables.open_positions(result, market, int(curve.rows[-1])),
        "exposure_chart": _place("exposure", charts),
        "costs_chart": _place("costs", charts),
        "links": _links(),
        "window": f"{rolling_window(curve.sessions)} sessions",
        "beside": sections.beside(known, performance(curve.equity)),
        "attribution": sections.attribution(known),
        "explained": html.escape(sections.explained(known)),
        "crises": sections.crises(known),
        **{name: sections.group(known, name) for name in GROUPS},
        "run": _run(result, market, provenance),
    }
    return filled_page("page.html", parts, figures)


def filled_page(name: str, parts: Mapping[str, str], figures: Mapping[str, Figure]) -> str:
    """Fill one of the templates with HTML parts, and the frame with it and what draws figures."""
    folder = files("tradewright.backtest.report")
    own = {part: (folder / file).read_text("utf-8") for part, file in _OWN.items()}
    plotly = (files("plotly") / "package_data" / "plotly.min.js").read_text("utf-8")
    content = Template((folder / name).read_text("utf-8")).substitute(parts)
    known = {**own, "plotly": plotly, "figures": _script_json(figures), "content": content}
    heads = {"title": parts["title"], "subtitle": parts["subtitle"]}
    return Template((folder / "frame.html").read_text("utf-8")).substitute(known | heads)


def _subtitle(result: Result, market: MarketData, curve: SessionCurve) -> str:
    spec = result.spec
    chosen = ", ".join(f"{name} {value}" for name, value in sorted(spec.parameters.items()))
    strategy = f"{spec.strategy} ({chosen})" if chosen else spec.strategy
    span = f"{curve.dates[0]} to {curve.dates[-1]}, {curve.sessions:,} sessions"
    symbols = len(market.frame.instruments)
    pool = f"{symbols:,} symbol{'s' if symbols != 1 else ''}, {spec.timeframe.value} bars"
    if spec.detail is not None:
        pool += f", fills on {spec.detail.value} bars"
    return "".join(
        f"<span>{html.escape(part)}</span>" for part in (strategy, span, pool, market.label)
    )


def _banner(market: MarketData) -> str:
    if not market.simulated:
        return ""
    return (
        '<div class="banner" role="note"><strong>SIMULATED DATA</strong> '
        f"These prices are made up ({html.escape(market.label)}). "
        "Nothing here says anything about a real market.</div>"
    )


def _tiles(
    result: Result, market: MarketData, curve: SessionCurve, other: Mapping[str, Any]
) -> str:
    measured = performance(curve.equity)
    positive = np.where(curve.equity > 0, curve.equity, np.nan)
    turnover = annual_turnover(traded_value(result.fills, market), curve.equity)
    capital = f"from {amount(result.spec.capital)}"
    fall = measured.drawdown
    against = f"{other['name']} {sections.told(other['total_return'], '%')}"
    tiles = [
        ("Final equity", amount(result.final_equity), capital, ""),
        ("Total return", percent(measured.total_return), against, sign(measured.total_return)),
        ("Growth a year", percent(measured.cagr), "compound", sign(measured.cagr)),
        ("Sharpe", ratio(measured.sharpe), f"Sortino {ratio(measured.sortino)}", ""),
        ("Volatility", percent(measured.volatility), "a year", ""),
        (
            "Max drawdown",
            percent(-fall.depth),
            f"{fall.duration:,} sessions, Calmar {ratio(measured.calmar)}",
            "loss",
        ),
        (
            "Hit rate",
            percent(measured.hit_rate),
            f"best {percent(measured.best)}, worst {percent(measured.worst)}",
            "",
        ),
        ("Turnover", percent(turnover, 0), "a year, one way", ""),
        ("Invested", percent(float(np.mean(curve.invested / positive)), 0), "on average", ""),
        (
            "Fees",
            amount(result.book.fees),
            f"{len(result.orders):,} orders, {len(result.fills):,} fills",
            "",
        ),
    ]
    return "".join(
        f'<div class="tile"><h3>{html.escape(name)}</h3><p class="{kind}">{html.escape(value)}</p>'
        f"<small>{html.escape(note)}</small></div>"
        for name, value, note, kind in tiles
    )


def _paper(paper: PaperSide | None) -> str:
    if paper is None:
        return ""
    asked, expected = len(paper.orders), len(paper.expected)
    held = len(paper.book.positions)
    verdicts = _verdict(
        paper.parity,
        "Parity",
        f"paper mode asked the same {asked:,} orders as the backtest",
        f"paper mode asked {asked:,} orders, the backtest {expected:,}, and they are not the same",
    ) + _verdict(
        paper.reconciled,
        "Reconciled",
        f"cash and {held:,} positions are equal at the exchange and here, to the cent",
        f"our book and the exchange’s differ in {len(paper.differences):,} numbers",
    )
    gaps = tables.differences(paper) if paper.differences else ""
    refused = tables.refusal_counts(paper.refusals) if paper.refusals else ""
    return (
        f"<section><h2>Paper trading: the last {paper.sessions:,} sessions</h2>"
        f'<div class="verdicts">{verdicts}</div>{gaps}'
        f"{tables.paper_orders(paper)}{refused}</section>"
    )


def _verdict(good: bool, name: str, yes: str, no: str) -> str:  # noqa: FBT001 - the verdict
    kind, mark, said = ("gain", "✓", yes) if good else ("loss", "✗", no)
    return (
        f'<div class="verdict {kind}"><b>{mark} {html.escape(name)}'
        f"{'' if good else ': no'}</b><span>{html.escape(said)}</span></div>"
    )


def _prices(charts: Sequence[PriceChart], result: Result) -> str:
    if not charts:
        return '<p class="none">Nothing was traded.</p>'
    options = "".join(
        f'<option value="price-{i}">{html.escape(chart.instrument)} '
        f"({chart.fills:,} fill{'s' if chart.fills != 1 else ''})</option>"
        for i, chart in enumerate(charts)
    )
    traded = len({fill.instrument for fill in result.fills})
    note = f"the {len(charts)} most traded of {traded}" if traded > len(charts) else ""
    return (
        f'<p class="choice"><label>Instrument <select id="instrument">{options}</select></label>'
        f'<small>{note}</small></p><div id="price"></div>'
    )


def _links() -> str:
    return "".join(f'<a href="#{name}">{html.escape(title)}</a>' for name, title in _SECTIONS)


def _place(name: str, charts: Sequence[PriceChart]) -> str:
    if charts:
        return f'<div class="chart" data-figure="{name}"></div>'
    return '<p class="none">Nothing was traded.</p>'


def _notice(result: Result) -> str:
    if not result.refusals:
        return ""
    counts = by_code(result.refusals)
    codes = ", ".join(f"{code} {count:,}" for code, count in counts.items())
    share = len(result.refusals) / (len(result.refusals) + len(result.orders))
    return (
        f'<p class="notice"><strong>{len(result.refusals):,} orders were refused</strong> '
        f"({html.escape(codes)}): {percent(share, 0)} of all that the strategy asked for. "
        "What it means is listed under Refusals.</p>"
    )


def _alerts(result: Result) -> str:
    if not result.alerts:
        return ""
    return f"<section><h2>Alerts</h2>{tables.alerts_told(result.alerts)}</section>"


def _run(result: Result, market: MarketData, provenance: Provenance | None) -> str:
    known = dict(_flat("", result.spec.body()))
    known["data"] = market.label
    if result.spec.detail is not None and market.detail is not None:
        known["detail findings"] = f"{len(market.detail.findings):,} (findings.csv)"
    if provenance is not None:
        known |= {
            "spec hash": provenance.spec_hash,
            "data hash": provenance.data_hash,
            "code revision": provenance.code_revision,
        }
        if provenance.strategy_file is not None:
            known["strategy file"] = provenance.strategy_file.path.name
        known |= provenance.versions
        known |= {f"{step}, seconds": f"{s:.2f}" for step, s in provenance.seconds.items()}
    return tables.facts(known)


def _flat(prefix: str, body: Mapping[str, JsonValue]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in body.items():
        whole = f"{prefix}{name.replace('_', ' ')}"
        if isinstance(value, dict):
            found += _flat(f"{whole} · ", value) if value else [(whole, NONE)]
        else:
            found.append((whole, NONE if value is None or value == "" else str(value)))
    return found


def _script_json(figures: Mapping[str, Figure]) -> str:
    text = json.dumps(figures, allow_nan=False, separators=(",", ":"))
    return text.translate(_SAFE_IN_SCRIPT)
