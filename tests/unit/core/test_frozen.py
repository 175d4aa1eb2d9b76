"""The vocabulary's dataclass: cheap to make, and still frozen, slotted and comparable."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, asdict, field, fields, replace
from typing import Any

import pytest

from tests.builders import a_fill, an_order, cash
from tradewright.core.errors import InvalidInput
from tradewright.core.frozen import frozen, maker


@frozen
class Point:
    x: int
    y: int = 2
    tags: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.x < 0:
            raise InvalidInput("x", self.x, "must not be negative")


def test_defaults_are_filled_in_and_factories_called_each_time() -> None:
    one, other = Point(1), Point(x=1, y=2)
    assert one == other
    assert (one.y, one.tags) == (2, [])
    assert one.tags is not other.tags


def test_a_maker_makes_what_the_class_makes() -> None:
    make = maker(Point)
    one, other = make(1), Point(1)
    assert one == other
    assert type(one) is Point
    assert make(x=1, y=3, tags=["a"]) == Point(1, 3, ["a"])
    assert one.tags is not make(1).tags
    with pytest.raises(InvalidInput):
        make(-1)
    with pytest.raises(FrozenInstanceError):
        one.x = 5  # type: ignore[misc]


@pytest.mark.parametrize("arguments", [{}, {"x": 1, "z": 2}])
def test_arguments_are_those_of_the_fields(arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        Point(**arguments)


def test_the_check_after_making_is_run() -> None:
    with pytest.raises(InvalidInput):
        Point(-1)
    with pytest.raises(InvalidInput):
        replace(Point(1), x=-1)


@pytest.mark.parametrize(
    "made", [Point(1), an_order(), a_fill(), cash(3)], ids=lambda m: str(type(m))
)
def test_nothing_can_be_changed_or_added(made: Any) -> None:
    name = fields(made)[0].name
    with pytest.raises(FrozenInstanceError):
        setattr(made, name, 5)
    with pytest.raises(FrozenInstanceError):
        delattr(made, name)
    with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
        made.something_else = 5
    assert not hasattr(made, "__dict__")


@pytest.mark.parametrize(
    "made", [an_order(limit=None), a_fill(), cash(3)], ids=lambda m: str(type(m))
)
def test_copies_of_every_kind_are_equal(made: Any) -> None:
    assert copy.deepcopy(made) == made
    assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301 - made here
    assert replace(made) == made
    assert hash(copy.copy(made)) == hash(made)


def test_it_is_a_dataclass_to_everything_that_asks() -> None:
    assert asdict(Point(1)) == {"x": 1, "y": 2, "tags": []}
    assert repr(Point(1)).endswith("Point(x=1, y=2, tags=[])")
    assert Point.__match_args__ == ("x", "y", "tags")


def test_a_field_that_is_no_argument_takes_its_default() -> None:
    @frozen
    class Counted:
        x: int
        total: int = field(init=False, default=7)
        seen: list[str] = field(init=False, default_factory=list)

    assert (Counted(1).total, Counted(1).seen) == (7, [])
    with pytest.raises(TypeError):
        Counted(1, 2)  # type: ignore[call-arg]


def test_a_field_that_is_derived_is_set_after_making() -> None:
    @frozen
    class Doubled:
        x: int
        double: int = field(init=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "double", 2 * self.x)

    assert Doubled(3).double == 6
    assert replace(Doubled(3), x=4).double == 8
