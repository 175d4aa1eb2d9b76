"""A spec and a market as whole numbers, and why a spec cannot be run equally.

What is not known here is refused: a kind of cost, sizing or order that was added to the engine
and not to the kernels must not be passed over.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import MISSING, fields
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeGuard, TypeVar

import numpy as np
from numpy.typing import NDArray

from tradewright.backtest.arrays.state import DIVIDEND, SPLIT, Market, Rules, Wishes
from tradewright.core.market import CashDividend, Delisting, Split
from tradewright.core.money import ZERO
from tradewright.core.orders import TimeInForce
from tradewright.engine.run import RunSpec
from tradewright.execution.venue import FillOn
from tradewright.features.volatility import volatility
from tradewright.portfolio.costs import BasisPoints, NoCommission, PercentOfValue, PerShare
from tradewright.portfolio.sizing import FixedFraction, FixedShares, VolatilityTarget
from tradewright.strategies.strategy import Stateful, Weighing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewright.backtest.arrays.columns import Ground
    from tradewright.core.frames import FloatArray, IntArray
    from tradewright.core.market import CorporateAction
    from tradewright.data.history import MarketData
    from tradewright.engine.run import Rows
    from tradewright.execution.venue import VenueModel
    from tradewright.portfolio.costs import Commission
    from tradewright.portfolio.sizing import Sizing
    from tradewright.strategies.strategy import Columns, Level, Strategy

SCALES: Final = (10**4, 10**6, 10**8)
"""Units of a dollar in which a run may be counted; the first that holds every price is taken."""

_Number = TypeVar("_Number", np.float64, np.int8, np.bool_)
_ONE: Final = Decimal(1)
_SLIP_UNIT: Final = 10**4
_FEWEST_DIGITS: Final = 2
_MOST_DIGITS: Final = 6
_MOST_SHARES: Final = 10**12
_NANOS_PER_MICRO: Final = 1000
_MICROS: Final = 1_000_000
_DIVIDEND_DIGITS: Final = 9
_KINDS: Final[Mapping[type, int]] = {CashDividend: DIVIDEND, Split: SPLIT, Delisting: SPLIT + 1}
_UNSET: Final = -1
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
    }
)


def why_not(spec: RunSpec, market: MarketData, *, strategy: Strategy | None = None) -> str | None:
    """Return why the compiled path cannot run a spec equally, None if it can try.

    Prices that are no decimals of at most eight places, and numbers too large for sixty-four
    bits, are found only on the way: then the run is refused.
    """
    chosen = strategy or spec.build_strategy()
    if not (_has_states(chosen) or _weighs(chosen)):
        return f"{chosen.id} does not say its targets for all rows at once"
    if chosen.needs.timeframe is not market.frame.timeframe:
        return f"{chosen.id} needs {chosen.needs.timeframe.value} bars"
    return _of_spec(spec) or _of_costs(spec.venue_model()) or _of_market(market)


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


def _of_costs(model: VenueModel) -> str | None:
    commission, slippage = model.costs.commission, model.costs.slippage
    if type(slippage) is not BasisPoints or not _fits(slippage.bps, 4):
        return f"slippage by {slippage} is not known to it"
    rates: tuple[Decimal, ...]
    if type(commission) is PerShare:
        rates = commission.rate, commission.minimum
    elif type(commission) is PercentOfValue:
        rates = (commission.rate,)
    elif type(commission) is NoCommission:
        rates = ()
    else:
        return f"commission by {type(commission).__name__} is not known to it"
    if not all(_fits(rate) for rate in rates):
        return f"a commission of {commission} has too many digits"
    if model.volume_share is not None and not _fits(model.volume_share):
        return f"a volume share of {model.volume_share} has too many digits"
    plain = type(model)(costs=model.costs, volume_share=model.volume_share)
    if model != plain or model.fill_on is not FillOn.BARS:
        return "the venue does more than fill at opens"
    return None


def _of_market(market: MarketData) -> str | None:
    frame = market.frame
    symbols = set()
    for name in frame.instruments:
        instrument = market.instruments.get(name)
        if instrument is None:
            return f"{name} is no instrument of the market"
        if instrument.lot != _ONE or instrument.multiplier != _ONE:
            return f"{name} does not trade in single shares"
        symbols.add(instrument.symbol)
    if len(symbols) < len(frame.instruments):
        return "two instruments have one symbol"
    if np.any(np.diff(frame.known_at) < _NANOS_PER_MICRO):
        return "two rows become known at one time"
    for action in market.actions:
        if isinstance(action, CashDividend) and _dividend(action.amount) is None:
            return f"a dividend of {action.amount} has too many digits"
    return None


def _fits(value: Decimal, digits: int = _MOST_DIGITS) -> bool:
    return _digits(value) <= digits and value < 10**_MOST_DIGITS


def _digits(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 99


def market_facts(ground: Ground, rows: Rows) -> tuple[Market, list[CorporateAction]]:
    """Return the market's bars, actions and calendar as numbers, and what `opening` is of."""
    market = ground.market
    frame = market.frame
    own = [market.instruments[name] for name in frame.instruments]
    opening, actions, ending = _actions(*placed_actions(market, rows))
    splits = np.zeros(len(own), dtype=np.bool_)
    splits[opening[opening[:, 2] == SPLIT, 1]] = True
    facts = Market(
        open=frame.open,
        close=frame.close,
        volume=frame.volume,
        session=frame.session,
        start=frame.start // _NANOS_PER_MICRO,
        known=frame.known_at // _NANOS_PER_MICRO,
        by_name=np.argsort(np.array(frame.instruments), kind="stable").astype(np.int64),
        tradable=np.array([one.tradable for one in own]),
        shortable=np.array([one.shortable for one in own]),
        listed=_ordinals([one.listed for one in own]),
        delisted=_ordinals([one.delisted for one in own]),
        splits=splits,
        opening=opening,
        ending=ending,
        calendar=_calendar(market, rows),
    )
    return facts, actions


