"""The page on rehearsing: what it shows is run and parsed, and what it names exists."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.architecture.tree import ROOT
from tests.docs.generate import commands
from tradewright.exchange.faults.kinds import KINDS, MATCH
from tradewright.exchange.faults.script import read_toml

PAGE: Final = (ROOT / "docs" / "rehearse.md").read_text(encoding="utf-8")
HERE: Final = "http://127.0.0.1:8010"
SOON: Final = 60.0


def blocks(language: str) -> list[str]:
    """The page's blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def address() -> Iterator[str]:
    """An exchange that was started as the page says, but for its port."""
    words = shlex.split(blocks("sh")[0].replace("--port 8010", "--port 0"))
    process = subprocess.Popen(
        [sys.executable, "-m", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate(timeout=SOON)[1]
        yield json.loads(line)["listening"]
    finally:
        process.kill()
        process.communicate(timeout=SOON)


def test_the_examples_run_one_after_the_other(address: str, tmp_path: Path) -> None:
    script = tmp_path / "bot.py"
    script.write_text("\n".join(blocks("python")).replace(HERE, address), encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", str(script)],
        capture_output=True,
        text=True,
        timeout=SOON,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    submitted, filled, close = ran.stdout.splitlines()
    assert submitted.startswith("OrderStatus.ACCEPTED")
    assert submitted.endswith("False")
    assert filled == "OrderStatus.FILLED 10"
    assert float(close) > 0


def test_the_first_example_has_ten_lines() -> None:
    assert len([line for line in blocks("python")[0].splitlines() if line]) <= 10


@pytest.mark.parametrize("script", blocks("toml"))
def test_every_script_can_be_applied(script: str) -> None:
    assert read_toml(script).rules


def test_every_action_and_no_other_is_on_the_page() -> None:
    table = PAGE.partition("| situation | action |")[2].partition("\n\n")[0]
    named = {
        word
        for row in table.splitlines()
        for word in re.findall(r"`(\w+)`", row.rpartition("|")[0].rpartition("|")[2])
    }
    assert named == set(KINDS)


def test_every_word_of_a_match_is_on_the_page() -> None:
    silent = [word for word in MATCH if not re.search(rf"`{word}`", PAGE)]
    assert not silent


def test_every_command_that_is_shown_exists() -> None:
    known = {name for name, _ in commands()}
    for block in blocks("sh"):
        for line in block.splitlines():
            words = [word for word in line.split() if word.isalpha()]
            assert any(" ".join(words[:count]) in known for count in (3, 4)), line


def test_it_is_linked_from_the_readme() -> None:
    assert "(docs/rehearse.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
