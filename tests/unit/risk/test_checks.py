"""Every code of refusal is provoked, and just inside its limit the order passes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from tests.builders import AAA, AT, WIDE, a_context, an_exposure, an_instrument, an_order, dec
from tradewright.core.decisions import Approved, Refusal, RefusalCode
from tradewright.core.ids import InstrumentId
from tradewright.core.orders import Order, OrderKind, Side, TimeInForce
from tradewright.portfolio.costs import PerShare
from tradewright.risk.checks import CHECKS, RiskContext
from tradewright.risk.gate import PreTradeGate
from tradewright.risk.limits import Limits

BUY, SELL = Side.BUY, Side.SELL
C = RefusalCode
LIMIT, STOP = OrderKind.LIMIT, OrderKind.STOP


class Case(NamedTuple):
    """An order and a context; what is not named is unremarkable."""

    order: Mapping[str, Any] = {}
    context: Mapping[str, Any] = {}
    limits: Mapping[str, Any] = {}


def asked(case: Case) -> tuple[Order, RiskContext]:
    order = an_order(**case.order)
    changes: dict[str, Any] = {name: dec(value) for name, value in case.limits.items()}
    limits = replace(WIDE, **changes)
    return order, a_context(order, limits=limits, **case.context)


def answer(case: Case) -> RefusalCode | None:
    order, context = asked(case)
    said = PreTradeGate().check(order, context)
    return None if isinstance(said, Approved) else said.code


def poor(cash: str) -> dict[str, Any]:
    """An account of so much cash; orders of 100 shares at 100 are worth 10,000."""
    return {"exposure": an_exposure(equity_cash=cash)}


def holding(*held: Any, **changes: Any) -> dict[str, Any]:
    return {"exposure": an_exposure(*held, **changes)}


SELLS = {"side": SELL}
UNPRICED = holding({"BBB": 5}, prices={"AAA": 100})

# What is refused, and beside it the nearest thing that is not.
TABLE: list[tuple[RefusalCode, Case, Case]] = [
    (C.SWITCH_UNKNOWN, Case(context={"stopped": None}), Case()),
    (C.SWITCH_ENGAGED, Case(context={"stopped": True}), Case()),
    (C.VENUE_UNFIT, Case(context={"venue_fit": False}), Case()),
    (C.MARKET_UNKNOWN, Case(context={"market_open": None}), Case(context={"market_open": False})),
    (C.MARKET_UNKNOWN, Case(context={"trades_on": None}), Case()),
    (
        C.MARKET_CLOSED,
        Case({"time_in_force": TimeInForce.IOC}, {"market_open": False}),
        Case({"time_in_force": TimeInForce.IOC}),
    ),
    (
        C.MARKET_CLOSED,
        Case({"time_in_force": TimeInForce.FOK}, {"market_open": False}),
        Case({"time_in_force": TimeInForce.FOK}),
    ),
    (
        C.MARKET_CLOSED,
        Case({"time_in_force": TimeInForce.OPG}),
        Case({"time_in_force": TimeInForce.OPG}, {"market_open": False}),
    ),
    (C.INSTRUMENT_UNKNOWN, Case(context={"instrument": None}), Case()),
    (C.INSTRUMENT_NOT_TRADABLE, Case(context={"halted": True}), Case()),
    (
        C.INSTRUMENT_NOT_TRADABLE,
        Case(context={"instrument": an_instrument(tradable=False)}),
        Case(),
    ),
    (
        C.INSTRUMENT_NOT_TRADABLE,
        Case(context={"instrument": an_instrument(listed=date(2024, 1, 3))}),
        Case(context={"instrument": an_instrument(listed=AT.date())}),
    ),
    (
        C.INSTRUMENT_NOT_TRADABLE,
        Case(context={"instrument": an_instrument(delisted=date(2024, 1, 1))}),
        Case(context={"instrument": an_instrument(delisted=AT.date())}),
    ),
    (
        C.NOT_SHORTABLE,
        Case(SELLS, {"instrument": an_instrument(shortable=False)} | holding({"AAA": 99})),
        Case(SELLS, {"instrument": an_instrument(shortable=False)} | holding({"AAA": 100})),
    ),
    (
        C.NOT_SHORTABLE,
        Case(
            SELLS,
            {"instrument": an_instrument(shortable=False)}
            | holding({"AAA": 100}, ("AAA", SELL, 1)),
        ),
        Case(context={"instrument": an_instrument(shortable=False)}),
    ),
    (
        C.QUANTITY_INVALID,
        Case({"quantity": "100.5"}),
        Case({"quantity": "100.5"}, {"instrument": an_instrument(lot=dec("0.5"))}),
    ),
    (C.PRICE_MISSING, Case(context={"price": None}), Case()),
    (C.PRICE_STALE, Case(context={"price_age": 1}), Case(context={"price_age": 0})),
    (
        C.PRICE_STALE,
        Case(context={"price_age": 4}, limits={"max_price_age_rows": 3}),
        Case(context={"price_age": 3}, limits={"max_price_age_rows": 3}),
    ),
    (
        C.PRICE_INSANE,
        Case({"kind": LIMIT, "limit": "100.005"}),
        Case({"kind": LIMIT, "limit": "100.01"}),
    ),
    (
        C.PRICE_INSANE,
        Case({"kind": LIMIT, "limit": "110.01"}, limits={"price_band": "0.1"}),
        Case({"kind": LIMIT, "limit": "110.00"}, limits={"price_band": "0.1"}),
    ),
    (
        C.PRICE_INSANE,
        Case({"kind": STOP, "stop": "89.99"}, limits={"price_band": "0.1"}),
        Case({"kind": STOP, "stop": "90.00"}, limits={"price_band": "0.1"}),
    ),
    (
        C.PRICE_INSANE,
        Case({"kind": OrderKind.STOP_LIMIT, "limit": "100", "stop": "99.999"}),
        Case({"kind": OrderKind.STOP_LIMIT, "limit": "100", "stop": "99.99"}),
    ),
    (
        C.NOT_REDUCING,
        Case({"side": SELL, "reduce_only": True}, holding({"AAA": 99})),
        Case({"side": SELL, "reduce_only": True}, holding({"AAA": 100})),
    ),
    (
        C.ORDER_SIZE,
        Case(limits={"max_order_notional": "9999.99"}),
        Case(limits={"max_order_notional": "10000"}),
    ),
    (
        # A limit above the market may be paid, so it counts.
        C.ORDER_SIZE,
        Case({"kind": LIMIT, "limit": "101"}, limits={"max_order_notional": "10000"}),
        Case({"kind": LIMIT, "limit": "99"}, limits={"max_order_notional": "10000"}),
    ),
    (
        C.ORDER_SIZE,
        Case({"kind": STOP, "stop": "101"}, limits={"max_order_notional": "10000"}),
        Case({"kind": STOP, "stop": "101"}, limits={"max_order_notional": "10100"}),
    ),
    (
        C.ORDER_SIZE,
        Case(
            context={"instrument": an_instrument(multiplier=dec(100))},
            limits={"max_order_notional": "999999"},
        ),
        Case(
            context={"instrument": an_instrument(multiplier=dec(100))},
            limits={"max_order_notional": "1000000"},
        ),
    ),
    (
        C.POSITION_SIZE,
        Case(context=holding({"AAA": 50}), limits={"max_position_notional": "14999"}),
        Case(context=holding({"AAA": 50}), limits={"max_position_notional": "15000"}),
    ),
    (
        C.POSITION_SIZE,
        Case(context=holding({}, ("AAA", BUY, 50)), limits={"max_position_shares": 149}),
        Case(context=holding({}, ("AAA", BUY, 50)), limits={"max_position_shares": 150}),
    ),
    (
        C.POSITION_SIZE,
        Case(SELLS, holding({"AAA": 50}), {"max_position_shares": 49}),
        Case(SELLS, holding({"AAA": 50}), {"max_position_shares": 50}),
    ),
    (
        C.POSITION_SIZE,
        Case(context=poor("19999.99"), limits={"max_position_weight": "0.5"}),
        Case(context=poor("20000"), limits={"max_position_weight": "0.5"}),
    ),
    (
        # The tighter of the two counts.
        C.POSITION_SIZE,
        Case(limits={"max_position_notional": "9999", "max_position_weight": 1}),
        Case(limits={"max_position_notional": "10000", "max_position_weight": 1}),
    ),
    (C.EQUITY_UNKNOWN, Case(context=UNPRICED), Case()),
    (
        C.GROSS_EXPOSURE,
        Case(context=poor("9999"), limits={"max_gross": 1}),
        Case(context=poor("10000"), limits={"max_gross": 1}),
    ),
    (C.GROSS_EXPOSURE, Case(context=poor("4999.99")), Case(context=poor("5000"))),
    (
        C.NET_EXPOSURE,
        Case(context=poor("9999"), limits={"max_net": 1}),
        Case(context=poor("10000"), limits={"max_net": 1}),
    ),
    (
        C.NET_EXPOSURE,
        Case(SELLS, poor("9999"), {"max_net": 1}),
        Case(SELLS, poor("10000"), {"max_net": 1}),
    ),
    (
        C.BUYING_POWER,
        Case(context=poor("10000") | {"commission": PerShare()}, limits={"leverage": 1}),
        Case(context=poor("10001") | {"commission": PerShare()}, limits={"leverage": 1}),
    ),
]


def named(row: tuple[RefusalCode, Case, Case]) -> str:
    return f"{row[0].value}-{TABLE.index(row)}"


@pytest.mark.parametrize("row", TABLE, ids=named)
def test_beyond_a_limit_is_refused_and_just_inside_passes(
    row: tuple[RefusalCode, Case, Case],
) -> None:
    code, beyond, inside = row
    assert answer(beyond) is code
    assert answer(inside) is None


def test_every_code_is_provoked_and_explained() -> None:
    assert {code for code, _, _ in TABLE} == set(RefusalCode)
    assert all(code.meaning.endswith(".") for code in RefusalCode)


@pytest.mark.parametrize("row", TABLE, ids=named)
def test_a_refusal_carries_its_order_its_time_and_numbers_that_can_be_written(
    row: tuple[RefusalCode, Case, Case],
) -> None:
    order, context = asked(row[1])
    refusal = PreTradeGate().check(order, context)
    assert isinstance(refusal, Refusal)
    assert (refusal.order, refusal.at) == (order, AT)
    assert all(isinstance(value, Decimal | str) for value in refusal.context.values())


@pytest.mark.parametrize(
    ("case", "numbers"),
    [
        (Case(limits={"max_order_notional": 9000}), {"notional": 10_000, "limit": 9_000}),
        (Case(limits={"max_position_notional": 9000}), {"notional": 10_000, "limit": 9_000}),
        (Case(limits={"max_position_shares": 90}), {"shares": 100, "limit": 90}),
        (Case(context=poor("4000")), {"gross": 10_000, "limit": 8_000}),
        (Case(SELLS, poor("8000"), {"max_net": "0.5"}), {"net": 10_000, "limit": 4_000}),
        (
            Case(context=poor("8000") | {"commission": PerShare()}, limits={"leverage": "1.25"}),
            {"cost": 10_001, "limit": 10_000},
        ),
        (
            Case(SELLS | {"reduce_only": True}, holding({"AAA": 60})),
            {"reducible": 60},
        ),
        (
            Case({"kind": LIMIT, "limit": "200"}),
            {"price": 200, "last": 100},
        ),
    ],
)
def test_a_refusal_shows_the_numbers_that_decided(case: Case, numbers: Mapping[str, int]) -> None:
    order, context = asked(case)
    refusal = PreTradeGate().check(order, context)
    assert isinstance(refusal, Refusal)
    assert refusal.context == numbers


REDUCING: dict[str, tuple[Mapping[str, Any], Any]] = {
    "a sell of all that is held": (SELLS, an_exposure({"AAA": 100})),
    "a buy back of a short": ({}, an_exposure({"AAA": -100})),
    "a sell of the part that no other order sells": (
        SELLS,
        an_exposure({"AAA": 150}, ("AAA", SELL, 50)),
    ),
    "a sell while buys work": (SELLS, an_exposure({"AAA": 100}, ("AAA", BUY, 500))),
}
ENLARGING: dict[str, tuple[Mapping[str, Any], Any]] = {
    "a buy of what is not held": ({}, an_exposure()),
    "a sell of what is not held": (SELLS, an_exposure()),
    "more of a long": ({}, an_exposure({"AAA": 100})),
    "more of a short": (SELLS, an_exposure({"AAA": -100})),
    "a sell across zero": (SELLS, an_exposure({"AAA": 99})),
    "a buy across zero": ({}, an_exposure({"AAA": -99})),
    "a sell of what another order sells already": (
        SELLS,
        an_exposure({"AAA": 100}, ("AAA", SELL, 1)),
    ),
    "a sell of what is only being bought": (SELLS, an_exposure({}, ("AAA", BUY, 100))),
}


@pytest.mark.parametrize("stopped", [True, None])
@pytest.mark.parametrize("name", REDUCING)
def test_what_only_reduces_passes_every_switch(name: str, stopped: bool | None) -> None:
    order, exposure = REDUCING[name]
    assert answer(Case(order, {"exposure": exposure, "stopped": stopped})) is None


@pytest.mark.parametrize(("stopped", "code"), [(True, C.SWITCH_ENGAGED), (None, C.SWITCH_UNKNOWN)])
@pytest.mark.parametrize("name", ENLARGING)
def test_what_could_open_or_enlarge_does_not(
    name: str, stopped: bool | None, code: RefusalCode
) -> None:
    order, exposure = ENLARGING[name]
    assert answer(Case(order, {"exposure": exposure, "stopped": stopped})) is code


TINY = {
    "max_position_weight": 0,
    "max_order_notional": 0,
    "max_position_notional": 0,
    "max_position_shares": 0,
    "max_gross": 0,
    "max_net": 0,
    "leverage": 0,
}


@pytest.mark.parametrize("name", REDUCING)
def test_no_limit_holds_back_what_only_reduces(name: str) -> None:
    order, exposure = REDUCING[name]
    assert answer(Case(order, {"exposure": exposure, "price_age": 99}, TINY)) is None


def test_a_way_out_does_not_wait_for_a_price_but_only_at_the_market() -> None:
    out = an_exposure({"AAA": 100}, prices={})
    context = {"exposure": out, "price": None}
    assert answer(Case(SELLS, context)) is None
    assert answer(Case(SELLS | {"kind": LIMIT, "limit": "1"}, context)) is C.PRICE_MISSING


def test_a_halted_or_unknown_instrument_cannot_even_be_left() -> None:
    out = holding({"AAA": 100})
    assert answer(Case(SELLS, out | {"halted": True})) is C.INSTRUMENT_NOT_TRADABLE
    assert answer(Case(SELLS, out | {"instrument": None})) is C.INSTRUMENT_UNKNOWN


def test_a_check_alone_passes_what_an_earlier_one_refuses() -> None:
    order, context = asked(Case(context={"price": None, "instrument": None}))
    said = {check.__name__: check(order, context) for check in CHECKS}
    assert {name for name, refusal in said.items() if refusal} == {
        "instrument_tradable",
        "price_sane",
    }


def test_a_trailing_stop_has_no_price_to_judge() -> None:
    order = {"kind": OrderKind.TRAILING_STOP, "trail_fraction": "0.9"}
    assert answer(Case(order, limits={"price_band": 0})) is None


def test_the_order_of_the_gate_is_declared_once() -> None:
    assert [check.__name__ for check in CHECKS] == [
        "switches_clear",
        "market_takes",
        "instrument_tradable",
        "quantity_sane",
        "price_sane",
        "reduce_only_kept",
        "order_size",
        "position_size",
        "exposure_within",
    ]


def test_the_first_refusal_in_the_gates_order_is_the_answer() -> None:
    wrong: dict[str, Any] = {
        "stopped": True,
        "market_open": None,
        "instrument": an_instrument(tradable=False),
        "price": None,
        "exposure": UNPRICED["exposure"],
    }
    right: dict[str, Any] = {
        "stopped": False,
        "market_open": True,
        "instrument": an_instrument(),
        "price": dec(100),
        "exposure": an_exposure(),
    }
    order = {"quantity": "100.5", "reduce_only": True}
    said = [answer(Case(order, wrong))]
    for name, value in right.items():
        wrong[name] = value
        said.append(
            answer(Case(order | {"quantity": "100"} if name == "instrument" else order, wrong))
        )
    assert said == [
        C.SWITCH_ENGAGED,
        C.MARKET_UNKNOWN,
        C.INSTRUMENT_NOT_TRADABLE,
        C.PRICE_MISSING,
        C.QUANTITY_INVALID,
        C.QUANTITY_INVALID,
    ]


def test_an_approval_names_the_limits_and_all_the_checks_it_passed() -> None:
    order, context = asked(Case())
    approved = PreTradeGate().check(order, context)
    assert isinstance(approved, Approved)
    assert (approved.order, approved.at) == (order, AT)
    assert approved.limits_version == WIDE.version
    assert approved.checks == tuple(check.__name__ for check in CHECKS)


def test_limits_of_another_account_do_not_leak_in() -> None:
    other = InstrumentId("BBB")
    limits = Limits(dec(10_000), dec(10_000))
    order = an_order(instrument=other)
    context = a_context(order, limits=limits, exposure=an_exposure({AAA: 5_000}))
    assert isinstance(PreTradeGate().check(order, context), Approved)


@pytest.mark.parametrize("cash", ["-1", "-1000000"])
def test_an_account_that_owes_more_than_it_has_opens_nothing(cash: str) -> None:
    for side in Side:
        assert answer(Case({"side": side}, poor(cash))) is C.POSITION_SIZE


def test_without_named_limits_a_position_is_still_no_larger_than_the_equity() -> None:
    order = an_order()
    for cash, passes in (("9999.99", False), ("10000", True)):
        context = a_context(order, limits=Limits(), **poor(cash))
        assert isinstance(PreTradeGate().check(order, context), Approved) is passes
