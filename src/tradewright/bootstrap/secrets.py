"""Where secrets are read, as the settings say: on this machine, in Vault, or at AWS.

Where a server keeps them nothing else counts, so that no forgotten variable stands in the place of
a secret; only what opens that server is read on this machine.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from tradewright.adapters.secrets import (
    EnvironmentSecretStore,
    FolderSecretStore,
    LayeredSecretStore,
    problems,
)
from tradewright.core.clock import SystemClock
from tradewright.core.errors import ConfigError
from tradewright.data.durable import write_file
from tradewright.safekeeping import REMOTE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tradewright.configuration import Settings
    from tradewright.ops.health import Check
    from tradewright.ports import SecretStore


def secret_store(settings: Settings, learn: Callable[[str], None] | None = None) -> SecretStore:
    """Return where secrets are read; `learn` is told every one that is, to hide it."""
    if settings.secrets_backend == "environment":
        return _learning(EnvironmentSecretStore(), learn)
    folder = FolderSecretStore(settings.secrets_folder)
    here = _learning(LayeredSecretStore([EnvironmentSecretStore(), folder]), learn)
    if settings.secrets_backend not in REMOTE:
        return here
    return _learning(_remote(settings, here), learn)


def unfit_secrets(store: SecretStore, required: Sequence[str]) -> list[str]:
    """Return a sentence for each required secret that is missing, empty or a placeholder."""
    return problems(store, required)


def secrets_check(settings: Settings, store: SecretStore) -> tuple[Check, ...]:
    """Look whether a server that keeps secrets still tells them; nothing where none does."""
    from tradewright.ops.health import Check, NotWell

    async def probe() -> None:
        try:
            await asyncio.to_thread(store.names)
        except ConfigError as error:
            raise NotWell("the server that keeps them does not answer as it should") from error

    return (Check("secrets", probe),) if settings.secrets_backend in REMOTE else ()


def keep_secret(folder: Path, name: str, value: str) -> None:
    """Put a secret into the folder of secrets, open to nobody else.

    Raises:
        ConfigError: The folder cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be made: {error.strerror}", "choose another") from error
    write_file(folder / name, value.encode(), 0o600)


def _learning(store: SecretStore, learn: Callable[[str], None] | None) -> SecretStore:
    if learn is None:
        return store
    from tradewright.ops.redaction import LearningSecrets

    return LearningSecrets(store, learn)


def _remote(settings: Settings, opener: SecretStore) -> SecretStore:
    from tradewright.adapters.secrets.aws import AwsPlace, AwsReader
    from tradewright.adapters.secrets.remote import RemoteSecretStore
    from tradewright.adapters.secrets.vault import VaultPlace, VaultReader

    clock, seconds = SystemClock(), settings.secrets_timeout_seconds
    read: VaultReader | AwsReader
    place: VaultPlace | AwsPlace
    if settings.secrets_backend == "vault":
        place = VaultPlace(
            (settings.vault_addr or "").rstrip("/"),
            settings.vault_path.strip("/"),
            settings.vault_mount.strip("/"),
            settings.vault_namespace,
            settings.vault_role_id,
            settings.vault_approle_mount.strip("/"),
            settings.vault_cacert,
        )
        read = VaultReader(place, opener, clock.monotonic, seconds=seconds)
    else:
        endpoint = settings.aws_secrets_endpoint
        place = AwsPlace(
            settings.aws_region or "",
            settings.aws_secrets_name,
            endpoint.rstrip("/") if endpoint else None,
        )
        read = AwsReader(place, opener, clock, seconds=seconds)
    kept = settings.secrets_cache_seconds
    return RemoteSecretStore(read, str(place), clock.monotonic, kept_seconds=kept)


def random_id() -> str:
    """Return 128 bits from the system's source of randomness, as 32 hexadecimal digits."""
    return os.urandom(16).hex()
