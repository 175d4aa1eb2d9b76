"""Every setting, grouped by what it is about, and which of them contradict each other.

Values alone: `settings` reads them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from tradewright.broking import HERE, AlpacaSettings, address, broker_faults
from tradewright.hosting import LIVE, HostingSettings, hosting_faults
from tradewright.safekeeping import SafekeepingSettings, safekeeping_faults

LOOPBACK: Final = ("127.0.0.0/8", "::1/128")
_ENVIRONMENTS: Final = {"dev": "development", "test": "testing", "prod": "production"}


def _environment(value: object) -> object:
    return _ENVIRONMENTS.get(value, value) if isinstance(value, str) else value


def _symbols(value: object) -> object:
    return tuple(re.findall(r"[^,\s]+", value)) if isinstance(value, str) else value


def _networks(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(str(ip_network(text, strict=False)) for text in re.findall(r"[^,\s]+", value))


Rate = Annotated[
    str,
    Field(pattern=r"^[1-9]\d{0,5} ?(/|per) ?([1-9]\d{0,4} ?)?(second|minute|hour|day)s?$"),
]
"""How often: `60/minute`, `1/300 seconds`, `5 per hour`."""


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class PlaceSettings(_Group):
    """Where this runs and where it keeps its files."""

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


class DatabaseSettings(_Group):
    """PostgreSQL and Redis."""

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


class DoorSettings(_Group):
    """Who may come in, and where secrets lie."""

    secrets_dir: Path | None = Field(
        None,
        alias="TRADEWRIGHT_SECRETS_DIR",
        description="Folder of secrets, one file each; unset: `secrets` in the state folder.",
    )
    secrets_validation_mode: Literal["strict", "warn"] = Field(
        "strict",
        alias="SECRETS_VALIDATION_MODE",
        description="Whether a secret that is missing refuses to start, or is told of.",
    )
    trusted_proxy_ips: Annotated[tuple[str, ...] | None, BeforeValidator(_networks), LIVE] = Field(
        None,
        alias="TRUSTED_PROXY_IPS",
        description="Proxies whose forwarding headers are believed; unset: local in development.",
    )
    rate_limit_mode: Annotated[Literal["log_only", "enforce"], LIVE] = Field(
        "enforce",
        alias="RATE_LIMIT_MODE",
        description="Whether a spent quota refuses, or is told of.",
    )
    rate_limit_trusted_ips: Annotated[tuple[str, ...], BeforeValidator(_networks), LIVE] = Field(
        (), alias="RATE_LIMIT_TRUSTED_IPS", description="Callers that no limit holds back."
    )
    rate_limit_orders_per_principal: Annotated[Rate, LIVE] = Field(
        "60/minute",
        alias="RATE_LIMIT_ORDERS_PER_PRINCIPAL",
        description="Orders that one principal may send.",
    )
    rate_limit_orders_per_strategy: Annotated[Rate, LIVE] = Field(
        "120/minute",
        alias="RATE_LIMIT_ORDERS_PER_STRATEGY",
        description="Orders that may be sent for one strategy.",
    )
    rate_limit_orders_per_service: Annotated[Rate, LIVE] = Field(
        "600/minute",
        alias="RATE_LIMIT_ORDERS_PER_SERVICE",
        description="Orders that one service may send, for whomever.",
    )
    rate_limit_signals: Annotated[Rate, LIVE] = Field(
        "30/minute",
        alias="RATE_LIMIT_SIGNALS",
        description="Requests for signals of one principal.",
    )
    rate_limit_cancels: Annotated[Rate, LIVE] = Field(
        "10/minute", alias="RATE_LIMIT_CANCELS", description="Cancels of one principal."
    )
    rate_limit_flatten: Annotated[Rate, LIVE] = Field(
        "1/300 seconds",
        alias="RATE_LIMIT_FLATTEN",
        description="Times that one principal may flatten; the first always passes.",
    )
    rate_limit_logins: Annotated[Rate, LIVE] = Field(
        "30/minute", alias="RATE_LIMIT_LOGINS", description="Attempts to log in from one address."
    )


class AuthSettings(_Group):
    """How users log in, and for how long."""

    auth_issuer: str = Field(
        "tradewright",
        min_length=1,
        alias="AUTH_ISSUER",
        description="Who signs access tokens; authenticators show it too.",
    )
    auth_access_seconds: int = Field(
        600, ge=30, le=3600, alias="AUTH_ACCESS_SECONDS", description="How long a token is good."
    )
    auth_idle_minutes: int = Field(
        30, ge=1, alias="AUTH_IDLE_MINUTES", description="A login ends when it rests so long."
    )
    auth_session_hours: int = Field(
        12, ge=1, le=168, alias="AUTH_SESSION_HOURS", description="A login ends after so long."
    )
    auth_setup_hours: int = Field(
        24, ge=1, le=168, alias="AUTH_SETUP_HOURS", description="How long a setup token is good."
    )
    auth_require_second_factor: bool | None = Field(
        None,
        alias="AUTH_REQUIRE_SECOND_FACTOR",
        description="Whether roles that trade need one; unset: in staging and production.",
    )
    auth_after_login_url: str = Field(
        "http://127.0.0.1:8501/",
        alias="AUTH_AFTER_LOGIN_URL",
        description="Where a browser goes once the identity provider let it in.",
    )
    auth0_domain: str | None = Field(
        None, alias="AUTH0_DOMAIN", description="Auth0 tenant: tenant.us.auth0.com."
    )
    oidc_issuer: str | None = Field(
        None, alias="OIDC_ISSUER", description="Another OpenID provider, by its issuer's URL."
    )
    auth0_client_id: str | None = Field(
        None, alias="AUTH0_CLIENT_ID", description="Our client id at the provider."
    )
    oidc_redirect_url: str = Field(
        "http://127.0.0.1:8005/api/v1/auth/callback",
        alias="OIDC_REDIRECT_URL",
        description="Our callback, as the provider was told.",
    )


class RecordSettings(_Group):
    """What is written down of what happens: logs, traces, the audit log; and certificates."""

    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], LIVE] = Field(
        "INFO",
        alias="LOG_LEVEL",
        description="The least level that is logged; no DEBUG in production.",
    )
    log_dir: Path | None = Field(
        None,
        alias="TRADEWRIGHT_LOG_DIR",
        description="Folder of trading.log and system.log; unset: standard error alone.",
    )
    otel_endpoint: str | None = Field(
        None,
        alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        description="Collector of traces (OTLP over HTTP); unset: traces stay in the logs.",
    )
    audit_spool_dir: Path | None = Field(
        None,
        alias="AUDIT_SPOOL_DIR",
        description="Folder where audit entries wait; unset: `audit-spool` in the state folder.",
    )
    audit_spool_max_mb: int = Field(
        64,
        ge=1,
        alias="AUDIT_SPOOL_MAX_MB",
        description="Megabytes of audit entries that may wait, for each process.",
    )
    audit_timeout_seconds: float = Field(
        2.0,
        gt=0,
        le=30,
        alias="AUDIT_TIMEOUT_SECONDS",
        description="How long the database may take for an audit entry before it is spooled.",
    )
    ca_dir: Path | None = Field(
        None,
        alias="TRADEWRIGHT_CA_DIR",
        description="Folder of our certificate authority; unset: `ca` in the state folder.",
    )
    killswitch_mtls_cert_path: Path | None = Field(
        None,
        alias="KILLSWITCH_MTLS_CERT_PATH",
        description="Our own certificate as an operator (PEM).",
    )
    killswitch_mtls_key_path: Path | None = Field(
        None, alias="KILLSWITCH_MTLS_KEY_PATH", description="The key of that certificate (PEM)."
    )
    killswitch_ca_cert_path: Path | None = Field(
        None,
        alias="KILLSWITCH_CA_CERT_PATH",
        description="The authority whose certificates callers may show; unset: `ca.crt` of ours.",
    )
    killswitch_crl_path: Path | None = Field(
        None,
        alias="KILLSWITCH_CRL_PATH",
        description="Its revocation list; unset: `ca.crl` beside the authority.",
    )


class LimitSettings(_Group):
    """The most that an order may lead to."""

    max_position_size: Decimal = Field(
        Decimal(20000), gt=0, alias="MAX_POSITION_SIZE", description="US dollars a name at most."
    )
    max_position_shares: Decimal | None = Field(
        None, gt=0, alias="MAX_POSITION_SHARES", description="Shares a name at most; unset: any."
    )


class PaperSettings(_Group):
    """Defaults of `tradewright paper-run`."""

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


class Settings(
    PaperSettings,
    LimitSettings,
    RecordSettings,
    AuthSettings,
    HostingSettings,
    SafekeepingSettings,
    DoorSettings,
    AlpacaSettings,
    DatabaseSettings,
    PlaceSettings,
):
    """Every setting, with its environment name as alias."""

    @property
    def trusted_proxies(self) -> tuple[str, ...]:
        """The networks of the proxies whose forwarding headers are believed."""
        if self.trusted_proxy_ips is not None:
            return self.trusted_proxy_ips
        return LOOPBACK if self.environment in {"development", "testing"} else ()

    @property
    def second_factor_required(self) -> bool:
        """Whether roles that trade or release switches need a second factor."""
        if self.auth_require_second_factor is not None:
            return self.auth_require_second_factor
        return self.environment in {"staging", "production"}

    @property
    def identity_provider(self) -> str | None:
        """The issuer of the identity provider whose users may log in; None without one."""
        return f"https://{self.auth0_domain}/" if self.auth0_domain else self.oidc_issuer

    @property
    def audit_spool_folder(self) -> Path:
        """The folder where audit entries wait for the database."""
        return self.audit_spool_dir or self.state_dir / "audit-spool"

    @property
    def ca_folder(self) -> Path:
        """The folder of our certificate authority."""
        return self.ca_dir or self.state_dir / "ca"

    @property
    def ca_certificate(self) -> Path:
        """The authority whose certificates callers may show."""
        return self.killswitch_ca_cert_path or self.ca_folder / "ca.crt"

    @property
    def revocation_list(self) -> Path:
        """Its revocation list."""
        return self.killswitch_crl_path or self.ca_certificate.with_name("ca.crl")

    @property
    def secrets_folder(self) -> Path:
        """The folder where secrets lie, one file each."""
        return self.secrets_dir or self.state_dir / "secrets"


Shown: TypeAlias = "str | bool | int | float | None"
"""A setting's value as it may be read."""
MASK: Final = "(hidden)"
"""What is shown in the place of a secret."""


