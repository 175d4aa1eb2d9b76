"""The papers are short, complete, and point at things that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.tree import PACKAGE, ROOT, contracts

DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
ARCHITECTURE_LINES = 300
ADR_LINES = 60
MARKDOWN_SHARE = 0.2


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    targets = [link for link in LINK.findall(text_of(page)) if "://" not in link]
    assert not [target for target in targets if not (page.parent / target).exists()]


def test_decisions_are_numbered_short_and_complete() -> None:
    pages = sorted((DOCS / "adr").iterdir())
    assert [page.name[:5] for page in pages] == [f"{n:04}-" for n in range(1, len(pages) + 1)]
    for page in pages:
        text = text_of(page)
        assert len(text.splitlines()) <= ADR_LINES, page.name
        assert text.startswith(f"# {page.name[:4]} ")
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert headings == ["Question", "Choice", "What it costs"], page.name


def test_architecture_is_one_sitting() -> None:
    assert len(text_of(DOCS / "architecture.md").splitlines()) <= ARCHITECTURE_LINES


def test_architecture_names_every_contract() -> None:
    rows = re.findall(r"^\| ([\w-]+) \|", text_of(DOCS / "architecture.md"), re.MULTILINE)
    assert set(contracts()) <= set(rows)


def test_papers_are_few_for_the_code() -> None:
    papers = sum(len(text_of(page).splitlines()) for page in PAGES)
    code = sum(len(text_of(path).splitlines()) for path in PACKAGE.rglob("*.py"))
    assert papers <= MARKDOWN_SHARE * code
