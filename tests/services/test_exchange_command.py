"""`tradewright exchange serve` as a process: where it listens, how it ends, what it refuses."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tradewright.cli.exchange.commands import serve
from tradewright.cli.exchange.serving import Serving
from tradewright.core.errors import InvalidInput, MissingData
from tradewright.execution.venue import FillOn

SERVE = [str(Path(sys.executable).with_name("tradewright")), "exchange", "serve"]
KEYS = {"APCA-API-KEY-ID": "rehearsal", "APCA-API-SECRET-KEY": "rehearsal"}
LEAN = Path(__file__).parents[3] / "shared/data/lean"
SPAN = ["--from", "2013-10-07", "--to", "2013-10-11"]
SOON = 20.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of two symbols and a few days."""
    day = tmp_path / "day"
    day.mkdir()
    dates = ["2013-10-04", "2013-10-07", "2013-10-08", "2013-10-09", "2013-10-10", "2013-10-11"]
    for name in ("AAA", "BBB"):
        rows = [f"{date},100.00,101.00,99.00,100.50,1000" for date in dates]
        text = "\n".join(["time,open,high,low,close,volume", *rows])
        (day / f"{name}.csv").write_text(text + "\n")
    return tmp_path


@contextlib.contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [*SERVE, *SPAN, "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())["listening"]
    finally:
        process.kill()
        process.communicate(timeout=SOON)


def test_it_says_where_it_listens_and_stops_cleanly_when_told(folder: Path) -> None:
    with running("--data", str(folder), "--cash", "5000") as (process, address):
        account = httpx.get(f"{address}/v2/account", headers=KEYS, trust_env=False)
        assert account.json()["cash"] == "5000"
        assert account.json()["multiplier"] == "2"
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=SOON)
        assert (process.returncode, out, err) == (0, "", "")


def test_with_a_speed_the_market_moves_by_itself_and_an_interrupt_ends_it(folder: Path) -> None:
    with running("--data", str(folder), "--speed", "1000000") as (process, address):
        standing: dict[str, object] = {}
        for _attempt in range(200):
            answer = httpx.get(f"{address}/rehearsal/status", headers=KEYS, trust_env=False)
            standing = answer.json()
            if standing["done"]:
                break
        assert standing["done"]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=SOON)
        assert (process.returncode, out, err) == (0, "", "")


def test_it_ends_with_the_process_that_started_it(folder: Path) -> None:
    command = [*SERVE, *SPAN, "--port", "0", "--with-parent", "--data", str(folder)]
    program = (
        "import subprocess, sys\n"
        "pipe = subprocess.PIPE\n"
        f"child = subprocess.Popen({command!r}, stdin=pipe, stdout=pipe, text=True)\n"
        "print(child.pid, child.stdout.readline(), flush=True)\n"
        "sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    pid, _, line = parent.stdout.readline().partition(" ")
    address = json.loads(line)["listening"]
    orphan = os.pidfd_open(int(pid))
    parent.kill()
    parent.communicate(timeout=SOON)
    try:
        ended, _, _ = select.select([orphan], [], [], SOON)
        assert ended
    finally:
        os.close(orphan)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}/rehearsal/status", headers=KEYS, trust_env=False)


def test_a_port_in_use_is_one_line_on_standard_error(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [*SERVE, *SPAN, "--data", str(folder), "--port", port]
        told = subprocess.run(command, check=False, capture_output=True, text=True, timeout=SOON)
    assert (told.returncode, told.stdout) == (2, "")
    (line,) = told.stderr.splitlines()
    assert f"port {port}" in line
    assert "choose another with --port" in line


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"start": "soon"}, "--from: 'soon' is not a date"),
        ({"start": "2013-10-12"}, "ends before it starts"),
        ({"start": "2030-01-01", "end": "2030-01-02"}, "choose --from and --to"),
        ({"cash": "-1"}, "--cash: '-1' must be positive"),
        ({"speed": "fast"}, "--speed: 'fast' is not a decimal number"),
        ({"speed": "0"}, "--speed: '0' must be positive"),
        ({"port": 70000}, "--port: 70000 is not a port"),
        ({"volume_share": "2"}, "volume_share"),
        ({"commission": "free"}, "commission: 'free' is not known"),
        ({"slippage": "free"}, "slippage: 'free' is not known"),
        ({"fees": "free"}, "fees: 'free' is not known"),
        ({"impact": "free"}, "impact: 'free' is not known"),
        (
            {"slippage": "half-spread", "fill_on": FillOn.QUOTES},
            "costs: 'HalfSpread' does not go with quotes",
        ),
        ({"symbols": ["ZZZ"]}, "symbol: 'ZZZ' is not known"),
    ],
)
def test_a_bad_option_names_itself_and_the_rule(
    folder: Path, options: dict[str, Any], words: str
) -> None:
    plain = {"start": "2013-10-07", "end": "2013-10-11", "data": folder}
    with pytest.raises((InvalidInput, MissingData)) as refused:
        serve(Serving(**{**plain, **options}))
    assert words in str(refused.value)


def test_real_bars_are_traded_at_their_open() -> None:
    if not LEAN.is_dir():
        pytest.skip("allowed: the shared exchange data is not beside the repository")
    free = ["--commission", "none", "--slippage-bps", "0"]
    order = {"symbol": "SPY", "qty": "10", "side": "buy", "type": "market"}
    with (
        running("--data", str(LEAN), "--symbols", "SPY", *free) as (_, address),
        httpx.Client(base_url=address, headers=KEYS, trust_env=False) as client,
    ):
        taken = client.post("/v2/orders", json={**order, "time_in_force": "day"})
        assert taken.json()["status"] == "accepted"
        client.post("/rehearsal/advance", json={"to": "2013-10-07T20:00:00+00:00"})
        filled = client.get(f"/v2/orders/{taken.json()['id']}").json()
        # 20131007 opens at 1674300 in the file, in ten-thousandths of a dollar.
        assert (filled["status"], filled["filled_avg_price"]) == ("filled", "167.43")
