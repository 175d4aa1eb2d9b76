"""Unknown counts as engaged."""

from __future__ import annotations

import pytest

from tests.builders import AT
from tradewright.core.events import SwitchChanged, VenueChanged
from tradewright.risk.switches import GLOBAL, Switches

UNREAD = "unread"


@pytest.mark.parametrize(
    ("everywhere", "own", "state"),
    [
        (UNREAD, UNREAD, None),
        (UNREAD, False, None),
        (UNREAD, True, True),
        (False, UNREAD, False),
        (False, False, False),
        (False, True, True),
        (False, None, None),
        (True, UNREAD, True),
        (True, False, True),
        (True, None, True),
        (None, UNREAD, None),
        (None, False, None),
        (None, True, True),
    ],
)
def test_a_strategy_trades_only_if_nothing_stops_it(
    everywhere: str | bool | None, own: str | bool | None, state: bool | None
) -> None:
    switches = Switches()
    for scope, engaged in ((GLOBAL, everywhere), ("test", own)):
        if not isinstance(engaged, str):
            switches.apply(SwitchChanged(scope, engaged, AT))
    assert switches.state("test") is state


def test_another_strategys_switch_is_its_own() -> None:
    switches = Switches()
    switches.apply(SwitchChanged(GLOBAL, engaged=False, at=AT))
    switches.apply(SwitchChanged("other", engaged=True, at=AT))
    assert switches.state("test") is False


def test_the_last_reading_holds() -> None:
    switches = Switches()
    for engaged in (False, True, None):
        switches.apply(SwitchChanged(GLOBAL, engaged, AT))
    assert switches.state("test") is None


def test_a_venue_is_fit_until_it_is_said_not_to_be() -> None:
    switches = Switches()
    said = [switches.venue_fit]
    for fit in (False, True):
        switches.turn(VenueChanged(fit, AT))
        said.append(switches.venue_fit)
    assert said == [True, False, True]
