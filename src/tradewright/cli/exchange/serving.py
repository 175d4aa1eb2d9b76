"""What `exchange serve` is asked for, and the exchange that is made of it.

The options that decide what the exchange does are also what its state is bound to: a state
folder is opened again under the same ones only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tradewright import __version__
from tradewright.bootstrap import load_market, load_quotes
from tradewright.cli.parse import amount, day, symbols_of
from tradewright.core.errors import InvalidInput
from tradewright.core.session import Span, Timeframe
from tradewright.data.fingerprint import data_hash, quotes_hash
from tradewright.execution.venue import FillOn, VenueModel
from tradewright.portfolio.costs import CostNames

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradewright.core.ids import InstrumentId
    from tradewright.data.history import MarketData
    from tradewright.data.quotes import QuoteBars
    from tradewright.exchange import Exchange

STEP: Final = "step"
FULL: Final = "max"
_A_TENTH: Final = Decimal("0.1")
_FRACTION: Final = Decimal("0.000000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What `serve` is asked for: each field is an option of the command."""

    start: Annotated[str | None, typer.Option("--from", help="First session, a date.")] = None
    end: Annotated[str | None, typer.Option("--to", help="Last session, a date.")] = None
    on: Annotated[str | None, typer.Option("--day", help="The one session, a date.")] = None
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Folder of market data; without it a simulated market."),
    ] = None
    symbols: Annotated[
        list[str] | None, typer.Option("--symbols", help="Symbols, apart by spaces or commas.")
    ] = None
    timeframe: Annotated[Timeframe, typer.Option("--timeframe", help="The length of a bar.")] = (
        Timeframe.DAY
    )
    port: Annotated[int, typer.Option("--port", help="Port on this machine; 0 takes any.")] = 8010
    speed: Annotated[
        str,
        typer.Option(
            "--speed", help="Times real time, max, or step: by POST /rehearsal/advance alone."
        ),
    ] = STEP
    skip_nights: Annotated[
        bool, typer.Option("--skip-nights", help="Let no time pass between sessions.")
    ] = False
    state: Annotated[
        Path | None,
        typer.Option("--state", help="Folder that the state is kept in; without it in memory."),
    ] = None
    cash: Annotated[str, typer.Option("--cash", help="US dollars in the account.")] = "100000"
    leverage: Annotated[
        str, typer.Option("--leverage", help="Buying power as a multiple of equity.")
    ] = "2"
    commission: Annotated[
        str, typer.Option("--commission", help="Model, as ib-fixed, per-share, percent or none.")
    ] = "ib-fixed"
    slippage: Annotated[
        str, typer.Option("--slippage", help="Model, as fixed, half-spread or square-root.")
    ] = "fixed"
    slippage_bps: Annotated[
        str, typer.Option("--slippage-bps", help="Basis points lost on each fill, where fixed.")
    ] = "2"
    fees: Annotated[str, typer.Option("--fees", help="Of regulators: us-sales or none.")] = "none"
    impact: Annotated[str, typer.Option("--impact", help="Model: almgren or none.")] = "none"
    volume_share: Annotated[
        str | None,
        typer.Option("--volume-share", help="Fraction of a bar's volume, or a quote's, to take."),
    ] = None
    fill_on: Annotated[
        FillOn | None,
        typer.Option("--fill-on", help="bars or quotes; by default quotes for minute bars."),
    ] = None
    sized: Annotated[
        bool, typer.Option("--sized", help="Fill on quotes up to the size that they show.")
    ] = False
    partial_fills: Annotated[
        bool, typer.Option("--partial-fills", help="Fill one order in ten on quotes in two parts.")
    ] = False
    luld: Annotated[
        bool, typer.Option("--luld", help="Pause trading for five minutes at 5 % limits.")
    ] = False
    fractional: Annotated[
        bool | None,
        typer.Option(
            "--fractional/--whole", help="Trade fractions of shares; by default on quotes."
        ),
    ] = None
    faults: Annotated[bool, typer.Option("--faults", help="Take scripts of faults.")] = False
    one_stream: Annotated[
        bool, typer.Option("--one-stream", help="Refuse a second stream of trade updates.")
    ] = False
    per_minute: Annotated[
        int | None, typer.Option("--per-minute", help="Requests a minute before 429.")
    ] = None
    pdt_fields: Annotated[
        bool, typer.Option("--pdt-fields", help="Show the day-trader fields of before July 2026.")
    ] = False
    key: Annotated[str, typer.Option("--key", help="Key id that clients show.")] = "rehearsal"
    secret: Annotated[str, typer.Option("--secret", help="Its secret.")] = "rehearsal"  # noqa: S105
    with_parent: Annotated[
        bool, typer.Option("--with-parent", help="Stop when standard input is closed.")
    ] = False


