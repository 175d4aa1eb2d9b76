"""The stored pages are the generated ones, and everything that a user types is documented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT
from tests.docs.generate import commands, options, pages, table
from tradewright.settings import environment_names, load_settings


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_stored_page_is_the_generated_one(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == pages()[page], "run make docs"


EXAMPLE = dict(
    re.findall(
        r"^(?:# )?([A-Z][A-Z0-9_]+)=(.*)$",
        (ROOT / ".env.example").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
)


def test_every_setting_is_in_the_example() -> None:
    assert set(EXAMPLE) == set(environment_names())


def test_the_example_shows_the_defaults(tmp_path: Path) -> None:
    nothing = tmp_path / "empty.toml"
    nothing.touch()
    shown = load_settings({name: value for name, value in EXAMPLE.items() if value}, nothing)
    defaults = load_settings({}, nothing)
    different = {
        name
        for name, default in defaults
        if default is not None and getattr(shown, name) != default
    }
    assert not different


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
