"""The one reader of environment and TOML: one frozen tree, read once, all errors at once.

A value in the environment wins over `tradewright.toml`. Unknown keys, placeholders and
contradictions refuse to start. Unset DATABASE_URL and REDIS_URL mean the embedded databases.
"""

from __future__ import annotations

import os
import re
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from tradewright.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIG_FILE: Final = "tradewright.toml"
LIVE_HOST: Final = "api.alpaca.markets"
PAPER_HOST: Final = "https://paper-api.alpaca.markets"
_PREFIX: Final = "TRADEWRIGHT_"
_PLACEHOLDERS: Final = frozenset(
    {"", "replace_me", "your_api_key", "todo", "changeme", "default", "placeholder"}
    | {"example", "test_key"}
)
_ENVIRONMENTS: Final = {"dev": "development", "test": "testing", "prod": "production"}


def _environment(value: object) -> object:
    return _ENVIRONMENTS.get(value, value) if isinstance(value, str) else value


def _symbols(value: object) -> object:
    return tuple(re.findall(r"[^,\s]+", value)) if isinstance(value, str) else value


class Settings(BaseModel):
    """Every setting, with its environment name as alias."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    environment: Annotated[
        Literal["development", "testing", "staging", "production"], BeforeValidator(_environment)
    ] = Field("development", alias="ENVIRONMENT", description="Where this runs.")
    state_dir: Path = Field(
        Path(".tradewright"),
        alias="TRADEWRIGHT_STATE_DIR",
        description="Folder of the embedded databases and of imported market data.",
    )
    runs_dir: Path = Field(
        Path("runs"), alias="TRADEWRIGHT_RUNS_DIR", description="Folder of run folders."
    )
    database_url: SecretStr | None = Field(
        None, alias="DATABASE_URL", description="PostgreSQL; unset means the embedded server."
    )
    redis_url: SecretStr | None = Field(
        None, alias="REDIS_URL", description="Redis; unset means the embedded server."
    )
    database_pool_min: int = Field(
        5, ge=1, alias="DATABASE_POOL_MIN", description="Connections kept open."
    )
    database_pool_max: int = Field(
        20, ge=1, alias="DATABASE_POOL_MAX", description="Connections at most."
    )
    database_timeout_seconds: float = Field(
        30.0, gt=0, alias="DATABASE_TIMEOUT_SECONDS", description="Wait for a connection at most."
    )
    alpaca_api_key_id: SecretStr | None = Field(
        None, alias="ALPACA_API_KEY_ID", description="The broker's key id."
    )
    alpaca_api_secret_key: SecretStr | None = Field(
        None, alias="ALPACA_API_SECRET_KEY", description="The broker's secret key."
    )
    alpaca_base_url: str = Field(
        PAPER_HOST, alias="ALPACA_BASE_URL", description="The broker's host; paper by default."
    )
    dry_run: bool = Field(
        default=True,
        alias="DRY_RUN",
        description="True wires the rehearsal exchange in the place of the account.",
    )
    live_trading_confirm: str = Field(
        "", alias="LIVE_TRADING_CONFIRM", description="The account number, to trade real money."
    )
    max_position_size: Decimal = Field(
        Decimal(20000), gt=0, alias="MAX_POSITION_SIZE", description="US dollars a name at most."
    )
    max_position_shares: Decimal | None = Field(
        None, gt=0, alias="MAX_POSITION_SHARES", description="Shares a name at most; unset: any."
    )
    paper_run_symbols: Annotated[tuple[str, ...], BeforeValidator(_symbols)] = Field(
        ("AAPL", "MSFT", "GOOGL"),
        min_length=1,
        alias="PAPER_RUN_SYMBOLS",
        description="Symbols of `tradewright paper-run`.",
    )
    paper_run_capital: Decimal = Field(
        Decimal(100000), gt=0, alias="PAPER_RUN_CAPITAL", description="US dollars to start with."
    )
    paper_run_max_position_size: Decimal = Field(
        Decimal(20000),
        gt=0,
        alias="PAPER_RUN_MAX_POSITION_SIZE",
        description="US dollars a name at most in `tradewright paper-run`.",
    )


ALIASES: Final[Mapping[str, str]] = {
    "APCA_API_KEY_ID": "ALPACA_API_KEY_ID",
    "ALPACA_API_KEY": "ALPACA_API_KEY_ID",
    "APCA_API_SECRET_KEY": "ALPACA_API_SECRET_KEY",
    "ALPACA_SECRET_KEY": "ALPACA_API_SECRET_KEY",
}
"""Other names that are read: the vendor's own."""
_ALIASES_OF: Final = {
    canonical: tuple(alias for alias, other in ALIASES.items() if other == canonical)
    for canonical in (str(field.alias) for field in Settings.model_fields.values())
}


