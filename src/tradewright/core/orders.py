"""What was asked (Order), what happened to it (OrderState), and the one transition table.

An Order never changes; its state is a fold over events. The filled quantity is a fold over
fills and may rise whatever the status, since a fill that arrives after a cancel has happened
all the same. Whether a broker's report may overwrite a stored status is `verdict`'s business.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from tradewright.core.errors import InvalidInput, InvalidTransition
from tradewright.core.frozen import frozen, maker
from tradewright.core.money import ZERO, Price, Quantity

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal

    from tradewright.core.events import OrderEvent
    from tradewright.core.ids import FillId, InstrumentId, OrderId, StrategyId, VenueOrderId
    from tradewright.core.money import Money


class _Word(StrEnum):
    # The words of an order are keys on the order path, and an enum hashes in Python: three
    # times the cost of its string, which is as good.
    __hash__ = str.__hash__


class Side(_Word):
    """Direction of an order or a fill; `sign` is +1 for a buy and -1 for a sell."""

    BUY = "buy"
    SELL = "sell"

    sign: int

    def __init__(self, word: str) -> None:
        """Fix the sign."""
        self.sign = 1 if word == "buy" else -1


class OrderKind(_Word):
    """When an order may trade, and at what price."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"


class TimeInForce(_Word):
    """How long an order works: a day, until cancelled, at once, at the open, at the close."""

    DAY = "day"
    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    OPG = "opg"
    CLS = "cls"


class OrderStatus(_Word):
    """Where an order stands; one vocabulary for the platform and its database.

    `rank` says how far along the order is, 1 to 5; after a terminal one only a late fill can
    follow.
    """

    PENDING_NEW = "pending_new"
    DRY_RUN = "dry_run"
    SUBMITTED = "submitted"
    SUBMITTED_UNCONFIRMED = "submitted_unconfirmed"
    ACCEPTED = "accepted"
    NEW = "new"
    ACCEPTED_FOR_BIDDING = "accepted_for_bidding"
    HELD = "held"
    PENDING_CANCEL = "pending_cancel"
    PENDING_REPLACE = "pending_replace"
    CALCULATED = "calculated"
    STOPPED = "stopped"
    SUSPENDED = "suspended"
    DONE_FOR_DAY = "done_for_day"
    PARTIALLY_FILLED = "partially_filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    FAILED = "failed"
    REJECTED = "rejected"
    REPLACED = "replaced"
    BLOCKED_KILL_SWITCH = "blocked_kill_switch"
    BLOCKED_CIRCUIT_BREAKER = "blocked_circuit_breaker"
    FILLED = "filled"

    rank: int
    is_terminal: bool
    follows: dict[OrderEventKind, OrderStatus]
    """The status that each event leads to: this status's rows of the transition table."""


_TERMINAL_RANK: Final = 4
UNKNOWN_RANK: Final = 0
_BY_RANK: Final[Mapping[int, tuple[OrderStatus, ...]]] = {
    1: (OrderStatus.PENDING_NEW, OrderStatus.DRY_RUN),
    2: (
        OrderStatus.SUBMITTED,
        OrderStatus.SUBMITTED_UNCONFIRMED,
        OrderStatus.ACCEPTED,
        OrderStatus.NEW,
        OrderStatus.ACCEPTED_FOR_BIDDING,
        OrderStatus.HELD,
    ),
    3: (
        OrderStatus.PENDING_CANCEL,
        OrderStatus.PENDING_REPLACE,
        OrderStatus.CALCULATED,
        OrderStatus.STOPPED,
        OrderStatus.SUSPENDED,
        OrderStatus.DONE_FOR_DAY,
        OrderStatus.PARTIALLY_FILLED,
    ),
    4: (
        OrderStatus.CANCELED,
        OrderStatus.EXPIRED,
        OrderStatus.FAILED,
        OrderStatus.REJECTED,
        OrderStatus.REPLACED,
        OrderStatus.BLOCKED_KILL_SWITCH,
        OrderStatus.BLOCKED_CIRCUIT_BREAKER,
    ),
    5: (OrderStatus.FILLED,),
}
for _rank, _statuses in _BY_RANK.items():
    for _status in _statuses:
        _status.rank = _rank
        _status.is_terminal = _rank >= _TERMINAL_RANK


