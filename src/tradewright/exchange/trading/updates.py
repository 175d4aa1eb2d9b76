"""What the account is told: trade updates, each once and in order, and the list of executions.

An update carries an `event_id` that grows with every one; nothing else tells a listener that it
missed one, and the vendor's own stream does not number what it sends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, overload

from tradewright.core.ids import FillId
from tradewright.core.orders import Fill, Side
from tradewright.exchange.hub import TRADE_UPDATES, Hub
from tradewright.exchange.trading.tickets import Ticket
from tradewright.exchange.words import NEW_YORK, identifier, moment, number
from tradewright.exchange.written import Written, quoted

if TYPE_CHECKING:
    from tradewright.core.records import JsonValue

Row = dict[str, "JsonValue"]
_FILL: Final = "fill"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
# The digits of a ULID: no I, L, O, U.
_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TIME_DIGITS: Final = 10


class _Print(NamedTuple):
    # An execution as it was told; what its order is called or has filled may change later.
    at: datetime
    name: str
    kind: str
    ticket: Ticket
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    filled: Decimal
    left: Decimal
    status: str

    def row(self) -> Row:
        return {
            "activity_type": "FILL",
            "id": f"{_stamp(self.at)}::{self.name}",
            "order_id": self.ticket.id,
            "symbol": self.symbol,
            "side": self.side.value,
            "qty": number(self.quantity),
            "price": number(self.price),
            "cum_qty": number(self.filled),
            "leaves_qty": number(self.left),
            "order_status": self.status,
            "transaction_time": moment(self.at),
            "type": self.kind,
        }


class Rows(Sequence[Row]):
    """Executions in the vendor's words, oldest first; a row is written when it is asked for."""

    def __init__(self) -> None:
        """Start without any."""
        self._prints: list[_Print] = []

    def __len__(self) -> int:
        """Count the executions."""
        return len(self._prints)

    @overload
    def __getitem__(self, place: int) -> Row: ...

    @overload
    def __getitem__(self, place: slice) -> list[Row]: ...

    def __getitem__(self, place: int | slice) -> Row | list[Row]:
        """Return one execution, or a range of them."""
        if isinstance(place, slice):
            return [each.row() for each in self._prints[place]]
        return self._prints[place].row()

    def add(self, execution: _Print) -> None:
        """List an execution."""
        self._prints.append(execution)


@dataclass(slots=True)
class Execution:
    """One execution of a ticket; `fill` is the brokerage's name of it."""

    id: str
    ticket: Ticket
    fill: FillId
    quantity: Decimal
    price: Decimal


class Updates:
    """The one place from which trade updates are published."""

    def __init__(self, hub: Hub, account: str) -> None:
        """Tell `hub` of what happens to the orders of `account`."""
        self.rows = Rows()
        self.executions: dict[str, Execution] = {}
        self._hub = hub
        self._account = account
        self._count = 0
        self._last: tuple[datetime | None, str] = (None, "")

    def publish(self, event: str, ticket: Ticket, at: datetime, **facts: str) -> Written:
        """Say what happened to an order at `at`; return the order as it was written."""
        when = moment(at)
        asked = ticket.cancel_requested_at
        said = ""
        for name, fact in facts.items():
            said += f'"{name}":{quoted(fact)},'
        body = ticket.body()
        data = Written(
            f'{{"event":{quoted(event)},"event_id":"{self._event_id(at)}","at":"{when}",'
            f'"timestamp":"{when}",{said}"order":{body.text[:-1]},'
            f'"cancel_requested_at":{"null" if asked is None else quoted(moment(asked))}}}}}'
        )
        self._hub.publish(TRADE_UPDATES, {"stream": TRADE_UPDATES, "data": data})
        return body

    def execution(self, ticket: Ticket, fill: Fill, position: Decimal, at: datetime) -> None:
        """List an execution that the ticket has booked, and say so."""
        status, filled = ticket.status, ticket.filled
        kind = _FILL if status == "filled" else "partial_fill"
        name = identifier("execution", self._account, fill.id)
        quantity, price = fill.quantity, fill.price
        self.executions[name] = Execution(name, ticket, fill.id, quantity, price)
        left = ticket.quantity - filled
        self.rows.add(
            _Print(
                at,
                name,
                kind,
                ticket,
                ticket.symbol,
                fill.side,
                quantity,
                price,
                filled,
                left,
                status,
            )
        )
        self.publish(
            kind,
            ticket,
            at,
            execution_id=name,
            price=number(price),
            qty=number(quantity),
            position_qty=number(position),
        )

    def _event_id(self, at: datetime) -> str:
        self._count += 1
        before, prefix = self._last
        if at is not before:
            prefix = _digits((at - _EPOCH) // _MILLISECOND)
            # Ids grow even where an event is told late, of a time before the last one's.
            prefix = max(prefix, self._last[1])
            self._last = (at, prefix)
        return f"{prefix}{self._count:016d}"


@lru_cache(maxsize=1024)
def _stamp(at: datetime) -> str:
    local = at.astimezone(NEW_YORK)
    return f"{local:%Y%m%d%H%M%S}{local.microsecond // 1000:03d}"


def _digits(value: int) -> str:
    written = ""
    for _ in range(_TIME_DIGITS):
        value, digit = divmod(value, len(_DIGITS))
        written = _DIGITS[digit] + written
    return written
