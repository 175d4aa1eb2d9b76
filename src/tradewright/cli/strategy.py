"""`tradewright strategy list` and `strategy new`: what ships, and the beginning of one's own.

What `new` writes runs at once and has a test; it is the user's from then on.
"""

from __future__ import annotations

import re
from dataclasses import MISSING, fields
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tradewright.cli.parse import write_whole
from tradewright.cli.show import show_json, show_line
from tradewright.core.errors import InvalidInput
from tradewright.strategies.registry import MADE_OF, STRATEGIES, parameters_of

if TYPE_CHECKING:
    from tradewright.core.records import Body

app = typer.Typer(help="Strategies: those that ship, and your own.", no_args_is_help=True)

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

STRATEGY: Final = Template('''\
"""$title: above its average an instrument is held, below it is not."""

from __future__ import annotations

from dataclasses import dataclass, field

from tradewright import MarketView, Needs, StrategyId, Target
from tradewright.features.trend import sma


@dataclass(frozen=True)
class $kind:
    """Hold each instrument in an equal part while its close is above its average.

    The fields are parameters: `--set window=100` changes one. Nothing is remembered between
    decisions; what you need of the past, ask the view for.
    """

    window: int = 50
    invested: float = 0.98
    id: StrategyId = field(default=StrategyId("$name"))

    @property
    def needs(self) -> Needs:
        """Daily bars, and the average of their closes."""
        return Needs(features=(sma(self.window),))

    def decide(self, view: MarketView) -> list[Target]:
        """Say what to hold after each close; what is not mentioned stays as it is."""
        averages = view.feature(f"sma_{self.window}")
        share = self.invested / len(view.universe)
        targets = []
        for name, close, average in zip(view.universe, view.tradable(), averages, strict=True):
            # A price or an average that is not known is neither above nor below.
            if close > average and name not in view.holdings:
                targets.append(Target(self.id, name, view.at, share, "above the average"))
            elif close < average and name in view.holdings:
                targets.append(Target(self.id, name, view.at, 0.0, "below the average"))
        return targets
''')
TEST: Final = Template('''\
"""$title trades, and decides the same when it is asked again."""

from __future__ import annotations

from decimal import Decimal

from $module import $kind
from tradewright import Backtest, Limits, Result, RunSpec
from tradewright.bootstrap import load_market


def run() -> Result:
    """One run over the simulated market."""
    market, strategy = load_market(None), $kind()
    days = [session.date for session in market.frame.sessions]
    first = days[strategy.needs.rows]
    spec = RunSpec("$name", {}, first, days[-1], Decimal(100_000), Limits())
    return Backtest(spec, market, strategy=strategy).run()


def test_it_trades() -> None:
    """It buys and sells, and no order is refused."""
    result = run()
    assert {fill.side.value for fill in result.fills} == {"buy", "sell"}
    assert not result.refusals


def test_it_decides_the_same_again() -> None:
    """What it decides depends on the market alone."""
    assert run().fills == run().fills
''')


@app.command("list")
def shipped(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON alone.")] = False,
) -> None:
    """List the strategies that ship, with their parameters and defaults."""
    found = {name: _described(name, kind) for name, kind in STRATEGIES.items()}
    if as_json:
        show_json({"strategies": [{"name": name, **body} for name, body in found.items()]})
        return
    table = Table(show_lines=True)
    for heading in ("name", "rule", "parameters"):
        table.add_column(heading)
    for name, body in found.items():
        given = body["parameters"]
        words = given.items() if isinstance(given, dict) else ()
        text = "\n".join(f"{key}={value}" for key, value in words)
        table.add_row(name, escape(str(body["rule"])), escape(text))
    Console().print(table)
    show_line("Run one: tradewright backtest --strategy NAME --set PARAMETER=VALUE")


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="What it is to be called, as my-idea.")],
    *,
    folder: Annotated[
        Path, typer.Option("--folder", help="Where its two files are written.")
    ] = Path(),
) -> None:
    """Write a strategy of your own and its test; both run as they stand."""
    if not _NAME.fullmatch(name):
        rule = "is not small letters, digits and hyphens"
        raise InvalidInput("NAME", name, rule, "write it as my-idea")
    if not folder.is_dir():
        raise InvalidInput("--folder", str(folder), "is not a folder", "make it first")
    module = name.replace("-", "_")
    kind = "".join(word.capitalize() for word in name.split("-"))
    words = {"name": name, "module": module, "kind": kind, "title": name.replace("-", " ").title()}
    written = {
        folder / f"{module}.py": STRATEGY.substitute(words),
        folder / f"test_{module}.py": TEST.substitute(words),
    }
    for path in written:
        if path.exists():
            raise InvalidInput("NAME", name, f"{path} is there already", "choose another name")
    for path, text in written.items():
        write_whole(path, text)
        show_line(f"wrote {path}")
    own = folder / f"{module}.py"
    shown = own if own.is_absolute() or len(own.parts) > 1 else f"./{own}"
    show_line(f"run it: tradewright backtest --strategy {shown}:{kind}")
    show_line(f"test it: python -m pytest {folder / f'test_{module}.py'}")


def _described(name: str, kind: type) -> Body:
    text = " ".join((kind.__doc__ or "").split("\n\n")[0].split())
    known = parameters_of(kind)
    parameters: Body = {**MADE_OF.get(name, {})}
    for one in fields(kind):
        if one.name in known and one.default is not MISSING:
            parameters[one.name] = str(one.default)
    return {"rule": text, "parameters": parameters}