class OrderEventKind(_Word):
    """What can happen to an order."""

    SUBMITTED = "submitted"
    UNCONFIRMED = "unconfirmed"
    ACCEPTED = "accepted"
    REPORTED = "reported"
    CANCEL_ASKED = "cancel_asked"
    CANCEL_REFUSED = "cancel_refused"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    REPLACED = "replaced"
    FAILED = "failed"
    REVERSED = "reversed"


_ENDS: Final = {
    OrderEventKind.CANCELED: OrderStatus.CANCELED,
    OrderEventKind.REJECTED: OrderStatus.REJECTED,
    OrderEventKind.EXPIRED: OrderStatus.EXPIRED,
    OrderEventKind.REPLACED: OrderStatus.REPLACED,
}


def _transitions() -> dict[tuple[OrderStatus, OrderEventKind], OrderStatus]:
    kind, status = OrderEventKind, OrderStatus
    table: dict[tuple[OrderStatus, OrderEventKind], OrderStatus] = {}
    early = (status.PENDING_NEW, status.SUBMITTED, status.SUBMITTED_UNCONFIRMED)
    for state in OrderStatus:
        if state.is_terminal:
            # The venue repeats itself and its channels overtake each other: late news of
            # an ended order changes nothing.
            for late in (kind.ACCEPTED, kind.CANCEL_REFUSED, kind.UNCONFIRMED, *_ENDS):
                table[state, late] = state
            continue
        for ending, ended in _ENDS.items():
            table[state, ending] = ended
        table[state, kind.ACCEPTED] = status.ACCEPTED if state in early else state
        table[state, kind.CANCEL_REFUSED] = state
        table[state, kind.CANCEL_ASKED] = status.PENDING_CANCEL
        table[state, kind.UNCONFIRMED] = state
    # The attempt is marked once, before the request leaves: marking it twice is sending twice.
    table[status.PENDING_NEW, kind.SUBMITTED] = status.SUBMITTED
    table[status.SUBMITTED, kind.UNCONFIRMED] = status.SUBMITTED_UNCONFIRMED
    # Never reached the venue, as far as could be found out.
    for state in early:
        table[state, kind.FAILED] = status.FAILED
    # The venue knows an order that was given up: the venue is right.
    table[status.FAILED, kind.ACCEPTED] = status.ACCEPTED
    # A refused cancel or replacement leaves the order working as it was.
    table[status.PENDING_CANCEL, kind.CANCEL_REFUSED] = status.NEW
    table[status.PENDING_REPLACE, kind.CANCEL_REFUSED] = status.NEW
    return table


TRANSITIONS: Final = _transitions()
for _status in OrderStatus:
    _status.follows = {
        kind: after for (before, kind), after in TRANSITIONS.items() if before is _status
    }
# A member looked up through its enum costs as much as a decimal sum: what every order meets has
# a name of its own.
_MARKET: Final = OrderKind.MARKET
_FILL: Final = OrderEventKind.FILLED
_DONE: Final = OrderStatus.FILLED
_NEW: Final = OrderStatus.NEW
_PRICE_FIELDS: Final = ("limit", "stop", "trail_price", "trail_fraction")


