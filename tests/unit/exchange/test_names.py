"""Symbols over time: what is called how, from when, and whose data a symbol means."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

import pytest

from tests.unit.exchange.builders import a_market, an_exchange, closed, opened
from tradewright.core.frames import to_nanos
from tradewright.core.ids import InstrumentId
from tradewright.core.instrument import FormerSymbol, Instrument
from tradewright.data.history import MarketData
from tradewright.exchange.exchange import Exchange
from tradewright.exchange.market.names import Names

FB, META = InstrumentId("META"), InstrumentId("FB")
CHANGE: Final = date(2024, 1, 5)
MIDNIGHT: Final = datetime(2024, 1, 5, 5, tzinfo=UTC)
# AAA was called OLD until the fourth, and BBB then takes the symbol that AAA gives up.
FORMER: Final = {
    "AAA": (FormerSymbol("OLD", date(2024, 1, 4)),),
    "BBB": (FormerSymbol("BBC", date(2024, 1, 4)),),
}


def renaming(**symbols: str) -> MarketData:
    """The small market, whose two names change on the fifth of January."""
    data = a_market()
    instruments = {
        name: replace(one, former=FORMER[name], symbol=symbols.get(name, one.symbol))
        for name, one in data.instruments.items()
    }
    return replace(data, instruments=instruments)


def symbols(exchange: Exchange) -> dict[str, str]:
    return {symbol: one.id for symbol, one in exchange.market.instruments.items()}


def test_a_market_begins_with_the_symbols_of_its_day() -> None:
    exchange = an_exchange(renaming())
    assert symbols(exchange) == {"OLD": "AAA", "BBC": "BBB"}
    exchange.advance(MIDNIGHT - timedelta(microseconds=1))
    assert symbols(exchange) == {"OLD": "AAA", "BBC": "BBB"}
    exchange.advance(MIDNIGHT)
    assert symbols(exchange) == {"AAA": "AAA", "BBB": "BBB"}


def test_one_may_take_the_symbol_that_another_gives_up_on_the_same_day() -> None:
    exchange = an_exchange(renaming(BBB="OLD"))
    assert symbols(exchange) == {"OLD": "AAA", "BBC": "BBB"}
    exchange.advance(closed(4))
    assert symbols(exchange) == {"AAA": "AAA", "OLD": "BBB"}


def test_names_of_before_the_start_are_past_at_once() -> None:
    data = a_market()
    former = (FormerSymbol("OLDEST", date(2020, 1, 1)), FormerSymbol("OLD", date(2024, 1, 4)))
    aaa = replace(data.instruments[InstrumentId("AAA")], former=former)
    exchange = an_exchange(replace(data, instruments={**data.instruments, aaa.id: aaa}))
    now = exchange.market.instruments["OLD"]
    assert now.former == former[:1]
    exchange.advance(MIDNIGHT)
    assert exchange.market.instruments["AAA"] == aaa


def test_a_change_of_symbol_is_told_and_cancels_orders_but_no_position() -> None:
    exchange = an_exchange(renaming())
    order = {"symbol": "OLD", "qty": "10", "side": "buy", "type": "market"}
    exchange.perform("submit", {"body": {**order, "time_in_force": "day"}})
    resting = {**order, "type": "limit", "limit_price": "60", "time_in_force": "gtc"}
    exchange.perform("submit", {"body": {**resting, "client_order_id": "resting"}})
    exchange.advance(MIDNIGHT)
    ticket = exchange.orders.ticket_of_client("resting")
    assert (ticket.status, ticket.symbol) == ("canceled", "OLD")
    assert exchange.market.brokerage.ledger.quantities[InstrumentId("AAA")] == 10
    told = [
        row["data"]
        for row in exchange.events.read(0, 100)
        if isinstance(row, dict) and row["kind"] == "rename"
    ]
    at = "2024-01-05T05:00:00Z"
    assert told == [
        {"at": at, "symbols": ["AAA"], "was": "OLD"},
        {"at": at, "symbols": ["BBB"], "was": "BBC"},
    ]
    (row,) = [row for _, row in exchange.account.entries.rows if row["activity_type"] == "NC"]
    assert (row["symbol"], row["qty"], row["description"]) == ("AAA", "10", "OLD is now AAA")


def test_a_delisted_name_keeps_its_symbol_until_another_needs_it() -> None:
    data = a_market()
    first, second = (data.instruments[InstrumentId(name)] for name in ("AAA", "BBB"))
    gone = replace(first, symbol="X", delisted=date(2024, 1, 3))
    taken = replace(second, symbol="X", former=(FormerSymbol("BBB", date(2024, 1, 4)),))
    exchange = an_exchange(replace(data, instruments={gone.id: gone, taken.id: taken}))
    assert symbols(exchange) == {"X": "AAA", "BBB": "BBB"}
    exchange.advance(MIDNIGHT)
    assert symbols(exchange) == {"X": "BBB"}


def some_names() -> Names:
    """META was FB until 8 June 2022, and another company is called FB since 2023."""
    meta = Instrument(FB, "META", former=(FormerSymbol("FB", date(2022, 6, 8)),))
    other = Instrument(
        META, "FB", former=(FormerSymbol("XYZ", date(2022, 12, 31)),), listed=date(2020, 1, 1)
    )
    instruments = {each.id: each for each in (meta, other)}
    return Names(instruments, list(instruments), datetime(2024, 1, 2, tzinfo=UTC))


@pytest.mark.parametrize(
    ("symbol", "asof", "ids"),
    [
        ("META", date(2024, 1, 1), ["META"]),
        ("META", date(2022, 6, 9), ["META"]),
        # Nobody was called so then: the symbol alone counts.
        ("META", date(2022, 6, 8), ["META"]),
        ("FB", date(2022, 6, 8), ["META"]),
        ("FB", date(2022, 7, 1), ["META", "FB"]),
        ("FB", date(2024, 1, 1), ["FB"]),
        ("FB", date(2030, 1, 1), ["FB"]),
        ("FB", None, ["META", "FB"]),
        ("XYZ", None, ["FB"]),
        ("NONE", None, []),
        ("NONE", date(2024, 1, 1), []),
    ],
)
def test_whose_data_a_symbol_means(symbol: str, asof: date | None, ids: list[str]) -> None:
    now = datetime(2024, 1, 2, 15, tzinfo=UTC)
    assert [each.instrument.id for each in some_names().bearers(symbol, asof, now)] == ids


def test_a_symbol_alone_means_its_bearers_while_they_bore_it() -> None:
    now = datetime(2024, 1, 2, 15, tzinfo=UTC)
    first, second = some_names().bearers("FB", None, now)
    change, taken = datetime(2022, 6, 9, 4, tzinfo=UTC), datetime(2023, 1, 1, 5, tzinfo=UTC)
    assert first.last == to_nanos(change) - 1
    assert second.first == to_nanos(taken)
    (whole,) = some_names().bearers("FB", date(2022, 6, 8), now)
    assert whole.first < first.last < second.first < whole.last


def test_the_symbols_of_a_time_that_has_passed() -> None:
    exchange = an_exchange(renaming())
    exchange.advance(closed(4))
    names = exchange.market.names
    at = to_nanos(MIDNIGHT)
    assert list(names.at(at - 1)) == ["OLD", "BBC"]
    assert list(names.at(at)) == list(names.at(to_nanos(opened(4)))) == ["AAA", "BBB"]
    assert names.changes(at - 1, at) == [at]
    assert names.changes(at, at + 1) == names.changes(0, at - 1) == []
