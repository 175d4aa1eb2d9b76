"""Every metric of the platform, declared once; the only home of their names and labels.

Counters are shown with the ending `_total`, as Prometheus has it, also where the name has none
here. A gauge of a state has a label, so that a process that has no such state does not show one
that reads as fine. A label may only take values from a short list that we choose: never an id, a
path as it came, or anything else that a caller can make up.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
    write_to_textfile,
)

CONTENT_TYPE: Final = "text/plain; version=1.0.0; charset=utf-8; escaping=underscores"
REGISTRY: Final = CollectorRegistry()
_QUICK: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_LAG: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_AGES: Final = (60.0, 300.0, 600.0, 900.0, 1200.0, 1440.0, 1800.0, 3600.0, 86400.0)
_LONG: Final = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)

ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)


def _counter(name: str, meaning: str, *labels: str) -> Counter:
    return Counter(name, meaning, labels, registry=REGISTRY)


def _gauge(name: str, meaning: str, *labels: str) -> Gauge:
    return Gauge(name, meaning, labels, registry=REGISTRY)


def _histogram(
    name: str, meaning: str, *labels: str, buckets: tuple[float, ...] = _QUICK
) -> Histogram:
    return Histogram(name, meaning, labels, registry=REGISTRY, buckets=buckets)


http_requests = _counter(
    "http_requests", "Requests answered, by route and status.", "service", "method", "route", "code"
)
http_request_seconds = _histogram(
    "http_request_duration_seconds", "Time to answer a request.", "service", "method", "route"
)
socket_handshakes = _counter(
    "socket_handshakes", "Sockets asked for, by route and status.", "service", "route", "code"
)
sockets_open = _gauge("sockets_open", "Sockets that are open.", "service")
socket_closes = _counter(
    "socket_closes", "Open sockets that the service closed, by code.", "service", "code"
)
http_requests_in_flight = _gauge(
    "http_requests_in_flight", "Requests that are being served.", "service"
)
http_last_resort = _counter(
    "http_unexpected_errors", "Requests answered 500 by the last resort.", "service"
)
startup_failures = _counter(
    "startup_failures",
    "Starts of a service that failed, counted on disk and shown by the next that succeeds.",
    "service",
)
configuration_reloads = _counter(
    "configuration_reloads", "Times that the settings were to be read anew, by outcome.", "outcome"
)

authentications = _counter(
    "authentications", "Callers recognised, by how they showed who they are.", "kind"
)
authentication_failures = _counter(
    "authentication_failures", "Callers refused with 401, by problem code.", "code"
)
permission_failures = _counter(
    "permission_failures", "Callers refused with 403, by the permission they lack.", "permission"
)
rate_limited = _counter(
    "rate_limit_exceeded",
    "Requests over a limit, by what was done.",
    "limit",
    "mode",
)
rate_limit_bypassed = _counter(
    "rate_limit_bypassed", "Requests that a trusted address took past a limit.", "limit"
)
limiter_unavailable = _counter(
    "rate_limiter_unavailable",
    "Requests while the limiter did not answer.",
    "limit",
    "outcome",
)
csp_violation = _counter(
    "csp_violation", "Reports of browsers on the content security policy.", "directive"
)

loop_lag = _histogram(
    "asyncio_event_loop_lag_seconds", "How late the event loop runs what is due.", buckets=_LAG
)
executor_queue_depth = _gauge("executor_queue_depth", "Calls that wait for a worker thread.")
executor_active_threads = _gauge("executor_active_threads", "Worker threads at work.")
executor_max_workers = _gauge("executor_max_workers", "Worker threads at most.")
database_connections = _gauge(
    "database_pool_connections", "Connections of the database pool, by state.", "state"
)
database_pool_limit = _gauge(
    "database_pool_limit", "Connections that the database pool has at most."
)
database_waiting = _gauge("database_pool_waiting", "Requests that wait for a database connection.")
background_tasks = _gauge("background_tasks", "Owned tasks that run, by group.", "group")
background_task_failures = _counter(
    "background_task_failures", "Owned tasks that ended with an error, by name.", "task"
)
dependency_up = _gauge("dependency_up", "1 while a dependency answers, 0 while not.", "dependency")
clock_skew = _gauge(
    "clock_skew_seconds", "How far our clock is ahead of another; behind is below 0.", "against"
)

log_lines = _counter("log_lines", "Lines logged, by level.", "level")
log_failures = _counter("log_format_failures", "Lines that could not be written as they came.")

audit_entries = _counter("audit_entries", "Audit entries recorded, by where.", "sink")
audit_refused = _counter(
    "audit_append_failures", "Actions refused since nothing could record them."
)
audit_sink_failures = _counter("audit_sink_failures", "Appends that the database did not take.")
audit_spooled = _gauge("audit_spooled_entries", "Audit entries that wait on disk for the database.")
audit_spool_bytes = _gauge("audit_spool_bytes", "Bytes of audit entries that wait on disk.")
audit_reattached = _counter("audit_reattached_entries", "Spooled entries put into the audit log.")
certificate_expiry = _gauge(
    "certificate_expiry_seconds", "Seconds until a certificate or the CRL expires.", "certificate"
)
secret_reads = _counter("secret_reads", "Secrets read, by outcome; never by name.", "outcome")

order_latency = _histogram("order_latency_seconds", "From request to the venue's answer.")
orders_submitted = _counter("orders_submitted", "Orders sent to the venue.", "strategy")
orders_refused = _counter("orders_refused", "Orders that the gate refused, by code.", "code")
order_fills = _counter("order_fills", "Executions booked.", "strategy")
open_orders = _gauge("open_orders", "Orders that work at the venue.")
gate_seconds = _histogram("gate_check_seconds", "Time that the gate took for an order.")
kill_switch_state = _gauge(
    "kill_switch_state", "0 clear, 1 engaged, -1 unreadable (which counts as engaged).", "scope"
)
circuit_breaker_state = _gauge(
    "circuit_breaker_state",
    "0 open for trading, 1 tripped, 2 quiet period, -1 unreadable.",
    "scope",
)
venue_fit = _gauge(
    "venue_fit", "1 while the venue can be relied on, 0 while only to reduce.", "venue"
)
trading_alerts = _counter("trading_alerts", "What people were told of trading, by code.", "code")
daily_pnl_fraction = _gauge(
    "daily_pnl_fraction", "Profit since the session opened, of the equity then; -0.05 is a loss."
)
startup_gate_open = _gauge(
    "startup_gate_open", "1 once start-up reconciliation let orders through, 0 before.", "service"
)
startup_gate_timeouts = _counter(
    "startup_gate_timeouts", "Start-up reconciliations that were not done in time."
)
signal_generation = _histogram(
    "signal_generation_seconds", "Time to generate signals.", buckets=_LONG
)
signal_scoring = _histogram("signal_scoring_seconds", "Time to score features with a model.")
features_checked = _counter("signal_features_checked", "Features looked at for their age.")
feature_age = _histogram(
    "signal_feature_age_seconds", "Age of the features that were scored.", buckets=_AGES
)
feature_freshness_rejections = _counter(
    "signal_feature_freshness_rejection", "Features refused as stale or missing.", "reason"
)
shadow_validation_passed = _counter(
    "model_shadow_validation_passed", "Models that passed validation in the shadow."
)
shadow_validation_rejected = _counter(
    "model_shadow_validation_rejected", "Models that validation in the shadow refused."
)
market_data_age = _gauge("market_data_age_seconds", "Age of the newest quote or bar.", "feed")

reconciliation_mismatches = _counter(
    "reconciliation_mismatches", "Differences between our book and the venue's."
)
reconciliation_last_run = _gauge(
    "reconciliation_last_run_timestamp", "When reconciliation last ended, seconds since 1970."
)
reconciliation_conflicts_skipped = _counter(
    "reconciliation_conflicts_skipped", "Repairs left undone since somebody wrote first."
)
reconciliation_seconds = _histogram(
    "reconciliation_latency_seconds", "Time that a reconciliation took.", buckets=_LONG
)
symbols_quarantined = _counter("symbols_quarantined", "Symbols put into quarantine.")
orphan_orders = _gauge("orphan_orders", "Orders at the venue that nobody here asked for.")
slices_recovered = _counter("twap_slices_recovered", "Slices that a restart took up again.")
slices_skipped_parent_invalid = _counter(
    "twap_slices_skipped_parent_invalid", "Slices left out since their parent has ended."
)
slices_orphaned = _counter("twap_slices_orphaned", "Slices whose parent is not known.")
orchestration_runs = _counter(
    "orchestration_runs", "Runs of the orchestrator, by outcome.", "outcome"
)


def render() -> bytes:
    """Return all metrics as Prometheus reads them."""
    return generate_latest(REGISTRY)


def write(path: Path) -> None:
    """Write all metrics to a file, as the node exporter's textfile collector reads them."""
    write_to_textfile(str(path), REGISTRY)


def described() -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    """Name, kind, meaning and labels of every metric that is declared here, by name."""
    found = [
        value for value in globals().values() if isinstance(value, Counter | Gauge | Histogram)
    ]
    for metric in sorted(found, key=lambda metric: metric._name):  # noqa: SLF001 - no public name
        ending = "_total" if isinstance(metric, Counter) else ""
        kind = type(metric).__name__.lower()
        yield metric._name + ending, kind, metric._documentation, metric._labelnames  # noqa: SLF001
