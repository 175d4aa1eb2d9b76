"""The second factor: TOTP secrets, sealed where they are stored, and recovery codes.

A code is good for its half minute and the ones beside it, and once: the step it belongs to is kept
and no step at or before it is taken again. Whoever reads the database alone learns no secret.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from typing import TYPE_CHECKING, Final

import pyotp
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tradewright.core.errors import ConfigError, SafetyError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from tradewright.ports import SecretStore

SEALING_KEY: Final = "SESSION_ENCRYPTION_KEY"
STEP_SECONDS: Final = 30
DRIFT_STEPS: Final = 1
RECOVERY_CODES: Final = 10
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_VERSION: Final = "v1."
_CODE: Final = re.compile(r"[0-9]{6}")
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
_RECOVERY_LENGTH: Final = 16


class Seal:
    """Seals small secrets for one user, with AES-256-GCM under SESSION_ENCRYPTION_KEY.

    The key may be two, apart by a comma: the first seals, either opens, so it can be rotated.
    """

    def __init__(self, secrets: SecretStore, random: Callable[[int], bytes]) -> None:
        """Read the key from `secrets` at each call; `random` gives so many random bytes."""
        self._secrets = secrets
        self._random = random

    def close(self, text: str, owner: str) -> str:
        """Seal a text so that it opens for its owner alone.

        Raises:
            ConfigError: There is no key of 32 bytes.
        """
        nonce = self._random(_NONCE_BYTES)
        sealed = AESGCM(self._keys()[0]).encrypt(nonce, text.encode(), owner.encode())
        return _VERSION + base64.urlsafe_b64encode(nonce + sealed).decode()

    def open(self, sealed: str, owner: str) -> str:
        """Open a sealed text.

        Raises:
            ConfigError: There is no key of 32 bytes.
            SafetyError: No key opens it: it was changed, is another's, or its key is gone.
        """
        try:
            data = base64.urlsafe_b64decode(sealed.removeprefix(_VERSION))
        except binascii.Error:
            data = b""
        for key in self._keys() if len(data) > _NONCE_BYTES else ():
            try:
                opened = AESGCM(key).decrypt(
                    data[:_NONCE_BYTES], data[_NONCE_BYTES:], owner.encode()
                )
            except InvalidTag:
                continue
            return opened.decode()
        raise SafetyError(f"the TOTP secret of user {owner} cannot be opened with {SEALING_KEY}")

    def _keys(self) -> list[bytes]:
        try:
            keys = [
                base64.b64decode(part.strip(), validate=True)
                for part in self._secrets.get(SEALING_KEY).split(",")
            ]
        except binascii.Error:
            keys = []
        if not keys or any(len(key) != _KEY_BYTES for key in keys):
            raise ConfigError(
                f"{SEALING_KEY} is not base64 of {_KEY_BYTES} bytes",
                "make one with `tradewright auth init`; two may stand apart by a comma",
            )
        return keys


def otpauth_uri(secret: str, name: str, issuer: str) -> str:
    """Return what an authenticator reads as a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=issuer)


def matching_step(secret: str, code: str, at: datetime, last: int | None) -> int | None:
    """Return the step that a code belongs to; None if it is wrong, too old, or used before.

    Args:
        secret: The base32 secret.
        code: Six digits; blanks are let pass.
        at: The present.
        last: The step of the last code that was taken.
    """
    digits = code.replace(" ", "")
    if not _CODE.fullmatch(digits):
        return None
    totp = pyotp.TOTP(secret)
    now = int(at.timestamp()) // STEP_SECONDS
    found = None
    # Every step is looked at, so that time does not tell which one it was.
    for step in range(now - DRIFT_STEPS, now + DRIFT_STEPS + 1):
        made = totp.generate_otp(step)
        if hmac.compare_digest(made.encode(), digits.encode()):
            found = step
    return found if found is not None and (last is None or found > last) else None


def new_totp_secret(random: Callable[[int], bytes]) -> str:
    """Make a base32 secret of 160 bits, as RFC 4226 recommends."""
    return base64.b32encode(random(20)).decode()


def new_recovery_codes(random: Callable[[int], bytes]) -> tuple[str, ...]:
    """Make recovery codes of 79 bits each, without letters that look like others."""

    def letters() -> str:
        # Bytes that would favour some letters are left out.
        chosen: list[str] = []
        while len(chosen) < _RECOVERY_LENGTH:
            chosen += [
                _ALPHABET[byte % len(_ALPHABET)]
                for byte in random(_RECOVERY_LENGTH)
                if byte < 256 - 256 % len(_ALPHABET)
            ]
        return "".join(chosen[:_RECOVERY_LENGTH])

    texts = (letters() for _ in range(RECOVERY_CODES))
    return tuple("-".join(t[n : n + 4] for n in range(0, _RECOVERY_LENGTH, 4)) for t in texts)


def recovery_hash(code: str) -> str:
    """Return what is stored of a recovery code; it is random enough for a plain hash."""
    return hashlib.sha256(re.sub(r"[\s-]+", "", code.lower()).encode()).hexdigest()


def without_recovery(stored: Sequence[str], code: str) -> tuple[str, ...] | None:
    """Return the hashes that are left once a code is used; None if it is none of them."""
    given = recovery_hash(code)
    kept = tuple(one for one in stored if not hmac.compare_digest(one, given))
    return kept if len(kept) < len(stored) else None
