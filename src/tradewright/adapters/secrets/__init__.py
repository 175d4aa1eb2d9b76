"""Where secrets are kept: the environment, folders, layers of them; HashiCorp Vault; AWS."""

from __future__ import annotations

from tradewright.adapters.secrets.places import (
    PLACEHOLDERS,
    EnvironmentSecretStore,
    FolderSecretStore,
    LayeredSecretStore,
    problems,
)

__all__ = [
    "PLACEHOLDERS",
    "EnvironmentSecretStore",
    "FolderSecretStore",
    "LayeredSecretStore",
    "problems",
]
