"""The rules of the house that can be read off a syntax tree, each a pure function.

A rule takes one source file and yields a sentence for every violation. The limits are alarms, not
aims, and no file is exempt.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

MODULE_LINES = 500
BODY_LINES = 60
PARAMETERS = 8
PUBLIC_METHODS = 12
PACKAGE_MODULES = 16

# fmt: off
BANNED_WORDS = frozenset({
    "manager", "managers", "helper", "helpers", "util", "utils", "handler", "handlers",
    "processor", "processors", "service", "factory", "wrapper", "wrappers", "base", "impl",
    "abstract", "unified", "enhanced", "advanced", "simple", "new", "old", "legacy", "v2",
    "common", "misc",
})
# fmt: on
BANNED_FILES = BANNED_WORDS | {"shared", "types", "lib"}

# The runner's outermost loop journals, engages the kill switch and stops; the web applications
# answer 500.
CATCH_ALL = frozenset({"engine/runner.py", "exchange/app.py", "services/entrance.py"})

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|V2")
_UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
_NUMBERED = re.compile(r"\bTODO\b.*#\d+")


@dataclass(frozen=True, slots=True)
class Source:
    """One module: its path below the package, its text and its tree."""

    path: str
    text: str

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def is_init(self) -> bool:
        return Path(self.path).name == "__init__.py"


Rule = Callable[[Source], Iterator[str]]
Function = ast.FunctionDef | ast.AsyncFunctionDef


def _functions(tree: ast.AST) -> Iterator[Function]:
    return (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


def _classes(tree: ast.AST) -> Iterator[ast.ClassDef]:
    return (n for n in ast.walk(tree) if isinstance(n, ast.ClassDef))


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    match body:
        case [ast.Expr(value=ast.Constant(value=str())), *rest]:
            return rest
        case _:
            return body


def _last_names(node: ast.AST | None) -> Iterator[str]:
    """The last parts of the dotted names in an expression: `a.b` and `(c, d)` give b, c, d."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            yield name
        case ast.Tuple(elts=parts):
            for part in parts:
                yield from _last_names(part)
        case ast.Subscript(value=value) | ast.Call(func=value):
            yield from _last_names(value)
        case _:
            return


def module_size(source: Source) -> Iterator[str]:
    lines = len(source.text.splitlines())
    if lines > MODULE_LINES:
        yield f"{source.path}: {lines} lines, at most {MODULE_LINES}"


def body_size(source: Source) -> Iterator[str]:
    for function in _functions(source.tree):
        body = _without_docstring(function.body)
        lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
        if lines > BODY_LINES:
            yield f"{source.path}:{function.lineno} {function.name}: body of {lines} lines"


def parameter_count(source: Source) -> Iterator[str]:
    for function in _functions(source.tree):
        given = function.args
        names = [a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
        count = len([name for name in names if name not in {"self", "cls"}])
        if count > PARAMETERS:
            yield f"{source.path}:{function.lineno} {function.name}: {count} parameters"


def public_methods(source: Source) -> Iterator[str]:
    for owner in _classes(source.tree):
        # A property and its setter are one name.
        names = {
            n.name
            for n in owner.body
            if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) and not n.name.startswith("_")
        }
        if len(names) > PUBLIC_METHODS:
            yield f"{source.path}:{owner.lineno} {owner.name}: {len(names)} public methods"


def init_has_names_only(source: Source) -> Iterator[str]:
    if not source.is_init:
        return
    for node in _without_docstring(source.tree.body):
        match node:
            case ast.Import() | ast.ImportFrom():
                continue
            case ast.Assign(targets=[ast.Name(id="__all__" | "__version__")]):
                continue
            case ast.If() if _imports_lazily(node):
                continue
            case _:
                yield f"{source.path}:{node.lineno}: only imports, __all__ and __version__"


def _imports_lazily(node: ast.If) -> bool:
    imports = all(isinstance(each, ast.ImportFrom) for each in node.body)
    rest = [ast.unparse(each) for each in node.orelse]
    loads = rest == ["__getattr__, __dir__ = lazily(__name__, __file__)"]
    return imports and loads and ast.unparse(node.test) == "TYPE_CHECKING"