@frozen
class Order:
    """What was asked; never changes.

    `limit` and `stop` go with the kind; a trailing stop has `trail_price` in currency or
    `trail_fraction` of the price, one of them. `intent` tells equal orders of a day apart.
    """

    id: OrderId
    strategy: StrategyId
    instrument: InstrumentId
    side: Side
    quantity: Quantity
    kind: OrderKind
    time_in_force: TimeInForce
    decided_at: datetime
    limit: Price | None = None
    stop: Price | None = None
    trail_price: Price | None = None
    trail_fraction: Decimal | None = None
    reduce_only: bool = False
    intent: str = ""
    parent: OrderId | None = None

    def __post_init__(self) -> None:
        """Refuse a quantity or prices that do not fit the kind."""
        if self.quantity <= ZERO:
            raise InvalidInput("quantity", self.quantity, "must be positive")
        if (
            self.kind is not _MARKET
            or self.limit is not None
            or self.stop is not None
            or self.trail_price is not None
            or self.trail_fraction is not None
        ):
            self._check_prices()

    def _prices(self) -> tuple[Decimal | None, ...]:
        return (self.limit, self.stop, self.trail_price, self.trail_fraction)

    def _check_prices(self) -> None:
        kind = self.kind
        trails = (self.trail_price is not None) + (self.trail_fraction is not None)
        if trails > 1:
            raise InvalidInput("trail", self._prices()[2:], "is given twice", "give one of them")
        wants_limit = kind in (OrderKind.LIMIT, OrderKind.STOP_LIMIT)
        wants_stop = kind in (OrderKind.STOP, OrderKind.STOP_LIMIT)
        for field, given, wanted in (
            ("limit", self.limit is not None, wants_limit),
            ("stop", self.stop is not None, wants_stop),
            ("trail", trails == 1, kind is OrderKind.TRAILING_STOP),
        ):
            if given != wanted:
                rule = "is needed for" if wanted else "does not go with"
                raise InvalidInput(field, getattr(self, field, trails), f"{rule} a {kind} order")
        for field, value in zip(_PRICE_FIELDS, self._prices(), strict=True):
            if value is not None and value <= 0:
                raise InvalidInput(field, value, "must be positive")


@frozen
class Fill:
    """One execution: `quantity` is positive, `side` gives the direction, `fee` is a cost."""

    id: FillId
    order: OrderId
    instrument: InstrumentId
    side: Side
    quantity: Quantity
    price: Price
    fee: Money
    at: datetime
    liquidity: str = ""


@frozen
class OrderState:
    """Where an order stands: a fold of its events. `notional` is the sum of price × quantity.

    `undone` was filled and taken back by the venue; it does not fill again.
    """

    order: Order
    status: OrderStatus
    at: datetime
    venue_id: VenueOrderId | None = None
    filled: Decimal = ZERO
    notional: Decimal = ZERO
    version: int = 0
    reason: str = ""
    undone: Decimal = ZERO

    @property
    def average_price(self) -> Decimal | None:
        """Average price of what is filled, None while nothing is."""
        return self.notional / self.filled if self.filled else None

    @property
    def remaining(self) -> Decimal:
        """Quantity that may still fill: none once the order has ended."""
        if self.status.is_terminal:
            return ZERO
        return self.order.quantity - self.filled - self.undone

    def apply(self, event: OrderEvent) -> OrderState:
        """Return the state after `event`; raise InvalidTransition where the table has no row.

        The caller has made sure that a fill is not applied twice.
        """
        if event.kind is _FILL:
            return self._fill(event.fill)
        status = self.status.follows.get(event.kind)
        if status is None:
            if event.kind is not OrderEventKind.REPORTED:
                raise InvalidTransition(self.order.id, self.status, event.kind)
            status = self._reported(event.status)
        if status is _NEW and self.filled:
            status = OrderStatus.PARTIALLY_FILLED
        before, at = self.at, event.at
        return _state(
            self.order,
            status,
            before if before > at else at,  # noqa: FURB136 - `max` is four times as slow
            self.venue_id or event.venue_id,
            self.filled,
            self.notional,
            self.version + 1,
            event.reason or self.reason,
            self.undone,
        )

    def restate(self, taken: Fill, instead: Fill | None, at: datetime) -> OrderState:
        """Return the state after the venue has changed an execution; its status stays.

        Raises:
            InvalidTransition: More would be filled than was asked for.
        """
        stands = instead.quantity if instead is not None else ZERO
        filled = self.filled - taken.quantity + stands
        if not ZERO <= filled <= self.order.quantity:
            raise InvalidTransition(self.order.id, self.status, f"restatement to {filled}")
        notional = self.notional - taken.quantity * taken.price
        if instead is not None:
            notional += stands * instead.price
        return replace(
            self,
            filled=filled,
            notional=notional,
            undone=self.undone + taken.quantity - stands,
            at=max(self.at, at),
            version=self.version + 1,
        )

    def _reported(self, status: OrderStatus) -> OrderStatus:
        if self.status.is_terminal or status.rank < self.status.rank:
            return self.status
        # That an order is filled is for its fills to say.
        return self.status if status is OrderStatus.FILLED else status

    def _fill(self, fill: Fill) -> OrderState:
        order = self.order
        quantity = fill.quantity
        filled: Decimal = self.filled + quantity
        status = self.status
        undone = self.undone
        if filled == order.quantity:
            # The same number, kept once.
            filled, status = order.quantity, _DONE
        elif undone and filled + undone == order.quantity:
            status = _DONE
        elif filled > order.quantity:
            raise InvalidTransition(order.id, status, f"fill to {filled}")
        elif status.rank < OrderStatus.PENDING_CANCEL.rank:
            status = OrderStatus.PARTIALLY_FILLED
        before, at = self.at, fill.at
        return _state(
            order,
            status,
            before if before > at else at,  # noqa: FURB136 - `max` is four times as slow
            self.venue_id,
            filled,
            self.notional + quantity * fill.price,
            self.version + 1,
            self.reason,
            undone,
        )


