"""The page of security names every code that the doors refuse with, every header and secret."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.tree import ROOT, sources
from tradewright.adapters.tokens import SIGNING_KEY, VERIFICATION_KEYS
from tradewright.bootstrap.logins import SEALING_KEY
from tradewright.core.access import SERVICE_PERMISSIONS, Role
from tradewright.services.limits import Limit
from tradewright.wire import signing

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
PLACES = {"NotAuthenticated": 0, "NotPermitted": 2}


def refusal_codes() -> Iterator[str]:
    """Every code that is written where a refusal at a door is made."""
    for source in sources():
        for node in ast.walk(source.tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            place = PLACES.get(node.func.id)
            if place is None or source.path.startswith(("client/", "core/")):
                continue
            given = [*node.args[place : place + 1], *(k.value for k in node.keywords)]
            for value in given:
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield value.value


@pytest.mark.parametrize("code", sorted(set(refusal_codes())))
def test_code_is_explained(code: str) -> None:
    assert f"`{code}`" in PAGE


NAMES = [
    *signing.SIGNING_HEADERS,
    *(signing.CSRF_HEADER, signing.IDEMPOTENCY_HEADER, signing.SESSION_COOKIE),
    *(signing.SECRET_PREFIX, SIGNING_KEY, VERIFICATION_KEYS, SEALING_KEY),
    *SERVICE_PERMISSIONS,
    *Role,
]


@pytest.mark.parametrize("name", NAMES)
def test_name_is_explained(name: str) -> None:
    assert name in PAGE


@pytest.mark.parametrize("limit", Limit)
def test_limit_is_explained(limit: Limit) -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ")]
    assert any(limit.value in line.split("|")[1] for line in rows)


def test_numbers_are_the_ones_in_force() -> None:
    assert f"{signing.TOLERANCE_SECONDS} s from the service's clock" in PAGE
    assert f"remembered for {signing.NONCE_TTL_SECONDS} s" in PAGE
    assert f"1 to {signing.MAX_NONCE_LENGTH} letters" in PAGE
    assert f"at least {signing.MIN_SECRET_LENGTH} random characters" in PAGE
