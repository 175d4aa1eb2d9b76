"""What is written down and who may show a certificate: the audit log and our authority, wired."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

from tradewright.adapters.postgres import PostgresAuditTable, migrate, open_pool
from tradewright.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from tradewright.adapters import certificates
    from tradewright.adapters.audit import DurableAuditLog
    from tradewright.adapters.postgres import Pool
    from tradewright.bootstrap.stores import Databases
    from tradewright.configuration import Settings
    from tradewright.ports import AuditTable, CertificateVerifier, Clock, UserStore

    Authority: TypeAlias = certificates.Authority
    Handed: TypeAlias = certificates.Handed


@asynccontextmanager
async def audit_table(found: Databases) -> AsyncIterator[AuditTable]:
    """Open the audit log's table for reading.

    Raises:
        ConfigError: The database does not answer or cannot be migrated.
    """
    await asyncio.to_thread(migrate, found.database_url)
    pool = await open_pool(found.database_url, min_size=1, max_size=1)
    try:
        yield PostgresAuditTable(pool)
    finally:
        await pool.close()


def audit_log(
    settings: Settings, pool: Pool, service: str, clock: Clock, ids: Callable[[], str]
) -> AbstractAsyncContextManager[DurableAuditLog]:
    """Make the audit log of a service: to the database, else to its spool, counted.

    Raises:
        ConfigError: The folder of the spool cannot be used.
    """
    # Only a service needs these, and every command loads this module.
    from tradewright.adapters.audit import AuditPatience, AuditSpool, DurableAuditLog
    from tradewright.ops.records import tell_of_audit

    most = settings.audit_spool_max_mb * 2**20
    return DurableAuditLog(
        PostgresAuditTable(pool),
        AuditSpool.open(settings.audit_spool_folder, service, most),
        service=service,
        clock=clock,
        ids=ids,
        patience=AuditPatience(answer_seconds=settings.audit_timeout_seconds),
        told=tell_of_audit,
    )


def waiting_audit(settings: Settings) -> Mapping[str, int]:
    """Return the bytes of audit entries that wait on this machine, by service."""
    from tradewright.adapters.audit import total_waiting

    return dict(total_waiting(settings.audit_spool_folder))


def certificate_verifier(settings: Settings, users: UserStore, clock: Clock) -> CertificateVerifier:
    """Make what reads the certificates of callers; without an authority nobody is let in by one."""
    from tradewright.adapters.certificates import AuthorityCertificateVerifier
    from tradewright.ops.records import watch_expiries

    watched = {
        name: (lambda path=path: _left(path, clock.now()))
        for name, path in certificate_files(settings).items()
    }
    watch_expiries(watched)
    return AuthorityCertificateVerifier(
        settings.ca_certificate, settings.revocation_list, users, clock
    )


def certificates_left(settings: Settings, now: datetime) -> Mapping[str, tuple[Path, float]]:
    """Return what this machine goes by and the seconds until each expires.

    Raises:
        ConfigError: A file that a setting names cannot be read.
    """
    from tradewright.adapters.certificates import seconds_left

    files = certificate_files(settings)
    return {name: (path, seconds_left(path, now)) for name, path in files.items()}


def certificate_files(settings: Settings) -> Mapping[str, Path]:
    """Return the certificates and the revocation list that this machine goes by, if there."""
    found = {"authority": settings.ca_certificate, "revocation list": settings.revocation_list}
    if settings.killswitch_mtls_cert_path:
        found["operator"] = settings.killswitch_mtls_cert_path
    given = {
        settings.killswitch_ca_cert_path,
        settings.killswitch_crl_path,
        settings.killswitch_mtls_cert_path,
    }
    # A setting is a promise: what it names is looked at even if it is not there.
    return {name: path for name, path in found.items() if path in given or path.exists()}


def authority(settings: Settings, passphrase: Callable[[], str]) -> Authority:
    """Return our certificate authority; `passphrase` is called when its key is needed."""
    from tradewright.adapters.certificates import Authority

    return Authority(settings.ca_folder, passphrase)


def _left(path: Path, now: datetime) -> float:
    from tradewright.adapters.certificates import seconds_left

    try:
        return seconds_left(path, now)
    except ConfigError:
        # What cannot be read lets nobody in, as if it had expired.
        return 0.0
