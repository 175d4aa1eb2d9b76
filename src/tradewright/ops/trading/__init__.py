"""What a runner does, as log lines and metrics; it is told, and nothing in it decides."""

from __future__ import annotations

from tradewright.ops.trading.watch import TradingWatch

__all__ = ["TradingWatch"]
