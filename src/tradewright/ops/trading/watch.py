"""The one subscriber of a runner: each thing that happens becomes a log line and moves metrics.

It is called in the runner's own turn, so it neither waits nor raises. A backtest has none. What was
replayed from the journal at a start is not told again: it was heard before the stop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tradewright.core import events
from tradewright.core.decisions import Refusal
from tradewright.core.ids import OrderId
from tradewright.core.orders import OrderState
from tradewright.engine.chronicle import Compared, Told
from tradewright.ops import metrics
from tradewright.ops.trading.lines import log_event
from tradewright.ports import Clock

_ANSWERS: Final = (events.Accepted, events.Reported, events.Rejected, events.Filled)
_SWITCH: Final = {False: 0, True: 1, None: -1}


class TradingWatch:
    """Hears a runner."""

    def __init__(self, venue: str, clock: Clock, open_orders: Callable[[], int]) -> None:
        """Measure spans by `clock`; `open_orders` counts those that work at the `venue` now."""
        self._clock = clock
        self._open_orders = open_orders
        self._sent: dict[OrderId, float] = {}
        self._fit = metrics.venue_fit.labels(venue)
        self._fit.set(1)

    def __call__(self, told: Told, state: OrderState | None) -> None:
        """Log what happened, and count it."""
        log_event(told, state.order if state is not None else None)
        if state is not None:
            self._order(told, state)
            metrics.open_orders.set(self._open_orders())
        elif isinstance(told, Refusal):
            metrics.orders_refused.labels(told.code.value).inc()
        elif isinstance(told, events.Alert):
            metrics.trading_alerts.labels(told.code).inc()
        elif isinstance(told, events.VenueChanged):
            self._fit.set(1 if told.fit else 0)
        elif isinstance(told, events.SwitchChanged):
            metrics.kill_switch_state.labels(told.scope).set(_SWITCH[told.engaged])
        elif isinstance(told, Compared):
            metrics.reconciliation_mismatches.inc(told.differences)
            metrics.reconciliation_seconds.observe(told.seconds)
            metrics.reconciliation_last_run.set(self._clock.now().timestamp())

    def _order(self, told: Told, state: OrderState) -> None:
        strategy = state.order.strategy
        if isinstance(told, events.Submitted):
            metrics.orders_submitted.labels(strategy).inc()
            self._sent[state.order.id] = self._clock.monotonic()
        elif isinstance(told, _ANSWERS):
            sent = self._sent.pop(state.order.id, None)
            if sent is not None:
                metrics.order_latency.observe(self._clock.monotonic() - sent)
        if isinstance(told, events.Filled):
            metrics.order_fills.labels(strategy).inc()
        if state.status.is_terminal:
            self._sent.pop(state.order.id, None)
