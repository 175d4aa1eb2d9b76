"""The month with other cost models: both sides charge the same, each by its own book."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.parity.cases import exchange, market, spec
from tests.parity.test_parity import by_backtest, by_http, by_memory, traded
from tradewright.core.errors import InvalidInput

DEAR: dict[str, Any] = {
    "commission": "percent-minimum:rate=0.0005",
    "slippage": "square-root",
    "fees": "us-sales",
}
MOVING: dict[str, Any] = {
    "commission": "ib-fixed-capped",
    "slippage": "half-spread:spread_bps=6",
    "impact": "almgren:duration=0.2",
}


@pytest.mark.parametrize("models", [DEAR, MOVING], ids=["dear", "moving"])
async def test_month_is_charged_alike_in_backtest_in_memory_and_over_http(
    models: dict[str, Any], database_url: str, redis_url: str
) -> None:
    loaded = market()
    run = replace(spec(loaded), **models)
    backtest = by_backtest(run, loaded)
    memory = await by_memory(run, loaded)
    with exchange(run, loaded) as address:
        http = await by_http(run, loaded, address, database_url, redis_url)
    expected = traded(backtest)
    assert traded(memory) == expected
    assert traded(http) == expected
    assert http.ledger.cash == memory.ledger.cash == backtest.ledger.cash
    plain = by_backtest(spec(loaded), loaded)
    assert len(expected) > 3
    # The first order is decided on the same cash; what it pays is another matter.
    first, usual = expected[0], traded(plain)[0]
    assert first["order"] == usual["order"]
    assert first["fills"] != usual["fills"]


@pytest.mark.parametrize(
    ("models", "words"),
    [
        ({"commission": "ib-tiered"}, "counts the shares of the month"),
        ({"borrow": "flat"}, "borrow: 'flat' is charged in backtests alone"),
    ],
)
async def test_what_the_exchange_cannot_share_is_refused_before_it_is_asked(
    models: dict[str, Any], words: str, database_url: str, redis_url: str
) -> None:
    loaded = market()
    run = replace(spec(loaded), **models)
    with pytest.raises(InvalidInput, match=words):
        await by_http(run, loaded, "http://127.0.0.1:9", database_url, redis_url)
