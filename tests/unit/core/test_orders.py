"""What may be asked, and how an order's state follows from what happens to it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.builders import AT, MOMENT, a_fill, an_order, dec
from tradewright.core.errors import InvalidInput, InvalidTransition
from tradewright.core.events import (
    Accepted,
    CancelAsked,
    Canceled,
    CancelRefused,
    Expired,
    Failed,
    Filled,
    OrderEvent,
    Rejected,
    Replaced,
    Reported,
    Submitted,
    Unconfirmed,
)
from tradewright.core.ids import OrderId, VenueOrderId
from tradewright.core.orders import (
    TRANSITIONS,
    OrderEventKind,
    OrderKind,
    OrderState,
    OrderStatus,
    Side,
    Source,
    StatusReport,
    TimeInForce,
    Verdict,
    merged,
    verdict,
)

S = OrderStatus
ID = OrderId("order-1")
THEIRS = VenueOrderId("v-1")
LATER = AT + MOMENT

# EX-19 as decided in D-1.
RANKS = {
    1: "pending_new dry_run",
    2: "submitted submitted_unconfirmed accepted new accepted_for_bidding held",
    3: "pending_cancel pending_replace calculated stopped suspended done_for_day partially_filled",
    4: "canceled expired failed rejected replaced blocked_kill_switch blocked_circuit_breaker",
    5: "filled",
}

EVENTS: Mapping[str, OrderEvent] = {
    event.kind: event
    for event in (
        Submitted(ID, LATER),
        Unconfirmed(ID, LATER, "timed out"),
        Accepted(ID, LATER, THEIRS),
        CancelAsked(ID, LATER, "no longer wanted"),
        CancelRefused(ID, LATER, "too late"),
        Canceled(ID, LATER),
        Rejected(ID, LATER, "no"),
        Expired(ID, LATER),
        Replaced(ID, LATER, OrderId("order-2")),
        Failed(ID, LATER, "the venue does not know it"),
    )
}

# Rows are statuses, columns events: `.` keeps the status, `!` is impossible.
COLUMNS = ("submitted", "unconfirmed", "accepted", "cancel_asked", "cancel_refused", "failed")
LIVES = """
pending_new           submitted .                     accepted pending_cancel .   failed
dry_run               !         .                     .        pending_cancel .   !
submitted             !         submitted_unconfirmed accepted pending_cancel .   failed
submitted_unconfirmed !         .                     accepted pending_cancel .   failed
accepted              !         .                     .        pending_cancel .   !
new                   !         .                     .        pending_cancel .   !
accepted_for_bidding  !         .                     .        pending_cancel .   !
held                  !         .                     .        pending_cancel .   !
pending_cancel        !         .                     .        .              new !
pending_replace       !         .                     .        pending_cancel new !
calculated            !         .                     .        pending_cancel .   !
stopped               !         .                     .        pending_cancel .   !
suspended             !         .                     .        pending_cancel .   !
done_for_day          !         .                     .        pending_cancel .   !
partially_filled      !         .                     .        pending_cancel .   !
canceled              !         .                     .        !              .   !
expired               !         .                     .        !              .   !
failed                !         .                     accepted !              .   !
rejected              !         .                     .        !              .   !
replaced              !         .                     .        !              .   !
blocked_kill_switch   !         .                     .        !              .   !
blocked_circuit_breaker !       .                     .        !              .   !
filled                !         .                     .        !              .   !
"""
ENDINGS = ("canceled", "rejected", "expired", "replaced")


def expected() -> dict[tuple[str, str], str]:
    table: dict[tuple[str, str], str] = {}
    for line in LIVES.strip().splitlines():
        status, *cells = line.split()
        for kind, cell in zip(COLUMNS, cells, strict=True):
            table[status, kind] = status if cell == "." else cell
        ended = status in (RANKS[4] + " " + RANKS[5]).split()
        for kind in ENDINGS:
            table[status, kind] = status if ended else kind
    return table


EXPECTED = expected()


def a_state(status: OrderStatus = S.NEW, filled: str | int = 0, **changes: Any) -> OrderState:
    count = Decimal(filled)
    facts = {"filled": count, "notional": count * 100} | changes
    return OrderState(an_order(), status, AT, **facts)


def a_filled(quantity: str | int, price: str | int = 100, **changes: Any) -> Filled:
    fill = a_fill(quantity=quantity, price=price, at=changes.get("at", LATER))
    return Filled(ID, fill.at, fill)


def test_every_pair_of_status_and_event_is_in_the_table_of_lives() -> None:
    beside = {OrderEventKind.FILLED, OrderEventKind.REPORTED, OrderEventKind.REVERSED}
    kinds = set(OrderEventKind) - beside
    assert set(EXPECTED) == {(s.value, k.value) for s in OrderStatus for k in kinds}


@pytest.mark.parametrize(("status", "kind"), sorted(EXPECTED), ids="-".join)
def test_an_event_leads_where_the_table_says_or_nowhere(status: str, kind: str) -> None:
    state = a_state(S(status), reason="before")
    following = EXPECTED[status, kind]
    if following == "!":
        with pytest.raises(InvalidTransition, match=f"order order-1: {kind} cannot .* {status}"):
            state.apply(EVENTS[kind])
        return
    after = state.apply(EVENTS[kind])
    assert after.status == S(following)
    assert after.at == LATER
    assert after.version == 1
    assert after.reason == (EVENTS[kind].reason or "before")


def test_the_table_holds_no_row_beyond_those() -> None:
    possible = {pair for pair, following in EXPECTED.items() if following != "!"}
    assert {(status.value, kind.value) for status, kind in TRANSITIONS} == possible


@pytest.mark.parametrize(
    ("rank", "status"), [(r, s) for r, line in RANKS.items() for s in line.split()]
)
def test_ranks_are_those_of_the_vocabulary(rank: int, status: str) -> None:
    assert S(status).rank == rank
    assert S(status).is_terminal is (rank >= 4)


def test_no_status_is_without_a_rank() -> None:
    assert {s.value for s in OrderStatus} == set(" ".join(RANKS.values()).split())


def test_a_side_has_a_sign() -> None:
    assert (Side.BUY.sign, Side.SELL.sign) == (1, -1)


@pytest.mark.parametrize("status", [s for s in S if not s.is_terminal])
def test_a_report_moves_a_status_up_or_sideways_and_never_down(status: OrderStatus) -> None:
    for reported in S:
        if reported.is_terminal:
            continue
        after = a_state(status).apply(Reported(ID, LATER, reported, THEIRS))
        assert after.status is (reported if reported.rank >= status.rank else status)
        assert after.venue_id == THEIRS


@pytest.mark.parametrize("status", [s for s in S if s.is_terminal])
def test_a_report_does_not_wake_what_has_ended(status: OrderStatus) -> None:
    assert a_state(status).apply(Reported(ID, LATER, S.NEW)).status is status


@pytest.mark.parametrize("status", list(S))
@pytest.mark.parametrize(("before", "quantity"), [(0, 40), (40, 60), (0, 100)])
def test_a_fill_counts_whatever_the_status(status: OrderStatus, before: int, quantity: int) -> None:
    after = a_state(status, before).apply(a_filled(quantity, 110))
    assert after.filled == before + quantity
    assert after.notional == before * 100 + quantity * 110
    whole = before + quantity == 100
    early = status.rank < 3
    assert after.status is (S.FILLED if whole else S.PARTIALLY_FILLED if early else status)
    assert after.remaining == (0 if after.status.is_terminal else 100 - after.filled)


def test_a_fill_of_more_than_was_asked_is_impossible() -> None:
    with pytest.raises(InvalidTransition, match="fill to 101"):
        a_state(S.NEW, 60).apply(a_filled(41))


def test_the_average_price_is_that_of_the_fills() -> None:
    state = a_state().apply(a_filled(25, "10.00")).apply(a_filled(75, "10.04"))
    assert state.average_price == dec("10.03")
    assert a_state().average_price is None


def test_a_refused_cancel_returns_an_order_to_what_it_was() -> None:
    asked = CancelAsked(ID, LATER, "")
    refused = CancelRefused(ID, LATER, "")
    assert a_state(S.ACCEPTED).apply(asked).apply(refused).status is S.NEW
    partly = a_state(S.PARTIALLY_FILLED, 40).apply(asked).apply(refused)
    assert partly.status is S.PARTIALLY_FILLED


def test_a_fill_while_a_cancel_is_under_way_leaves_it_under_way() -> None:
    state = a_state(S.PENDING_CANCEL).apply(a_filled(40))
    assert (state.status, state.remaining) == (S.PENDING_CANCEL, dec(60))


def test_an_order_keeps_its_venue_id_and_its_latest_time() -> None:
    state = a_state(S.SUBMITTED).apply(Accepted(ID, LATER, THEIRS))
    again = state.apply(Canceled(ID, AT - MOMENT, venue_id=VenueOrderId("other")))
    assert (again.venue_id, again.at) == (THEIRS, LATER)
    late = state.apply(a_filled(100, at=AT - MOMENT))
    assert late.at == LATER


PRICES: Mapping[str, dict[str, Any]] = {
    "market": {},
    "limit": {"limit": "10"},
    "stop": {"stop": "10"},
    "stop_limit": {"limit": "10", "stop": "9"},
    "trail_price": {"trail_price": "1"},
    "trail_fraction": {"trail_fraction": "0.05"},
    "both_trails": {"trail_price": "1", "trail_fraction": "0.05"},
    "trail_and_stop": {"trail_price": "1", "stop": "9"},
    "limit_and_trail": {"limit": "10", "trail_price": "1"},
    "limit_and_both_trails": {"limit": "10", "trail_price": "1", "trail_fraction": "0.05"},
}
FITTING = {
    OrderKind.MARKET: {"market"},
    OrderKind.LIMIT: {"limit"},
    OrderKind.STOP: {"stop"},
    OrderKind.STOP_LIMIT: {"stop_limit"},
    OrderKind.TRAILING_STOP: {"trail_price", "trail_fraction"},
}


@pytest.mark.parametrize("prices", PRICES)
@pytest.mark.parametrize("kind", list(OrderKind))
def test_prices_go_with_the_kind(kind: OrderKind, prices: str) -> None:
    if prices in FITTING[kind]:
        assert an_order(kind=kind, **PRICES[prices]).kind is kind
    else:
        with pytest.raises(InvalidInput):
            an_order(kind=kind, **PRICES[prices])


@pytest.mark.parametrize("quantity", [0, -1])
def test_a_quantity_is_positive(quantity: int) -> None:
    with pytest.raises(InvalidInput, match="quantity"):
        an_order(quantity=quantity)


@pytest.mark.parametrize("worth", ["0", "-1"])
@pytest.mark.parametrize(
    ("kind", "field", "others"),
    [
        (OrderKind.LIMIT, "limit", {}),
        (OrderKind.STOP, "stop", {}),
        (OrderKind.STOP_LIMIT, "stop", {"limit": "10"}),
        (OrderKind.STOP_LIMIT, "limit", {"stop": "10"}),
        (OrderKind.TRAILING_STOP, "trail_price", {}),
        (OrderKind.TRAILING_STOP, "trail_fraction", {}),
    ],
)
def test_prices_are_positive(
    kind: OrderKind, field: str, others: dict[str, Any], worth: str
) -> None:
    prices = {field: worth} | others
    with pytest.raises(InvalidInput, match=f"^{field}: .* must be positive"):
        an_order(kind=kind, **prices)


@pytest.mark.parametrize("force", list(TimeInForce))
def test_every_time_in_force_can_be_asked(force: TimeInForce) -> None:
    assert an_order(time_in_force=force).time_in_force is force


def test_sources_weigh_manual_least_and_webhook_most() -> None:
    assert [source.priority for source in Source] == [1, 2, 3]
    assert [s.value for s in Source] == ["manual", "reconciliation", "webhook"]


def report(
    status: OrderStatus = S.NEW,
    seconds: int | None = 0,
    filled: int = 0,
    source: Source = Source.RECONCILIATION,
) -> StatusReport:
    at = None if seconds is None else AT + timedelta(seconds=seconds)
    return StatusReport(status, at, Decimal(filled), source, Decimal(10))


@pytest.mark.parametrize(
    ("stored", "incoming", "said"),
    [
        # Never updated: anything is news, but not past a lock.
        (report(seconds=None), report(S.SUBMITTED, -9, source=Source.MANUAL), Verdict.APPLY),
        (report(seconds=None), report(seconds=None), Verdict.APPLY),
        (report(S.CANCELED, None), report(S.NEW), Verdict.TERMINAL_LOCK),
        # The broker's clock comes first, whatever the rest says.
        (report(S.PARTIALLY_FILLED, 0, 50), report(S.NEW, 1), Verdict.APPLY),
        (report(S.NEW, 1), report(S.FILLED, 0, 100, Source.WEBHOOK), Verdict.TIMESTAMP),
        (report(S.NEW, 1), report(S.FILLED, None, 100), Verdict.TIMESTAMP),
        # At the same clock the rank.
        (report(S.NEW), report(S.PARTIALLY_FILLED), Verdict.APPLY),
        (report(S.PARTIALLY_FILLED), report(S.NEW, 0, 99, Source.WEBHOOK), Verdict.RANK),
        # At the same rank the filled quantity.
        (report(S.PARTIALLY_FILLED, 0, 40), report(S.PARTIALLY_FILLED, 0, 50), Verdict.APPLY),
        (
            report(S.PARTIALLY_FILLED, 0, 50),
            report(S.PARTIALLY_FILLED, 0, 40, Source.WEBHOOK),
            Verdict.FILL_QTY,
        ),
        # At the same quantity the source.
        (report(source=Source.MANUAL), report(), Verdict.APPLY),
        (report(), report(source=Source.WEBHOOK), Verdict.APPLY),
        (report(), report(), Verdict.SOURCE_PRIORITY),
        (report(), report(source=Source.MANUAL), Verdict.SOURCE_PRIORITY),
        # Ended orders are locked, but a filled one may grow, by the same order of facts.
        (report(S.CANCELED), report(S.FILLED, 9, 100, Source.WEBHOOK), Verdict.TERMINAL_LOCK),
        (report(S.REJECTED), report(S.NEW, 9), Verdict.TERMINAL_LOCK),
        (report(S.FILLED, 0, 50), report(S.FILLED, 1, 50), Verdict.TERMINAL_LOCK),
        (report(S.FILLED, 0, 50), report(S.FILLED, 1, 100), Verdict.APPLY),
        (report(S.FILLED, 0, 50), report(S.FILLED, 0, 100), Verdict.APPLY),
        (report(S.FILLED, 1, 50), report(S.FILLED, 0, 100), Verdict.TIMESTAMP),
        (report(S.FILLED, 0, 50), report(S.PARTIALLY_FILLED, 0, 60), Verdict.RANK),
    ],
)
def test_a_report_overwrites_only_what_it_outranks(
    stored: StatusReport, incoming: StatusReport, said: Verdict
) -> None:
    assert verdict(stored, incoming) is said


@pytest.mark.parametrize("status", [s for s in S if s.is_terminal and s is not S.FILLED])
def test_an_ended_order_is_locked(status: OrderStatus) -> None:
    assert verdict(report(status), report(S.FILLED, 9, 100)) is Verdict.TERMINAL_LOCK


def test_merging_keeps_the_larger_quantity_and_its_price() -> None:
    stored = StatusReport(S.PARTIALLY_FILLED, AT, Decimal(50), Source.WEBHOOK, Decimal(10))
    grown = StatusReport(S.FILLED, LATER, Decimal(100), Source.RECONCILIATION, Decimal(11))
    assert merged(stored, grown) == grown
    shrunk = StatusReport(S.CANCELED, LATER, Decimal(40), Source.RECONCILIATION, Decimal(9))
    assert merged(stored, shrunk) == StatusReport(
        S.CANCELED, LATER, Decimal(50), Source.RECONCILIATION, Decimal(10)
    )


def test_what_the_venue_takes_back_is_not_filled_and_does_not_fill_again() -> None:
    half = a_state(S.NEW).apply(a_filled(40)).apply(a_filled(20, 110))
    after = half.restate(a_fill(quantity=40), None, LATER)
    assert [after.filled, after.notional, after.undone] == [20, 2200, 40]
    assert (after.status, after.version) == (S.PARTIALLY_FILLED, 3)
    assert after.remaining == 40
    done = after.apply(a_filled(40))
    assert done.status is S.FILLED
    assert [done.filled, done.remaining] == [60, 0]


def test_a_changed_execution_counts_as_it_now_is() -> None:
    full = a_state(S.NEW).apply(a_filled(100))
    after = full.restate(a_fill(quantity=100), a_fill(quantity=90, price="99.5"), LATER)
    assert after.status is S.FILLED
    assert [after.filled, after.undone] == [90, 10]
    assert after.average_price == Decimal("99.5")
    with pytest.raises(InvalidTransition, match="restatement to 110 cannot follow"):
        full.restate(a_fill(quantity=100), a_fill(quantity=110), LATER)
