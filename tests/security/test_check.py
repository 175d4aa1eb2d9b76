"""The secret scan sees what is planted, and its exceptions are all still needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.security.check import EXCEPTIONS, FORMS, GUESSES, ROOT, secrets_in

PLANTED = {
    "aws": "key = 'AKIA" + "IOSFODNN7ABCDEFG'",
    "private key": "-----BEGIN " + "RSA PRIVATE KEY-----",
    "token": "x = 'eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiJhbm5hIn0.c2lnbmF0dXJlc2ln'",
    "slack": "https://hooks.slack.com/services/T0000000A/B0000000A/" + "X" * 24,
}


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_secret_is_seen(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(f"{PLANTED[kind]}\n", encoding="utf-8")
    assert [one.line for one in secrets_in([path], FORMS)] == [1]


@pytest.mark.parametrize(
    "text", ["password = 'hunter2" + "hunter2'\n", "postgresql://trader:" + "hunter2@db/x\n"]
)
def test_a_password_in_code_is_seen(text: str, tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(text, encoding="utf-8")
    assert list(secrets_in([path], GUESSES))


def test_names_and_templates_are_no_secrets(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text("password = settings.password\ntoken = '${TOKEN}'\n", encoding="utf-8")
    assert not list(secrets_in([path], FORMS + GUESSES))


@pytest.mark.parametrize("path", sorted({path for path, _ in EXCEPTIONS}))
def test_every_exception_is_still_needed(path: str) -> None:
    found = {one.mark for one in secrets_in([ROOT / path], FORMS + GUESSES)}
    assert {mark for name, mark in EXCEPTIONS if name == path} <= found
