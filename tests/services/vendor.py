"""The vendor's OpenAPI documents: what they promise, where they are wrong, and what is served.

Answers are held to the documents as they are but for the errata below. Requests are made narrower
than they allow: a string for a symbol is a symbol here, since any other never gets past the door.
"""

from __future__ import annotations

import copy
import fnmatch
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from starlette.routing import BaseRoute, Route

FOLDER: Final = Path(__file__).parents[3] / "shared/data/alpaca-openapi"
GUIDE: Final = Path(__file__).parents[2] / "docs" / "rehearse.md"
NAMES: Final = ("trading-api", "market-data-api")
METHODS: Final = ("get", "post", "put", "patch", "delete")
_ROW: Final = re.compile(r"^\| (.*`) \| (.+) \|$", re.MULTILINE)


class Operation(NamedTuple):
    """One method of one path."""

    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"


@cache
def document(name: str) -> Mapping[str, Any]:
    """One of the vendor's documents, with its errata mended and without keys."""
    path = FOLDER / f"{name}.json"
    if not path.exists():
        why = "allowed: the vendor's OpenAPI documents are not beside the repository"
        pytest.skip(why, allow_module_level=True)
    made: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    # Keys are the exchange's own affair: every request here carries the right ones.
    made.pop("security", None)
    made["components"].pop("securitySchemes", None)
    made["servers"] = [{"url": "/"}]
    if name == "trading-api":
        _mend_trading(made)
    return made


def _mend_trading(made: dict[str, Any]) -> None:
    schemas, paths = made["components"]["schemas"], made["paths"]
    # Their `oneOf` of the two kinds cannot hold: one of them demands nothing and takes any object.
    kinds = [{"$ref": f"#/components/schemas/{kind}"} for kind in _KINDS]
    rows = {"type": "array", "items": {"anyOf": kinds}}
    for path in ("/v2/account/activities", "/v2/account/activities/{activity_type}"):
        _answer(paths[path]["get"], "200")["schema"] = rows
    # A position that cannot be closed has the refusal where the others have their order.
    closed = schemas["PositionClosedReponse"]["properties"]
    closed["body"] = {"anyOf": [closed["body"], {"$ref": "#/components/schemas/Error"}]}
    # A date-time by name, and a date in the document's own example.
    schemas["NonTradeActivities"]["properties"]["date"]["format"] = "date"
    # The class of a plain order is the empty string in the vendor's answers.
    classes = schemas["OrderClass"]["enum"]
    if "" not in classes:
        classes.append("")


_KINDS: Final = ("TradingActivities", "NonTradeActivities")


def _answer(operation: Mapping[str, Any], status: str) -> dict[str, Any]:
    found: dict[str, Any] = operation["responses"][status]["content"]["application/json"]
    return found


def operations(name: str) -> Iterator[Operation]:
    """Everything that a document describes."""
    for path, methods in document(name)["paths"].items():
        yield from (Operation(method, path) for method in METHODS if method in methods)


def served(routes: Iterable[BaseRoute]) -> set[Operation]:
    """Everything that an application answers, with the names of the paths' parts left out."""
    return {
        Operation(method.lower(), _plain(route.path))
        for route in routes
        if isinstance(route, Route)
        for method in route.methods or ()
    }


def implemented(name: str, routes: Iterable[BaseRoute]) -> list[Operation]:
    """What of a document an application answers."""
    have = served(routes)
    return [one for one in operations(name) if Operation(one.method, _plain(one.path)) in have]


def _plain(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


class LeftOut(NamedTuple):
    """A row of the guide's table of what is not served: patterns, and why."""

    patterns: tuple[str, ...]
    reason: str

    def covers(self, operation: Operation) -> bool:
        """Say whether an operation is among them."""
        return any(fnmatch.fnmatchcase(str(operation), pattern) for pattern in self.patterns)


def left_out() -> list[LeftOut]:
    """The guide's table of what is not served."""
    section = GUIDE.read_text(encoding="utf-8").partition("## Left out")[2]
    return [
        LeftOut(tuple(re.findall(r"`([^`]+)`", cell)), reason)
        for cell, reason in _ROW.findall(section)
    ]


def narrowed(made: Mapping[str, Any], known: Mapping[str, list[Any]]) -> dict[str, Any]:
    """A document whose requests take `known` values where a name says what a string means."""
    narrow: dict[str, Any] = copy.deepcopy(dict(made))
    components = narrow["components"]
    for methods in narrow["paths"].values():
        shared = methods.get("parameters", [])
        for method in METHODS:
            operation = methods.get(method, {})
            for parameter in (*shared, *operation.get("parameters", [])):
                if "$ref" in parameter:
                    named = parameter["$ref"].rpartition("/")[2]
                    parameter.update(components["parameters"][named])
                    del parameter["$ref"]
                _narrow(parameter, parameter["name"], known)
            body = operation.get("requestBody")
            if body is not None:
                content = body["content"]["application/json"]
                content.pop("examples", None)
                content["schema"] = _request(content["schema"], components["schemas"], known)
    return narrow


def _request(
    schema: Mapping[str, Any], schemas: Mapping[str, Any], known: Mapping[str, list[Any]]
) -> dict[str, Any]:
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    made: dict[str, Any] = copy.deepcopy(dict(schema))
    made["additionalProperties"] = False
    for name, inner in made.get("properties", {}).items():
        holder = {"schema": inner}
        _narrow(holder, name, known)
        made["properties"][name] = holder["schema"]
        for part, deep in inner.get("properties", {}).items():
            inside = {"schema": deep}
            _narrow(inside, part, known)
            inner["properties"][part] = inside["schema"]
    return made


def _narrow(holder: dict[str, Any], name: str, known: Mapping[str, list[Any]]) -> None:
    if name in known:
        holder["schema"] = {"enum": known[name]}
        holder.pop("example", None)
        holder.pop("examples", None)
