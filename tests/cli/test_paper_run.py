"""`tradewright paper-run`: sessions traded on paper, and its flags and settings."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import Inside, Told, lean, left_in, run

KEYS = {
    *("label", "simulated", "sessions", "orders", "order_status", "fills", "refusals"),
    *("cash", "fees", "parity", "reconciled", "seconds"),
}


def check(body: Any) -> None:
    """What every paper run that trades says."""
    assert set(body) == KEYS
    assert (body["parity"], body["reconciled"], body["sessions"]) == (True, True, 5)
    assert sum(body["order_status"].values()) == body["orders"] > 0
    assert body["fills"] >= body["order_status"].get("filled", 0) > 0
    assert set(body["seconds"]) == {"load", "services", "exchange", "paper"}


@pytest.fixture(scope="module")
def folder(server_ground: Path) -> Path:
    made = server_ground / "paper"
    made.mkdir()
    return made


@pytest.fixture(scope="module")
def simulated(folder: Path) -> Told:
    return run(folder, "paper-run", "--json", "--output", "out.json")


def test_simulated_market_is_traded_by_default(simulated: Told, folder: Path) -> None:
    body = simulated.body()
    check(body)
    assert (body["simulated"], body["refusals"]) == (True, {})
    # Three names of 20,000 at most each.
    assert 40_000 < Decimal(body["cash"]) < 100_000
    assert left_in(folder) == []


def test_output_is_the_summary_and_nothing_beside_it(simulated: Told, folder: Path) -> None:
    assert json.loads((folder / "out.json").read_text()) == simulated.body()
    assert sorted(path.name for path in folder.iterdir()) == [".tradewright", "out.json"]


def test_what_happened_is_in_the_log_and_in_metrics(simulated: Told, folder: Path) -> None:
    logs = folder / ".tradewright" / "logs"
    lines = [json.loads(line) for line in (logs / "paper.log").read_text().splitlines()]
    told = [line["message"] for line in lines]
    assert told.count("ORDER_SUBMITTED") == simulated.body()["orders"]
    assert told.count("ORDER_FILLED") == simulated.body()["fills"]
    assert {line["service"] for line in lines} == {"paper"}
    filled = next(line for line in lines if line["message"] == "ORDER_FILLED")
    assert {"symbol", "side", "quantity", "price", "client_order_id", "at"} <= set(filled)
    sent = f'orders_submitted_total{{strategy="momentum"}} {simulated.body()["orders"]}.0'
    assert sent in (logs / "paper.prom").read_text().splitlines()
    assert "BOOKS_COMPARED" in run(folder, "logs", "paper").out


def test_real_bars_are_traded_by_the_settings(folder: Path) -> None:
    settings = {
        "PAPER_RUN_SYMBOLS": "AAPL, IBM SPY",
        "PAPER_RUN_CAPITAL": "50000",
        "PAPER_RUN_MAX_POSITION_SIZE": "5000",
    }
    told = run(folder, "paper-run", "--data", lean(), "--verbose", settings=settings)
    assert told.code == 0, told.err
    assert "Orders" in told.out
    assert f"Paper run over {lean()}" in " ".join(told.out.split())
    rows = [line for line in told.out.splitlines() if line.startswith("│ 20")]
    names = {line.split("│")[4].strip() for line in rows}
    assert names
    assert names <= {"AAPL", "IBM", "SPY"}
    assert all(line.split("│")[7].strip() == "yes" for line in rows)
    (cash,) = [line.split("│")[2] for line in told.out.splitlines() if line.startswith("│ cash")]
    assert 35_000 <= Decimal(cash.strip().replace(",", "")) < 50_000
    assert left_in(folder) == []


def test_a_strategy_of_one_s_own_is_traded_on_paper(folder: Path) -> None:
    assert run(folder, "strategy", "new", "own-idea").code == 0
    own = ("--strategy", "./own_idea.py:OwnIdea", "--set", "window=2")
    body = run(folder, "paper-run", *own, "--json").body()
    check(body)
    assert left_in(folder) == []
    for name in ("own_idea.py", "test_own_idea.py"):
        (folder / name).unlink()


def test_flags_win_over_the_settings(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = Inside(folder, capsys, monkeypatch)
    inside.set(PAPER_RUN_CAPITAL="1", PAPER_RUN_MAX_POSITION_SIZE="1")
    flags = ["--capital", "30000", "--max-position-size", "2000", "--symbols", "SIM01 SIM02"]
    body = inside.run("paper-run", "--json", *flags).body()
    check(body)
    assert 26_000 <= Decimal(body["cash"]) < 30_000


def test_a_brokers_costs_are_charged_on_both_sides(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = Inside(folder, capsys, monkeypatch)
    flags = ["--costs", "ib-fixed", "--slippage", "half-spread", "--symbols", "SIM01 SIM02"]
    body = inside.run("paper-run", "--json", *flags).body()
    check(body)
    assert Decimal(body["fees"]) > 0


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--costs", "ib-tiered"], "counts the shares of the month"),
        (["--commission", "free"], "commission: 'free' is not known"),
    ],
)
def test_costs_that_the_exchange_cannot_share_are_refused(
    flags: list[str],
    words: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inside = Inside(folder, capsys, monkeypatch)
    assert words in inside.run("paper-run", *flags).complaint()


def test_dry_run_looks_and_trades_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = Inside(folder, capsys, monkeypatch)
    body = inside.run("paper-run", "--dry-run", "--json", "--output", "never.json").body()
    assert body["fine"] is True
    assert {one["what"] for one in body["findings"]} >= {"settings", "databases", "clock"}
    assert not (folder / "never.json").exists()
    assert left_in(folder) == []


def test_a_position_above_the_operators_limit_is_refused(tmp_path: Path) -> None:
    told = run(
        tmp_path,
        *("paper-run", "--max-position-size", "6000"),
        settings={"MAX_POSITION_SIZE": "5000"},
    )
    assert "is above MAX_POSITION_SIZE (5000)" in told.complaint()
