"""The one reader of environment and TOML: one frozen tree, read once, all errors at once.

A value in the environment wins over `tradewright.toml`. Unknown keys, placeholders and
contradictions refuse to start. Unset DATABASE_URL and REDIS_URL mean the embedded databases.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args
from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr, ValidationError

from tradewright.broking import address
from tradewright.configuration import Settings, contradictions
from tradewright.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIG_FILE: Final = "tradewright.toml"
_PREFIX: Final = "TRADEWRIGHT_"
_PLACEHOLDERS: Final = frozenset(
    {"", "replace_me", "your_api_key", "todo", "changeme", "default", "placeholder"}
    | {"example", "test_key"}
)
_OTHERS: Final = stat.S_IRWXO | stat.S_IWGRP
_SECRET_ENDS: Final = ("_KEY", "_KEY_ID", "_URL", "_CONFIRM")

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


def secret_settings() -> tuple[str, ...]:
    """Return the names of the settings whose values are shown to no one."""
    return tuple(
        str(field.alias)
        for field in Settings.model_fields.values()
        if SecretStr in (field.annotation, *get_args(field.annotation))
    )


def environment_with(given: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of this process with some variables set, for a process it starts."""
    return {**os.environ, **given}


@dataclass(slots=True)
class Reading:
    """What was read before it is checked: values and where each is from, and what is wrong."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def put(self, name: str, value: object, origin: str) -> None:
        """Take a value in the place of what was read of the same name."""
        self.values[name] = value
        self.origins[name] = origin

    def drop(self, name: str, why: str) -> None:
        """Take a value out and say what is wrong with it."""
        del self.values[name]
        self.wrong.append(f"{name} {why}")


def read_settings(environ: Mapping[str, str] | None = None, file: Path | None = None) -> Reading:
    """Read every given value from file, folder of secrets and environment, the last wins.

    Raises:
        ConfigError: The file cannot be read at all.
    """
    given = dict(os.environ if environ is None else environ)
    reading = Reading()
    path = file or Path(CONFIG_FILE)
    for name, value in _from_file(path, required=file is not None).items():
        if name in _ALIASES_OF:
            reading.put(name, value, str(path))
        else:
            reading.wrong.append(f"unknown setting {name!r} in {path}")
    _read_folder(reading, given)
    _read_environment(reading, given)
    for name in [n for n in reading.values if n.endswith(_SECRET_ENDS)]:
        if str(reading.values[name]).strip().lower() in _PLACEHOLDERS:
            reading.drop(name, "is a placeholder or blank")
    return reading


def examined_settings(
    environ: Mapping[str, str] | None = None, file: Path | None = None
) -> tuple[Settings | None, Reading]:
    """Read and check the settings without refusing them: what is wrong stands in the reading.

    Raises:
        ConfigError: The file cannot be read at all.
    """
    reading = read_settings(environ, file)
    settings = _validated(reading.values, reading.wrong)
    reading.wrong += contradictions(settings) if settings else []
    return settings, reading


def load_settings(environ: Mapping[str, str] | None = None, file: Path | None = None) -> Settings:
    """Read the settings once; all that is wrong is told in one ConfigError.

    Raises:
        ConfigError: An unknown name, a value that does not fit, a placeholder, a contradiction,
            or a file that cannot be read.
    """
    settings, reading = examined_settings(environ, file)
    if reading.wrong or settings is None:
        remedy = "correct or remove it; `.env.example` lists every setting"
        raise ConfigError("; ".join(reading.wrong), remedy)
    return settings


def _read_folder(reading: Reading, given: Mapping[str, str]) -> None:
    folder = given.get("TRADEWRIGHT_SECRETS_DIR", reading.values.get("TRADEWRIGHT_SECRETS_DIR"))
    if not isinstance(folder, str) or not folder:
        return
    for name in secret_settings():
        path = Path(folder) / name
        try:
            if path.stat().st_mode & _OTHERS:
                reading.wrong.append(f"{path} is open to others; chmod 600 it")
                continue
            reading.put(name, path.read_text(encoding="utf-8").strip(), str(path))
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            reading.wrong.append(f"{path} cannot be read: {getattr(error, 'strerror', error)}")


def _read_environment(reading: Reading, given: Mapping[str, str]) -> None:
    for name, value in given.items():
        canonical = ALIASES.get(name, name)
        if canonical in _ALIASES_OF:
            others = {n: given[n] for n in _ALIASES_OF[canonical] if n in given}
            if name in ALIASES and canonical in given:
                continue
            if len(set(others.values())) > 1 and canonical not in given and name == min(others):
                reading.wrong.append(f"{' and '.join(sorted(others))} differ")
            reading.put(canonical, value, "environment")
        elif name.startswith(_PREFIX):
            reading.wrong.append(f"unknown setting {name!r} in the environment")


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


def production_faults(settings: Settings) -> list[str]:
    """Return what must not be so in production; nothing for other environments.

    A service refuses to start over it; a backtest on the same machine does not care.
    """
    if settings.environment != "production":
        return []
    wrong: list[str] = []
    for name, url in (("DATABASE_URL", settings.database_url), ("REDIS_URL", settings.redis_url)):
        text = url.get_secret_value() if url else ""
        _, host = address(text)
        if not text:
            wrong.append(f"{name} is not set; production does not use the embedded server")
        elif host in {"localhost", "::1"} or host.startswith("127."):
            wrong.append(f"{name} leads to this machine")
        elif not (urlsplit(text).password or "passfile" in text):
            wrong.append(f"{name} has no password")
    if settings.database_url is not None:
        wrong += _database_faults(settings.database_url.get_secret_value())
    if settings.secrets_validation_mode != "strict":
        wrong.append("SECRETS_VALIDATION_MODE is not strict; warn is for an emergency of a day")
    if settings.rate_limit_mode != "enforce":
        wrong.append("RATE_LIMIT_MODE is not enforce")
    return wrong


def _database_faults(url: str) -> list[str]:
    wrong: list[str] = []
    parts = urlsplit(url)
    words = set(re.split(r"[^a-z]+", parts.path.lower()))
    if words & {"dev", "development", "test", "testing", "local"}:
        wrong.append("DATABASE_URL names a database for development or tests")
    if parse_qs(parts.query).get("sslmode", ["prefer"])[-1] not in {"verify-ca", "verify-full"}:
        wrong.append("DATABASE_URL does not verify the server; add sslmode=verify-full")
    if parts.username in {"postgres", "root"}:
        wrong.append("DATABASE_URL logs in as a superuser")
    return wrong
