"""What the audit log and the certificates tell of themselves, as metrics and log lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tradewright.ops import metrics
from tradewright.ops.logging import logger


def tell_of_audit(what: str, count: int) -> None:
    """Count what an audit log tells, and say what somebody must know."""
    log = logger("tradewright.audit")
    match what:
        case "database" | "spool":
            metrics.audit_entries.labels(what).inc(count)
        case "refused":
            metrics.audit_refused.inc(count)
            log.critical("AUDIT_REFUSED", count=count)
        case "reattached":
            metrics.audit_reattached.inc(count)
            log.warning("AUDIT_REATTACHED", count=count)
        case "sink_failure":
            metrics.audit_sink_failures.inc(count)
            log.error("AUDIT_SINK_FAILED", count=count)
        case "waiting":
            metrics.audit_spooled.set(count)
        case "waiting_bytes":
            metrics.audit_spool_bytes.set(count)
        case _:
            log.warning("AUDIT_TOLD", what=what, count=count)


def watch_expiries(left: Mapping[str, Callable[[], float]]) -> None:
    """Let the metrics say, whenever they are read, how many seconds each certificate is good."""
    for name, seconds in left.items():
        metrics.certificate_expiry.labels(name).set_function(seconds)
