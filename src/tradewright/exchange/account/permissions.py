"""What the account may do: the user's configurations, the vendor's blocks, and what is shortable.

Each is changed by a command; a command that is refused changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from tradewright.core.instrument import Instrument
from tradewright.exchange.account.configurations import Configurations
from tradewright.exchange.account.shorting import Shorting
from tradewright.exchange.market.market import ReplayMarket
from tradewright.exchange.words import (
    BROKEN_RULE,
    FORBIDDEN,
    NOT_ALLOWED,
    NOT_TRADABLE,
    UNPROCESSABLE,
    Refused,
)

if TYPE_CHECKING:
    from tradewright.core.records import JsonValue

Given = Mapping[str, Any]
BLOCKS: Final = ("account_blocked", "trading_blocked", "transfers_blocked")


class Permissions:
    """Configurations, blocks and borrow of one account."""

    def __init__(self, market: ReplayMarket, *, pdt_fields: bool) -> None:
        """Start with everything allowed."""
        self.configurations = Configurations()
        self.shorting = Shorting()
        self.blocks = dict.fromkeys(BLOCKS, False)
        self.pdt_fields = pdt_fields
        self._market = market
        self.commands: Mapping[str, Callable[[Given], object]] = {
            "configure": self._configure,
            "block": self._block,
            "borrow": self._borrow,
            "ssr": self._restrict,
        }

    def check(self, quantity: Decimal) -> None:
        """Check whether an order of so many shares may be given at all.

        Raises:
            Refused: The account is blocked, or the user has suspended it or forbids fractions.
        """
        message = ""
        if self.blocks["account_blocked"] or self.blocks["trading_blocked"]:
            message = "account is not authorized to trade"
        elif self.configurations.suspend_trade:
            message = "new orders are rejected by user request"
        elif quantity % 1 and not self.configurations.fractional_trading:
            message = "account is not allowed to trade fractional shares"
        if message:
            raise Refused(FORBIDDEN, NOT_ALLOWED, message)

    def body(self) -> dict[str, JsonValue]:
        """Write the configurations."""
        return self.configurations.body(pdt_fields=self.pdt_fields)

    def _configure(self, given: Given) -> dict[str, JsonValue]:
        self.configurations = self.configurations.changed(given, pdt_fields=self.pdt_fields)
        return self.body()

    def _block(self, given: Given) -> dict[str, bool]:
        field, value = given.get("field"), given.get("value", True)
        if field not in BLOCKS or not isinstance(value, bool):
            message = f"invalid block {field}: {value}; {', '.join(BLOCKS)} are true or false"
            raise Refused(UNPROCESSABLE, BROKEN_RULE, message)
        self.blocks[str(field)] = value
        return dict(self.blocks)

    def _borrow(self, given: Given) -> dict[str, JsonValue]:
        instrument = self._named(given)
        self.shorting.borrow(instrument, given.get("status"))
        return {"symbol": instrument.symbol, "status": self.shorting.status(instrument)}

    def _restrict(self, given: Given) -> dict[str, JsonValue]:
        on = given.get("on", True)
        if not isinstance(on, bool):
            raise Refused(UNPROCESSABLE, BROKEN_RULE, f"invalid on: {on} is not true or false")
        instrument = self._named(given)
        self.shorting.restrict(instrument, on=on)
        return {"symbol": instrument.symbol, "on": on}

    def _named(self, given: Given) -> Instrument:
        symbol = given.get("symbol")
        instrument = self._market.instruments.get(symbol) if isinstance(symbol, str) else None
        if instrument is None:
            raise Refused(UNPROCESSABLE, NOT_TRADABLE, f'asset "{symbol}" not found')
        return instrument
