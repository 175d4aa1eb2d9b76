"""Market data in the format of QuantConnect's LEAN engine."""

from tradewright.adapters.lean.store import LeanStore

__all__ = ["LeanStore"]
