"""Metrics are named as Prometheus asks, declared once, and those of the specification exist."""

from __future__ import annotations

import re

from prometheus_client.parser import text_string_to_metric_families

from tradewright.ops import metrics
from tradewright.ops.records import tell_of_audit, watch_expiries

SPECIFIED = [
    *("asyncio_event_loop_lag_seconds", "executor_queue_depth", "executor_active_threads"),
    *("reconciliation_mismatches_total", "reconciliation_last_run_timestamp"),
    *("reconciliation_conflicts_skipped_total", "symbols_quarantined_total"),
    *("twap_slices_recovered_total", "twap_slices_skipped_parent_invalid_total"),
    *("model_shadow_validation_passed_total", "model_shadow_validation_rejected_total"),
    *("signal_feature_freshness_rejection_total", "csp_violation_total"),
    *("certificate_expiry_seconds", "rate_limit_exceeded_total", "reconciliation_latency_seconds"),
]
NAMES = {name: (kind, meaning, labels) for name, kind, meaning, labels in metrics.described()}


def value(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


def test_the_metrics_of_the_specification_exist() -> None:
    assert not set(SPECIFIED) - set(NAMES)


def test_names_and_meanings_fit() -> None:
    for name, (_, meaning, labels) in NAMES.items():
        assert re.fullmatch(r"[a-z][a-z0-9_]+", name)
        assert meaning.endswith(".")
        assert all(re.fullmatch(r"[a-z_]+", label) for label in labels)


def test_all_are_rendered_and_can_be_parsed() -> None:
    families = list(text_string_to_metric_families(metrics.render().decode()))
    shown = {family.name for family in families}
    assert {name.removesuffix("_total") for name in NAMES} <= shown
    assert "process_resident_memory_bytes" in shown


def test_what_the_audit_log_tells_is_counted() -> None:
    before = {what: value("audit_entries_total", sink=what) for what in ("database", "spool")}
    refused, late = value("audit_append_failures_total"), value("audit_reattached_entries_total")
    failed = value("audit_sink_failures_total")
    for what in ("database", "spool", "refused", "reattached", "sink_failure"):
        tell_of_audit(what, 2)
    tell_of_audit("waiting", 5)
    tell_of_audit("waiting_bytes", 700)
    assert {
        what: value("audit_entries_total", sink=what) - count for what, count in before.items()
    } == {"database": 2, "spool": 2}
    assert value("audit_append_failures_total") == refused + 2
    assert value("audit_reattached_entries_total") == late + 2
    assert value("audit_sink_failures_total") == failed + 2
    assert (value("audit_spooled_entries"), value("audit_spool_bytes")) == (5, 700)


def test_expiries_are_looked_up_when_they_are_read() -> None:
    left = [100.0]
    watch_expiries({"authority": lambda: left[0]})
    assert value("certificate_expiry_seconds", certificate="authority") == 100
    left[0] = 50
    assert value("certificate_expiry_seconds", certificate="authority") == 50
