"""A first strategy in thirty lines: buy everything once, in equal parts, and hold it."""

from __future__ import annotations

from decimal import Decimal

from tradewright import Backtest, Limits, MarketView, Needs, RunSpec, StrategyId, Target
from tradewright.bootstrap import load_market


class BuyAndHold:
    """Equal parts of everything that trades, bought once."""

    id = StrategyId("buy-and-hold")
    needs = Needs()

    def decide(self, view: MarketView) -> list[Target]:
        """Buy while nothing is held."""
        if view.holdings:
            return []
        weight = 0.98 / len(view.universe)
        return [Target(self.id, name, view.at, weight, "buy and hold") for name in view.universe]


def main() -> None:
    """Run it over the simulated market."""
    market = load_market(None)
    days = [session.date for session in market.frame.sessions]
    spec = RunSpec(
        strategy="buy-and-hold",
        parameters={},
        first=days[1],
        last=days[-1],
        capital=Decimal(100_000),
        limits=Limits(),
    )
    result = Backtest(spec, market, strategy=BuyAndHold()).run()
    print(f"{len(result.fills)} fills, {result.final_equity:,.2f} dollars at the end")


if __name__ == "__main__":
    main()
