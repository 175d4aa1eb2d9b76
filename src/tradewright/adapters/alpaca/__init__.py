"""Alpaca: trading, market data and their streams, in our words."""

from __future__ import annotations

from tradewright.adapters.alpaca.access import (
    DATA_URL,
    MARKET_STREAM_URL,
    Access,
    Backoff,
    Handshakes,
    Manners,
    Timeouts,
)
from tradewright.adapters.alpaca.bars import AlpacaBars
from tradewright.adapters.alpaca.broker import AlpacaBroker
from tradewright.adapters.alpaca.budget import Allowance, Lane, RequestBudget
from tradewright.adapters.alpaca.data import AlpacaData, Source
from tradewright.adapters.alpaca.mapping import FeeRule, Symbols, no_fee
from tradewright.adapters.alpaca.market_stream import AlpacaMarketStream, Channels
from tradewright.adapters.alpaca.reading import Parked, Parking
from tradewright.adapters.alpaca.reference import AlpacaReference, VenueTime

__all__ = [
    "DATA_URL",
    "MARKET_STREAM_URL",
    "Access",
    "Allowance",
    "AlpacaBars",
    "AlpacaBroker",
    "AlpacaData",
    "AlpacaMarketStream",
    "AlpacaReference",
    "Backoff",
    "Channels",
    "FeeRule",
    "Handshakes",
    "Lane",
    "Manners",
    "Parked",
    "Parking",
    "RequestBudget",
    "Source",
    "Symbols",
    "Timeouts",
    "VenueTime",
    "no_fee",
]
