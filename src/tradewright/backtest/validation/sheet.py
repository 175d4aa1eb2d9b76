"""The page of a validation: a verdict, numbers, pictures and tables, in the style of a report.

All text is escaped here or by the tables; a section's content is HTML already.
"""

from __future__ import annotations

import html
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tradewright.backtest.report.page import filled_page
from tradewright.backtest.report.tables import facts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewright.backtest.report.figures import Figure
    from tradewright.core.records import Body, JsonValue


@dataclass(frozen=True, slots=True)
class Tile:
    """One number of the head: its name, the number as text, a note, and gain or loss for colour."""

    name: str
    value: str
    note: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page: a heading, and a figure, HTML or both; a `half` stands beside another."""

    heading: str
    content: str = ""
    figure: Figure | None = None
    note: str = ""
    half: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """A whole page before it is written, and the same as JSON-ready values.

    `lines` are what a terminal shows of its sections.
    """

    title: str
    verdict: str
    tiles: Sequence[Tile]
    sections: Sequence[Section]
    body: Body
    lines: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """What is validated: the strategy, its parameters, the dates and the data."""

    strategy: str
    parameters: Mapping[str, str]
    first: str
    last: str
    label: str
    simulated: bool
    about: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> Body:
        """Return it as JSON-ready values."""
        return {
            "strategy": self.strategy,
            "parameters": dict(self.parameters),
            "first": self.first,
            "last": self.last,
            "label": self.label,
            "simulated": self.simulated,
        }


def sheet_page(sheet: Sheet, subject: Subject) -> str:
    """Return a validation as one self-contained HTML page."""
    figures = {
        f"figure-{place}": one.figure
        for place, one in enumerate(sheet.sections)
        if one.figure is not None
    }
    parts = {
        "title": html.escape(sheet.title),
        "subtitle": _subtitle(subject),
        "banner": _banner(subject),
        "verdict": html.escape(sheet.verdict),
        "tiles": "".join(_tile(one) for one in sheet.tiles),
        "sections": _sections(sheet.sections)
        + f"<section><h2>What was looked at</h2>{facts(_facts(subject))}</section>",
    }
    return filled_page("validation.html", parts, figures)


def number(value: float) -> JsonValue:
    """A number for JSON, None where there is none."""
    return float(value) if math.isfinite(value) else None


def _subtitle(subject: Subject) -> str:
    chosen = ", ".join(f"{name} {value}" for name, value in sorted(subject.parameters.items()))
    strategy = f"{subject.strategy} ({chosen})" if chosen else subject.strategy
    parts = (strategy, f"{subject.first} to {subject.last}", subject.label)
    return "".join(f"<span>{html.escape(part)}</span>" for part in parts)


def _banner(subject: Subject) -> str:
    if not subject.simulated:
        return ""
    return (
        '<div class="banner" role="note"><strong>SIMULATED DATA</strong> '
        f"These prices are made up ({html.escape(subject.label)}). "
        "Nothing here says anything about a real market.</div>"
    )


def _tile(tile: Tile) -> str:
    return (
        f'<div class="tile"><h3>{html.escape(tile.name)}</h3>'
        f'<p class="{html.escape(tile.kind)}">{html.escape(tile.value)}</p>'
        f"<small>{html.escape(tile.note)}</small></div>"
    )


def _sections(sections: Sequence[Section]) -> str:
    parts: list[str] = []
    beside = False
    for place, one in enumerate(sections):
        if one.half is not beside:
            parts.append('<div class="pair">' if one.half else "</div>")
            beside = one.half
        parts.append(_section(place, one))
    return "".join(parts) + ("</div>" if beside else "")


def _section(place: int, section: Section) -> str:
    chart = f'<div class="chart" data-figure="figure-{place}"></div>' if section.figure else ""
    note = f"<small>{html.escape(section.note)}</small>" if section.note else ""
    heading = html.escape(section.heading)
    return f"<section><h2>{heading}</h2>{chart}{section.content}{note}</section>"


def _facts(subject: Subject) -> dict[str, str]:
    return {
        "strategy": subject.strategy,
        **{f"parameter {name}": value for name, value in sorted(subject.parameters.items())},
        "first session": subject.first,
        "last session": subject.last,
        "data": subject.label,
        **subject.about,
    }
