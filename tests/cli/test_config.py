"""`tradewright config`: what it finds wrong, what it shows and what it hides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.cli.commands import Inside
from tests.contracts.secret_servers import TOKEN, Vault, serving
from tradewright.configuration import MASK
from tradewright.settings import environment_names

SECRET = "hunter2-hunter2-hunter2-hunter2-hunter2"
PRODUCTION = {
    "ENVIRONMENT": "production",
    "DATABASE_URL": "postgresql://trader:pw@db.example.com/trader?sslmode=verify-full",
    "REDIS_URL": "rediss://:pw@cache.example.com:6379/0",
    "ALLOWED_ORIGINS": "https://console.example.com",
}


@pytest.fixture
def inside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Inside:
    return Inside(tmp_path, capsys, monkeypatch)


def wrong(inside: Inside, *options: str) -> list[str]:
    """Everything that a check finds wrong."""
    told = inside.run("config", "check", "--json", *options)
    body = json.loads(told.out)
    assert (told.code, told.err) == (0 if body["fine"] else 1, "")
    return [one["found"] for one in body["findings"] if not one["fine"]]


def shown(inside: Inside, *options: str) -> dict[str, Any]:
    told = inside.run("config", "show", "--json", *options)
    assert (told.code, told.err) == (0, "")
    body: dict[str, Any] = json.loads(told.out)
    return body


def secret_file(folder: Path, name: str, value: str, mode: int = 0o600) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(value, encoding="utf-8")
    (folder / name).chmod(mode)


def test_nothing_set_is_fit_for_development(inside: Inside) -> None:
    assert wrong(inside) == []


def test_everything_that_is_wrong_is_told_at_once(inside: Inside) -> None:
    (inside.folder / "tradewright.toml").write_text('UNKNOWN = 1\nDATABASE_POOL_MAX = "many"\n')
    inside.set(TRADEWRIGHT_FOO="1", REDIS_URL="changeme", RATE_LIMIT_ORDERS_PER_PRINCIPAL="often")
    told = "\n".join(wrong(inside))
    for words in (
        "'UNKNOWN'",
        "DATABASE_POOL_MAX",
        "TRADEWRIGHT_FOO",
        "REDIS_URL is a placeholder",
        "RATE_LIMIT_ORDERS_PER_PRINCIPAL",
    ):
        assert words in told


def test_contradictions_are_found(inside: Inside) -> None:
    inside.set(DATABASE_POOL_MIN="9", DATABASE_POOL_MAX="3")
    assert wrong(inside) == ["DATABASE_POOL_MAX is below DATABASE_POOL_MIN"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"DATABASE_URL": "postgresql://u:p@localhost/x?sslmode=verify-full"}, "this machine"),
        ({"DATABASE_URL": "postgresql://u:p@127.0.0.1/x?sslmode=verify-full"}, "this machine"),
        ({"DATABASE_URL": "postgresql://u:p@db/trader_dev?sslmode=verify-full"}, "development"),
        ({"DATABASE_URL": "postgresql://u:p@db/test?sslmode=verify-full"}, "tests"),
        ({"DATABASE_URL": "postgresql://u:p@db/trader"}, "sslmode=verify-full"),
        ({"DATABASE_URL": "postgresql://u:p@db/trader?sslmode=disable"}, "sslmode=verify-full"),
        ({"DATABASE_URL": "postgresql://postgres:p@db/t?sslmode=verify-full"}, "superuser"),
        ({"REDIS_URL": "redis://localhost:6379/0"}, "REDIS_URL leads to this machine"),
        ({"REDIS_URL": "redis://cache:6379/0"}, "REDIS_URL has no password"),
        ({"SECRETS_VALIDATION_MODE": "warn"}, "SECRETS_VALIDATION_MODE"),
        ({"RATE_LIMIT_MODE": "log_only"}, "RATE_LIMIT_MODE"),
        ({"LOG_LEVEL": "DEBUG"}, "LOG_LEVEL"),
    ],
)
def test_production_has_rules_of_its_own(
    inside: Inside, changed: dict[str, str], words: str
) -> None:
    inside.set(**PRODUCTION)
    before = [one for one in wrong(inside) if "secret" not in one]
    inside.set(**changed)
    after = [one for one in wrong(inside) if "secret" not in one]
    assert before == []
    assert len(after) == 1
    assert words in after[0]


def test_production_does_without_the_embedded_servers(inside: Inside) -> None:
    inside.set(ENVIRONMENT="production", ALLOWED_ORIGINS="https://console.example.com")
    told = "\n".join(wrong(inside))
    assert "DATABASE_URL is not set" in told
    assert "REDIS_URL is not set" in told


def test_production_needs_the_secrets_of_services(inside: Inside) -> None:
    inside.set(**PRODUCTION)
    told = "\n".join(wrong(inside))
    for name in ("INTERNAL_TOKEN_SECRET_EXECUTION", "INTERNAL_TOKEN_SECRET_AUTH"):
        assert f"{name} is missing" in told
    assert "INTERNAL_TOKEN_SECRET_EXECUTION" in "\n".join(wrong(inside, "--services"))


def test_development_asks_for_secrets_when_told_to(inside: Inside) -> None:
    assert "INTERNAL_TOKEN_SECRET_SIGNAL" in "\n".join(wrong(inside, "--services"))


@pytest.mark.parametrize(
    ("value", "mode", "words"),
    [
        ("short", 0o600, "shorter than 32"),
        ("changeme", 0o600, "placeholder"),
        ("", 0o600, None),
        (SECRET, 0o644, "open to others"),
    ],
)
def test_a_secret_that_is_there_must_be_fit(
    inside: Inside, value: str, mode: int, words: str | None
) -> None:
    folder = inside.folder / ".tradewright" / "secrets"
    secret_file(folder, "INTERNAL_TOKEN_SECRET_SIGNAL", value, mode)
    told = "\n".join(wrong(inside))
    assert "INTERNAL_TOKEN_SECRET_SIGNAL" in told
    assert (words or "missing or empty") in told
    assert SECRET not in told


def test_secrets_that_a_server_keeps_are_looked_at_there(inside: Inside) -> None:
    inside.set(SECRETS_BACKEND="vault")
    lacking, sealed = wrong(inside)
    assert lacking == "SECRETS_BACKEND is vault and VAULT_ADDR is not set"
    assert "VAULT_TOKEN is missing" in sealed
    inside.set(VAULT_ADDR="http://127.0.0.1:9", VAULT_TOKEN=TOKEN)
    (found,) = wrong(inside)
    assert "Vault at http://127.0.0.1:9 (VAULT_ADDR) cannot be read" in found
    assert TOKEN not in found
    server = Vault({"JWT_SIGNING_KEY": "changeme"})
    with serving(server):
        inside.set(VAULT_ADDR=server.url)
        assert wrong(inside) == ["the secret JWT_SIGNING_KEY is a placeholder"]
        needed = wrong(inside, "--services")
        assert any(
            "SESSION_ENCRYPTION_KEY is missing or empty in secret/trade" in n for n in needed
        )
        server.values["JWT_SIGNING_KEY"] = SECRET
        assert wrong(inside) == []


def test_where_each_value_comes_from(inside: Inside) -> None:
    (inside.folder / "tradewright.toml").write_text("DATABASE_POOL_MAX = 7\nDRY_RUN = true\n")
    secrets = inside.folder / "secrets"
    secret_file(secrets, "REDIS_URL", f"redis://:{SECRET}@cache:6379/0")
    inside.set(DRY_RUN="true", TRADEWRIGHT_SECRETS_DIR=str(secrets))
    body = shown(inside)
    assert set(body) == set(environment_names())
    assert body["DATABASE_POOL_MAX"] == {"value": 7, "from": "tradewright.toml"}
    assert body["DRY_RUN"] == {"value": True, "from": "environment"}
    assert body["MAX_POSITION_SIZE"] == {"value": "20000", "from": "default"}
    assert body["REDIS_URL"] == {"value": MASK, "from": str(secrets / "REDIS_URL")}
    assert body["DATABASE_URL"] == {"value": None, "from": "default"}


def test_secrets_are_shown_to_nobody(inside: Inside) -> None:
    inside.set(
        DATABASE_URL=f"postgresql://u:{SECRET}@h/d",
        ALPACA_API_KEY_ID="PKVISIBLE",
        ALPACA_API_SECRET_KEY=SECRET,
    )
    for options in (["show"], ["show", "--json"], ["check"], ["check", "--json"], ["schema"]):
        told = inside.run("config", *options)
        assert told.code == 0
        assert SECRET not in told.out + told.err
        assert "PKVISIBLE" not in told.out + told.err


def test_a_bad_setting_cannot_be_shown(inside: Inside) -> None:
    inside.set(DATABASE_POOL_MAX="many")
    assert "DATABASE_POOL_MAX" in inside.run("config", "show").complaint()


def test_a_file_that_cannot_be_read_is_bad_input(inside: Inside) -> None:
    (inside.folder / "bad.toml").write_text("a = ")
    assert "not TOML" in inside.run("config", "check", "--file", "bad.toml").complaint()
    assert "no such file" in inside.run("config", "check", "--file", "none.toml").complaint()


def test_schema_takes_what_is_taken_and_nothing_else(inside: Inside) -> None:
    schema = json.loads(inside.run("config", "schema").out)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert set(schema["properties"]) == set(environment_names())
    check = jsonschema.Draft202012Validator(schema)
    assert check.is_valid({"DATABASE_POOL_MAX": 7, "ENVIRONMENT": "staging"})
    assert not check.is_valid({"DATABASE_POOL_MAX": 0})
    assert not check.is_valid({"UNKNOWN": 1})


def test_connecting_asks_what_is_set(inside: Inside) -> None:
    inside.set(DATABASE_URL="postgresql://me:secret@127.0.0.1:1/x")
    assert wrong(inside) == []
    (told,) = wrong(inside, "--connect")
    assert "no PostgreSQL for database 'x' at 127.0.0.1:1" in told
