"""Reading the whole audit log a page at a time, to say whether its chain holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tradewright.compliance.chain import AUDIT_DOMAIN, Break, Fault, Head, genesis, head, verify

if TYPE_CHECKING:
    from tradewright.core.records import JournalEntry
    from tradewright.ports import AuditTable

GAP: Final = "audit.gap"
PAGE: Final = 2_000


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What a verification found: entries read, those told late, and the first break."""

    entries: int
    gaps: int
    late: int
    damaged: int
    head: Head
    broken: Break | None


async def verify_audit(table: AuditTable, known: Sequence[Head] = ()) -> AuditReport:
    """Verify the chain from its start, against heads that were noted elsewhere.

    Raises:
        SafetyError: The table does not answer.
    """
    last = genesis(AUDIT_DOMAIN)
    entries = gaps = late = damaged = 0
    broken: Break | None = None
    while broken is None and (page := await table.since(last.seq, PAGE)):
        stop = page[-1].seq
        here = [noted for noted in known if last.seq <= noted.seq <= stop]
        broken = verify(page, after=last, known=here, domain=AUDIT_DOMAIN)
        entries += len(page)
        told = [entry for entry in page if entry.kind == GAP]
        gaps += len(told)
        late += sum(_count(entry) for entry in told)
        damaged += sum(1 for entry in told if entry.body.get("intact") is not True)
        last = head(page[-1])
    if broken is None and any(noted.seq > last.seq for noted in known):
        broken = Break(last.seq + 1, Fault.MISSING)
    return AuditReport(entries, gaps, late, damaged, last, broken)


def _count(entry: JournalEntry) -> int:
    count = entry.body.get("count")
    return count if isinstance(count, int) else 0
