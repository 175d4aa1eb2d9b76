"""What `search run` is asked for, and the search that is made of it or gone on with."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, get_type_hints

import typer

from tradewright import __version__
from tradewright.backtest.choice import Way
from tradewright.backtest.search.evaluation import (
    OF_BOOKS,
    Evaluation,
    longest_set,
    settled_way,
)
from tradewright.backtest.search.objective import RISES, Objectives
from tradewright.backtest.search.page import shown_value
from tradewright.backtest.search.plan import SAMPLERS, SearchSpec
from tradewright.backtest.search.search import Search
from tradewright.backtest.search.space import Space, parameters_of
from tradewright.backtest.search.trials import TrialFolder
from tradewright.backtest.search.where import rules_of
from tradewright.bootstrap import load_settings, open_executor, usual_workers
from tradewright.cli.trade import Backtesting, plan_of, spec_and_market
from tradewright.core.clock import SystemClock
from tradewright.core.errors import ConfigError, InvalidInput, WorkError
from tradewright.core.ids import run_id
from tradewright.data.fingerprint import data_hash
from tradewright.engine.run import rows_of

if TYPE_CHECKING:
    from tradewright.backtest.search.folders import KeptSearch
    from tradewright.backtest.search.trials import Trial
    from tradewright.cli.show import Steps
    from tradewright.core.records import Body, JsonValue
    from tradewright.data.history import MarketData

SEARCHES: Final = "searches"
_FORMAT: Final = 1
_WORTH_OTHERS: Final = 400_000_000
_HOW: Final = ("workers", "scheduler", "max_seconds", "as_json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Searching(Backtesting):
    """What `search run` is asked for: the options of a backtest, and these."""

    params: Annotated[
        list[str] | None,
        typer.Option(
            "--param",
            help="A parameter and its values: fast=5:50:5 (from:to:step), kind=a,b,c, "
            "x=uniform:0.1:0.9, x=log:0.001:1, n=int:5:50, n=logint:5:500.",
        ),
    ] = None
    where: Annotated[
        list[str] | None,
        typer.Option("--where", help="A rule that a set must keep, as 'fast < slow'."),
    ] = None
    sampler: Annotated[
        str, typer.Option("--sampler", help=f"How sets are chosen: {', '.join(SAMPLERS)}.")
    ] = "grid"
    objective: Annotated[
        list[str] | None,
        typer.Option(
            "--objective",
            help=f"What is looked for, sharpe unless told: {', '.join(RISES)}. Given several "
            "times, the sets that none beats in all.",
        ),
    ] = None
    trials: Annotated[
        int | None,
        typer.Option("--trials", help="Sets to try at most; all of a grid, else 100."),
    ] = None
    min_trades: Annotated[
        int, typer.Option("--min-trades", help="Fills that a set must have to be compared.")
    ] = 0
    patience: Annotated[
        int | None, typer.Option("--patience", help="Stop after so many trials without a better.")
    ] = None
    max_seconds: Annotated[
        float | None, typer.Option("--max-seconds", help="Stop after so long.")
    ] = None
    seed: Annotated[int, typer.Option("--seed", help="Where chance begins.")] = 0
    batch: Annotated[
        int,
        typer.Option(
            "--batch", help="Sets that bayesian and genetic decide on before any is known."
        ),
    ] = 16
    workers: Annotated[
        int | None,
        typer.Option("--workers", help="Processes to work in; by default what the work is worth."),
    ] = None
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", help="Address of a Dask scheduler to work on.")
    ] = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A search that is ready to run, and where and how long it is to."""

    spec: SearchSpec
    market: MarketData
    folder: TrialFolder
    workers: int | None
    scheduler: str | None
    max_seconds: float | None


def prepared(asked: Searching, steps: Steps) -> Prepared:
    """Read what is asked for, load the market and make the folder.

    Raises:
        InvalidInput: An option cannot be.
        DataError: There is no such data, or it cannot be trusted.
    """
    _check_how(asked)
    spec, market = _made(asked, steps)
    at = SystemClock().now()
    hashed = _hashed(spec, market)
    body = spec.body()
    frame, rows = market.frame, rows_of(spec.run, market).lives
    days = dict.fromkeys(frame.session_of(row).date.isoformat() for row in rows)
    name = run_id(spec.run.hash + hashed + str(body), at.strftime("%Y%m%dT%H%M%S"))
    whole: Body = {
        "format": _FORMAT,
        "id": name,
        "started": at.isoformat(),
        "version": __version__,
        "asked": _asked_body(asked),
        "search": body,
        "data_hash": hashed,
        "sessions": list(days),
    }
    # What cannot be sampled is refused before anything is written.
    spec.made_sampler()
    folder = TrialFolder.made(load_settings().runs_dir / SEARCHES / name, whole)
    return Prepared(spec, market, folder, asked.workers, asked.scheduler, asked.max_seconds)


def resumed(kept: KeptSearch, trials: int | None, how: dict[str, Any], steps: Steps) -> Prepared:
    """Prepare to go on with a search, with so many trials in all if that is given.

    Raises:
        InvalidInput: An option cannot be.
        ConfigError: The data or the strategy are not those that it began with.
    """
    given = {name: how[name] for name in ("workers", "scheduler", "max_seconds")}
    asked = replace(_asked_of(kept), **given)
    if trials is not None:
        asked = replace(asked, trials=trials)
    _check_how(asked)
    spec, market = _made(asked, steps)
    was, now = kept.spec, spec.body() | {"trials": kept.spec["trials"]}
    facts: list[tuple[str, Any, Any]] = [
        ("data", kept.kept.spec["data_hash"], _hashed(spec, market))
    ]
    facts += [(name, value, spec.run.body().get(name)) for name, value in was["run"].items()]
    facts += [(name, value, now[name]) for name, value in was.items()]
    for what, before, after in facts:
        if before != after:
            told = f"{what} of search {kept.id} is not what it began with"
            raise ConfigError(told, "put it back, or search anew")
    folder = TrialFolder(kept.path, len(kept.kept.sessions))
    return Prepared(spec, market, folder, asked.workers, asked.scheduler, asked.max_seconds)


