"""Tradewright: from data to live orders for a systematic trader of US equities.

The version is the installed distribution's, so a source tree that was never installed has none.
"""

from __future__ import annotations

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("tradewright")
