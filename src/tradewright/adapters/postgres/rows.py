"""Between rows and the vocabulary: orders, fills and reports; pure.

Times come back in whatever zone the session has, so every one is turned to UTC here.
"""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal

from psycopg.rows import DictRow

from tradewright.core.ids import FillId, InstrumentId, OrderId, StrategyId, VenueOrderId
from tradewright.core.money import Currency, Money, Price, Quantity
from tradewright.core.orders import (
    Fill,
    Order,
    OrderKind,
    OrderState,
    OrderStatus,
    Side,
    Source,
    StatusReport,
    TimeInForce,
)

Row = dict[str, object]


def order_row(order: Order) -> Row:
    """The columns of what was asked."""
    return {
        "client_order_id": order.id,
        "parent_order_id": order.parent,
        "strategy_id": order.strategy,
        "instrument_id": order.instrument,
        "side": order.side.value,
        "qty": order.quantity,
        "order_type": order.kind.value,
        "time_in_force": order.time_in_force.value,
        "limit_price": order.limit,
        "stop_price": order.stop,
        "trail_price": order.trail_price,
        "trail_fraction": order.trail_fraction,
        "reduce_only": order.reduce_only,
        "intent": order.intent,
        "decided_at": order.decided_at,
    }


def status_row(status: OrderStatus) -> Row:
    """The columns that follow from a status."""
    return {
        "status": status.value,
        "status_rank": status.rank,
        "is_terminal": status.is_terminal,
    }


def state_row(state: OrderState) -> Row:
    """The columns of where an order stands, as our own fold of its events says."""
    return {
        **status_row(state.status),
        "client_order_id": state.order.id,
        "broker_order_id": state.venue_id,
        "source_priority": Source.WEBHOOK.priority,
        "filled_qty": state.filled,
        "filled_notional": state.notional,
        "filled_avg_price": state.average_price,
        "error_message": state.reason,
        "updated_at": state.at,
        "version": state.version,
    }


def report_row(report: StatusReport) -> Row:
    """The columns of a reported status."""
    return {
        **status_row(report.status),
        "at": report.at,
        "filled_qty": report.filled,
        "price": report.price,
        "source_priority": report.source.priority,
    }


def fill_row(fill: Fill) -> Row:
    """The columns of an execution."""
    return {
        "execution_id": fill.id,
        "client_order_id": fill.order,
        "instrument_id": fill.instrument,
        "side": fill.side.value,
        "qty": fill.quantity,
        "price": fill.price,
        "fee": fill.fee.amount,
        "fee_currency": fill.fee.currency.value,
        "liquidity": fill.liquidity,
        "filled_at": fill.at,
    }


def state_of(row: DictRow) -> OrderState:
    """Where an order stands, from its row."""
    return OrderState(
        _order_of(row),
        OrderStatus(row["status"]),
        row["updated_at"].astimezone(UTC),
        None if row["broker_order_id"] is None else VenueOrderId(row["broker_order_id"]),
        row["filled_qty"],
        row["filled_notional"],
        row["version"],
        row["error_message"],
    )


def report_of(row: DictRow) -> StatusReport:
    """The report that stands in a row, as the rule of `core.orders.verdict` sees it."""
    at = row["last_updated_at"]
    return StatusReport(
        OrderStatus(row["status"]),
        None if at is None else at.astimezone(UTC),
        row["filled_qty"],
        next(source for source in Source if source.priority == row["source_priority"]),
        row["filled_avg_price"],
    )


def fill_of(row: DictRow) -> Fill:
    """An execution, from its row."""
    return Fill(
        FillId(row["execution_id"]),
        OrderId(row["client_order_id"]),
        InstrumentId(row["instrument_id"]),
        Side(row["side"]),
        Quantity(row["qty"]),
        Price(row["price"]),
        Money(row["fee"], Currency(row["fee_currency"])),
        row["filled_at"].astimezone(UTC),
        row["liquidity"],
    )


def _order_of(row: DictRow) -> Order:
    return Order(
        id=OrderId(row["client_order_id"]),
        strategy=StrategyId(row["strategy_id"]),
        instrument=InstrumentId(row["instrument_id"]),
        side=Side(row["side"]),
        quantity=Quantity(row["qty"]),
        kind=OrderKind(row["order_type"]),
        time_in_force=TimeInForce(row["time_in_force"]),
        decided_at=row["decided_at"].astimezone(UTC),
        limit=_price(row["limit_price"]),
        stop=_price(row["stop_price"]),
        trail_price=_price(row["trail_price"]),
        trail_fraction=row["trail_fraction"],
        reduce_only=row["reduce_only"],
        intent=row["intent"],
        parent=None if row["parent_order_id"] is None else OrderId(row["parent_order_id"]),
    )


def _price(value: Decimal | None) -> Price | None:
    return None if value is None else Price(value)
