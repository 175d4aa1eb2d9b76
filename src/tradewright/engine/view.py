"""The MarketView of an instant: a window on history that ends at the row which has closed."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from tradewright.features.feature import Unit, feature_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime
    from decimal import Decimal

    from tradewright.core.frames import FloatArray
    from tradewright.core.ids import InstrumentId
    from tradewright.core.positions import Position
    from tradewright.core.session import Calendar, Session
    from tradewright.data.history import History
    from tradewright.features.feature import Feature


_FLAT: Final[Mapping[InstrumentId, Position]] = MappingProxyType({})


class Served:
    """What stands behind every view of a run: history, calendar and computed features."""

    __slots__ = ("calendar", "features", "frame", "history", "universe")

    def __init__(self, history: History, calendar: Calendar, features: Iterable[Feature]) -> None:
        """Compute the features once; those in price units are brought to each row's shares."""
        self.history = history
        self.calendar = calendar
        self.frame = history.frame
        self.universe = history.frame.instruments
        wanted = {feature.name: feature for feature in features}
        computed = feature_columns(wanted.values(), history.columns())
        self.features: dict[str, FloatArray] = {}
        for name, values in computed.items():
            in_price = wanted[name].unit is Unit.PRICE
            self.features[name] = values / history.growth if in_price else values
            self.features[name].flags.writeable = False


class InstantView:
    """See `strategies.strategy.MarketView`; `row` is moved on as rows close.

    One window that moves costs less than one for every row. Whoever kept it would see what is
    known now, not what was known then, and never what comes later.
    """

    __slots__ = ("_equity", "_features", "_served", "holdings", "positions", "row", "universe")

    def __init__(
        self,
        served: Served,
        row: int,
        holdings: Mapping[InstrumentId, Decimal],
        equity: Callable[[], Decimal | None],
        positions: Mapping[InstrumentId, Position] = _FLAT,
    ) -> None:
        """Look at the past from the close of `row`."""
        self._served = served
        self._features = served.features
        self.row = row
        self.universe = served.universe
        self.holdings = holdings
        self.positions = positions
        self._equity = equity

    @property
    def at(self) -> datetime:
        """The instant of the decision."""
        return self._served.frame.known(self.row)

    @property
    def session(self) -> Session:
        """The session of the row that has closed."""
        return self._served.frame.session_of(self.row)

    @property
    def next_session(self) -> Session:
        """The session after this one."""
        return self._served.calendar.after(self.session)

    @property
    def equity(self) -> Decimal | None:
        """Cash and positions at the last prices; None while a price is missing."""
        return self._equity()

    def rows_since(self, at: datetime) -> int:
        """Return how many rows have closed since an instant."""
        return self.row - self._served.frame.row_at(at)

    def sessions(self, lookback: int) -> tuple[Session, ...]:
        """Return the session of each of the last rows, oldest first."""
        rows = range(max(self.row + 1 - lookback, 0), self.row + 1)
        return tuple(self._served.frame.session_of(row) for row in rows)

    def feature(self, name: str) -> FloatArray:
        """Return a feature's values now."""
        values: FloatArray = self._features[name][self.row]
        return values

    def value(self, name: str, column: int = 0) -> float:
        """Return one instrument's value of a feature now."""
        return self._features[name].item(self.row, column)

    def window(self, name: str, lookback: int) -> FloatArray:
        """Return the last rows of a price or volume column, adjusted to now."""
        return self._served.history.window(name, lookback)

    def tradable(self) -> FloatArray:
        """Return the raw closes of the row, NaN where not traded."""
        closes: FloatArray = self._served.frame.close[self.row]
        return closes
