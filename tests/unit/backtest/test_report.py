from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.backtest.builders import (
    PROVENANCE,
    A,
    a_market,
    a_paper_side,
    a_refusal,
    a_result,
    a_spec,
)
from tradewright.backtest.report import report_page, write_report
from tradewright.core.errors import ConfigError
from tradewright.core.ids import InstrumentId
from tradewright.execution.reconcile import Difference

HOSTILE = "</script><script>alert('1')</script>\"&"
LOADS = {"src", "href", "srcset", "data", "action", "poster", "background"}


class Page(HTMLParser):
    """A page's words, what it would load, its policy and its scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.loads: list[str] = []
        self.policy = ""
        self.scripts: list[str] = []
        self._within: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        named = given.keys() & LOADS
        self.loads += [f"{tag} {n}" for n in named if not (given[n] or "").startswith("#")]
        if tag == "link" or given.get("http-equiv") == "refresh":
            self.loads.append(tag)
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"] or ""
        self._within = [tag] if tag in {"script", "style"} else []
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._within = [open_tag for open_tag in self._within if open_tag != tag]

    def handle_data(self, data: str) -> None:
        if "script" in self._within:
            self.scripts[-1] += data
        elif not self._within:
            self.words.append(data.strip())

    @property
    def text(self) -> str:
        return " ".join(word for word in self.words if word)

    @property
    def figures(self) -> Mapping[str, Any]:
        return json.loads(self.scripts[1])  # type: ignore[no-any-return]


def a_page(**changes: Any) -> Page:
    market = changes.pop("market", a_market())
    result = changes.pop("result", None) or a_result(market)
    return Page(report_page(result, market, **({"title": "A run"} | changes)))


def test_page_loads_nothing_and_forbids_itself_to() -> None:
    page = a_page()
    assert page.loads == []
    assert page.policy.startswith("default-src 'none';")
    assert "http" not in page.policy
    assert "url(" not in report_page(a_result(a_market()), a_market(), title="A").split("<body>")[0]


def test_plotly_is_there_once_and_whole() -> None:
    page = a_page()
    assert [bool(re.search(r"plotly\.js v\d", script)) for script in page.scripts] == [
        True,
        False,
        False,
    ]
    assert len(page.scripts[0]) > 1_000_000


def test_tiles_say_what_the_run_came_to() -> None:
    text = a_page().text
    for part in ("1,089.00", "8.9%", "−10.0%", "2 orders, 2 fills", "2.01", "from 1,000.00"):
        assert part in text


def test_months_and_years_of_returns() -> None:
    text = a_page().text
    assert "2020 10.0% −1.0% 8.9%" in text


@pytest.mark.parametrize("simulated", [True, False])
def test_simulated_data_is_called_that(simulated: bool) -> None:
    page = a_page(market=a_market(simulated=simulated, label="seed 7"))
    assert ("SIMULATED DATA" in page.text) is simulated
    assert "seed 7" in page.text


def test_everything_inserted_is_escaped() -> None:
    name = InstrumentId(f"A{HOSTILE}")
    market = a_market(names=(name, A), label=HOSTILE, simulated=True)
    plain = a_result(a_market())
    orders = {
        key: replace(state, order=replace(state.order, instrument=name))
        for key, state in plain.orders.items()
    }
    fills = [replace(fill, instrument=name) for fill in plain.fills]
    position = replace(plain.book.positions[A], instrument=name)
    result = replace(
        plain,
        spec=a_spec(parameters={HOSTILE: HOSTILE}),
        orders=orders,
        fills=fills,
        book=replace(plain.book, positions={name: position}),
    )
    differences = (Difference(HOSTILE, Decimal(1), Decimal(2)),)
    page = a_page(
        market=market,
        result=result,
        title=HOSTILE,
        paper=a_paper_side(result, differences=differences),
        provenance=replace(PROVENANCE, code_revision=HOSTILE, versions={HOSTILE: HOSTILE}),
    )
    assert len(page.scripts) == 3
    assert page.text.count(HOSTILE) >= 12
    assert "alert" in json.dumps(page.figures)


def test_refusals_are_told_at_the_top_and_explained() -> None:
    market = a_market()
    result = a_result(market, refusals=[a_refusal(4), a_refusal(5)])
    text = a_page(market=market, result=result).text
    assert "2 orders were refused (order_size 2): 50%" in text
    assert "The order is worth more than one order may be." in text


def test_paper_side_with_parity_and_equal_books() -> None:
    result = a_result(a_market())
    text = a_page(result=result, paper=a_paper_side(result)).text
    assert "✓ Parity paper mode asked the same 2 orders" in text
    assert "✓ Reconciled" in text
    assert text.count("same") == 3
    assert "✗" not in text


def test_paper_side_that_went_wrong_says_so() -> None:
    result = a_result(a_market())
    one, _ = result.orders.values()
    differences = (Difference("cash", Decimal("10.01"), Decimal("10.02")),)
    paper = a_paper_side(result, orders={one.order.id: one}, differences=differences)
    text = a_page(result=result, paper=paper).text
    assert "✗ Parity: no" in text
    assert "✗ Reconciled" in text
    assert "absent" in text
    assert "cash 10.01 10.02" in text


def test_run_that_did_nothing_has_a_page() -> None:
    market = a_market()
    result = a_result(
        market,
        equity=np.full(5, 1000.0),
        invested=np.zeros(5),
        orders={},
        fills=[],
        final_equity=None,
        book=replace(a_result(market).book, positions={}),
    )
    text = a_page(market=market, result=result).text
    for said in ("Nothing was traded.", "Nothing is held.", "Equity never fell.", "No order was"):
        assert said in text


def test_provenance_is_listed() -> None:
    text = a_page(provenance=PROVENANCE).text
    for part in (PROVENANCE.spec_hash, PROVENANCE.data_hash, "0123abc", "3.11.7", "1.25"):
        assert part in text


def test_every_chart_that_can_be_chosen_is_there() -> None:
    market = a_market()
    page = report_page(a_result(market), market, title="A run")
    chosen = re.findall(r'<option value="([^"]+)"', page)
    assert chosen
    placed = set(re.findall(r'data-figure="([^"]+)"', page))
    assert placed == {"exposure", "rolling", "costs"}
    assert set(chosen) | placed | {"curve"} == set(Page(page).figures)


def test_report_is_written_whole(tmp_path: Path) -> None:
    market = a_market()
    path = tmp_path / "report.html"
    path.write_text("old")
    write_report(path, a_result(market), market, title="A run")
    assert path.read_text(encoding="utf-8").endswith("</html>\n")
    assert list(tmp_path.iterdir()) == [path]


def test_place_that_is_not_there_is_named(tmp_path: Path) -> None:
    market = a_market()
    path = tmp_path / "missing" / "report.html"
    with pytest.raises(ConfigError, match=r"missing/report\.html cannot be written"):
        write_report(path, a_result(market), market, title="A run")
