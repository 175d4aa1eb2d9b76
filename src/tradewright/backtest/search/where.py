"""Rules that a set of parameters must keep, as text: `fast < slow`, `top in (3, 5) or skip == 0`.

The text is parsed and never run: only comparisons, arithmetic, and, or, not, and the functions
abs, min and max are known, over the names of parameters. A value that reads as a number is one,
so text is compared with text in quotes.
"""

from __future__ import annotations

import ast
import operator
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from tradewright.core.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_LONGEST: Final = 500
_REMEDY: Final = (
    "write it as fast < slow; known are + - * / // %, < <= > >= == !=, in, and, or, not"
)
_COMPARE: Final[Mapping[type[ast.cmpop], Callable[[Any, Any], bool]]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}
_ARITHMETIC: Final[Mapping[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {"abs": abs, "min": min, "max": max}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: called with a set, it says whether the set keeps it.

    `fixed` are the values of parameters that are not searched.
    """

    text: str
    names: tuple[str, ...]
    fixed: tuple[tuple[str, str], ...] = ()
    _tree: ast.expr = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Parse the text.

        Raises:
            InvalidInput: It cannot be read, or names what is no parameter.
        """
        if len(self.text) > _LONGEST:
            rule = f"is longer than {_LONGEST} characters"
            raise InvalidInput("--where", f"{self.text[:40]}…", rule, "give several")
        try:
            tree = ast.parse(self.text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError) as error:
            raise InvalidInput("--where", self.text, "cannot be read", _REMEDY) from error
        known = (*self.names, *(name for name, _ in self.fixed))
        _check(tree, self.text, known)
        object.__setattr__(self, "_tree", tree)

    def __call__(self, chosen: Mapping[str, str]) -> bool:
        """Say whether a set keeps the rule.

        Raises:
            InvalidInput: It cannot be answered: text compared with a number, or division by zero.
        """
        values = {name: _value(text) for name, text in (dict(self.fixed) | dict(chosen)).items()}
        try:
            return bool(_answer(self._tree, values))
        except (TypeError, ArithmeticError) as error:
            shown = ", ".join(f"{name}={text}" for name, text in chosen.items())
            rule = f"cannot be answered for {shown}: {error}"
            raise InvalidInput("--where", self.text, rule, "write it so that it can") from error

    def __reduce__(self) -> tuple[object, ...]:
        """Copy by its text: a tree is not kept."""
        return Rule, (self.text, self.names, self.fixed)


def rules_of(
    texts: Sequence[str], names: Sequence[str], fixed: Mapping[str, str]
) -> tuple[Rule, ...]:
    """Read rules over the parameters of a search and those that are `fixed`.

    Raises:
        InvalidInput: One cannot be read, or names what is no parameter.
    """
    return tuple(Rule(text, tuple(names), tuple(fixed.items())) for text in texts)


def _check(node: ast.expr, text: str, known: Sequence[str]) -> None:
    name = _name(node)
    if name is not None:
        if name not in known:
            listed = ", ".join(known)
            rule = f"names {name}, which is no parameter here"
            raise InvalidInput("--where", text, rule, f"there are: {listed}")
        return
    for part in _parts(node, text):
        _check(part, text, known)


def _parts(node: ast.expr, text: str) -> Sequence[ast.expr]:
    match node:
        case ast.BoolOp(values=parts) | ast.Tuple(elts=parts) | ast.List(elts=parts):
            return parts
        case ast.Compare(left=left, ops=ops, comparators=rest) if all(
            type(op) in _COMPARE for op in ops
        ):
            return [left, *rest]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            return [left, right]
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            return [operand]
        case ast.Call(func=ast.Name(id=function), args=parts, keywords=[]) if (
            function in _FUNCTIONS and parts
        ):
            return parts
        case ast.Constant(value=int() | float() | str()):
            return []
    shown = ast.unparse(node)
    raise InvalidInput("--where", text, f"holds {shown!r}, which is not known", _REMEDY)


def _name(node: ast.expr) -> str | None:
    # A parameter of a strategy within a strategy has a dot in its name: of.fast.
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name(id=owner), attr=name):
            return f"{owner}.{name}"
    return None


def _answer(node: ast.expr, values: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any value
    name = _name(node)
    if name is not None:
        return values[name]
    answer: Any
    match node:
        case ast.Constant(value=value):
            answer = value
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            answer = [_answer(part, values) for part in parts]
        case ast.BoolOp(op=op, values=parts):
            decides = any if isinstance(op, ast.Or) else all
            answer = decides(_answer(part, values) for part in parts)
        case ast.UnaryOp(op=op, operand=operand):
            value = _answer(operand, values)
            answer = not value if isinstance(op, ast.Not) else -value
        case ast.BinOp(left=left, op=op, right=right):
            sides = [_numeric(_answer(side, values)) for side in (left, right)]
            answer = _ARITHMETIC[type(op)](*sides)
        case ast.Call(func=ast.Name(id=function), args=parts):
            answer = _FUNCTIONS[function](*(_answer(part, values) for part in parts))
        case ast.Compare(left=left, ops=ops, comparators=rest):
            sides = [_answer(side, values) for side in (left, *rest)]
            pairs = zip(ops, sides, sides[1:], strict=False)
            answer = all(_COMPARE[type(op)](one, other) for op, one, other in pairs)
        case _:
            raise AssertionError(ast.dump(node))
    return answer


def _numeric(value: Any) -> float:  # noqa: ANN401 - any value
    # Text times a number is text that may not fit anywhere.
    if not isinstance(value, float | int):
        what = f"{value!r} is no number"
        raise TypeError(what)
    return value


def _value(text: str) -> float | str:
    try:
        number = float(text)
    except ValueError:
        return text
    return number if isfinite(number) else text
