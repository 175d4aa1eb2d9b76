from __future__ import annotations

import json
from pathlib import Path

import pytest

from tradewright.adapters.embedded import EmbeddedServices
from tradewright.bootstrap import load_settings
from tradewright.cli.doctor import Finding, findings, show_findings
from tradewright.core.clock import SystemClock
from tradewright.data.calendars import market_calendar

FINE = Finding("disk", fine=True, found="plenty")
WRONG = Finding("clock", fine=False, found="+9 s [/off]", remedy="set it [/now]")


def test_given_databases_are_opened_and_left_as_they_were(
    tmp_path: Path, servers: EmbeddedServices
) -> None:
    settings = load_settings(
        {
            "DATABASE_URL": servers.database_url,
            "REDIS_URL": servers.redis_url,
            "TRADEWRIGHT_STATE_DIR": str(tmp_path / "not" / "there"),
        }
    )
    found = {one.what: one for one in findings(settings)}
    assert all(one.fine for one in found.values())
    assert found["databases"].found == "PostgreSQL and Redis answer (as set)"
    assert str(tmp_path) in found["disk"].found
    assert found["clock"].found.startswith(("+0.", "-0."))
    assert not (tmp_path / "not").exists()


def test_calendar_reaches_beyond_today() -> None:
    assert market_calendar("XNYS").sessions[-1].close > SystemClock().now()


def test_findings_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    show_findings([FINE, WRONG], as_json=True)
    body = json.loads(capsys.readouterr().out)
    assert body["fine"] is False
    assert body["findings"][1] == {
        "what": "clock",
        "fine": False,
        "found": "+9 s [/off]",
        "remedy": "set it [/now]",
    }


def test_findings_as_a_table_show_markup_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    show_findings([FINE, WRONG], as_json=False)
    rows = [
        [cell.strip() for cell in line.strip("│").split("│")]
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("│")
    ]
    assert rows == [
        ["✓", "disk", "plenty", ""],
        ["✗", "clock", "+9 s [/off]", "set it [/now]"],
    ]
