"""The closed unions of what can happen (Event) and of what can be commanded (Command).

Each event has `at`, when it happened (aware UTC), and `seq`, its place in its source's order.
A BarClosed is one row of a frame: all the bars of one time frame that end together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from tradewright.core.decisions import Approved, Refusal
from tradewright.core.errors import InvalidInput
from tradewright.core.frozen import frozen
from tradewright.core.orders import Fill, OrderEventKind, OrderStatus

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from tradewright.core.frames import BarFrame
    from tradewright.core.ids import FillId, InstrumentId, OrderId, VenueOrderId
    from tradewright.core.market import CashDividend, Delisting, Quote, Split
    from tradewright.core.money import Money, Price, Quantity
    from tradewright.core.session import Session


@frozen
class BarClosed:
    """Row `row` of `frame` has closed; everything up to it is known."""

    frame: BarFrame
    row: int
    seq: int = 0

    @property
    def at(self) -> datetime:
        """When the bars of the row could be known."""
        return self.frame.known(self.row)


@frozen
class BarOpened:
    """The open of row `row` has printed: the venue's news, which no strategy is shown."""

    frame: BarFrame
    row: int
    seq: int = 0

    @property
    def at(self) -> datetime:
        """When the row began."""
        return self.frame.started(self.row)


@frozen
class QuoteSeen:
    """A quote arrived."""

    quote: Quote
    at: datetime
    seq: int = 0


@frozen
class SessionOpened:
    """The market opened."""

    session: Session
    at: datetime
    seq: int = 0


@frozen
class SessionClosed:
    """The market closed."""

    session: Session
    at: datetime
    seq: int = 0


@frozen
class TimerFired:
    """A time that was asked for has come."""

    name: str
    at: datetime
    seq: int = 0


@frozen
class Submitted:
    """The order is about to leave for the venue: marked before the request, once."""

    order: OrderId
    at: datetime
    seq: int = 0
    venue_id: None = None
    reason: str = ""
    kind: ClassVar[Literal[OrderEventKind.SUBMITTED]] = OrderEventKind.SUBMITTED


@frozen
class Unconfirmed:
    """The venue's answer was lost or unreadable: whether it has the order is unknown."""

    order: OrderId
    at: datetime
    reason: str
    seq: int = 0
    venue_id: None = None
    kind: ClassVar[Literal[OrderEventKind.UNCONFIRMED]] = OrderEventKind.UNCONFIRMED


@frozen
class Accepted:
    """The venue has the order under its own id."""

    order: OrderId
    at: datetime
    venue_id: VenueOrderId | None
    seq: int = 0
    reason: str = ""
    kind: ClassVar[Literal[OrderEventKind.ACCEPTED]] = OrderEventKind.ACCEPTED


@frozen
class Reported:
    """The venue reports a working status that no other event stands for."""

    order: OrderId
    at: datetime
    status: OrderStatus
    venue_id: VenueOrderId | None = None
    seq: int = 0
    reason: str = ""
    kind: ClassVar[Literal[OrderEventKind.REPORTED]] = OrderEventKind.REPORTED


@frozen
class Filled:
    """Some of the order traded; `cumulative` is the venue's own count afterwards, if given."""

    order: OrderId
    at: datetime
    fill: Fill
    cumulative: Decimal | None = None
    seq: int = 0
    venue_id: VenueOrderId | None = None
    reason: str = ""
    kind: ClassVar[Literal[OrderEventKind.FILLED]] = OrderEventKind.FILLED


@frozen
class CancelAsked:
    """We asked the venue to cancel."""

    order: OrderId
    at: datetime
    reason: str
    seq: int = 0
    venue_id: None = None
    kind: ClassVar[Literal[OrderEventKind.CANCEL_ASKED]] = OrderEventKind.CANCEL_ASKED


@frozen
class CancelRefused:
    """The venue did not cancel or replace; the order works on."""

    order: OrderId
    at: datetime
    reason: str
    venue_id: VenueOrderId | None = None
    seq: int = 0
    kind: ClassVar[Literal[OrderEventKind.CANCEL_REFUSED]] = OrderEventKind.CANCEL_REFUSED


@frozen
class Canceled:
    """The rest of the order is gone."""

    order: OrderId
    at: datetime
    reason: str = ""
    venue_id: VenueOrderId | None = None
    seq: int = 0
    kind: ClassVar[Literal[OrderEventKind.CANCELED]] = OrderEventKind.CANCELED


