"""Whether a certificate that a caller showed is ours, good now, not revoked, and whose it is.

Authority and revocation list are read again when their files change, so both are rotated while
services run. Without a list that is good now nobody is let in by certificate: a missing or stale
one could hide a revocation.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final, Generic, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from tradewright.adapters.certificates.making import common_name
from tradewright.core.access import Principal, PrincipalKind, permissions_of
from tradewright.core.errors import NotAuthenticated, SafetyError
from tradewright.ports import Clock, UserStore

INVALID: Final = "certificate_invalid"
EXPIRED: Final = "certificate_expired"
REVOKED: Final = "certificate_revoked"
_WRONG: Final = (
    *(ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm),
    *(x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType),
)
_Read = TypeVar("_Read")


class _File(Generic[_Read]):
    # What a file says, read again when it was replaced.
    def __init__(self, path: Path, what: str, read: Callable[[bytes], _Read]) -> None:
        self._path = path
        self._what = what
        self._read = read
        self._seen: tuple[int, int, int] | None = None
        self._said: _Read | None = None

    @property
    def is_there(self) -> bool:
        return self._path.exists()

    def now(self) -> _Read:
        try:
            stat = self._path.stat()
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if seen != self._seen or self._said is None:
                self._said = self._read(self._path.read_bytes())
                self._seen = seen
        except (OSError, ValueError) as error:
            self._seen, self._said = None, None
            what = f"{self._what} {self._path} cannot be read ({type(error).__name__})"
            raise SafetyError(f"{what}, so no certificate can be trusted") from error
        return self._said


class AuthorityCertificateVerifier:
    """Verifies certificates of our authority and finds whose they are."""

    def __init__(self, authority: Path, revoked: Path, users: UserStore, clock: Clock) -> None:
        """Trust the authority in one file, mind the revocation list in another."""
        self._authority = _File(authority, "the authority", x509.load_pem_x509_certificate)
        self._revoked = _File(revoked, "the revocation list", x509.load_pem_x509_crl)
        self._users = users
        self._clock = clock
        self._newest = (b"", 0)

    async def verify(self, certificate: bytes) -> Principal:
        """Return whom a DER certificate speaks for.

        Raises:
            NotAuthenticated: It is not of our authority, expired, revoked, or speaks for no one.
            SafetyError: Whether it was revoked cannot be known.
        """
        try:
            shown = x509.load_der_x509_certificate(certificate)
        except (ValueError, x509.InvalidVersion) as error:
            raise NotAuthenticated(INVALID, "the certificate cannot be read") from error
        if not self._authority.is_there:
            raise NotAuthenticated(INVALID, "there is no authority that could have issued it")
        now = self._clock.now()
        authority = self._authority.now()
        self._check_issuer(shown, authority, now)
        if self._good_list(authority, now).get_revoked_certificate_by_serial_number(
            shown.serial_number
        ):
            raise NotAuthenticated(REVOKED, "the certificate was revoked")
        name = common_name(shown)
        user = (await self._users.get(name) or await self._users.find(name=name)) if name else None
        if user is None or user.disabled:
            raise NotAuthenticated(INVALID, "the certificate speaks for no user who may log in")
        return Principal(
            PrincipalKind.CERTIFICATE,
            user.id,
            user.roles,
            permissions_of(user.roles),
            user.strategies,
        )

    def _check_issuer(
        self, shown: x509.Certificate, authority: x509.Certificate, now: datetime
    ) -> None:
        try:
            shown.verify_directly_issued_by(authority)
            _check_use(shown)
        except _WRONG as error:
            what = "the certificate is not one of our authority for callers"
            raise NotAuthenticated(INVALID, what) from error
        for found, whose in ((shown, "the certificate"), (authority, "the authority")):
            if not found.not_valid_before_utc <= now <= found.not_valid_after_utc:
                raise NotAuthenticated(EXPIRED, f"{whose} is not good at this time")

    def _good_list(
        self, authority: x509.Certificate, now: datetime
    ) -> x509.CertificateRevocationList:
        found = self._revoked.now()
        key = authority.public_key()
        ours = isinstance(key, ec.EllipticCurvePublicKey) and found.is_signature_valid(key)
        if not ours or found.issuer != authority.subject:
            raise SafetyError("the revocation list is not signed by our authority")
        end = found.next_update_utc
        if end is None or not found.last_update_utc <= now <= end:
            until = end.isoformat() if end else "never"
            remedy = "sign a new one with `tradewright certs crl`"
            raise SafetyError(f"the revocation list was good until {until}; {remedy}")
        number = found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        mark = (authority.fingerprint(hashes.SHA256()), number)
        if mark[0] == self._newest[0] and number < self._newest[1]:
            raise SafetyError("the revocation list is older than one that was seen before")
        self._newest = mark
        return found


def _check_use(shown: x509.Certificate) -> None:
    extensions = shown.extensions
    uses = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    is_authority = extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    signs = extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    if is_authority or not signs or ExtendedKeyUsageOID.CLIENT_AUTH not in uses:
        raise ValueError("is not for callers")
