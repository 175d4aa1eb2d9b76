"""`tradewright exchange status`, `reset` and `faults` against an exchange that runs."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.cli.commands import Inside, Told
from tests.contracts.exchange_ground import FRIDAY, Ground, at, ground
from tests.unit.exchange.builders import KEY, SECRET
from tradewright.exchange.command_log import CommandLog, Entry

SCRIPT = """
seed = 7

[[rule]]
name = "lost reply"
match = { route = "POST /v2/orders", nth = 2 }
action = "drop_after_commit"

[[rule]]
name = "no assets"
match = { route = "GET /v2/assets*" }
action = { do = "answer", status = 503 }
"""


@pytest.fixture(scope="module")
def served_once() -> Iterator[Ground]:
    with ground() as running:
        yield running


@pytest.fixture
def market(served_once: Ground) -> Ground:
    served_once.http.delete("/rehearsal/faults")
    return served_once


@pytest.fixture
def inside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Inside:
    return Inside(tmp_path, capsys, monkeypatch)


def ask(inside: Inside, market: Ground, *words: str) -> Told:
    keys = ("--url", market.url, "--key", KEY, "--secret", SECRET)
    return inside.run("exchange", *words, *keys)


def shown(told: Told) -> str:
    """What a table says, on one line and without its rules."""
    assert (told.code, told.err) == (0, "")
    return " ".join(re.sub(r"[\u2500-\u257f]", " ", told.out).split())


def test_where_the_replay_stands(inside: Inside, market: Ground) -> None:
    market.advance(at(FRIDAY, "09:45"))
    body = ask(inside, market, "status", "--json").body()
    assert body["now"] == "2020-03-06T14:45:00Z"
    assert body["done"] is False
    table = shown(ask(inside, market, "status"))
    assert f"Exchange at {market.url}" in table
    assert "now 2020-03-06T14:45:00Z" in table


def test_a_reset_puts_it_back_to_its_first_moment(inside: Inside, market: Ground) -> None:
    begun = ask(inside, market, "reset", "--json").body()
    market.advance(at(FRIDAY, "10:00"))
    order = {"symbol": "AAA", "qty": "1", "side": "buy", "type": "market"}
    market.http.post("/v2/orders", json={**order, "time_in_force": "day"})
    market.minutes(2)
    assert market.http.get("/v2/positions").json() != []
    again = ask(inside, market, "reset", "--json").body()
    assert again["now"] == begun["now"] < "2020-03-06T14:30:00Z"
    assert market.http.get("/v2/positions").json() == []
    assert market.http.get("/v2/orders?status=all").json() == []
    assert "done no" in shown(ask(inside, market, "reset"))


def test_the_state_of_one_that_does_not_run_is_emptied(inside: Inside) -> None:
    folder = inside.folder / "state"
    log = CommandLog(folder, {"data": "three days"})
    log.append(Entry(1, at(FRIDAY, "09:45"), 0, "advance", {}))
    busy = inside.run("exchange", "reset", "--state", str(folder)).complaint()
    assert "is running" in busy
    assert len(log.path.read_bytes().rstrip(b"\0").splitlines()) == 2
    log.close()
    done = inside.run("exchange", "reset", "--state", str(folder), "--json").body()
    assert done == {"state": str(folder), "emptied": True}
    assert list(folder.iterdir()) == []
    nothing = inside.run("exchange", "reset", "--state", str(folder)).complaint()
    assert f"--state: '{folder}' holds no exchange" in nothing


def test_a_script_is_applied_listed_met_and_cleared(inside: Inside, market: Ground) -> None:
    script = inside.folder / "faults.toml"
    script.write_text(SCRIPT, encoding="utf-8")
    applied = ask(inside, market, "faults", "apply", str(script), "--json").body()
    assert applied["seed"] == 7
    assert [rule["name"] for rule in applied["rules"]] == ["lost reply", "no assets"]
    assert market.http.get("/v2/assets").status_code == 503
    table = shown(ask(inside, market, "faults", "list"))
    assert "no assets" in table
    assert "POST /v2/orders" in table
    assert "drop_after_commit 0 0" in table
    done = ask(inside, market, "faults", "log", "--json").body()["log"]
    assert (done[-1]["rule"], done[-1]["route"]) == ("no assets", "GET /v2/assets")
    assert "no assets" in shown(ask(inside, market, "faults", "log"))
    after = ["faults", "log", "--after", str(done[-1]["seq"]), "--json"]
    assert ask(inside, market, *after).body() == {"log": []}
    assert shown(ask(inside, market, "faults", "clear", "no assets")) == "cleared no assets"
    assert market.http.get("/v2/assets").status_code == 200
    assert ask(inside, market, "faults", "clear", "--json").body() == {"cleared": "all"}
    assert ask(inside, market, "faults", "list", "--json").body()["rules"] == []


def test_a_script_of_json_is_a_script_too(inside: Inside, market: Ground) -> None:
    script = inside.folder / "faults.json"
    rule = {"name": "slow", "match": {"route": "GET /v2/*"}, "action": "hang"}
    script.write_text(json.dumps({"rule": [rule]}), encoding="utf-8")
    table = shown(ask(inside, market, "faults", "apply", str(script)))
    assert "slow" in table
    assert "hang" in table


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[rule", ["is not TOML"]),
        ('[[rule]]\nname = "a"\naction = "explode"', ["rule 'a': action", "explode"]),
        ("\xff", ["UTF-8"]),
    ],
    ids=["torn", "unknown action", "no text"],
)
def test_a_wrong_script_is_refused_whole(
    inside: Inside, market: Ground, text: str, words: list[str]
) -> None:
    script = inside.folder / "faults.toml"
    script.write_bytes(text.encode("latin-1"))
    line = ask(inside, market, "faults", "apply", str(script)).complaint()
    for word in words:
        assert word in line
    assert ask(inside, market, "faults", "list", "--json").body()["rules"] == []


def test_a_script_that_is_not_there(inside: Inside, market: Ground) -> None:
    line = ask(inside, market, "faults", "apply", "nowhere.toml").complaint()
    assert "FILE: 'nowhere.toml' cannot be read" in line


def test_a_rule_that_is_not_set(inside: Inside, market: Ground) -> None:
    assert "nothing" in ask(inside, market, "faults", "clear", "nothing").complaint()


def test_other_keys_are_refused_with_the_remedy(inside: Inside, market: Ground) -> None:
    told = inside.run("exchange", "status", "--url", market.url, "--secret", "other")
    assert "does not know these keys" in told.complaint()
    assert "--secret" in told.complaint()


@pytest.mark.parametrize("command", ["status", "reset", "faults list", "faults log"])
def test_nothing_listens(inside: Inside, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    line = inside.run("exchange", *command.split(), "--url", url).complaint()
    assert f"no exchange answers at {url}" in line
    assert "tradewright exchange serve" in line


@pytest.mark.parametrize("url", ["here", "ftp://127.0.0.1", "http://[::1"])
def test_what_is_no_address(inside: Inside, url: str) -> None:
    line = inside.run("exchange", "status", "--url", url).complaint()
    assert f"--url: '{url}' is not an address" in line


class Page(BaseHTTPRequestHandler):
    """Somebody's web page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>welcome</html>")

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


def test_a_page_that_is_no_exchange(inside: Inside) -> None:
    with HTTPServer(("127.0.0.1", 0), Page) as page:
        thread = threading.Thread(target=page.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{page.server_port}"
        line = inside.run("exchange", "status", "--url", url).complaint()
        page.shutdown()
        thread.join()
    assert "is no rehearsal exchange" in line
