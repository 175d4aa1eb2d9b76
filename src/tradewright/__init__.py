"""Tradewright: from data to live orders for a systematic trader of US equities.

Here are the names that a strategy or a notebook needs; data is loaded by
`tradewright.bootstrap.load_market`. The version is the installed distribution's.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from tradewright.lazy import lazily

if TYPE_CHECKING:
    from tradewright.backtest.backtest import Backtest, Result
    from tradewright.core.errors import TradewrightError
    from tradewright.core.frames import BarFrame
    from tradewright.core.ids import InstrumentId, StrategyId
    from tradewright.core.instrument import Instrument
    from tradewright.core.market import CashDividend, Delisting, Split
    from tradewright.core.money import Money
    from tradewright.core.session import Calendar, Session, Span, Timeframe
    from tradewright.core.signals import Target
    from tradewright.data.history import History, MarketData
    from tradewright.engine.run import RunSpec
    from tradewright.features.feature import Feature, Unit
    from tradewright.risk.limits import Limits
    from tradewright.strategies.strategy import MarketView, Needs, Rebalance, Strategy
else:
    __getattr__, __dir__ = lazily(__name__, __file__)

__all__ = [
    "Backtest",
    "BarFrame",
    "Calendar",
    "CashDividend",
    "Delisting",
    "Feature",
    "History",
    "Instrument",
    "InstrumentId",
    "Limits",
    "MarketData",
    "MarketView",
    "Money",
    "Needs",
    "Rebalance",
    "Result",
    "RunSpec",
    "Session",
    "Span",
    "Split",
    "Strategy",
    "StrategyId",
    "Target",
    "Timeframe",
    "TradewrightError",
    "Unit",
    "__version__",
]

__version__ = version("tradewright")
