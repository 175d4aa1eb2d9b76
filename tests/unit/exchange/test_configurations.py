"""Configurations: which values are taken, and that a refused request sets nothing."""

from __future__ import annotations

import pytest

from tradewright.exchange.account.configurations import Configurations
from tradewright.exchange.words import Refused

DAY_TRADING = {"dtbp_check": "entry", "pdt_check": "entry"}


def test_the_vendors_fields_and_no_others() -> None:
    body = Configurations().body(pdt_fields=False)
    assert body == {
        "no_shorting": False,
        "suspend_trade": False,
        "fractional_trading": True,
        "max_margin_multiplier": "4",
        "trade_confirm_email": "all",
        "ptp_no_exception_entry": False,
        "max_options_trading_level": 0,
        "disable_overnight_trading": False,
    }
    assert Configurations().body(pdt_fields=True) == {**body, **DAY_TRADING}


@pytest.mark.parametrize(
    ("given", "field", "value"),
    [
        ({"no_shorting": True}, "no_shorting", True),
        ({"max_margin_multiplier": "2"}, "max_margin_multiplier", "2"),
        ({"max_margin_multiplier": 1}, "max_margin_multiplier", "1"),
        ({"trade_confirm_email": "none"}, "trade_confirm_email", "none"),
        ({"max_options_trading_level": 3}, "max_options_trading_level", 3),
        ({"suspend_trade": None}, "suspend_trade", False),
        ({"pdt_check": None}, "no_shorting", False),
    ],
)
def test_what_is_given_is_set(given: dict[str, object], field: str, value: object) -> None:
    after = Configurations().changed(given, pdt_fields=False)
    assert after.body(pdt_fields=False)[field] == value


@pytest.mark.parametrize(
    "given",
    [
        {"no_shorting": "yes"},
        {"suspend_trade": 1},
        {"max_margin_multiplier": "3"},
        {"max_margin_multiplier": True},
        {"trade_confirm_email": "some"},
        {"max_options_trading_level": 4},
        {"max_options_trading_level": True},
        {"max_options_trading_level": "1"},
        {"pdt_check": "entry"},
        {"leverage": "9"},
    ],
)
def test_another_value_is_refused_with_422(given: dict[str, object]) -> None:
    with pytest.raises(Refused) as refused:
        Configurations().changed({"suspend_trade": True, **given}, pdt_fields=False)
    assert (refused.value.status, refused.value.code) == (422, 40010001)
    assert next(iter(given)) in refused.value.message


def test_day_trading_checks_are_taken_where_they_are_served() -> None:
    after = Configurations().changed({"pdt_check": "both"}, pdt_fields=True)
    assert after.pdt_check == "both"
    with pytest.raises(Refused, match="invalid dtbp_check: never"):
        Configurations().changed({"dtbp_check": "never"}, pdt_fields=True)
