"""A name for data that changes with any bar, time or corporate action in it.

It is over numbers and not over files: the same bars from another store have the same name.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final

import numpy as np

from tradewright.core.frames import FIELDS
from tradewright.core.records import to_body

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradewright.core.frames import BarFrame, FloatArray
    from tradewright.core.ids import InstrumentId
    from tradewright.core.market import CorporateAction
    from tradewright.data.quotes import QuoteBars

_TIMES: Final = ("start", "end", "known_at", "session")


def data_hash(
    frame: BarFrame, actions: Sequence[CorporateAction], detail: BarFrame | None = None
) -> str:
    """Return the SHA-256 over a frame's columns and its corporate actions in any order.

    Finer bars beside the frame count too, where they are given.
    """
    digest = hashlib.sha256()
    happened = sorted(json.dumps([type(a).__name__, to_body(a)]) for a in actions)
    for bars, rest in ((frame, [happened]), (detail, [])):
        if bars is None:
            continue
        sessions = [
            [s.date.isoformat(), s.open.isoformat(), s.close.isoformat()] for s in bars.sessions
        ]
        head = [bars.timeframe.value, list(bars.instruments), len(bars), sessions]
        digest.update(json.dumps([*head, *rest], sort_keys=True).encode())
        for name in _TIMES:
            digest.update(np.ascontiguousarray(getattr(bars, name), dtype="<i8").data)
        for name in FIELDS:
            digest.update(_plain(getattr(bars, name)).data)
    return digest.hexdigest()


def quotes_hash(quotes: Mapping[InstrumentId, QuoteBars]) -> str:
    """Return the SHA-256 over the quote bars of instruments in any order."""
    digest = hashlib.sha256()
    for name in sorted(quotes):
        bars = quotes[name]
        digest.update(f"{name} {len(bars)}\n".encode())
        for times in (bars.start, bars.end):
            digest.update(np.ascontiguousarray(times, dtype="<i8").data)
        for side in (bars.bid, bars.ask):
            digest.update(_plain(side).data)
    return digest.hexdigest()


def _plain(column: FloatArray) -> FloatArray:
    # NaN has many bit patterns and zero has two.
    missing = np.isnan(column)
    plain = np.where(missing, np.nan, column) if missing.any() else column
    return np.ascontiguousarray(plain + 0.0, dtype="<f8")
