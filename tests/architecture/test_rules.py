"""The tree keeps the rules of the house, and each rule catches its violation."""

from __future__ import annotations

import pytest

from tests.architecture import rules
from tests.architecture.rules import RULES, Rule, Source
from tests.architecture.tree import PACKAGE, sources

SOURCES = sources()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_tree_keeps_the_rule(rule: Rule) -> None:
    violations = [sentence for source in SOURCES for sentence in rule(source)]
    assert not violations, "\n".join(violations)


def test_packages_hold_few_modules() -> None:
    crowded = {
        folder.relative_to(PACKAGE).as_posix(): count
        for folder in {path.parent for path in PACKAGE.rglob("*.py")}
        if (count := len([p for p in folder.glob("*.py") if p.name != "__init__.py"]))
        > rules.PACKAGE_MODULES
    }
    assert not crowded


def lines(count: int, indent: str = "") -> str:
    return "".join(f"{indent}a{n} = {n}\n" for n in range(count))


LAZY = (
    "if TYPE_CHECKING:\n    from a import b\n"
    "else:\n    __getattr__, __dir__ = lazily(__name__, __file__)"
)
BROKEN: list[tuple[Rule, str, str]] = [
    (rules.module_size, "core/a.py", lines(501)),
    (rules.body_size, "core/a.py", "def f():\n    '''Doc.'''\n" + lines(61, "    ")),
    (rules.body_size, "core/a.py", "class A:\n    async def f(self):\n" + lines(61, " " * 8)),
    (rules.parameter_count, "core/a.py", "def f(a, b, c, d, e, /, f, *, g, h, i): return a"),
    (
        rules.public_methods,
        "core/a.py",
        "class A:\n" + "".join(f"    def f{n}(self): return 1\n" for n in range(13)),
    ),
    (rules.init_has_names_only, "core/__init__.py", "'''Doc.'''\nX = 1"),
    (rules.init_has_names_only, "core/__init__.py", "def f(): return 1"),
    (rules.init_has_names_only, "core/__init__.py", "if TYPE_CHECKING:\n    from a import b"),
    (
        rules.init_has_names_only,
        "core/__init__.py",
        LAZY.replace("else:", "else:\n    X = 1"),
    ),
    (rules.banned_names, "core/order_helpers.py", ""),
    (rules.banned_names, "utils/text.py", ""),
    (rules.banned_names, "core/types.py", ""),
    (rules.banned_names, "core/a.py", "class OrderManager: x = 1"),
    (rules.banned_names, "core/a.py", "class BaseBroker: x = 1"),
    (rules.banned_names, "core/a.py", "class RiskService: x = 1"),
    (rules.banned_names, "core/a.py", "class Service: x = 1"),
    (rules.banned_names, "core/a.py", "class BrokerV2: x = 1"),
    (rules.gate_alone_approves, "execution/desk.py", "x = Approved(order)"),
    (rules.gate_alone_approves, "execution/desk.py", "x = decisions.Approved(order)"),
    (rules.broad_except, "core/a.py", "try:\n    f()\nexcept Exception:\n    g()"),
    (rules.broad_except, "core/a.py", "try:\n    f()\nexcept (ValueError, Exception):\n    g()"),
    (rules.broad_except, "core/a.py", "try:\n    f()\nexcept:\n    g()"),
    (rules.broad_except, "core/a.py", "try:\n    f()\nexcept BaseException:\n    g()"),
    (rules.broad_except, "core/a.py", "with contextlib.suppress(Exception):\n    f()"),
    (
        rules.broad_except,
        "engine/runner.py",
        "try:\n    f()\nexcept Exception:\n    g()\ntry:\n    f()\nexcept Exception:\n    g()",
    ),
    (rules.silent_except, "core/a.py", "try:\n    f()\nexcept ValueError:\n    pass"),
    (rules.stub, "core/a.py", "def f():\n    '''Doc.'''\n    pass"),
    (rules.stub, "core/a.py", "class A:\n    def f(self): ..."),
    (rules.stub, "core/a.py", "def f():\n    raise NotImplementedError"),
    (rules.wildcard_import, "core/a.py", "from math import *"),
    (rules.unnumbered_todo, "core/a.py", "x = 1  # TODO: later"),
    (rules.unnumbered_todo, "core/a.py", "x = 1  # FIXME"),
    (rules.missing_docstring, "core/a.py", "x = 1"),
    (rules.missing_docstring, "core/a.py", "'''Doc.'''\ndef f(): return 1"),
    (rules.missing_docstring, "core/a.py", "'''Doc.'''\nclass A:\n    x = 1"),
    (
        rules.missing_docstring,
        "core/a.py",
        "'''Doc.'''\nclass A:\n    '''Doc.'''\n    async def f(self): return 1",
    ),
]

KEPT: list[tuple[Rule, str, str]] = [
    (rules.module_size, "core/a.py", lines(500)),
    (rules.body_size, "core/a.py", "def f():\n    '''Doc.'''\n" + lines(60, "    ")),
    (rules.parameter_count, "core/a.py", "def f(self, a, b, c, d, e, f, g, h): return a"),
    (rules.init_has_names_only, "__init__.py", "from a import b\n__all__ = ['b']"),
    (rules.init_has_names_only, "__init__.py", LAZY),
    (rules.banned_names, "data/news.py", "class Threshold: x = 1"),
    (rules.banned_names, "client.py", "class ServiceClient: x = 1"),
    (rules.gate_alone_approves, "risk/gate.py", "x = Approved(order)"),
    (rules.broad_except, "engine/runner.py", "try:\n    f()\nexcept Exception:\n    g()"),
    (rules.broad_except, "core/a.py", "try:\n    f()\nexcept BaseException:\n    g()\n    raise"),
    (rules.stub, "ports.py", "class Clock(Protocol):\n    def now(self): ..."),
    (rules.unnumbered_todo, "core/a.py", "x = 1  # TODO: faster, see #12"),
    (rules.missing_docstring, "core/a.py", "'''Doc.'''\ndef _f(): return 1"),
]


@pytest.mark.parametrize(("rule", "path", "text"), BROKEN)
def test_rule_catches_its_violation(rule: Rule, path: str, text: str) -> None:
    assert list(rule(Source(path, text)))


@pytest.mark.parametrize(("rule", "path", "text"), KEPT)
def test_rule_lets_good_code_pass(rule: Rule, path: str, text: str) -> None:
    assert not list(rule(Source(path, text)))


def test_every_rule_is_shown_to_catch_something() -> None:
    assert {rule for rule, _, _ in BROKEN} == set(RULES)