def exchange_of(asked: Serving) -> Exchange:
    """Make the exchange that is asked for, opened again where its state was kept.

    Raises:
        InvalidInput: An option cannot be.
        DataError: There is no such data, or it cannot be trusted.
        ConfigError: The state folder cannot be used, or holds another exchange's.
    """
    from tradewright.exchange import Exchange, ReplayMarket
    from tradewright.exchange.faults.judge import Faults

    if asked.speed not in {STEP, FULL}:
        amount(asked.speed, "--speed")
    span = _span(asked)
    cash, leverage = amount(asked.cash, "--cash"), amount(asked.leverage, "--leverage")
    model = _model(asked)
    on_quotes = model.fill_on is FillOn.QUOTES
    data = load_market(asked.data, symbols=symbols_of(asked.symbols), timeframe=asked.timeframe)
    if on_quotes if asked.fractional is None else asked.fractional:
        data = _in_fractions(data)
    quotes = load_quotes(asked.data, data.frame.instruments, span) if on_quotes else {}
    market = ReplayMarket.over(
        data, span, model=model, cash=cash, leverage=leverage, quotes=quotes, luld=asked.luld
    )
    exchange = Exchange(
        market,
        leverage=leverage,
        faults=Faults() if asked.faults else None,
        pdt_fields=asked.pdt_fields,
    )
    if asked.state is not None:
        exchange.keep(asked.state, _facts(asked, span, model, data, quotes))
    return exchange


def _facts(
    asked: Serving,
    span: Span,
    model: VenueModel,
    data: MarketData,
    quotes: Mapping[InstrumentId, QuoteBars],
) -> Mapping[str, str]:
    given = {
        "version": __version__,
        "data": data_hash(data.frame, data.actions),
        "quotes": quotes_hash(quotes),
        "from": span.start,
        "to": span.end,
        "fill-on": model.fill_on.value,
        "sized": model.sized,
        "partial-fills": model.partial_chance,
        "volume-share": model.volume_share,
        "fractional": min(item.lot for item in data.instruments.values()) < 1,
    }
    same = (
        *("cash", "leverage", "luld", "pdt_fields"),
        *("commission", "slippage", "slippage_bps", "fees", "impact"),
    )
    given |= {name.replace("_", "-"): getattr(asked, name) for name in same}
    return {name: str(value) for name, value in given.items()}


def _model(asked: Serving) -> VenueModel:
    share = amount(asked.volume_share, "--volume-share") if asked.volume_share else None
    bps = amount(asked.slippage_bps, "--slippage-bps", zero=True)
    costs = CostNames(asked.commission, asked.slippage, bps, asked.fees, asked.impact)
    by_default = FillOn.QUOTES if asked.timeframe is Timeframe.MINUTE else FillOn.BARS
    fill_on = asked.fill_on or by_default
    for option in ("sized", "partial_fills"):
        if getattr(asked, option) and fill_on is FillOn.BARS:
            name = f"--{option.replace('_', '-')}"
            raise InvalidInput(name, True, "goes with quotes alone", "add --fill-on quotes")  # noqa: FBT003
    return VenueModel(
        costs.models(),
        share,
        fill_on=fill_on,
        sized=asked.sized,
        partial_chance=_A_TENTH if asked.partial_fills else Decimal(0),
    )


def _in_fractions(data: MarketData) -> MarketData:
    listed = {name: replace(item, lot=_FRACTION) for name, item in data.instruments.items()}
    return replace(data, instruments=listed)


def _span(asked: Serving) -> Span:
    only = day(asked.on, "--day")
    start, end = day(asked.start, "--from"), day(asked.end, "--to")
    if only is not None:
        if start is not None or end is not None:
            raise InvalidInput("--day", asked.on, "does not go with --from and --to")
        return Span(only, only)
    if start is None or end is None:
        missing = "--to" if start is not None else "--from" if end is not None else "--day"
        remedy = "give --day 2020-08-31, or --from and --to (see --help)"
        raise InvalidInput(missing, "", "is missing", remedy)
    return Span(start, end)
