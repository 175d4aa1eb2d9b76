"""What is kept can be read back, and what does not fit its kind is refused."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from tests.builders import AAA, AT, an_order
from tradewright.core.decisions import Approved, Refusal, RefusalCode
from tradewright.core.errors import InvalidInput
from tradewright.core.events import Alert, Canceled, DividendPaid, Reported, SplitApplied
from tradewright.core.ids import OrderId, RunId
from tradewright.core.market import CashDividend, Split
from tradewright.core.orders import OrderStatus
from tradewright.core.records import (
    KINDS,
    JournalEntry,
    Note,
    RunRecord,
    from_body,
    note,
    recall,
    to_body,
)
from tradewright.core.signals import Forecast

ID = OrderId("order-1")
SPLIT = SplitApplied(Split(AAA, AT.date(), Fraction(7, 2)), Decimal("10.50"), AT)


def test_a_body_is_plain_json() -> None:
    order = an_order(reduce_only=True, intent="a")
    body = to_body(Approved(order, AT, "v1", ("one", "two")))
    assert json.loads(json.dumps(body)) == {
        "order": {
            "id": "order-1",
            "strategy": "test",
            "instrument": "AAA",
            "side": "buy",
            "quantity": "100",
            "kind": "market",
            "time_in_force": "day",
            "decided_at": "2024-01-02T14:30:00+00:00",
            "limit": None,
            "stop": None,
            "trail_price": None,
            "trail_fraction": None,
            "reduce_only": True,
            "intent": "a",
            "parent": None,
        },
        "at": "2024-01-02T14:30:00+00:00",
        "limits_version": "v1",
        "checks": ["one", "two"],
    }


def test_fractions_dates_spans_and_numbers_are_written_exactly() -> None:
    assert to_body(SPLIT)["split"] == {"instrument": "AAA", "ex_date": "2024-01-02", "ratio": "7/2"}
    forecast = Forecast(an_order().strategy, AAA, AT, timedelta(days=2), 0.1, 0.5)
    body = to_body(forecast)
    assert (body["horizon"], body["expected_return"]) == (172800.0, 0.1)
    assert from_body(Forecast, body) == forecast


def test_large_decimals_are_not_written_as_powers() -> None:
    paid = DividendPaid(CashDividend(AAA, date(2024, 1, 2), Decimal("1E+3")), AT)
    assert to_body(paid.dividend)["amount"] == "1000"


def test_a_run_record_is_read_back() -> None:
    kept = RunRecord(RunId("r"), AT, {"capital": "1"}, "s", "d", "c", {"sharpe": 1.5, "n": [1]})
    assert from_body(RunRecord, to_body(kept)) == kept


def test_a_note_carries_the_time_of_its_fact_or_the_one_given() -> None:
    canceled = Canceled(ID, AT, "done")
    assert note(canceled, actor="runner") == Note(AT, "runner", "Canceled", to_body(canceled))
    later = datetime(2024, 1, 3, tzinfo=UTC)
    assert note(canceled, actor="runner", at=later).at == later


def test_an_entry_is_recalled_as_the_fact_it_was() -> None:
    written = note(SPLIT, actor="runner")
    entry = JournalEntry(1, AT, "runner", written.kind, written.body, "", "")
    assert recall(written) == recall(entry) == SPLIT


def test_the_numbers_of_a_refusal_are_recalled_as_text() -> None:
    refusal = Refusal(an_order(), RefusalCode.ORDER_SIZE, AT, {"limit": Decimal("1.50")})
    assert recall(note(refusal, actor="gate")).context == {"limit": "1.50"}


def test_what_the_journal_does_not_keep_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'Alert' is not kept"):
        note(Alert("code", "message", AT), actor="runner")
    with pytest.raises(InvalidInput, match="'Alert' is not kept"):
        recall(Note(AT, "runner", "Alert", {}))


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes"], ids=["object", "set", "bytes"])
def test_what_cannot_be_written_down_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInput, match="cannot be written down"):
        to_body(Canceled(ID, AT, value))


GOOD = to_body(Reported(ID, AT, OrderStatus.NEW))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"colour": "red"}, r"Reported\.colour"),
        ({"status": "bogus"}, "status|Reported"),
        ({"at": "yesterday"}, "at|Reported"),
        ({"at": 5}, "Reported"),
        ({"seq": "many"}, "seq|Reported"),
    ],
)
def test_a_body_that_does_not_fit_its_kind_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        from_body(Reported, GOOD | changes)


def test_a_missing_field_is_refused() -> None:
    with pytest.raises(InvalidInput, match="does not fit its kind"):
        from_body(Reported, {"order": "order-1"})


@pytest.mark.parametrize(
    "split",
    [
        {"instrument": "AAA", "ex_date": "2024-01-02", "ratio": "0"},
        {"instrument": "AAA", "ex_date": "2024-01-02", "ratio": "1/0"},
        {"instrument": "AAA", "ex_date": "2024-01-02", "ratio": "4:1"},
        {"instrument": "AAA", "ex_date": "2024-01-02", "ratio": "4", "factor": "1"},
    ],
    ids=lambda split: split["ratio"] + str(len(split)),
)
def test_a_nested_body_that_breaks_a_rule_is_refused(split: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        from_body(SplitApplied, {**to_body(SPLIT), "split": dict(split)})


def test_every_kept_kind_is_known_by_its_name() -> None:
    assert all(kind.__name__ == name for name, kind in KINDS.items())
    assert {"Approved", "Refusal", "Filled", "Submitted", "CashMoved"} <= set(KINDS)
