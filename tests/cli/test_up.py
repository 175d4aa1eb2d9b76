"""`serve`, `up`, `status`, `logs` and `down` as a user runs them, and what they leave behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.commands import LONG, Running, Watch, family, left_in, run, watched
from tradewright.adapters.embedded.process import wait_until
from tradewright.bootstrap import load_settings, make_missing_keys, secret_store

STATE = ".tradewright"


@pytest.fixture
def folder(server_ground: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder in which logins have their keys, and where nothing may run afterwards."""
    place = server_ground / f"up-{abs(hash(request.node.nodeid)):x}"
    place.mkdir(mode=0o755)
    settings = load_settings({"TRADEWRIGHT_STATE_DIR": str(place / STATE)}, _nothing(place))
    make_missing_keys(settings, secret_store(settings))
    yield place
    assert wait_until(lambda: not left_in(place), 20), left_in(place)


def _nothing(place: Path) -> Path:
    path = place / "nothing.toml"
    path.touch()
    return path


def note(folder: Path) -> dict[str, Any]:
    path = folder / STATE / "up.json"
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def brought_up(folder: Path) -> Running:
    """Services in the foreground, once they are ready."""
    command = Running(folder, "up", "--any-port", "--json")
    assert wait_until(lambda: bool(note(folder).get("ready")), LONG)
    return command


def url_of(folder: Path) -> str:
    return str(note(folder)["members"][0]["url"])


def test_services_in_the_background_are_shown_read_and_stopped(folder: Path) -> None:
    started = run(folder, "up", "auth", "--any-port", "--detach", "--json")
    assert started.code == 0, started
    services = json.loads(started.out)["services"]
    assert set(services) == {"auth"}
    url = services["auth"]["url"]
    assert httpx.get(f"{url}/health", trust_env=False).json()["service"] == "auth"

    standing = run(folder, "status", "--json").body()
    assert standing["healthy"] is True
    assert standing["services"]["auth"]["url"] == url
    assert "healthy" in run(folder, "status").out

    again = run(folder, "up", "auth", "--detach")
    assert again.code == 2
    assert "already run" in again.err
    assert run(folder, "up").complaint().startswith("error: services already run")

    lines = [json.loads(line) for line in run(folder, "logs", "auth", "--json").out.splitlines()]
    assert any(line["message"] == "the service is up" for line in lines)
    shown = run(folder, "logs", "-n", "5").out
    assert "auth" in shown
    assert "the service is up" in shown

    assert run(folder, "down", "--json").body() == {"stopped": ["auth"]}
    assert "no services run" in run(folder, "status").complaint()
    assert "no services run" in run(folder, "down").complaint()


def test_settings_are_read_anew_by_command_and_by_signal(folder: Path) -> None:
    command = brought_up(folder)
    file = folder / "tradewright.toml"
    assert run(folder, "config", "reload", "--json").body() == {
        "reloaded": True,
        "services": {"auth": {"changed": {}}},
    }
    file.write_text('RATE_LIMIT_LOGINS = "5/minute"\nMAX_BODY_BYTES = 2048\n')
    told = run(folder, "config", "reload")
    assert (told.code, told.err) == (0, "")
    assert "RATE_LIMIT_LOGINS: 30/minute, now 5/minute" in told.out

    file.write_text('AUTH_ISSUER = "other"\n')
    told = run(folder, "config", "reload", "auth")
    assert told.code == 1
    assert "keeps its settings: AUTH_ISSUER" in told.out
    assert "choose one of: auth" in run(folder, "config", "reload", "nobody").complaint()

    file.write_text("MAX_BODY_BYTES = 4096\n")
    os.kill(note(folder)["members"][0]["pid"], signal.SIGHUP)
    log = folder / STATE / "logs" / "auth.log"
    assert wait_until(lambda: '"actor":"signal:SIGHUP"' in log.read_text(encoding="utf-8"), 20)
    file.write_text("MAX_BODY_BYTES = 10\n")
    os.kill(note(folder)["members"][0]["pid"], signal.SIGHUP)
    assert wait_until(lambda: "the settings in force stay" in last_line(log), 20)

    command.signal(signal.SIGINT)
    assert command.end().code == 0
    file.unlink()
    assert "no services run" in run(folder, "config", "reload").complaint()


def last_line(log: Path) -> str:
    """The last lines of a log."""
    return "".join(log.read_text(encoding="utf-8").splitlines()[-3:])


def test_ctrl_c_stops_all_with_success(folder: Path) -> None:
    watched()
    command = brought_up(folder)
    everyone = Watch(family(command.pid))
    assert len(everyone) >= 4
    groups = {os.getpgid(pid) for pid in (command.pid, note(folder)["members"][0]["pid"])}
    assert groups == {command.pid}
    command.signal(signal.SIGINT, group=True)
    told = command.end()
    assert (told.code, told.err) == (0, "")
    assert set(json.loads(told.out)["services"]) == {"auth"}
    assert everyone.left(5) == []
    assert not note(folder)


def test_nothing_is_left_when_the_leader_is_killed(folder: Path) -> None:
    watched()
    command = brought_up(folder)
    everyone = Watch(family(command.pid))
    command.signal(signal.SIGKILL)
    assert command.end().code == -signal.SIGKILL
    assert everyone.left(20) == []
    assert "no services run" in run(folder, "status").complaint()


def test_a_service_that_dies_stops_the_others_and_is_named(folder: Path) -> None:
    command = brought_up(folder)
    os.kill(note(folder)["members"][0]["pid"], signal.SIGKILL)
    told = command.end()
    assert told.code == 1
    assert told.err.startswith("error: auth: has ended")


def test_without_its_keys_a_service_says_what_it_needs(server_ground: Path) -> None:
    place = server_ground / "up-without-keys"
    place.mkdir(mode=0o755)
    told = run(place, "up", "--any-port", "--json")
    assert told.code == 2
    for words in ("auth did not start", "JWT_SIGNING_KEY", "SESSION_ENCRYPTION_KEY", "auth init"):
        assert words in told.err
    assert not left_in(place)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serve", "nobody"], "choose one of: auth"),
        (["serve", "auth", "--port", "70000"], "--port"),
        (["up", "nobody"], "choose one of: auth"),
        (["logs", "nobody"], "has no log"),
        (["status"], "no services run"),
        (["down"], "no services run"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path: Path, arguments: list[str], words: str) -> None:
    assert words in run(tmp_path, *arguments).complaint()


def test_a_service_by_itself_says_where_it_listens_and_ends_in_time(folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tradewright", "serve", "auth", "--port", "0"],
        cwd=folder,
        env={"PATH": os.defpath, "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    url = json.loads(process.stdout.readline())["listening"]
    assert httpx.get(f"{url}/ready", trust_env=False).status_code in {200, 503}
    process.terminate()
    _, log = process.communicate(timeout=10)
    assert process.returncode == 0
    lines = [json.loads(line) for line in log.splitlines()]
    assert lines
    assert all(line["service"] == "auth" for line in lines)
    assert any(line["message"] == "the service has stopped" for line in lines)


def test_a_service_whose_database_is_gone_says_so_in_one_line(folder: Path) -> None:
    gone = {"DATABASE_URL": "postgresql://u:p@127.0.0.1:1/x", "REDIS_URL": "redis://127.0.0.1:1/0"}
    told = run(folder, "serve", "auth", "--port", "0", settings=gone)
    assert told.code == 2
    assert told.out == ""
    (line,) = [line for line in told.err.splitlines() if line.startswith("error: ")]
    assert "no PostgreSQL" in line
    assert "Traceback" not in told.err
