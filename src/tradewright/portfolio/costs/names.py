"""Cost models by name, with their numbers: `square-root` or `square-root:coefficient=0.8`.

The text is what a run's spec records, so that a run can be made again from its folder.
"""

from __future__ import annotations

from dataclasses import fields, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tradewright.core.errors import InvalidInput, UnknownName
from tradewright.core.money import ZERO, parse_decimal
from tradewright.portfolio.costs.carrying import Borrow, MarginInterest
from tradewright.portfolio.costs.commissions import (
    Commission,
    NoCommission,
    PercentOfValue,
    PercentWithMinimum,
    PerShare,
    PerTrade,
    Tier,
    TieredPerShare,
)
from tradewright.portfolio.costs.impact import Almgren, Impact
from tradewright.portfolio.costs.levies import Levies, UsSales
from tradewright.portfolio.costs.slippage import (
    Adaptive,
    BasisPoints,
    HalfSpread,
    LinearParticipation,
    Slippage,
    SquareRoot,
    VolatilityMultiple,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_Model = TypeVar("_Model")
_ONE_PERCENT: Final = Decimal("0.01")
_IB_TIERS: Final = (
    Tier(Decimal(300_000), Decimal("0.0035")),
    Tier(Decimal(3_000_000), Decimal("0.0020")),
    Tier(Decimal(20_000_000), Decimal("0.0015")),
    Tier(Decimal(100_000_000), Decimal("0.0010")),
    Tier(None, Decimal("0.0005")),
)
_INSTITUTION: Final = (
    Tier(Decimal(1_000_000), Decimal("0.0010")),
    Tier(None, Decimal("0.0005")),
)

COMMISSIONS: Final[Mapping[str, Commission]] = {
    "ib-fixed": PerShare(),
    "ib-fixed-capped": TieredPerShare(
        (Tier(None, Decimal("0.005")),), Decimal("1.00"), _ONE_PERCENT
    ),
    "ib-tiered": TieredPerShare(_IB_TIERS, Decimal("0.35"), _ONE_PERCENT),
    "institutional": TieredPerShare(_INSTITUTION),
    "none": NoCommission(),
    "per-share": PerShare(minimum=ZERO),
    "per-trade": PerTrade(),
    "percent": PercentOfValue(Decimal("0.001")),
    "percent-minimum": PercentWithMinimum(),
}
SLIPPAGES: Final[Mapping[str, Slippage]] = {
    "adaptive": Adaptive(),
    "fixed": BasisPoints(),
    "half-spread": HalfSpread(),
    "linear": LinearParticipation(),
    "square-root": SquareRoot(),
    "volatility": VolatilityMultiple(),
}
LEVIES: Final[Mapping[str, Levies | None]] = {"none": None, "us-sales": UsSales()}
IMPACTS: Final[Mapping[str, Impact | None]] = {"almgren": Almgren(), "none": None}
BORROWS: Final[Mapping[str, Borrow | None]] = {"flat": Borrow(), "none": None}
MARGINS: Final[Mapping[str, MarginInterest | None]] = {"flat": MarginInterest(), "none": None}


def commission(name: str) -> Commission:
    """Return the commission model of a name; an unknown name is refused."""
    return _named("commission", name, COMMISSIONS)


def slippage(name: str, bps: Decimal | None = None) -> Slippage:
    """Return the slippage model of a name; `bps` are those of `fixed`, unless the name has some."""
    if name == "fixed" and bps is not None:
        return BasisPoints(bps)
    return _named("slippage", name, SLIPPAGES)


def levies(name: str) -> Levies | None:
    """Return the fees on sales of a name; an unknown name is refused."""
    return _named("fees", name, LEVIES)


def impact(name: str) -> Impact | None:
    """Return the impact model of a name; an unknown name is refused."""
    return _named("impact", name, IMPACTS)


def borrow(name: str) -> Borrow | None:
    """Return what borrowed shares cost, by name; an unknown name is refused."""
    return _named("borrow", name, BORROWS)


def margin(name: str) -> MarginInterest | None:
    """Return what borrowed cash costs, by name; an unknown name is refused."""
    return _named("margin", name, MARGINS)


def _named(field: str, text: str, known: Mapping[str, _Model]) -> _Model:
    name, _, rest = text.partition(":")
    if name not in known:
        raise UnknownName(field, name, list(known))
    model = known[name]
    return _with(field, model, rest) if rest else model


def _with(field: str, model: _Model, text: str) -> _Model:
    given: Any = model
    settable = [] if given is None else [f.name for f in fields(given) if _is_number(given, f.name)]
    numbers: dict[str, Decimal] = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        if name not in settable:
            there = ", ".join(settable) or "nothing"
            raise InvalidInput(field, part, "is no number of the model", f"it has {there}")
        numbers[name] = parse_decimal(value, f"{field} {name}")
    changed: _Model = replace(given, **numbers)
    return changed


def _is_number(model: Any, name: str) -> bool:  # noqa: ANN401 - any dataclass
    return not name.startswith("_") and isinstance(getattr(model, name), Decimal | None)
