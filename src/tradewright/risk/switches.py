"""Kill switches by scope, and whether the venue is fit; an unknown switch counts as engaged.

A scope is `global` or a strategy. A scope that was never read is unknown, so a desk that has
heard nothing sends nothing. A venue is fit until it is said not to be: a simulated one always is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tradewright.core.events import SwitchChanged, VenueChanged

GLOBAL: Final = "global"


class Switches:
    """What was last read of each kill switch, and last said of the venue."""

    def __init__(self) -> None:
        """Know nothing yet: everything counts as engaged."""
        self.venue_fit = True
        self._engaged: dict[str, bool | None] = {GLOBAL: None}

    def apply(self, event: SwitchChanged) -> None:
        """Take note of a reading."""
        self._engaged[event.scope] = event.engaged

    def turn(self, event: VenueChanged) -> None:
        """Take note of what became of the venue."""
        self.venue_fit = event.fit

    def state(self, strategy: str) -> bool | None:
        """Return whether trading of a strategy is stopped; None if that is not known."""
        everywhere = self._engaged[GLOBAL]
        own = self._engaged.get(strategy, False)
        if everywhere or own:
            return True
        return None if everywhere is None or own is None else False
