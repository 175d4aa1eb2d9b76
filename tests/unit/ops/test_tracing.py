"""Trace ids come in, go out, and never carry what does not fit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewright.core.clock import ManualClock
from tradewright.ops import tracing
from tradewright.ops.tracing import Span, begin, bound, context, outgoing_headers, parse, span

AT = datetime(2026, 3, 4, 14, 30, tzinfo=UTC)
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GIVEN = f"00-{TRACE}-{CALLER}-01"


@pytest.fixture
def ids() -> Callable[[], str]:
    numbers = count(1)
    return lambda: f"{next(numbers):016x}{0:016x}"


def test_outside_of_a_request_there_is_nothing() -> None:
    assert tracing.current() is None
    assert outgoing_headers() == {}
    assert set(context().values()) == {None}


def test_a_callers_trace_goes_on_under_a_span_of_ours(ids: Callable[[], str]) -> None:
    with begin({"traceparent": GIVEN, "x-request-id": "r-1", "tracestate": "a=b"}, ids) as trace:
        assert (trace.trace_id, trace.parent_id) == (TRACE, CALLER)
        assert trace.span_id not in (CALLER, "0" * 16)
        assert outgoing_headers() == {
            "traceparent": f"00-{TRACE}-{trace.span_id}-01",
            "tracestate": "a=b",
            "x-request-id": "r-1",
        }
        assert context()["trace_id"] == TRACE
        assert context()["request_id"] == "r-1"
    assert tracing.current() is None


def test_without_a_caller_a_trace_begins(ids: Callable[[], str]) -> None:
    with begin({}, ids) as trace:
        assert parse(outgoing_headers()["traceparent"]) is not None
        assert context()["request_id"]
        assert trace.parent_id == ""


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        GIVEN.upper(),
        f"ff-{TRACE}-{CALLER}-01",
        f"00-{'0' * 32}-{CALLER}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{CALLER}-01-more",
        f"00-{TRACE}-{CALLER}",
        f"00-{TRACE[:-1]}-{CALLER}-01",
        f"{GIVEN}\r\nx: y",
    ],
)
def test_a_header_that_breaks_the_standard_is_not_believed(
    header: str, ids: Callable[[], str]
) -> None:
    assert parse(header) is None
    with begin({"traceparent": header}, ids) as trace:
        assert trace.trace_id != TRACE


def test_later_versions_are_read_as_this_one() -> None:
    found = parse(f"cc-{TRACE}-{CALLER}-01-what-may-come")
    assert found is not None
    assert found.trace_id == TRACE


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("03", True)])
def test_sampling_is_the_callers_choice(flags: str, sampled: bool, ids: Callable[[], str]) -> None:
    with begin({"traceparent": f"00-{TRACE}-{CALLER}-{flags}"}, ids):
        assert outgoing_headers()["traceparent"].endswith("-01" if sampled else "-00")


@pytest.mark.parametrize("asked", ["", "a b", "x\ny", "a" * 129, "<script>", "é"])
def test_a_request_id_that_does_not_fit_is_replaced(asked: str, ids: Callable[[], str]) -> None:
    with begin({"x-request-id": asked}, ids):
        assert context()["request_id"] not in {asked, None}


@given(st.text(max_size=80))
def test_no_text_breaks_the_reader(text: str) -> None:
    found = parse(text)
    assert found is None or len(found.trace_id) == 32


def test_strategy_and_order_are_bound_for_a_while() -> None:
    with bound(strategy_id="alpha"), bound(client_order_id="o-1"):
        assert context() == {
            "trace_id": None,
            "request_id": None,
            "strategy_id": "alpha",
            "client_order_id": "o-1",
        }
    assert context()["strategy_id"] is None


async def test_requests_at_once_keep_their_own_ids(ids: Callable[[], str]) -> None:
    async def serve(name: str) -> str | None:
        with begin({"x-request-id": name}, ids):
            await asyncio.sleep(0)
            return context()["request_id"]

    names = [f"r-{number}" for number in range(10)]
    assert await asyncio.gather(*(serve(name) for name in names)) == names


def test_a_span_is_told_when_it_ends(ids: Callable[[], str]) -> None:
    told: list[Span] = []
    clock = ManualClock(AT)
    with begin({"traceparent": GIVEN}, ids) as above:
        with span("submit", ids, told.append, clock=clock, symbol="AAPL") as inner:
            assert outgoing_headers()["traceparent"] == f"00-{TRACE}-{inner.span_id}-01"
        with (
            pytest.raises(ValueError, match="x"),
            span("submit", ids, told.append, clock=clock),
        ):
            raise ValueError("x")
        assert tracing.current() == above
    first, second = told
    assert (first.name, first.failed, first.attributes) == ("submit", False, {"symbol": "AAPL"})
    assert first.trace.parent_id == above.span_id
    assert first.started_ns == round(AT.timestamp() * 1e9)
    assert second.failed


def test_what_is_not_sampled_is_not_told(ids: Callable[[], str]) -> None:
    told: list[Span] = []
    with begin({"traceparent": GIVEN[:-1] + "0"}, ids), span("submit", ids, told.append):
        pass
    assert not told
