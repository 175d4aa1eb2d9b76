"""What happens to orders and the book, as log lines with stable names: ORDER_SUBMITTED and kin.

Pure code does not log: what a runner hears, `TradingWatch` hands to `log_event`. What only moves
time or prices (bars, quotes, timers) makes no line. The time of a line is when it was written; when
the thing happened is its field `at`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from tradewright.core import events
from tradewright.core.decisions import Refusal
from tradewright.core.orders import Order
from tradewright.core.records import Body, to_body
from tradewright.engine.chronicle import Compared, Told

_LINES: Final[Mapping[type, tuple[str, int]]] = {
    events.Submitted: ("ORDER_SUBMITTED", logging.INFO),
    events.Unconfirmed: ("ORDER_UNCONFIRMED", logging.WARNING),
    events.Accepted: ("ORDER_ACCEPTED", logging.INFO),
    events.Reported: ("ORDER_REPORTED", logging.INFO),
    events.Filled: ("ORDER_FILLED", logging.INFO),
    events.CancelAsked: ("ORDER_CANCEL_ASKED", logging.INFO),
    events.CancelRefused: ("ORDER_CANCEL_REFUSED", logging.WARNING),
    events.Canceled: ("ORDER_CANCELED", logging.INFO),
    events.Rejected: ("ORDER_REJECTED", logging.WARNING),
    events.Expired: ("ORDER_EXPIRED", logging.INFO),
    events.Replaced: ("ORDER_REPLACED", logging.INFO),
    events.Failed: ("ORDER_FAILED", logging.ERROR),
    events.FillReversed: ("FILL_REVERSED", logging.WARNING),
    events.SplitApplied: ("SPLIT_APPLIED", logging.INFO),
    events.DividendPaid: ("DIVIDEND_PAID", logging.INFO),
    events.Delisted: ("INSTRUMENT_DELISTED", logging.WARNING),
    events.CashMoved: ("CASH_MOVED", logging.INFO),
    events.FinancingCharged: ("FINANCING_CHARGED", logging.INFO),
    events.SwitchChanged: ("SWITCH_CHANGED", logging.WARNING),
    events.VenueChanged: ("VENUE_CHANGED", logging.WARNING),
    events.TradabilityChanged: ("TRADABILITY_CHANGED", logging.WARNING),
    events.SessionOpened: ("SESSION_OPENED", logging.INFO),
    events.SessionClosed: ("SESSION_CLOSED", logging.INFO),
    events.Alert: ("ALERT", logging.ERROR),
    Refusal: ("ORDER_REFUSED", logging.WARNING),
    Compared: ("BOOKS_COMPARED", logging.INFO),
}
_log: Final = logging.getLogger("tradewright.trading")
# Who drives a runner from Python and has set up no log hears nothing, rather than noise.
_log.addHandler(logging.NullHandler())


def log_event(told: Told, order: Order | None = None) -> None:
    """Write the line of an event, an alert or a refusal, if it makes one.

    Args:
        told: What happened.
        order: The order that it is about, for symbol, strategy, quantity and price.
    """
    name, level = _LINES.get(type(told), ("", logging.NOTSET))
    if name and _log.isEnabledFor(level):
        _log.log(level, name, extra={"_said": line_fields(told, order)})


def line_fields(told: Told, order: Order | None = None) -> Body:
    """Return the fields of an event's line; numbers of money as exact strings."""
    body = to_body(told)
    if isinstance(told, Refusal):
        order = told.order
        body.pop("order")
    fields: Body = {}
    if order is not None:
        fields |= _asked(order)
    if isinstance(told, events.Filled | events.FillReversed):
        body |= _inner(body.pop("fill"))
    about = body.pop("order", None)
    if about is not None:
        fields["client_order_id"] = about
    return fields | {name: value for name, value in body.items() if value not in (None, "")}


def _asked(order: Order) -> Body:
    asked = to_body(order)
    kept: Body = {
        "client_order_id": asked["id"],
        "strategy_id": asked["strategy"],
        "symbol": asked["instrument"],
        "side": asked["side"],
        "order_quantity": asked["quantity"],
        "order_type": asked["kind"],
    }
    prices = {name: asked.get(name) for name in ("limit", "stop")}
    return kept | {f"{name}_price": value for name, value in prices.items() if value is not None}


def _inner(fill: object) -> Body:
    if not isinstance(fill, dict):
        return {"fill_id": str(fill)}
    kept = {name: fill[name] for name in ("quantity", "price", "fee", "liquidity") if name in fill}
    return {"fill_id": str(fill.get("id")), "symbol": str(fill.get("instrument"))} | kept