def environment_names() -> dict[str, str]:
    """Return each setting's environment name and its one-line description."""
    return {str(field.alias): str(field.description) for field in Settings.model_fields.values()}


def load_settings(environ: Mapping[str, str] | None = None, file: Path | None = None) -> Settings:
    """Read the settings once; all that is wrong is told in one ConfigError.

    Raises:
        ConfigError: An unknown name, a value that does not fit, a placeholder, a contradiction,
            or a file that cannot be read.
    """
    given = dict(os.environ if environ is None else environ)
    known = environment_names()
    wrong: list[str] = []
    values = _from_file(file or Path(CONFIG_FILE), required=file is not None)
    strangers = sorted(set(values) - set(known))
    wrong += [f"unknown setting {name!r} in {file or CONFIG_FILE}" for name in strangers]
    for name, value in given.items():
        canonical = ALIASES.get(name, name)
        if canonical in known:
            others = {n: given[n] for n in _ALIASES_OF[canonical] if n in given}
            if name in ALIASES and canonical in given:
                continue
            if len(set(others.values())) > 1 and canonical not in given and name == min(others):
                wrong.append(f"{' and '.join(sorted(others))} differ")
            values[canonical] = value
        elif name.startswith(_PREFIX):
            wrong.append(f"unknown setting {name!r} in the environment")
    values = {name: value for name, value in values.items() if name in known}
    secrets = [n for n in values if n.endswith(("_KEY", "_KEY_ID", "_URL", "_CONFIRM"))]
    for name in secrets:
        if str(values[name]).strip().lower() in _PLACEHOLDERS:
            wrong.append(f"{name} is a placeholder or blank")
            del values[name]
    settings = _validated(values, wrong)
    wrong += _contradictions(settings) if settings else []
    if wrong or settings is None:
        remedy = "correct or remove it; `.env.example` lists every setting"
        raise ConfigError("; ".join(wrong), remedy)
    return settings


def _from_file(path: Path, *, required: bool) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if required:
            raise ConfigError(f"{path}: no such file", "give the path of a TOML file") from None
        return {}
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}", "put a file there that can be read"
        ) from None
    except UnicodeDecodeError as error:
        what = f"{path}: byte {error.start} is not UTF-8"
        raise ConfigError(what, "save the file as UTF-8") from error
    try:
        return dict(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}", "correct the line named") from error


def _validated(values: Mapping[str, Any], wrong: list[str]) -> Settings | None:
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        wrong += [
            f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        ]
        return None


def _address(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
        # A dot at the end of a host name leads to the same host.
        return parts.scheme, (parts.hostname or "").removesuffix(".")
    except ValueError:
        return "", ""


def _contradictions(settings: Settings) -> list[str]:
    wrong: list[str] = []
    scheme, host = _address(settings.alpaca_base_url)
    local = host in {"localhost", "127.0.0.1", "::1"}
    if not host or (scheme != "https" and not (local and scheme == "http")):
        wrong.append(f"ALPACA_BASE_URL: {settings.alpaca_base_url!r} is not an https address")
    if settings.database_pool_max < settings.database_pool_min:
        wrong.append("DATABASE_POOL_MAX is below DATABASE_POOL_MIN")
    if (settings.alpaca_api_key_id is None) != (settings.alpaca_api_secret_key is None):
        wrong.append("ALPACA_API_KEY_ID and ALPACA_API_SECRET_KEY must be given together")
    live = host == LIVE_HOST
    if live and (settings.dry_run or not settings.live_trading_confirm):
        wrong.append(
            "ALPACA_BASE_URL is the live host without DRY_RUN=false and LIVE_TRADING_CONFIRM"
        )
    if not live and settings.live_trading_confirm:
        wrong.append("LIVE_TRADING_CONFIRM is set but ALPACA_BASE_URL is not the live host")
    return wrong
