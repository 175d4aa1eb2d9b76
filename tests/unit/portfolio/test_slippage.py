"""Slippage and impact: each formula computed by hand, and the published example of impact."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.builders import dec
from tradewright.core.errors import InvalidInput
from tradewright.core.money import Price
from tradewright.core.orders import Side
from tradewright.portfolio.costs import UNKNOWN, Almgren, BasisPoints, Conditions
from tradewright.portfolio.costs.names import SLIPPAGES, slippage
from tradewright.portfolio.costs.slippage import (
    Adaptive,
    HalfSpread,
    LinearParticipation,
    Slippage,
    SquareRoot,
    VolatilityMultiple,
    worse,
)

KNOWN = Conditions(dec("0.001"), dec("0.02"), dec(1_000_000))
"""Ten basis points wide, 2 % a day, a million shares a day."""


@pytest.mark.parametrize(
    ("model", "bps"),
    [
        (BasisPoints(dec("2.5")), "2.5"),
        # Half of ten; twice that; half of four whatever is known.
        (HalfSpread(), "5"),
        (HalfSpread(dec(2)), "10"),
        (HalfSpread(spread_bps=dec(4)), "2"),
        # 5 and a twentieth of 200.
        (VolatilityMultiple(), "15"),
        # 10,000 of a million is 1 %: 5 and a tenth of 100.
        (LinearParticipation(), "15"),
        # Its root is 0.1: 5 and a tenth of 200.
        (SquareRoot(), "25"),
        (SquareRoot(dec("0.5"), dec(0)), "10"),
        # 5, 4 of the day's 200, and 20 as before; twice.
        (Adaptive(), "29"),
        (Adaptive(urgency=dec(2)), "58"),
    ],
)
def test_formula_by_hand(model: Slippage, bps: str) -> None:
    assert model.fraction(dec(10_000), KNOWN) == dec(bps) / 10_000


def test_a_fraction_is_rounded_up_to_a_ten_thousandth_of_a_basis_point() -> None:
    # 1 % of sqrt(3 / 1,000,000) is 0.0000173205...
    known = Conditions(dec(0), dec("0.01"), dec(1_000_000))
    assert SquareRoot().fraction(dec(3), known) == dec("0.00001733")


@pytest.mark.parametrize(
    ("model", "lacking"),
    [
        (HalfSpread(), Conditions(None, dec("0.02"), dec(1))),
        (VolatilityMultiple(), Conditions(dec("0.001"), None, dec(1))),
        (LinearParticipation(), Conditions(dec("0.001"), dec("0.02"), None)),
        (SquareRoot(), Conditions(dec("0.001"), None, dec(1))),
        (Adaptive(), Conditions(dec("0.001"), dec("0.02"), None)),
        (SquareRoot(spread_bps=dec(4)), UNKNOWN),
    ],
)
def test_what_is_not_known_is_dear(model: Slippage, lacking: Conditions) -> None:
    assert model.fraction(dec(1), lacking) == dec("0.005")


def test_a_given_spread_needs_no_known_one() -> None:
    known = Conditions(None, dec("0.02"), dec(1_000_000))
    assert SquareRoot(spread_bps=dec(4)).fraction(dec(10_000), known) == dec("0.0022")


@pytest.mark.parametrize(
    ("side", "price", "fraction", "paid"),
    [
        (Side.BUY, "100", "0.0025", "100.25"),
        (Side.SELL, "100", "0.0025", "99.75"),
        (Side.BUY, "10.01", "0.0001", "10.0111"),
        (Side.SELL, "10.01", "0.0001", "10.0089"),
        (Side.BUY, "10.012345", "0", "10.012345"),
        (Side.SELL, "10", "1.5", "0.0001"),
    ],
)
def test_a_price_is_worse_by_a_fraction(side: Side, price: str, fraction: str, paid: str) -> None:
    assert worse(side, Price(dec(price)), dec(fraction)) == dec(paid)


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("bps", ["0", "2", "7.5", "9999"])
def test_fixed_basis_points_are_the_same_by_both_ways(side: Side, bps: str) -> None:
    model = BasisPoints(dec(bps))
    for price in ("0.0003", "10.01", "10.012345", "531.77"):
        by_fraction = worse(side, Price(dec(price)), model.fraction(dec(1), UNKNOWN))
        assert model.fill_price(side, Price(dec(price))) == by_fraction


@pytest.mark.parametrize(
    "make",
    [
        lambda: HalfSpread(dec(-1)),
        lambda: HalfSpread(spread_bps=dec(-1)),
        lambda: VolatilityMultiple(dec(-1)),
        lambda: LinearParticipation(dec(-1)),
        lambda: SquareRoot(unknown_bps=dec(10_000)),
        lambda: Adaptive(volatility=dec(-1)),
        lambda: Adaptive(urgency=dec(-1)),
        lambda: Almgren(gamma=dec(-1)),
        lambda: Almgren(duration=dec(0)),
        lambda: Almgren(turnover_days=dec(0)),
    ],
)
def test_numbers_by_which_a_fill_could_gain_are_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(InvalidInput, match="must"):
        make()


PUBLISHED = [
    # Almgren, Thum, Hauptmann and Li (2005), table of examples: a tenth of the day's volume of
    # IBM (σ 1.57 %, Θ/V 263) and DRI (σ 2.26 %, Θ/V 87) over a tenth, a fifth and half a day:
    # permanent and temporary impact and the cost, in basis points.
    ("0.0157", "263", "0.1", 20, 22, 32),
    ("0.0157", "263", "0.2", 20, 15, 25),
    ("0.0157", "263", "0.5", 20, 8, 18),
    ("0.0226", "87", "0.1", 22, 32, 43),
    ("0.0226", "87", "0.2", 22, 21, 32),
    ("0.0226", "87", "0.5", 22, 12, 23),
]


@pytest.mark.parametrize(("daily", "turnover", "duration", "lasting", "passing", "cost"), PUBLISHED)
def test_published_examples_of_impact(
    daily: str, turnover: str, duration: str, lasting: int, passing: int, cost: int
) -> None:
    model = Almgren(turnover_days=dec(turnover), duration=dec(duration))
    known, shares = Conditions(None, dec(daily), dec(1_000_000)), dec(100_000)
    permanent, temporary = model.permanent(shares, known), model.temporary(shares, known)
    assert permanent is not None
    assert temporary is not None
    assert round(permanent * 10_000) == lasting
    assert round(temporary * 10_000) == passing
    assert abs(model.fraction(shares, known) * 10_000 - cost) < Decimal("0.6")


def test_impact_of_what_is_not_known_is_dear() -> None:
    assert Almgren().permanent(dec(1), UNKNOWN) is None
    assert Almgren().temporary(dec(1), UNKNOWN) is None
    assert Almgren().fraction(dec(1), UNKNOWN) == dec("0.0025")


def test_nothing_moves_nothing() -> None:
    assert Almgren().fraction(Decimal(0), KNOWN) == 0


@pytest.mark.parametrize("name", sorted(SLIPPAGES))
def test_a_model_says_whether_it_grows_with_size(name: str) -> None:
    model = slippage(name)
    grows = model.fraction(dec(1_000), KNOWN) < model.fraction(dec(100_000), KNOWN)
    assert grows is model.sized
