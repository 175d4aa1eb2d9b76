"""Settings of where secrets are kept: on this machine, in HashiCorp Vault, or at AWS.

Values alone, as in `configuration`, which joins them with all others into one tree. What opens a
server (VAULT_TOKEN, VAULT_SECRET_ID, the AWS keys) is a secret of this machine and no setting.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tradewright.broking import HERE, address

REMOTE = frozenset({"vault", "aws"})
"""The kinds of places that a server keeps."""


class SafekeepingSettings(BaseModel):
    """Where secrets are kept, and for how long what a server told is used."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    secrets_backend: Literal["folder", "environment", "vault", "aws"] = Field(
        "folder",
        alias="SECRETS_BACKEND",
        description="Where secrets are: folder (and environment), environment, vault or aws.",
    )
    secrets_cache_seconds: float = Field(
        60.0,
        ge=1,
        le=3600,
        alias="SECRETS_CACHE_SECONDS",
        description="How long secrets of Vault or AWS are used at most that were not read anew.",
    )
    secrets_timeout_seconds: float = Field(
        2.0,
        gt=0,
        le=30,
        alias="SECRETS_TIMEOUT_SECONDS",
        description="How long Vault or AWS may take to answer.",
    )
    vault_addr: str | None = Field(
        None, alias="VAULT_ADDR", description="Vault's address: https://vault.example.com:8200."
    )
    vault_mount: str = Field(
        "secret",
        min_length=1,
        alias="VAULT_MOUNT",
        description="Where Vault's KV engine (version 2) is mounted.",
    )
    vault_path: str = Field(
        "tradewright",
        min_length=1,
        alias="VAULT_PATH",
        description="The secret of that engine whose keys are ours.",
    )
    vault_namespace: str | None = Field(
        None, alias="VAULT_NAMESPACE", description="Vault's namespace, if it has some."
    )
    vault_role_id: str | None = Field(
        None,
        alias="VAULT_ROLE_ID",
        description="Our AppRole (its secret: VAULT_SECRET_ID); unset: by VAULT_TOKEN.",
    )
    vault_approle_mount: str = Field(
        "approle",
        min_length=1,
        alias="VAULT_APPROLE_MOUNT",
        description="Where Vault's AppRole method is mounted.",
    )
    vault_cacert: Path | None = Field(
        None, alias="VAULT_CACERT", description="The authority of Vault's certificate (PEM)."
    )
    aws_region: str | None = Field(
        None, alias="AWS_REGION", description="The region of AWS Secrets Manager."
    )
    aws_secrets_name: str = Field(
        "tradewright",
        min_length=1,
        alias="AWS_SECRETS_NAME",
        description="The secret of AWS Secrets Manager whose keys are ours: a name or an ARN.",
    )
    aws_secrets_endpoint: str | None = Field(
        None,
        alias="AWS_ENDPOINT_URL_SECRETS_MANAGER",
        description="AWS Secrets Manager behind another address, as of a VPC endpoint.",
    )


def safekeeping_faults(settings: SafekeepingSettings) -> list[str]:
    """Say which of these values cannot be meant together; empty if they can."""
    wrong: list[str] = []
    backend = settings.secrets_backend
    needed = {"vault": ("VAULT_ADDR", settings.vault_addr)}
    needed["aws"] = ("AWS_REGION", settings.aws_region)
    if backend in needed and not needed[backend][1]:
        wrong.append(f"SECRETS_BACKEND is {backend} and {needed[backend][0]} is not set")
    if settings.vault_role_id is not None and backend != "vault":
        wrong.append(f"VAULT_ROLE_ID is set and SECRETS_BACKEND is {backend}")
    if backend in REMOTE and settings.secrets_timeout_seconds * 2 > settings.secrets_cache_seconds:
        wrong.append("SECRETS_TIMEOUT_SECONDS is more than half of SECRETS_CACHE_SECONDS")
    urls = {
        "VAULT_ADDR": ("vault", settings.vault_addr),
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": ("aws", settings.aws_secrets_endpoint),
    }
    for name, (of, url) in urls.items():
        # Addresses are shown, so a password may stand in none of them, used or not.
        if url and set(url) & set("@?#"):
            wrong.append(f"{name} holds more than scheme, host, port and path")
        elif url and of == backend and not _is_safe(url):
            wrong.append(f"{name} is not an https address")
    return wrong


def _is_safe(url: str) -> bool:
    scheme, host = address(url)
    return bool(host) and (scheme == "https" or (scheme == "http" and host in HERE))
