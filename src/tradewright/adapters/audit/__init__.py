"""The audit log as services use it: to the database, else to a spool on disk, else refused."""

from __future__ import annotations

from tradewright.adapters.audit.log import AbsentAuditTable, AuditPatience, DurableAuditLog
from tradewright.adapters.audit.spool import AuditSpool, total_waiting

__all__ = [
    "AbsentAuditTable",
    "AuditPatience",
    "AuditSpool",
    "DurableAuditLog",
    "total_waiting",
]