@frozen
class Rejected:
    """The venue refused the order."""

    order: OrderId
    at: datetime
    reason: str
    venue_id: VenueOrderId | None = None
    seq: int = 0
    kind: ClassVar[Literal[OrderEventKind.REJECTED]] = OrderEventKind.REJECTED


@frozen
class Expired:
    """The order's time in force ran out."""

    order: OrderId
    at: datetime
    reason: str = ""
    venue_id: VenueOrderId | None = None
    seq: int = 0
    kind: ClassVar[Literal[OrderEventKind.EXPIRED]] = OrderEventKind.EXPIRED


@frozen
class Replaced:
    """The order gave way to `successor`."""

    order: OrderId
    at: datetime
    successor: OrderId
    venue_id: VenueOrderId | None = None
    seq: int = 0
    reason: str = ""
    kind: ClassVar[Literal[OrderEventKind.REPLACED]] = OrderEventKind.REPLACED


@frozen
class Failed:
    """The order never reached the venue, as far as could be found out."""

    order: OrderId
    at: datetime
    reason: str
    seq: int = 0
    venue_id: None = None
    kind: ClassVar[Literal[OrderEventKind.FAILED]] = OrderEventKind.FAILED


@frozen
class FillReversed:
    """The venue took execution `fill` back, or changed it: `instead` then counts in its place.

    `quantity` and `price` are those of `instead`; the fee stays what it was.
    """

    order: OrderId
    at: datetime
    fill: FillId
    instead: FillId | None = None
    quantity: Quantity | None = None
    price: Price | None = None
    venue_id: VenueOrderId | None = None
    seq: int = 0
    reason: str = ""
    kind: ClassVar[Literal[OrderEventKind.REVERSED]] = OrderEventKind.REVERSED

    def __post_init__(self) -> None:
        """Refuse a change that does not say to what."""
        changed = (self.instead is None, self.quantity is None, self.price is None)
        if any(changed) and not all(changed):
            raise InvalidInput("instead", self.instead, "goes with a quantity and a price")


@frozen
class SplitApplied:
    """A split took effect; `reference` is the last close before it, unadjusted."""

    split: Split
    reference: Decimal
    at: datetime
    seq: int = 0


@frozen
class DividendPaid:
    """A cash dividend went ex; it is booked on what is held."""

    dividend: CashDividend
    at: datetime
    seq: int = 0


@frozen
class Delisted:
    """An instrument left the market; what is held of it is paid at `price`."""

    delisting: Delisting
    price: Decimal
    at: datetime
    seq: int = 0


@frozen
class CashMoved:
    """Cash came (positive) or went."""

    amount: Money
    at: datetime
    reason: str
    seq: int = 0


@frozen
class FinancingCharged:
    """Borrowed shares or borrowed cash cost `amount`, which is paid: a cost, not a withdrawal."""

    amount: Money
    at: datetime
    reason: str
    seq: int = 0


@frozen
class SwitchChanged:
    """The kill switch of `scope` was read: clear, engaged, or unreadable (None)."""

    scope: str
    engaged: bool | None
    at: datetime
    reason: str = ""
    seq: int = 0


@frozen
class VenueChanged:
    """The venue became fit for orders that add exposure, or unfit (`fit` False): `reason` why."""

    fit: bool
    at: datetime
    reason: str = ""
    seq: int = 0


@frozen
class TradabilityChanged:
    """An instrument was halted or resumed."""

    instrument: InstrumentId
    tradable: bool
    at: datetime
    reason: str = ""
    seq: int = 0


OrderEvent: TypeAlias = (
    Submitted
    | Unconfirmed
    | Accepted
    | Reported
    | Filled
    | CancelAsked
    | CancelRefused
    | Canceled
    | Rejected
    | Expired
    | Replaced
    | Failed
    | FillReversed
)
BookEvent: TypeAlias = SplitApplied | DividendPaid | Delisted | CashMoved | FinancingCharged
MarketEvent: TypeAlias = (
    BarOpened
    | BarClosed
    | QuoteSeen
    | SessionOpened
    | SessionClosed
    | TimerFired
    | TradabilityChanged
)
Event: TypeAlias = MarketEvent | OrderEvent | BookEvent | SwitchChanged | VenueChanged


@frozen
class Submit:
    """Send this approved order: its intent is recorded first."""

    approved: Approved


@frozen
class Cancel:
    """Ask the venue to cancel."""

    order: OrderId
    reason: str


@frozen
class Record:
    """Keep this for ever: a refusal, or what happened."""

    subject: Refusal | OrderEvent


@frozen
class Alert:
    """Tell people; `code` is stable."""

    code: str
    message: str
    at: datetime


Command: TypeAlias = Submit | Cancel | Record | Alert
