"""The month that every way of running must trade alike, and how each way is started."""

from __future__ import annotations

from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING

from tradewright.bootstrap import ExchangeProcess, load_market
from tradewright.cli.rehearsal import exchange_arguments
from tradewright.engine.run import RunSpec
from tradewright.risk.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tradewright.data.history import MarketData

SESSIONS = 23
PARAMETERS = {"top": "3", "rebalance": "week"}


def market() -> MarketData:
    """The simulated market: the same in every process."""
    return load_market(None)


def spec(loaded: MarketData, *, sessions: int = SESSIONS) -> RunSpec:
    """The last sessions of it, traded weekly."""
    days = [session.date for session in loaded.frame.sessions]
    return RunSpec(
        strategy="momentum",
        parameters=PARAMETERS,
        first=days[-sessions],
        last=days[-1],
        capital=Decimal(100_000),
        limits=Limits(),
        data=loaded.label,
    )


@contextmanager
def exchange(run: RunSpec, loaded: MarketData) -> Iterator[str]:
    """A rehearsal exchange in its own process, at its address."""
    with ExchangeProcess(exchange_arguments(run, loaded, None)) as process:
        yield process.address()
