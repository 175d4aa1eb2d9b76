"""The runbooks' commands exist, and their SQL does what it says."""

from __future__ import annotations

import ast
import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.architecture.tree import ROOT, sources
from tests.docs.generate import commands
from tradewright.adapters.postgres import PostgresAuditTable, PostgresJournal, open_pool
from tradewright.core.records import Note

RUNBOOKS = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
NOTE = Note(datetime(2026, 3, 4, tzinfo=UTC), "user:anna", "login", {})


def blocks(page: Path, language: str) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", RUNBOOKS, ids=lambda page: page.stem)
def test_every_command_exists(page: Path) -> None:
    known = {name for name, _ in commands()}
    shown = re.findall(r"\btradewright ([a-z]+(?: [a-z]+)?)", page.read_text(encoding="utf-8"))
    assert shown
    for words in shown:
        first = words.split()[0]
        assert {f"tradewright {words}", f"tradewright {first}"} & known, words


def alert_codes() -> set[str]:
    """Every code of what a runner tells people, as the code says it."""
    found = set()
    for source in sources():
        for node in ast.walk(source.tree):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            first = node.args[0]
            if isinstance(first, ast.IfExp):
                given = [first.body, first.orelse]
            elif isinstance(first, ast.Name):
                given = []
            else:
                given = [first]
            if name in {"Alert", "alert", "tell"}:
                found |= {
                    one.value
                    for one in given
                    if isinstance(one, ast.Constant) and isinstance(one.value, str)
                }
    return found


def test_every_code_of_an_alert_is_explained() -> None:
    text = " ".join(page.read_text(encoding="utf-8") for page in RUNBOOKS)
    codes = alert_codes()
    assert len(codes) > 5
    assert [code for code in sorted(codes) if f"`{code}`" not in text] == []


def test_the_role_of_the_services_can_append_and_no_more(database_url: str) -> None:
    (grants,) = blocks(ROOT / "docs" / "runbooks" / "audit.md", "sql")
    role = f"trader_{abs(hash(database_url)):x}"
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
        try:
            owner.execute(re.sub(r"\btrader\b", role, grants).encode())
            as_role = make_conninfo(database_url, user=role)
            asyncio.run(append(as_role))
            for what in ("UPDATE {} SET actor = 'x'", "DELETE FROM {}", "TRUNCATE {}"):
                for table in ("audit_log", "journal"):
                    with (
                        psycopg.connect(as_role) as link,
                        pytest.raises(psycopg.errors.InsufficientPrivilege),
                    ):
                        link.execute(what.format(table).encode())
            with (
                psycopg.connect(as_role) as link,
                pytest.raises(psycopg.errors.InsufficientPrivilege),
            ):
                link.execute("ALTER TABLE audit_log DISABLE TRIGGER USER")
        finally:
            owner.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
            owner.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


async def append(url: str) -> None:
    pool = await open_pool(url, min_size=1, max_size=1)
    assert await PostgresAuditTable(pool).append({"id-1": NOTE}) == 1
    assert await PostgresJournal(pool).append([NOTE])
    await pool.close()
