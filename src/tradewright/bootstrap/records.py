"""What is written down and who may show a certificate: the audit log and our authority, wired."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    suppress,
)
from typing import TYPE_CHECKING, Final, TypeAlias

from tradewright.adapters.postgres import PostgresAuditTable, migrate, open_pool
from tradewright.bootstrap.secrets import keep_secret, secret_store
from tradewright.core.clock import SystemClock
from tradewright.core.errors import ConfigError, InvalidInput

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from tradewright.adapters import certificates
    from tradewright.adapters.audit import DurableAuditLog
    from tradewright.adapters.postgres import Pool
    from tradewright.bootstrap.stores import Databases
    from tradewright.configuration import Settings
    from tradewright.core.records import Note
    from tradewright.ports import AuditTable, CertificateVerifier, Clock, UserStore

    Authority: TypeAlias = certificates.Authority
    Handed: TypeAlias = certificates.Handed


ANCHOR_KEY: Final = "AUDIT_ANCHOR_KEY"
COMMANDS: Final = "cli"
"""The service in whose name commands write into the audit log."""
_DRAIN_SECONDS: Final = 5.0


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


def record(settings: Settings, note: Note) -> bool:
    """Write a note of a command into the audit log; False if it waits on disk for the database.

    The database is that of the settings, or the embedded one where there is one already: a machine
    that keeps an authority alone has none, and needs none for this.

    Raises:
        ConfigError: The folder of the spool cannot be used.
        SafetyError: It could be kept nowhere, so what it tells of must not be done.
    """

    async def write() -> bool:
        async with AsyncExitStack() as opened:
            table = await _reached(settings, opened)
            log = await opened.enter_async_context(_log_of_commands(settings, table))
            await log.append(note)
            if table is None:
                return False
            # What waited from before is put in too, if there is time for it.
            with suppress(TimeoutError):
                await asyncio.wait_for(log.drained(), _DRAIN_SECONDS)
            return not log.is_spooling

    return asyncio.run(write())


async def _reached(settings: Settings, opened: AsyncExitStack) -> AuditTable | None:
    from tradewright.adapters.embedded import EmbeddedPostgres

    url = settings.database_url.get_secret_value() if settings.database_url else None
    folder = settings.state_dir / "postgres"
    try:
        if url is None:
            if not folder.exists():
                return None
            server = EmbeddedPostgres(folder)
            opened.callback(server.stop)
            url = await asyncio.to_thread(server.start)
        await asyncio.to_thread(migrate, url)
        pool = await open_pool(url, min_size=1, max_size=1)
    except ConfigError:
        # It is down, or its folder is another process's: the entry waits.
        return None
    opened.push_async_callback(pool.close)
    return PostgresAuditTable(pool)


def _log_of_commands(settings: Settings, table: AuditTable | None) -> DurableAuditLog:
    from tradewright.adapters.audit import (
        AbsentAuditTable,
        AuditPatience,
        AuditSpool,
        DurableAuditLog,
    )

    spool = AuditSpool.open(
        settings.audit_spool_folder, COMMANDS, settings.audit_spool_max_mb * 2**20
    )
    return DurableAuditLog(
        table or AbsentAuditTable(),
        spool,
        service=COMMANDS,
        clock=SystemClock(),
        ids=lambda: os.urandom(16).hex(),
        patience=AuditPatience(answer_seconds=settings.audit_timeout_seconds),
    )


def waiting_audit(settings: Settings) -> Mapping[str, int]:
    """Return the bytes of audit entries that wait on this machine, by service."""
    from tradewright.adapters.audit import total_waiting

    return dict(total_waiting(settings.audit_spool_folder))


def anchor_key(settings: Settings) -> str:
    """Return the private key that signs heads of the audit log.

    Raises:
        ConfigError: It is not there, or is no such key.
    """
    from tradewright.compliance.anchors import public_half

    store = secret_store(settings)
    if ANCHOR_KEY not in store.names():
        remedy = "make it with `tradewright audit anchor-key`, or give --key to verify"
        raise ConfigError(f"the secret {ANCHOR_KEY} is not there", remedy)
    key = store.get(ANCHOR_KEY)
    try:
        public_half(key)
    except InvalidInput as error:
        raise ConfigError(f"the secret {ANCHOR_KEY} {error.rule}", "give it as made") from error
    return key


def make_anchor_key(settings: Settings) -> Path | None:
    """Make that key where there is none; return the folder that it was put into, if it was made.

    Raises:
        ConfigError: The folder of secrets cannot be written, or is not where secrets are read.
    """
    from tradewright.compliance.anchors import new_anchor_key

    if ANCHOR_KEY in secret_store(settings).names():
        return None
    if settings.secrets_backend != "folder":
        what = f"{ANCHOR_KEY} is not in {settings.secrets_backend}, which SECRETS_BACKEND names"
        raise ConfigError(what, "make it with SECRETS_BACKEND=folder, then move it there")
    keep_secret(settings.secrets_folder, ANCHOR_KEY, new_anchor_key())
    return settings.secrets_folder


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
