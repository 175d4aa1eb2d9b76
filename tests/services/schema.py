"""Answers held against the vendor's schema of their path, status and method."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from typing import Any
from uuid import UUID

import httpx
import jsonschema

from tests.services import vendor


def check_schema(path: str, answer: httpx.Response, method: str = "get") -> None:
    """Hold an answer of the trading API against its schema; an empty list proves nothing."""
    told = _document()["paths"][path][method]["responses"][str(answer.status_code)]
    schema = told["content"]["application/json"]["schema"]
    formats = jsonschema.FormatChecker()
    formats.checks("uuid", raises=ValueError)(_is_uuid)
    formats.checks("date-time", raises=ValueError)(_is_time)
    formats.checks("date", raises=ValueError)(_is_date)
    validator = jsonschema.Draft202012Validator(
        {**schema, "components": _document()["components"]}, format_checker=formats
    )
    body = answer.json()
    assert body != []
    errors = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(body)]
    assert not errors, errors


@cache
def _document() -> Mapping[str, Any]:
    return dict(_as_json_schema(vendor.document("trading-api")))


def _as_json_schema(node: Any) -> Any:
    """OpenAPI 3.0 says `nullable` where JSON Schema says a type of null."""
    if isinstance(node, list):
        return [_as_json_schema(item) for item in node]
    if not isinstance(node, Mapping):
        return node
    made = {key: _as_json_schema(value) for key, value in node.items()}
    if made.pop("nullable", False) is True and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
        if "enum" in made:
            made["enum"] = [*made["enum"], None]
    return made


def _is_uuid(text: object) -> bool:
    return not isinstance(text, str) or str(UUID(text)) == text


def _is_time(text: object) -> bool:
    return not isinstance(text, str) or datetime.fromisoformat(text).tzinfo is not None


def _is_date(text: object) -> bool:
    return not isinstance(text, str) or date.fromisoformat(text).isoformat() == text
