"""From weight to shares."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from tests.builders import dec
from tradewright.core.errors import InvalidInput
from tradewright.portfolio.sizing import FixedFraction, FixedShares, Sizing, VolatilityTarget

CALM = VolatilityTarget(annual=dec("0.10"), cap=dec("1.5"))


@pytest.mark.parametrize(
    ("sizing", "weight", "volatility", "shares"),
    [
        (FixedFraction(), "0.5", None, "500"),
        (FixedFraction(dec("0.2")), "0.5", None, "100"),
        (FixedFraction(), "-1", None, "-1000"),
        (CALM, "1", "0.20", "500"),
        (CALM, "-1", "0.20", "-500"),
        (CALM, "1", "0.08", "1250"),
        (CALM, "1", "0.05", "1500"),
        (CALM, "1", "0", "1500"),
        (CALM, "1", None, None),
        (FixedShares(dec(7)), "0.01", None, "7"),
        (FixedShares(dec(7)), "-3", None, "-7"),
        (FixedShares(dec(7)), "0", None, "0"),
    ],
)
def test_shares_of_an_equity_of_10000_at_10(
    sizing: Sizing, weight: str, volatility: str | None, shares: str | None
) -> None:
    known = None if volatility is None else dec(volatility)
    wanted = None if shares is None else dec(shares)
    assert sizing.shares(dec(weight), dec(10_000), dec(10), known) == wanted


def test_only_the_volatility_target_wants_volatility() -> None:
    assert FixedFraction().volatility_window == FixedShares(dec(1)).volatility_window == 0
    assert CALM.volatility_window == 63


@pytest.mark.parametrize(
    "make",
    [
        lambda: FixedFraction(Decimal(0)),
        lambda: FixedFraction(Decimal(-1)),
        lambda: FixedShares(Decimal(0)),
        lambda: VolatilityTarget(annual=Decimal(0)),
        lambda: VolatilityTarget(cap=Decimal(0)),
        lambda: VolatilityTarget(volatility_window=1),
    ],
)
def test_what_sizes_nothing_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(InvalidInput):
        make()
