"""Positions, as the vendor writes them.

A short's quantity, value and cost are negative. What was opened today has gained since then, and
the rest since the last close: that is the intraday profit.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from tradewright.core.instrument import Instrument
from tradewright.core.money import ZERO
from tradewright.core.orders import Side
from tradewright.core.positions import Lot, Position
from tradewright.exchange.account.assets import instrument_of, is_marginable, venue
from tradewright.exchange.account.margin import price_of
from tradewright.exchange.exchange import Exchange
from tradewright.exchange.words import MISSING, NOT_FOUND, Refused, asset_id, number

if TYPE_CHECKING:
    from tradewright.core.records import JsonValue

_PLACES: Final = 10


def positions(exchange: Exchange) -> list[dict[str, JsonValue]]:
    """Write every position, by instrument."""
    instruments = {item.id: item for item in exchange.market.instruments.values()}
    held = exchange.market.brokerage.ledger.positions
    return [_position(exchange, instruments[name], held[name]) for name in sorted(held)]


def position(exchange: Exchange, name: str) -> dict[str, JsonValue]:
    """Write the position of a symbol or asset id.

    Raises:
        Refused: It is flat, or there is no such asset.
    """
    instrument = instrument_of(exchange, name)
    held = exchange.market.brokerage.ledger.positions
    if instrument is None or instrument.id not in held:
        raise Refused(MISSING, NOT_FOUND, "position does not exist")
    return _position(exchange, instrument, held[instrument.id])


def _position(exchange: Exchange, instrument: Instrument, held: Position) -> dict[str, JsonValue]:
    price = price_of(exchange.market, instrument.id)
    before = exchange.account.last_prices.get(instrument.id, price)
    worth, cost = price * held.quantity, held.cost
    base = sum((_since(exchange, lot, before) * lot.quantity for lot in held.lots), ZERO)
    size = instrument.multiplier
    return {
        "asset_id": asset_id(instrument.id),
        "symbol": instrument.symbol,
        "exchange": venue(instrument),
        "asset_class": instrument.asset_class.value,
        "asset_marginable": is_marginable(price),
        "qty": number(held.quantity),
        "qty_available": number(_available(exchange, instrument, held.quantity)),
        "avg_entry_price": number(round(held.average, _PLACES)),
        "side": "long" if held.quantity > 0 else "short",
        "market_value": number(worth * size),
        "cost_basis": number(round(cost * size, _PLACES)),
        "unrealized_pl": number(round((worth - cost) * size, _PLACES)),
        "unrealized_plpc": _ratio(worth - cost, abs(cost)),
        "unrealized_intraday_pl": number(round((worth - base) * size, _PLACES)),
        "unrealized_intraday_plpc": _ratio(worth - base, abs(base)),
        "current_price": number(price),
        "lastday_price": number(round(before, _PLACES)),
        "change_today": _ratio(price - before, before),
    }


def _available(exchange: Exchange, instrument: Instrument, held: Decimal) -> Decimal:
    closing = Side.SELL if held > 0 else Side.BUY
    free = max(abs(held) - exchange.orders.reserved(instrument.id, closing), ZERO)
    return free if held > 0 else -free


def _since(exchange: Exchange, lot: Lot, before: Decimal) -> Decimal:
    return lot.price if lot.opened_at >= exchange.account.day_began else before


def _ratio(part: Decimal, whole: Decimal) -> str:
    return number(round(part / whole, _PLACES)) if whole else "0"
