"""The stored pages are the generated ones, and everything that a user types is documented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT
from tests.docs.generate import commands, options, pages, table
from tradewright.settings import environment_names


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_stored_page_is_the_generated_one(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == pages()[page], "run make docs"


def test_every_setting_is_in_the_example() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", text, re.MULTILINE)) == set(
        environment_names()
    )


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_every_command_is_in_the_readme(name: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.search(rf"{re.escape(name)}\b", readme)


def test_every_command_and_option_says_what_it_does() -> None:
    silent = [name for name, command in commands() if not command.help]
    silent += [
        f"{name} {option}"
        for name, command in commands()
        for option, meaning in options(command)
        if not meaning
    ]
    assert not silent


def test_a_table_keeps_its_columns() -> None:
    assert table(("a", "b"), iter([("x|y", "z")])) == "| a | b |\n| --- | --- |\n| x\\|y | z |"
