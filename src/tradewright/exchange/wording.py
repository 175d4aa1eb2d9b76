"""How an order is written, as the vendor does: the text of a ticket at a moment.

What no event changes is put into words once, when the order is first written, and stays so even
if the asset is renamed. Every text is the order's whole body, with the fields in the same order.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from tradewright.core.money import ZERO
from tradewright.core.orders import OrderKind
from tradewright.exchange.words import asset_id, moment, number
from tradewright.exchange.written import quoted, quoted_or_null

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tradewright.exchange.trading.tickets import Ticket

_TRAILING: Final = OrderKind.TRAILING_STOP
_HUNDRED: Final = Decimal(100)
_PLACES: Final = 9
_NULL: Final = "null"
_REST: Final = ',"subtag":null,"source":null'
_NOT_FILLED: Final = '"0","filled_avg_price":null'
_NOT_ENDED: Final = (
    '"expired_at":null,"canceled_at":null,"failed_at":null,"replaced_at":null,"replaced_by":null,'
)


class Wording:
    """The parts of an order's text that stay, to be put between those that do not."""

    __slots__ = ("_extended", "_head", "_kind", "_names", "_plain", "_submitted", "_trail")

    def __init__(self, ticket: Ticket) -> None:
        """Put into words what stays of a ticket."""
        order, created = ticket.order, moment(ticket.created_at)
        kind, fraction = order.kind, order.trail_fraction
        self._head = (
            f'{{"id":{quoted(ticket.id)},"client_order_id":{quoted(ticket.client_id)},'
            f'"created_at":"{created}","updated_at":"'
        )
        self._submitted = f'","submitted_at":"{created}","filled_at":'
        self._names = (
            f'"replaces":{quoted_or_null(ticket.replaces)},'
            f'"asset_id":"{asset_id(order.instrument)}","symbol":{quoted(ticket.symbol)},'
            f'"asset_class":"us_equity","notional":{_amount(ticket.notional)},"qty":'
        )
        self._kind = (
            f',"order_class":"{ticket.order_class}","order_type":"{kind}","type":"{kind}",'
            f'"side":"{order.side}","position_intent":{quoted(ticket.intent)},'
            f'"time_in_force":"{order.time_in_force}","limit_price":{_amount(order.limit)},'
            '"stop_price":'
        )
        self._extended = f',"extended_hours":{"true" if ticket.extended_hours else "false"},"legs":'
        self._trail = (
            f',"trail_percent":{_amount(None if fraction is None else fraction * _HUNDRED)},'
            f'"trail_price":{_amount(order.trail_price)},"hwm":'
        )
        # What does not trail has but one text here, and what has no legs another.
        self._plain = (
            f'{self._kind}{_amount(order.stop)},"status":',
            f"{self._extended}{_NULL}{self._trail}{_NULL}{_REST}",
        )

    def text(self, ticket: Ticket, legs: Sequence[str] = ()) -> str:
        """Write the ticket as it stands; `legs` are the texts of the orders that hang on it."""
        filled_at, filled = _NULL, _NOT_FILLED
        if ticket.filled:
            average = number(round(ticket.paid / ticket.filled, _PLACES))
            filled_at = _time(ticket.filled_at)
            filled = f'"{number(ticket.filled)}","filled_avg_price":"{average}"'
        quantity = _NULL if ticket.notional is not None else f'"{number(ticket.quantity)}"'
        kind, rest = self._plain
        if legs or ticket.order.kind is _TRAILING:
            kind, rest = self._fancy(ticket, legs)
        expires = "" if ticket.expires_at is None else f',"expires_at":{_time(ticket.expires_at)}'
        return (
            f"{self._head}{moment(ticket.updated_at)}{self._submitted}{filled_at},"
            f'{_end(ticket)}{self._names}{quantity},"filled_qty":{filled}'
            f"{kind}{quoted(ticket.status)}{rest}{expires}}}"
        )

    def _fancy(self, ticket: Ticket, legs: Sequence[str]) -> tuple[str, str]:
        stop: Decimal | None = ticket.order.stop
        best = None
        if ticket.order.kind is OrderKind.TRAILING_STOP:
            stop, best = _trailing(ticket), ticket.watermark
        kind = f'{self._kind}{_amount(stop)},"status":'
        return kind, f"{self._extended}{_array(legs)}{self._trail}{_amount(best)}{_REST}"


def _trailing(ticket: Ticket) -> Decimal | None:
    # A trailing stop stands behind the best price so far.
    if ticket.watermark is None:
        return None
    order = ticket.order
    away = order.trail_price or ticket.watermark * (order.trail_fraction or ZERO)
    return ticket.watermark + order.side.sign * away


def _end(ticket: Ticket) -> str:
    if ticket.is_open and ticket.replaced_by is None:
        return _NOT_ENDED
    return (
        f'"expired_at":{_time(ticket.expired_at)},"canceled_at":{_time(ticket.canceled_at)},'
        f'"failed_at":{_time(ticket.failed_at)},"replaced_at":{_time(ticket.replaced_at)},'
        f'"replaced_by":{quoted_or_null(ticket.replaced_by)},'
    )


def _array(texts: Sequence[str]) -> str:
    return f"[{','.join(texts)}]" if texts else _NULL


def _amount(value: Decimal | None) -> str:
    return _NULL if value is None else f'"{number(value)}"'


def _time(at: datetime | None) -> str:
    return _NULL if at is None else f'"{moment(at)}"'
