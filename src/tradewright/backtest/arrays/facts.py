"""A spec and a market as whole numbers, and why a spec cannot be run equally.

What is not known here is refused: a kind of cost, sizing or order that was added to the engine
and not to the kernels must not be passed over.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeGuard

import numpy as np

from tradewright.backtest.arrays.columns import Ground, sealed
from tradewright.backtest.arrays.state import Rules, Wishes
from tradewright.core.money import ZERO, to_cents
from tradewright.core.orders import TimeInForce
from tradewright.engine.run import RunSpec
from tradewright.execution.venue import FillOn
from tradewright.features.volatility import volatility
from tradewright.portfolio.costs import (
    BasisPoints,
    NoCommission,
    PercentOfValue,
    PercentWithMinimum,
    PerShare,
    PerTrade,
)
from tradewright.portfolio.sizing import FixedFraction, FixedShares, VolatilityTarget
from tradewright.strategies.strategy import Stateful, Weighing

if TYPE_CHECKING:
    from tradewright.core.frames import BoolArray, FloatArray
    from tradewright.data.history import MarketData
    from tradewright.engine.run import Rows
    from tradewright.execution.venue import VenueModel
    from tradewright.portfolio.costs import Commission
    from tradewright.portfolio.sizing import Sizing
    from tradewright.strategies.strategy import Columns, Level, Strategy

SCALES: Final = (10**4, 10**6, 10**8)
"""Units of a dollar in which a run may be counted; the first that holds every price is taken."""

_ONE: Final = Decimal(1)
_SLIP_UNIT: Final = 10**4
_FEWEST_DIGITS: Final = 2
_MOST_DIGITS: Final = 6
_MOST_SHARES: Final = 10**12
_UNSET: Final = -1
_BYTES: Final = 256
_NONE: Final = np.empty((0, 0))
_KNOWN: Final = frozenset(
    {
        "strategy",
        "parameters",
        "first",
        "last",
        "capital",
        "limits",
        "commission",
        "slippage_bps",
        "volume_share",
        "construction",
        "timeframe",
        "data",
        "strategy_sha256",
        "slippage",
        "fees",
        "impact",
        "borrow",
        "margin",
    }
)


def why_not(spec: RunSpec, market: MarketData, *, strategy: Strategy | None = None) -> str | None:
    """Return why the compiled path cannot run a spec equally, None if it can try.

    Prices that are no decimals of at most eight places, and numbers too large for sixty-four
    bits, are found only on the way: then the run is refused.
    """
    return objection(spec, Ground(market), strategy or spec.build_strategy())


def objection(spec: RunSpec, ground: Ground, strategy: Strategy) -> str | None:
    """Return what `why_not` does, for a market whose facts are kept."""
    market = ground.market
    if not (_has_states(strategy) or _weighs(strategy)):
        return f"{strategy.id} does not say its targets for all rows at once"
    if strategy.needs.timeframe is not market.frame.timeframe:
        return f"{strategy.id} needs {strategy.needs.timeframe.value} bars"
    return _of_spec(spec) or _of_costs(spec.venue_model()) or _of_market(ground)


# Asking a protocol costs as much as a small run.
def _weighs(strategy: object) -> TypeGuard[Weighing]:
    return hasattr(strategy, "weights")


def _has_states(strategy: object) -> TypeGuard[Stateful]:
    return hasattr(strategy, "states")


def _of_spec(spec: RunSpec) -> str | None:
    for field in fields(RunSpec):
        if field.name in _KNOWN:
            continue
        made = field.default_factory() if field.default_factory is not MISSING else field.default
        if getattr(spec, field.name) != made:
            return f"{field.name} is not counted by it"
    how = spec.construction
    if type(how.sizing) not in (FixedFraction, FixedShares, VolatilityTarget):
        return f"sizing by {type(how.sizing).__name__} is not known to it"
    if how.time_in_force not in (TimeInForce.DAY, TimeInForce.GTC):
        return f"{how.time_in_force} orders are not known to it"
    if isinstance(how.sizing, FixedShares) and not 1 <= how.sizing.number < _MOST_SHARES:
        return f"{how.sizing.number} shares are not whole ones"
    return None


def _of_costs(model: VenueModel) -> str | None:  # noqa: PLR0911 - each says why
    costs = model.costs
    commission, slippage = costs.commission, costs.slippage
    beside = {
        "fees": costs.levies,
        "impact": costs.impact,
        "borrow": costs.borrow,
        "margin": costs.margin,
    }
    for name, part in beside.items():
        if part is not None:
            return f"{name} is not counted by it"
    if costs != type(costs)(commission, slippage):
        return f"{costs} is not known to it"
    if type(slippage) is not BasisPoints or not _fits(slippage.bps, 4):
        return f"slippage by {slippage} is not known to it"
    rates = _rates(commission)
    if rates is None:
        return f"commission by {type(commission).__name__} is not known to it"
    if not (_fits(rates[0]) and _fits(rates[1])):
        return f"a commission of {commission} has too many digits"
    if model.volume_share is not None and not _fits(model.volume_share):
        return f"a volume share of {model.volume_share} has too many digits"
    plain = type(model)(costs=model.costs, volume_share=model.volume_share)
    if model != plain or model.fill_on is not FillOn.BARS:
        return "the venue does more than fill at opens"
    return None


def _rates(commission: Commission) -> tuple[Decimal, Decimal] | None:
    # What is charged for a share or a unit of value, and the least for an order.
    if isinstance(commission, PerShare | PercentWithMinimum):
        return commission.rate, commission.minimum
    if isinstance(commission, PercentOfValue):
        return commission.rate, ZERO
    if isinstance(commission, PerTrade):
        return ZERO, commission.amount
    return (ZERO, ZERO) if isinstance(commission, NoCommission) else None


def _of_market(ground: Ground) -> str | None:  # noqa: PLR0911 - each says why
    market, frame, deeds = ground.market, ground.market.frame, ground.deeds
    symbols = set()
    for name in frame.instruments:
        instrument = market.instruments.get(name)
        if instrument is None:
            return f"{name} is no instrument of the market"
        if instrument.lot % _ONE:
            return f"{name} trades in parts of a share"
        if instrument.multiplier != _ONE or instrument.lot > _MOST_SHARES:
            return f"{name} trades in units of {instrument.lot} × {instrument.multiplier}"
        symbols.add(instrument.symbol)
    if len(symbols) < len(frame.instruments):
        return "two instruments have one symbol"
    if not ground.pace[0]:
        return "two rows become known at one time"
    long = np.flatnonzero(deeds.amount[:, 1] == 0)
    if len(long):
        return f"{deeds.actions[long[0]]} has too many digits"
    return None


def _fits(value: Decimal, digits: int = _MOST_DIGITS) -> bool:
    return _digits(value) <= digits and value < 10**_MOST_DIGITS


def _digits(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 99


def rule_facts(spec: RunSpec, rows: Rows, scale: int, *, tells: bool) -> Rules:
    """Return a spec's numbers at a scale; `tells` stops at every row with a refusal."""
    limits, sizing = spec.limits, spec.construction.sizing
    model = spec.venue_model()
    slip = model.costs.slippage
    bps: Decimal = slip.bps if isinstance(slip, BasisPoints) else ZERO
    unit = _SLIP_UNIT * 10 ** _digits(bps)
    worse = int(bps * 10 ** _digits(bps))
    share = model.volume_share
    share_unit = 10 ** _digits(share) if share is not None else 0
    fixed = int(sizing.number) if isinstance(sizing, FixedShares) else 0
    return Rules(
        first=rows.first,
        last=rows.last,
        scale=scale,
        cent=scale // 100,
        fixed=fixed,
        fraction=float(sizing.fraction) if isinstance(sizing, FixedFraction) else 1.0,
        min_trade=int((spec.construction.min_trade * scale).to_integral_value(ROUND_CEILING)),
        one_day=spec.construction.time_in_force is TimeInForce.DAY,
        max_order=_most(limits.max_order_notional, scale),
        max_position=_most(limits.max_position_notional, scale),
        max_shares=_most(limits.max_position_shares, 1),
        max_weight=float(limits.max_position_weight),
        max_gross=float(limits.max_gross),
        max_net=float(limits.max_net),
        leverage=float(limits.leverage),
        max_age=limits.max_price_age_rows,
        slip_buy=unit + worse,
        slip_sell=unit - worse,
        slip_unit=unit if bps else 0,
        slip_step=scale // _SLIP_UNIT,
        share=int(share * share_unit) if share is not None else 0,
        share_unit=share_unit,
        tells=tells,
        **_fees(model.costs.commission, scale),
    )


