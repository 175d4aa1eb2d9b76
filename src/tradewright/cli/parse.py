"""Options as text to what they mean; a refusal names the option, the value and the remedy."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_type_hints

from tradewright import __version__
from tradewright.core.errors import InvalidInput, MissingData, UnknownName
from tradewright.core.money import parse_decimal
from tradewright.core.session import Timeframe
from tradewright.engine.named import StrategyFile, named_strategy, strategy_file
from tradewright.engine.run import RunSpec
from tradewright.portfolio.construct import Construction
from tradewright.portfolio.costs import CostNames, preset
from tradewright.portfolio.sizing import FixedFraction, VolatilityTarget
from tradewright.risk.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tradewright.data.history import MarketData
    from tradewright.portfolio.sizing import Sizing
    from tradewright.strategies.strategy import Strategy

_FEWEST_SESSIONS: Final = 2
_OURS: Final = (
    *("costs", "commission", "slippage", "slippage_bps", "fees", "impact", "borrow", "margin"),
    *("volume_share", "sizing", "fraction", "target_volatility", "min_trade"),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a command was asked to run, before it is known what data there is."""

    strategy: str
    parameters: Mapping[str, str]
    capital: Decimal
    costs: CostNames = field(default_factory=CostNames)
    volume_share: Decimal | None = None
    limits: Limits = field(default_factory=Limits)
    construction: Construction = field(default_factory=Construction)
    file: StrategyFile | None = None

    @property
    def timeframe(self) -> Timeframe:
        """The bars that the strategy needs."""
        return self.built().needs.timeframe

    @property
    def sha256(self) -> str:
        """SHA-256 of the strategy's file, empty where it ships."""
        return self.file.sha256 if self.file else ""

    def built(self) -> Strategy:
        """Return the strategy; its file must be as it was when the plan was made."""
        return named_strategy(self.strategy, self.parameters, self.sha256)


def planned(strategy: str, capital: Decimal, choices: Mapping[str, str]) -> Plan:
    """Sort `name=value` choices into costs, sizing and parameters of the strategy."""
    parameters = {name: value for name, value in choices.items() if name not in _OURS}
    share = choices.get("volume_share")
    return Plan(
        strategy,
        parameters,
        capital,
        cost_names(choices),
        amount(share, "volume_share") if share else None,
        construction=Construction(
            _sizing(choices),
            min_trade=amount(choices.get("min_trade", "0"), "min_trade", zero=True),
        ),
        file=strategy_file(strategy),
    )


def cost_names(choices: Mapping[str, str]) -> CostNames:
    """Read the cost models: those of the preset `costs` if one is chosen, then each by itself.

    Raises:
        UnknownName: There is no such preset or model.
        InvalidInput: A number cannot be, or two choices do not go together.
    """
    known = preset(choices["costs"]) if "costs" in choices else CostNames()
    bps, fixed = known.slippage_bps, known.slippage
    if "slippage_bps" in choices:
        fixed = choices.get("slippage", "fixed")
        if fixed != "fixed":
            rule = f"does not go with slippage={fixed}"
            raise InvalidInput("slippage_bps", choices["slippage_bps"], rule)
        bps = amount(choices["slippage_bps"], "slippage_bps", zero=True)
    chosen = CostNames(
        choices.get("commission", known.commission),
        choices.get("slippage", fixed),
        bps,
        choices.get("fees", known.fees),
        choices.get("impact", known.impact),
        choices.get("borrow", known.borrow),
        choices.get("margin", known.margin),
    )
    # What cannot be is said before any data is read.
    chosen.models()
    return chosen


def with_options(choices: Mapping[str, str], **options: str | None) -> dict[str, str]:
    """Add options of their own to choices; what is given both ways is refused."""
    given = {name: value for name, value in options.items() if value is not None}
    for name, value in given.items():
        if name in choices:
            raise InvalidInput(f"--{name}", value, "is given twice", "leave one of them out")
    return {**choices, **given}


def _sizing(choices: Mapping[str, str]) -> Sizing:
    name = choices.get("sizing", "fraction")
    if name == "fraction":
        _refuse_other(choices, "target_volatility", name)
        return FixedFraction(amount(choices.get("fraction", "1"), "fraction"))
    if name == "volatility":
        _refuse_other(choices, "fraction", name)
        return VolatilityTarget(
            amount(choices.get("target_volatility", "0.10"), "target_volatility")
        )
    raise UnknownName("sizing", name, ("fraction", "volatility"))


def _refuse_other(choices: Mapping[str, str], other: str, sizing: str) -> None:
    if other in choices:
        raise InvalidInput(other, choices[other], f"does not go with sizing={sizing}")


