"""What a rehearsal may do to its market: halts, corporate actions, and what clients are shown.

Each is a command with arguments of JSON, as from a fault script, performed at the market's now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, NoReturn

from tradewright.core.errors import InvalidInput
from tradewright.core.frames import from_nanos, to_nanos
from tradewright.core.ids import InstrumentId
from tradewright.core.money import parse_decimal
from tradewright.exchange.market import actions
from tradewright.exchange.market.aggregates import MINUTE
from tradewright.exchange.market.amendments import Amendment, Kind
from tradewright.exchange.market.halts import MARKET_WIDE, NEWS
from tradewright.exchange.market.market import ReplayMarket
from tradewright.exchange.market.prints import ROUND_LOT, Trades
from tradewright.exchange.words import BROKEN_RULE, NOT_TRADABLE, UNPROCESSABLE, Refused, moment

if TYPE_CHECKING:
    from tradewright.core.records import Body, JsonValue

Given = Mapping[str, Any]
CORRUPTIONS: Final = ("nan", "zero", "negative", "huge", "crossed", "locked", "no_bid")
_LONGEST_SYMBOL: Final = 16
_ONE: Final = Decimal(1)
_MICRO: Final = 1000


class Controls:
    """The commands of a market."""

    def __init__(self, market: ReplayMarket) -> None:
        """Act on `market`."""
        self._market = market
        self.commands: Mapping[str, Callable[[Given], Body]] = {
            "halt": self._halt,
            "resume": self._resume,
            "skew": self._skew,
            "close_market": self._close_market,
            "freeze": self._freeze,
            "corrupt": self._corrupt,
            "split": self._split,
            "dividend": self._dividend,
            "rename": self._rename,
            "delist": self._delist,
            "late_trade": self._late_trade,
            "bust_trade": self._bust_trade,
            "correct_trade": self._correct_trade,
        }

    def _halt(self, given: Given) -> Body:
        names = self._names(given)
        code = _text(given, "code", MARKET_WIDE if given.get("symbol") is None else NEWS)
        seconds = _decimal(given, "seconds", least=Decimal(0))
        until = None if seconds is None else self._market.now + _span(seconds)
        reason = _text(given, "reason", "")
        for name in names:
            self._market.halt(name, code, reason, until)
        return self._done(names, code=code)

    def _resume(self, given: Given) -> Body:
        names = self._names(given)
        for name in names:
            self._market.resume(name)
        return self._done(names)

    def _skew(self, given: Given) -> Body:
        seconds = _decimal(given, "seconds")
        if seconds is None:
            _refuse("seconds is required: how far the shown clock runs ahead, 0 to mend it")
        self._market.skew = _span(seconds)
        return {"seconds": float(seconds)}

    def _close_market(self, given: Given) -> Body:
        self._market.closed_by_fault = _flag(given, "closed")
        return {"closed": self._market.closed_by_fault}

    def _freeze(self, given: Given) -> Body:
        names = self._names(given)
        frozen = _flag(given, "frozen")
        for name in names:
            if frozen:
                self._market.frozen.setdefault(name, self._market.now)
            else:
                self._market.frozen.pop(name, None)
        return self._done(names, frozen=frozen)

    def _corrupt(self, given: Given) -> Body:
        names = self._names(given)
        kind = given.get("kind")
        if kind is not None and kind not in CORRUPTIONS:
            _refuse(f"invalid kind: {kind}; allowed: {', '.join(CORRUPTIONS)}, or null to mend it")
        for name in names:
            if kind is None:
                self._market.corrupted.pop(name, None)
            else:
                self._market.corrupted[name] = str(kind)
        return self._done(names, kind=kind)

    def _split(self, given: Given) -> Body:
        name = self._name(given)
        try:
            ratio = Fraction(str(given.get("ratio")).replace(":", "/"))
        except (ValueError, ZeroDivisionError) as error:
            message = f"invalid ratio: {given.get('ratio')}; write it as 4, 4:1 or 1/10"
            raise Refused(UNPROCESSABLE, BROKEN_RULE, message) from error
        if ratio <= 0 or ratio == 1:
            _refuse(f"invalid ratio: {ratio} must be positive and not 1")
        actions.split(self._market, name, ratio)
        return self._done([name], ratio=str(ratio))

    def _dividend(self, given: Given) -> Body:
        name = self._name(given)
        amount = _decimal(given, "amount")
        if amount is None or amount <= 0:
            _refuse("amount is required: dollars a share, above 0")
        actions.pay_dividend(self._market, name, amount)
        return self._done([name], amount=str(amount))

    def _rename(self, given: Given) -> Body:
        name = self._name(given)
        to = given.get("to")
        if not isinstance(to, str) or not to.isascii() or not 0 < len(to) <= _LONGEST_SYMBOL:
            _refuse(f"to is required: the symbol it gets, {_LONGEST_SYMBOL} characters at most")
        if to in self._market.instruments:
            _refuse(f"to: {to} is the symbol of another instrument")
        actions.rename(self._market, name, to)
        return self._done([name], was=given["symbol"])

    def _delist(self, given: Given) -> Body:
        name = self._name(given)
        if not self._market.data.instruments[name].tradable:
            _refuse(f'asset "{given["symbol"]}" is not tradable', NOT_TRADABLE)
        actions.delist(self._market, name, _decimal(given, "price", least=Decimal(0)))
        return self._done([name])

    def _late_trade(self, given: Given) -> Body:
        name = self._name(given)
        minutes = _decimal(given, "minutes", least=_ONE) or _ONE
        counting = self._counting(name)
        minute = to_nanos(self._market.now) // MINUTE * MINUTE - int(minutes) * MINUTE
        opened = int(counting.at[0])
        if minute < opened // MINUTE * MINUTE:
            _refuse(
                f"invalid minutes: {minutes}; that minute lies before the session's first trade"
            )
        # Half-way through its minute, and a microsecond after what is there.
        at = minute + MINUTE // 2
        while len(counting.between(at - 1, at).at):
            at += _MICRO
        last = float(counting.price[-1])
        price, size = self._terms(given, (last, float(ROUND_LOT)))
        return self._amend(Amendment(name, Kind.LATE, at, price, size, (price, size)))

    def _bust_trade(self, given: Given) -> Body:
        name = self._name(given)
        at, price, size = self._last(name)
        return self._amend(Amendment(name, Kind.CANCELED, at, price, size, (price, size)))

    def _correct_trade(self, given: Given) -> Body:
        name = self._name(given)
        at, *before = self._last(name)
        was = (before[0], before[1])
        price, size = self._terms(given, was)
        if (price, size) == was:
            _refuse("price or size is required: what the last trade is corrected to")
        return self._amend(Amendment(name, Kind.CORRECTED, at, price, size, was))

    def _last(self, name: InstrumentId) -> tuple[int, float, float]:
        counting = self._counting(name)
        return counting.at.item(-1), counting.price.item(-1), counting.size.item(-1)

    def _counting(self, name: InstrumentId) -> Trades:
        market, session = self._market, self._market.session
        if session is None:
            _refuse("there is no open session with trades to amend")
        after, to = to_nanos(session.open) - 1, to_nanos(market.now)
        printed = market.tape.trade_columns(name, after, to)
        counting = market.amendments.counting(name, printed, after, to)
        if not len(counting.at):
            symbol = market.data.instruments[name].symbol
            _refuse(f"{symbol} has not traded in this session")
        return counting

    def _amend(self, amendment: Amendment) -> Body:
        self._market.amendments.add(amendment)
        at = moment(from_nanos(amendment.at))
        facts: Body = {"price": amendment.price, "size": amendment.size, "trade": at}
        return self._done([amendment.instrument], **facts)

    def _terms(self, given: Given, usual: tuple[float, float]) -> tuple[float, float]:
        price, size = (_decimal(given, field) for field in ("price", "size"))
        for field, value in (("price", price), ("size", size)):
            if value is not None and value <= 0:
                _refuse(f"invalid {field}: {value} must be > 0")
        return (
            usual[0] if price is None else float(price),
            usual[1] if size is None else float(size),
        )

    def _name(self, given: Given) -> InstrumentId:
        symbol = given.get("symbol")
        if not isinstance(symbol, str):
            _refuse("symbol is required")
        found = self._market.instruments.get(symbol)
        if found is None:
            _refuse(f'asset "{symbol}" not found', NOT_TRADABLE)
        return found.id

    def _names(self, given: Given) -> list[InstrumentId]:
        # Without a symbol, the whole market.
        if given.get("symbol") is None:
            return [item.id for item in self._market.instruments.values()]
        return [self._name(given)]

    def _done(self, names: list[InstrumentId], **facts: JsonValue) -> Body:
        symbols: list[JsonValue] = [self._market.data.instruments[name].symbol for name in names]
        return {"at": moment(self._market.now), "symbols": symbols, **facts}


def _refuse(message: str, code: int = BROKEN_RULE) -> NoReturn:
    raise Refused(UNPROCESSABLE, code, message)


def _text(given: Given, field: str, default: str) -> str:
    value = given.get(field)
    if value is not None and not isinstance(value, str):
        _refuse(f"invalid {field}: {value} must be a string")
    return default if value is None else value


def _flag(given: Given, field: str) -> bool:
    value = given.get(field, True)
    if not isinstance(value, bool):
        _refuse(f"invalid {field}: {value} must be true or false")
    return value


def _decimal(given: Given, field: str, least: Decimal | None = None) -> Decimal | None:
    value = given.get(field)
    if value is None:
        return None
    try:
        # A float comes from a TOML script; as it prints, it is what was written there.
        number = parse_decimal(repr(value) if isinstance(value, float) else value, field)
    except InvalidInput as error:
        message = f"invalid {field}: {value} is not a number"
        raise Refused(UNPROCESSABLE, BROKEN_RULE, message) from error
    if least is not None and number < least:
        _refuse(f"invalid {field}: {value} is less than {least}")
    return number


def _span(seconds: Decimal) -> timedelta:
    try:
        return timedelta(seconds=float(seconds))
    except OverflowError as error:
        message = f"invalid seconds: {seconds} is too far away"
        raise Refused(UNPROCESSABLE, BROKEN_RULE, message) from error
