"""What logins need from outside: an identity provider, and keys that are made where none are.

Keys are only ever made in the folder of secrets. What comes from the environment is the operator's
to change; nothing here writes over a secret that it did not make.
"""

from __future__ import annotations

import base64
import json
import secrets as randomness
from typing import TYPE_CHECKING, Final

from tradewright.adapters.secrets import FolderSecretStore
from tradewright.bootstrap.secrets import keep_secret, secret_store
from tradewright.core.access import SERVICE_PERMISSIONS
from tradewright.core.errors import ConfigError
from tradewright.wire.signing import secret_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from tradewright.bootstrap.services import Resources
    from tradewright.configuration import Settings
    from tradewright.core.records import JsonValue
    from tradewright.ports import IdentityProvider, SecretStore

SEALING_KEY: Final = "SESSION_ENCRYPTION_KEY"
KEPT_KEYS: Final = 3
"""Older public keys that still verify: tokens live for minutes, so more would be of no use."""
_KEY_BYTES: Final = 32


def identity_provider(resources: Resources) -> IdentityProvider | None:
    """Return the identity provider of the settings; None without one."""
    from tradewright.adapters.oidc import OpenIdProvider

    settings = resources.settings
    issuer, client = settings.identity_provider, settings.auth0_client_id
    if issuer is None or client is None:
        return None
    return OpenIdProvider(
        issuer, client, settings.oidc_redirect_url, resources.secrets, resources.clock
    )


def make_missing_keys(settings: Settings, secrets: SecretStore) -> tuple[str, ...]:
    """Make the keys of logins and services that are nowhere yet, and return their names.

    Raises:
        ConfigError: The folder of secrets cannot be written, or is not where secrets are read.
    """
    from tradewright.adapters.tokens import SIGNING_KEY, new_signing_key

    makers: dict[str, Callable[[], str]] = {SIGNING_KEY: new_signing_key, SEALING_KEY: _sealing_key}
    makers |= dict.fromkeys(map(secret_name, SERVICE_PERMISSIONS), _service_secret)
    known = set(secrets.names())
    missing = tuple(name for name in makers if name not in known)
    if missing and settings.secrets_backend != "folder":
        raise ConfigError(
            f"not in {settings.secrets_backend}, which SECRETS_BACKEND names: {', '.join(missing)}",
            "make them with SECRETS_BACKEND=folder on a machine of your own, then move them there",
        )
    for name in missing:
        keep_secret(settings.secrets_folder, name, makers[name]())
    return missing


def rotate_signing_key(settings: Settings) -> tuple[str, str]:
    """Put a fresh signing key in the place of the present one, which verifies on for a while.

    Returns:
        The key ids of the old and of the new key.

    Raises:
        ConfigError: The key does not lie in the folder of secrets, or that cannot be written.
    """
    from tradewright.adapters.tokens import (
        SIGNING_KEY,
        VERIFICATION_KEYS,
        new_signing_key,
        public_key,
    )

    folder = FolderSecretStore(settings.secrets_folder)
    elsewhere = settings.secrets_backend != "folder"
    if elsewhere or SIGNING_KEY not in folder.names():
        where = settings.secrets_backend if elsewhere else f"not in {settings.secrets_folder}"
        raise ConfigError(
            f"{SIGNING_KEY} is {'kept in ' if elsewhere else ''}{where}",
            "rotate it where it is kept: publish the new public key in JWT_VERIFICATION_KEYS first",
        )
    if secret_store(settings).get(SIGNING_KEY) != folder.get(SIGNING_KEY):
        raise ConfigError(
            f"{SIGNING_KEY} in the environment is in the place of the one in the folder",
            "take it out of the environment, or rotate it there",
        )
    old, pem = public_key(folder.get(SIGNING_KEY)), new_signing_key()
    new = public_key(pem)
    kept: list[JsonValue] = [new, old]
    if VERIFICATION_KEYS in folder.names():
        named = (new["kid"], old["kid"])
        known = json.loads(folder.get(VERIFICATION_KEYS))["keys"]
        kept += [key for key in known if key.get("kid") not in named]
    # First everybody learns the new key, then it signs: at no time is a token without a key.
    keys = json.dumps({"keys": kept[: KEPT_KEYS + 1]}, indent=1)
    keep_secret(settings.secrets_folder, VERIFICATION_KEYS, keys)
    keep_secret(settings.secrets_folder, SIGNING_KEY, pem)
    return str(old["kid"]), str(new["kid"])


def _sealing_key() -> str:
    return base64.b64encode(randomness.token_bytes(_KEY_BYTES)).decode()


def _service_secret() -> str:
    return randomness.token_urlsafe(_KEY_BYTES)
