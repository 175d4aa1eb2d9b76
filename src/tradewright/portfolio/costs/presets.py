"""Broker schedules and scenarios: the names of all models of a run at once.

A preset is only what it writes out: a run's spec records the models, not the preset. Numbers that
no page of the broker could be held against are marked unverified; those of the scenarios are
assumptions of ours, chosen so that each costs at least what the one before it does.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from tradewright.core.errors import InvalidInput, UnknownName
from tradewright.portfolio.costs import names
from tradewright.portfolio.costs.trading import TradingCosts

if TYPE_CHECKING:
    from collections.abc import Mapping

_TWO: Final = Decimal(2)


@dataclass(frozen=True, slots=True)
class CostNames:
    """The cost models of a run by name; `slippage_bps` are those of `fixed` slippage."""

    commission: str = "ib-fixed"
    slippage: str = "fixed"
    slippage_bps: Decimal = _TWO
    fees: str = "none"
    impact: str = "none"
    borrow: str = "none"
    margin: str = "none"

    def models(self) -> TradingCosts:
        """Return the models.

        Raises:
            UnknownName: There is no model of a name.
            InvalidInput: A number of a model cannot be, or two models do not go together.
        """
        return TradingCosts(
            names.commission(self.commission),
            names.slippage(self.slippage, self.slippage_bps),
            names.levies(self.fees),
            names.impact(self.impact),
            names.borrow(self.borrow),
            names.margin(self.margin),
        )

    def check_followed(self) -> None:
        """Refuse what a run at an exchange, which charges by its own book, cannot follow.

        Raises:
            InvalidInput: The commission counts the shares of a month, or interest is charged.
        """
        if self.models().metered is not None:
            rule = "counts the shares of the month, which a run at an exchange cannot follow"
            raise InvalidInput("commission", self.commission, rule, "choose one without tiers")
        for name in ("borrow", "margin"):
            if getattr(self, name) != "none":
                rule = "is charged in backtests alone: the exchange charges no interest"
                raise InvalidInput(name, getattr(self, name), rule, f"choose {name}=none")


@dataclass(frozen=True, slots=True)
class Preset:
    """A set of names, and where its numbers come from."""

    names: CostNames
    source: str


_FIVE: Final = Decimal(5)
_SPECIFIED: Final = "borrow rate unverified: the specification's (28.9)"
_OURS: Final = "assumptions of ours"

PRESETS: Final[Mapping[str, Preset]] = {
    "alpaca": Preset(
        CostNames("none", slippage_bps=_FIVE, fees="us-sales", borrow="flat:rate=0.055"),
        f"alpaca.markets: no commission, fees on sales; {_SPECIFIED}",
    ),
    "ib-fixed": Preset(
        CostNames(
            "ib-fixed-capped", slippage_bps=_FIVE, fees="us-sales", borrow="flat:rate=0.0159"
        ),
        f"interactivebrokers.com, US stocks, fixed; {_SPECIFIED}",
    ),
    "ib-tiered": Preset(
        CostNames("ib-tiered", slippage_bps=_FIVE, fees="us-sales", borrow="flat:rate=0.0159"),
        f"interactivebrokers.com, US stocks, tiered, without exchange and clearing; {_SPECIFIED}",
    ),
    "institutional": Preset(
        CostNames("institutional", "half-spread", fees="us-sales", impact="almgren"),
        "rates unverified: the specification's (28.9); the month's million is an assumption",
    ),
    "optimistic": Preset(CostNames("none", slippage_bps=Decimal(1)), _OURS),
    "pessimistic": Preset(
        CostNames(
            "per-share:rate=0.01,minimum=2",
            "adaptive:urgency=2,spread_bps=10,unknown_bps=100",
            fees="us-sales",
            borrow="flat:rate=0.12",
            margin="flat:rate=0.13",
        ),
        _OURS,
    ),
    "realistic": Preset(
        CostNames(
            "ib-fixed",
            "square-root:spread_bps=4",
            fees="us-sales",
            borrow="flat:rate=0.03",
            margin="flat:rate=0.08",
        ),
        _OURS,
    ),
    "robinhood": Preset(
        CostNames("none", slippage_bps=Decimal(10), fees="us-sales", borrow="flat:rate=0.12"),
        f"robinhood.com: no commission; slippage of 10 bps and {_SPECIFIED}",
    ),
    "schwab": Preset(
        CostNames("none", slippage_bps=_FIVE, fees="us-sales", borrow="flat:rate=0.0975"),
        f"schwab.com: no commission online; {_SPECIFIED}",
    ),
}


def preset(name: str) -> CostNames:
    """Return the models of a broker or a scenario; an unknown name is refused."""
    if name not in PRESETS:
        raise UnknownName("costs", name, list(PRESETS))
    return PRESETS[name].names