def searched(ready: Prepared, steps: Steps) -> Path:
    """Run a search to its end and return its folder; what stops it says how to go on.

    Raises:
        WorkError: A set ended two workers, or the work itself broke.
    """
    spec, folder = ready.spec, ready.folder
    job = Evaluation(spec.run, ready.market, spec.way, bool(OF_BOOKS & {*spec.objectives.names}))
    first = spec.objectives.names[0]

    def tell(what: str) -> None:
        steps.say(f"[yellow]![/] {what}")

    with steps.step("search", f"Search {spec.sampler}") as progress:

        def so_far(done: int, best: Trial | None) -> None:
            shown = "" if best is None else f"best {first} {shown_value(first, best.objective)}"
            progress(done, _count(spec), f"{done:,} trials {shown}")

        search = Search(
            spec,
            folder,
            SystemClock(),
            at_once=job.at_once,
            max_seconds=ready.max_seconds,
            progress=so_far,
        )
        try:
            with (
                open_executor(_workers(ready), ready.scheduler, tell) as executor,
                executor.running(job) as answers,
            ):
                search.run(answers)
        except (KeyboardInterrupt, WorkError):
            steps.say(f"go on with: tradewright search resume {folder.path.name}")
            raise
    return folder.path


def command_line(kept: KeptSearch, trial: Trial) -> str:
    """Return the command that runs a trial's set by itself, over the same sessions."""
    asked, run = _asked_of(kept), kept.spec["run"]
    asked = replace(
        asked,
        start=run["first"],
        end=run["last"],
        choices=[
            *(asked.choices or ()),
            *(f"{name}={value}" for name, value in trial.parameters.items()),
        ],
    )
    words = ["tradewright", "backtest"]
    kinds = get_type_hints(Backtesting, include_extras=True)
    for each in fields(Backtesting):
        value = getattr(asked, each.name)
        if value == each.default and each.name != "strategy":
            continue
        told = kinds[each.name].__metadata__[0]
        # Where an option is an annotation, its name stands where the default would.
        option = next(word for word in (told.default, *told.param_decls) if word is not None)
        if value is True:
            words.append(option)
        for one in value if isinstance(value, list) else [] if value is True else [value]:
            words += [option, str(one)]
    return shlex.join(words)


def _made(asked: Searching, steps: Steps) -> tuple[SearchSpec, MarketData]:
    plan, way = plan_of(asked, Way.AUTO)
    parameters = parameters_of(asked.params or ())
    names = [parameter.name for parameter in parameters]
    for name in names:
        if name in plan.parameters:
            rule = "is fixed by --set and searched by --param"
            raise InvalidInput(name, plan.parameters[name], rule, "leave one of them out")
    space = Space(parameters, rules_of(asked.where or (), names, plan.parameters))
    objectives = Objectives.of(asked.objective or ())
    longest = longest_set(plan.strategy, plan.parameters, space)
    with steps.step("load", "Load the market"):
        whole = replace(plan, parameters={**plan.parameters, **longest})
        run, market = spec_and_market(asked, whole)
        way = settled_way(way, run, market)
        run = replace(run, parameters=dict(plan.parameters))
    spec = SearchSpec(
        run=run,
        space=space,
        sampler=asked.sampler,
        objectives=objectives,
        trials=asked.trials,
        seed=asked.seed,
        batch=asked.batch,
        min_trades=asked.min_trades,
        patience=asked.patience,
        way=way,
    )
    return spec, market


def _check_how(asked: Searching) -> None:
    if asked.workers is not None and asked.workers < 1:
        raise InvalidInput("--workers", asked.workers, "is below 1", "give 1 or more")
    if asked.workers is not None and asked.scheduler is not None:
        rule = "does not go with --scheduler, which has workers of its own"
        raise InvalidInput("--workers", asked.workers, rule, "leave one of them out")
    if asked.max_seconds is not None and not asked.max_seconds > 0:
        raise InvalidInput("--max-seconds", asked.max_seconds, "is not positive", "give more")


def _hashed(spec: SearchSpec, market: MarketData) -> str:
    detail = market.detail.frame if spec.run.detail and market.detail else None
    return data_hash(market.frame, market.actions, detail)


def _workers(ready: Prepared) -> int:
    if ready.workers is not None:
        return ready.workers
    # Over columns a set takes no time, and to start a worker takes seconds.
    cells = ready.market.frame.close.size * (_count(ready.spec) or 1)
    quick = ready.spec.way is not Way.EVENTS and cells < _WORTH_OTHERS
    return 1 if quick else usual_workers()


def _count(spec: SearchSpec) -> int | None:
    counts = [count for count in (spec.limit, spec.space.size) if count is not None]
    return min(counts) if counts else None


def _asked_body(asked: Searching) -> Body:
    body: Body = {}
    for each in fields(Searching):
        value: JsonValue | Path = getattr(asked, each.name)
        if each.name not in _HOW:
            body[each.name] = str(value) if isinstance(value, Path) else value
    return body


def _asked_of(kept: KeptSearch) -> Searching:
    known: dict[str, Any] = dict(kept.kept.spec["asked"])
    if known["data"] is not None:
        known["data"] = Path(known["data"])
    return Searching(**known)
