"""The certificate authority in a folder: its sealed key, what it issued, and what it revoked.

The register is written before what it tells of, so nothing is ever good that is not in it and
could not be revoked. The key is unsealed for each signature and never kept.
"""

from __future__ import annotations

import fcntl
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from tradewright.adapters.certificates import making
from tradewright.adapters.certificates.making import Revoked, Signer
from tradewright.adapters.certificates.register import Register
from tradewright.core.access.certificates import Issued, Purpose, Reason
from tradewright.core.errors import ConfigError, InvalidInput
from tradewright.data.durable import write_file

LEAST_PASSPHRASE: Final = 12
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._@:-]{0,62}[A-Za-z0-9])?")
_KEY, _CERTIFICATE, _LIST = "ca.key", "ca.crt", "ca.crl"
_LOCK: Final = ".lock"


@dataclass(frozen=True, slots=True)
class Handed:
    """What is given to whoever asked: the certificate, and the key if we made it."""

    issued: Issued
    certificate: bytes
    key: bytes | None
    bundle: bytes | None


class Authority:
    """The authority in a folder; what signs asks for its passphrase."""

    def __init__(self, folder: Path, passphrase: Callable[[], str]) -> None:
        """Use `folder`; `passphrase` is called when the key must be unsealed."""
        self._folder = folder
        self._passphrase = passphrase
        self._register = Register(folder / "register.json")

    @property
    def certificate_path(self) -> Path:
        """The authority's certificate, which services are given."""
        return self._folder / _CERTIFICATE

    @property
    def list_path(self) -> Path:
        """The revocation list, which services are given."""
        return self._folder / _LIST

    def init(self, label: str, now: datetime, *, list_days: int) -> None:
        """Make the authority and its first, empty list.

        Raises:
            ConfigError: There is one already, or the folder cannot be written.
            InvalidInput: The passphrase is too short.
        """
        phrase = self._passphrase()
        if len(phrase) < LEAST_PASSPHRASE:
            rule = f"is shorter than {LEAST_PASSPHRASE} characters"
            raise InvalidInput("CA_KEY_PASSPHRASE", "***", rule)
        with self._locked(make=True):
            if (self._folder / _KEY).exists():
                what = f"{self._folder} holds a certificate authority already"
                raise ConfigError(what, "use it, or move the folder away")
            key = making.new_key()
            made = making.authority_certificate(key, label, now)
            self._register.write([], 0)
            self._write(_CERTIFICATE, made.public_bytes(Encoding.PEM), 0o644)
            self._write_list(Signer(made, key), now, list_days)
            # The key last: with it the authority is whole, without it there is none.
            self._write(_KEY, _sealed(key, phrase), 0o600)

    def issue(
        self,
        name: str,
        now: datetime,
        *,
        purpose: Purpose = Purpose.CLIENT,
        days: int = 365,
        passphrase: str | None = None,
        request: bytes | None = None,
    ) -> Handed:
        """Issue a certificate for a name, with a key of our making or for a signing request.

        Args:
            name: The user's id or login name; the host of a server.
            now: The present.
            purpose: What it is for.
            days: How long it is good.
            passphrase: Seals the key that is handed out; None leaves it open.
            request: A signing request (PEM): the key stays with its owner.

        Raises:
            InvalidInput: The name or the request does not fit.
            ConfigError: There is no authority, or its passphrase is another.
        """
        if not _NAME.fullmatch(name):
            raise InvalidInput("NAME", name, "is no name of a user or a host")
        own = None if request else making.new_key()
        public = own.public_key() if own else _asked(request or b"")
        with self._locked():
            signer = self._signer()
            made = making.certificate(signer, public, name, purpose=purpose, now=now, days=days)
            issued = Issued(
                made.serial_number,
                name,
                purpose,
                made.not_valid_before_utc,
                made.not_valid_after_utc,
            )
            register, number = self._register.read()
            self._register.write([*register, issued], number)
        chain = made.public_bytes(Encoding.PEM)
        bundle = None
        if own and passphrase:
            sealed = BestAvailableEncryption(passphrase.encode())
            bundle = serialize_key_and_certificates(
                name.encode(), own, made, [signer.certificate], sealed
            )
        return Handed(issued, chain, _sealed(own, passphrase) if own else None, bundle)

    def revoke(
        self, who: str, reason: Reason, now: datetime, *, list_days: int
    ) -> Sequence[Issued]:
        """Revoke what is good of a name, or one serial number, and sign a new list.

        Returns:
            What was revoked.

        Raises:
            InvalidInput: Nothing that is good has this name or serial number.
            ConfigError: There is no authority, or its passphrase is another.
        """
        with self._locked():
            signer = self._signer()
            register, number = self._register.read()
            meant = [one for one in register if one.is_good(now) and who in {one.name, one.number}]
            if not meant:
                rule = "is neither the name nor the serial number of a good certificate"
                raise InvalidInput("WHO", who, rule, "see `tradewright certs list`")
            ended = [replace(one, revoked=now, reason=reason) for one in meant]
            rest = [one for one in register if one not in meant]
            kept = sorted([*rest, *ended], key=lambda one: (one.start, one.serial))
            self._register.write(kept, number)
            self._write_list(signer, now, list_days)
        return ended

    def refresh_list(self, now: datetime, *, list_days: int) -> None:
        """Sign the revocation list anew.

        Raises:
            ConfigError: There is no authority, or its passphrase is another.
        """
        with self._locked():
            self._write_list(self._signer(), now, list_days)

    def issued(self) -> Sequence[Issued]:
        """List everything that was ever issued, oldest first; needs no passphrase."""
        return self._register.read()[0]

    def certificate(self) -> x509.Certificate:
        """Read the authority's certificate."""
        return x509.load_pem_x509_certificate(self._read(_CERTIFICATE))

    def revocation_list(self) -> x509.CertificateRevocationList:
        """Read the revocation list as it lies there."""
        return x509.load_pem_x509_crl(self._read(_LIST))

    def _signer(self) -> Signer:
        sealed = self._read(_KEY)
        try:
            key = load_pem_private_key(sealed, self._passphrase().encode())
        except (ValueError, TypeError) as error:
            what = f"{self._folder / _KEY} does not open with this passphrase"
            raise ConfigError(what, "give the one of CA_KEY_PASSPHRASE") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ConfigError(f"{self._folder / _KEY} is no P-256 key", "restore it from a backup")
        return Signer(self.certificate(), key)

    def _write_list(self, signer: Signer, now: datetime, days: int) -> None:
        register, number = self._register.read()
        revoked = [
            Revoked(one.serial, one.revoked, one.reason or Reason.UNSPECIFIED)
            for one in register
            if one.revoked
        ]
        self._register.write(register, number + 1)
        made = making.revocation_list(signer, revoked, number=number + 1, now=now, days=days)
        self._write(_LIST, made.public_bytes(Encoding.PEM), 0o644)

    def _read(self, name: str) -> bytes:
        try:
            return (self._folder / name).read_bytes()
        except OSError as error:
            what = f"{self._folder / name} cannot be read: {error.strerror}"
            raise ConfigError(what, "make an authority with `tradewright certs init`") from error

    def _write(self, name: str, content: bytes, mode: int) -> None:
        write_file(self._folder / name, content, mode)

    @contextmanager
    def _locked(self, *, make: bool = False) -> Iterator[None]:
        try:
            if make:
                self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._folder.chmod(0o700)
            with (self._folder / _LOCK).open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            what = f"{self._folder} cannot be used: {error.strerror}"
            raise ConfigError(what, "make an authority with `tradewright certs init`") from error


