"""What the user may set about the account, and which values are taken.

A field that is null is left as it is: clients send back whole objects with what they do not
know as null.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from tradewright.exchange.words import BROKEN_RULE, UNPROCESSABLE, Refused

if TYPE_CHECKING:
    from tradewright.core.records import JsonValue

_DAY_TRADING: Final = frozenset({"dtbp_check", "pdt_check"})
_CHECKS: Final = ("both", "entry", "exit")
_MULTIPLIERS: Final = {text: Decimal(text) for text in ("1", "2", "4")}
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "max_margin_multiplier": tuple(_MULTIPLIERS),
    "trade_confirm_email": ("all", "none"),
    "dtbp_check": _CHECKS,
    "pdt_check": _CHECKS,
}
_LEVELS: Final = range(4)


@dataclass(frozen=True, slots=True)
class Configurations:
    """The account's configurations, in the vendor's words."""

    no_shorting: bool = False
    suspend_trade: bool = False
    fractional_trading: bool = True
    max_margin_multiplier: str = "4"
    trade_confirm_email: str = "all"
    ptp_no_exception_entry: bool = False
    max_options_trading_level: int = 0
    disable_overnight_trading: bool = False
    dtbp_check: str = "entry"
    pdt_check: str = "entry"

    @property
    def most_margin(self) -> Decimal:
        """The highest multiplier that the user allows."""
        return _MULTIPLIERS[self.max_margin_multiplier]

    def body(self, *, pdt_fields: bool) -> dict[str, JsonValue]:
        """Write them; the pattern-day-trader fields are the vendor's before July 2026."""
        return {name: getattr(self, name) for name in _names(pdt_fields=pdt_fields)}

    def changed(self, body: Mapping[str, Any], *, pdt_fields: bool) -> Configurations:
        """Return them with what `body` sets.

        Raises:
            Refused: A field is not known or a value not allowed; nothing is taken of the body.
        """
        known = _names(pdt_fields=pdt_fields)
        given = {name: value for name, value in body.items() if value is not None}
        for name in given:
            if name not in known:
                raise Refused(UNPROCESSABLE, BROKEN_RULE, f"unknown configuration: {name}")
        return replace(self, **{name: _value(name, value) for name, value in given.items()})


def _names(*, pdt_fields: bool) -> list[str]:
    every = [field.name for field in fields(Configurations)]
    return every if pdt_fields else [name for name in every if name not in _DAY_TRADING]


def _value(name: str, value: object) -> Any:  # noqa: ANN401 - as the field of that name
    allowed = _WORDS.get(name)
    if allowed is not None:
        if not isinstance(value, bool) and str(value) in allowed:
            return str(value)
        raise _invalid(name, value, ", ".join(allowed))
    if name == "max_options_trading_level":
        if isinstance(value, int) and not isinstance(value, bool) and value in _LEVELS:
            return value
        raise _invalid(name, value, "0, 1, 2, 3")
    if not isinstance(value, bool):
        raise _invalid(name, value, "true, false")
    return value


def _invalid(name: str, value: object, allowed: str) -> Refused:
    return Refused(UNPROCESSABLE, BROKEN_RULE, f"invalid {name}: {value}; allowed: {allowed}")
