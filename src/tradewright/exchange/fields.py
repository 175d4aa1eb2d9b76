"""Reading the fields of a request: words, numbers and prices, refused in the vendor's messages.

A number may come as text or as a number; what a float made of it (190.29999999999998) is taken
at its word, and then breaks the rule of the tick as it does at the vendor.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, NoReturn, TypeVar

from tradewright.core.errors import InvalidInput
from tradewright.core.instrument import Instrument
from tradewright.core.money import Price, parse_decimal
from tradewright.core.orders import OrderKind
from tradewright.exchange.words import BROKEN_RULE, NOT_TRADABLE, UNPROCESSABLE, Refused

LONGEST_ID: Final = 128
MOST_PLACES: Final = 9
_Word = TypeVar("_Word")
# Beyond these no amount of shares or dollars makes sense, and writing it out would take for ever.
_LARGEST: Final = Decimal(10) ** 12
_MOST_DIGITS: Final = 40
_LEAST_TRAIL_PERCENT: Final = Decimal("0.1")
# Looking a member up through its enum costs as much as a sum of decimals.
_MARKET: Final = OrderKind.MARKET
_LIMIT: Final = OrderKind.LIMIT
_STOP: Final = OrderKind.STOP
_STOP_LIMIT: Final = OrderKind.STOP_LIMIT
_TRAILING: Final = OrderKind.TRAILING_STOP
_LIMITED: Final = (_LIMIT, _STOP_LIMIT)
_STOPPED: Final = (_STOP, _STOP_LIMIT)
# A text as short as this, without an exponent, is neither too large nor too long.
_SHORT: Final = 12


def refuse(message: str, code: int = BROKEN_RULE, status: int = UNPROCESSABLE) -> NoReturn:
    """Refuse a request with a message and a code."""
    raise Refused(status, code, message)


def word(body: Mapping[str, Any], field: str, allowed: Mapping[str, _Word]) -> _Word:
    """Read one of several words, which must be there."""
    value = body.get(field)
    if value is None:
        refuse(f"{field} is required")
    found = allowed.get(value) if isinstance(value, str) else None
    if found is None:
        refuse(f"invalid {field}: {value}; allowed: {', '.join(allowed)}")
    return found


def decimal_of(body: Mapping[str, Any], field: str, name: str = "") -> Decimal | None:
    """Read a number; None where it is absent, null or empty. `name` is its name in messages."""
    value = body.get(field)
    if value is None or value == "":
        return None
    name = name or field
    try:
        read = parse_decimal(value, name)
    except InvalidInput as error:
        message = f"invalid {name}: {str(value)[:_MOST_DIGITS]} is not a number"
        raise Refused(UNPROCESSABLE, BROKEN_RULE, message) from error
    if isinstance(value, str) and len(value) <= _SHORT and "e" not in value and "E" not in value:
        return read
    shape = read.as_tuple()
    fine = int(shape.exponent) >= -_MOST_DIGITS and len(shape.digits) <= _MOST_DIGITS
    if not fine or abs(read) > _LARGEST:
        refuse(f"invalid {name}: {str(value)[:_MOST_DIGITS]} is out of range")
    return read


def decimal_places(value: Decimal) -> int:
    """Count the decimal places that a number needs."""
    return max(-int(value.normalize().as_tuple().exponent), 0)


def price_of(
    body: Mapping[str, Any], field: str, instrument: Instrument, name: str = ""
) -> Price | None:
    """Read a positive price on its tick; None where it is absent."""
    value = decimal_of(body, field, name)
    if value is None:
        return None
    name = name or field
    if value <= 0:
        refuse(f"{name} must be > 0")
    if value % instrument.tick_at(value):
        rule = "sub-penny increment does not fulfill minimum pricing criteria"
        refuse(f"invalid {name} {value}. {rule}", NOT_TRADABLE)
    return Price(value)


def percent_of(body: Mapping[str, Any], field: str) -> Decimal | None:
    """Read the percentage of a trailing stop; None where it is absent."""
    percent = decimal_of(body, field)
    if percent is not None and percent < _LEAST_TRAIL_PERCENT:
        refuse(f"trail_percent must be greater than or equal to {_LEAST_TRAIL_PERCENT}")
    return percent


def client_id_of(body: Mapping[str, Any]) -> str | None:
    """Read the client's id of an order; None where the client leaves it to the exchange."""
    client_id = body.get("client_order_id") or None
    if client_id is None:
        return None
    if not isinstance(client_id, str):
        refuse("client_order_id must be a string")
    if len(client_id) > LONGEST_ID:
        refuse(f"client_order_id must be no more than {LONGEST_ID} characters")
    if not client_id.isprintable():
        refuse("client_order_id must be printable")
    return client_id


def flag_of(body: Mapping[str, Any], field: str) -> bool:
    """Read true or false; false where it is absent."""
    value = body.get(field)
    if value is None:
        return False
    if not isinstance(value, bool):
        refuse(f"invalid {field}: {value}; allowed: true, false")
    return value


def go_together(
    kind: OrderKind,
    limit: Price | None,
    stop: Price | None,
    trails: tuple[Decimal | None, Decimal | None],
) -> None:
    """Refuse prices that are missing for a kind of order, or that it does not take."""
    trailing = kind is _TRAILING
    price, percent = trails
    if (price is not None) + (percent is not None) != trailing:
        refuse(
            "trailing stop orders must specify one of trail_price or trail_percent"
            if trailing
            else f"{kind} orders take no trail_price or trail_percent"
        )
    if kind is _MARKET and (limit is not None or stop is not None):
        refuse("market orders require no stop or limit price")
    if kind is _LIMIT and limit is None:
        refuse("limit orders require a limit price")
    if kind is _STOP and stop is None:
        refuse("stop orders require a stop price")
    if kind is _STOP_LIMIT and (limit is None or stop is None):
        refuse("stop limit orders require both stop and limit price")
    if limit is not None and kind not in _LIMITED:
        refuse(f"{kind} orders require no limit price")
    if stop is not None and kind not in _STOPPED:
        refuse(f"{kind} orders require no stop price")
