"""Alpaca: trading over REST and the stream of trade updates, in our words."""

from __future__ import annotations

from tradewright.adapters.alpaca.broker import AlpacaBroker
from tradewright.adapters.alpaca.mapping import FeeRule, Parked, Symbols, no_fee
from tradewright.adapters.alpaca.stream import Access, Backoff, Timeouts

__all__ = [
    "Access",
    "AlpacaBroker",
    "Backoff",
    "FeeRule",
    "Parked",
    "Symbols",
    "Timeouts",
    "no_fee",
]
