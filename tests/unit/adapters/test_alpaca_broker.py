"""AlpacaBroker against answers that go wrong: a real server that says what it is told to say."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from tradewright.adapters.alpaca import (
    Access,
    Allowance,
    AlpacaBroker,
    Backoff,
    Manners,
    RequestBudget,
    Timeouts,
)
from tradewright.core.clock import ManualClock
from tradewright.core.decisions import Approved
from tradewright.core.errors import (
    ConfigError,
    RateLimited,
    VenueRejected,
    VenueUnavailable,
)
from tradewright.core.events import Accepted, Rejected
from tradewright.core.ids import InstrumentId, OrderId, StrategyId, VenueOrderId
from tradewright.core.money import Price, Quantity
from tradewright.core.orders import Order, OrderKind, Side, TimeInForce

AT = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
HTML = "<html><head><title>502 Bad Gateway</title></head></html>"
ORDER = {
    "id": "venue-id",
    "client_order_id": "our-id",
    "submitted_at": "2026-01-05T14:30:00Z",
    "status": "accepted",
    "filled_qty": "0",
}
UNIQUE = {"code": 40010001, "message": "client_order_id must be unique"}
ROW = {
    "id": "20260105093000123::e-1",
    "order_id": "venue-id",
    "symbol": "AAPL",
    "side": "buy",
    "qty": "1",
    "price": "190",
    "cum_qty": "1",
    "transaction_time": "2026-01-05T14:30:00Z",
}


def answer(status: int, body: object = "", **headers: str) -> bytes:
    """An HTTP answer: HTML for a text, JSON for anything else."""
    html = isinstance(body, str)
    payload = str(body).encode() if html else json.dumps(body).encode()
    lines = [
        f"HTTP/1.1 {status} Status",
        f"Content-Type: {'text/html' if html else 'application/json'}",
        f"Content-Length: {len(payload)}",
        "Connection: close",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + payload


SILENCE = b""
TORN = answer(200, ORDER)[:-20]
STALLED = b"stall"
DRIPPING = b"drip"


class Script:
    """A server that gives its answers in turn, the last one for ever, and notes what was asked."""

    def __init__(self, answers: Sequence[bytes]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.bodies: list[dict[str, str]] = []
        self.done = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = [line for line in head.lower().splitlines() if line.startswith("content-length")]
        if length:
            self.bodies.append(
                json.loads(await reader.readexactly(int(length[0].partition(":")[2])))
            )
        self.asked.append(" ".join(head.split()[:2]))
        reply = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if reply == STALLED:
            await self.done.wait()
        elif reply == DRIPPING:
            with contextlib.suppress(ConnectionError):
                await self.drip(writer)
        else:
            writer.write(reply)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def drip(self, writer: asyncio.StreamWriter) -> None:
        """A byte now and then, never the whole answer."""
        for byte in answer(200, ORDER):
            writer.write(bytes([byte]))
            await writer.drain()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await self.done.wait()


@contextlib.asynccontextmanager
async def told(
    *answers: bytes, account: str = "", budget: RequestBudget | None = None
) -> AsyncIterator[tuple[AlpacaBroker, Script]]:
    """A broker whose venue gives these answers."""
    script = Script(answers)
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    broker = AlpacaBroker(
        Access(f"http://127.0.0.1:{port}", "key", "secret", account),
        timeouts=Timeouts(connect=1, read=0.3, write=1, pool=1, whole=0.6),
        manners=Manners(retry=Backoff(first=0.001), budget=budget),
        clock=ManualClock(AT),
    )
    try:
        yield broker, script
    finally:
        script.done.set()
        await broker.close()
        server.close()
        await server.wait_closed()


def approved() -> Approved:
    order = Order(
        OrderId("our-id"),
        StrategyId("s"),
        InstrumentId("AAPL"),
        Side.BUY,
        Quantity(Decimal(10)),
        OrderKind.MARKET,
        TimeInForce.DAY,
        AT,
    )
    return Approved(order, AT, "1", ())


@pytest.mark.parametrize(
    "reply",
    [
        answer(500, {"code": 50010000, "message": "internal server error"}),
        answer(502, HTML),
        answer(503, HTML),
        answer(504, HTML),
        answer(200, HTML),
        answer(200, [ORDER]),
        answer(200, {"id": "venue-id"}),
        answer(200, {**ORDER, "client_order_id": "another"}),
        answer(200, '{"id": "venue-id", "client_ord'),
        answer(403, HTML),
        answer(422, HTML),
        answer(422, {"code": 42210000}),
        answer(302, HTML, Location="http://elsewhere/"),
        answer(418, {"message": "teapot"}),
        TORN,
        SILENCE,
        STALLED,
        DRIPPING,
        b"\x00\x01garbage\r\n\r\n",
    ],
)
async def test_without_a_readable_answer_the_outcome_is_unknown_and_nothing_is_sent_again(
    reply: bytes,
) -> None:
    async with told(reply) as (broker, script):
        with pytest.raises(VenueUnavailable, match="/v2/orders"):
            await broker.submit(approved())
        assert script.asked == ["POST /v2/orders"]
        counts = broker.transport.meter.counts
        assert counts.total() > 0
        assert not counts["refused"] + counts["limited"]


async def test_the_body_of_an_answer_that_makes_no_sense_is_kept_and_bounded() -> None:
    async with told(answer(502, HTML + "x" * 10_000)) as (broker, _):
        with pytest.raises(VenueUnavailable) as unknown:
            await broker.submit(approved())
        assert unknown.value.body.startswith(HTML)
        assert len(unknown.value.body) == 2000
    async with told(answer(200, {"id": "venue-id"})) as (broker, _):
        with pytest.raises(VenueUnavailable) as unknown:
            await broker.submit(approved())
        assert json.loads(unknown.value.body) == {"id": "venue-id"}


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (
            403,
            {"code": 40310000, "message": "insufficient buying power", "buying_power": "1"},
            "40310000: insufficient buying power",
        ),
        (
            422,
            {"code": 42210000, "message": 'asset "X" not found'},
            '42210000: asset "X" not found',
        ),
        (400, {"message": "invalid"}, "400: invalid"),
    ],
)
async def test_a_refusal_is_a_rejection_with_their_code_and_message(
    status: int, body: dict[str, Any], reason: str
) -> None:
    async with told(answer(status, body)) as (broker, script):
        rejected = await broker.submit(approved())
        assert rejected == Rejected(OrderId("our-id"), AT, reason)
        assert len(script.asked) == 1


async def test_an_order_they_took_and_rejected_at_once_is_rejected() -> None:
    body = {**ORDER, "status": "rejected", "reject_reason": "halted"}
    async with told(answer(200, body)) as (broker, _):
        rejected = await broker.submit(approved())
        assert isinstance(rejected, Rejected)
        assert (rejected.reason, rejected.venue_id) == ("halted", "venue-id")


@pytest.mark.parametrize("code", [40010001, 42210000])
async def test_an_id_that_is_used_is_looked_up_and_accepted(code: int) -> None:
    replies = answer(422, {**UNIQUE, "code": code}), answer(200, ORDER)
    async with told(*replies) as (broker, script):
        accepted = await broker.submit(approved())
        assert isinstance(accepted, Accepted)
        assert accepted.venue_id == "venue-id"
        assert script.asked[1].startswith("GET /v2/orders:by_client_order_id")


async def test_an_id_that_is_used_by_an_order_that_is_not_found_is_unknown() -> None:
    missing = answer(404, {"code": 40410000, "message": "order not found for our-id"})
    async with told(answer(422, UNIQUE), missing) as (broker, _):
        with pytest.raises(VenueUnavailable, match="the id is used"):
            await broker.submit(approved())


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry_After": "7"}, 7.0),
        ({"X_RateLimit_Reset": str(int(AT.timestamp()) + 20)}, 21.0),
        ({"X_RateLimit_Reset": str(int(AT.timestamp()) - 20)}, 0.0),
        ({"Retry_After": "86400"}, 120.0),
        ({"Retry_After": "Wed, 21 Oct 2026 07:28:00 GMT"}, 3.0),
        ({}, 3.0),
    ],
)
async def test_asking_too_often_says_how_long_to_wait(
    headers: dict[str, str], seconds: float
) -> None:
    body = {"code": 42910000, "message": "rate limit exceeded"}
    async with told(answer(429, body, **headers)) as (broker, script):
        with pytest.raises(RateLimited) as limited:
            await broker.submit(approved())
        assert limited.value.retry_after == seconds
        assert len(script.asked) == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, HTML),
        (401, {"message": "unauthorized."}),
        (401, {"code": 40110000, "message": "request is not authorized"}),
        (403, {"message": "forbidden."}),
    ],
)
@pytest.mark.parametrize("call", ["account", "submit"])
async def test_wrong_keys_say_what_to_check_and_never_the_secret(
    status: int, body: object, call: str
) -> None:
    async with told(answer(status, body)) as (broker, script):
        with pytest.raises(ConfigError, match="check key and secret") as error:
            await (broker.account() if call == "account" else broker.submit(approved()))
        assert "secret'" not in repr(error.value)
        assert len(script.asked) == 1


async def test_keys_of_another_account_are_refused_before_the_first_order() -> None:
    mine = {"account_number": "PA1", "cash": "1", "equity": "1", "buying_power": "1"}
    async with told(answer(200, mine), account="PA2") as (broker, script):
        with pytest.raises(ConfigError, match="opens account 'PA1', not 'PA2'"):
            await broker.submit(approved())
        assert script.asked == ["GET /v2/account"]
    async with told(answer(200, mine), answer(200, ORDER), account="PA1") as (broker, script):
        assert isinstance(await broker.submit(approved()), Accepted)
        assert isinstance(await broker.submit(approved()), Accepted)
        assert [line.split()[0] for line in script.asked] == ["GET", "POST", "POST"]


Call = Callable[[AlpacaBroker], Awaitable[object]]
READS: dict[str, Call] = {
    "find": lambda broker: broker.find(OrderId("our-id")),
    "open_orders": lambda broker: broker.open_orders(),
    "fills": lambda broker: broker.fills(AT),
    "account": lambda broker: broker.account(),
}


@pytest.mark.parametrize("call", READS.values(), ids=READS)
@pytest.mark.parametrize(
    ("reply", "asked"),
    [
        (answer(500, {"message": "no"}), 3),
        (answer(503, HTML), 3),
        (answer(200, HTML), 3),
        (answer(404, HTML), 3),
        (TORN, 3),
        (answer(200, 7), 1),
        (answer(403, {"code": 40310000, "message": "no"}), 1),
        (answer(302, {}), 3),
    ],
    ids=["500", "503", "html", "html-404", "torn", "number", "403", "302"],
)
async def test_a_read_that_cannot_be_understood_is_unavailable_not_empty(
    call: Call, reply: bytes, asked: int
) -> None:
    async with told(reply) as (broker, script):
        with pytest.raises(VenueUnavailable):
            await call(broker)
        assert len(script.asked) == asked


@pytest.mark.parametrize("call", READS.values(), ids=READS)
async def test_a_read_is_tried_three_times_when_connections_break(call: Call) -> None:
    async with told(SILENCE) as (broker, script):
        with pytest.raises(VenueUnavailable):
            await call(broker)
        assert len(script.asked) == 3


async def test_a_read_survives_two_broken_connections() -> None:
    async with told(SILENCE, SILENCE, answer(200, ORDER)) as (broker, script):
        found = await broker.find(OrderId("our-id"))
        assert found is not None
        assert found.venue_id == "venue-id"
        assert len(script.asked) == 3


async def test_a_read_that_takes_too_long_is_not_tried_again() -> None:
    async with told(STALLED) as (broker, script):
        with pytest.raises(VenueUnavailable, match="ReadTimeout"):
            await broker.find(OrderId("our-id"))
        assert len(script.asked) == 1


async def test_an_order_they_do_not_have_is_none() -> None:
    missing = answer(404, {"code": 40410000, "message": "order not found for our-id"})
    async with told(missing) as (broker, _):
        assert await broker.find(OrderId("our-id")) is None


async def test_one_order_of_unknown_status_does_not_hide_the_others() -> None:
    rows = [{**ORDER, "status": "teleported"}, {**ORDER, "id": "v2", "client_order_id": "o2"}]
    async with told(answer(200, rows)) as (broker, _):
        orders = await broker.open_orders()
        assert [order.id for order in orders] == ["our-id", "o2"]
        assert orders[0].status is None
        assert broker.parking.counts == {"order words": 1}


@pytest.mark.parametrize(
    "torn",
    [7, {}, {**ORDER, "id": None}, {**ORDER, "filled_qty": "many"}, {**ORDER, "id": ["v"]}],
)
async def test_a_row_that_cannot_be_read_is_parked_and_the_others_are_listed(torn: object) -> None:
    rows = [torn, {**ORDER, "id": "v2", "client_order_id": "o2"}]
    async with told(answer(200, rows)) as (broker, _):
        assert [order.id for order in await broker.open_orders()] == ["o2"]
        assert broker.parking.counts.total() == 1


async def test_an_execution_that_cannot_be_read_is_parked_and_the_others_are_listed() -> None:
    rows = [{**ROW, "qty": None}, ROW]
    async with told(answer(200, rows), answer(200, ORDER)) as (broker, _):
        assert len(await broker.fills(AT)) == 1
        assert broker.parking.counts == {"fill": 1}


async def test_a_field_that_is_new_is_told_once_and_hurts_nothing() -> None:
    async with told(answer(200, {**ORDER, "carbon": "0"})) as (broker, _):
        for _ in range(2):
            assert await broker.find(OrderId("our-id")) is not None
        assert [parked.message for parked in broker.parking.latest] == [{"carbon": "0"}]


async def test_a_full_page_that_does_not_say_how_to_go_on_is_no_end_of_the_list() -> None:
    full = [{**ROW, "id": "2026::e"} for _ in range(100)]
    async with told(answer(200, full), answer(200, ORDER), answer(200, full)) as (broker, _):
        with pytest.raises(VenueUnavailable, match="no way on"):
            await broker.fills(AT)


async def test_open_orders_are_read_page_by_page() -> None:
    full = [{**ORDER, "id": f"v{n}", "client_order_id": f"o{n}"} for n in range(500)]
    rest = [{**ORDER, "id": "v500", "client_order_id": "o500"}]
    async with told(answer(200, full), answer(200, rest)) as (broker, script):
        assert len(await broker.open_orders()) == 501
        assert "after_order_id=v499" in script.asked[1]


async def test_executions_are_read_page_by_page_and_named_by_our_ids() -> None:
    full = [{**ROW, "id": f"2026::e-{n}", "cum_qty": str(n + 1)} for n in range(100)]
    rest = [{**ROW, "id": "2026::e-100", "cum_qty": "101"}]
    replies = answer(200, full), answer(200, ORDER), answer(200, rest)
    async with told(*replies) as (broker, script):
        fills = await broker.fills(AT)
        assert [fill.id for fill, _ in fills] == [f"e-{n}" for n in range(101)]
        assert {fill.order for fill, _ in fills} == {"our-id"}
        assert [cumulative for _, cumulative in fills] == [Decimal(n + 1) for n in range(101)]
        assert len(script.asked) == 3
        assert "page_token=2026%3A%3Ae-99" in script.asked[2]


async def test_an_execution_from_before_the_time_asked_for_is_left_out() -> None:
    early = {**ROW, "transaction_time": "2026-01-05T14:29:59.9995Z"}
    async with told(answer(200, [early, ROW]), answer(200, ORDER)) as (broker, _):
        assert len(await broker.fills(AT)) == 1


async def test_an_execution_of_an_order_that_they_cannot_show_is_kept() -> None:
    missing = answer(404, {"code": 40410000, "message": "order not found for venue-id"})
    async with told(answer(200, [ROW]), missing) as (broker, _):
        fills = await broker.fills(AT)
        assert fills[0][0].order == "venue-id"


def an_account(cash: str) -> bytes:
    return answer(200, {"cash": cash, "equity": "10", "buying_power": "10"})


async def test_cash_that_moved_while_positions_were_read_is_read_again() -> None:
    held = answer(200, [{"symbol": "AAPL", "qty": "1", "side": "long"}])
    replies = an_account("10"), answer(200, []), an_account("9"), held, an_account("9")
    async with told(*replies) as (broker, _):
        account = await broker.account()
        assert (account.cash, account.positions) == (Decimal(9), {"AAPL": Decimal(1)})


async def test_an_account_that_never_stands_still_is_unavailable() -> None:
    replies = [part for cash in "1234" for part in (an_account(cash), answer(200, []))]
    async with told(*replies) as (broker, _):
        with pytest.raises(VenueUnavailable, match="kept moving"):
            await broker.account()


@pytest.mark.parametrize(
    ("replies", "asked"),
    [
        ((answer(200, ORDER), answer(204)), 2),
        ((answer(200, {**ORDER, "status": "filled"}),), 1),
        (
            (
                answer(200, ORDER),
                answer(422, {"code": 42210000, "message": 'order is already in "filled" state'}),
                answer(200, {**ORDER, "status": "filled"}),
            ),
            3,
        ),
    ],
    ids=["cancels", "had-ended", "ends-meanwhile"],
)
async def test_a_cancel_that_is_done_or_needless_returns(
    replies: tuple[bytes, ...], asked: int
) -> None:
    async with told(*replies) as (broker, script):
        await broker.cancel(OrderId("our-id"))
        assert len(script.asked) == asked


@pytest.mark.parametrize(
    "replies",
    [
        (answer(404, {"code": 40410000, "message": "order not found for our-id"}),),
        (
            answer(200, ORDER),
            answer(422, {"code": 42210000, "message": "order is not cancelable"}),
            answer(200, {**ORDER, "status": "pending_replace"}),
        ),
    ],
    ids=["unknown", "will-not"],
)
async def test_a_cancel_that_is_refused_says_so(replies: tuple[bytes, ...]) -> None:
    async with told(*replies) as (broker, _):
        with pytest.raises(VenueRejected, match="order"):
            await broker.cancel(OrderId("our-id"))


@pytest.mark.parametrize(("reply", "times"), [(answer(500, HTML), 3), (SILENCE, 3), (STALLED, 1)])
async def test_a_cancel_may_be_sent_again_and_then_is_unknown(reply: bytes, times: int) -> None:
    async with told(answer(200, ORDER), reply) as (broker, script):
        with pytest.raises(VenueUnavailable):
            await broker.cancel(OrderId("our-id"))
        assert script.asked[1:] == ["DELETE /v2/orders/venue-id"] * times


def a_limit(name: str, **changes: Any) -> Approved:
    facts: dict[str, Any] = {
        "id": OrderId(name),
        "strategy": StrategyId("s"),
        "instrument": InstrumentId("AAPL"),
        "side": Side.BUY,
        "quantity": Quantity(Decimal(10)),
        "kind": OrderKind.LIMIT,
        "time_in_force": TimeInForce.DAY,
        "decided_at": AT,
        "limit": Price(Decimal("190.50")),
    }
    return Approved(Order(**{**facts, **changes}), AT, "1", ())


OLD = {**ORDER, "symbol": "AAPL", "side": "buy", "type": "limit", "status": "new"}
NEXT = {**OLD, "id": "next-venue-id", "client_order_id": "next", "replaces": "venue-id"}


async def test_a_replacement_is_sent_once_under_its_own_id() -> None:
    async with told(answer(200, OLD), answer(200, NEXT)) as (broker, script):
        accepted = await broker.replace(OrderId("our-id"), a_limit("next"))
        assert accepted == Accepted(OrderId("next"), AT, VenueOrderId("next-venue-id"))
        assert script.asked[1] == "PATCH /v2/orders/venue-id"
        assert script.bodies == [
            {
                "qty": "10",
                "time_in_force": "day",
                "client_order_id": "next",
                "limit_price": "190.5",
            }
        ]


@pytest.mark.parametrize("reply", [answer(500, HTML), answer(504, HTML), SILENCE, STALLED, TORN])
async def test_a_replacement_without_an_answer_is_unknown_and_not_sent_again(reply: bytes) -> None:
    async with told(answer(200, OLD), reply) as (broker, script):
        with pytest.raises(VenueUnavailable):
            await broker.replace(OrderId("our-id"), a_limit("next"))
        assert len(script.asked) == 2


@pytest.mark.parametrize(
    ("old", "successor", "reason"),
    [
        ({"status": "filled"}, {}, "order is filled"),
        ({"filled_qty": "3", "status": "partially_filled"}, {}, "3 are filled already"),
        ({}, {"instrument": InstrumentId("IBM")}, "instrument, side and kind stay"),
        ({}, {"side": Side.SELL}, "instrument, side and kind stay"),
    ],
)
async def test_what_must_not_be_replaced_is_refused_without_asking(
    old: dict[str, str], successor: dict[str, Any], reason: str
) -> None:
    async with told(answer(200, {**OLD, **old})) as (broker, script):
        rejected = await broker.replace(OrderId("our-id"), a_limit("next", **successor))
        assert isinstance(rejected, Rejected)
        assert reason in rejected.reason
        assert len(script.asked) == 1


async def test_a_refused_replacement_is_rejected_and_a_used_id_is_looked_up() -> None:
    closed = answer(
        422, {"code": 42210000, "message": "unable to replace order, order is not open"}
    )
    async with told(answer(200, OLD), closed) as (broker, _):
        rejected = await broker.replace(OrderId("our-id"), a_limit("next"))
        assert isinstance(rejected, Rejected)
        assert "order is not open" in rejected.reason
    async with told(answer(200, OLD), answer(422, UNIQUE), answer(200, NEXT)) as (broker, _):
        accepted = await broker.replace(OrderId("our-id"), a_limit("next"))
        assert isinstance(accepted, Accepted)


async def test_an_order_that_is_not_there_cannot_be_replaced() -> None:
    missing = answer(404, {"code": 40410000, "message": "order not found for our-id"})
    async with told(missing) as (broker, _):
        with pytest.raises(VenueRejected):
            await broker.replace(OrderId("our-id"), a_limit("next"))


async def test_beyond_the_budget_nothing_is_sent_but_what_gets_us_out() -> None:
    budget = RequestBudget(Allowance(requests=10))
    async with told(answer(200, []), budget=budget) as (broker, script):
        for _ in range(5):
            await broker.open_orders()
        with pytest.raises(RateLimited) as limited:
            await broker.open_orders()
        assert limited.value.retry_after == 60.0
        assert len(script.asked) == 5
        script.answers = [answer(200, ORDER)]
        for _ in range(3):
            await broker.submit(approved())
        with pytest.raises(RateLimited):
            await broker.submit(approved())
        script.answers = [answer(204)]
        await broker.cancel(OrderId("our-id"))
        script.answers = [answer(200, {**ORDER, "client_order_id": "out"})]
        out = a_limit("out", side=Side.SELL, reduce_only=True)
        assert isinstance(await broker.submit(out), Accepted)
        assert len(script.asked) == 10


async def test_a_429_without_headers_holds_back_the_rest_and_lets_cancels_try_soon() -> None:
    limited = answer(429, HTML)
    async with told(answer(200, ORDER), limited, budget=RequestBudget()) as (broker, script):
        await broker.submit(approved())
        with pytest.raises(RateLimited) as refused:
            await broker.open_orders()
        assert refused.value.retry_after == 3.0
        with pytest.raises(RateLimited):
            await broker.submit(approved())
        with pytest.raises(RateLimited) as early:
            await broker.cancel(OrderId("our-id"))
        assert early.value.retry_after == 0.5
        assert len(script.asked) == 2


async def test_what_the_venue_says_of_its_limit_is_kept() -> None:
    budget = RequestBudget()
    headers = {
        "X_RateLimit_Limit": "100",
        "X_RateLimit_Remaining": "15",
        "X_RateLimit_Reset": str(int(AT.timestamp()) + 30),
    }
    async with told(answer(200, ORDER, **headers), budget=budget) as (broker, _):
        await broker.submit(approved())
        assert budget.limit == 100
        with pytest.raises(RateLimited) as limited:
            await broker.submit(approved())
        assert limited.value.retry_after == 30.0


def test_waits_double_up_to_the_longest_and_jitter_shortens_them() -> None:
    plain = Backoff()
    assert [plain.delay(n) for n in range(4)] == [1.0, 2.0, 4.0, 8.0]
    assert plain.delay(1000) == 30.0
    assert Backoff(jitter=lambda: 0.5).delay(0) == pytest.approx(0.75)


def test_the_secret_is_not_shown() -> None:
    assert "hidden" not in repr(Access("https://host", "key", "hidden"))


@pytest.mark.parametrize(
    ("base", "stream"),
    [
        ("https://paper-api.alpaca.markets", "wss://paper-api.alpaca.markets/stream"),
        ("http://127.0.0.1:8010/", "ws://127.0.0.1:8010/stream"),
    ],
)
def test_the_address_of_the_stream_follows_from_the_base(base: str, stream: str) -> None:
    assert Access(base, "key", "secret").stream_url == stream
