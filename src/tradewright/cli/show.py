"""What commands show: steps with their seconds, tables, and one line for an error.

Results go to standard output and progress to standard error, so that `--json` can be piped.
"""

from __future__ import annotations

import json
from contextlib import contextmanager, nullcontext
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from tradewright.core.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tradewright.backtest.parity import PaperSide
    from tradewright.core.records import JsonValue

_PROMISES = ("parity", "reconciled", "equal")
_PERCENT = ("total_return", "cagr", "volatility", "max_drawdown", "hit_rate", "turnover")
_DOLLARS = ("capital", "final_equity", "cash", "fees", "dividends", "financing")


class Told(Protocol):
    """Takes how much is done, how much there is if it is known, and a note for people."""

    def __call__(self, done: int, total: int | None, note: str = "") -> None:
        """Show it."""
        ...


class Steps:
    """The steps of a long command: a spinner while one runs, a tick and its seconds after."""

    def __init__(self, *, quiet: bool) -> None:
        """Show on standard error; `quiet` shows nothing and measures all the same."""
        self.seconds: dict[str, float] = {}
        self._console = Console(stderr=True, quiet=quiet)
        self._clock = SystemClock()

    def say(self, text: str) -> None:
        """Show a line of rich text."""
        self._console.print(text, highlight=False)

    @contextmanager
    def step(self, name: str, title: str) -> Iterator[Told]:
        """Run a step; what is yielded takes how much is done and how much there is."""
        progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        )
        began = self._clock.monotonic()
        # Where nobody watches, a bar that moves is a blank line and no more; a notebook says that
        # it has colours, and would keep every frame of it.
        watched = self._console.is_interactive and self._console.file.isatty()
        with progress if watched else nullcontext():
            task = progress.add_task(title, total=None)

            def tell(done: int, total: int | None, note: str = "") -> None:
                shown = f"{title} [dim]{escape(note)}[/]" if note else title
                progress.update(task, completed=done, total=total, description=shown)

            yield tell
        spent = self._clock.monotonic() - began
        self.seconds[name] = self.seconds.get(name, 0.0) + spent
        self.say(f"[green]✓[/] {title} [dim]{spent:.1f} s[/]")


def show_json(body: Mapping[str, JsonValue]) -> None:
    """Print a result as JSON alone."""
    print(json.dumps(body, indent=2))


def show_summary(body: Mapping[str, JsonValue], title: str) -> None:
    """Print a run's summary as a table."""
    table = Table(title=escape(title), show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(justify="right")
    for key, value in body.items():
        if isinstance(value, dict) and value:
            for inner, one in value.items():
                table.add_row(escape(f"{key}: {inner}"), _text(inner, one))
        else:
            table.add_row(key.replace("_", " "), _text(key, value))
    Console().print(table)


def _text(key: str, value: JsonValue) -> str:
    if isinstance(value, bool):
        if value:
            return "[green]yes[/]"
        return "[bold red]NO[/]" if key in _PROMISES else "no"
    if isinstance(value, float):
        return f"{value:.2%}" if key in _PERCENT else f"{value:,.3f}"
    if isinstance(value, str) and key in _DOLLARS:
        return f"{Decimal(value):,.2f}"
    if isinstance(value, dict):
        return escape(", ".join(f"{name} {one}" for name, one in value.items())) or "none"
    return "–" if value is None else escape(str(value))


def show_line(text: str) -> None:
    """Print a line of a result."""
    print(text)


def show_orders(side: PaperSide) -> None:
    """Print each order of a rehearsal beside what the backtest expected."""
    table = Table(title="Orders", title_justify="left")
    for name in ("decided", "side", "quantity", "instrument", "expected", "paper", "equal"):
        table.add_column(name)
    for pair in side.pairs:
        order = pair.order
        states = (pair.expected, pair.actual)
        expected, actual = (state.status.value if state else "–" for state in states)
        table.add_row(
            order.decided_at.strftime("%Y-%m-%d %H:%M"),
            order.side.value,
            format(order.quantity, "f"),
            order.instrument,
            expected,
            actual,
            _text("equal", pair.equal),
        )
    Console().print(table)
