"""The account's standing: who it is, what it may do, and what its open orders have spoken for.

Orders asks `check` before an order goes to the brokerage, `reserve` once it has been taken, and
`left` whenever something happened to it. What an order reserves is fixed when it is taken and
shrinks as it fills, so that a check costs the same however many orders are open.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final, Protocol

from tradewright.core.events import (
    Delisted,
    Event,
    OrderEvent,
    SessionClosed,
    SessionOpened,
    SplitApplied,
)
from tradewright.core.frozen import frozen
from tradewright.core.ids import InstrumentId
from tradewright.core.market import Quote
from tradewright.core.money import ZERO
from tradewright.core.orders import Side
from tradewright.exchange.account.curve import EquityCurve
from tradewright.exchange.account.entries import ActivityLog, Entries
from tradewright.exchange.account.margin import LEAST_EQUITY, Margin, Standing, power, weight
from tradewright.exchange.account.permissions import Permissions
from tradewright.exchange.account.restriction import Restriction
from tradewright.exchange.market.market import ReplayMarket
from tradewright.exchange.words import (
    FORBIDDEN,
    NOT_ALLOWED,
    NOT_TRADABLE,
    UNPROCESSABLE,
    Refused,
    number,
)

_SELL: Final = Side.SELL
_ONE: Final = Decimal(1)
_TWO: Final = Decimal(2)
_PLACES: Final = 9
_ABOVE_ASK: Final = Decimal("1.03")


class Asked(Protocol):
    """What of an order request the account looks at."""

    @property
    def symbol(self) -> str:
        """The symbol as of now."""

    @property
    def instrument(self) -> InstrumentId:
        """What is traded."""

    @property
    def side(self) -> Side:
        """Which way."""

    @property
    def quantity(self) -> Decimal:
        """Shares; a notional order's are worked out by now."""

    @property
    def limit(self) -> Decimal | None:
        """The limit, if it has one."""

    @property
    def stop(self) -> Decimal | None:
        """The stop, if it has one."""


@frozen
class Charge:
    """What an order takes of the buying power: dollars a share, for the shares that it opens."""

    unit: Decimal
    opening: Decimal

    @property
    def amount(self) -> Decimal:
        """Dollars of buying power."""
        return self.unit * self.opening

    def left(self, remaining: Decimal) -> Charge:
        """Return the charge of what may still fill: what closes a position fills first."""
        return self if remaining >= self.opening else Charge(self.unit, max(remaining, ZERO))


