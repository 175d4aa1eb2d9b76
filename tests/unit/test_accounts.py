"""An account is wired by its settings alone, and another one than was meant gets no order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.builders import an_order
from tests.unit.exchange.builders import KEY, SECRET, a_market, an_exchange, served
from tradewright.bootstrap import (
    Account,
    Conduct,
    account_place,
    conduct_of,
    exchange_place,
    load_settings,
)
from tradewright.core.decisions import Approved
from tradewright.core.errors import ConfigError
from tradewright.exchange.exchange import Exchange

KEYS = {"ALPACA_API_KEY_ID": "AK1", "ALPACA_API_SECRET_KEY": "hunter2"}
LIVE = {
    **KEYS,
    "ALPACA_BASE_URL": "https://api.alpaca.markets/v2",
    "DRY_RUN": "false",
    "LIVE_TRADING_CONFIRM": "123456789",
}


@pytest.fixture
def exchange() -> Exchange:
    return an_exchange()


@pytest.fixture
def url(exchange: Exchange) -> Iterator[str]:
    with served(exchange) as server:
        yield server.url


def test_the_place_of_an_account_is_that_of_the_settings() -> None:
    place = account_place(load_settings(LIVE))
    assert place.trading.base_url == "https://api.alpaca.markets"
    assert place.trading.account == "123456789"
    assert place.data.base_url == "https://data.alpaca.markets"
    assert place.stream("sip").base_url == "wss://stream.data.alpaca.markets/v2/sip"
    assert "hunter2" not in repr(place)
    with pytest.raises(ConfigError, match=r"KEY are not set; set the keys .* --url"):
        account_place(load_settings({}))


def test_a_rehearsal_exchange_is_one_place() -> None:
    place = exchange_place("http://127.0.0.1:8010/", KEY, SECRET)
    assert (place.url, place.data_url) == ("http://127.0.0.1:8010",) * 2
    assert place.stream("iex").base_url == "ws://127.0.0.1:8010/v2/iex"
    assert place.trading.account == ""


def test_conduct_is_that_of_the_settings() -> None:
    conduct = conduct_of(
        load_settings(
            {
                "ALPACA_FEED": "sip",
                "ALPACA_DATA_DELAY_SECONDS": "900",
                "ALPACA_REQUESTS_PER_MINUTE": "100",
                "ALPACA_DATA_REQUESTS_PER_MINUTE": "50",
                "ALPACA_HANDSHAKES_PER_MINUTE": "3",
                "ALPACA_REQUEST_TIMEOUT_SECONDS": "2",
                "ALPACA_QUIET_SECONDS": "7",
                "ALPACA_MAX_SKEW_SECONDS": "0.5",
            }
        )
    )
    assert (conduct.requests_per_minute, conduct.data_requests_per_minute) == (100, 50)
    assert (conduct.source.feed, conduct.source.delay) == ("sip", timedelta(minutes=15))
    waits = conduct.timeouts
    assert (waits.connect, waits.read, waits.whole, waits.quiet) == (2, 2, 6, 7)
    assert (conduct.handshakes_per_minute, conduct.max_skew_seconds) == (3, 0.5)


async def test_a_part_of_the_budget_is_kept_for_getting_out(url: str) -> None:
    held = Account(exchange_place(url, KEY, SECRET), Conduct(requests_per_minute=20))
    await held.broker.account()
    # Three were sent: half of all may be reads, and what orders leave is for exits.
    assert held.requests_left() == {"poll": 7, "order": 13, "exit": 17}
    await held.close()
    free = Account(exchange_place(url, KEY, SECRET), Conduct())
    assert free.requests_left() == {}
    await free.close()


async def test_another_account_than_was_meant_is_sent_nothing(url: str, exchange: Exchange) -> None:
    place = replace(exchange_place(url, KEY, SECRET), account="123456789")
    account = Account(place, Conduct(), list(a_market().instruments.values()))
    order = an_order()
    with pytest.raises(ConfigError, match="opens account 'rehearsal', not '123456789'; use the"):
        await account.broker.submit(Approved(order, order.decided_at, "v", ()))
    with pytest.raises(ConfigError, match="LIVE_TRADING_CONFIRM"):
        await account.broker.standing()
    await account.close()
    assert not list(exchange.orders.floor.book.open())
    exchange.orders.not_used("order-1")


async def test_what_the_venue_says_that_makes_no_sense_is_told(url: str) -> None:
    told: list[tuple[str, str]] = []
    account = Account(
        exchange_place(url, KEY, SECRET), Conduct(), tell=lambda *words: told.append(words)
    )
    account.broker.parking.word("order", "teleported", {})
    await account.close()
    assert told == [("message_parked", "order says 'teleported', which is not known")]
