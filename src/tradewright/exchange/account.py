"""The account, its positions, the assets and the hours of the market, as the vendor writes them.

Read-only views of the replayed market. The pattern-day-trader fields are left out, as the
vendor left them out in July 2026.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from tradewright.core.errors import MissingData
from tradewright.core.instrument import Instrument
from tradewright.core.money import ZERO
from tradewright.core.orders import Side
from tradewright.core.positions import Lot, Position
from tradewright.core.session import Session, Span
from tradewright.exchange.market import ReplayMarket
from tradewright.exchange.words import (
    BROKEN_RULE,
    MISSING,
    NEW_YORK,
    NOT_FOUND,
    UNPROCESSABLE,
    Refused,
    identifier,
    moment,
    number,
)

if TYPE_CHECKING:
    from tradewright.core.records import JsonValue

_VENUES: Final = {
    "XNYS": "NYSE",
    "XNAS": "NASDAQ",
    "ARCX": "ARCA",
    "XASE": "AMEX",
    "BATS": "BATS",
}
_PLACES: Final = 10


def account(market: ReplayMarket) -> dict[str, JsonValue]:
    """Write the account."""
    brokerage = market.brokerage
    long_value = short_value = ZERO
    for position in brokerage.ledger.positions.values():
        value = _price(market, position) * position.quantity
        long_value += max(value, ZERO)
        short_value += min(value, ZERO)
    equity, cash = number(brokerage.equity()), brokerage.ledger.cash
    power = number(brokerage.buying_power())
    margin = number(long_value - short_value)
    return {
        "id": identifier("account", market.account),
        "account_number": market.account,
        "status": "ACTIVE",
        "currency": "USD",
        "created_at": moment(market.opened_at),
        "cash": number(cash),
        "buying_power": power,
        "regt_buying_power": power,
        "non_marginable_buying_power": number(max(cash, ZERO)),
        "effective_buying_power": power,
        "options_buying_power": "0",
        "equity": equity,
        "last_equity": number(market.last_equity),
        "portfolio_value": equity,
        "long_market_value": number(long_value),
        "short_market_value": number(short_value),
        "position_market_value": number(long_value + short_value),
        "initial_margin": margin,
        "maintenance_margin": margin,
        "last_maintenance_margin": "0",
        "sma": "0",
        "multiplier": number(market.leverage),
        "accrued_fees": "0",
        "pending_transfer_in": "0",
        "pending_transfer_out": "0",
        "pending_reg_taf_fees": "0",
        "intraday_adjustments": "0",
        "balance_asof": f"{market.now.astimezone(NEW_YORK):%Y-%m-%d}",
        "trading_blocked": False,
        "transfers_blocked": False,
        "account_blocked": False,
        "trade_suspended_by_user": False,
        "shorting_enabled": any(item.shortable for item in market.instruments.values()),
    }


def positions(market: ReplayMarket) -> list[dict[str, JsonValue]]:
    """Write every position."""
    return [
        _position(market, instrument, position)
        for instrument, position in _held(market)
        if position.quantity
    ]


def position(market: ReplayMarket, name: str) -> dict[str, JsonValue]:
    """Write the position of a symbol or asset id; flat is 404."""
    for instrument, held in _held(market):
        if name in {instrument.symbol, identifier("asset", instrument.symbol)}:
            return _position(market, instrument, held)
    raise Refused(MISSING, NOT_FOUND, "position does not exist")


def assets(market: ReplayMarket) -> list[dict[str, JsonValue]]:
    """Write every asset, by symbol."""
    return [_asset(market.instruments[symbol]) for symbol in sorted(market.instruments)]


def asset(market: ReplayMarket, name: str) -> dict[str, JsonValue]:
    """Write the asset of a symbol or asset id."""
    for instrument in market.instruments.values():
        if name in {instrument.symbol, identifier("asset", instrument.symbol)}:
            return _asset(instrument)
    raise Refused(MISSING, NOT_FOUND, f"asset not found for {name}")


def clock(market: ReplayMarket) -> dict[str, JsonValue]:
    """Write the market's own clock, in New York time."""
    session = market.brokerage.session
    try:
        following = market.calendar.next_session(market.now)
    except MissingData as error:
        raise Refused(500, 50010000, f"the replay's calendar has ended: {error}") from error
    return {
        "timestamp": _local(market.now).isoformat(),
        "is_open": session is not None,
        "next_open": _local(following.open).isoformat(),
        "next_close": _local((session or following).close).isoformat(),
    }


