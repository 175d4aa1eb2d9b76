"""A run over columns retold in the engine's own objects: the same Result, to the last digit.

Orders, fills and the book are made again from the tables by the very classes that the engine
uses; what a run over columns keeps is enough for that.
"""

from __future__ import annotations

from collections import defaultdict
from copy import copy
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tradewright.backtest.arrays.columns import Ground
from tradewright.backtest.arrays.referee import CODES
from tradewright.backtest.arrays.run import run_arrays
from tradewright.backtest.arrays.state import (
    COLUMN,
    DECIDED,
    DELISTED,
    DELTA,
    ENDED,
    FILL_FEE,
    FILL_ORDER,
    FILL_PRICE,
    FILL_QUANTITY,
    FILL_ROW,
    RAN_OUT,
    REDUCES,
    REFUSED_CODE,
    SPLIT_AWAY,
    STATUS,
)
from tradewright.backtest.backtest import NOTHING, Result, Tape
from tradewright.backtest.replay import Replay
from tradewright.core.errors import LedgerError
from tradewright.core.events import (
    Accepted,
    Alert,
    Canceled,
    CashMoved,
    Delisted,
    DividendPaid,
    Expired,
    Filled,
    SplitApplied,
    Submitted,
)
from tradewright.core.ids import FillId, Terms, VenueOrderId, instant_fact, order_id
from tradewright.core.money import Money, Quantity
from tradewright.core.orders import (
    Fill,
    Order,
    OrderKind,
    OrderState,
    OrderStatus,
    Side,
)
from tradewright.portfolio.ledger import Ledger
from tradewright.risk.reservation import Exposure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tradewright.backtest.arrays.run import ArrayResult
    from tradewright.core.events import BookEvent
    from tradewright.core.ids import InstrumentId, OrderId
    from tradewright.core.market import CorporateAction
    from tradewright.data.history import MarketData
    from tradewright.engine.run import RunSpec
    from tradewright.strategies.strategy import Strategy

_CENTS: Final = 100


def result_of(
    spec: RunSpec,
    market: MarketData,
    *,
    strategy: Strategy | None = None,
    ground: Ground | None = None,
) -> Result:
    """Run a spec over whole columns and retell it as `Backtest.run` would.

    Raises:
        ArraysRefused: It cannot be run so that it equals the engine that trades.
    """
    ground = ground or Ground(market)
    done = run_arrays(spec, market, strategy=strategy, ground=ground)
    if len(done.refusals):
        done = run_arrays(spec, market, strategy=strategy, ground=ground, tells=True)
    return retold(done, strategy or spec.build_strategy(), ground)


def retold(done: ArrayResult, strategy: Strategy, ground: Ground) -> Result:
    """Return a run's orders, fills, book and curve as the engine's objects.

    Raises:
        LedgerError: The book does not add up to the cash of the run.
    """
    orders = [_order(done, facts, strategy) for facts in done.orders.tolist()]
    fills = _fills(done, orders)
    ledger, tape = _booked(done, fills)
    final = _equity(done, ledger, ground)
    if (ledger.cash, final) != (done.cash, done.final_equity):
        raise LedgerError(f"the run came to {done.cash} in cash, the book to {ledger.cash}")
    equity, invested = tape.curve(done.market, done.rows.last + 1)
    return Result(
        spec=done.spec,
        times=done.times,
        equity=equity,
        invested=invested,
        orders=_states(done, orders, fills),
        fills=tuple(fill for _, fill in fills),
        refusals=list(done.told),
        alerts=_alerts(done),
        book=ledger.snapshot(),
        final_equity=final,
        rows=done.rows.last - done.rows.first + 1,
    )


def refused(done: ArrayResult) -> list[tuple[int, int, int, str]]:
    """Return row, column, signed quantity and code of each refusal."""
    return [
        (facts[DECIDED], facts[COLUMN], facts[DELTA], CODES[facts[REFUSED_CODE]].value)
        for facts in done.refusals.tolist()
    ]


def _order(done: ArrayResult, facts: Sequence[int], strategy: Strategy) -> Order:
    frame = done.market.frame
    name = frame.instruments[facts[COLUMN]]
    side = Side.BUY if facts[DELTA] > 0 else Side.SELL
    quantity = Quantity(Decimal(abs(facts[DELTA])))
    force = done.spec.construction.time_in_force
    at = frame.known(facts[DECIDED])
    intent = instant_fact(at)
    symbol, terms = done.market.instruments[name].symbol, Terms(OrderKind.MARKET, force)
    return Order(
        id=order_id(symbol, side, quantity, terms, strategy.id, at.date(), intent),
        strategy=strategy.id,
        instrument=name,
        side=side,
        quantity=quantity,
        kind=OrderKind.MARKET,
        time_in_force=force,
        decided_at=at,
        reduce_only=bool(facts[REDUCES]),
        intent=intent,
    )


