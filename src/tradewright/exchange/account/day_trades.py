"""Day trades: what was opened and closed within one session, as the rule counted them until 2026.

FINRA dropped the rule in June 2026; brokers that still count may do so until October 2027. A run
of openings and the closings after it count once, however many fills they took.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from tradewright.core.ids import InstrumentId
from tradewright.core.money import ZERO
from tradewright.core.orders import Fill
from tradewright.exchange.words import NEW_YORK


def day_trades(fills: Iterable[Fill]) -> dict[date, int]:
    """Count the day trades of each New York date; `fills` are in order of time."""
    held: dict[InstrumentId, Decimal] = defaultdict(Decimal)
    opened: dict[InstrumentId, Decimal] = defaultdict(Decimal)
    closing: set[InstrumentId] = set()
    counts: dict[date, int] = defaultdict(int)
    today: date | None = None
    for fill in fills:
        day = fill.at.astimezone(NEW_YORK).date()
        if day != today:
            today = day
            opened.clear()
            closing.clear()
        name, signed = fill.instrument, fill.quantity * fill.side.sign
        if held[name] * signed >= 0:
            opened[name] += abs(signed)
            closing.discard(name)
        else:
            if opened[name] and name not in closing:
                closing.add(name)
                counts[day] += 1
            beyond = abs(signed) - abs(held[name])
            # What goes through zero opens the other way.
            opened[name] = beyond if beyond > 0 else max(opened[name] - abs(signed), ZERO)
            if beyond > 0:
                closing.discard(name)
        held[name] += signed
    return dict(counts)
