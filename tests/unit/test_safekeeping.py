"""Where secrets are kept: which settings contradict each other, and what is wired of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts.secret_servers import ROLE_ID, SECRET_ID, TOKEN, Aws, Vault, serving
from tradewright.bootstrap import make_missing_keys, rotate_signing_key, secret_store
from tradewright.bootstrap.secrets import secrets_check
from tradewright.configuration import Settings
from tradewright.core.errors import ConfigError
from tradewright.ops.health import NotWell
from tradewright.settings import load_settings

NAME, HIDDEN = "JWT_SIGNING_KEY", "kept-by-a-server"
VAULT = {"SECRETS_BACKEND": "vault", "VAULT_ADDR": "https://vault.example.com:8200"}
AWS = {"SECRETS_BACKEND": "aws", "AWS_REGION": "eu-west-1"}


def settings_of(folder: Path, **given: str) -> Settings:
    nothing = folder / "empty.toml"
    nothing.touch()
    return load_settings({"TRADEWRIGHT_STATE_DIR": str(folder), **given}, nothing)


def put(folder: Path, **values: str) -> None:
    secrets = folder / "secrets"
    secrets.mkdir(mode=0o700, exist_ok=True)
    for name, value in values.items():
        (secrets / name).write_text(value, encoding="utf-8")
        (secrets / name).chmod(0o600)


@pytest.mark.parametrize("given", [{}, VAULT, AWS, VAULT | {"VAULT_ADDR": "http://127.0.0.1:8200"}])
def test_what_fits_together(tmp_path: Path, given: dict[str, str]) -> None:
    backend = given.get("SECRETS_BACKEND", "folder")
    assert settings_of(tmp_path, **given).secrets_backend == backend


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"SECRETS_BACKEND": "drawer"}, "SECRETS_BACKEND"),
        ({"SECRETS_BACKEND": "vault"}, "VAULT_ADDR is not set"),
        ({"SECRETS_BACKEND": "aws"}, "AWS_REGION is not set"),
        ({"VAULT_ROLE_ID": ROLE_ID}, "VAULT_ROLE_ID is set and SECRETS_BACKEND is folder"),
        (VAULT | {"VAULT_ADDR": "http://vault.example.com"}, "VAULT_ADDR is not an https"),
        (VAULT | {"VAULT_ADDR": "vault.example.com"}, "VAULT_ADDR is not an https"),
        ({"VAULT_ADDR": f"https://me:{HIDDEN}@vault.example.com"}, "VAULT_ADDR holds more"),
        (VAULT | {"VAULT_ADDR": "https://vault.example.com/?a"}, "VAULT_ADDR holds more"),
        (AWS | {"AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://x.example.com"}, "is not an https"),
        (VAULT | {"SECRETS_TIMEOUT_SECONDS": "20", "SECRETS_CACHE_SECONDS": "30"}, "half"),
        (VAULT | {"SECRETS_CACHE_SECONDS": "0"}, "SECRETS_CACHE_SECONDS"),
    ],
)
def test_what_contradicts_itself_refuses_to_start(
    tmp_path: Path, given: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        settings_of(tmp_path, **given)
    assert HIDDEN not in str(refused.value)


@pytest.mark.parametrize("role", [True, False])
def test_vault_is_opened_by_what_this_machine_keeps(tmp_path: Path, *, role: bool) -> None:
    server = Vault({NAME: HIDDEN})
    learnt: list[str] = []
    put(tmp_path, VAULT_TOKEN=TOKEN, VAULT_SECRET_ID=SECRET_ID, JWT_SIGNING_KEY="of the folder")
    with serving(server):
        more = {"VAULT_ROLE_ID": ROLE_ID} if role else {}
        settings = settings_of(tmp_path, **VAULT | {"VAULT_ADDR": server.url}, **more)
        store = secret_store(settings, learnt.append)
        # What a server keeps is read there alone.
        assert (store.get(NAME), store.names()) == (HIDDEN, [NAME])
        with pytest.raises(ConfigError, match="VAULT_TOKEN is missing"):
            store.get("VAULT_TOKEN")
    assert set(learnt) == {HIDDEN, SECRET_ID if role else TOKEN}


def test_aws_is_opened_by_what_this_machine_keeps(tmp_path: Path) -> None:
    server = Aws({NAME: HIDDEN})
    learnt: list[str] = []
    put(tmp_path, AWS_ACCESS_KEY_ID=server.key_id, AWS_SECRET_ACCESS_KEY="wJalrXUtnFEMI")
    with serving(server):
        given = AWS | {"AWS_ENDPOINT_URL_SECRETS_MANAGER": server.url}
        assert secret_store(settings_of(tmp_path, **given), learnt.append).get(NAME) == HIDDEN
    assert {HIDDEN, "wJalrXUtnFEMI"} <= set(learnt)


def test_the_environment_alone_reads_no_folder(tmp_path: Path) -> None:
    put(tmp_path, JWT_SIGNING_KEY="of the folder")
    assert secret_store(settings_of(tmp_path)).get(NAME) == "of the folder"
    alone = settings_of(tmp_path, SECRETS_BACKEND="environment")
    with pytest.raises(ConfigError, match="missing or empty in the environment"):
        secret_store(alone).get(NAME)


def test_keys_are_made_only_where_they_are_read(tmp_path: Path) -> None:
    server = Vault({NAME: HIDDEN})
    put(tmp_path, VAULT_TOKEN=TOKEN, JWT_SIGNING_KEY=HIDDEN)
    with serving(server):
        settings = settings_of(tmp_path, **VAULT | {"VAULT_ADDR": server.url})
        store = secret_store(settings)
        with pytest.raises(ConfigError, match=r"not in vault.*SESSION_ENCRYPTION_KEY"):
            make_missing_keys(settings, store)
        with pytest.raises(ConfigError, match="is kept in vault; rotate it where it is kept"):
            rotate_signing_key(settings)
    assert {path.name for path in (tmp_path / "secrets").iterdir()} == {"VAULT_TOKEN", NAME}


async def test_health_tells_of_a_server_that_does_not_answer(tmp_path: Path) -> None:
    assert secrets_check(settings_of(tmp_path), secret_store(settings_of(tmp_path))) == ()
    server = Vault({NAME: HIDDEN})
    put(tmp_path, VAULT_TOKEN=TOKEN)
    with serving(server):
        settings = settings_of(tmp_path, **VAULT | {"VAULT_ADDR": server.url})
        (check,) = secrets_check(settings, secret_store(settings))
        await check.probe()
    (check,) = secrets_check(settings, secret_store(settings))
    with pytest.raises(NotWell) as told:
        await check.probe()
    assert TOKEN not in str(told.value)
