"""Two days rehearsed twice are one: the same data, seed, faults and orders give the same bytes.

Each rehearsal is a process of its own with its own order of hashes; one of them is stopped in the
middle and begun again from what it had kept.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.architecture.tree import ROOT
from tests.contracts.exchange_ground import FRIDAY, MONDAY, Ground, an_exchange, at, ground
from tradewright.exchange.event_log import FILE

FACTS: Final = {"data": "three days"}
LONG: Final = 120.0
FAULTS: Final = """
seed = {seed}

[[rule]]
name = "lost replies"
match = {{ route = "POST /v2/orders", probability = 0.3 }}
action = "drop_after_commit"

[[rule]]
name = "held fills"
match = {{ route = "POST /v2/orders", every = 7 }}
action = "hold_fill"

[[rule]]
name = "rejected late"
match = {{ route = "POST /v2/orders", nth = 5 }}
action = {{ do = "late_reject", reason = "no locate" }}

[[rule]]
name = "halt"
match = {{ at = 2020-03-06T16:00:00Z }}
action = {{ do = "halt", symbol = "BBB" }}

[[rule]]
name = "resume"
match = {{ at = 2020-03-06T16:20:00Z }}
action = {{ do = "resume", symbol = "BBB" }}

[[rule]]
name = "after the break"
match = {{ at = 2020-03-06T20:20:00Z }}
action = {{ do = "dividend", symbol = "CCC", amount = "0.10" }}

[[rule]]
name = "orders after the break"
match = {{ route = "POST /v2/orders", nth = 40 }}
action = {{ do = "late_reject", reason = "counted through a restart" }}
"""


def morning(market: Ground, seed: int) -> None:
    """Trade the first day, with faults."""
    script = market.http.post("/rehearsal/faults", content=FAULTS.format(seed=seed))
    assert script.status_code == 200, script.text
    for step in range(30):
        market.advance(at(FRIDAY, "09:40") + timedelta(minutes=10 * step))
        _send(market, f"first-{step}", step)
    market.advance(at(FRIDAY, "15:00"))


def afternoon(market: Ground) -> None:
    """Trade on to the end of the second day, over a dividend and a split; the faults go on."""
    for step in range(40):
        market.advance(at(FRIDAY, "15:10") + timedelta(minutes=5 * step))
        _send(market, f"second-{step}", step)
        if step % 4 == 0:
            orders = market.http.get("/v2/orders", params={"direction": "asc"}).json()
            for order in orders[:1]:
                market.http.delete(f"/v2/orders/{order['id']}")
    market.advance(at(MONDAY, "11:00"))
    _send(market, "third", 3)
    market.http.delete("/v2/positions", params={"cancel_orders": "true"})
    market.advance(at(MONDAY, "20:00"))


def _send(market: Ground, name: str, step: int) -> None:
    symbol, level = (("AAA", 100), ("BBB", 20), ("CCC", 400))[step % 3]
    body = {
        "symbol": symbol,
        "qty": str(1 + step % 5),
        "side": "sell" if step % 4 == 3 else "buy",
        "type": "market",
        "time_in_force": "day",
        "client_order_id": name,
    }
    if step % 3 == 1:
        body |= {"type": "limit", "limit_price": str(level - 1), "time_in_force": "gtc"}
    # A reply that is lost is one of the faults.
    with contextlib.suppress(httpx.TransportError):
        market.http.post("/v2/orders", json=body)


def rehearse(folder: Path, seed: int, *, restarted: bool = False) -> None:
    """Rehearse both days, and keep them in a folder."""
    exchange = an_exchange()
    exchange.keep(folder, FACTS)
    with contextlib.ExitStack() as first:
        market = first.enter_context(ground(exchange))
        morning(market, seed)
        if restarted:
            first.close()
            exchange.close()
            exchange = an_exchange()
            exchange.keep(folder, FACTS)
            market = first.enter_context(ground(exchange))
        afternoon(market)
    exchange.close()


def in_a_process(folder: Path, seed: int, hashes: int, *, restarted: bool = False) -> bytes:
    """Rehearse in a process with its own order of hashes, and return the log of events."""
    program = (
        "from pathlib import Path\n"
        "from tests.services.test_determinism import rehearse\n"
        f"rehearse(Path({str(folder)!r}), {seed}, restarted={restarted})\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PATH": os.defpath, "PYTHONHASHSEED": str(hashes)},
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return (folder / FILE).read_bytes()


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The log of events of one rehearsal."""
    return in_a_process(tmp_path_factory.mktemp("once"), seed=7, hashes=1)


def test_a_rehearsal_has_everything_in_it(once: bytes) -> None:
    kinds = ("trade_update", "halt", "resume", "fault", "corporate_action", "session_closed")
    for kind in kinds:
        assert f'"kind":"{kind}"'.encode() in once
    for event in ("fill", "canceled", "rejected", "new"):
        assert f'"event":"{event}"'.encode() in once
    for rule in ("after the break", "orders after the break"):
        assert f'"rule":"{rule}"'.encode() in once
    assert once.count(b"\n") > 150


def test_the_same_rehearsal_is_the_same_to_the_byte(once: bytes, tmp_path: Path) -> None:
    assert in_a_process(tmp_path, seed=7, hashes=2) == once


def test_another_seed_is_another_rehearsal(once: bytes, tmp_path: Path) -> None:
    assert in_a_process(tmp_path, seed=8, hashes=1) != once


def test_a_restart_in_the_middle_changes_nothing(once: bytes, tmp_path: Path) -> None:
    assert in_a_process(tmp_path, seed=7, hashes=3, restarted=True) == once
