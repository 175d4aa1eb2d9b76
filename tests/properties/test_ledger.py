"""The ledger against an independent fold in fractions: no cent appears or vanishes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from math import floor

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import AAA, AT, BBB, a_fill, instruments
from tradewright.core.events import CashMoved, Delisted, DividendPaid, Filled, SplitApplied
from tradewright.core.ids import InstrumentId, OrderId
from tradewright.core.market import CashDividend, Delisting, Split
from tradewright.core.money import Money
from tradewright.core.orders import Side
from tradewright.portfolio.ledger import Ledger, LedgerEvent

# Those whose shares have an end of decimals, so that the two folds agree exactly.
EVEN = [Fraction(r) for r in ("2", "4", "7", "3/2", "5/4", "1/2", "1/5", "1/8", "1/10")]
ENDLESS = [Fraction(r) for r in ("1/3", "1/7", "2/3", "10/7", "1/30")]

names = st.sampled_from([AAA, BBB])
prices = st.decimals("0.01", "500", places=4)
amounts = st.decimals("-100000", "100000", places=2)
fills = st.builds(
    lambda name, side, quantity, price, fee: Filled(
        OrderId("order-1"), AT, a_fill(side, quantity, price, fee=fee, instrument=name)
    ),
    names,
    st.sampled_from(Side),
    st.integers(1, 500),
    prices.map(str),
    st.decimals("0", "5", places=2).map(str),
)
moves = st.builds(lambda amount: CashMoved(Money(amount), AT, "moved"), amounts)
dividends = st.builds(
    lambda name, amount: DividendPaid(CashDividend(name, AT.date(), amount), AT),
    names,
    st.decimals("0.0001", "5", places=4),
)
delistings = st.builds(
    lambda name, price: Delisted(Delisting(name, AT.date()), price, AT), names, prices
)


def splits(ratios: Sequence[Fraction]) -> st.SearchStrategy[SplitApplied]:
    return st.builds(
        lambda name, ratio, price: SplitApplied(Split(name, AT.date(), ratio), price, AT),
        names,
        st.sampled_from(ratios),
        prices,
    )


histories = st.lists(
    st.one_of(fills, fills, moves, dividends, delistings, splits(EVEN)), max_size=25
)


def half_up(amount: Fraction) -> Fraction:
    """To the cent, halves away from zero."""
    cents = floor(abs(amount) * 100 + Fraction(1, 2))
    return Fraction(cents if amount >= 0 else -cents, 100)


@dataclass
class Fold:
    """The same book by other means: lots in fractions, and every movement of cash by its cause."""

    deposits: Fraction = Fraction(0)
    bought: Fraction = Fraction(0)
    fees: Fraction = Fraction(0)
    dividends: Fraction = Fraction(0)
    paid_out: Fraction = Fraction(0)
    realised: Fraction = Fraction(0)
    lots: dict[InstrumentId, list[tuple[Fraction, Fraction]]] = field(default_factory=dict)

    @property
    def cash(self) -> Fraction:
        return self.deposits - self.bought - self.fees + self.dividends + self.paid_out

    def held(self, name: InstrumentId) -> Fraction:
        return sum((quantity for quantity, _ in self.lots.get(name, [])), Fraction(0))

    def trade(self, name: InstrumentId, signed: Fraction, price: Fraction) -> None:
        lots = self.lots.setdefault(name, [])
        while signed and lots and (lots[0][0] > 0) != (signed > 0):
            quantity, cost = lots.pop(0)
            closed = min(abs(quantity), abs(signed)) * (1 if quantity > 0 else -1)
            self.realised += closed * (price - cost)
            signed += closed
            if quantity != closed:
                lots.insert(0, (quantity - closed, cost))
        if signed:
            lots.append((signed, price))

    def pay_out(self, name: InstrumentId, quantity: Fraction, price: Fraction) -> None:
        self.paid_out += half_up(quantity * price)
        self.trade(name, -quantity, price)

    def apply(self, event: LedgerEvent) -> None:
        match event:
            case Filled():
                fill = event.fill
                signed = fill.side.sign * Fraction(fill.quantity)
                self.bought += signed * Fraction(fill.price)
                self.fees += Fraction(fill.fee.amount)
                self.trade(fill.instrument, signed, Fraction(fill.price))
            case CashMoved():
                self.deposits += Fraction(event.amount.amount)
            case DividendPaid():
                paid = event.dividend
                self.dividends += half_up(self.held(paid.instrument) * Fraction(paid.amount))
            case SplitApplied():
                name, ratio = event.split.instrument, event.split.ratio
                self.lots[name] = [(q * ratio, c / ratio) for q, c in self.lots.get(name, [])]
                held = self.held(name)
                whole = floor(abs(held)) * (1 if held >= 0 else -1)
                if held != whole:
                    self.pay_out(name, held - whole, Fraction(event.reference) / ratio)
            case Delisted():
                name = event.delisting.instrument
                if self.held(name):
                    self.pay_out(name, self.held(name), Fraction(event.price))


def lived(events: Sequence[LedgerEvent]) -> tuple[Ledger, Fold]:
    ledger, fold = Ledger(instruments()), Fold()
    for event in events:
        ledger.apply(event)
        fold.apply(event)
        ledger.check()
    return ledger, fold


@given(histories)
def test_cash_is_what_was_paid_in_less_what_was_spent(events: list[LedgerEvent]) -> None:
    ledger, fold = lived(events)
    assert ledger.cash == fold.cash
    assert ledger.deposits == fold.deposits
    assert ledger.fees == fold.fees
    assert ledger.dividends == fold.dividends


@given(histories)
def test_positions_are_those_of_the_fold(events: list[LedgerEvent]) -> None:
    ledger, fold = lived(events)
    held = {name: fold.held(name) for name in (AAA, BBB) if fold.held(name)}
    assert ledger.quantities == held
    assert {name: p.quantity for name, p in ledger.positions.items()} == held
    for name, position in ledger.positions.items():
        cost = sum((q * c for q, c in fold.lots[name]), Fraction(0))
        assert abs(Fraction(position.cost) - cost) < Fraction(1, 10**12)
        assert [Fraction(lot.quantity) for lot in position.lots] == [q for q, _ in fold.lots[name]]


@given(histories)
def test_profit_and_cost_explain_the_cash(events: list[LedgerEvent]) -> None:
    # What went into positions is either still their cost or has come back as profit or loss.
    ledger, fold = lived(events)
    cost = sum((p.cost for p in ledger.positions.values()), Decimal(0))
    assert abs(Fraction(ledger.realised) - fold.realised) < Fraction(1, 10**12)
    spent = ledger.deposits - ledger.cash - ledger.fees + ledger.dividends
    # A payment in lieu is rounded to the cent and the profit on it is not.
    paid = sum(isinstance(event, SplitApplied | Delisted) for event in events)
    assert abs(cost - ledger.realised - spent) <= Decimal("0.005") * paid + Decimal("1e-12")


@given(st.lists(fills, min_size=1, max_size=8), splits(EVEN + ENDLESS))
def test_a_split_leaves_the_value_apart_from_the_cash_in_lieu(
    bought: list[Filled], split: SplitApplied
) -> None:
    ledger, _ = lived(bought)
    name, ratio, before = split.split.instrument, split.split.ratio, ledger.cash
    old = Fraction(ledger.quantities.get(name, Decimal(0)))
    ledger.apply(split)
    ledger.check()
    new = Fraction(ledger.quantities.get(name, Decimal(0)))
    price = Fraction(split.reference)
    in_lieu = Fraction(ledger.cash - before)
    assert new.denominator == 1
    assert abs(new) <= abs(old * ratio) < abs(new) + 1
    assert abs(old * price - (new * price / ratio + in_lieu)) <= Fraction(1, 199)


@given(st.lists(st.one_of(fills, dividends, splits(EVEN + ENDLESS)), max_size=20))
def test_lots_add_up_whatever_the_ratios(events: list[LedgerEvent]) -> None:
    ledger = Ledger(instruments())
    for event in events:
        ledger.apply(event)
        ledger.check()


@given(histories, st.integers(0, 25))
def test_a_snapshot_stays_as_it_was(events: list[LedgerEvent], place: int) -> None:
    ledger, _ = lived(events[:place])
    snapshot = ledger.snapshot()
    for event in events[place:]:
        ledger.apply(event)
    again, _ = lived(events[:place])
    assert snapshot == again.snapshot()
