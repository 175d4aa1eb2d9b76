"""How our certificates and the revocation list are made: their fields, and nothing on disk.

P-256 throughout, since every browser, OpenSSL and TLS library speaks it. A certificate says what
it is for: one of a person never passes for a server's.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tradewright.core.access.certificates import Purpose, Reason

AUTHORITY_DAYS: Final = 3650
_SKEW: Final = timedelta(minutes=5)
_ORGANISATION: Final = "Tradewright"


@dataclass(frozen=True, slots=True)
class Revoked:
    """A serial number that is no longer good, since when and why."""

    serial: int
    at: datetime
    reason: Reason


@dataclass(frozen=True, slots=True)
class Signer:
    """The authority's certificate and key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def new_key() -> ec.EllipticCurvePrivateKey:
    """Make a key."""
    return ec.generate_private_key(ec.SECP256R1())


def authority_certificate(
    key: ec.EllipticCurvePrivateKey, name: str, now: datetime
) -> x509.Certificate:
    """Make the authority's own certificate, which may sign certificates of callers and lists."""
    subject = _name(name)
    public = key.public_key()
    return (
        _begun(subject, now, now + timedelta(days=AUTHORITY_DAYS))
        .issuer_name(subject)
        .public_key(public)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )


def certificate(
    signer: Signer,
    public: ec.EllipticCurvePublicKey,
    name: str,
    *,
    purpose: Purpose,
    now: datetime,
    days: int,
) -> x509.Certificate:
    """Make a certificate; it does not outlive the authority."""
    until = min(now + timedelta(days=days), signer.certificate.not_valid_after_utc)
    usage = {
        Purpose.CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH,
        Purpose.SERVER: ExtendedKeyUsageOID.SERVER_AUTH,
    }[purpose]
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key())
    builder = (
        _begun(_name(name), now, until)
        .issuer_name(signer.certificate.subject)
        .public_key(public)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(issuer, critical=False)
    )
    if purpose is Purpose.SERVER:
        builder = builder.add_extension(x509.SubjectAlternativeName([_host(name)]), critical=False)
    return builder.sign(signer.key, hashes.SHA256())


def revocation_list(
    signer: Signer, revoked: Iterable[Revoked], *, number: int, now: datetime, days: int
) -> x509.CertificateRevocationList:
    """Make the list of what is revoked, good for some days."""
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key())
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(signer.certificate.subject)
        .last_update(now - _SKEW)
        .next_update(now + timedelta(days=days))
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(issuer, critical=False)
    )
    for one in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(one.serial).revocation_date(one.at)
        if one.reason is not Reason.UNSPECIFIED:
            flag = x509.ReasonFlags(one.reason.value)
            entry = entry.add_extension(x509.CRLReason(flag), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(signer.key, hashes.SHA256())


def common_name(found: x509.Certificate) -> str:
    """Return the one common name of a certificate's subject, empty if there is not one."""
    names = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if len(names) == 1 else ""


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _begun(subject: x509.Name, now: datetime, until: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(until)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
