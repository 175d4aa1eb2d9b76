"""What happened to the account's money and shares besides its fills: the other activities.

Deposits, dividends, splits, mergers and fees, each booked by the brokerage and written here in
the vendor's words. Fees are debited with each fill, but the vendor posts them once a day: until
the close they show as accrued, so that the cash adds up at every moment. An execution that is
taken back or changed stays in the list of fills, and journal entries make up the difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from tradewright.core.events import (
    CashMoved,
    Delisted,
    DividendPaid,
    Event,
    FinancingCharged,
    OrderEvent,
    SessionClosed,
    SplitApplied,
)
from tradewright.core.ids import FillId, InstrumentId
from tradewright.core.instrument import Instrument
from tradewright.core.money import ZERO, to_cents
from tradewright.exchange.market.market import ReplayMarket
from tradewright.exchange.words import NEW_YORK, identifier, moment, number
from tradewright.execution.corrections import Reversal

if TYPE_CHECKING:
    from tradewright.core.records import JsonValue

Entry = tuple[datetime, dict[str, "JsonValue"]]
_CURRENCY: Final = "USD"


class Entries:
    """The non-trade activities of an account, oldest first, each with its time."""

    def __init__(self, market: ReplayMarket, account: str) -> None:
        """Start with the deposit that opened the account."""
        self.rows: list[Entry] = []
        self._market = market
        self._account = account
        self._ledger = market.brokerage.ledger
        self._held: Mapping[InstrumentId, Decimal] = {}
        self._names: dict[FillId, str] = {}
        self._seen = (0, 0)
        self._remember()
        self._posted_fees = self._ledger.fees
        self._deposit(market.opened_at, self._ledger.deposits, "opening balance")

    @property
    def accrued_fees(self) -> Decimal:
        """Fees that were debited and are not posted yet."""
        return self._ledger.fees - self._posted_fees

    def live(self, event: Event, _happened: Sequence[OrderEvent]) -> None:
        """Write what an event of the market did to the money and the shares."""
        match event:
            case DividendPaid():
                self._dividend(event)
            case SplitApplied():
                self._split(event)
            case Delisted():
                self._payout(event)
            case CashMoved():
                self._deposit(event.at, event.amount.amount, event.reason)
            case FinancingCharged():
                self.write("INT", event.at, -event.amount.amount, event.reason)
            case SessionClosed():
                self._post_fees(event.at)
            case _:
                if self._booked() == self._seen:
                    return
        self._remember()

    def look(self) -> None:
        """Look at what is held once a command has been performed."""
        if self._booked()[1] != self._seen[1]:
            self._reversed(self._market.brokerage.reversals[-1])
        if self._booked() != self._seen:
            self._remember()

    def renamed(self, before: Instrument, after: Instrument) -> None:
        """Write that what is held is called otherwise."""
        held = self._ledger.quantities.get(after.id, ZERO)
        if held:
            self.write(
                "NC",
                self._market.now,
                ZERO,
                f"{before.symbol} is now {after.symbol}",
                activity_sub_type="SNC",
                symbol=after.symbol,
                qty=number(held),
            )

    def write(
        self, kind: str, at: datetime, amount: Decimal, description: str, **facts: str
    ) -> None:
        """Write an activity of `kind` that moved `amount` of cash, which may be zero."""
        local = at.astimezone(NEW_YORK)
        given: dict[str, JsonValue] = {**facts}
        self.rows.append(
            (
                at,
                {
                    "activity_type": kind,
                    "id": activity_id(at, self._account, kind, str(len(self.rows))),
                    "date": local.date().isoformat(),
                    "net_amount": number(amount),
                    "description": description,
                    "status": "executed",
                    "currency": _CURRENCY,
                    "created_at": moment(at),
                    **given,
                },
            )
        )

    def _deposit(self, at: datetime, amount: Decimal, reason: str) -> None:
        if amount:
            self.write("CSD" if amount > 0 else "CSW", at, amount, reason)

    def _dividend(self, event: DividendPaid) -> None:
        name, each = event.dividend.instrument, event.dividend.amount
        held = self._before(name)
        if held:
            # Who is short owes the dividend to the lender: a substitute payment.
            kind = "CDIV" if held > 0 else "SPD"
            self.write(
                "DIV",
                event.at,
                to_cents(held * each),
                f"cash dividend of {self._symbol(name)}",
                activity_sub_type=kind,
                symbol=self._symbol(name),
                qty=number(held),
                per_share_amount=number(each),
            )

    def _split(self, event: SplitApplied) -> None:
        name, ratio = event.split.instrument, event.split.ratio
        before, after = self._before(name), self._ledger.quantities.get(name, ZERO)
        if not before:
            return
        up, down = Decimal(ratio.numerator), Decimal(ratio.denominator)
        fraction = before * up / down - after
        price = event.reference * down / up * self._market.data.instruments[name].multiplier
        what = f"{ratio.numerator} for {ratio.denominator} split of {self._symbol(name)}"
        facts = {
            "activity_sub_type": "FSPLIT" if ratio > 1 else "RSPLIT",
            "symbol": self._symbol(name),
            "group_id": identifier("split", self._account, name, moment(event.at)),
        }
        self.write("SPLIT", event.at, ZERO, what, qty=number(-before), **facts)
        # The fraction that no whole share covers is paid in cash.
        cash = to_cents(fraction * price)
        self.write("SPLIT", event.at, cash, what, qty=number(after), **facts)

    def _payout(self, event: Delisted) -> None:
        name = event.delisting.instrument
        held = self._before(name)
        if held:
            cash = to_cents(held * event.price * self._market.data.instruments[name].multiplier)
            facts = {"symbol": self._symbol(name), "qty": number(-held)}
            kind, sub = ("MA", "CMA") if event.price else ("REORG", "WRM")
            what = f"delisting of {self._symbol(name)}"
            self.write(kind, event.at, cash, what, activity_sub_type=sub, **facts)

    def _post_fees(self, at: datetime) -> None:
        fees = self.accrued_fees
        if fees:
            self._posted_fees = self._ledger.fees
            self.write("FEE", at, -fees, "commissions of the day", activity_sub_type="COM")

    def _reversed(self, reversal: Reversal) -> None:
        fill, instead, name = reversal.fill, reversal.instead, reversal.fill.instrument
        before = self._names.get(fill.id) or identifier("execution", self._account, fill.id)
        kind = "trade_bust" if instead is None else "trade_correct"
        if instead is not None:
            self._names[instead.id] = identifier(kind, before)
        shares = self._ledger.quantities.get(name, ZERO) - self._before(name)
        # Its fee is not part of this: it comes back with the fees of the day.
        cash = self._ledger.cash - self._cash + self._ledger.fees - self._fees
        what = f"{kind} of {fill.quantity} {self._symbol(name)} at {fill.price}"
        facts = {
            "symbol": self._symbol(name),
            "previous_id": before,
            "group_id": identifier(kind, before),
        }
        if shares:
            self.write("JNLS", reversal.at, ZERO, what, qty=number(shares), **facts)
        if cash:
            self.write("JNLC", reversal.at, cash, what, **facts)

    def _booked(self) -> tuple[int, int]:
        brokerage = self._market.brokerage
        return len(brokerage.fills), len(brokerage.reversals)

    def _remember(self) -> None:
        # Events come here once they are booked, so what was held before them is kept.
        self._held = dict(self._ledger.quantities)
        self._cash, self._fees = self._ledger.cash, self._ledger.fees
        self._seen = self._booked()

    def _before(self, name: InstrumentId) -> Decimal:
        return self._held.get(name, ZERO)

    def _symbol(self, name: InstrumentId) -> str:
        return self._market.data.instruments[name].symbol


def activity_id(at: datetime, *facts: str) -> str:
    """Return the id of an activity: its New York time to the millisecond, then a UUID."""
    local = at.astimezone(NEW_YORK)
    stamp = f"{local:%Y%m%d%H%M%S}{local.microsecond // 1000:03d}"
    return f"{stamp}::{identifier('activity', *facts)}"


class ActivityLog:
    """Every activity in order of time: executions and entries in one list, kept in order."""

    def __init__(self, entries: Entries) -> None:
        """Start with nothing taken."""
        self.times: list[datetime] = []
        self.rows: list[Mapping[str, JsonValue]] = []
        self.places: dict[str, int] = {}
        self._entries = entries
        self._taken = [0, 0]

    def take(self, executions: Sequence[Mapping[str, JsonValue]]) -> None:
        """Take what is new since the last time, of the entries and of `executions`."""
        entries, (first, second) = self._entries.rows, self._taken
        fresh: list[tuple[datetime, Mapping[str, JsonValue]]] = [*entries[first:]]
        fresh += [
            (datetime.fromisoformat(str(row["transaction_time"])), row)
            for row in executions[second:]
        ]
        self._taken = [len(entries), len(executions)]
        for at, row in sorted(fresh, key=_time):
            self.places[str(row["id"])] = len(self.rows)
            # What is told late stands where it is told: pages already read do not change.
            self.times.append(max(at, self.times[-1]) if self.times else at)
            self.rows.append(row)


def _time(row: tuple[datetime, Mapping[str, JsonValue]]) -> datetime:
    return row[0]
