"""How much may be asked: the limits of D-13 behind the doors, and how they are told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.services.doors import Behind, Caller
from tradewright.bootstrap import Settings
from tradewright.core.access import Role, UserContext, user_principal
from tradewright.ops.metrics import REGISTRY
from tradewright.services.limits import Limit, LimitTable

ANNA = user_principal("anna", [Role.OPERATOR], strategies=None)
BELA = user_principal("bela", [Role.OPERATOR], strategies=None)


def over(**settings: Any) -> Caller:
    behind = Behind(settings=Settings.model_validate(settings))
    behind.tokens.principals |= {"anna": ANNA, "bela": BELA}
    return Caller(behind)


def user(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {name}"}


def order(strategy: str = "momentum") -> bytes:
    return f'{{"symbol":"IBM","strategy_id":"{strategy}"}}'.encode()


async def passed(caller: Caller, times: int, path: str, body: bytes, **named: Any) -> int:
    """How many of so many requests pass."""
    answers = [await caller.send("POST", path, body, **named) for _ in range(times)]
    assert {answer.status_code for answer in answers} <= {200, 429}
    return sum(answer.status_code == 200 for answer in answers)


def test_the_limits_are_the_decided_ones() -> None:
    table = LimitTable.of(Settings())
    assert table.enforced
    assert table.rates == {
        Limit.ORDERS: {"principal": (60, 60), "strategy": (120, 60), "service": (600, 60)},
        Limit.SIGNALS: {"principal": (30, 60)},
        Limit.CANCELS: {"principal": (10, 60)},
        Limit.FLATTEN: {"principal": (1, 300)},
        Limit.LOGINS: {"address": (30, 60)},
    }


async def test_a_user_is_limited_and_others_are_not() -> None:
    caller = over(RATE_LIMIT_ORDERS_PER_PRINCIPAL="3/minute")
    assert await passed(caller, 5, "/orders", order(), headers=user("anna")) == 3
    assert await passed(caller, 1, "/orders", order(), headers=user("bela")) == 1


async def test_a_refusal_says_when_to_come_again() -> None:
    caller = over(RATE_LIMIT_SIGNALS="2/minute")
    first = await caller.send("POST", "/signals", headers=user("anna"))
    assert first.headers["RateLimit-Limit"] == "2"
    assert first.headers["RateLimit-Remaining"] == "1"
    assert first.headers["RateLimit-Reset"] == "60"
    assert first.headers["RateLimit-Policy"] == "2;w=60"
    caller.behind.clock.advance(timedelta(seconds=20))
    await caller.send("POST", "/signals", headers=user("anna"))
    refused = await caller.send("POST", "/signals", headers=user("anna"))
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert refused.headers["RateLimit-Reset"] == "40"
    assert refused.headers["RateLimit-Remaining"] == "0"
    caller.behind.clock.advance(timedelta(seconds=40))
    assert (await caller.send("POST", "/signals", headers=user("anna"))).status_code == 200


async def test_a_strategy_is_limited_whoever_orders_for_it() -> None:
    caller = over(RATE_LIMIT_ORDERS_PER_STRATEGY="3/minute")
    assert await passed(caller, 2, "/orders", order(), headers=user("anna")) == 2
    assert await passed(caller, 2, "/orders", order(), headers=user("bela")) == 1
    assert await passed(caller, 1, "/orders", order("pairs"), headers=user("bela")) == 1


async def test_a_service_in_its_own_name_has_the_limit_of_services() -> None:
    limits = {
        "RATE_LIMIT_ORDERS_PER_PRINCIPAL": "1/minute",
        "RATE_LIMIT_ORDERS_PER_SERVICE": "4/minute",
    }
    caller = over(**limits)
    assert await passed(caller, 6, "/orders", order()) == 4


async def test_a_user_behind_a_service_has_the_limit_of_users_too() -> None:
    caller = over(RATE_LIMIT_ORDERS_PER_PRINCIPAL="2/minute")
    context = UserContext("anna", frozenset({Role.OPERATOR}))
    done = []
    for _ in range(3):
        headers = caller.signed("POST", "/orders", order(), context=context)
        done.append((await caller.send("POST", "/orders", order(), headers)).status_code)
    assert done == [200, 200, 429]
    assert await passed(caller, 1, "/orders", order(), headers=user("anna")) == 0


async def test_the_first_flattening_always_passes_and_the_next_waits() -> None:
    caller = over()
    assert await passed(caller, 3, "/flatten", b"", headers=user("anna")) == 1
    assert await passed(caller, 1, "/flatten", b"", headers=user("bela")) == 1
    caller.behind.clock.advance(timedelta(seconds=299))
    assert await passed(caller, 1, "/flatten", b"", headers=user("anna")) == 0
    caller.behind.clock.advance(timedelta(seconds=1))
    assert await passed(caller, 1, "/flatten", b"", headers=user("anna")) == 1


async def test_logins_are_limited_by_address_without_a_principal() -> None:
    caller = over(RATE_LIMIT_LOGINS="2/minute")
    assert await passed(caller, 4, "/login", b"", headers={}) == 2


async def test_log_only_tells_and_lets_pass() -> None:
    caller = over(RATE_LIMIT_SIGNALS="1/minute", RATE_LIMIT_MODE="log_only")
    labels = {"limit": "signals", "mode": "log_only"}
    before = REGISTRY.get_sample_value("rate_limit_exceeded_total", labels) or 0
    assert await passed(caller, 3, "/signals", b"", headers=user("anna")) == 3
    assert REGISTRY.get_sample_value("rate_limit_exceeded_total", labels) == before + 2


async def test_blocked_attempts_are_counted() -> None:
    caller = over(RATE_LIMIT_SIGNALS="1/minute")
    labels = {"limit": "signals", "mode": "enforce"}
    before = REGISTRY.get_sample_value("rate_limit_exceeded_total", labels) or 0
    await passed(caller, 3, "/signals", b"", headers=user("anna"))
    assert REGISTRY.get_sample_value("rate_limit_exceeded_total", labels) == before + 2


async def test_a_trusted_address_is_not_held_back() -> None:
    caller = over(RATE_LIMIT_SIGNALS="1/minute", RATE_LIMIT_TRUSTED_IPS="203.0.113.0/24")
    assert await passed(caller, 3, "/signals", b"", headers=user("anna")) == 3
    signed = caller.signed("POST", "/signals")
    assert (await caller.send("POST", "/signals", headers=signed)).status_code == 200
    assert await caller.code("POST", "/signals", headers=signed) == (401, "replayed")


async def test_who_may_not_uses_up_nothing() -> None:
    caller = over(RATE_LIMIT_ORDERS_PER_STRATEGY="1/minute")
    caller.behind.tokens.principals["carl"] = user_principal("carl", [], strategies=None)
    for _ in range(3):
        told = await caller.code("POST", "/orders", order(), user("carl"))
        assert told == (403, "not_permitted")
    assert await passed(caller, 1, "/orders", order(), headers=user("anna")) == 1


@pytest.mark.parametrize("body", [b"{", b'{"symbol":"A","strategy_id":"x y"}', b"[1]"])
async def test_an_unfit_strategy_counts_for_the_principal_alone(body: bytes) -> None:
    caller = over(RATE_LIMIT_ORDERS_PER_PRINCIPAL="1/minute")
    first = await caller.send("POST", "/orders", body, user("anna"))
    assert first.status_code in {200, 422}
    assert (await caller.send("POST", "/orders", body, user("anna"))).status_code == 429
