"""`frozen`: the dataclass of the vocabulary, frozen and slotted, and cheap to make.

A frozen dataclass sets each field through `object.__setattr__`, which costs more than all else
that happens to a short-lived event. Here an instance is filled while it is still of a twin
class without that guard, and becomes frozen before anyone sees it: about four times faster for
eight fields. Everything else is the standard library's dataclass.

Calling a class takes a detour through its metaclass that a call of a function does not; `maker`
gives the function. It is for the few places that every bar or every order comes through.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, dataclass_transform

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import Field

_Class = TypeVar("_Class", bound=type)
_Arguments = ParamSpec("_Arguments")
_Made = TypeVar("_Made")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: _Class) -> _Class:
    """Make a class a frozen, slotted dataclass; `__post_init__` and defaults work as usual."""
    made: Any = dataclass(frozen=True, slots=True)(cls)
    made.__new__ = _function(made, "__new__", "cls")
    del made.__init__
    made.__reduce__ = _reduce
    result: _Class = made
    return result


def maker(cls: Callable[_Arguments, _Made]) -> Callable[_Arguments, _Made]:
    """Return a function that makes the same of the same arguments as calling a `frozen` class."""
    made: Any = cls
    result: Callable[_Arguments, _Made] = _function(made, f"make_{made.__name__}")
    return result


def _function(made: Any, name: str, *before: str) -> Any:  # noqa: ANN401 - generated code
    twin = type(f"_{made.__name__}", (), {"__slots__": made.__slots__})
    names: dict[str, Any] = {"cls": made, "_twin": twin, "_absent": object()}
    parameters = list(before)
    lines = ["self = _twin()"]
    for each in fields(made):
        value = _value(each, names)
        if each.init:
            parameters.append(_parameter(each, names))
        if value:
            lines.append(f"self.{each.name} = {value}")
    lines.append("self.__class__ = cls")
    if hasattr(made, "__post_init__"):
        lines.append("self.__post_init__()")
    lines.append("return self")
    body = "\n    ".join(lines)
    exec(f"def {name}({', '.join(parameters)}):\n    {body}\n", names)  # noqa: S102  # nosec B102
    function = names[name]
    function.__qualname__ = f"{made.__qualname__}.{name}"
    function.__doc__ = f"Make a {made.__name__}."
    return function


def _parameter(each: Field[Any], names: dict[str, Any]) -> str:
    if each.default is not MISSING:
        names[f"_default_{each.name}"] = each.default
        return f"{each.name}=_default_{each.name}"
    if each.default_factory is not MISSING:
        return f"{each.name}=_absent"
    return each.name


def _value(each: Field[Any], names: dict[str, Any]) -> str:
    if each.default_factory is not MISSING:
        names[f"_make_{each.name}"] = each.default_factory
        made = f"_make_{each.name}()"
        # `_absent` is the mark of an argument that was not given.
        return f"{made} if {each.name} is _absent else {each.name}" if each.init else made
    if each.init:
        return each.name
    if each.default is MISSING:
        return ""
    names[f"_default_{each.name}"] = each.default
    return f"_default_{each.name}"


def _reduce(self: Any) -> tuple[object, ...]:  # noqa: ANN401 - any frozen instance
    return type(self), tuple(getattr(self, each.name) for each in fields(self) if each.init)