def seconds_left(path: Path, now: datetime) -> float:
    """Return the seconds until a certificate or a revocation list (PEM) in a file expires.

    Raises:
        ConfigError: The file cannot be read, or is neither.
    """
    try:
        content = path.read_bytes()
        if b"X509 CRL" in content:
            end = x509.load_pem_x509_crl(content).next_update_utc
        else:
            end = x509.load_pem_x509_certificate(content).not_valid_after_utc
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", "restore it") from error
    except ValueError as error:
        what = f"{path} is neither a certificate nor a revocation list"
        raise ConfigError(what, "restore it") from error
    return (end - now).total_seconds() if end else 0.0


def _sealed(key: ec.EllipticCurvePrivateKey, passphrase: str | None) -> bytes:
    seal = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, seal)


def _asked(request: bytes) -> ec.EllipticCurvePublicKey:
    try:
        asked = x509.load_pem_x509_csr(request)
    except ValueError as error:
        raise InvalidInput("--csr", "", "is no signing request", "make one in PEM") from error
    public = asked.public_key()
    if not asked.is_signature_valid:
        raise InvalidInput("--csr", "", "is not signed by its own key", "make it anew")
    if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.name != "secp256r1":
        raise InvalidInput("--csr", "", "is for another kind of key", "use P-256 (prime256v1)")
    return public
