"""Sessions traded in paper mode: an exchange in its own process, a runner in ours."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from tradewright.backtest.backtest import Backtest
from tradewright.backtest.parity import PaperSide
from tradewright.backtest.summary import by_code
from tradewright.bootstrap import REHEARSALS, ExchangeProcess, databases, open_stores, rehearse
from tradewright.core.errors import ConflictError
from tradewright.core.events import CashMoved
from tradewright.core.money import Money
from tradewright.engine.run import rows_of
from tradewright.engine.runner import KILL_SWITCH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tradewright.bootstrap import Databases, Settings, Stores
    from tradewright.cli.show import Steps
    from tradewright.core.records import Body, JsonValue
    from tradewright.data.history import MarketData
    from tradewright.engine.run import RunSpec

PAPER_SESSIONS: Final = 5
PAPER_LOG: Final = "paper"
KEY: Final = "rehearsal-key"
SECRET: Final = "rehearsal-secret"  # noqa: S105 - of an exchange on this machine alone


def exchange_arguments(spec: RunSpec, market: MarketData, folder: Path | None) -> list[str]:
    """Return what `tradewright exchange serve` is told, to replay what a spec trades."""
    arguments = [
        *("--from", spec.first.isoformat(), "--to", spec.last.isoformat()),
        *("--timeframe", spec.timeframe.value, "--port", "0", "--speed", "step"),
        *("--cash", str(spec.capital), "--leverage", str(spec.limits.leverage)),
        *("--commission", spec.commission, "--slippage", spec.slippage),
        *("--slippage-bps", str(spec.slippage_bps), "--fees", spec.fees, "--impact", spec.impact),
        *("--key", KEY, "--secret", SECRET),
    ]
    for symbol in market.frame.instruments:
        arguments += ["--symbols", symbol]
    if folder is not None:
        arguments += ["--data", str(folder)]
    if spec.volume_share is not None:
        arguments += ["--volume-share", str(spec.volume_share)]
    return arguments


async def trade_sessions(
    spec: RunSpec,
    market: MarketData,
    *,
    exchange: ExchangeProcess,
    stores: tuple[Databases, Settings, str],
    progress: Callable[[int, int], None],
) -> PaperSide:
    """Trade the spec's sessions through the exchange, beside a backtest of the same."""
    expected = Backtest(spec, market).run()
    found, settings, name = stores
    access = (exchange.address(), KEY, SECRET)
    async with (
        open_stores(found, settings, own=name) as opened,
        rehearse(spec, market, opened, access, progress=progress) as rehearsal,
    ):
        await clear_first_switch(opened)
        runner = rehearsal.runner
        opening = market.frame.known(rows_of(spec, market).first - 1)
        await runner.start([CashMoved(Money(spec.capital), opening, "opening balance")])
        await runner.run(rehearsal.feed)
        return PaperSide(
            sessions=sum(spec.first <= s.date <= spec.last for s in market.frame.sessions),
            expected=expected.orders,
            orders=runner.engine.desk.states,
            fills=runner.engine.desk.fills,
            refusals=runner.outcome.refusals,
            differences=runner.outcome.differences,
            book=runner.engine.ledger.snapshot(),
        )


def rehearse_in_process(
    spec: RunSpec, market: MarketData, folder: Path | None, settings: Settings, steps: Steps
) -> PaperSide:
    """Start databases and exchange, trade the spec's sessions, and leave nothing running."""
    with ExitStack() as running:
        with steps.step("services", "Start PostgreSQL and Redis"):
            found = running.enter_context(databases(settings))
        exchange = running.enter_context(ExchangeProcess(exchange_arguments(spec, market, folder)))
        return trade_steps(spec, market, exchange, (found, settings), steps)


def trade_steps(
    spec: RunSpec,
    market: MarketData,
    exchange: ExchangeProcess,
    where: tuple[Databases, Settings],
    steps: Steps,
) -> PaperSide:
    """Trade the spec's sessions at an exchange that has been started, step by step."""
    found, settings = where
    with steps.step("exchange", "Start the rehearsal exchange"):
        exchange.address()
    title = f"Trade the last {PAPER_SESSIONS} sessions on paper and reconcile"
    with steps.step("paper", title) as progress, _kept_log(settings):
        return asyncio.run(
            trade_sessions(
                spec,
                market,
                exchange=exchange,
                stores=(found, settings, rehearsal_name(spec)),
                progress=progress,
            )
        )


@contextmanager
def _kept_log(settings: Settings) -> Iterator[None]:
    # Beside the logs of services, where `tradewright logs paper` finds it, and so does promtail.
    from tradewright.ops import metrics
    from tradewright.ops.crew import open_log
    from tradewright.ops.logging import configure_logging, release_logging
    from tradewright.ops.redaction import Redactor

    log = settings.state_dir / "logs" / f"{PAPER_LOG}.log"
    given = [value for _, value in settings if isinstance(value, SecretStr)]
    redactor = Redactor(secret.get_secret_value() for secret in given)
    with os.fdopen(open_log(log), "a", encoding="utf-8") as stream:
        configure_logging(
            PAPER_LOG,
            settings.log_level,
            stream=stream,
            secrets=redactor,
            folder=settings.log_dir,
        )
        try:
            yield
        finally:
            release_logging()
            metrics.write(log.with_suffix(".prom"))


def rehearsal_name(spec: RunSpec) -> str:
    """Return the name of the database of a rehearsal: one that no other spec shares."""
    return f"{REHEARSALS}{spec.hash[:16]}_{os.getpid()}"


def paper_body(side: PaperSide, market: MarketData, seconds: Mapping[str, float]) -> Body:
    """Return a paper run's summary."""
    statuses = Counter(state.status.value for state in side.orders.values())
    return {
        "label": market.label,
        "simulated": market.simulated,
        "sessions": side.sessions,
        "orders": len(side.orders),
        "order_status": dict(sorted(statuses.items())),
        "fills": len(side.fills),
        "refusals": dict(by_code(side.refusals)),
        "cash": format(side.book.cash, "f"),
        "fees": format(side.book.fees, "f"),
        "parity": side.parity,
        "reconciled": side.reconciled,
        "seconds": {step: round(spent, 3) for step, spent in seconds.items()},
    }


async def clear_first_switch(stores: Stores) -> None:
    """Write the kill switch as clear if it was never written; an engaged one stays engaged."""
    if await stores.switches.get(KILL_SWITCH) is None:
        value: JsonValue = {"engaged": False, "reason": "first rehearsal", "version": 1}
        try:
            await stores.switches.compare_and_set(KILL_SWITCH, value, 0)
        except ConflictError:
            # Somebody else has just written the first state: theirs holds.
            return
