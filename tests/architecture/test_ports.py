"""Every implementation of a port has all of it, and every port has a fake that is shipped."""

from __future__ import annotations

import importlib
import inspect
from typing import Protocol

import pytest

from tests.architecture.tree import RUN_BY_ALEMBIC, module_name, sources
from tradewright import ports

PORTS: dict[str, type] = {
    name: value
    for name, value in inspect.getmembers(ports, inspect.isclass)
    if value.__module__ == ports.__name__ and getattr(value, "_is_protocol", False)
}
# A clock needs no adapter: core.clock has the real one and the fake.
FAKED = sorted(set(PORTS) - {"Clock"})


def promised(port: type) -> dict[str, list[str]]:
    """The public methods of a port, each with its parameters."""
    return {
        name: list(inspect.signature(method).parameters)
        for name, method in inspect.getmembers(port, inspect.isfunction)
        if not name.startswith("_")
    }


def lacking(part: type, port: type) -> list[str]:
    """The methods of `port` that `part` lacks, or takes with other parameters."""
    return [
        name
        for name, parameters in promised(port).items()
        if not callable(method := getattr(part, name, None))
        or list(inspect.signature(method).parameters)[: len(parameters)] != parameters
    ]


def classes(package: str) -> list[type]:
    """The public classes that a module or the modules of a package define."""
    names = [name for source in sources() if (name := module_name(source)) not in RUN_BY_ALEMBIC]
    modules = [importlib.import_module(name) for name in names if f"{name}.".startswith(package)]
    return [
        value
        for module in modules
        for name, value in inspect.getmembers(module, inspect.isclass)
        if value.__module__ == module.__name__ and not name.startswith("_")
    ]


def test_all_abstract_methods_implemented() -> None:
    found = {
        f"{part.__module__}.{part.__name__}": missing
        for part in classes("tradewright.adapters.")
        for name, port in PORTS.items()
        if part.__name__.endswith(name) and (missing := lacking(part, port))
    }
    assert not found


@pytest.mark.parametrize("name", FAKED)
def test_port_has_a_fake(name: str) -> None:
    fakes = [p for p in classes("tradewright.adapters.memory.") if not lacking(p, PORTS[name])]
    assert fakes


def test_a_missing_method_is_seen() -> None:
    class Port(Protocol):
        def read(self, key: str) -> str: ...
        def write(self, key: str) -> None: ...

    class Part:
        def read(self, name: str) -> str:
            return name

    assert lacking(Part, Port) == ["read", "write"]