_state: Final = maker(OrderState)


class Source(StrEnum):
    """Who reports a status; the later in this list, the more it weighs."""

    MANUAL = "manual"
    RECONCILIATION = "reconciliation"
    WEBHOOK = "webhook"

    @property
    def priority(self) -> int:
        """1 to 3."""
        return tuple(Source).index(self) + 1


class Verdict(StrEnum):
    """Whether a reported status is applied, and else why not."""

    APPLY = "apply"
    TERMINAL_LOCK = "terminal_lock"
    TIMESTAMP = "timestamp"
    RANK = "rank"
    FILL_QTY = "fill_qty"
    SOURCE_PRIORITY = "source_priority"


@frozen
class StatusReport:
    """A status as somebody reports it; `at` is the broker's clock, None if never updated."""

    status: OrderStatus
    at: datetime | None
    filled: Decimal
    source: Source
    price: Decimal | None = None


def verdict(stored: StatusReport, incoming: StatusReport) -> Verdict:
    """Decide whether `incoming` overwrites `stored` (the rule that the database repeats).

    An ended order is locked, except that a filled one may still grow. Otherwise the later
    broker clock wins; at the same clock the higher rank, then the larger filled quantity,
    then the weightier source.
    """
    grows = incoming.filled > stored.filled
    if stored.status.is_terminal and not (stored.status is OrderStatus.FILLED and grows):
        return Verdict.TERMINAL_LOCK
    if stored.at is None:
        return Verdict.APPLY
    for before, after, code in (
        (stored.at, incoming.at, Verdict.TIMESTAMP),
        (stored.status.rank, incoming.status.rank, Verdict.RANK),
        (stored.filled, incoming.filled, Verdict.FILL_QTY),
        (stored.source.priority, incoming.source.priority, Verdict.SOURCE_PRIORITY),
    ):
        if after is None or before > after:  # type: ignore[operator]
            return code
        if before < after:  # type: ignore[operator]
            return Verdict.APPLY
    return Verdict.SOURCE_PRIORITY


def merged(stored: StatusReport, incoming: StatusReport) -> StatusReport:
    """Return what stands after an applied report: fills only grow, price moves with them."""
    grows = incoming.filled > stored.filled
    return replace(
        incoming,
        filled=max(stored.filled, incoming.filled),
        price=incoming.price if grows else stored.price,
    )
