"""`tradewright account`, and the account that `doctor` looks at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.cli.commands import Inside, Told
from tests.unit.exchange.builders import KEY, SECRET, an_exchange, served
from tradewright.bootstrap import load_settings
from tradewright.broking import AlpacaSettings
from tradewright.cli.doctor import Finding, _account
from tradewright.exchange.faults.judge import Faults

KEYS = {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET}
ORDER = {
    "symbol": "AAA",
    "qty": "10",
    "side": "buy",
    "type": "market",
    "time_in_force": "day",
    "client_order_id": "mine",
}


@pytest.fixture
def url() -> Iterator[str]:
    with served(an_exchange(faults=Faults())) as server:
        yield server.url


@pytest.fixture
def inside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Inside:
    return Inside(tmp_path, capsys, monkeypatch)


def ask(inside: Inside, url: str, *words: str) -> Told:
    return inside.run("account", "--url", url, "--key", KEY, "--secret", SECRET, *words)


def perform(url: str, name: str, **arguments: object) -> None:
    body = {"name": name, "arguments": arguments}
    httpx.post(f"{url}/rehearsal/perform", json=body, headers=KEYS).raise_for_status()


def found(url: str, **changes: str) -> Finding:
    given = {
        "ALPACA_BASE_URL": url,
        "ALPACA_API_KEY_ID": KEY,
        "ALPACA_API_SECRET_KEY": SECRET,
    }
    (one,) = _account(load_settings(given | changes))
    return one


def test_all_that_the_broker_says_is_shown(inside: Inside, url: str) -> None:
    httpx.post(f"{url}/v2/orders", json=ORDER, headers=KEYS).raise_for_status()
    body = ask(inside, url, "--json").body()
    assert (body["account"], body["blocked"], body["cash"]) == ("rehearsal", "", "100000")
    assert body["positions"] == {}
    (order,) = body["open_orders"]
    assert (order["client_order_id"], order["status"], order["filled"]) == ("mine", "accepted", "0")
    assert (body["clock"]["at"], body["clock"]["is_open"]) == ("2024-01-02T21:00:00+00:00", False)
    assert body["clock"]["skew_seconds"] > 0
    assert 0 < body["requests_left"]["poll"] < body["requests_left"]["exit"] < 200
    shown = ask(inside, url)
    assert (shown.code, shown.err) == (0, "")
    assert "accepted, 0 filled" in shown.out
    assert "order mine" in shown.out


def test_what_keeps_it_from_answering_is_told_with_a_remedy(inside: Inside, url: str) -> None:
    told = inside.run("account").complaint()
    assert "ALPACA_API_KEY_ID and ALPACA_API_SECRET_KEY are not set" in told
    assert "name a rehearsal exchange with --url" in told
    told = inside.run("account", "--url", "http://127.0.0.1:1").complaint()
    assert "http://127.0.0.1:1 does not answer as a broker: GET /v2/account: ConnectE" in told
    assert "check ALPACA_BASE_URL or --url" in told
    told = inside.run("account", "--url", url, "--key", "wrong-key").complaint()
    assert "does not accept the key wron…; check key and secret (ALPACA_API_KEY_ID" in told
    assert SECRET not in told


def test_the_configured_account_is_asked_and_its_number_compared(inside: Inside, url: str) -> None:
    inside.set(ALPACA_BASE_URL=url, ALPACA_API_KEY_ID=KEY, ALPACA_API_SECRET_KEY=SECRET)
    assert json.loads(inside.run("account", "--json").out)["account"] == "rehearsal"


def test_doctor_says_whether_the_account_answers_and_may_trade(url: str) -> None:
    assert found(url) == Finding("account", fine=True, found=f"{url} answers for account rehearsal")
    perform(url, "block", field="trading_blocked", value=True)
    blocked = found(url)
    assert not blocked.fine
    assert blocked.found.endswith("account rehearsal: trading_blocked")
    assert "nothing but reductions is sent" in blocked.remedy
    wrong = found(url, ALPACA_API_SECRET_KEY="other-secret")
    assert not wrong.fine
    assert "does not accept the key" in wrong.found


def test_doctor_leaves_out_an_account_without_keys() -> None:
    assert _account(load_settings({})) == []
    assert AlpacaSettings().alpaca_api_key_id is None
