"""Anchors: heads of the audit log's chain, signed, so that whoever keeps one can prove its tail.

Who owns the database may rewrite a chain and note another head beside it, but cannot sign that
head: the key lies elsewhere, and its public half is enough to verify. An anchor says nothing of
what was appended after it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from tradewright.compliance.chain import AUDIT_DOMAIN, Head, canonical
from tradewright.core.clock import require_utc
from tradewright.core.errors import InvalidInput

if TYPE_CHECKING:
    from tradewright.core.records import JsonValue

DOMAIN: Final = "tradewright/audit-anchor/1"
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_FIELDS: Final = frozenset({"anchor", "chain", "seq", "hash", "signed_at", "key", "signature"})
_NO_KEY: Final = "is no Ed25519 key (PEM)"


@dataclass(frozen=True, slots=True)
class Anchor:
    """A head, when it was signed, by which key, and the signature."""

    head: Head
    signed_at: datetime
    key: str
    signature: str = ""

    def line(self) -> str:
        """Return it as one line of JSON."""
        return canonical({**self._facts(), "signature": self.signature})

    def text(self) -> bytes:
        """Return what its signature covers."""
        return canonical(self._facts()).encode()

    def _facts(self) -> dict[str, JsonValue]:
        return {
            "anchor": DOMAIN,
            "chain": AUDIT_DOMAIN,
            "seq": self.head.seq,
            "hash": self.head.hash,
            "signed_at": self.signed_at.isoformat(timespec="seconds"),
            "key": self.key,
        }


def sign_anchor(head: Head, at: datetime, key: str) -> Anchor:
    """Sign a head with a private key.

    Raises:
        InvalidInput: It is no Ed25519 key.
    """
    private = _private(key)
    moment = require_utc(at).astimezone(UTC).replace(microsecond=0)
    bare = Anchor(head, moment, _name(private.public_key()))
    return replace(bare, signature=base64.b64encode(private.sign(bare.text())).decode())


def is_anchored(anchor: Anchor, public: str) -> bool:
    """Whether the key with this public half signed an anchor, as it stands.

    Raises:
        InvalidInput: It is no Ed25519 key.
    """
    key = _public(public)
    try:
        key.verify(base64.b64decode(anchor.signature, validate=True), anchor.text())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return anchor.key == _name(key)


def read_anchor(line: str) -> Anchor:
    """Read an anchor back; only to be believed once its signature is.

    Raises:
        InvalidInput: It is none.
    """
    try:
        told: Any = json.loads(line)
        fit = isinstance(told, dict) and set(told) == _FIELDS
        fit = fit and (told["anchor"], told["chain"]) == (DOMAIN, AUDIT_DOMAIN)
        fit = fit and type(told["seq"]) is int and told["seq"] > 0
        fit = fit and _HASH.fullmatch(str(told["hash"])) is not None
        if not fit:
            raise InvalidInput("anchor", line[:80], "is no anchor of the audit log")
        at = require_utc(datetime.fromisoformat(told["signed_at"]))
        head = Head(told["seq"], str(told["hash"]))
        return Anchor(head, at, str(told["key"]), str(told["signature"]))
    except (ValueError, TypeError, RecursionError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput("anchor", line[:80], "is no anchor of the audit log") from error


def new_anchor_key() -> str:
    """Make a private key, as PEM."""
    made = Ed25519PrivateKey.generate()
    return made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_half(key: str) -> str:
    """Return the public half of a private key, as PEM.

    Raises:
        InvalidInput: It is no Ed25519 key.
    """
    public = _private(key).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _name(key: Ed25519PublicKey) -> str:
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:32]


def _private(text: str) -> Ed25519PrivateKey:
    try:
        # An environment variable in one line holds \n for the ends of lines.
        key = load_pem_private_key(text.replace("\\n", "\n").encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The library's own words may quote the key.
        raise InvalidInput("key", "(hidden)", _NO_KEY) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidInput("key", "(hidden)", _NO_KEY)
    return key


def _public(text: str) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidInput("key", "(a file)", f"{_NO_KEY}: its public half") from error
    if not isinstance(key, Ed25519PublicKey):
        raise InvalidInput("key", "(a file)", f"{_NO_KEY}: its public half")
    return key