def _most(limit: Decimal | None, scale: int) -> int:
    # What is above the exact limit is above its whole part, since values are whole numbers.
    if limit is None:
        return _UNSET
    return min(int((limit * scale).to_integral_value(ROUND_FLOOR)), 2**62)


def _fees(commission: Commission, scale: int) -> dict[str, Any]:
    rate, least = _rates(commission) or (ZERO, ZERO)
    if isinstance(commission, PercentOfValue | PercentWithMinimum):
        digits = _digits(rate)
        return {
            "by_value": True,
            "by_fill": isinstance(commission, PercentOfValue),
            "fee_rate": int(rate * 10**digits),
            "fee_least": int(to_cents(least) * 100),
            "fee_unit": 10**digits * scale // 100,
        }
    digits = max(_digits(rate), _digits(least), _FEWEST_DIGITS)
    return {
        "by_value": False,
        "by_fill": False,
        "fee_rate": int(rate * 10**digits),
        "fee_least": int(least * 10**digits),
        "fee_unit": 10 ** (digits - _FEWEST_DIGITS),
    }


def wish_facts(strategy: Strategy, columns: Columns, ground: Ground, sizing: Sizing) -> Wishes:
    """Return a strategy's targets for all rows."""
    scales = sealed(_scales(ground, sizing), np.float64)
    weights = _NONE
    now, due = np.empty((0, 0), dtype=np.int8), np.empty(0, dtype=np.bool_)
    levels: tuple[Level, ...] = ()
    if _weighs(strategy):
        weights = strategy.weights(columns)
    elif _has_states(strategy):
        states = strategy.states(columns)
        now, levels = states.now, tuple(states.levels)
        due = due if states.due is None else states.due
    flat, held, wakes = _levels(levels)
    return Wishes(
        sealed(now, np.int8),
        flat,
        held,
        sealed(due, np.bool_),
        sealed(weights, np.float64),
        scales,
        wakes,
    )


