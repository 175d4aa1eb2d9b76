"""Executions that are taken back or changed afterwards.

A fill is never altered: a reversal names it and what stands in its place. The book becomes what
it would have been, since the position is folded again from the fills that stand; dividends stay
as they were paid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from tradewright.core.events import Delisted, SplitApplied
from tradewright.core.frozen import frozen
from tradewright.core.orders import Fill
from tradewright.portfolio.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from tradewright.core.ids import FillId, InstrumentId
    from tradewright.core.instrument import Instrument

Break: TypeAlias = SplitApplied | Delisted
"""What changes a position and is no fill."""


@frozen
class Reversal:
    """A fill that was taken back at a time, and what stands in its place, None for nothing."""

    fill: Fill
    at: datetime
    instead: Fill | None


def standing(fills: Iterable[Fill], reversals: Sequence[Reversal]) -> list[Fill]:
    """Return the fills that count, each in the place of the one that it corrects."""
    if not reversals:
        return list(fills)
    instead: Mapping[FillId, Fill | None] = {r.fill.id: r.instead for r in reversals}
    found = []
    for fill in fills:
        last: Fill | None = fill
        while last is not None and last.id in instead:
            last = instead[last.id]
        if last is not None:
            found.append(last)
    return found


def entries(
    instrument: InstrumentId,
    fills: Iterable[Fill],
    breaks: Sequence[tuple[int, Break]],
    reversals: Sequence[Reversal],
) -> list[Fill | Break]:
    """Return what made up the position of an instrument, in order.

    A correction stands in the place of its fill; what falls out keeps its place. Each break comes
    with how many of `fills`, of all instruments, were booked before it.
    """
    found: list[Fill | Break] = []
    own = [(at, each) for at, each in breaks if _about(each) == instrument]
    for index, fill in enumerate(fills):
        while own and own[0][0] <= index:
            found.append(own.pop(0)[1])
        if fill.instrument == instrument:
            found.extend(standing([fill], reversals))
    return [*found, *(each for _, each in own)]


def folded(
    instruments: Mapping[InstrumentId, Instrument],
    entries: Iterable[Fill | Break],
) -> Ledger:
    """Return a ledger of these entries alone."""
    ledger = Ledger(instruments)
    for entry in entries:
        if isinstance(entry, Fill):
            ledger.book(entry)
        else:
            ledger.apply(entry)
    return ledger


def _about(event: Break) -> InstrumentId:
    return event.split.instrument if isinstance(event, SplitApplied) else event.delisting.instrument
