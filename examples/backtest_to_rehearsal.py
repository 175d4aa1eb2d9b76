"""From a backtest to the rehearsal exchange: one file, one spec, the same orders on both sides.

A strategy's file is any file with a class that decides, this one too. Its text is part of the
spec, so that no other text can be traded under its name. The rehearsal starts databases and an
exchange of its own, that speaks Alpaca's API over HTTP and a stream, and leaves nothing running.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

from tradewright import Backtest, Limits, MarketView, Needs, RunSpec, StrategyId, Target
from tradewright.analytics.returns import performance
from tradewright.bootstrap import load_market, load_settings
from tradewright.cli.rehearsal import rehearse_in_process
from tradewright.cli.show import Steps
from tradewright.engine.named import strategy_file
from tradewright.features.trend import sma


@dataclass(frozen=True)
class Dips:
    """Buy what has fallen `depth` below its mean, sell it back at the mean."""

    window: int = 20
    depth: float = 0.01
    id: StrategyId = field(default=StrategyId("dips"))

    @property
    def needs(self) -> Needs:
        """Daily bars, and the mean of their closes."""
        return Needs(features=(sma(self.window),))

    def decide(self, view: MarketView) -> list[Target]:
        """Say what to hold after each close."""
        means, share = view.feature(f"sma_{self.window}"), 0.9 / len(view.universe)
        targets = []
        for name, close, mean in zip(view.universe, view.tradable(), means, strict=True):
            if close < mean * (1 - self.depth) and name not in view.holdings:
                targets.append(Target(self.id, name, view.at, share, f"{close / mean - 1:.1%}"))
            elif close >= mean and name in view.holdings:
                targets.append(Target(self.id, name, view.at, 0.0, "back at its mean"))
        return targets


def main() -> None:
    """Backtest it over all sessions, then trade the last three of them on both sides."""
    market = load_market(None)
    days = [session.date for session in market.frame.sessions]
    own = f"{Path(__file__)}:Dips"
    file = strategy_file(own)
    spec = RunSpec(
        strategy=own,
        parameters={"window": "20"},
        first=days[20],
        last=days[-1],
        capital=Decimal(100_000),
        limits=Limits(),
        strategy_sha256=file.sha256 if file else "",
    )
    result = Backtest(spec, market).run()
    came_to = performance(result.equity)
    print(f"{len(result.fills)} fills, {came_to.total_return:+.1%}, Sharpe {came_to.sharpe:.2f}")

    last = replace(spec, first=days[-3])
    side = rehearse_in_process(last, market, None, load_settings(), Steps(quiet=True))
    for pair in side.pairs:
        order, state = pair.order, pair.actual
        what = f"{order.side} {order.quantity} {order.instrument}"
        print(f"{order.decided_at:%Y-%m-%d} {what}, {state.status if state else 'not asked'}")
    print(f"the same orders as a backtest: {side.parity}; books agree: {side.reconciled}")
    if not (side.pairs and side.parity and side.reconciled):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
