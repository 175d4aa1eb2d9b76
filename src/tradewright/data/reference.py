"""Instruments and corporate actions as rows of text, in the one form in which stores keep them.

A ratio is written as a fraction ("4", "3/2") and an amount as a decimal, so both come back exact.
Former symbols are written with their last dates ("FB 2022-06-08"), separated by semicolons.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tradewright.core.errors import InvalidInput
from tradewright.core.ids import InstrumentId
from tradewright.core.instrument import AssetClass, FormerSymbol, Instrument
from tradewright.core.market import CashDividend, CorporateAction, Delisting, Split
from tradewright.core.money import Currency, parse_decimal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Row: TypeAlias = "dict[str, str]"

INSTRUMENT_FIELDS: Final = tuple(field.name for field in fields(Instrument))
ACTION_FIELDS: Final = ("date", "instrument", "kind", "value")
_YES: Final = {"true": True, "false": False}


def instrument_row(instrument: Instrument) -> Row:
    """Write an instrument; what is None is left out."""
    values = {name: getattr(instrument, name) for name in INSTRUMENT_FIELDS}
    former = "; ".join(f"{symbol} {last}" for symbol, last in instrument.former)
    values["former"] = former or None
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in values.items()
        if value is not None
    }


def parse_instrument(row: Mapping[str, str]) -> Instrument:
    """Read an instrument; `id` is required and what is missing or blank is the ordinary value.

    Raises:
        InvalidInput: A field is unknown or cannot be read.
    """
    given = {name: text for name, text in row.items() if text}
    if "id" not in given:
        raise InvalidInput("id", "", "is missing", "give every instrument its id")
    read: dict[str, Any] = {}
    for name, text in ({"symbol": given["id"]} | given).items():
        parse = _PARSERS.get(name)
        if parse is None:
            known = ", ".join(INSTRUMENT_FIELDS)
            raise InvalidInput(name, text, "is no field of an instrument", f"use: {known}")
        try:
            read[name] = parse(text)
        except (ValueError, KeyError) as error:
            raise InvalidInput(name, text, "cannot be read") from error
    return Instrument(**read)


def action_row(action: CorporateAction) -> Row:
    """Write a corporate action."""
    row = {"date": action.ex_date.isoformat(), "instrument": str(action.instrument)}
    match action:
        case Split():
            return row | {"kind": "split", "value": str(action.ratio)}
        case CashDividend():
            return row | {"kind": "dividend", "value": format(action.amount, "f")}
        case Delisting():
            return row | {"kind": "delisting", "value": ""}


def parse_action(row: Mapping[str, str]) -> CorporateAction:
    """Read a corporate action.

    Raises:
        InvalidInput: A field is missing or cannot be read.
    """
    try:
        about = InstrumentId(row["instrument"]), date.fromisoformat(row["date"])
        match row["kind"]:
            case "split":
                return Split(*about, Fraction(row["value"]))
            case "dividend":
                return CashDividend(*about, parse_decimal(row["value"], "value"))
            case "delisting":
                return Delisting(*about)
            case kind:
                rule = "is no kind of action"
                raise InvalidInput("kind", kind, rule, "use split, dividend or delisting")
    except KeyError as error:
        raise InvalidInput(str(error.args[0]), "", "is missing") from error
    except (ValueError, ZeroDivisionError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput("action", dict(row), f"cannot be read: {error}") from error


def _former(text: str) -> tuple[FormerSymbol, ...]:
    pairs = [part.split() for part in text.split(";")]
    return tuple(FormerSymbol(symbol, date.fromisoformat(last)) for symbol, last in pairs)


_PARSERS: Final[Mapping[str, Callable[[str], object]]] = {
    "id": InstrumentId,
    "symbol": str,
    "asset_class": AssetClass,
    "venue": str,
    "currency": Currency,
    "tick": parse_decimal,
    "lot": parse_decimal,
    "multiplier": parse_decimal,
    "shortable": lambda text: _YES[text.lower()],
    "tradable": lambda text: _YES[text.lower()],
    "listed": date.fromisoformat,
    "delisted": date.fromisoformat,
    "former": _former,
}
