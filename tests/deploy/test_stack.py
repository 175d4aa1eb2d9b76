"""The stack around the services: targets, labels, places, and no default password."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.stack import DEPLOY, alerts, load, program, told
from tradewright.services.catalog import CATALOG, PORTS

COMPOSE: dict[str, Any] = load(DEPLOY / "compose.yml")["services"]
ALERTMANAGER = DEPLOY / "alertmanager" / "alertmanager.yml"
PLACES = {"prometheus": "9090", "grafana": "3000", "loki": "3100"}
LABELLED = {
    "signal": "signal_service",
    "execution": "execution_gateway",
    "market_data": "market_data_service",
    "auth": "auth_service",
    "console": "web_console",
    "orchestrator": "orchestrator",
}


def test_every_service_is_a_target() -> None:
    targets = {
        one["labels"]["service"]: one["targets"]
        for one in load(DEPLOY / "prometheus" / "targets" / "services.yml")
    }
    assert targets == {name: [f"127.0.0.1:{PORTS[name]}"] for name in CATALOG}


def test_the_stack_has_its_names_and_listens_on_this_machine_alone() -> None:
    assert {one["container_name"] for one in COMPOSE.values()} >= {
        f"trading_platform_{name}" for name in ("prometheus", "grafana", "loki", "promtail")
    }
    for name, one in COMPOSE.items():
        assert one["network_mode"] == "host", name
        assert "ports" not in one
        assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+", one["image"]), name
    assert (
        f"--web.listen-address=127.0.0.1:{PLACES['prometheus']}" in COMPOSE["prometheus"]["command"]
    )
    assert "--web.listen-address=127.0.0.1:9093" in COMPOSE["alertmanager"]["command"]
    grafana = COMPOSE["grafana"]["environment"]
    assert (grafana["GF_SERVER_HTTP_ADDR"], grafana["GF_SERVER_HTTP_PORT"]) == (
        "127.0.0.1",
        PLACES["grafana"],
    )
    for path in ("loki/loki.yml", "promtail/promtail.yml"):
        assert load(DEPLOY / path)["server"]["http_listen_address"] == "127.0.0.1"
    assert load(DEPLOY / "loki" / "loki.yml")["server"]["http_listen_port"] == int(PLACES["loki"])


def test_there_is_no_default_password() -> None:
    password = COMPOSE["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD"]
    assert password.startswith("${GRAFANA_PASSWORD:?")
    assert COMPOSE["grafana"]["environment"]["GF_AUTH_ANONYMOUS_ENABLED"] == "false"


def test_what_is_mounted_is_there() -> None:
    mounted = [volume for one in COMPOSE.values() for volume in one["volumes"]]
    ours = [volume.split(":")[0] for volume in mounted if volume.startswith("./")]
    assert ours
    assert [path for path in ours if not (DEPLOY / path).is_dir()] == []
    named = {volume.split(":")[0] for volume in mounted if re.match(r"[a-z]+:", volume)}
    assert named == set(load(DEPLOY / "compose.yml")["volumes"])


def test_logs_have_few_labels() -> None:
    (job,) = load(DEPLOY / "promtail" / "promtail.yml")["scrape_configs"]
    (static,) = job["static_configs"]
    assert static["labels"] == {
        "job": "trading_platform",
        "__path__": "/var/log/tradewright/*.log",
    }
    labels = {name for stage in job["pipeline_stages"] for name in stage.get("labels", {})}
    assert labels == {"service", "level"}
    (renamed,) = [s["template"]["template"] for s in job["pipeline_stages"] if "template" in s]
    pairs = dict(re.findall(r'eq \.Value "(\w+)" }}(\w+){{', re.sub(r"\s+", " ", renamed)))
    assert pairs == {ours: theirs for ours, theirs in LABELLED.items() if ours != theirs}
    assert set(CATALOG) <= set(LABELLED)


def test_the_alertmanager_takes_its_configuration() -> None:
    assert "SUCCESS" in told(program("amtool"), "check-config", str(ALERTMANAGER))


@pytest.mark.parametrize(("severity", "receiver"), [("critical", "pager"), ("warning", "warnings")])
def test_severity_decides_who_is_told(severity: str, receiver: str) -> None:
    asked = ["config", "routes", "test", f"--config.file={ALERTMANAGER}", f"severity={severity}"]
    assert receiver in told(program("amtool"), *asked).split()


def test_what_is_silenced_by_something_worse_exists() -> None:
    named = set()
    for rule in load(ALERTMANAGER)["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            named |= set(re.findall(r"[A-Za-z]+", matcher.partition("=")[2].replace("~", "")))
    assert named <= {alert.name for alert in alerts()}


def test_the_key_of_the_pager_is_a_file() -> None:
    for receiver in load(ALERTMANAGER)["receivers"]:
        for pager in receiver["pagerduty_configs"]:
            assert pager["routing_key_file"] == "/run/secrets/pagerduty_routing_key"
            assert "routing_key" not in pager


@pytest.mark.parametrize(("key", "code"), [("", 1), ("k" * 32, 0)])
def test_without_a_key_nothing_pretends_to_page(tmp_path: Path, key: str, code: int) -> None:
    file = tmp_path / "key"
    file.write_text(key)
    shell, flag, script, name = COMPOSE["alertmanager"]["entrypoint"]
    here = script.replace("/run/secrets/pagerduty_routing_key", str(file)).replace("$$", "$")
    told = subprocess.run(
        [shell, flag, here.replace("/bin/alertmanager", "echo"), name, "--started"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == code
    assert ("--started" in told.stdout) is (code == 0)
