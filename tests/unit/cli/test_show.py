from __future__ import annotations

import json

import pytest

from tests.builders import AT, an_order
from tradewright.backtest.parity import PaperSide
from tradewright.cli.show import Steps, show_json, show_line, show_orders, show_summary
from tradewright.core.ids import OrderId
from tradewright.core.orders import OrderState, OrderStatus
from tradewright.portfolio.ledger import Ledger


def test_steps_are_measured_and_shown_on_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    steps = Steps(quiet=False)
    with steps.step("load", "Load the market") as progress:
        progress(1, 2)
    steps.say("[bold]ten[/] symbols")
    with steps.step("load", "Load it again"):
        pass
    out, err = capsys.readouterr()
    assert out == ""
    first, second, third = err.splitlines()
    assert first.startswith("✓ Load the market 0.")
    assert (second, third[:15]) == ("ten symbols", "✓ Load it again")
    assert list(steps.seconds) == ["load"]
    assert steps.seconds["load"] >= 0


def test_quiet_steps_are_measured_in_silence(capsys: pytest.CaptureFixture[str]) -> None:
    steps = Steps(quiet=True)
    with steps.step("load", "Load the market"):
        steps.say("nothing")
    assert capsys.readouterr() == ("", "")
    assert list(steps.seconds) == ["load"]


def test_where_colours_are_forced_and_nobody_watches_no_bar_moves(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # As a notebook's kernel does for the commands that are run in it.
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-color")
    with Steps(quiet=False).step("load", "Load the market") as progress:
        progress(1, 2)
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_step_that_fails_is_neither_ticked_nor_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    steps = Steps(quiet=False)
    with pytest.raises(KeyError), steps.step("load", "Load the market"):
        raise KeyError
    assert (capsys.readouterr().err, steps.seconds) == ("", {})


def test_json_is_alone_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    body = {"label": "ünïcode [/red]", "none": None, "parts": {"a": 1.5}}
    show_json(body)  # type: ignore[arg-type]
    out, err = capsys.readouterr()
    assert (json.loads(out), err) == (body, "")


def test_summary_is_a_row_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    show_summary(
        {
            "label": "data[/old]",
            "total_return": 0.1234,
            "sharpe": 1.23456,
            "calmar": None,
            "hit_rate": 0.5,
            "final_equity": "1234567.8901",
            "capital": "100000",
            "simulated": False,
            "parity": False,
            "reconciled": True,
            "orders": 3,
            "refusals": {},
            "seconds": {"load": 1.0},
            "paper": {"refusals": {"order_size": 2}, "orders": 1},
        },
        "Run over data[/old]",
    )
    lines = capsys.readouterr().out.splitlines()
    cells = {
        key.strip(): value.strip()
        for key, value in (line.strip("│").split("│") for line in lines if "│" in line)
    }
    assert lines[0].strip() == "Run over data[/old]"
    assert cells == {
        "label": "data[/old]",
        "total return": "12.34%",
        "sharpe": "1.235",
        "calmar": "–",
        "hit rate": "50.00%",
        "final equity": "1,234,567.89",
        "capital": "100,000.00",
        "simulated": "no",
        "parity": "NO",
        "reconciled": "yes",
        "orders": "3",
        "refusals": "none",
        "seconds: load": "1.000",
        "paper: refusals": "order_size 2",
        "paper: orders": "1",
    }


def test_orders_stand_beside_what_was_expected(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    one, two = an_order(), an_order(id=OrderId("order-2"), quantity="12.5")
    side = PaperSide(
        sessions=5,
        expected={
            one.id: OrderState(one, OrderStatus.FILLED, AT),
            two.id: OrderState(two, OrderStatus.FILLED, AT),
        },
        orders={one.id: OrderState(one, OrderStatus.CANCELED, AT)},
        fills=(),
        refusals=(),
        differences=(),
        book=Ledger({}).snapshot(),
    )
    show_orders(side)
    rows = [
        [cell.strip() for cell in line.strip("│").split("│")]
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("│")
    ]
    facts = ["2024-01-02 14:30", "buy"]
    assert rows == [
        [*facts, "100", "AAA", "filled", "canceled", "yes"],
        [*facts, "12.5", "AAA", "filled", "–", "NO"],
    ]


def test_line_is_printed_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    show_line("[bold] is no markup here")
    assert capsys.readouterr().out == "[bold] is no markup here\n"
