"""The catalogue of commands says what the commands say of themselves, and loads nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tradewright.cli.catalog import COMMANDS, loaded

HEAVY = ("numpy", "polars", "httpx", "sqlalchemy", "psycopg", "redis", "plotly", "starlette")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_the_whole_is_that_of_each_command(name: str) -> None:
    command = loaded(name)
    first = (command.help or "").strip().split("\n\n")[0]
    assert (command.name, " ".join(first.split())) == (name, COMMANDS[name].said)


@pytest.mark.parametrize("argument", ["--version", "--help"])
def test_what_needs_no_command_loads_none(argument: str) -> None:
    program = (
        "import sys\n"
        "from tradewright.cli.main import main\n"
        "try:\n    main([sys.argv[1]])\n"
        "except SystemExit:\n    pass\n"
        "print('loaded:', *sorted(sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, argument], capture_output=True, text=True, check=True
    )
    modules = done.stdout.rpartition("loaded:")[2].split()
    assert "tradewright.cli.main" in modules
    assert not {module.partition(".")[0] for module in modules} & set(HEAVY)


def test_a_misspelt_command_is_told_what_it_is_like() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tradewright", "backtset"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "Did you mean 'backtest'?" in " ".join(done.stderr.split())