def _ordinals(days: Sequence[Any]) -> IntArray:
    return np.array([_UNSET if day is None else day.toordinal() for day in days], dtype=np.int64)


def _calendar(market: MarketData, rows: Rows) -> IntArray:
    # The sessions that decisions of the run can ask about, and those beside them, so that what
    # lies beyond the calendar stays beyond it.
    sessions, frame = market.calendar.sessions, market.frame
    first = bisect_left(sessions, frame.known(rows.first - 1), key=lambda one: one.open)
    stop = bisect_left(sessions, frame.known(rows.last), key=lambda one: one.open)
    table = [
        (
            round(one.open.timestamp() * _MICROS),
            round(one.close.timestamp() * _MICROS),
            one.date.toordinal(),
        )
        for one in sessions[max(first - 2, 0) : stop + 2]
    ]
    return np.array(table, dtype=np.int64).reshape(-1, 3)


def placed_actions(market: MarketData, rows: Rows) -> tuple[IntArray, list[CorporateAction]]:
    """Return row, column and kind of each action of a run, and the actions, as they are booked.

    A delisting counts after the last row of its session, all else before the first.
    """
    frame = market.frame
    places = {name: column for column, name in enumerate(frame.instruments)}
    known = [a for a in market.actions if a.instrument in places]
    if not known:
        return np.empty((0, 3), dtype=np.int64), []
    count = len(known)
    ordinals = np.fromiter((a.ex_date.toordinal() for a in known), np.int64, count)
    kinds = np.fromiter((_KINDS[type(a)] for a in known), np.int64, count)
    columns = np.fromiter((places[a.instrument] for a in known), np.int64, count)
    days = np.array([session.date.toordinal() for session in frame.sessions])
    # Of each session the first and the last row that the run lives through, -1 for none.
    lived = np.arange(rows.first, rows.last + 1)
    numbers = frame.session[lived]
    edges = np.full((2, len(days) + 1), _UNSET, dtype=np.int64)
    edges[0, numbers[::-1]] = lived[::-1]
    edges[1, numbers] = lived
    at = edges[(kinds == _KINDS[Delisting]).astype(np.int64), np.searchsorted(days, ordinals)]
    names = np.empty(len(places), dtype=np.int64)
    names[np.argsort(np.array(frame.instruments), kind="stable")] = np.arange(len(places))
    order = np.lexsort((names[columns], kinds, ordinals, at))
    order = order[at[order] >= 0]
    table = np.stack((at[order], columns[order], kinds[order]), axis=1)
    return table, [known[i] for i in order.tolist()]


