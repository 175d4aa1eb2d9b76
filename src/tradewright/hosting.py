"""Settings of a service as a server: where it listens, what it takes, and when it warns.

Values alone, as in `configuration`, which joins them with all others into one tree.
"""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

DEVELOPMENT_ORIGINS = ("http://localhost:8501", "http://127.0.0.1:8501")
_LOCAL = ("127.0.0.0/8", "::1/128")
_ORIGIN = re.compile(r"https?://[^/?#@\s*]+")


def _split(value: object) -> object:
    return tuple(re.findall(r"[^,\s]+", value)) if isinstance(value, str) else value


def _origins(values: tuple[str, ...] | None) -> tuple[str, ...] | None:
    for value in values or ():
        if not _ORIGIN.fullmatch(value) or not urlsplit(value).hostname:
            rule = "is no origin; name each as https://console.example.com, and never *"
            raise ValueError(f"{value!r} {rule}")
    return values


def _networks(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(ip_network(value, strict=False)) for value in values)


Words = Annotated[tuple[str, ...], BeforeValidator(_split)]

LIVE: Final = "may change while a service runs"
"""The mark of a setting that a reload takes up; any other needs a restart."""


class HostingSettings(BaseModel):
    """How services listen and what they take."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    services_host: str = Field(
        "127.0.0.1", alias="SERVICES_HOST", description="Address at which services listen."
    )
    allowed_hosts: Annotated[Words, LIVE] = Field(
        (),
        alias="ALLOWED_HOSTS",
        description="Names under which services may be asked; localhost and addresses always.",
    )
    allowed_origins: Annotated[
        tuple[str, ...] | None, AfterValidator(_origins), BeforeValidator(_split), LIVE
    ] = Field(
        None,
        alias="ALLOWED_ORIGINS",
        description="Origins of browsers that may ask; unset: the local console in development.",
    )
    csp_mode: Annotated[Literal["report_only", "enforce"], LIVE] = Field(
        "enforce",
        alias="CSP_MODE",
        description="Whether browsers keep the content security policy, or tell of it.",
    )
    tls_cert_path: Path | None = Field(
        None, alias="TLS_CERT_PATH", description="Certificate chain of the services; unset: no TLS."
    )
    tls_key_path: Path | None = Field(
        None, alias="TLS_KEY_PATH", description="Private key of TLS_CERT_PATH."
    )
    max_body_bytes: Annotated[int, LIVE] = Field(
        1_048_576, ge=1024, alias="MAX_BODY_BYTES", description="Bytes of a request's body at most."
    )
    request_timeout_seconds: Annotated[float, LIVE] = Field(
        30.0,
        gt=0,
        allow_inf_nan=False,
        alias="REQUEST_TIMEOUT_SECONDS",
        description="Time to answer a request at most.",
    )
    max_requests_in_flight: Annotated[int, LIVE] = Field(
        1000, ge=1, alias="MAX_REQUESTS_IN_FLIGHT", description="Requests served at once at most."
    )
    max_sockets: Annotated[int, LIVE] = Field(
        500, ge=1, alias="MAX_SOCKETS", description="WebSockets open at once at most."
    )
    socket_check_seconds: Annotated[float, LIVE] = Field(
        5.0,
        ge=0.1,
        le=300,
        alias="SOCKET_CHECK_SECONDS",
        description="How often it is looked whether the login behind an open socket lives.",
    )
    executor_max_workers: int = Field(
        16, ge=1, alias="EXECUTOR_MAX_WORKERS", description="Threads for calls that block at most."
    )
    metrics_trusted_ips: Annotated[Words, AfterValidator(_networks), LIVE] = Field(
        _LOCAL,
        alias="METRICS_TRUSTED_IPS",
        description="Peers that may read /metrics without showing who they are.",
    )
    memory_warning_mb: Annotated[int, LIVE] = Field(
        1024, ge=1, alias="MEMORY_WARNING_MB", description="Memory from which a service warns."
    )
    memory_critical_mb: Annotated[int, LIVE] = Field(
        2048, ge=1, alias="MEMORY_CRITICAL_MB", description="Memory from which a service is loud."
    )
    open_files_warning: Annotated[int, LIVE] = Field(
        500, ge=1, alias="OPEN_FILES_WARNING", description="Open files from which a service warns."
    )
    free_disk_warning_mb: Annotated[int, LIVE] = Field(
        500, ge=0, alias="FREE_DISK_WARNING_MB", description="Free disk below which it warns."
    )
    loop_lag_warning_ms: Annotated[float, LIVE] = Field(
        100.0, gt=0, alias="LOOP_LAG_WARNING_MS", description="Event-loop lag from which it warns."
    )


def hosting_faults(settings: HostingSettings) -> list[str]:
    """Say which of these values cannot be meant together; empty if they can."""
    wrong: list[str] = []
    if (settings.tls_cert_path is None) != (settings.tls_key_path is None):
        wrong.append("TLS_CERT_PATH and TLS_KEY_PATH must be given together")
    if settings.memory_critical_mb < settings.memory_warning_mb:
        wrong.append("MEMORY_CRITICAL_MB is below MEMORY_WARNING_MB")
    return wrong
