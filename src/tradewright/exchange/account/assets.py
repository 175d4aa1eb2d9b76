"""Assets, as the vendor writes them.

The list knows the present only: an asset that has been delisted is not in it, whatever the
status asked for, so a universe made from the list leaves out what failed. By its name it can
still be found, inactive.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from tradewright.core.instrument import Instrument
from tradewright.exchange.account.margin import house_rate
from tradewright.exchange.account.shorting import EASY, HARD, NOT_SHORTABLE
from tradewright.exchange.exchange import Exchange
from tradewright.exchange.words import (
    BROKEN_RULE,
    MISSING,
    NEW_YORK,
    NOT_FOUND,
    UNPROCESSABLE,
    Refused,
    asset_id,
    number,
)

if TYPE_CHECKING:
    from tradewright.core.records import JsonValue

VENUES: Final = {
    "XNYS": "NYSE",
    "XNAS": "NASDAQ",
    "ARCX": "ARCA",
    "XASE": "AMEX",
    "BATS": "BATS",
}
_EXCHANGES: Final = (*VENUES.values(), "NYSEARCA", "OTC")
_STATUSES: Final = ("active", "inactive")
_CLASSES: Final = ("us_equity", "us_option", "crypto", "crypto_perp", "ipo")
_FRACTIONS: Final = "fractional_eh_enabled"
_PERCENT: Final = Decimal(100)
_PLACES: Final = 2
_WHOLE: Final = Decimal(1)


def assets(exchange: Exchange, query: Mapping[str, str]) -> list[dict[str, JsonValue]]:
    """Write the assets of a status, class, exchange or with any of some attributes, by symbol."""
    status = _asked(query, "status", _STATUSES)
    kind = _asked(query, "asset_class", _CLASSES) or _CLASSES[0]
    where = _asked(query, "exchange", _EXCHANGES)
    wanted = set(filter(None, query.get("attributes", "").split(",")))
    symbols = exchange.market.instruments
    rows = [_asset(exchange, symbols[name]) for name in sorted(symbols)]
    return [
        row
        for row in rows
        if row["status"] == "active"
        and status in {"", "active"}
        and row["class"] == kind
        and where in {"", row["exchange"]}
        and (not wanted or wanted & _attributes(row))
    ]


def asset(exchange: Exchange, name: str) -> dict[str, JsonValue]:
    """Write the asset of a symbol or asset id.

    Raises:
        Refused: There is none.
    """
    instrument = instrument_of(exchange, name)
    if instrument is None:
        raise Refused(MISSING, NOT_FOUND, f"asset not found for {name}")
    return _asset(exchange, instrument)


def instrument_of(exchange: Exchange, name: str) -> Instrument | None:
    """Return the instrument of a symbol or asset id, if there is one."""
    instruments = exchange.market.instruments
    found = instruments.get(name)
    if found is not None:
        return found
    return next((item for item in instruments.values() if asset_id(item.id) == name), None)


def venue(instrument: Instrument) -> str:
    """Return the vendor's word for where an instrument is listed."""
    return VENUES.get(instrument.venue, "OTC")


def is_marginable(price: Decimal) -> bool:
    """Say whether a position at a price can be bought on margin: shares that are not cheap."""
    return house_rate(price, short=False) < _WHOLE


def _asset(exchange: Exchange, instrument: Instrument) -> dict[str, JsonValue]:
    today = exchange.market.now.astimezone(NEW_YORK).date()
    active = instrument.is_listed(today) and instrument.id not in exchange.account.gone
    status = exchange.account.permissions.shorting.status(instrument)
    # Before its first print an asset is taken to be no cheap one.
    price = exchange.market.brokerage.price(instrument.id) or _PERCENT
    long_rate = number(_percent(price, short=False))
    attributes: list[JsonValue] = [_FRACTIONS]
    return {
        "id": asset_id(instrument.id),
        "class": instrument.asset_class.value,
        "exchange": venue(instrument),
        "symbol": instrument.symbol,
        "name": instrument.symbol,
        "status": "active" if active else "inactive",
        "tradable": active and instrument.tradable,
        "marginable": is_marginable(price),
        "shortable": status != NOT_SHORTABLE,
        "easy_to_borrow": status == EASY,
        "borrow_status": EASY if status == EASY else HARD,
        "fractionable": instrument.is_fractionable,
        "maintenance_margin_requirement": float(long_rate),
        "margin_requirement_long": long_rate,
        "margin_requirement_short": number(_percent(price, short=True)),
        "attributes": attributes if instrument.is_fractionable else [],
    }


def _percent(price: Decimal, *, short: bool) -> Decimal:
    return round(house_rate(price, short=short) * _PERCENT, _PLACES)


def _attributes(row: Mapping[str, JsonValue]) -> set[str]:
    attributes = row["attributes"]
    return {str(name) for name in attributes} if isinstance(attributes, list) else set()


def _asked(query: Mapping[str, str], field: str, allowed: tuple[str, ...]) -> str:
    value = query.get(field, "")
    if value and value not in allowed:
        message = f"invalid {field}: {value}; allowed: {', '.join(allowed)}"
        raise Refused(UNPROCESSABLE, BROKEN_RULE, message)
    return value
