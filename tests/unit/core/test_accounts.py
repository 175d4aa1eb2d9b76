"""Names, addresses and the rules of accounts that need no secret."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tradewright.core.access import Role
from tradewright.core.access.accounts import (
    LOCK_DELAYS,
    email_address,
    is_guarded,
    lock_delay,
    login_name,
    role_of,
    strategy_ids,
)
from tradewright.core.errors import InvalidInput, UnknownName


@pytest.mark.parametrize(("text", "name"), [(" Anna.Smith ", "anna.smith"), ("a", "a"), ("9", "9")])
def test_names_are_lower_case(text: str, name: str) -> None:
    assert login_name(text) == name


@pytest.mark.parametrize("text", ["", "-anna", "anna.", "an na", "änna", "a" * 65, "a@b.c", "a\n"])
def test_what_is_no_name_is_refused(text: str) -> None:
    if text.strip() == "a":
        assert login_name(text) == "a"
        return
    with pytest.raises(InvalidInput, match="name"):
        login_name(text)


@pytest.mark.parametrize("text", ["Anna@Example.com ", "a+b@sub.example.co.uk"])
def test_addresses_are_lower_case(text: str) -> None:
    assert email_address(text) == text.strip().lower()


@pytest.mark.parametrize(
    "text", ["", "anna", "@example.com", "a@b", "a b@example.com", "a\0@example.com", "a@b@c.d"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="email"):
        email_address(text)


def test_strategies_are_named_or_refused() -> None:
    assert strategy_ids(["pairs", "pairs"]) == {"pairs"}
    with pytest.raises(InvalidInput, match="strategies"):
        strategy_ids(["pairs", "a b"])


def test_roles_are_named_or_refused() -> None:
    assert role_of("Risk-Officer") is Role.RISK_OFFICER
    with pytest.raises(UnknownName, match="viewer"):
        role_of("emperor")


@pytest.mark.parametrize(
    ("roles", "guarded"),
    [
        (set(), False),
        ({Role.VIEWER}, False),
        ({Role.RESEARCHER}, False),
        ({Role.OPERATOR}, True),
        ({Role.RISK_OFFICER}, True),
        ({Role.ADMIN, Role.VIEWER}, True),
    ],
)
def test_roles_that_trade_or_mend_are_guarded(roles: set[Role], guarded: bool) -> None:
    assert is_guarded(roles) is guarded


def test_locks_grow_and_end() -> None:
    delays = [lock_delay(count) for count in range(1, 40)]
    assert delays == sorted(delays)
    assert delays[0] == timedelta(0)
    assert delays[-1] == LOCK_DELAYS[-1] <= timedelta(minutes=15)