class Account:
    """The one account of this exchange."""

    def __init__(
        self, market: ReplayMarket, name: str, leverage: Decimal, *, pdt_fields: bool = False
    ) -> None:
        """Open the account; it can pay for `leverage` times its equity.

        With `pdt_fields` the pattern-day-trader fields are served, which the vendor dropped in
        July 2026.
        """
        self.name = name
        self.leverage = leverage
        self.permissions = Permissions(market, pdt_fields=pdt_fields)
        self._market = market
        self._charges: dict[str, Charge] = {}
        self.reserved = ZERO
        self._margin = Margin(market)
        self.last = self.standing
        self.sma = self.last.excess
        self.day_began = self.last_closed = market.now
        self._closes = self._prices()
        self.last_prices = dict(self._closes)
        self.gone: set[InstrumentId] = set()
        self._restriction = Restriction(market, self.permissions.shorting, lambda: self.last_prices)
        self.entries = Entries(market, name)
        self.activities = ActivityLog(self.entries)
        market.names.follow(self.entries.renamed)
        self.curve = EquityCurve(lambda: self.standing.equity, int(market.now.timestamp()))

    @property
    def last_equity(self) -> Decimal:
        """What the account was worth at the last close."""
        return self.last.equity

    @property
    def standing(self) -> Standing:
        """What the account is worth now."""
        return self._margin.standing

    @property
    def multiplier(self) -> Decimal:
        """How often equity may be spent: the user may lower it, and small accounts have one."""
        return self._multiplier(self.standing)

    @property
    def may_short(self) -> bool:
        """Say whether the account is allowed to short: a margin account of $2,000 or more."""
        return self.multiplier > _ONE and not self.permissions.configurations.no_shorting

    def buying_power(self) -> Decimal:
        """Return what may still be spent on opening positions, open orders taken off."""
        now = self.standing
        return self._left(now, self._multiplier(now))

    def regulation_power(self) -> Decimal:
        """Return what Regulation T alone leaves to spend: twice the equity it does not ask for."""
        now = self.standing
        return self._left(now, min(self._multiplier(now), _TWO))

    def check(self, asked: Asked, held: Decimal, freed: Decimal = ZERO) -> Charge:
        """Check an order of an account that holds `held` (signed) of the instrument.

        `freed` is the buying power that comes back if the order is taken: that of an order it
        replaces (`charged`). The charge is given to `reserve` once the order has been taken.

        Raises:
            Refused: The account may not give the order, or cannot pay for it.
        """
        self.permissions.check(asked.quantity)
        opening = asked.quantity - max(-held * asked.side.sign, ZERO)
        if opening <= 0:
            return Charge(ZERO, ZERO)
        short = asked.side is _SELL
        quote = self._quote(asked.instrument)
        if short:
            self._check_short(asked, quote)
        price = self._price(asked, quote)
        if price is None:
            message = "no price to check buying power with"
            raise Refused(UNPROCESSABLE, NOT_TRADABLE, message)
        worth = price * self._market.data.instruments[asked.instrument].multiplier
        now = self.standing
        multiplier = self._multiplier(now)
        unit = worth * weight(price, short=short, multiplier=multiplier)
        # Of a bounded length, so that what is given back adds up to what was taken.
        charge = Charge(round(unit, _PLACES), opening)
        left = self._left(now, multiplier) + freed
        if charge.amount > left:
            raise Refused(
                FORBIDDEN,
                NOT_ALLOWED,
                "insufficient buying power",
                buying_power=number(round(left, 2)),
                cost_basis=number(worth * opening),
            )
        return charge

    def reserve(self, order: str, charge: Charge) -> None:
        """Keep an order's charge from being spent twice, until `left` gives it back."""
        if charge.opening:
            self._charges[order] = charge
            self.reserved += charge.amount

    def left(self, order: str, remaining: Decimal) -> None:
        """Give back what an order no longer needs; `remaining` may still fill, 0 once it ended."""
        charge = self._charges.get(order)
        if charge is None:
            return
        kept = charge.left(remaining)
        self.reserved += kept.amount - charge.amount
        if kept.opening:
            self._charges[order] = kept
        else:
            del self._charges[order]

    def charged(self, order: str) -> Decimal:
        """Return the buying power that an open order reserves."""
        charge = self._charges.get(order)
        return ZERO if charge is None else charge.amount

    def live(self, event: Event, happened: Sequence[OrderEvent]) -> None:
        """Take what an event of the market did to the account."""
        match event:
            case SessionOpened():
                self.day_began = event.at
                self.last_prices = dict(self._closes)
            case SplitApplied():
                ratio = event.split.ratio
                for prices in (self.last_prices, self._closes):
                    _split(prices, event.split.instrument, ratio)
            case SessionClosed():
                self.last = self.standing
                self.last_closed = event.at
                self.sma = self.last.excess
                self._closes = self._prices()
            case Delisted():
                self.gone.add(event.delisting.instrument)
            case _:
                pass
        self._restriction.live(event)
        self.entries.live(event, happened)
        self.curve.live(event, happened)

    def hear(self, _happened: Sequence[OrderEvent]) -> None:
        """Take what the tape has done to orders."""
        self.entries.look()

    def _multiplier(self, now: Standing) -> Decimal:
        if now.equity < LEAST_EQUITY:
            return min(self.leverage, _ONE)
        return min(self.leverage, self.permissions.configurations.most_margin)

    def _left(self, now: Standing, multiplier: Decimal) -> Decimal:
        return max(power(now, self.last, multiplier) - self.reserved, ZERO)

    def _prices(self) -> dict[InstrumentId, Decimal]:
        names = [item.id for item in self._market.instruments.values()]
        marks = {name: self._market.brokerage.price(name) for name in names}
        return {name: mark for name, mark in marks.items() if mark is not None}

    def _check_short(self, asked: Asked, quote: Quote | None) -> None:
        instrument = self._market.data.instruments[asked.instrument]
        bid = self._market.brokerage.price(asked.instrument) if quote is None else quote.bid
        self.permissions.shorting.check(instrument, asked.quantity, asked.limit, bid)
        if not self.may_short:
            raise Refused(FORBIDDEN, NOT_ALLOWED, "account is not allowed to short")

    def _price(self, asked: Asked, quote: Quote | None) -> Decimal | None:
        # A quote without an ask has 0 there.
        ask = quote.ask if quote is not None and quote.ask else None
        mark = ask or self._market.brokerage.price(asked.instrument)
        named = asked.limit or asked.stop
        if asked.side is not _SELL:
            return named or mark
        above = ZERO if mark is None else mark * _ABOVE_ASK
        return max(named or ZERO, above) or None

    def _quote(self, name: InstrumentId) -> Quote | None:
        # With the market closed the vendor checks against the last trade.
        if self._market.session is None:
            return None
        return self._market.tape.quote(name, self._market.now)


def _split(prices: dict[InstrumentId, Decimal], name: InstrumentId, ratio: Fraction) -> None:
    if name in prices:
        prices[name] = prices[name] * ratio.denominator / ratio.numerator
