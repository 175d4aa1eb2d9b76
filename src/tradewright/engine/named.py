"""A strategy by what it is called: one that ships, or a class in a file of the user's own.

`./mine.py:Mine` runs the file as a program: naming it is trusting it. It is read anew for every
run, so that a change of it counts at once, and the same path may hold another rule tomorrow: a
run that is to be kept names the file's SHA-256 too, and no other text is run.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
import traceback
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class StrategyFile:
    """A file with a strategy in it, as it was when it was read; `path` is absolute."""

    path: Path
    content: bytes

    @property
    def sha256(self) -> str:
        """SHA-256 of the content, as hexadecimal digits."""
        return hashlib.sha256(self.content).hexdigest()


class _Fresh(SourceFileLoader):
    # Without compiled copies: they would litter the user's folder, and one of the same second
    # and size would be run in place of the file.
    def __init__(self, name: str, file: StrategyFile) -> None:
        super().__init__(name, str(file.path))
        self._content = file.content

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = self.source_to_code(self._content, self.get_filename(fullname))
        return code


def is_file(name: str) -> bool:
    """Say whether a strategy's name means a file, as `./mine.py` or `./mine.py:Mine`."""
    return _parted(name)[0].endswith(".py")


def strategy_file(name: str) -> StrategyFile | None:
    """Read the file that a strategy's name means, None where it means none.

    Raises:
        InvalidInput: The file is not there, or cannot be read.
    """
    return _read(Path(_parted(name)[0])) if is_file(name) else None


def named_strategy(name: str, parameters: Mapping[str, str], sha256: str = "") -> Strategy:
    """Build the strategy of a name or a file from parameters as text.

    Where `sha256` is given, a file of another content is refused.

    Raises:
        UnknownName: No such strategy, or no such parameter of it.
        InvalidInput: A parameter or the file is wrong; a file's fault is told with its line.
    """
    if not is_file(name):
        return strategy_of(name, parameters)
    path, wanted = _parted(name)
    file = _read(Path(path))
    if sha256 and file.sha256 != sha256:
        rule = f"has changed: its SHA-256 is {file.sha256[:12]} and not {sha256[:12]}"
        remedy = "run again, or give `strategy.py` of the run's folder"
        raise InvalidInput("--strategy", path, rule, remedy)
    module = _loaded(Path(path), file)
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


def _read(path: Path) -> StrategyFile:
    if not path.is_file():
        raise InvalidInput("--strategy", str(path), "is not a file", "give the path of one")
    try:
        return StrategyFile(path.resolve(), path.read_bytes())
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
        raise InvalidInput("--strategy", str(path), what, "give a file that can") from error


def _loaded(path: Path, file: StrategyFile) -> ModuleType:
    # Its place tells two files of one name apart.
    mark = hashlib.sha256(str(file.path).encode()).hexdigest()[:12]
    loader = _Fresh(f"{path.stem}_{mark}", file)
    module = module_from_spec(ModuleSpec(loader.name, loader, origin=str(file.path)))
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