def _fills(done: ArrayResult, orders: Sequence[Order]) -> list[tuple[int, Fill]]:
    # Priced and charged once more by the models themselves: what they say must be what was done.
    counts: dict[int, int] = defaultdict(int)
    filled: dict[int, Decimal] = defaultdict(Decimal)
    costs, frame = done.spec.venue_model().costs, done.market.frame
    found = []
    for facts in done.fills.tolist():
        place, row = facts[FILL_ORDER], facts[FILL_ROW]
        order, quantity = orders[place], Quantity(Decimal(facts[FILL_QUANTITY]))
        opened = frame.price(row, frame.index(order.instrument), "open")
        if opened is None:
            raise LedgerError(f"{order.instrument} did not trade in row {row}")
        price = costs.fill_price(order.side, opened)
        fee = costs.commission.fee(filled[place], quantity, price)
        if (price * done.scale, fee * _CENTS) != (facts[FILL_PRICE], facts[FILL_FEE]):
            raise LedgerError(f"order {order.id} was filled at another price or fee than {price}")
        counts[place] += 1
        filled[place] += quantity
        fill = Fill(
            FillId(f"{order.id}-{counts[place]}"),
            order.id,
            order.instrument,
            order.side,
            quantity,
            price,
            Money(fee),
            frame.started(row),
        )
        found.append((row, fill))
    return found


def _equity(done: ArrayResult, ledger: Ledger, ground: Ground) -> Decimal | None:
    history, frame = copy(ground.history), done.market.frame
    history.row = done.rows.last

    def price(instrument: InstrumentId) -> Decimal | None:
        found = history.price(frame.index(instrument))
        return None if found is None else found[0]

    return Exposure(ledger.cash, ledger.quantities, (), price).equity


def _booked(done: ArrayResult, fills: Sequence[tuple[int, Fill]]) -> tuple[Ledger, Tape]:
    market, rows = done.market, done.rows
    frame = market.frame
    replay = Replay(frame, market.actions, first=rows.first, stop=rows.last + 1)
    ledger, tape = Ledger(market.instruments), Tape(rows.first - 1)
    happens: list[tuple[int, int, Callable[[], object]]] = []

    def book(row: int, events: Iterable[BookEvent]) -> None:
        for event in events:
            ledger.apply(event)
            tape.note(row, ledger, _about(event).instrument)

    def fold(row: int, fill: Fill) -> None:
        ledger.book(fill)
        tape.note(row, ledger, fill.instrument)

    opening = CashMoved(Money(done.spec.capital), frame.started(rows.first - 1), "opening balance")
    ledger.apply(opening)
    tape.note(rows.first - 1, ledger, NOTHING)
    for row, last in _sessions(done):
        happens.append((row, 0, partial(book, row, replay.openings(row))))
        happens.append((last, 2, partial(book, last, replay.endings(last))))
    happens += [(row, 1, partial(fold, row, fill)) for row, fill in fills]
    for _, _, happen in sorted(happens, key=lambda each: each[:2]):
        happen()
    ledger.check()
    return ledger, tape


def _about(event: BookEvent) -> CorporateAction:
    if isinstance(event, SplitApplied):
        return event.split
    if isinstance(event, DividendPaid):
        return event.dividend
    if isinstance(event, Delisted):
        return event.delisting
    raise LedgerError(f"{event} is no corporate action")


def _sessions(done: ArrayResult) -> list[tuple[int, int]]:
    numbers = done.market.frame.session[done.rows.first : done.rows.last + 1].tolist()
    starts = [i for i in range(len(numbers)) if i == 0 or numbers[i] != numbers[i - 1]]
    stops = [*starts[1:], len(numbers)]
    first = done.rows.first
    return [(first + a, first + b - 1) for a, b in zip(starts, stops, strict=True)]


def _states(
    done: ArrayResult, orders: Sequence[Order], fills: Sequence[tuple[int, Fill]]
) -> dict[OrderId, OrderState]:
    own: dict[OrderId, list[Fill]] = defaultdict(list)
    for _, fill in fills:
        own[fill.order].append(fill)
    states = {}
    for order, facts in zip(orders, done.orders.tolist(), strict=True):
        at, name = order.decided_at, order.id
        events: list[Any] = [
            Submitted(name, at),
            Accepted(name, at, VenueOrderId(f"sim-{name}")),
            *(Filled(name, fill.at, fill) for fill in own[name]),
            *_ending(done, name, facts[STATUS], facts[ENDED]),
        ]
        state = OrderState(order, OrderStatus.PENDING_NEW, at)
        for event in events:
            state = state.apply(event)
        states[name] = state
    return states


def _ending(
    done: ArrayResult, name: OrderId, status: int, row: int
) -> Sequence[Canceled | Expired]:
    frame = done.market.frame
    if status == RAN_OUT:
        return (Expired(name, frame.known(row), "time in force ran out"),)
    if status == SPLIT_AWAY:
        return (Canceled(name, frame.session_of(row).open, "corporate action"),)
    if status == DELISTED:
        return (Canceled(name, frame.session_of(row).close, "delisted"),)
    return ()


def _alerts(done: ArrayResult) -> list[Alert]:
    frame = done.market.frame
    return [
        Alert(
            "target_unsized",
            f"{frame.instruments[column]}: no price, equity or volatility to size with",
            frame.known(row),
        )
        for row, column in done.alerts.tolist()
    ]
