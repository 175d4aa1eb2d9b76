"""The rehearsal exchange: Alpaca's trading API over the simulated brokerage and replayed bars."""

from __future__ import annotations

from tradewright.exchange.app import create_app
from tradewright.exchange.exchange import Exchange
from tradewright.exchange.market.market import ReplayMarket
from tradewright.exchange.server import serve

__all__ = ["Exchange", "ReplayMarket", "create_app", "serve"]
