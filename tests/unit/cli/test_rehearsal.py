from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import pytest

from tests.builders import AT, a_fill, a_market, a_spec, an_order, cash, flat_bars
from tradewright.adapters.memory import MemoryJournal, MemoryOrderStore, MemoryStateStore
from tradewright.backtest.parity import PaperSide
from tradewright.bootstrap import Stores
from tradewright.cli.rehearsal import (
    KEY,
    SECRET,
    clear_first_switch,
    exchange_arguments,
    paper_body,
    rehearsal_name,
)
from tradewright.core.decisions import Refusal, RefusalCode
from tradewright.core.errors import ConflictError
from tradewright.core.events import CashMoved
from tradewright.core.orders import OrderState, OrderStatus
from tradewright.core.records import JsonValue
from tradewright.engine.runner import KILL_SWITCH
from tradewright.execution.reconcile import Difference
from tradewright.portfolio.ledger import Ledger
from tradewright.ports import StateStore
from tradewright.risk.limits import Limits

MARKET = a_market({"AAA": flat_bars([100.0] * 4), "BBB": flat_bars([50.0] * 4)})


def options(arguments: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in zip(arguments[::2], arguments[1::2], strict=True):
        found.setdefault(name, []).append(value)
    return found


def test_exchange_is_told_what_the_spec_assumes() -> None:
    spec = a_spec(MARKET, limits=Limits(leverage=Decimal("1.5")), volume_share=Decimal("0.25"))
    told = options(exchange_arguments(spec, MARKET, Path("folder")))
    assert told == {
        "--from": [spec.first.isoformat()],
        "--to": [spec.last.isoformat()],
        "--timeframe": ["day"],
        "--port": ["0"],
        "--speed": ["step"],
        "--cash": ["10000"],
        "--leverage": ["1.5"],
        "--commission": ["none"],
        "--slippage": ["fixed"],
        "--slippage-bps": ["0"],
        "--fees": ["none"],
        "--impact": ["none"],
        "--key": [KEY],
        "--secret": [SECRET],
        "--symbols": ["AAA", "BBB"],
        "--data": ["folder"],
        "--volume-share": ["0.25"],
    }


def test_exchange_over_the_simulated_market_is_told_of_no_folder() -> None:
    told = options(exchange_arguments(a_spec(MARKET), MARKET, None))
    assert not {"--data", "--volume-share"} & set(told)


def test_rehearsal_has_a_database_of_its_own() -> None:
    one, two = a_spec(MARKET), a_spec(MARKET, capital=Decimal(1))
    assert rehearsal_name(one) != rehearsal_name(two)
    assert rehearsal_name(one).endswith(f"_{os.getpid()}")
    # PostgreSQL cuts names at 63 bytes.
    assert len(rehearsal_name(one)) < 63


def test_body_counts_and_keeps_exact_amounts() -> None:
    order = an_order()
    ledger = Ledger(MARKET.instruments)
    ledger.apply(CashMoved(cash("1000.10"), AT, "opening balance"))
    refusal = Refusal(order, RefusalCode.ORDER_SIZE, AT)
    side = PaperSide(
        sessions=5,
        expected={},
        orders={order.id: OrderState(order, OrderStatus.FILLED, AT)},
        fills=(a_fill(),),
        refusals=(refusal, refusal),
        differences=(Difference("cash", Decimal(1), Decimal(2)),),
        book=ledger.snapshot(),
    )
    assert paper_body(side, MARKET, {"paper": 1.23456}) == {
        "label": "test market",
        "simulated": True,
        "sessions": 5,
        "orders": 1,
        "order_status": {"filled": 1},
        "fills": 1,
        "refusals": {"order_size": 2},
        "cash": "1000.10",
        "fees": "0",
        "parity": False,
        "reconciled": False,
        "seconds": {"paper": 1.235},
    }


class Raced(MemoryStateStore):
    """A store in which somebody else writes the first state after we have looked."""

    async def compare_and_set(self, key: str, value: JsonValue, expected: int) -> int:
        theirs: JsonValue = {"engaged": True, "version": 1} if value else None
        await super().compare_and_set(key, theirs, expected)
        raise ConflictError(key, expected, expected + 1)


def stores(switches: StateStore) -> Stores:
    return Stores(MemoryJournal(), MemoryOrderStore(), switches)


async def test_switch_that_was_never_written_is_written_as_clear_once() -> None:
    store = MemoryStateStore()
    for _time in range(2):
        await clear_first_switch(stores(store))
        stored = await store.get(KILL_SWITCH)
        assert stored is not None
        assert stored.version == 1
        assert isinstance(stored.value, dict)
        assert stored.value["engaged"] is False


@pytest.mark.parametrize("raced", [False, True])
async def test_switch_that_is_engaged_stays_engaged(raced: bool) -> None:
    store = Raced() if raced else MemoryStateStore()
    if not raced:
        await store.compare_and_set(KILL_SWITCH, {"engaged": True, "version": 1}, 0)
    await clear_first_switch(stores(store))
    stored = await store.get(KILL_SWITCH)
    assert stored is not None
    assert stored.value == {"engaged": True, "version": 1}