def calendar(market: ReplayMarket, start: str | None, end: str | None) -> list[dict[str, str]]:
    """Write the sessions from `start` to `end`, both included."""
    sessions = market.calendar.sessions
    if not sessions:
        return []
    first = _date(start, "start") or sessions[0].date
    last = _date(end, "end") or sessions[-1].date
    if last < first:
        raise Refused(UNPROCESSABLE, BROKEN_RULE, "end must not be before start")
    return [_day(market, session) for session in market.calendar.within(Span(first, last))]


def _held(market: ReplayMarket) -> Iterator[tuple[Instrument, Position]]:
    ids = {item.id: item for item in market.instruments.values()}
    for name, held in sorted(market.brokerage.ledger.positions.items()):
        yield ids[name], held


def _price(market: ReplayMarket, position: Position) -> Decimal:
    price = market.brokerage.price(position.instrument)
    return position.average if price is None else price


def _since(market: ReplayMarket, lot: Lot, before: Decimal) -> Decimal:
    # What was opened today has gained since then, and the rest since the last close.
    return lot.price if lot.opened_at >= market.day_began else before


def _ratio(part: Decimal, whole: Decimal) -> str:
    return number(round(part / whole, _PLACES)) if whole else "0"


def _position(market: ReplayMarket, instrument: Instrument, held: Position) -> dict[str, JsonValue]:
    price = _price(market, held)
    before = market.last_prices.get(instrument.id, price)
    value, cost = price * held.quantity, held.cost
    profit = value - cost
    base = sum((_since(market, lot, before) * lot.quantity for lot in held.lots), ZERO)
    today = value - base
    closing = Side.SELL if held.quantity > 0 else Side.BUY
    free = abs(held.quantity) - market.reserved(instrument.id, closing)
    sign = 1 if held.quantity > 0 else -1
    return {
        "asset_id": identifier("asset", instrument.symbol),
        "symbol": instrument.symbol,
        "exchange": _VENUES.get(instrument.venue, "OTC"),
        "asset_class": "us_equity",
        "asset_marginable": True,
        "qty": number(held.quantity),
        "qty_available": number(max(free, ZERO) * sign),
        "avg_entry_price": number(round(held.average, _PLACES)),
        "side": "long" if held.quantity > 0 else "short",
        "market_value": number(value),
        "cost_basis": number(round(cost, _PLACES)),
        "unrealized_pl": number(round(profit, _PLACES)),
        "unrealized_plpc": _ratio(profit, abs(cost)),
        "unrealized_intraday_pl": number(round(today, _PLACES)),
        "unrealized_intraday_plpc": _ratio(today, abs(base)),
        "current_price": number(price),
        "lastday_price": number(round(before, _PLACES)),
        "change_today": _ratio(price - before, before),
    }


def _asset(instrument: Instrument) -> dict[str, JsonValue]:
    return {
        "id": identifier("asset", instrument.symbol),
        "class": "us_equity",
        "exchange": _VENUES.get(instrument.venue, "OTC"),
        "symbol": instrument.symbol,
        "name": instrument.symbol,
        "status": "active",
        "tradable": instrument.tradable,
        "marginable": True,
        "shortable": instrument.shortable,
        "easy_to_borrow": instrument.shortable,
        "borrow_status": "easy_to_borrow" if instrument.shortable else "hard_to_borrow",
        "fractionable": False,
        "margin_requirement_long": "100",
        "margin_requirement_short": "100",
        "attributes": [],
    }


def _local(at: datetime) -> datetime:
    return at.astimezone(NEW_YORK)


def _date(text: str | None, field: str) -> date | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).date()
    except ValueError as error:
        message = f"invalid {field}: {text} is not a date"
        raise Refused(UNPROCESSABLE, BROKEN_RULE, message) from error


def _day(market: ReplayMarket, session: Session) -> dict[str, str]:
    try:
        settles = market.calendar.after(session).date
    except MissingData:
        settles = session.date
    return {
        "date": session.date.isoformat(),
        "open": f"{_local(session.open):%H:%M}",
        "close": f"{_local(session.close):%H:%M}",
        "session_open": "0400",
        "session_close": "2000",
        "settlement_date": settles.isoformat(),
    }
