"""What trading and holding costs: one formula for planning, trading and judging."""

from tradewright.portfolio.costs.carrying import Borrow, MarginInterest
from tradewright.portfolio.costs.commissions import (
    Commission,
    NoCommission,
    PercentOfValue,
    PercentWithMinimum,
    PerShare,
    PerTrade,
    Tier,
    TieredPerShare,
)
from tradewright.portfolio.costs.conditions import UNKNOWN, Backdrop, Conditions
from tradewright.portfolio.costs.impact import Almgren
from tradewright.portfolio.costs.levies import UsSales
from tradewright.portfolio.costs.names import commission
from tradewright.portfolio.costs.presets import CostNames, preset
from tradewright.portfolio.costs.slippage import BasisPoints, Slippage
from tradewright.portfolio.costs.trading import Cost, TradingCosts

__all__ = [
    "UNKNOWN",
    "Almgren",
    "Backdrop",
    "BasisPoints",
    "Borrow",
    "Commission",
    "Conditions",
    "Cost",
    "CostNames",
    "MarginInterest",
    "NoCommission",
    "PerShare",
    "PerTrade",
    "PercentOfValue",
    "PercentWithMinimum",
    "Slippage",
    "Tier",
    "TieredPerShare",
    "TradingCosts",
    "UsSales",
    "commission",
    "preset",
]