def _actions(
    table: IntArray, actions: Sequence[CorporateAction]
) -> tuple[IntArray, list[CorporateAction], IntArray]:
    # What counts before rows, with its numbers and as it is, and what counts after rows.
    opens = table[:, 2] != _KINDS[Delisting]
    opening = [action for action, is_opening in zip(actions, opens, strict=True) if is_opening]
    numbers = [
        action.ratio.as_integer_ratio()
        if isinstance(action, Split)
        else _dividend(action.amount)
        if isinstance(action, CashDividend)
        else None
        for action in opening
    ]
    amounts = np.array(numbers, dtype=np.int64).reshape(-1, 2)
    return np.hstack((table[opens], amounts)), opening, np.ascontiguousarray(table[~opens, :2])


@lru_cache(maxsize=65536)
def _dividend(amount: Decimal) -> tuple[int, int] | None:
    # The amount in units of which so many are a cent; None where it has too many digits.
    digits = max(_digits(amount), _FEWEST_DIGITS)
    if digits > _DIVIDEND_DIGITS or amount >= 10**_MOST_DIGITS:
        return None
    return int(amount.scaleb(digits)), 10 ** (digits - _FEWEST_DIGITS)


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
    if isinstance(commission, PercentOfValue):
        digits = _digits(commission.rate)
        unit = 10**digits * scale // 100
        rate = int(commission.rate * 10**digits)
        return {"by_value": True, "fee_rate": rate, "fee_least": 0, "fee_unit": unit}
    least: Decimal = ZERO
    per_share: Decimal = ZERO
    if isinstance(commission, PerShare):
        per_share, least = commission.rate, commission.minimum
    digits = max(_digits(per_share), _digits(least), _FEWEST_DIGITS)
    return {
        "by_value": False,
        "fee_rate": int(per_share * 10**digits),
        "fee_least": int(least * 10**digits),
        "fee_unit": 10 ** (digits - _FEWEST_DIGITS),
    }


def wish_facts(strategy: Strategy, columns: Columns, ground: Ground, sizing: Sizing) -> Wishes:
    """Return a strategy's targets for all rows."""
    scales = _sealed(_scales(ground, sizing), np.float64)
    weights = _NONE
    now, due = np.empty((0, 0), dtype=np.int8), np.empty(0, dtype=np.bool_)
    levels: Sequence[Level] = ()
    if _weighs(strategy):
        weights = strategy.weights(columns)
    elif _has_states(strategy):
        states = strategy.states(columns)
        now, levels = states.now, states.levels
        due = due if states.due is None else states.due
    flat = np.array([np.nan if one.flat is None else one.flat for one in levels], dtype=np.float64)
    held = np.array([np.nan if one.held is None else one.held for one in levels], dtype=np.float64)
    return Wishes(
        _sealed(now, np.int8),
        flat,
        held,
        _sealed(due, np.bool_),
        _sealed(weights, np.float64),
        scales,
    )


def _sealed(array: NDArray[_Number], kind: type[_Number]) -> NDArray[_Number]:
    # One kind of array, whoever made it: the loop is compiled for each kind.
    view = np.ascontiguousarray(array, dtype=kind).view()
    view.flags.writeable = False
    return view


def _scales(ground: Ground, sizing: Sizing) -> FloatArray:
    if not isinstance(sizing, VolatilityTarget):
        return _NONE
    known = ground.feature(volatility(sizing.volatility_window))
    annual, cap = float(sizing.annual), float(sizing.cap)
    with np.errstate(divide="ignore"):
        return np.where(
            known > 0, np.minimum(annual / known, cap), np.where(known <= 0, cap, known)
        )