def banned_names(source: Source) -> Iterator[str]:
    for part in Path(source.path).with_suffix("").parts:
        banned = BANNED_FILES.intersection(part.lower().split("_"))
        if banned:
            yield f"{source.path}: named {', '.join(sorted(banned))}"
    for owner in _classes(source.tree):
        words = [word.lower() for word in _WORD.findall(owner.name)]
        # What is about our services may say so first: ServiceClient; a RiskService may not be.
        said = words[1:] if words[:1] == ["service"] and len(words) > 1 else words
        banned = BANNED_WORDS.intersection(said)
        if owner.name.lower().endswith("v2"):
            banned |= {"v2"}
        if banned:
            yield f"{source.path}:{owner.lineno} class {owner.name}: {', '.join(sorted(banned))}"


def gate_alone_approves(source: Source) -> Iterator[str]:
    if source.path == "risk/gate.py":
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and "Approved" in _last_names(node.func):
            yield f"{source.path}:{node.lineno}: only risk/gate.py makes an Approved"


def broad_except(source: Source) -> Iterator[str]:
    found = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler):
            caught = set(_last_names(node.type))
            reraises = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
            everything = node.type is None or "Exception" in caught
            if everything or ("BaseException" in caught and not reraises):
                found.append(node.lineno)
        elif isinstance(node, ast.Call) and "suppress" in _last_names(node.func):
            caught = {name for argument in node.args for name in _last_names(argument)}
            if caught & {"Exception", "BaseException"}:
                found.append(node.lineno)
    for line in found[1:] if source.path in CATCH_ALL else found:
        yield f"{source.path}:{line}: catches everything"


def silent_except(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler) and all(_is_nothing(n) for n in node.body):
            yield f"{source.path}:{node.lineno}: a handler must act"


def _is_nothing(node: ast.stmt) -> bool:
    return isinstance(node, ast.Pass) or (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and node.value.value is ...
    )


def stub(source: Source) -> Iterator[str]:
    """Bodies of nothing, outside a Protocol, and NotImplementedError anywhere."""
    tree = source.tree
    declared = {
        id(function)
        for owner in _classes(tree)
        if "Protocol" in (name for parent in owner.bases for name in _last_names(parent))
        for function in _functions(owner)
    }
    for function in _functions(tree):
        decorators = {name for d in function.decorator_list for name in _last_names(d)}
        if id(function) in declared or decorators & {"overload", "abstractmethod"}:
            continue
        body = _without_docstring(function.body)
        if body and all(_is_nothing(node) for node in body):
            yield f"{source.path}:{function.lineno} {function.name}: is a stub"
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == "NotImplementedError":
            yield f"{source.path}:{node.lineno}: NotImplementedError"


def wildcard_import(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            yield f"{source.path}:{node.lineno}: imports *"


def unnumbered_todo(source: Source) -> Iterator[str]:
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        unfinished = token.type == tokenize.COMMENT and _UNFINISHED.search(token.string)
        if unfinished and not _NUMBERED.search(token.string):
            yield f"{source.path}:{token.start[0]}: TODO needs an issue number"


def missing_docstring(source: Source) -> Iterator[str]:
    if not ast.get_docstring(source.tree):
        yield f"{source.path}: module without docstring"
    yield from _undocumented(source.path, source.tree)


def _undocumented(path: str, owner: ast.Module | ast.ClassDef) -> Iterator[str]:
    for node in owner.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if node.name.startswith("_"):
            continue
        decorators = {name for d in node.decorator_list for name in _last_names(d)}
        if not ast.get_docstring(node) and not decorators & {"overload", "override", "setter"}:
            yield f"{path}:{node.lineno} {node.name}: public, without docstring"
        if isinstance(node, ast.ClassDef):
            yield from _undocumented(path, node)


RULES: tuple[Rule, ...] = (
    module_size,
    body_size,
    parameter_count,
    public_methods,
    init_has_names_only,
    banned_names,
    gate_alone_approves,
    broad_except,
    silent_except,
    stub,
    wildcard_import,
    unnumbered_todo,
    missing_docstring,
)
