"""What is kept: the same commands give the same bytes, through any restart, and none is lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.unit.exchange.builders import KEY, SECRET
from tests.unit.exchange.minutes import AAA, minute, minute_exchange, standing, submit
from tradewright.core.errors import ConfigError, QualityFailure
from tradewright.exchange.app import KEY_HEADER, SECRET_HEADER, create_app
from tradewright.exchange.command_log import CommandLog, Entry, forget
from tradewright.exchange.exchange import Exchange
from tradewright.exchange.faults.judge import Faults, Injected
from tradewright.exchange.words import Refused

FACTS = {"data": "minutes", "cash": "1000000"}
Step = Callable[[Exchange], object]


@contextmanager
def kept_in(folder: Path, **facts: str) -> Iterator[Exchange]:
    exchange = minute_exchange(faults=Faults())
    exchange.keep(folder, {**FACTS, **facts})
    try:
        yield exchange
    finally:
        exchange.close()


def refused(exchange: Exchange) -> None:
    with pytest.raises(Refused):
        submit(exchange, qty="100000000")
    with pytest.raises(Refused):
        exchange.perform("split", {"symbol": "AAA", "ratio": "none"})


def injected(exchange: Exchange) -> None:
    assert exchange.faults is not None
    assert exchange.faults.record is not None
    exchange.faults.record(
        Injected(1, exchange.market.now, "lost", "drop_after_commit", "POST /v2/orders", "AAA", "x")
    )


STEPS: list[Step] = [
    lambda exchange: exchange.advance(minute(0, 3.2)),
    lambda exchange: submit(exchange, client_order_id="first"),
    submit,
    refused,
    lambda exchange: submit(exchange, symbol="BBB", side="sell", qty=Decimal("7.0")),
    lambda exchange: submit(exchange, type="limit", limit_price="100.15", time_in_force="gtc"),
    injected,
    lambda exchange: exchange.advance(minute(0, 7.7)),
    lambda exchange: exchange.perform("halt", {"symbol": "BBB", "seconds": 120}),
    lambda exchange: submit(exchange, symbol="BBB", qty="7"),
    lambda exchange: exchange.advance(minute(0, 30), exchange.market.position + 9),
    lambda exchange: exchange.perform("late_trade", {"symbol": "AAA", "price": "101"}),
    lambda exchange: exchange.perform("bust_trade", {"symbol": "BBB"}),
    lambda exchange: exchange.advance(minute(0, 40)),
    lambda exchange: exchange.perform("split", {"symbol": "AAA", "ratio": "4:1"}),
    lambda exchange: exchange.perform("dividend", {"symbol": "BBB", "amount": "0.25"}),
    lambda exchange: submit(exchange, side="sell", type="trailing_stop", trail_price="0.10"),
    lambda exchange: exchange.advance(minute(1, 5)),
    lambda exchange: exchange.perform("rename", {"symbol": "BBB", "to": "CCC"}),
    lambda exchange: submit(exchange, symbol="CCC"),
    lambda exchange: exchange.perform("delist", {"symbol": "CCC", "price": "19.5"}),
    lambda exchange: exchange.advance(minute(1, 31)),
]


def state(exchange: Exchange) -> dict[str, Any]:
    """What can be told of an exchange."""
    book = exchange.market.brokerage.ledger.snapshot()
    return {
        "now": exchange.market.now,
        "position": exchange.market.position,
        "cash": book.cash,
        "positions": book.positions,
        "realised": book.realised,
        "orders": [ticket.body() for ticket in exchange.orders.tickets.values()],
        "executions": list(exchange.orders.floor.updates.rows),
        "published": exchange.hub.published["trade_updates"],
        "buying power": exchange.market.brokerage.buying_power(),
        "equity": exchange.market.brokerage.equity(),
        "halts": exchange.market.halts.changes(minute(0, -1), minute(1, 60)),
        "log": exchange.events.read(0, 10_000),
    }


def lived(folder: Path, restarts: set[int]) -> tuple[bytes, bytes, dict[str, Any]]:
    exchange = minute_exchange(faults=Faults())
    exchange.keep(folder, FACTS)
    for place, step in enumerate(STEPS):
        if place in restarts:
            exchange.close()
            exchange = minute_exchange(faults=Faults())
            exchange.keep(folder, FACTS)
        step(exchange)
    found = state(exchange)
    exchange.close()
    return (
        (folder / "events.jsonl").read_bytes(),
        (folder / "commands.jsonl").read_bytes(),
        found,
    )


def test_the_same_commands_give_the_same_bytes_twice(tmp_path: Path) -> None:
    first, second = (lived(tmp_path / name, set()) for name in ("one", "two"))
    assert first == second
    kinds = {json.loads(line)["kind"] for line in first[0].splitlines()}
    assert kinds >= {
        "trade_update",
        "halt",
        "resume",
        "corporate_action",
        "fault",
        "rename",
        "amendment",
    }
    assert first[2]["cash"] != 1_000_000


@pytest.mark.parametrize("restarts", [{9}, {3, 7, 12, 17}, set(range(len(STEPS)))])
def test_a_restart_leaves_no_mark(tmp_path: Path, restarts: set[int]) -> None:
    assert lived(tmp_path / "with", restarts) == lived(tmp_path / "without", set())


def test_what_is_refused_leaves_no_trace(tmp_path: Path) -> None:
    with kept_in(tmp_path / "one") as tried, kept_in(tmp_path / "two") as plain:
        tried.advance(minute(0, 3))
        plain.advance(minute(0, 3))
        refused(tried)
        assert submit(tried, client_order_id="mine") == submit(plain, client_order_id="mine")
        assert state(tried) == state(plain)
    logs = [(tmp_path / name / "commands.jsonl").read_bytes() for name in ("one", "two")]
    assert logs[0] == logs[1]


def test_an_order_that_was_refused_may_be_given_again(tmp_path: Path) -> None:
    with kept_in(tmp_path) as exchange:
        exchange.advance(minute(0, 3))
        with pytest.raises(Refused):
            submit(exchange, client_order_id="mine", qty="100000000")
        assert standing(exchange, submit(exchange, client_order_id="mine"))[0] == "filled"


def test_a_torn_last_line_is_dropped_and_written_over(tmp_path: Path) -> None:
    with kept_in(tmp_path) as exchange:
        exchange.advance(minute(0, 3))
        submit(exchange)
        before = state(exchange)
    log = tmp_path / "commands.jsonl"
    whole = log.read_bytes()
    later = whole.splitlines(keepends=True)[-1].replace(b'"n":2', b'"n":3')
    for torn in (
        b'{"n":3,"at":"2024-01-02T14',
        b"{",
        b"x" * 200_000,
        b"\0" * 200_000,
        # A machine that went down has kept a later block, and not the one before it.
        later[:20] + b"\0" * 4096 + later,
        b"\0" + later,
    ):
        log.write_bytes(whole + torn)
        with kept_in(tmp_path) as exchange:
            assert state(exchange) == before
        assert log.read_bytes() == whole


def test_a_log_that_was_not_closed_is_read_to_its_last_line(tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    killed.mkdir()
    with kept_in(tmp_path) as exchange:
        exchange.advance(minute(0, 3))
        for _ in range(50):
            submit(exchange)
        (killed / "commands.jsonl").write_bytes((tmp_path / "commands.jsonl").read_bytes())
        before = state(exchange)
    with kept_in(killed) as exchange:
        assert state(exchange) == before
        submit(exchange)
    sizes = [(folder / "commands.jsonl").stat().st_size for folder in (tmp_path, killed)]
    assert sizes[0] < sizes[1] < sizes[0] + 500


def test_a_log_grows_past_the_room_that_it_made(tmp_path: Path) -> None:
    log = CommandLog(tmp_path, {})
    long = {"text": "x" * 700_000}
    for number in range(1, 5):
        log.append(Entry(number, minute(0, 3), 0, "note", long))
    log.close()
    again = CommandLog(tmp_path, {})
    assert [entry.arguments for entry in again.entries()] == [long] * 4
    again.close()


def test_a_line_in_the_middle_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with kept_in(tmp_path) as exchange:
        exchange.advance(minute(0, 3))
        submit(exchange)
    log = tmp_path / "commands.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join([lines[0], b"nonsense\n", *lines[2:]]))
    with pytest.raises(QualityFailure, match=r"commands\.jsonl:2: is no command"):
        minute_exchange().keep(tmp_path, FACTS)


def test_a_command_that_cannot_be_performed_again_is_named(tmp_path: Path) -> None:
    log = CommandLog(tmp_path, FACTS)
    log.append(Entry(1, minute(0, 3), 8, "cancel", {"order": "of nobody"}))
    log.close()
    with pytest.raises(QualityFailure, match=r"command 1 \(cancel\)"):
        minute_exchange().keep(tmp_path, FACTS)


def test_the_log_of_another_rehearsal_is_refused_by_the_field_that_differs(tmp_path: Path) -> None:
    with kept_in(tmp_path):
        pass
    before = (tmp_path / "commands.jsonl").read_bytes()
    with (
        pytest.raises(
            ConfigError, match=r"its cash is '1000000', this one's is '5'.*exchange reset"
        ),
        kept_in(tmp_path, cash="5"),
    ):
        pass
    assert (tmp_path / "commands.jsonl").read_bytes() == before


def test_a_folder_has_one_exchange_at_a_time(tmp_path: Path) -> None:
    with kept_in(tmp_path):
        with pytest.raises(ConfigError, match="is running"):
            minute_exchange().keep(tmp_path, FACTS)
        with pytest.raises(ConfigError, match="is running"):
            forget(tmp_path)
    assert forget(tmp_path)
    assert not forget(tmp_path)


def test_a_file_that_is_no_log_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "commands.jsonl").write_text("my notes\n")
    with pytest.raises(ConfigError, match="is not the log of a rehearsal"):
        minute_exchange().keep(tmp_path, FACTS)
    assert (tmp_path / "commands.jsonl").read_text() == "my notes\n"


@pytest.mark.parametrize("durable", [True, False])
def test_a_reset_begins_anew_and_keeps_its_listeners(tmp_path: Path, durable: bool) -> None:
    exchange = minute_exchange()
    if durable:
        exchange.keep(tmp_path, FACTS)
    before = state(exchange)
    with exchange.hub.listen("trade_updates") as updates:
        exchange.advance(minute(0, 3))
        submit(exchange)
        exchange.perform("split", {"symbol": "AAA", "ratio": 2})
        exchange.reset()
        assert state(exchange) == before
        assert exchange.market.data.actions == ()
        exchange.advance(minute(0, 3))
        seen = updates.qsize()
        submit(exchange)
        assert updates.qsize() > seen
    after = state(exchange)
    exchange.close()
    if durable:
        with kept_in(tmp_path) as again:
            assert state(again) == after


async def test_kept_is_when_it_is_on_disk(tmp_path: Path) -> None:
    with kept_in(tmp_path) as exchange:
        exchange.advance(minute(0, 3))
        for _ in range(3):
            submit(exchange)
        await exchange.kept()
        lines = (tmp_path / "commands.jsonl").read_text().rstrip("\0").splitlines()
        assert [json.loads(line)["name"] for line in lines[1:]] == ["advance", *["submit"] * 3]
        assert json.loads(lines[1])["position"] == exchange.market.position
        await exchange.kept()


def test_the_log_keeps_the_exact_text_of_numbers(tmp_path: Path) -> None:
    with kept_in(tmp_path) as exchange:
        exchange.advance(minute(0, 3))
        submit(exchange, type="limit", limit_price=Decimal("99.10"), qty=Decimal(3))
    text = (tmp_path / "commands.jsonl").read_text()
    assert '"limit_price":99.10' in text
    with kept_in(tmp_path) as again:
        (ticket,) = again.orders.tickets.values()
        assert ticket.order.limit == Decimal("99.10")


ORDER = '{"symbol": "AAA",\t"qty": 3.0, "side": "buy", "type": "market", "time_in_force": "day"'


@pytest.mark.parametrize(
    "raw",
    [
        f"{ORDER}}}".encode(),
        f" {ORDER}}}\r\n".encode(),
        f'{ORDER},\n"client_order_id": "mine"}}'.encode(),
        f'{ORDER}, "client_order_id": "grün"}}'.encode(),
        f'{ORDER}, "client_order_id": "gr\\u00fcn"}}'.encode(),
        f"{ORDER}}}".encode("utf-16-le"),
        f"{ORDER}}}".encode("utf-8-sig"),
    ],
)
async def test_an_order_is_kept_however_its_client_wrote_it(tmp_path: Path, raw: bytes) -> None:
    with kept_in(tmp_path) as exchange:
        exchange.advance(minute(0, 3))
        app = create_app(exchange, key=KEY, secret=SECRET)
        headers = {KEY_HEADER: KEY, SECRET_HEADER: SECRET}
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://exchange", headers=headers
        ) as client:
            taken = await client.post("/v2/orders", content=raw)
        assert taken.status_code == 200, taken.text
        before = state(exchange)
    assert len((tmp_path / "commands.jsonl").read_bytes().splitlines()) == 3
    with kept_in(tmp_path) as again:
        assert state(again) == before


def test_time_that_passed_by_itself_is_kept_with_what_happens_next(tmp_path: Path) -> None:
    with kept_in(tmp_path) as exchange:
        exchange.advance(minute(0, 3.4), asked=False)
        written = len((tmp_path / "commands.jsonl").read_bytes())
        exchange.advance(minute(0, 3.6), asked=False)
        assert len((tmp_path / "commands.jsonl").read_bytes()) == written
        submit(exchange)
        before = state(exchange)
    with kept_in(tmp_path) as again:
        assert state(again) == before


def test_what_cannot_be_kept_stops_the_exchange(tmp_path: Path) -> None:
    with kept_in(tmp_path) as exchange:
        exchange.advance(minute(0, 3))
        assert exchange._log is not None
        writable = exchange._log._file
        with (
            (tmp_path / "commands.jsonl").open("rb", buffering=0) as exchange._log._file,
            pytest.raises(ConfigError, match="cannot be written"),
        ):
            submit(exchange)
        exchange._log._file = writable
        with pytest.raises(Refused, match="cannot be kept"):
            submit(exchange)


def test_the_log_of_events_is_read_by_number() -> None:
    exchange = minute_exchange()
    exchange.advance(minute(0, 3))
    submit(exchange)
    rows = exchange.events.read(0, 100)
    assert [row["n"] for row in rows if isinstance(row, dict)] == list(range(1, len(rows) + 1))
    assert exchange.events.read(2, 2) == rows[2:4]
    assert exchange.events.read(len(rows), 5) == exchange.events.read(10_000, 5) == []


def test_a_renamed_instrument_is_the_same_one(tmp_path: Path) -> None:
    with kept_in(tmp_path) as exchange:
        exchange.advance(minute(0, 3))
        submit(exchange)
        working = submit(exchange, type="limit", limit_price="90", time_in_force="gtc")
        exchange.perform("rename", {"symbol": "AAA", "to": "ZZZ"})
        assert standing(exchange, working)[0] == "canceled"
        assert exchange.market.brokerage.ledger.quantities[AAA] == 10
        with pytest.raises(Refused, match="not found"):
            submit(exchange)
        submit(exchange, symbol="ZZZ", side="sell")
        assert AAA not in exchange.market.brokerage.ledger.quantities
