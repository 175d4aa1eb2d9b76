"""Packages whose names are imported when they are first used."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest


@pytest.mark.parametrize("package", ["tradewright", "tradewright.bootstrap"])
def test_every_name_of_a_package_is_there(package: str) -> None:
    module = importlib.import_module(package)
    for name in module.__all__:
        assert getattr(module, name) is getattr(module, name)
    assert set(module.__all__) - {"__version__"} == set(dir(module))


@pytest.mark.parametrize("package", ["tradewright", "tradewright.bootstrap"])
def test_a_name_that_is_not_there_is_named(package: str) -> None:
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nothing'"):
        importlib.import_module(package).nothing  # noqa: B018 - it raises


def test_one_name_does_not_load_the_others() -> None:
    program = (
        "import sys\nfrom tradewright import Timeframe\n"
        "print(Timeframe.__name__, 'tradewright.backtest' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["Timeframe", "False"]
