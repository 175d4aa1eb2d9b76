"""Which of the two ways a backtest is run; the Result is the same by both.

The compiled path is imported only when it is wanted: it takes seconds to load, and to compile
the first time.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from tradewright.backtest.backtest import Backtest
from tradewright.core.errors import ArraysRefused, ConfigError, UnknownName

if TYPE_CHECKING:
    from collections.abc import Callable

    from tradewright.backtest.backtest import Result
    from tradewright.data.history import MarketData
    from tradewright.engine.run import RunSpec


class Way(StrEnum):
    """How a backtest is run: `auto` takes the arrays wherever they run the spec equally."""

    EVENTS = "events"
    ARRAYS = "arrays"
    AUTO = "auto"


def way_of(name: str) -> Way:
    """Return the way of a name; an unknown name is refused."""
    if name not in list(Way):
        raise UnknownName("engine", name, list(Way))
    return Way(name)


def run_backtest(
    spec: RunSpec,
    market: MarketData,
    way: Way = Way.EVENTS,
    progress: Callable[[int, int], None] | None = None,
) -> Result:
    """Run a spec one way or the other; `progress` is told rows done and rows in all.

    Raises:
        ArraysRefused: The arrays alone were wanted and cannot run it equally.
        ConfigError: The arrays alone were wanted and numba is not installed.
    """
    if way is not Way.EVENTS:
        try:
            return _over_columns(spec, market)
        except (ArraysRefused, ConfigError):
            if way is Way.ARRAYS:
                raise
    return Backtest(spec, market).run(progress)


def compiled_seconds(way: Way) -> float:
    """Return how long machine code for a way took to make so far, 0 where it was kept on disk."""
    if way is Way.EVENTS:
        return 0.0
    try:
        from tradewright.backtest.arrays import compiling  # noqa: PLC0415 - see above
    except ModuleNotFoundError:
        return 0.0
    return compiling.compiled_seconds()


def _over_columns(spec: RunSpec, market: MarketData) -> Result:
    if spec.detail is not None:
        raise ArraysRefused(f"its orders fill on {spec.detail} bars")
    try:
        from tradewright.backtest.arrays.retold import result_of  # noqa: PLC0415 - see above
    except ModuleNotFoundError as absent:
        what = f"engine=arrays needs {absent.name}, which is not installed"
        raise ConfigError(what, "pip install 'tradewright[research]'") from absent
    return result_of(spec, market)
