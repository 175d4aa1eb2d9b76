"""A strategy by what it is called: one that ships, or a class in a file of the user's own.

`./mine.py:Mine` runs the file as a program: naming it is trusting it. It is read anew for every
run, so that a change of it counts at once, and the same path may hold another rule tomorrow.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
import traceback
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tradewright.core.errors import InvalidInput
from tradewright.strategies.registry import built, strategy_of
from tradewright.strategies.strategy import Needs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import CodeType, ModuleType

    from tradewright.strategies.strategy import Strategy

# What a user's code commonly raises: all of it is told as a fault of that file.
_FAULTS: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
_REMEDY: Final = "correct it, or begin with `tradewright strategy new NAME`"


class _Fresh(SourceFileLoader):
    # Without compiled copies: they would litter the user's folder, and one of the same second
    # and size would be run in place of the file.
    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


def is_file(name: str) -> bool:
    """Say whether a strategy's name means a file, as `./mine.py` or `./mine.py:Mine`."""
    return _parted(name)[0].endswith(".py")


def named_strategy(name: str, parameters: Mapping[str, str]) -> Strategy:
    """Build the strategy of a name or a file from parameters as text.

    Raises:
        UnknownName: No such strategy, or no such parameter of it.
        InvalidInput: A parameter or the file is wrong; a file's fault is told with its line.
    """
    if not is_file(name):
        return strategy_of(name, parameters)
    path, wanted = _parted(name)
    module = _loaded(Path(path))
    kind = _class_of(module, wanted, path)
    try:
        strategy = built(kind, kind.__name__, parameters)
        facts: tuple[object, object] = (strategy.id, strategy.needs)
    except InvalidInput:
        raise
    except _FAULTS as fault:
        raise _fault(Path(path), fault) from fault
    given, needs = facts
    if not (isinstance(needs, Needs) and isinstance(given, str) and given):
        rule = f"{kind.__name__} has no id as StrategyId or no needs as Needs"
        raise InvalidInput("--strategy", path, rule, _REMEDY)
    return strategy


def _parted(name: str) -> tuple[str, str]:
    path, colon, wanted = name.rpartition(":")
    return (path, wanted) if colon and path.endswith(".py") else (name, "")


def _loaded(path: Path) -> ModuleType:
    if not path.is_file():
        raise InvalidInput("--strategy", str(path), "is not a file", "give the path of one")
    # Its place tells two files of one name apart.
    mark = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    file = str(path.resolve())
    loader = _Fresh(f"{path.stem}_{mark}", file)
    module = module_from_spec(ModuleSpec(loader.name, loader, origin=file))
    # Dataclasses look their module up while it is still being read.
    sys.modules[loader.name] = module
    try:
        loader.exec_module(module)
    except _FAULTS as fault:
        del sys.modules[loader.name]
        raise _fault(path, fault) from fault
    return module


def _class_of(module: ModuleType, wanted: str, path: str) -> type:
    kinds = {
        name: kind
        for name, kind in vars(module).items()
        if inspect.isclass(kind)
        and kind.__module__ == module.__name__
        and callable(getattr(kind, "decide", None))
    }
    if wanted in kinds:
        return kinds[wanted]
    if not wanted and len(kinds) == 1:
        return next(iter(kinds.values()))
    there = ", ".join(sorted(kinds)) or "none"
    rule = f"has no strategy {wanted}" if wanted else "does not hold exactly one strategy"
    remedy = f"name one as {path}:Name; classes with a method decide: {there}"
    raise InvalidInput("--strategy", path, rule, remedy)


def _fault(path: Path, fault: BaseException) -> InvalidInput:
    file = str(path.resolve())
    if isinstance(fault, SyntaxError) and fault.filename == file:
        line, what = fault.lineno, fault.msg
    else:
        steps = traceback.extract_tb(fault.__traceback__)
        lines = [step.lineno for step in steps if step.filename == file]
        line, what = lines[-1] if lines else None, f"{type(fault).__name__}: {fault}"
    where = f"line {line}: {what}" if line else what
    return InvalidInput("--strategy", str(path), where, _REMEDY)
