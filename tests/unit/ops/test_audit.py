"""Verifying the audit log a page at a time finds what verifying it at once does."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tradewright.adapters.memory import MemoryAuditTable
from tradewright.compliance.chain import AUDIT_DOMAIN, Break, Fault, Head, genesis, head
from tradewright.core.records import Note
from tradewright.ops import audit
from tradewright.ops.audit import verify_audit

AT = datetime(2026, 3, 4, 14, 30, tzinfo=UTC)
MANY = 2 * audit.PAGE + 10


@pytest.fixture
async def table() -> MemoryAuditTable:
    found = MemoryAuditTable()
    await found.append({str(n): Note(AT, "user:anna", "login", {"n": n}) for n in range(MANY)})
    return found


async def test_an_empty_log_holds() -> None:
    report = await verify_audit(MemoryAuditTable())
    assert (report.entries, report.broken, report.head) == (0, None, genesis(AUDIT_DOMAIN))


async def test_pages_are_one_chain(table: MemoryAuditTable) -> None:
    known = [head(table.entries[place]) for place in (0, audit.PAGE - 1, audit.PAGE, MANY - 1)]
    report = await verify_audit(table, known)
    assert (report.entries, report.broken) == (MANY, None)
    assert report.head == head(table.entries[-1])


@pytest.mark.parametrize("place", [0, audit.PAGE - 1, audit.PAGE, audit.PAGE + 1, MANY - 1])
async def test_a_change_is_found_on_every_page(place: int, table: MemoryAuditTable) -> None:
    table.entries[place] = replace(table.entries[place], actor="user:mallory")
    report = await verify_audit(table)
    assert report.broken == Break(place + 1, Fault.CONTENT)


@pytest.mark.parametrize("place", [1, audit.PAGE, audit.PAGE + 1, MANY])
async def test_a_rewritten_chain_is_found_by_its_head(place: int, table: MemoryAuditTable) -> None:
    report = await verify_audit(table, [Head(place, "0" * 64)])
    assert report.broken == Break(place, Fault.REWRITTEN)


@pytest.mark.parametrize("left", [0, 5, audit.PAGE, audit.PAGE + 5])
async def test_a_cut_tail_is_found_by_its_head(left: int, table: MemoryAuditTable) -> None:
    known = [head(table.entries[-1])]
    del table.entries[left:]
    report = await verify_audit(table, known)
    assert report.broken == Break(left + 1, Fault.MISSING)


async def test_gaps_are_counted() -> None:
    table = MemoryAuditTable()
    await table.append(
        {
            "a": Note(AT, "gateway", "audit.gap", {"count": 5, "intact": True}),
            "b": Note(AT, "gateway", "audit.gap", {"count": 2, "intact": False}),
        }
    )
    report = await verify_audit(table)
    assert (report.gaps, report.late, report.damaged) == (2, 7, 1)
