"""The compiled fast path: runs over whole columns, equal to the engine that trades.

It never runs a spec differently: what it cannot run equally it refuses, and says why.
"""

from tradewright.backtest.arrays.compiling import compiled_seconds
from tradewright.backtest.arrays.facts import why_not
from tradewright.backtest.arrays.run import ArrayResult, Sweep, run_arrays, sweep

__all__ = ["ArrayResult", "Sweep", "compiled_seconds", "run_arrays", "sweep", "why_not"]
