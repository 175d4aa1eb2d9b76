"""Strategies by name and by file, and what is said of a file that is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tradewright.core.errors import InvalidInput, UnknownName
from tradewright.engine.named import is_file, named_strategy, strategy_file
from tradewright.strategies.momentum import Momentum

MINE = """\
from __future__ import annotations

from dataclasses import dataclass, field

from tradewright import MarketView, Needs, StrategyId, Target


@dataclass(frozen=True, slots=True)
class Mine:
    share: float = 0.5
    id: StrategyId = field(default=StrategyId("mine"))

    @property
    def needs(self) -> Needs:
        return Needs()

    def decide(self, view: MarketView) -> list[Target]:
        return []
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(MINE, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["./a.py", "a.py:A", "/x/y.py:A", "C.py"])
def test_what_ends_in_py_is_a_file(name: str) -> None:
    assert is_file(name)
    assert not is_file(name.replace(".py", ""))


def test_a_name_without_a_file_is_one_that_ships() -> None:
    built = named_strategy("momentum", {"top": "5"})
    assert isinstance(built, Momentum)
    assert built.top == 5
    with pytest.raises(UnknownName, match="'martingale' is not known"):
        named_strategy("martingale", {})


def test_a_class_in_a_file_is_built_with_its_parameters(mine: Path) -> None:
    for name in (f"{mine}:Mine", str(mine)):
        built: Any = named_strategy(name, {"share": "0.25"})
        assert (type(built).__name__, built.share, built.id) == ("Mine", 0.25, "mine")
    with pytest.raises(UnknownName, match="Mine parameter: 'botom' is not known; choose one of"):
        named_strategy(str(mine), {"botom": "1"})


def test_a_file_that_has_changed_is_read_again(mine: Path) -> None:
    assert named_strategy(str(mine), {}).id == "mine"
    mine.write_text(MINE.replace('"mine"', '"ours"'), encoding="utf-8")
    assert named_strategy(str(mine), {}).id == "ours"
    assert [path.name for path in mine.parent.iterdir()] == ["mine.py"]


def test_a_file_of_another_text_than_named_is_not_run(mine: Path) -> None:
    file = strategy_file(f"{mine}:Mine")
    assert file is not None
    assert (file.path, file.content) == (mine.resolve(), MINE.encode())
    assert strategy_file("momentum") is None
    assert named_strategy(str(mine), {}, file.sha256).id == "mine"
    mine.write_text("raise SystemExit\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match="has changed: its SHA-256 is"):
        named_strategy(str(mine), {}, file.sha256)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MINE + "x = 1 / 0\n", "line 19: ZeroDivisionError: division by zero"),
        (MINE + "def (\n", "line 19: invalid syntax"),
        (MINE.replace("import MarketView", "import Marketview"), "line 5: ImportError: cannot"),
        (MINE + "import nothing_of_that_name\n", "line 19: ModuleNotFoundError"),
        (MINE.replace("return Needs()", "return nothing"), "line 15: NameError: name 'nothing'"),
        (MINE.replace("return Needs()", "return 3"), "Mine has no id as StrategyId or no needs"),
        (MINE.replace("class Mine", "class Other"), "has no strategy Mine.*decide: Other"),
        ("x = 1\n", "has no strategy Mine.*decide: none"),
    ],
)
def test_a_fault_of_a_file_names_it_and_the_line(mine: Path, text: str, said: str) -> None:
    mine.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput, match=said) as refused:
        named_strategy(f"{mine}:Mine", {})
    assert str(mine) in str(refused.value)


def test_a_file_of_two_strategies_wants_a_name(mine: Path) -> None:
    two = MINE + MINE.split("\n\n\n")[1].replace("class Mine", "class Ours")
    mine.write_text(two, encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"does not hold exactly one strategy.*Mine, Ours"):
        named_strategy(str(mine), {})
    assert type(named_strategy(f"{mine}:Ours", {})).__name__ == "Ours"


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is not a file"):
        named_strategy(str(tmp_path / "none.py"), {})