def first_of_last(market: MarketData, sessions: int) -> date:
    """Return the date of the first of the last sessions of a market.

    Raises:
        MissingData: The market has one session, and none before it to decide on.
    """
    known = market.frame.sessions
    if len(known) < _FEWEST_SESSIONS:
        what = f"{len(known)} session of bars leaves nothing to decide on"
        raise MissingData(market.label, what, f"give at least {_FEWEST_SESSIONS} sessions")
    return known[max(len(known) - sessions, 1)].date


def output_file(path: Path) -> Path:
    """Return where a summary is to be written; refuse at once what could not be written later."""
    try:
        if path.is_dir():
            raise InvalidInput("--output", str(path), "is a folder", "name a file in it")
        if not path.parent.is_dir():
            what = "lies in a folder that does not exist"
            raise InvalidInput("--output", str(path), what, f"make {path.parent} first")
    except OSError as error:
        raise _unwritable(path, error) from error
    if not os.access(path.parent, os.W_OK | os.X_OK):
        what = "lies in a folder that may not be written"
        raise InvalidInput("--output", str(path), what, "name a file in another")
    return path


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all."""
    part = output_file(path).with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> InvalidInput:
    what = f"cannot be written: {error.strerror}"
    return InvalidInput("--output", str(path), what, "name a file in a folder of yours")


def run_spec(plan: Plan, market: MarketData, first: date | None, last: date | None) -> RunSpec:
    """Return the spec of a plan on a market; without dates it is all that can be decided on.

    The first session then is the one after the strategy's features have their first value.
    """
    chosen = plan.built()
    frame = market.frame
    if first is None:
        first = frame.session_of(min(chosen.needs.rows, len(frame) - 1)).date
    known = frame.sessions[-1].date
    if last is None and first > known:
        what = f"is after the last session ({known}) of {market.label}"
        raise InvalidInput("--from", str(first), what, "choose an earlier day")
    if last is not None and last < first:
        raise InvalidInput("--to", str(last), f"is before --from ({first})", "choose a later day")
    return RunSpec(
        strategy=plan.strategy,
        parameters=plan.parameters,
        first=first,
        last=last or known,
        capital=plan.capital,
        limits=plan.limits,
        commission=plan.costs.commission,
        slippage_bps=plan.costs.slippage_bps,
        volume_share=plan.volume_share,
        construction=plan.construction,
        timeframe=frame.timeframe,
        data=market.label,
        strategy_sha256=plan.sha256,
        slippage=plan.costs.slippage,
        fees=plan.costs.fees,
        impact=plan.costs.impact,
        borrow=plan.costs.borrow,
        margin=plan.costs.margin,
    )


def amount(text: str, option: str, *, zero: bool = False) -> Decimal:
    """Read a positive amount, or one that may be zero."""
    value = parse_decimal(text, option)
    if value < 0 or (value == 0 and not zero):
        raise InvalidInput(option, text, "must not be negative" if zero else "must be positive")
    return value


def day(text: str | None, option: str) -> date | None:
    """Read a date."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInput(option, text, "is not a date", "write it as 2020-08-31") from None


def detail_of(text: str | None) -> Timeframe | None:
    """Read which finer bars orders fill on."""
    if text not in (None, Timeframe.MINUTE):
        raise UnknownName("--detail", str(text), [Timeframe.MINUTE])
    return None if text is None else Timeframe(text)


def pairs(texts: Sequence[str] | None) -> dict[str, str]:
    """Read `name=value` pairs."""
    found: dict[str, str] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InvalidInput("--set", text, "is not name=value", "write it as top=5")
        found[name.strip()] = value.strip()
    return found


def symbols_of(texts: Sequence[str] | None) -> tuple[str, ...]:
    """Read symbols given one by one, or apart by spaces or commas."""
    return tuple(word for text in texts or () for word in re.split(r"[,\s]+", text) if word)


def command_of(run: Callable[[Any], None], asked: type) -> Callable[..., None]:
    """Return a command whose options are the fields of the one object that `run` takes.

    A command's options are read off its signature, and some have more than a signature should.
    """

    def command(**given: object) -> None:
        run(asked(**given))

    kinds = get_type_hints(asked, include_extras=True)
    fields = inspect.signature(asked).parameters.values()
    shown = inspect.Signature([one.replace(annotation=kinds[one.name]) for one in fields])
    command.__doc__ = run.__doc__
    command.__signature__ = shown  # type: ignore[attr-defined]
    return command


def code_revision() -> str:
    """Return what code this is: the commit of a checkout, else the installed version."""
    try:
        # Installed below somebody's own checkout, we are none of its files.
        _git("ls-files", "--error-unmatch", Path(__file__).name)
        return _git("describe", "--always", "--dirty", "--abbrev=12") or __version__
    except (OSError, subprocess.SubprocessError):
        return __version__


def _git(*words: str) -> str:
    told = subprocess.run(  # noqa: S603 - fixed words
        ["git", *words],  # noqa: S607 - the user's own git
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
        timeout=5,
    )
    return told.stdout.strip()
