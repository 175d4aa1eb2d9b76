"""Alerts speak of metrics that exist, lead to a runbook, and are told when they should be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT
from tests.deploy.stack import PROMETHEUS, Alert, alerts, load, program, told, unknown

SPECIFIED = {
    "order latency over 500 ms": "OrderLatencyHigh",
    "signal generation over 5 s": "SignalGenerationSlow",
    "more than 10 open orders": "OpenOrdersMany",
    "breaker tripped": "CircuitBreakerTripped",
    "kill switch engaged": "KillSwitchEngaged",
    "reconciliation latency": "ReconciliationSlow",
    "executor saturation": "ExecutorSaturated",
    "loop lag": "EventLoopLate",
    "content security policy": "CspViolations",
    "freshness": "FeaturesStale",
    "audit sink failure": "AuditSinkFailing",
    "unauthenticated rate": "UnauthenticatedRateHigh",
    "orphans, until they are cleared": "OrphanOrders",
    "gate timeout": "StartupGateTimedOut",
    "pool over 80 %": "DatabasePoolBusy",
    "certificates 30 days before they end": "CertificateExpires",
    "kill switch released": "KillSwitchReleased",
    "loss of 5 %": "DailyLoss",
    "errors over 1 %": "ErrorRateHigh",
    "clock over 50 ms": "ClockSkewed",
    "unreadable messages of the venue": "OrderOdd",
    "venue down, key revoked": "VenueUnfit",
    "log lines that cannot be read": "LogLinesBroken",
    "failed starts": "StartupFailed",
}
TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))
BY_NAME = {alert.name: alert for alert in alerts()}


def slug(heading: str) -> str:
    """The anchor of a heading."""
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


def test_what_must_be_told_is_told() -> None:
    assert set(SPECIFIED.values()) <= set(BY_NAME)
    assert len(BY_NAME) == len(alerts())


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert.name)
def test_an_alert_speaks_of_what_exists(alert: Alert) -> None:
    assert unknown(alert.expr) == set()
    assert alert.labels["severity"] in {"critical", "warning"}
    assert re.fullmatch(r"|\d+[smh]", alert.lasts)
    assert alert.annotations["summary"]


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert.name)
def test_an_alert_leads_to_the_part_of_a_runbook(alert: Alert) -> None:
    page, _, anchor = alert.annotations["runbook"].partition("#")
    text = (ROOT / page).read_text(encoding="utf-8")
    assert page.startswith("docs/runbooks/")
    assert anchor in {slug(heading) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        (
            'orders_sent_total{strategy="a"} > 1',
            {"orders_sent_total", "orders_sent_total{strategy}"},
        ),
        ('orders_submitted_total{symbol="a"}', {"orders_submitted_total{symbol}"}),
        ("sum by (symbol) (rate(orders_submitted_total[5m]))", {"by symbol"}),
        ('sum by (strategy) (rate(orders_submitted_total{strategy=~"a|b"}[5m])) > 0.5', set()),
        ("order_latency_seconds", {"order_latency_seconds"}),
        ("order_latency_seconds_count unless order_latency_seconds_count offset 10m", set()),
    ],
)
def test_a_name_or_label_that_does_not_exist_is_seen(query: str, wrong: set[str]) -> None:
    assert unknown(query) == wrong


def test_prometheus_takes_the_rules() -> None:
    said = told(program("promtool"), "check", "config", str(PROMETHEUS / "prometheus.yml"))
    assert f"{len(alerts())} rules found" in said


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_alerts_are_told_when_they_should_be(path: Path) -> None:
    told(program("promtool"), "test", "rules", str(path))


def test_every_alert_is_tried_both_ways() -> None:
    told_of, silent = set[str](), set[str]()
    for path in TESTS:
        for test in load(path)["tests"]:
            for case in test["alert_rule_test"]:
                (told_of if case["exp_alerts"] else silent).add(case["alertname"])
    assert told_of == silent == set(BY_NAME)