@dataclass(frozen=True, slots=True)
class Change:
    """A setting that is to change; a secret's values are not in it.

    `live` says that a service takes it up while it runs.
    """

    name: str
    before: Shown
    after: Shown
    live: bool


def changes(before: Settings, after: Settings) -> list[Change]:
    """Return what differs between two trees of settings, by name."""
    found = [
        Change(
            str(field.alias),
            shown_value(getattr(before, name)),
            shown_value(getattr(after, name)),
            LIVE in field.metadata,
        )
        for name, field in Settings.model_fields.items()
        if getattr(before, name) != getattr(after, name)
    ]
    return sorted(found, key=lambda change: change.name)


def shown_value(value: object) -> Shown:
    """Return a setting's value as it may be read: of a secret only that it is set."""
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, tuple):
        return ", ".join(str(one) for one in value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value)


def contradictions(settings: Settings) -> list[str]:
    """Say which values cannot be meant together; empty if they can."""
    wrong = broker_faults(settings) + hosting_faults(settings) + _of_logins(settings)
    wrong += safekeeping_faults(settings)
    if settings.database_pool_max < settings.database_pool_min:
        wrong.append("DATABASE_POOL_MAX is below DATABASE_POOL_MIN")
    if settings.environment == "production" and settings.log_level == "DEBUG":
        wrong.append("LOG_LEVEL is DEBUG in production, where lines would tell of people")
    if (settings.killswitch_mtls_cert_path is None) != (settings.killswitch_mtls_key_path is None):
        wrong.append("KILLSWITCH_MTLS_CERT_PATH and KILLSWITCH_MTLS_KEY_PATH go together")
    return wrong


def _of_logins(settings: Settings) -> list[str]:
    wrong: list[str] = []
    if settings.auth0_domain and settings.oidc_issuer:
        wrong.append("AUTH0_DOMAIN and OIDC_ISSUER are both given")
    if (settings.identity_provider is None) != (settings.auth0_client_id is None):
        wrong.append("AUTH0_CLIENT_ID goes with AUTH0_DOMAIN or OIDC_ISSUER, and they with it")
    if settings.auth_idle_minutes * 60 < settings.auth_access_seconds:
        wrong.append("AUTH_IDLE_MINUTES is shorter than AUTH_ACCESS_SECONDS")
    given = {
        "AUTH0_DOMAIN or OIDC_ISSUER": settings.identity_provider,
        "OIDC_REDIRECT_URL": settings.oidc_redirect_url,
        "AUTH_AFTER_LOGIN_URL": settings.auth_after_login_url,
    }
    for name, url in given.items():
        scheme, host = address(url) if url is not None else ("https", "none")
        if not host or not (scheme == "https" or (scheme == "http" and host in HERE)):
            wrong.append(f"{name}: {url!r} is not an https address")
    return wrong