# Sets of parameters mostly share what their states mean.
@lru_cache(maxsize=64)
def _levels(levels: tuple[Level, ...]) -> tuple[FloatArray, FloatArray, BoolArray]:
    # The weights of states, and at which of them, as unsigned bytes, there is one: a state below
    # nothing counts from the end, and is a large number as such a byte.
    flat = np.array([np.nan if one.flat is None else one.flat for one in levels], dtype=np.float64)
    held = np.array([np.nan if one.held is None else one.held for one in levels], dtype=np.float64)
    wakes = np.zeros((2, _BYTES), dtype=np.bool_)
    for known, weights in zip(wakes, (flat, held), strict=True):
        wished = ~np.isnan(weights)
        known[: len(wished)] = wished
        known[_BYTES - len(wished) :] |= wished
    return sealed(flat, np.float64), sealed(held, np.float64), sealed(wakes, np.bool_)


def _scales(ground: Ground, sizing: Sizing) -> FloatArray:
    if not isinstance(sizing, VolatilityTarget):
        return _NONE
    known = ground.feature(volatility(sizing.volatility_window))
    annual, cap = float(sizing.annual), float(sizing.cap)
    with np.errstate(divide="ignore"):
        return np.where(
            known > 0, np.minimum(annual / known, cap), np.where(known <= 0, cap, known)
        )
